"""Canon for deadlines of fields and members: written and read back, KeyDB's word read too."""

from __future__ import annotations

import pytest

from node.persist.canon import command_of, effect_of
from node.persist.canon_words import CanonError
from node.store.effect import HEXPIRE, Effect
from node.store.values.member_deadlines import Timed


@pytest.mark.parametrize(
    ("timed", "deadline_ms", "line"),
    [
        (Timed([b"a", b"b"], True), 4_000_000_000_000, "HPEXPIREAT k 4000000000000 FIELDS 2 a b"),
        (Timed([b"a"], True), 0, "HPERSIST k FIELDS 1 a"),
        (Timed([b"a", b"b"], False), 4_000_000_000_000, "MESH.MEXPIREAT k 4000000000000 a b"),
        (Timed([b"a"], False), 0, "MESH.MEXPIREAT k 0 a"),
        (Timed([b"a", b"b"], False, True), 4_000_000_000, "MESH.ZEXPIREAT k 4000000000 a b"),
    ],
)
def test_there_and_back(timed: Timed, deadline_ms: int, line: str) -> None:
    words = line.encode().split()
    assert command_of(Effect(HEXPIRE, 3, b"k", timed, deadline_ms, 9, 2, 1)) == words
    effect = effect_of(words, 3, 9, 2, 1)
    assert effect is not None
    assert (effect.op, effect.db, effect.key, effect.number) == (HEXPIRE, 3, b"k", deadline_ms)
    assert (effect.stamp, effect.origin, effect.index) == (9, 2, 1)
    assert isinstance(effect.value, Timed)
    assert (effect.value.names, effect.value.of_hash) == (timed.names, timed.of_hash)
    assert effect.value.of_zset == timed.of_zset


@pytest.mark.parametrize(("number", "deadline_ms"), [(b"77", 77), (b"-5", 1), (b"0", 1)])
def test_what_keydb_sends(number: bytes, deadline_ms: int) -> None:
    effect = effect_of([b"pexpirememberat", b"k", b"m", number], 0, 9, 2, 0)
    assert effect is not None
    assert effect.number == deadline_ms
    assert isinstance(effect.value, Timed)
    assert effect.value.names == [b"m"]


def test_a_deadline_of_nothing_is_long_past_and_not_none() -> None:
    effect = effect_of([b"HPEXPIREAT", b"k", b"0", b"FIELDS", b"1", b"a"], 0, 9, 2, 0)
    assert effect is not None
    assert effect.number == 1


@pytest.mark.parametrize(
    "line",
    [
        "HPEXPIREAT k 1 FIELDS 2 a",
        "HPEXPIREAT k 1 FIELDS x a",
        "HPEXPIREAT k 1 NX FIELDS 1 a",
        "HPEXPIREAT k x FIELDS 1 a",
        "HPEXPIREAT k 1",
        "HPERSIST k FIELDS 2 a",
        "HPERSIST k",
        "MESH.MEXPIREAT k 1",
        "MESH.MEXPIREAT k x a",
        "PEXPIREMEMBERAT k a",
        "PEXPIREMEMBERAT k a 1 2",
    ],
)
def test_what_is_malformed_is_told(line: str) -> None:
    with pytest.raises(CanonError):
        effect_of(line.encode().split(), 0, 9, 2, 0)
