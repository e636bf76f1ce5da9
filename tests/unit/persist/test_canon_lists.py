"""Canon's commands for lists: each effect has one command, and the command says the effect."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.persist.canon import command_of, effect_of
from node.persist.canon_words import CanonError
from node.store.effect import INSERT, LSET, PUSH, REMOVE, Effect
from node.store.entry import Entry
from node.store.mutate import MUTATE
from node.store.values.lists import Assigned, Inserted, ListValue, Pushed, Removed, Run, list_of

KEY = b"k"


def made(op: int, payload: object) -> Effect:
    return Effect(op, 0, KEY, payload, 0, 1, 0, 0)


def removed(spans: list[tuple[int, int]], length: int) -> Removed:
    """A removal that was carried out on a list of this length."""
    payload = Removed(spans)
    payload.length = length
    return payload


@pytest.mark.parametrize(
    ("op", "payload", "text"),
    [
        (PUSH, Pushed([b"RPUSH", b"k", b"a", b"b"], 2, False), "RPUSH k a b"),
        (PUSH, Pushed([b"a"], 0, True), "LPUSH k a"),
        (INSERT, Inserted(b"a", 3), "MESH.LINSERT k 3 a"),
        (LSET, Assigned(b"a", 0), "LSET k 0 a"),
        (REMOVE, removed([(0, 1)], 5), "LPOP k"),
        (REMOVE, removed([(0, 3)], 5), "LPOP k 3"),
        (REMOVE, removed([(4, 1)], 5), "RPOP k"),
        (REMOVE, removed([(2, 3)], 5), "RPOP k 3"),
        (REMOVE, removed([(0, 5)], 5), "LPOP k 5"),
        (REMOVE, removed([(0, 2), (4, 1)], 5), "LTRIM k 2 -2"),
        (REMOVE, removed([], 5), "LTRIM k 0 -1"),
        (REMOVE, removed([(1, 2)], 5), "MESH.LREMOVE k 1 2"),
        (REMOVE, removed([(0, 1), (2, 1)], 5), "MESH.LREMOVE k 0 1 2 1"),
        (REMOVE, removed([(1, 1), (3, 2)], 5), "MESH.LREMOVE k 1 1 3 2"),
        (REMOVE, removed([(0, 1), (2, 1), (4, 1)], 5), "MESH.LREMOVE k 0 1 2 1 4 1"),
    ],
)
def test_the_command_of_an_effect_and_the_effect_of_the_command(
    op: int, payload: object, text: str
) -> None:
    words = command_of(made(op, payload))
    assert words == [word.encode() for word in text.split()]
    effect = effect_of(words, 2, 30, 4, 1)
    assert effect is not None
    assert (effect.op, effect.db, effect.key) == (op, 2, KEY)
    assert (effect.stamp, effect.origin, effect.index) == (30, 4, 1)
    assert command_of(effect) == words


def test_names_are_read_in_any_case() -> None:
    effect = effect_of([b"lpop", b"k", b"2"], 0, 1, 0, 0)
    assert effect is not None
    assert isinstance(effect.value, Removed)
    assert effect.value.spans == [(0, 2)]


@pytest.mark.parametrize(
    "text",
    [
        "RPUSH k",
        "LPOP",
        "LPOP k 0",
        "LPOP k -1",
        "LPOP k x",
        "RPOP k 1 2",
        "LTRIM k 0 5",
        "LTRIM k -3 -1",
        "LTRIM k 0",
        "LSET k x a",
        "LSET k 1",
        "MESH.LINSERT k 1",
        "MESH.LREMOVE k",
        "MESH.LREMOVE k 1",
        "MESH.LREMOVE k 3 1 2 1",
        "MESH.LREMOVE k 1 2 2 1",
        "MESH.LREMOVE k -1 1",
        "MESH.LREMOVE k 1 0",
        "MESH.LREMOVE k 1 4611686018427387904",
        "LTRIM k 0 -4611686018427387904",
    ],
)
def test_what_canon_does_not_write_is_refused(text: str) -> None:
    with pytest.raises(CanonError):
        effect_of([word.encode() for word in text.split()], 0, 1, 0, 0)


SPANS = st.lists(st.integers(0, 39), unique=True, max_size=20)


@given(st.integers(1, 40), SPANS, st.booleans())
def test_a_removal_read_back_removes_the_same(
    length: int, positions: list[int], from_the_ends: bool
) -> None:
    """Goal: any removal, replayed from its text, leaves the same list."""
    gone = sorted(position for position in positions if position < length)
    if from_the_ends:
        gone = [i for i in range(length) if i < len(gone) or i >= length - len(gone) // 2]
    spans: list[tuple[int, int]] = []
    for position in gone:
        if spans and sum(spans[-1]) == position:
            spans[-1] = (spans[-1][0], spans[-1][1] + 1)
        else:
            spans.append((position, 1))
    here = Entry(list_of([b"%d" % i for i in range(length)]), 1, 0)
    there = Entry(list_of([b"%d" % i for i in range(length)]), 1, 0)
    effect = made(REMOVE, Removed(spans))
    assert MUTATE[REMOVE].apply(here, effect) == len(gone)
    words = command_of(effect)
    assert words is not None
    again = effect_of(words, 0, 1, 0, 0)
    assert again is not None
    assert MUTATE[REMOVE].apply(there, again) == len(gone)
    assert command_of(again) == words
    if here.value is None:
        assert there.value is None
    else:
        assert isinstance(here.value, ListValue)
        assert isinstance(there.value, ListValue)
        assert there.value.content() == here.value.content()


def test_identities_can_be_put_into_what_was_read() -> None:
    """The frame's flags say who is meant; the positions of the text are then of no account."""
    value = list_of([b"a", b"b", b"c"])
    value.do_identify(7, 1)
    entry = Entry(value, 1, 0)
    effect = effect_of([b"LPOP", b"k"], 0, 1, 7, 0)
    assert effect is not None
    assert isinstance(effect.value, Removed)
    effect.value.runs = [Run(7, 2, 1, 1)]
    assert MUTATE[REMOVE].apply(entry, effect) == 1
    assert value.content() == [b"a", b"c"]


@pytest.mark.parametrize("at_head", [False, True])
def test_a_peers_push_that_is_at_no_end_here_is_told_by_its_position(at_head: bool) -> None:
    pushed = Pushed([b"RPUSH", b"l", b"x", b"y"], 2, at_head)
    pushed.position = 3
    words = command_of(Effect(PUSH, 0, b"l", pushed, 0, 1, 1, 0))
    items = [b"y", b"x"] if at_head else [b"x", b"y"]
    assert words == [b"MESH.LINSERT", b"l", b"3", *items]
    entry = Entry(list_of([b"a", b"b", b"c", b"d"]), 1, 0)
    again = effect_of(words, 0, 1, 1, 0)
    assert again is not None and MUTATE[again.op].apply(entry, again) == 6
    assert isinstance(entry.value, ListValue)
    assert entry.value.content() == [b"a", b"b", b"c", *items, b"d"]
    assert command_of(again) == words
