"""Hashes: which effects the commands make, random fields, and scans that hold.

What the replies look like is in tests/commands/hashes.txt.
"""

from collections import Counter

import pytest

from node.journal import Commit
from node.ports import Reader
from node.resp.replies import Failure, Map
from tests.support.local import LocalNode

PLACE = 98


class Ends(Reader):
    """Notes of each unit whether the client's own bytes say it exactly."""

    def __init__(self) -> None:
        self.replayable: list[bool] = []

    def read(self, commit: Commit) -> None:
        self.replayable.append(commit.end != 0)


@pytest.mark.parametrize(
    ("text", "effects", "replayable"),
    [
        ("HSET h a 1 b 2", ["HSET h a 1 b 2"], True),
        ("HMSET h a 1", ["HSET h a 1"], False),
        ("HSETNX h new 1", ["HSET h new 1"], False),
        ("HSETNX h f 1", [], None),
        ("HDEL h f g", ["HDEL h f g"], True),
        ("HDEL h f z", ["HDEL h f"], False),
        ("HDEL h z", [], None),
        ("HGETDEL h FIELDS 3 g z g", ["HDEL h g"], False),
        ("HGETDEL h FIELDS 1 z", [], None),
        ("HINCRBY h n 7", ["HINCR h n 7"], True),
        ("HINCRBYFLOAT h n 1.50", ["HINCR h n 1.50"], False),
        ("HINCRBY h f 1", [], None),
        ("HINCRBYFLOAT h f 1", [], None),
    ],
)
def test_effects_and_whether_own_bytes_say_it_all(
    node: LocalNode, text: str, effects: list[str], replayable: bool | None
) -> None:
    node("HSET h f v g w n 1")
    node.effects()
    ends = Ends()
    node.engine.journal.wake(PLACE, ends)
    args = [word.encode() for word in text.split()]
    node.engine.execute(node.sessions[0], 0, args, b"the client's bytes", 0, 18)
    assert node.effects() == effects
    assert ends.replayable == ([] if replayable is None else [replayable])


def test_the_key_goes_with_the_last_field(node: LocalNode) -> None:
    node("HSET h a 1 b 2")
    assert node("HDEL h a") == 1
    assert node("HGETDEL h FIELDS 1 b") == [b"2"]
    assert node.sessions[0].ctx.find(b"h") is None


def test_counters_are_shown_in_every_command(node: LocalNode) -> None:
    """A counter is kept as a number, which no reply may show as one."""
    node("HINCRBY h n 5")
    assert node("HGET h n") == b"5"
    assert node("HMGET h n") == [b"5"]
    assert node("HVALS h") == [b"5"]
    assert node("HSTRLEN h n") == 1
    assert node("HSCAN h 0") == [b"0", [b"n", b"5"]]
    reply = node("HGETALL h")
    assert isinstance(reply, Map)
    assert reply.items == [b"n", b"5"]
    assert node("HRANDFIELD h 1 WITHVALUES") == [b"n", b"5"]
    assert node("HGETDEL h FIELDS 1 n") == [b"5"]


def test_float_totals_are_exact_and_do_not_depend_on_the_order(node: LocalNode) -> None:
    for _ in range(10):
        node("HINCRBYFLOAT h a 0.1")
    assert node("HGET h a") == b"1"
    node("HINCRBYFLOAT h b 1e18")
    node("HINCRBYFLOAT h b 0.1")
    assert node("HINCRBYFLOAT h b -1e18") == b"0.1"


def test_a_float_beyond_redis_is_refused(node: LocalNode) -> None:
    node("HSET h f 1")
    reply = node("HINCRBYFLOAT h f 1e999999999")
    assert isinstance(reply, Failure)
    node.effects()
    assert node("HGET h f") == b"1"


def fill(node: LocalNode, count: int) -> dict[bytes, bytes]:
    """A hash of `count` fields."""
    fields = {b"f%d" % i: b"v%d" % i for i in range(count)}
    node.call(0, [b"HSET", b"h", *(word for pair in fields.items() for word in pair)])
    return fields


@pytest.mark.parametrize("size", [10, 1000])
def test_every_field_is_picked_about_equally_often(size: int) -> None:
    node = LocalNode(seed=3)
    fields = fill(node, size)
    reply = node(f"HRANDFIELD h -{size * 40}")
    assert isinstance(reply, list)
    picks = Counter(reply)
    assert set(picks) == set(fields)
    assert max(picks.values()) < 40 * 2.5


def test_random_fields_come_with_their_own_values() -> None:
    node = LocalNode(seed=4)
    fields = fill(node, 700)
    flat = node("HRANDFIELD h 600 WITHVALUES")
    assert isinstance(flat, list)
    pairs = dict(zip(flat[::2], flat[1::2], strict=True))
    assert len(pairs) == 600
    assert pairs.items() <= fields.items()
    node.sessions[0].resp = 3
    nested = node("HRANDFIELD h -5 WITHVALUES")
    assert isinstance(nested, list)
    assert all(fields[field] == value for field, value in nested)


def test_picks_follow_deletions_and_counters_made_meanwhile() -> None:
    node = LocalNode(seed=5)
    fields = fill(node, 400)
    node("HRANDFIELD h 3")
    for number in range(0, 400, 2):
        node(f"HDEL h f{number}")
        del fields[b"f%d" % number]
    node("HINCRBY h counter 1")
    fields[b"counter"] = b"1"
    reply = node("HRANDFIELD h -8000")
    assert isinstance(reply, list)
    assert set(reply) == set(fields)


def test_a_scan_of_a_large_hash_returns_each_field_once(node: LocalNode) -> None:
    fields = fill(node, 1500)
    found: list[bytes] = []
    names: list[bytes] = []
    cursor = b"0"
    while True:
        reply = node.call(0, [b"HSCAN", b"h", cursor, b"COUNT", b"100"])
        assert isinstance(reply, list)
        found += reply[1]
        bare = node.call(0, [b"HSCAN", b"h", cursor, b"COUNT", b"100", b"NOVALUES"])
        assert isinstance(bare, list)
        names += bare[1]
        cursor = reply[0]
        assert bare[0] == cursor
        if cursor == b"0":
            break
    assert dict(zip(found[::2], found[1::2], strict=True)) == fields
    assert sorted(names) == sorted(fields)


def test_hset_of_half_a_pair_makes_nothing(node: LocalNode) -> None:
    reply = node("HSET h a 1 b")
    assert isinstance(reply, Failure)
    assert node.effects() == []
