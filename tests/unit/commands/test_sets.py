"""Sets: which effects and events the commands make, random picks, and scans that hold.

What the replies look like is in tests/commands/sets.txt.
"""

from collections import Counter
from itertools import pairwise

import pytest

from node.journal import Commit
from node.ports import Reader
from node.resp.replies import Failure, SetReply
from tests.support.local import LocalNode

PLACE = 98


class Ends(Reader):
    """Notes of each unit whether the client's own bytes say it exactly."""

    def __init__(self) -> None:
        self.replayable: list[bool] = []

    def read(self, commit: Commit) -> None:
        self.replayable.append(commit.end != 0)


def replayable(node: LocalNode, text: str) -> list[bool]:
    """For each unit that a command makes: may its own bytes be sent to a peer?"""
    ends = Ends()
    node.engine.journal.wake(PLACE, ends)
    args = [word.encode() for word in text.split()]
    node.engine.execute(node.sessions[0], 0, args, b"the client's bytes", 0, 18)
    node.engine.journal.rest(PLACE)
    return ends.replayable


def fill(node: LocalNode, key: str, count: int) -> list[bytes]:
    """A set of `count` members."""
    members = [b"m%d" % i for i in range(count)]
    node.call(0, [b"SADD", key.encode(), *members])
    node.effects()
    return members


def items(reply: object) -> list[object]:
    """The members of a set reply or an array."""
    if isinstance(reply, SetReply):
        return reply.items
    assert isinstance(reply, list)
    return reply


def test_sadd_of_present_members_is_an_effect_too(node: LocalNode) -> None:
    assert node("SADD s a b") == 2
    assert node("SADD s a") == 0
    assert node.effects() == ["SADD s a b", "SADD s a"]


def test_srem_names_only_members_that_are_there(node: LocalNode) -> None:
    node("SADD s a b c")
    node.effects()
    assert node("SREM s a z") == 1
    assert node("SREM s z") == 0
    assert node("SREM none z") == 0
    assert node("SREM s b c") == 2
    assert node.effects() == ["SREM s a", "SREM s b c"]
    assert node("SCARD s") == 0


def test_spop_is_an_srem_of_what_was_popped(node: LocalNode) -> None:
    node("SADD s a")
    node.effects()
    assert node("SPOP s") == b"a"
    assert node.effects() == ["SREM s a"]
    assert node("SPOP s") is None
    assert node.effects() == []


def test_smove_is_one_unit_of_two(node: LocalNode) -> None:
    node("SADD a 1")
    node.recorder.units.clear()
    assert node("SMOVE a b 1") == 1
    assert len(node.recorder.units) == 1
    assert node.effects() == ["SREM a 1", "SADD b 1"]
    assert node("SMOVE b b 1") == 1
    assert node("SMOVE b c z") == 0
    assert node.effects() == []


def test_a_stored_result_is_put_or_drops_what_was_there(node: LocalNode) -> None:
    node("SADD a 1 2")
    node("SADD b 2 3")
    node("SET d text")
    node.recorder.units.clear()
    assert node("SINTERSTORE d a b") == 1
    (put,) = node.recorder.units[0]
    assert node.effects()[0].startswith("PUT d")
    assert put.number == 0
    assert node("SDIFFSTORE d a a") == 0
    assert node.effects() == ["DROP d"]
    assert node("SDIFFSTORE d a a") == 0
    assert node.effects() == []


def test_a_stored_result_is_a_set_of_its_own(node: LocalNode) -> None:
    node("SADD a 1")
    node("SUNIONSTORE b a")
    node("SADD b 2")
    assert items(node("SMEMBERS a")) == [b"1"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SADD s a new", [True]),
        ("SREM s a b", [True]),
        ("SREM s a z", [False]),
        ("SREM s z", []),
        ("SPOP s", [False]),
        ("SMOVE s t a", [False]),
        ("SUNIONSTORE t s", [False]),
        ("SDIFFSTORE u s", [False]),
        ("SDIFFSTORE u s s", []),
    ],
)
def test_own_bytes_are_kept_only_where_they_say_it_all(
    node: LocalNode, text: str, expected: list[bool]
) -> None:
    node("SADD s a b c")
    assert replayable(node, text) == expected


def test_errors_come_before_any_effect(node: LocalNode) -> None:
    node("SET str v")
    node("SADD s a")
    node.effects()
    for text in ("SADD str a", "SMOVE s str a", "SUNIONSTORE d s str", "SPOP s -1"):
        assert isinstance(node(text), Failure), text
    assert node.effects() == []


@pytest.mark.parametrize("size", [10, 1000])
def test_every_member_is_picked_about_equally_often(size: int) -> None:
    node = LocalNode(seed=3)
    members = fill(node, "s", size)
    picks = Counter(items(node(f"SRANDMEMBER s -{size * 40}")))
    assert set(picks) == set(members)
    assert max(picks.values()) < 40 * 2.5
    assert node.effects() == []


