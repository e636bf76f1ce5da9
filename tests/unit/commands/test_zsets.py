"""Sorted sets: which effects the commands make, random picks, scans that hold, pops that wait.

What the replies look like is in tests/commands/zsets.txt, zset_ranges.txt and zset_algebra.txt.
"""

from __future__ import annotations

from collections import Counter

import pytest

from node.commands.context import Parked
from node.journal import Commit
from node.ports import Reader, Seen
from node.resp.replies import NULL_ARRAY, Double, Failure
from node.store.effect import UNCHANGED, ZADD, Effect
from node.store.values.zsets import ZSetValue
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


def plain(reply: object) -> object:
    """A reply with floats in place of doubles."""
    if isinstance(reply, Double):
        return reply.value
    if isinstance(reply, list):
        return [plain(item) for item in reply]
    return reply


def fill(node: LocalNode, key: str, count: int) -> list[bytes]:
    """A sorted set of `count` members, each with its number as score."""
    members = [b"m%d" % i for i in range(count)]
    words = [b"ZADD", key.encode()]
    for i, member in enumerate(members):
        words += [b"%d" % i, member]
    node.call(0, words)
    node.effects()
    return members


def content(node: LocalNode, key: bytes) -> object:
    """What is in a sorted set, in order."""
    value = node.sessions[0].ctx.zset(key)
    return None if value is None else value.content()


@pytest.mark.parametrize(
    ("text", "reply", "effects"),
    [
        ("ZADD z 1 a 5 n", 1, ["ZADD z 1 a 5 n"]),
        ("ZADD z CH 1 a 5 n", 1, ["ZADD z 1 a 5 n"]),
        ("ZADD z NX 9 a 5 n", 1, ["ZADD z 5 n"]),
        ("ZADD z NX 9 a", 0, []),
        ("ZADD z XX CH 9 a 5 n", 1, ["ZADD z 9 a"]),
        ("ZADD z GT 0 a 9 b 5 n", 1, ["ZMAX z 9 b 5 n"]),
        ("ZADD z GT XX CH 2 a 5 n", 1, ["ZMAX z 2 a"]),
        ("ZADD z GT 1 a", 0, []),
        ("ZADD z LT CH 0 a 9 b 5 n", 2, ["ZMIN z 0 a 5 n"]),
        ("ZADD z NX 1 n 2 n", 1, ["ZADD z 1 n"]),
        ("ZADD z GT CH 7 n 6 n 8 n", 2, ["ZMAX z 7 n 8 n"]),
        ("ZADD z INCR 2 a", 3.0, ["ZINCR z 2 a"]),
        ("ZADD z NX INCR 2 a", None, []),
        ("ZADD z GT INCR -2 a", None, []),
        ("ZINCRBY z 0x10 a", 17.0, ["ZINCR z 16 a"]),
        ("ZINCRBY z inf a", float("inf"), ["ZINCR z inf a"]),
        ("ZREM z a x c", 2, ["ZREM z a c"]),
        ("ZREM z x", 0, []),
        ("ZREMRANGEBYRANK z 0 1", 2, ["ZREM z a b"]),
        ("ZREMRANGEBYSCORE z (1 +inf", 2, ["ZREM z b c"]),
        ("ZREMRANGEBYSCORE z 7 9", 0, []),
        ("ZPOPMIN z", [b"a", 1.0], ["ZREM z a"]),
        ("ZPOPMAX z 2", [b"c", 3.0, b"b", 2.0], ["ZREM z c b"]),
        ("ZPOPMAX z 0", [], []),
        ("ZMPOP 2 y z MIN COUNT 2", [b"z", [[b"a", 1.0], [b"b", 2.0]]], ["ZREM z a b"]),
        ("BZPOPMAX y z 0", [b"z", b"c", 3.0], ["ZREM z c"]),
        ("ZUNIONSTORE z 1 y", 0, ["DROP z"]),
        ("ZINTERSTORE y 1 y", 0, []),
    ],
)
def test_effects_name_what_happened(
    node: LocalNode, text: str, reply: object, effects: list[str]
) -> None:
    node("ZADD z 1 a 2 b 3 c")
    node.effects()
    assert plain(node(text)) == reply
    assert node.effects() == effects


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ZADD z 1 a 2 n", [True]),
        ("ZADD z inf a", [True]),
        ("ZADD z CH 1 n", [False]),
        ("ZADD z GT 9 a", [False]),
        ("ZADD z NX 1 a", []),
        ("ZADD z INCR 1 a", [False]),
        ("ZINCRBY z 1.5 a", [True]),
        ("ZINCRBY z 0x1 a", [False]),
        ("ZREM z a", [True]),
        ("ZREM z a x", [False]),
        ("ZPOPMIN z", [False]),
        ("ZREMRANGEBYRANK z 0 0", [False]),
        ("ZRANGESTORE y z 0 -1", [False]),
        ("GEOADD g 1 1 m", [False]),
    ],
)
def test_own_bytes_are_kept_only_where_they_say_it_all(
    node: LocalNode, text: str, expected: list[bool]
) -> None:
    node("ZADD z 1 a 2 b")
    assert replayable(node, text) == expected


