"""Mutation: what carries out one kind of effect; store/mutate.py has the table.  [compiled]"""

from __future__ import annotations

from mypy_extensions import i64

from node.store.effect import Effect
from node.store.entry import Entry


class Mutation:
    """Carries out one kind of effect."""

    def apply(self, entry: Entry, effect: Effect) -> i64:
        """Changes the entry's value; returns the op's number for the handler's reply.

        Sets entry.value to None where the key shows nothing any more.
        """
        return 0
