"""ConfigError: the one exception of this package."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

SIMILARITY_MIN: Final = 0.6
"""How alike two names must be (difflib ratio) before one is offered for the other."""


class ConfigError(Exception):
    """A configuration that cannot be used; its text is complete and meant for the operator.

    From `Config.set` the text is Redis's reason alone ("argument must be 'yes' or 'no'"), which
    CONFIG SET quotes in its reply. From `load` it is the whole block of lines that is printed
    before the process exits with status 1.
    """


def suggestion(word: str, known: Iterable[str]) -> str:
    """The known name most like `word`, or "" when none is alike."""
    found = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=SIMILARITY_MIN)
    return found[0] if found else ""