@pytest.mark.parametrize("text", ["ZADD z 1 a", "ZINCRBY z 0 a", "ZADD z XX 1 a"])
def test_a_score_that_stays_is_an_effect_that_changes_nothing(node: LocalNode, text: str) -> None:
    """For the mesh it is a new write of the score; no client is told of it."""
    node("ZADD z 1 a")
    other = node.session()
    node("WATCH z", other)
    node.recorder.units.clear()
    node(text)
    (effect,) = node.recorder.units[0]
    assert effect.flags & UNCHANGED
    node("MULTI", other)
    assert node("EXEC", other) == []
    node("WATCH z", other)
    node("ZADD z 2 a")
    node("MULTI", other)
    assert node("EXEC", other) is NULL_ARRAY


def test_a_stored_result_is_put_and_is_a_set_of_its_own(node: LocalNode) -> None:
    node("ZADD a 1 x 2 y")
    node("SET d text")
    node.recorder.units.clear()
    assert node("ZUNIONSTORE d 2 a a") == 2
    (put,) = node.recorder.units[0]
    assert isinstance(put.value, ZSetValue)
    node("ZADD d 9 x")
    assert put.value.content() == [(b"x", 2.0), (b"y", 4.0)]
    assert content(node, b"a") == [(b"x", 1.0), (b"y", 2.0)]
    assert content(node, b"d") == [(b"y", 4.0), (b"x", 9.0)]
    node("ZRANGESTORE d a 0 0")
    node("ZADD a 5 x")
    assert content(node, b"d") == [(b"x", 1.0)]


def test_errors_come_before_any_effect(node: LocalNode) -> None:
    node("SET str v")
    node("ZADD z inf a")
    node.effects()
    for text in (
        *("ZADD z 1 b x c", "ZADD str 1 a", "ZADD z INCR -inf a", "ZINCRBY z -inf a"),
        *("ZUNIONSTORE d 2 z str", "ZRANGESTORE d str 0 1", "ZPOPMIN z -1"),
        "GEOADD z 1 1 a 1 99 b",
    ):
        assert isinstance(node(text), Failure), text
    assert node.effects() == []


def test_ranges_of_a_large_set(node: LocalNode) -> None:
    members = fill(node, "z", 5000)
    assert node("ZRANGE z 2500 2510") == members[2500:2511]
    assert node("ZRANGE z -10 -1 REV") == members[9::-1]
    assert node("ZRANGEBYSCORE z (1000 +inf LIMIT 5 3") == members[1006:1009]
    assert node("ZREVRANGEBYSCORE z 1000 -inf LIMIT 5 3") == members[995:992:-1]
    assert node("ZCOUNT z 1000 (2000") == 1000
    assert node("ZREVRANK z m0") == 4999
    assert node("ZREMRANGEBYRANK z 10 -11") == 4980
    assert node("ZRANGE z 0 -1") == members[:10] + members[-10:]


