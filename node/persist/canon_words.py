"""What the readers of canon share: their error, and how they read an integer.  [compiled]"""

from __future__ import annotations

from mypy_extensions import i64, mypyc_attr

from node.resp.numbers import string_to_i64


@mypyc_attr(native_class=False)
class CanonError(Exception):
    """A command that no effect of ours is written as; the text names it."""


def integer(words: list[bytes], at: int) -> i64:
    """An integer argument. CanonError where it is none."""
    number = string_to_i64(words[at])
    if number is None:
        raise CanonError(f"argument {at} of {words[0].decode('latin-1')!r} is no integer")
    return i64(number)
