"""Anti-entropy's words: who repairs, and what MESH COMPARE refuses."""

from __future__ import annotations

import pytest

from mesh.agreed_cut import agreed
from mesh.anti_entropy import (
    DUE,
    LATER,
    MINE,
    NOBODY,
    NOTHING,
    PARKED,
    SHOWN,
    THEIRS,
    Facts,
    Ground,
    verdict,
    winner,
)
from mesh.anti_entropy_answers import IDLE_S, KEYS_MOST, SESSIONS_MOST, Answers
from mesh.anti_entropy_rounds import CompareError, stamps_in
from mesh.dots import pack_marks
from node.resp.replies import OK, Failure
from tests.support.simulation import World

NAME = b"00112233445566778899aabbccddeeff"
NO_MARKS = b""


def facts(number: int, stamp: int = 5, shown: int = 1, state: int = SHOWN) -> Facts:
    return Facts(number, state, stamp, shown)


@pytest.mark.parametrize(
    ("mine", "theirs", "forgets", "expected"),
    [
        (facts(1), facts(1, stamp=9), False, NOBODY),
        (facts(1, shown=1), facts(2, shown=2, stamp=6), False, THEIRS),
        (facts(1, shown=1, stamp=7), facts(2, shown=2, stamp=6), False, MINE),
        (facts(3, shown=1), facts(2, shown=2), False, MINE),
        (facts(3, shown=0, state=NOTHING, stamp=9), facts(2), False, THEIRS),
        (facts(3), facts(2, shown=0, state=NOTHING, stamp=9), False, MINE),
        (facts(3), facts(2), False, LATER),
        (facts(3), facts(2), True, NOBODY),
        (facts(3, shown=1), facts(2, shown=2), True, MINE),
        (facts(3, state=PARKED), facts(2), False, NOBODY),
        (facts(3, state=DUE), facts(2, shown=2), False, NOBODY),
    ],
)
def test_who_writes_a_key_anew(mine: Facts, theirs: Facts, forgets: bool, expected: str) -> None:
    assert verdict(mine, theirs, forgets) == expected
    turned = {MINE: THEIRS, THEIRS: MINE}
    assert verdict(theirs, mine, forgets) == turned.get(expected, expected)


def test_both_members_name_the_same_winner() -> None:
    for mine in (facts(1), facts(2, stamp=6), facts(3, shown=0)):
        for theirs in (facts(4), facts(5, stamp=6), facts(6, shown=0)):
            assert {winner(mine, theirs), winner(theirs, mine)} == {MINE, THEIRS}


def test_what_is_stable_to_either_is_to_both() -> None:
    a, b = bytes(15) + b"a", bytes(15) + b"b"
    assert agreed({a: 1, b: 5}, {a: 3}) == {a: 3, b: 5}


class Now:
    """A clock that stands."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def answers(now: Now | None = None) -> Answers:
    world = World(1, nodes=1)
    world.nodes[0]("SET", "key", "value")
    return Answers(Ground(world.nodes[0].member), now or Now())


def begin(made: Answers, name: bytes = NAME) -> object:
    return made.answer([b"BEGIN", name, b"256", NO_MARKS, b"member"])


def finish(made: Answers, name: bytes = NAME) -> object:
    while made.is_busy():
        made.step()
    return made.answer([b"RESULT", name])


def test_a_session_step_by_step() -> None:
    made = answers()
    assert begin(made) == pack_marks({})
    assert made.answer([b"result", NAME]) is None
    leaves = finish(made)
    assert isinstance(leaves, bytes) and len(leaves) == 6 * 256
    numbers = b"".join([leaf.to_bytes(4, "little") for leaf in range(256)])
    assert made.answer([b"KEYS", NAME, numbers]) == OK
    listed = finish(made)
    assert isinstance(listed, list) and listed[:2] == [0, b"key"]
    assert made.answer([b"LOOK", NAME, NO_MARKS, b"0", b"key", b"0", b"other"]) == OK
    looked = finish(made)
    assert isinstance(looked, list) and len(looked) == 9
    assert looked[2] == SHOWN and looked[5:] == [0, NOTHING, 0, 0]
    assert made.answer([b"REPAIR", NAME, b"0", b"key", b"1"]) == OK
    assert finish(made) == 0  # it is not what was said
    assert made.answer([b"REPAIR", NAME, b"0", b"key", b"%d" % looked[1]]) == OK
    assert finish(made) == 1
    assert made.answer([b"END", NAME]) == OK
    assert made.compared == {b"member": 0.0}


@pytest.mark.parametrize(
    "words",
    [
        [b"BEGIN", b"short", b"256", NO_MARKS, b"m"],
        [b"BEGIN", b"x" * 32, b"256", NO_MARKS, b"m"],
        [b"BEGIN", NAME, b"255", NO_MARKS, b"m"],
        [b"BEGIN", NAME, b"256", b"no marks", b"m"],
        [b"BEGIN", NAME, b"256"],
        [b"RESULT", b"unknown"],
        [b"KEYS", NAME, b"abc"],
        [b"KEYS", NAME, b"\xff\xff\xff\xff"],
        [b"LOOK", NAME, NO_MARKS, b"99", b"key"],
        [b"LOOK", NAME, NO_MARKS, b"0"],
        [b"LOOK", NAME, b"bad", b"0", b"key"],
        [b"LOOK", NAME, NO_MARKS, *[b"0", b"k"] * 300],
        [b"REPAIR", NAME, b"0", b"key", b"text"],
        [b"ELSE", NAME],
    ],
)
def test_senseless_steps_are_refused(words: list[bytes]) -> None:
    made = answers()
    begin(made)
    finish(made)
    with pytest.raises(Failure):
        made.answer(words)


def test_one_thing_at_a_time() -> None:
    made = answers()
    begin(made)
    with pytest.raises(Failure, match="still being made"):
        made.answer([b"KEYS", NAME, bytes(4)])


def test_only_so_many_sessions_and_an_idle_one_makes_room() -> None:
    now = Now()
    made = answers(now)
    for number in range(SESSIONS_MOST):
        begin(made, b"%032x" % number)
    with pytest.raises(Failure, match="BUSY"):
        begin(made)
    now.s = IDLE_S + 1
    begin(made)
    assert list(made.sessions) == [NAME]


def test_what_waits_for_a_vector_is_made_when_that_is_applied() -> None:
    made = answers()
    begin(made)
    finish(made)
    stream = made.ground.memory.streams.own
    ahead = pack_marks({stream.uuid: int(stream.seen) + 1})
    made.answer([b"LOOK", NAME, ahead, b"0", b"key"])
    for _ in range(50):
        made.step()
    assert made.is_busy()
    stream.seen += 1
    assert finish(made) is not None


def test_answers_that_are_none_end_the_round() -> None:
    assert KEYS_MOST > 0
    for reply in (None, 5, b"odd"):
        with pytest.raises(CompareError):
            stamps_in(reply)
