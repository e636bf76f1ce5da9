"""docs/wire.md is true: its frames are read and written as it says, byte for byte."""

from __future__ import annotations

import pytest

from mesh.codec import key_bytes
from mesh.dots import pack_marks, unpack_marks, uuid_bytes, uuid_text
from mesh.key_reader import read_key
from mesh.merge.slots import LIST_SLOT, ZSET_SLOT
from mesh.metadata import Incoming, hidden_bytes, read_hidden
from mesh.rreplay import FrameReader, Inner, control, flags_of, frame_bytes, inner_of
from node.journal import Commit
from node.store.effect import (
    CREATION,
    DROP,
    INCR,
    INSERT,
    LSET,
    PUSH,
    PUT,
    REMOVE,
    SADD,
    WAS_STRING,
    Effect,
)
from node.store.values.hashes import HashValue
from node.store.values.lists import Assigned, Inserted, ListValue, Pushed, Removed, list_of
from node.store.values.runs import Run
from node.store.values.scored import Scored, SpelledScore
from node.store.values.sets import SetValue
from node.store.values.zsets import ZSetValue
from tests.unit.mesh import wire_doc
from tests.unit.mesh.wire_doc import EARLIER, FIRST, SECOND, STAMP

MEMBER = b"5f1a7c0e9b2d4e6f8a1b3c5d7e9f0a1b"
SHOWN_MARK = 0x1A1FDC3577B00003
PING = b"*1\r\n$4\r\nPING\r\n"


def effect(
    op: int, db: int, key: bytes, value: object, number: int, index: int = 0, flags: int = 0
) -> Effect:
    """One effect of stream 0."""
    made = Effect(op, db, key, value, number, STAMP, 0, index)
    made.flags = flags
    return made


def members(*names: bytes) -> SetValue:
    """A set without dots."""
    value = SetValue()
    value.do_fill_names([*names], None)
    return value


def list_effects() -> list[Effect]:
    """What the frame over lists says."""
    pushed = Pushed([b"x", b"y"], 0, False)
    pushed.first = 41
    inserted = Inserted(b"z", 1)
    inserted.first, inserted.right = 43, Run(0, 42, 1, 1)
    removed = Removed([(1, 2)])
    removed.length, removed.runs = 5, [Run(1, 7, -1, 2)]
    assigned = Assigned(b"w", 0)
    assigned.run = Run(1, 5, 1, 1)
    return [
        effect(PUSH, 0, b"l", pushed, 0, 0, CREATION), effect(INSERT, 0, b"l", inserted, 0, 1),
        effect(REMOVE, 0, b"m", removed, 0, 2), effect(LSET, 0, b"m", assigned, 0, 3),
    ]  # fmt: skip


# What each frame says: stamp, previous, marks, effects or the words of a control command.
SAID: list[tuple[int, int, dict[bytes, int], list[Effect] | list[bytes]]] = [
    (STAMP, EARLIER, {SECOND: SHOWN_MARK}, [effect(PUT, 0, b"k", b"v", 0, 0, CREATION)]),
    (STAMP + 1, STAMP, {}, [
        effect(SADD, 0, b"s", [b"SADD", b"s", b"x"], 2, 0, CREATION),
        effect(DROP, 0, b"k", None, 0, 1, WAS_STRING),
    ]),
    (EARLIER, 0, {SECOND: 0x1A1FDC3577000000}, [b"MESH.START", MEMBER, SECOND.hex().encode()]),
    (STAMP + 2, STAMP + 1, {}, []),
    (STAMP + 3, STAMP + 2, {}, [
        effect(INCR, 0, b"n", None, 5, 0, CREATION), effect(INCR, 1, b"n", b"0.1", 0, 1),
    ]),
    (STAMP + 4, STAMP + 3, {}, [effect(PUT, 2, b"s", members(b"x", b"y"), 1795000000000)]),
    (STAMP + 5, STAMP + 4, {}, list_effects()),
]  # fmt: skip


def runs(*given: Run | None) -> list[object]:
    """Identities, to be compared."""
    return [
        None if run is None
        else (int(run.origin), int(run.first), int(run.step), int(run.count))
        for run in given
    ]  # fmt: skip


def spelled(one: Effect) -> tuple[object, ...]:
    """An effect's fields; sets as frozensets, argument lists from their members on."""
    value = one.value
    if isinstance(value, SetValue):
        value = frozenset(value.names())
    elif isinstance(value, Pushed):
        value = (*value.items[int(value.begin) :], value.at_head, int(value.first))
    elif isinstance(value, Inserted):
        value = (value.item, int(value.position), int(value.first), *runs(value.left, value.right))
    elif isinstance(value, Removed):
        value = (tuple(value.spans), *runs(*value.runs))
    elif isinstance(value, Assigned):
        value = (value.item, int(value.position), *runs(value.run))
    number = int(one.number)
    if isinstance(value, list):
        value, number = tuple(value[number:]), 0
    return int(one.op), int(one.db), one.key, value, number, int(one.index), int(one.flags)


def test_the_document_has_all_its_vectors() -> None:
    assert len(wire_doc.frames()) == len(SAID)
    assert len(wire_doc.fields()) == 7