def test_lexicographic_ranges_of_a_large_set(node: LocalNode) -> None:
    members = sorted(b"m%d" % i for i in range(1000))
    node.call(0, [b"ZADD", b"z", *(word for member in members for word in (b"0", member))])
    assert node("ZRANGEBYLEX z [m5 (m6") == [m for m in members if b"m5" <= m < b"m6"]
    assert node("ZLEXCOUNT z (m5 +") == len([m for m in members if m > b"m5"])
    assert node("ZREVRANGEBYLEX z + (m98 LIMIT 1 2") == members[-2:-4:-1]
    node("ZADD z 1 m0")  # another score: what Redis answers is not defined, but it is an answer
    assert isinstance(node("ZRANGEBYLEX z [m5 (m6"), list)


# --- random picks and scans ---------------------------------------------------------------------


@pytest.mark.parametrize("size", [10, 1000])
def test_every_member_is_picked_about_equally_often(size: int) -> None:
    node = LocalNode(seed=3)
    members = fill(node, "z", size)
    picks = node(f"ZRANDMEMBER z -{size * 40}")
    assert isinstance(picks, list)
    counts = Counter(picks)
    assert set(counts) == set(members)
    assert max(counts.values()) < 40 * 2.5
    assert node.effects() == []


def test_a_positive_count_repeats_nothing() -> None:
    node = LocalNode(seed=2)
    fill(node, "z", 400)
    picked = node("ZRANDMEMBER z 399")
    assert isinstance(picked, list)
    assert len(picked) == len(set(picked)) == 399
    node("ZREMRANGEBYRANK z 0 299")
    again = node("ZRANDMEMBER z -4000")
    assert isinstance(again, list)
    assert set(again) == {b"m%d" % i for i in range(300, 400)}


def test_so_many_picks_that_the_server_would_stand_still_are_refused(node: LocalNode) -> None:
    node("ZADD z 1 a")
    reply = node("ZRANDMEMBER z -4000001")
    assert isinstance(reply, Failure)
    assert reply.text == b"ERR value is out of range"


def scanned(node: LocalNode, change: bool) -> dict[bytes, bytes]:
    """All of a scan's members and scores, while others come and go if `change` is set."""
    found: dict[bytes, bytes] = {}
    cursor = b"0"
    for step in range(10_000):
        reply = node.call(0, [b"ZSCAN", b"z", cursor, b"COUNT", b"7"])
        assert isinstance(reply, list)
        cursor = reply[0]
        assert len(reply[1]) <= 2 * 3 * 7  # COUNT is about how many
        found.update(zip(reply[1][::2], reply[1][1::2], strict=True))
        if cursor == b"0":
            return found
        if change:
            node.call(0, [b"ZADD", b"z", *(b"1", b"new%d" % step)])
            node.call(0, [b"ZREM", b"z", b"m%d" % (500 + step)])
    raise AssertionError("the scan does not end")


def test_a_scan_of_a_large_set_returns_each_member_with_its_score(node: LocalNode) -> None:
    members = fill(node, "z", 1000)
    assert scanned(node, change=False) == {m: b"%d" % i for i, m in enumerate(members)}


def test_a_member_present_during_a_whole_scan_is_returned(node: LocalNode) -> None:
    members = fill(node, "z", 1000)
    assert set(members[:500]) <= set(scanned(node, change=True))


# --- pops that wait -----------------------------------------------------------------------------


def waits(node: LocalNode, text: str) -> int:
    """A new client sends this, and waits."""
    client = node.session()
    assert isinstance(node(text, client), Parked), text
    return client


def told(node: LocalNode, client: int) -> list[object]:
    """What a client that waited was answered since the last call."""
    inbox = node.inbox(client)
    found = [plain(reply) for reply in inbox.resumed]
    inbox.resumed.clear()
    return found


