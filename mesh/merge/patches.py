"""Strings in place (APPEND, SETRANGE, SETBIT, BITFIELD, PFADD): patches, in the order of their
stamps.  [compiled]

A patch counts on whatever register shows, as an increment does: a SET or DEL clears those it had
seen, and one it had not seen is made on the winner's text, on none after a DEL (semantics.md 3).
"""

from __future__ import annotations

from mypy_extensions import i16, i64

from mesh.merge.increments import base_of
from mesh.merge.patch_order import commutes, follows, patch_of, place_patch, raises, spliced
from mesh.merge.rule import Rule
from mesh.merge.slots import STRING_SLOT, slot_of
from mesh.merge.state import Cover, KeyState
from mesh.merge.totals import without
from mesh.removals import KEY, TYPE
from node.ports import Seen
from node.store.effect import CREATION, MERGE, Effect
from node.store.entry import (
    ABSENT,
    COUNTED,
    ENCODED,
    HELD,
    LATER,
    NO_REGISTER,
    RAW,
    Dots,
    Entry,
)  # fmt: skip
from node.store.mutate import Outcome
from node.store.usual import packed, usual


class Patches(Rule):
    """APPEND, SETRANGE, SETBITS, BITINCR, PFMERGE."""

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        if fresh:
            begin_string(entry, effect)
            return
        dots = self._patched(effect, entry)
        dots.claims = None
        patches = dots.patches
        assert patches is not None
        patches.append(patch_of(effect))

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        if not self.plain(effect) or (fresh and not effect.flags & CREATION):
            return self.general(effect, entry, fresh, seen)
        if fresh:
            begin_string(entry, effect)
            return effect
        here = entry.value
        dots = entry.dots
        if (
            effect.flags & CREATION
            or here is None
            or entry.flags & COUNTED
            or slot_of(here) != STRING_SLOT
            or (dots is not None and (dots.claims is not None or dots.hidden is not None))
        ):
            return self.general(effect, entry, fresh, seen)
        patch = patch_of(effect)
        dots = self._patched(effect, entry)
        patches = dots.patches
        assert patches is not None
        streams = self.memory.streams
        if not patches or follows(patch, patches[-1], streams):
            patches.append(patch)
            return effect
        if commutes(patches, patch, streams) or raises(dots.base, here, patches, patch):
            place_patch(patches, patch, streams)
            return effect
        text = spliced(here, patches, patch, streams)
        if text is None:
            return self.general(effect, entry, fresh, seen)
        place_patch(patches, patch, streams)
        return shown_text(effect, entry, text)

    def _patched(self, effect: Effect, entry: Entry) -> Dots:
        """The rare dots of a string that is patched from now on; its register's text is kept."""
        dots = entry.dots
        if dots is None:
            dots = Dots()
            entry.dots = dots
        if dots.patches is None:
            dots.patches = []
            if entry.flags & (NO_REGISTER | ABSENT):
                dots.base = None
            elif not entry.flags & COUNTED:
                dots.base = entry.value
            elif dots.base is None:
                over = base_of(entry.stamp, i64(entry.origin))
                increments = self.memory.ledger.strings.live(
                    effect.db, effect.key, over, entry.flags
                )
                dots.base = without(entry.value, increments)
        return dots

    def scopes(self, effect: Effect) -> list[tuple[int, bytes]]:
        return [(KEY, b"")] if effect.flags & CREATION else [(TYPE, b"")]

    def change(self, state: KeyState, effect: Effect, cover: Cover) -> None:
        self.begin_string(state, effect, cover)
        if not self.drops(effect, [(KEY, b"")]):
            state.add_patch(patch_of(effect))


def begin_string(entry: Entry, effect: Effect) -> None:
    """A string is made by this patch, of no register; its TTL claim "none" is under its dot."""
    dots = Dots()
    dots.patches = [patch_of(effect)]
    entry.dots = dots
    entry.flags = (entry.flags & HELD) | NO_REGISTER
    if effect.index != 0:
        entry.flags |= LATER
    entry.deadline = 0
    entry.stamp = effect.stamp
    entry.origin = i16(effect.origin)


def shown_text(effect: Effect, entry: Entry, text: bytes) -> Effect:
    """The effect that leaves what is remembered as it is, and shows this text."""
    outcome = Outcome()
    result = outcome.result
    result.value = text
    result.dots = entry.dots
    result.deadline = entry.deadline
    result.stamp = entry.stamp
    result.origin = entry.origin
    result.flags = (entry.flags & ~ENCODED) | RAW
    shown = Effect(
        MERGE, effect.db, effect.key, outcome, 0, effect.stamp, effect.origin, effect.index
    )
    shown.events = effect.events if effect.events != 0 else packed(usual(effect))
    shown.flags = effect.flags
    return shown


