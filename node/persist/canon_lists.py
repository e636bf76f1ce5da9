"""Canon's commands for lists: see node/persist/canon.py.  [compiled]"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.persist.canon_words import CanonError
from node.store.effect import OP_NAMES, Effect

NAMES: Final[frozenset[bytes]] = frozenset()


def command_of(effect: Effect) -> list[bytes]:
    """The command that replays an effect of these ops."""
    raise CanonError(f"no command for {OP_NAMES[int(effect.op)]}")


def effect_of(
    name: bytes, words: list[bytes], db: i64, stamp: i64, origin: i64, index: i64
) -> Effect:
    """The effect that a command named in NAMES says. CanonError where it is malformed."""
    raise CanonError(f"{name.decode('latin-1')!r} with {len(words) - 1} arguments says no effect")