@pytest.mark.parametrize(
    ("text", "reply", "left"),
    [
        ("BZPOPMIN z 0", [b"z", b"a", 1.0], [b"b", b"c"]),
        ("BZPOPMAX y z 0", [b"z", b"c", 3.0], [b"a", b"b"]),
        ("BZMPOP 0 1 z MAX COUNT 2", [b"z", [[b"c", 3.0], [b"b", 2.0]]], [b"a"]),
        ("BZMPOP 0 2 y z MIN COUNT 9", [b"z", [[b"a", 1.0], [b"b", 2.0], [b"c", 3.0]]], []),
    ],
)
def test_a_client_gets_what_it_waited_for(
    node: LocalNode, text: str, reply: object, left: list[bytes]
) -> None:
    client = waits(node, text)
    node.recorder.units.clear()
    assert node("ZADD z 1 a 2 b 3 c") == 3
    assert told(node, client) == [reply]
    assert node("ZRANGE z 0 -1") == left
    assert len(node.recorder.units) == 2  # a served client's effects are a unit of its own
    assert not node.engine.parked
    assert node.engine.blocking.waiters() == 0


def test_served_in_order_of_arrival(node: LocalNode) -> None:
    clients = [waits(node, "BZPOPMIN z 0") for _ in range(4)]
    node("ZADD z 1 a 2 b")
    assert [told(node, client) for client in clients] == [
        [[b"z", b"a", 1.0]], [[b"z", b"b", 2.0]], [], [],
    ]  # fmt: skip
    node("ZINCRBY z 3 c")
    assert told(node, clients[2]) == [[b"z", b"c", 3.0]]
    node("GEOADD z 1 1 d")
    assert len(told(node, clients[3])) == 1


def test_whoever_makes_the_set_serves_who_waits(node: LocalNode) -> None:
    node("ZADD source 1 a 2 b")
    for text in ("RENAME source z", "ZUNIONSTORE z 1 other", "ZRANGESTORE z other 0 -1"):
        client = waits(node, "BZPOPMIN z 0")
        node(text)
        assert told(node, client) == [[b"z", b"a", 1.0]], text
        node("DEL z")
        node("ZADD other 1 a 2 b")


def test_a_replicated_write_serves_too(node: LocalNode) -> None:
    client = waits(node, "BZPOPMIN z 0")
    effect = Effect(ZADD, 0, b"z", [b"4", b"m"], 0, 1 << 20, 1, 0)
    node.engine.replay(0, [effect], Seen())
    node.engine.blocking.serve()
    assert told(node, client) == [[b"z", b"m", 4.0]]


def test_a_key_of_another_type_serves_nobody(node: LocalNode) -> None:
    client = waits(node, "BZPOPMIN y z 0")
    node("RPUSH y 1")
    node("SET z v")
    assert told(node, client) == []
    node("DEL z")
    node("ZADD z 1 a")
    (reply,) = told(node, client)  # y comes first, and is a list
    assert isinstance(reply, Failure)
    assert reply.text.startswith(b"WRONGTYPE")
    assert node("ZCARD z") == 1


def test_what_is_made_and_gone_in_one_unit_serves_nobody(node: LocalNode) -> None:
    client = waits(node, "BZMPOP 0 1 z MIN")
    node("MULTI")
    node("ZADD z 1 a")
    node("DEL z")
    node("EXEC")
    assert told(node, client) == []
    assert len(node.engine.parked) == 1


@pytest.mark.parametrize("text", ["BZPOPMIN z 2.5", "BZPOPMAX y z 2.5", "BZMPOP 2.5 1 z MAX"])
def test_time_is_up(node: LocalNode, text: str) -> None:
    client = waits(node, text)
    node.advance(2.4)
    assert told(node, client) == []
    node.advance(0.2)
    assert told(node, client) == [NULL_ARRAY]
    node("ZADD z 1 a")
    assert told(node, client) == []
    assert node("ZCARD z") == 1
