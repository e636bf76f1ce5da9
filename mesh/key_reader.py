"""What codec.py writes of a key, read back: in one go, or in slices where the key is large.
[compiled]"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from mypy_extensions import i64

from mesh.codec import (
    FORMAT,
    FORMAT_PATCHED,
    NO_PLACES,
    OWN_PLACES,
    OWN_VALUE,
    SHOWN_PLACES,
    SHOWN_VALUE,
    SORTED_PLACES,
    TEXT_PAYLOAD,
    WORDS_PAYLOAD,
    first_of,
)
from mesh.merge.increments import Increment
from mesh.merge.kinds.table import KINDS
from mesh.merge.peer_key import PeerKey
from mesh.merge.slots import HASH_SLOT, OPAQUE_SLOTS, TIMED_SLOTS, ZSET_SLOT, empty_value, slot_of
from mesh.merge.state import FieldState
from mesh.packing import Source
from node.persist.canon import restored
from node.persist.canon_words import CanonError
from node.persist.contents import file_order
from node.persist.rdb_codes import RdbError
from node.store.effect import APPEND, BITINCR, INCR, PFMERGE, SETBITS, SETRANGE
from node.store.entry import Claim, Patch, Register
from node.store.keyspace import ALL
from node.store.values.hashes import HashValue, plain
from node.store.values.places import Places
from node.store.values.sets import SetValue
from node.store.values.value import Value
from node.store.values.zsets import ZSetValue

PATCH_OPS: Final = (INCR, APPEND, SETRANGE, SETBITS, BITINCR, PFMERGE)


def read_key(data: bytes, origins: list[int], db: int, key: bytes, value: object) -> PeerKey:
    """A key's knowledge; `value` is what the RDB record shows, as the store has it.

    ValueError where the field is damaged or does not fit the value.
    """
    peer = PeerKey(db, key)
    for _ in read_in_slices(data, origins, peer, value, ALL):
        pass
    return peer


def read_in_slices(
    data: bytes, origins: list[int], peer: PeerKey, value: object, places: i64
) -> Iterator[None]:
    """As `read_key`, into `peer`; yields after each so many members or fields."""
    source = Source(data, origins)
    form = source.byte()
    if form < FORMAT or form > FORMAT_PATCHED:
        raise ValueError("a plexis-dots field of an unknown format: written by a newer version")
    read_registers(source, peer, value)
    peer.increments = read_increments(source)
    peer.claims = read_claims(source)
    peer.ttls = read_claims(source)
    for _ in read_set(source, peer, value, places):
        yield None
    for _ in read_hash(source, peer, value, places):
        yield None
    if form != FORMAT:
        for _ in range(int(source.byte())):
            slot = int(source.byte())
            found = read_opaque(source, slot, value)
            for _ in KINDS[slot].reading(source, found, places):
                yield None
            peer.opaque[slot] = found
        for number in range(int(source.count())):
            slot = int(source.byte())
            place = source.text()
            peer.deadlines[slot, place] = int(source.number())
            if number % places == places - 1:
                yield None
    if form == FORMAT_PATCHED:
        peer.patches = read_patches(source)
        for _ in range(int(source.byte())):
            for _ in read_place_claims(source, peer, places):
                yield None
    if isinstance(value, (SetValue, HashValue)) and value.has_deadlines():
        shown_slot = slot_of(value)
        for number, (place, deadline_ms) in enumerate(value.deadline_items()):
            peer.deadlines[shown_slot, place] = deadline_ms
            if number % places == places - 1:
                yield None


def read_registers(source: Source, peer: PeerKey, value: object) -> None:
    """The registers of a string."""
    for _ in range(int(source.count())):
        source.dot()
        stamp = source.stamp
        origin = source.origin
        kind = source.byte()
        text: object = None
        if kind == SHOWN_VALUE:
            text = value
        elif kind == OWN_VALUE:
            text = source.text()
        peer.registers.append(Register(stamp, origin, text))


def read_increments(source: Source) -> list[Increment]:
    """The reverse of put_increments."""
    found: list[Increment] = []
    for _ in range(int(source.count())):
        source.dot()
        stamp = source.stamp
        origin = source.origin
        delta = source.number()
        text = source.text()
        found.append(Increment(stamp, origin, delta, text if text else None))
    return found


def read_place_claims(source: Source, peer: PeerKey, places: i64) -> Iterator[None]:
    """The reverse of put_place_claims."""
    slot = int(source.byte())
    if slot not in TIMED_SLOTS:
        raise ValueError("a plexis-dots field has deadlines of a type whose places have none")
    done: i64 = 0
    for _ in range(int(source.count())):
        place = source.text()
        peer.place_claims[slot, place] = read_claims(source)
        done += 1
        if done >= places:
            done = 0
            yield None
    if slot == ZSET_SLOT:
        if source.count() != 0:
            for _ in read_parked_scores(source, peer, places):
                yield None
        return
    for _ in range(int(source.count())):
        place = source.text()
        if slot == HASH_SLOT:
            peer.fields.do_place(place, read_field(source))
        else:
            source.dot()
            dots = [*peer.dots(place), Register(source.stamp, source.origin, None)]
            peer.members.do_place(place, dots)
        done += 1
        if done >= places:
            done = 0
            yield None


def read_parked_scores(source: Source, peer: PeerKey, places: i64) -> Iterator[None]:
    """The reverse of put_parked_scores: the members join the peer's others."""
    payload = source.text()
    try:
        parked = restored(payload)
    except (CanonError, RdbError) as error:
        raise ValueError(f"a plexis-dots field's parked members are damaged: {error}") from error
    if not isinstance(parked, ZSetValue):
        raise ValueError("a plexis-dots field's parked members are of no sorted set")
    yield from KINDS[ZSET_SLOT].reading(source, parked, places)
    value = peer.opaque.get(ZSET_SLOT)
    if not isinstance(value, ZSetValue):
        peer.opaque[ZSET_SLOT] = parked
        return
    for place in parked.names():
        value.do_restore(place, parked.slot(place))
    value.dotted = value.dotted or parked.dotted