@pytest.mark.parametrize("number", range(len(SAID)))
def test_a_frame_of_the_document_is_read_as_it_says(number: int) -> None:
    data = wire_doc.frames()[number]
    stamp, previous, marks, content = SAID[number]
    reader = FrameReader()
    reader.open(data, 0)
    assert reader.at_frame() and reader.next()
    assert reader.pos == len(data)
    frame = reader.frame
    assert uuid_bytes(frame.uuid_text) == FIRST
    assert (frame.stamp, frame.previous) == (stamp, previous)
    assert unpack_marks(frame.marks) == marks
    inner = Inner(wire_doc.memory().streams)
    effects = inner.read(data, frame, 0, 16)
    if content and isinstance(content[0], bytes):
        assert effects == [] and inner.control == content
    else:
        assert inner.control is None
        assert [spelled(each) for each in effects] == [
            spelled(each) for each in content if isinstance(each, Effect)
        ]


@pytest.mark.parametrize("number", range(len(SAID)))
def test_a_frame_of_the_document_is_written_so(number: int) -> None:
    stamp, previous, marks, content = SAID[number]
    commit = Commit()
    effects = [each for each in content if isinstance(each, Effect)]
    words = [each for each in content if isinstance(each, bytes)]
    db, inner, flags = 0, control(words) if words else PING, b""
    if effects:
        commit.first, commit.rest, commit.count = effects[0], effects[1:], len(effects)
        db, inner = int(effects[0].db), inner_of(commit)
        flags = flags_of(commit, wire_doc.memory().streams)
    data = frame_bytes(uuid_text(FIRST), inner, db, stamp, previous, pack_marks(marks), flags)
    assert data == wire_doc.frames()[number]


def test_the_fields_of_the_document_are_written_so() -> None:
    known = wire_doc.memory()
    assert wire_doc.fields() == [
        key_bytes(known, 0, b"k", wire_doc.text_entry()),
        key_bytes(known, 0, b"n", wire_doc.counter_entry(known)),
        key_bytes(known, 0, b"s", wire_doc.set_entry()),
        key_bytes(known, 0, b"h", wire_doc.hash_entry(known)),
        key_bytes(known, 0, b"l", wire_doc.list_entry()),
        key_bytes(known, 0, b"k", wire_doc.hiding_entry()),
        hidden_bytes(known, 0, b"k", wire_doc.deleted_entry()),
    ]


def test_the_fields_of_the_document_are_read_so() -> None:
    text, counter, members_, fields, elements, hiding, hidden = wire_doc.fields()
    origins = [0, 1]
    peer = read_key(text, origins, 0, b"k", b"v")
    assert [(each.stamp, each.origin, each.value) for each in peer.registers] == [(STAMP, 0, b"v")]
    assert [(each.stamp, each.origin, each.number) for each in peer.ttls] == [(STAMP, 0, 0)]
    peer = read_key(counter, origins, 0, b"n", b"13")
    assert [(each.stamp, each.origin, each.value) for each in peer.registers] == [
        (EARLIER, 1, b"10")
    ]
    assert [(each.stamp, each.origin, each.delta) for each in peer.increments] == [
        (STAMP, 0, 5), (STAMP + 1, 0, -2),
    ]  # fmt: skip
    peer = read_key(members_, origins, 0, b"s", members(b"z", b"y", b"x"))
    found = {
        name: [(each.stamp, each.origin) for each in peer.dots(name)]
        for name in peer.members.names()
    }
    assert found == {b"x": [(STAMP, 0)], b"y": [(STAMP, 0)], b"z": [(EARLIER, 1)]}
    pairs = HashValue()
    pairs.do_fill_pairs([(b"f", b"v"), (b"n", b"7")])
    peer = read_key(fields, origins, 0, b"h", pairs)
    plain, number = peer.field(b"f"), peer.field(b"n")
    assert plain is not None
    assert number is not None
    assert [(each.stamp, each.value) for each in plain.registers] == [(STAMP, b"v")]
    assert sorted((each.origin, each.delta) for each in number.increments) == [
        (0, 4), (1, 3),
    ]  # fmt: skip
    peer = read_key(elements, origins, 0, b"l", list_of([b"x", b"y", b"z"]))
    named = peer.opaque[LIST_SLOT]
    assert isinstance(named, ListValue)
    assert runs(*named.runs()) == [(1, 7, -1, 2), (0, 41, 1, 1)]
    assert [(each.stamp, each.number) for each in peer.claims] == [(STAMP, 3)]
    assert named.order is not None and named.registers is not None and named.moved is not None
    assert [(each.origin, each.low, each.count) for each in named.order.in_order()] == [
        (1, 6, 2), (0, 41, 2),
    ]  # fmt: skip
    assert named.order.of(0).stamp_of(42) == STAMP
    assert [each.value for each in named.registers[0, 41]] == [b"z"]
    assert (named.moved[0, 41].origin, named.moved[0, 41].number) == (1, 3)
    peer = read_key(hiding, origins, 0, b"k", b"v")
    scores = peer.opaque[ZSET_SLOT]
    assert isinstance(scores, ZSetValue)
    assert scores.content() == [(b"m", 1.5), (b"n", 2.5)]
    one, counted = scores.slot(b"m"), scores.slot(b"n")
    assert isinstance(one, Scored)
    assert isinstance(counted, SpelledScore)
    assert (one.stamp, one.origin) == (counted.stamp, counted.origin) == (EARLIER, 1)
    assert [(each.origin, each.steps[0].stamp) for each in counted.streams] == [(0, STAMP)]
    incoming = Incoming(wire_doc.memory().streams)
    incoming.origins = origins
    peer = read_hidden(hidden, incoming)
    assert (peer.db, peer.key) == (0, b"k")
    assert [(each.stamp, each.origin, each.value) for each in peer.registers] == [(STAMP, 0, None)]