def test_picks_stay_right_while_a_large_set_changes() -> None:
    """Goal: what is numbered for picking follows every change. Method: pick after each change."""
    node = LocalNode(seed=1)
    expected = set(fill(node, "s", 500))
    for step in range(300):
        for reply in items(node("SRANDMEMBER s -20")):
            assert reply in expected
        popped = node("SPOP s")
        assert isinstance(popped, bytes)
        expected.remove(popped)
        if step % 3 == 0:
            gone = sorted(expected)[step % len(expected)]
            node.call(0, [b"SREM", b"s", gone])
            expected.remove(gone)
            if step % 2 == 0:  # back again, at another place
                node.call(0, [b"SADD", b"s", gone])
                expected.add(gone)
        node.call(0, [b"SADD", b"s", b"n%d" % step])
        expected.add(b"n%d" % step)
    assert set(items(node("SMEMBERS s"))) == expected
    assert set(items(node(f"SRANDMEMBER s {len(expected) - 1}"))) <= expected
    picked = set(items(node(f"SRANDMEMBER s -{len(expected) * 20}")))
    assert picked == expected


def test_a_positive_count_repeats_nothing() -> None:
    node = LocalNode(seed=2)
    fill(node, "s", 400)
    picked = items(node("SRANDMEMBER s 399"))
    assert len(picked) == len(set(picked)) == 399
    popped = items(node("SPOP s 150"))
    assert len(popped) == len(set(popped)) == 150
    assert node("SCARD s") == 250


def test_so_many_picks_that_the_server_would_stand_still_are_refused(node: LocalNode) -> None:
    node("SADD s a")
    reply = node("SRANDMEMBER s -4000001")
    assert isinstance(reply, Failure)
    assert reply.text == b"ERR value is out of range"


def test_picks_of_a_large_set_are_members_and_of_one_that_shrank_too(node: LocalNode) -> None:
    members = set(fill(node, "s", 3000))
    few = items(node("SRANDMEMBER s 50"))
    assert len(set(few)) == 50
    assert set(few) <= members
    assert set(items(node("SRANDMEMBER s -50"))) <= members
    popped = items(node("SPOP s 200"))
    assert len(set(popped)) == 200
    assert node("SCARD s") == 2800
    left = members - set(popped)
    kept = set(sorted(left)[:3])
    node.call(0, [b"SREM", b"s", *(left - kept)])
    assert {node("SRANDMEMBER s") for _ in range(100)} == kept
    assert {node("SPOP s") for _ in range(3)} == kept
    assert node("EXISTS s") == 0


def scanned(node: LocalNode, change: bool) -> list[bytes]:
    """All of a scan's members, while others come and go if `change` is set."""
    found: list[bytes] = []
    cursor = b"0"
    for step in range(10_000):
        reply = node.call(0, [b"SSCAN", b"s", cursor, b"COUNT", b"7"])
        assert isinstance(reply, list)
        cursor = reply[0]
        found += reply[1]
        if cursor == b"0":
            return found
        if change:
            node.call(0, [b"SADD", b"s", *(b"new%d-%d" % (step, i) for i in range(3))])
            node.call(0, [b"SREM", b"s", b"m%d" % (500 + step), b"new%d-0" % step])
    raise AssertionError("the scan does not end")


def test_a_scan_of_a_large_set_returns_each_member_once(node: LocalNode) -> None:
    members = fill(node, "s", 1000)
    assert sorted(scanned(node, change=False)) == sorted(members)


def test_a_member_present_during_a_whole_scan_is_returned(node: LocalNode) -> None:
    members = fill(node, "s", 1000)
    found = scanned(node, change=True)
    assert set(members[:500]) <= set(found)
    assert len(found) == len(set(found))


def test_a_scan_goes_on_where_its_order_was_dropped_meanwhile(node: LocalNode) -> None:
    members = fill(node, "s", 600)
    reply = node("SSCAN s 0 COUNT 300")
    assert isinstance(reply, list)
    node.advance(60)
    rest = node.call(0, [b"SSCAN", b"s", reply[0], b"COUNT", b"600"])
    assert isinstance(rest, list)
    assert rest[0] == b"0"
    assert sorted(reply[1] + rest[1]) == sorted(members)


def test_a_removed_member_is_not_scanned_and_a_new_scan_sees_new_ones(node: LocalNode) -> None:
    fill(node, "s", 600)
    reply = node("SSCAN s 0 COUNT 10")
    assert isinstance(reply, list)
    gone = next(b"m%d" % i for i in range(600) if b"m%d" % i not in reply[1])
    node.call(0, [b"SREM", b"s", gone])
    rest = node.call(0, [b"SSCAN", b"s", reply[0], b"COUNT", b"1000"])
    assert isinstance(rest, list)
    assert gone not in rest[1]
    node("SSCAN s 0 COUNT 10")
    node("SADD s late")
    anew = node("SSCAN s 0 COUNT 1000")
    assert isinstance(anew, list)
    assert b"late" in anew[1]


def test_cursors_rise_and_foreign_ones_are_harmless(node: LocalNode) -> None:
    fill(node, "s", 300)
    cursors = [0]
    while True:
        reply = node(f"SSCAN s {cursors[-1]} COUNT 50")
        assert isinstance(reply, list)
        if reply[0] == b"0":
            break
        cursors.append(int(reply[0]))
    assert all(before < after for before, after in pairwise(cursors))
    assert node("SSCAN s 18446744073709551615") == [b"0", []]
    assert node("SSCAN s 5 MATCH nothing COUNT 1000") == [b"0", []]