def read_patches(source: Source) -> list[Patch]:
    """The reverse of put_patches."""
    found: list[Patch] = []
    for _ in range(int(source.count())):
        source.dot()
        stamp = source.stamp
        origin = source.origin
        index = source.count()
        op = source.byte()
        if op not in PATCH_OPS:
            raise ValueError(f"a plexis-dots field has op {op} where a string was written in place")
        number = source.number()
        kind = source.byte()
        value: object = None
        if kind == TEXT_PAYLOAD:
            value = source.text()
        elif kind == WORDS_PAYLOAD:
            value = [source.text() for _ in range(int(source.count()))]
        found.append(Patch(stamp, origin, index, op, value, number))
    return found


def read_claims(source: Source) -> list[Claim]:
    """The reverse of put_claims."""
    found: list[Claim] = []
    for _ in range(int(source.count())):
        source.dot()
        stamp = source.stamp
        origin = source.origin
        found.append(Claim(stamp, origin, source.number()))
    return found


def read_set(source: Source, peer: PeerKey, value: object, places: i64) -> Iterator[None]:
    """The reverse of put_set."""
    mode = source.byte()
    if mode == OWN_PLACES:
        left = source.count()
        while left > 0:
            part = left if left < places else places
            read_own_members(source, peer.members, part)
            left -= part
            yield None
    elif mode == SHOWN_PLACES:
        ordered = file_order(value) if isinstance(value, SetValue) else []
        total: i64 = len(ordered)
        if source.count() != total:
            raise ValueError("a plexis-dots field counts other members than the set has")
        runs = Runs(ordered)
        while runs.at < total:
            runs.read(source, peer.members, places)
            yield None
    for _ in range(int(source.count())):
        member = source.text()
        dots = list(peer.dots(member))  # what is there is shared with others
        for _ in range(int(source.count())):
            source.dot()
            dots.append(Register(source.stamp, source.origin, None))
        peer.members.do_place(member, dots)


