"""Scores as text: read as Redis reads them, written so that they read back the same.  [compiled]

Redis reads with strtod, so hexadecimal floats and the words for infinity are scores too. What is
no score, or rounds to infinity or to nothing, is nan here: no score is ever nan.
"""

from __future__ import annotations

from typing import Final

INFINITY: Final = float("inf")
NO_SCORE: Final = float("nan")
DECIMAL: Final = b"0123456789+-.eE"
HEXADECIMAL: Final = b"0123456789abcdefABCDEFxXpP+-."
# Whole numbers up to here are written without a point, and are exact.
WHOLE_MAX: Final = 9007199254740992.0


def read_score(text: bytes) -> float:
    """The score that a text means; nan where Redis says "not a valid float"."""
    if text.translate(None, DECIMAL):
        return rarer_score(text)
    try:
        score = float(text)
    except ValueError:
        return NO_SCORE
    if score == 0.0:
        return score if is_zero(text) else NO_SCORE
    if score == INFINITY or score == -INFINITY:
        return NO_SCORE
    return score


def is_zero(text: bytes) -> bool:
    """Are all digits of a decimal zeros? Otherwise it is too small for a float."""
    mantissa = text.lower().partition(b"e")[0]
    return not mantissa.translate(None, b"0.+-")


def rarer_score(text: bytes) -> float:
    """Infinity by its words, and hexadecimal floats; nan for everything else."""
    word = text.lower()
    negative = word[:1] == b"-"
    if negative or word[:1] == b"+":
        word = word[1:]
    if word == b"inf" or word == b"infinity":
        return -INFINITY if negative else INFINITY
    if word[:2] != b"0x" or word[2:].translate(None, HEXADECIMAL) or b"x" in word[2:]:
        return NO_SCORE
    try:
        score = float.fromhex(word.decode("ascii"))
    except (ValueError, OverflowError):
        return NO_SCORE
    if score == 0.0 and word.partition(b"p")[0][2:].translate(None, b"0."):
        return NO_SCORE
    return -score if negative else score


def score_text(score: float) -> bytes:
    """The shortest decimal that reads back as the same score; `inf` and `-inf`."""
    if -WHOLE_MAX <= score <= WHOLE_MAX and score == int(score):
        return b"%d" % int(score)
    return repr(score).encode()


def is_decimal(text: bytes) -> bool:
    """Is a readable score written with decimal digits? Then other servers read it alike."""
    return not text.translate(None, DECIMAL)
