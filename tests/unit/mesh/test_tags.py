"""Tags: who the elements of a list's effect are, written and read; what is no tag is refused."""

from __future__ import annotations

import pytest

from mesh.dots import Streams
from mesh.rreplay import FrameError, FrameReader, Inner, control, frame_bytes, plain_letters
from mesh.tags import TagError, has_tag, tag_of, take_tag
from node.store.effect import CREATION, INSERT, LSET, PUSH, PUT, REMOVE, SADD, Effect
from node.store.entry import Dot
from node.store.values.lists import Assigned, Inserted, Pushed, Removed, list_of
from node.store.values.runs import Run

OWN, OTHER = b"\x01" * 16, b"\xab" * 16
HEX = OTHER.hex().encode()


def streams() -> Streams:
    """The frame's stream is 0."""
    found = Streams(OWN)
    found.of(OTHER)
    return found


def effect(op: int, value: object) -> Effect:
    """An effect of stream 0."""
    return Effect(op, 0, b"l", value, 0, 20, 0, 0)


def pushed(first: int, beside: Run | None = None, kept: Run | None = None) -> Effect:
    value = Pushed([b"x", b"y"], 0, False)
    value.first, value.beside, value.kept = first, beside, kept
    return effect(PUSH, value)


def inserted(first: int, left: Run | None, right: Run | None) -> Effect:
    value = Inserted(b"x", 1)
    value.first, value.left, value.right = first, left, right
    return effect(INSERT, value)


def removed(*runs: Run) -> Effect:
    value = Removed([(0, 1)])
    value.runs = list(runs)
    return effect(REMOVE, value)


def assigned(run: Run | None) -> Effect:
    value = Assigned(b"x", 1)
    value.run = run
    return effect(LSET, value)


def restored(first: int) -> Effect:
    made = effect(PUT, list_of([b"x", b"y"]))
    made.dot = Dot(first, 0)
    return made


TAGS = [
    (pushed(5), b"5"),
    (pushed(5, Run(1, 4, 1, 1)), b"5/" + HEX + b".4"),
    (pushed(5, None, Run(0, 3, 1, 1)), b"5//3"),
    (pushed(5, Run(0, 9, 1, 1), Run(1, 3, 1, 1)), b"5/9/" + HEX + b".3"),
    (inserted(7, None, None), b"7"),
    (inserted(7, Run(0, 1, 1, 1), None), b"7/1"),
    (inserted(7, None, Run(0, 2, 1, 1)), b"7//2"),
    (removed(Run(0, 1, 1, 1)), b"1"),
    (removed(Run(0, 4, 1, 3), Run(1, 9, -1, 2)), b"4+3/" + HEX + b".9-2"),
    (assigned(Run(1, 8, 1, 1)), HEX + b".8"),
    (restored(12), b"12"),
]


def empty(op: int) -> Effect:
    """The effect as its command alone says it."""
    made: dict[int, object] = {
        PUSH: Pushed([b"x", b"y"], 0, False), INSERT: Inserted(b"x", 1),
        REMOVE: Removed([(0, 1)]), LSET: Assigned(b"x", 1), PUT: list_of([b"x", b"y"]),
        SADD: [b"SADD", b"s", b"x"],
    }  # fmt: skip
    return effect(op, made[op])


@pytest.mark.parametrize(("said", "tag"), TAGS, ids=[tag.decode() for _, tag in TAGS])
def test_a_tag_is_written_and_read_as_it_was(said: Effect, tag: bytes) -> None:
    assert has_tag(said)
    assert tag_of(said, streams()) == tag
    read = empty(int(said.op))
    take_tag(read, tag, streams())
    assert tag_of(read, streams()) == tag


def test_an_effect_that_names_nothing_has_no_tag() -> None:
    assert tag_of(removed(), streams()) == b""
    assert tag_of(assigned(None), streams()) == b""
    assert not has_tag(empty(SADD))
    assert not has_tag(effect(PUT, b"text"))


def test_a_stream_that_is_not_known_yet_becomes_known() -> None:
    known = Streams(OWN)
    read = empty(REMOVE)
    take_tag(read, HEX + b".4+2", known)
    assert known.known(OTHER) is not None
    assert tag_of(read, known) == HEX + b".4+2"


@pytest.mark.parametrize(
    ("op", "tag"),
    [
        (PUSH, b""), (PUSH, b"x"), (PUSH, b"0"), (PUSH, b"05"), (PUSH, b"-5"), (PUSH, b"1/2/3/4"),
        (PUSH, b"//3"), (PUSH, b"/4"), (INSERT, b"7/1/2"), (PUSH, b"5/1+2"),
        (PUSH, b"9999999999999999999"),
        (PUSH, b"4611686018427387904"), (INSERT, b""), (INSERT, b"/1"), (INSERT, b"7/1/2/3"),
        (REMOVE, b""), (REMOVE, b"1/"), (REMOVE, b"1+1"), (REMOVE, b"1+0"), (REMOVE, b"3-4"),
        (REMOVE, b"ab.1"), (REMOVE, b"." + b"1"), (REMOVE, b"zz" * 16 + b".1"),
        (REMOVE, HEX + b"."), (REMOVE, b"1+2+3"), (LSET, b"1+2"), (LSET, b"1/2"), (PUT, b""),
        (PUT, b"1/2"), (SADD, b"1"),
    ],
)  # fmt: skip
def test_what_is_no_tag_is_refused(op: int, tag: bytes) -> None:
    with pytest.raises(TagError):
        take_tag(empty(op), tag, streams())


def read(flags: bytes, *words: bytes) -> Effect:
    """The effect of a frame of stream 1."""
    uuid = b"b1c3f0ef-eb0e-4587-acb1-85aebfe087bb"
    data = frame_bytes(uuid, control(list(words)), 0, 20, 10, b"", flags)
    reader = FrameReader()
    reader.open(data, 0)
    assert reader.next()
    return Inner(streams()).read(data, reader.frame, 1, 16)[0]


def test_letters_stand_before_the_tag() -> None:
    made = read(b"c:41", b"RPUSH", b"l", b"x")
    assert made.flags == CREATION and plain_letters(made) == b"c"
    assert isinstance(made.value, Pushed) and made.value.first == 41


@pytest.mark.parametrize("flags", [b":", b":x", b"x:1", b":1:2", b"c:1,:2"])
def test_a_frame_with_a_damaged_tag_is_refused(flags: bytes) -> None:
    if flags == b"c:1,:2":  # a tag too many: no effect for it
        assert read(flags, b"RPUSH", b"l", b"x").flags == CREATION
        return
    with pytest.raises(FrameError):
        read(flags, b"RPUSH", b"l", b"x")


def test_a_tag_of_another_command_is_refused() -> None:
    with pytest.raises(FrameError, match="has no tag"):
        read(b":1", b"SADD", b"s", b"x")