def read_own_members(source: Source, members: Places, count: i64) -> None:
    """So many members that are written with their dots."""
    while count > 0:
        member = source.text()
        source.dot()
        members.do_place(member, [Register(source.stamp, source.origin, None)])
        count -= 1


class Runs:
    """The reverse of put_runs, some members at a time. Those of a run share one list."""

    def __init__(self, ordered: list[bytes]) -> None:
        self.ordered = ordered
        self.at: i64 = 0
        self.left: i64 = 0  # of the run that was begun
        self.dots: list[Register] = []

    def read(self, source: Source, members: Places, count: i64) -> None:
        """The next `count` members, or all there are."""
        ordered = self.ordered
        n: i64 = len(ordered)
        at = self.at
        end = n if n - at < count else at + count
        left = self.left
        dots = self.dots
        while at < end:
            if left == 0:
                left = source.count()
                source.dot()
                if left <= 0 or at + left > n:
                    raise ValueError("a plexis-dots field's runs do not fit the set")
                dots = [Register(source.stamp, source.origin, None)]
            members.do_place(ordered[at], dots)
            left -= 1
            at += 1
        self.at = at
        self.left = left
        self.dots = dots


def read_hash(source: Source, peer: PeerKey, value: object, places: i64) -> Iterator[None]:
    """The reverse of put_hash."""
    mode = source.byte()
    if mode == NO_PLACES:
        return
    left = source.count()
    if mode == OWN_PLACES:
        while left > 0:
            part = left if left < places else places
            for _ in range(int(part)):
                field = source.text()
                peer.fields.do_place(field, read_field(source))
            left -= part
            yield None
        return
    pairs = iter(pairs_of(value, mode == SORTED_PLACES))
    if left != (value.size() if isinstance(value, HashValue) else 0):
        raise ValueError("a plexis-dots field counts other fields than the hash has")
    while left > 0:
        part = left if left < places else places
        read_shown_fields(source, peer, list(islice(pairs, int(part))))
        left -= part
        yield None


def pairs_of(value: object, in_order: bool) -> Iterator[tuple[bytes, bytes]]:
    """Fields and their texts as the file has them."""
    if not isinstance(value, HashValue):
        return
    if in_order:
        pairs = value.items()
        pairs.sort(key=first_of)
        yield from pairs
        return
    for chunk in value.chunks():
        for field, slot in chunk.items():
            yield field, plain(slot)


def read_shown_fields(source: Source, peer: PeerKey, pairs: list[tuple[bytes, bytes]]) -> None:
    """Fields whose texts the record has; a contested or counted one is spelled out."""
    for field, text in pairs:
        if source.byte() == 0:
            source.dot()
            peer.texts.do_place(field, Register(source.stamp, source.origin, text))
        else:
            peer.fields.do_place(field, read_field(source))


def read_opaque(source: Source, slot: int, value: object) -> Value:
    """The reverse of put_opaque."""
    found: object = value
    mode = source.byte()
    if mode == NO_PLACES and slot in OPAQUE_SLOTS:
        found = empty_value(slot)
    elif mode == OWN_PLACES:
        payload = source.text()
        try:
            found = restored(payload)
        except (CanonError, RdbError) as error:
            raise ValueError(f"a plexis-dots field's hidden value is damaged: {error}") from error
    if not isinstance(found, Value) or slot not in OPAQUE_SLOTS or slot_of(found) != slot:
        raise ValueError("a plexis-dots field tells of another type than the key has")
    return found


def read_field(source: Source) -> FieldState:
    """The reverse of put_field."""
    state = FieldState()
    for _ in range(int(source.count())):
        source.dot()
        stamp = source.stamp
        origin = source.origin
        state.registers.append(Register(stamp, origin, source.text()))
    state.increments = read_increments(source)
    return state
