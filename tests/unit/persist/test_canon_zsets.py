"""Canon's commands for sorted sets: each effect has one command, which says the effect."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.persist.canon import command_of, effect_of
from node.persist.canon_words import CanonError
from node.store.effect import PUT, ZADD, ZINCR, ZMAX, ZMIN, ZREM, Effect
from node.store.entry import Entry
from node.store.mutate import MUTATE
from node.store.values.scores import score_text
from node.store.values.zsets import ZSetValue

KEY = b"k"


def made(op: int, payload: object, begin: int = 0) -> Effect:
    return Effect(op, 0, KEY, payload, begin, 1, 0, 0)


@pytest.mark.parametrize(
    ("op", "payload", "begin", "text"),
    [
        (ZADD, [b"ZADD", b"k", b"1", b"a", b"2.5", b"b"], 2, "ZADD k 1 a 2.5 b"),
        (ZADD, [b"inf", b"a"], 0, "ZADD k inf a"),
        (ZADD, [b"1", b"GT"], 0, "ZADD k 1 GT"),
        (ZMAX, [b"1", b"a", b"0x10", b"b"], 0, "ZADD k GT 1 a 0x10 b"),
        (ZMIN, [b"1", b"a"], 0, "ZADD k LT 1 a"),
        (ZREM, [b"a", b"b"], 0, "ZREM k a b"),
        (ZREM, [b"ZREM", b"k", b"a"], 2, "ZREM k a"),
        (ZINCR, [b"-1.5", b"a"], 0, "ZINCRBY k -1.5 a"),
    ],
)
def test_the_command_of_an_effect_and_the_effect_of_the_command(
    op: int, payload: object, begin: int, text: str
) -> None:
    words = command_of(made(op, payload, begin))
    assert words == [word.encode() for word in text.split()]
    effect = effect_of(words, 2, 30, 4, 1)
    assert effect is not None
    assert (effect.op, effect.db, effect.key) == (op, 2, KEY)
    assert (effect.stamp, effect.origin, effect.index) == (30, 4, 1)
    assert command_of(effect) == words


@given(
    st.sampled_from([ZADD, ZMAX, ZMIN, ZINCR]),
    st.floats(allow_nan=False),
    st.binary(max_size=4),
    st.floats(allow_nan=False),
)
def test_the_command_does_what_the_effect_does(
    op: int, score: float, member: bytes, before: float
) -> None:
    contents: list[object] = []
    effect = made(op, [score_text(score), member])
    words = command_of(effect)
    assert words is not None
    again = effect_of(words, 0, 1, 0, 0)
    assert again is not None
    for each in (effect, again):
        value = ZSetValue()
        value.do_put(member, before)
        entry = Entry(value, 1, 0)
        MUTATE[op].apply(entry, each)
        contents.append(value.content())
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    "text",
    [
        "ZADD k", "ZADD k 1", "ZADD k GT", "ZADD k GT 1", "ZADD k 1 a 2", "ZADD k x a",
        "ZADD k nan a", "ZADD k NX 1 a", "ZADD k GT CH 1 a", "ZADD k 1 a x b", "ZREM k",
        "ZINCRBY k 1", "ZINCRBY k x a", "ZINCRBY k 1 a b",
    ],
)  # fmt: skip
def test_what_says_no_effect_is_refused(text: str) -> None:
    with pytest.raises(CanonError):
        effect_of([word.encode() for word in text.split()], 0, 1, 0, 0)


def test_a_whole_sorted_set_is_a_restore() -> None:
    value = ZSetValue()
    value.do_fill({b"b": 2.0, b"a": 1.5, b"c": float("inf")})
    words = command_of(made(PUT, value))
    assert words is not None
    assert words[0] == b"RESTORE"
    effect = effect_of(words, 0, 1, 0, 0)
    assert effect is not None
    restored = effect.value
    assert isinstance(restored, ZSetValue)
    assert restored.content() == value.content()
