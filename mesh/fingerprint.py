"""Fingerprint: 62 bits of what one key is to the mesh, equal on two nodes that agree on it.
[compiled]

Covers the visible type, the value, the absolute deadline, and everything that a later merge asks
for: registers, increments, patches, claims of types and deadlines, hidden values, the dots of every
place, and the removals that wait. Two nodes that have applied the same and forgotten the same have
equal fingerprints of every key, however each holds it; a difference in anything that a merge could
see makes another one. 0 stands for a key of which nothing is known.

A false difference costs a transfer of the key; a false equality would lose data. So what is in
doubt counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from librt.strings import BytesWriter, read_i64_le, write_i32_le, write_i64_le
from mypy_extensions import i32, i64, u8

from mesh.fingerprint_hash import Mixer, exact_text
from mesh.fingerprint_lists import is_done_with, put_list
from mesh.fingerprint_places import put_hash, put_set, put_zset
from mesh.fingerprint_streams import put_stream
from mesh.merge.opening import open_state
from mesh.merge.patch_order import replayed
from mesh.merge.rule import Memory
from mesh.merge.slots import HASH_SLOT, LIST_SLOT, SET_SLOT, STREAM_SLOT, STRING_SLOT, ZSET_SLOT
from mesh.merge.state import KeyState, newest_of
from mesh.merge.totals import total
from mesh.packing import put_text
from mesh.removals import Pending
from node.store.entry import COUNTED, NO_REGISTER, STABLE, Entry, Patch, Register
from node.store.keyspace import ALL
from node.store.values.cron import CronValue
from node.store.values.lists import ListValue
from node.store.values.streams import StreamValue
from node.store.values.value import Value
from node.store.values.zsets import ZSetValue

UNKNOWN: Final = 0  # the fingerprint of a key of which nothing is known
# What stands in the bytes that are hashed: each section only where there is something in it.
REGISTERS: Final = 1
INCREMENTS: Final = 2
PATCHES: Final = 3
CLAIMS: Final = 4
DEADLINES: Final = 5
REMOVALS: Final = 6
VALUE: Final = 7  # and the slot
NONE_TEXT: Final = 0  # a register that says: deleted
OWN_TEXT: Final = 1
RARE: Final = COUNTED | NO_REGISTER


def key_fingerprint(
    memory: Memory, db: i64, key: bytes, entry: Entry | None, salt: bytes, cut: bytes = b""
) -> int:
    """The fingerprint of a key, 0 <= f < 2**62; at once, however large it is.

    `entry` is what Database.raw says, None where nothing is kept under the key; `salt` up to 16
    bytes, the same on both nodes. `cut`: what both know to be stable, as a row in this node's
    numbers of streams; whether it was forgotten here makes no difference for what is not contested.
    """
    made = KeyFingerprint(memory, db, key, entry, salt, cut)
    for _ in made.slices(ALL):
        pass
    return int(made.number)


class KeyFingerprint:
    """The fingerprint of one key, made in slices. Nobody should change the key meanwhile: it does
    no harm, but the number is worth nothing then."""

    def __init__(
        self, memory: Memory, db: i64, key: bytes, entry: Entry | None, salt: bytes,
        cut: bytes = b"",
    ) -> None:  # fmt: skip
        self.memory = memory
        self.db: i64 = db
        self.key = key
        self.entry = entry
        self.number: i64 = 0
        self._mixer = Mixer(memory.streams, salt, cut)

    def slices(self, places: i64) -> Iterator[None]:
        """Works, and yields after each so many members, elements or entries."""
        entry = self.entry
        waits = self.memory.removals.by_key.get((int(self.db), self.key))
        if entry is None and waits is None:
            return
        if entry is not None and waits is None and self._plain(entry):
            return
        out = BytesWriter()
        known: i64 = 0
        if entry is not None:
            memory = self.memory
            state = open_state(entry, self.db, self.key, False, memory.streams, memory.ledger)
            self._put_head(out, deadline_of(state), state.visible_slot())
            known = len(out)
            if not self._is_gone(state):
                self._put_state(out, state)
                yield from self._put_values(out, state, places)
        else:
            self._put_head(out, 0, STRING_SLOT)
            known = len(out)
        if waits is not None:
            self._mixer.put_items(out, REMOVALS, [self._removal(each) for each in waits])
        if len(out) != known:
            self.number = self._mixer.hash(out.getvalue())

    def _is_gone(self, state: KeyState) -> bool:
        """Does every member know that the key is deleted? Then it makes no difference whether a
        node has forgotten it."""
        mixer = self._mixer
        if (
            state.increments or state.patches or state.rivals
            or state.set is not None or state.hash is not None
        ):  # fmt: skip
            return False
        for value in state.opaque.values():
            if not isinstance(value, ListValue) or not is_done_with(mixer, value):
                return False
        for register in state.registers:
            if register.value is not None or not mixer.is_stable(register.stamp, register.origin):
                return False
        for claim in [*state.claims, *state.ttls]:
            if not mixer.is_stable(claim.stamp, claim.origin):
                return False
        return True

    def _plain(self, entry: Entry) -> bool:
        """The common case at once: a string with one register; the same bytes as any other way."""
        value = entry.value
        stamp = entry.stamp
        if (
            entry.dots is not None or entry.flags & RARE or stamp == 0
            or not (isinstance(value, bytes) or isinstance(value, int))
        ):  # fmt: skip
            return False
        origin = i64(entry.origin)
        if entry.flags & STABLE or self._mixer.is_stable(stamp, origin):
            stamp = 0
        out = BytesWriter()
        self._put_head(out, entry.deadline, STRING_SLOT)
        out.append(u8(REGISTERS))
        write_i32_le(out, 1)
        text = exact_text(value)
        write_i32_le(out, i32(29 + len(text)))
        self._mixer.put_dot(out, stamp, origin)
        out.append(u8(OWN_TEXT))
        put_text(out, text)
        if stamp != 0 or entry.deadline != 0:
            out.append(u8(DEADLINES))
            write_i32_le(out, 1)
            write_i32_le(out, 32)
            self._mixer.put_dot(out, stamp, origin)
            write_i64_le(out, entry.deadline)
        self.number = self._mixer.hash(out.getvalue())
        return True

    def _put_head(self, out: BytesWriter, deadline_ms: i64, slot: int) -> None:
        write_i32_le(out, i32(self.db))
        put_text(out, self.key)
        write_i64_le(out, deadline_ms)
        out.append(u8(slot))

    def _put_state(self, out: BytesWriter, state: KeyState) -> None:
        """What is known of the key beside its collections."""
        mixer = self._mixer
        registers = state.registers
        increments = state.increments
        patches = state.patches
        if (len(registers) > 1 or increments or patches) and self._folds(state):
            base: object = None
            if registers:
                base = newest_of(registers, state.streams).value
            if patches:
                base = replayed(base, increments, patches, state.streams)
            else:
                base = total(base, increments)
            registers = [Register(0, 0, base)]
            increments = []
            patches = []
        mixer.put_items(out, REGISTERS, [self._register(each) for each in registers])
        mixer.put_items(out, INCREMENTS, mixer.increments(increments))
        mixer.put_items(out, PATCHES, [self._patch(each) for each in patches])
        slot = state.visible_slot()
        claims = [
            each for each in state.claims
            if each.number != slot or not mixer.is_stable(each.stamp, each.origin)
        ]  # fmt: skip
        mixer.put_items(out, CLAIMS, mixer.type_claims(claims))
        mixer.put_items(out, DEADLINES, mixer.claims(state.ttls))

    def _folds(self, state: KeyState) -> bool:
        """Has every member all that is known of the string? Then it is one register (fold.py)."""
        mixer = self._mixer
        if not mixer.are_stable(state.registers, state.increments):
            return False
        for each in state.patches:  # noqa: SIM110 a generator costs more than it saves
            if not mixer.is_stable(each.stamp, each.origin):
                return False
        return True

    def _put_values(self, out: BytesWriter, state: KeyState, places: i64) -> Iterator[None]:
        """The values of all types, each as its own section."""
        mixer = self._mixer
        found = BytesWriter()
        if state.hash is not None:
            yield from put_hash(found, mixer, state, state.hash, places)
            put_section(out, HASH_SLOT, found)
            found = BytesWriter()
        if state.set is not None:
            yield from put_set(found, mixer, state, state.set, places)
            put_section(out, SET_SLOT, found)
        for slot in sorted(state.opaque):
            value: Value = state.opaque[slot]
            found = BytesWriter()
            if slot == LIST_SLOT and isinstance(value, ListValue):
                yield from put_list(found, mixer, value, places)
            elif slot == ZSET_SLOT and isinstance(value, ZSetValue):
                yield from put_zset(found, mixer, value, places)
            elif slot == STREAM_SLOT and isinstance(value, StreamValue):
                yield from put_stream(found, mixer, value, places)
            elif isinstance(value, CronValue):
                for part in [value.author, *value.parts()]:
                    put_text(found, part)
            put_section(out, slot, found)

    def _register(self, register: Register) -> bytes:
        """A string's register."""
        out = BytesWriter()
        self._mixer.put_dot(out, register.stamp, register.origin)
        value = register.value
        if value is None:
            out.append(u8(NONE_TEXT))
        else:
            out.append(u8(OWN_TEXT))
            put_text(out, exact_text(value))
        return out.getvalue()

    def _patch(self, patch: Patch) -> bytes:
        """A write of a string in place."""
        out = BytesWriter()
        self._mixer.put_dot(out, patch.stamp, patch.origin)
        write_i32_le(out, i32(patch.index))
        out.append(u8(patch.op))
        write_i64_le(out, patch.number)
        value = patch.value
        words: list[bytes] = []
        if isinstance(value, list):
            words = value
        elif isinstance(value, bytes):
            words = [value]
        for word in words:
            put_text(out, word)
        return out.getvalue()

    def _removal(self, pending: Pending) -> bytes:
        """A removal that waits: its dot, what its writer had seen, what it clears."""
        out = BytesWriter()
        mixer = self._mixer
        mixer.put_dot(out, pending.stamp, pending.origin)
        row = pending.row
        seen: list[bytes] = []
        for stream in mixer.streams.all:
            place = stream.number << 3
            if place + 8 <= len(row):
                stamp = read_i64_le(row, place)
                if stamp != 0:
                    seen.append(mixer.dot(stamp, stream.number))
        out.append(u8(0 if pending.ranks is None else 1))
        mixer.put_items(out, 1, seen)
        mixer.put_items(out, 2, [bytes((kind,)) + place for kind, place in pending.scopes])
        return out.getvalue()


def put_section(out: BytesWriter, slot: int, found: BytesWriter) -> None:
    """What was found of a type's value, if anything was."""
    if len(found) != 0:
        out.append(u8(VALUE))
        out.append(u8(slot))
        put_text(out, found.getvalue())


def deadline_of(state: KeyState) -> i64:
    """The deadline that shows, 0 where there is none: a key that shows nothing may still hold an
    old one."""
    latest: i64 = 0
    for each in state.ttls:
        if each.number == 0:
            return 0
        if each.number > latest:
            latest = each.number
    return latest
