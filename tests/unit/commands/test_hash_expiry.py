"""Fields with a deadline: the effects, who sees a field go and when, and that nobody sees it later.

What the replies look like is in tests/commands/hash_expiry.txt.
"""

from __future__ import annotations

import pytest

from node.engine import EXPIRE_PER_TICK
from node.ports import Seen
from node.resp.replies import Map
from node.store.effect import HINCR, HSET, Effect
from node.store.values.container import Container
from tests.support.local import START_S, LocalNode
from tests.unit.readers.test_notify import Listener

START_MS = int(START_S * 1000)


@pytest.mark.parametrize(
    ("line", "effects"),
    [
        ("HEXPIRE h 10 FIELDS 2 a b", [f"HEXPIRE h a b {START_MS + 10_000}"]),
        ("HPEXPIRE h 10 FIELDS 2 a a", [f"HEXPIRE h a {START_MS + 10}"]),
        ("HEXPIREAT h 4000000000 FIELDS 2 z b", ["HEXPIRE h b 4000000000000"]),
        ("HPEXPIREAT h 4000000000001 FIELDS 1 a", ["HEXPIRE h a 4000000000001"]),
        ("HEXPIRE h 10 NX FIELDS 2 t a", [f"HEXPIRE h a {START_MS + 10_000}"]),
        ("HEXPIRE h 10 XX FIELDS 1 a", []),
        ("HEXPIRE h 10 GT FIELDS 2 a t", []),
        ("HEXPIRE h 10 FIELDS 1 z", []),
        ("HEXPIRE none 10 FIELDS 1 a", []),
        ("HEXPIRE h 0 FIELDS 3 a z a", ["HDEL h a"]),
        ("HPEXPIREAT h 1 LT FIELDS 2 t a", ["HDEL h t a"]),
        (f"HPEXPIREAT h {START_MS} FIELDS 1 a", ["HDEL h a"]),
        (f"HPEXPIREAT h {START_MS + 1} FIELDS 1 a", [f"HEXPIRE h a {START_MS + 1}"]),
        ("HPERSIST h FIELDS 3 a t t", ["HEXPIRE h t"]),
        ("HPERSIST h FIELDS 1 a", []),
        ("HGETEX h FIELDS 1 a", []),
        ("HGETEX h EX 10 FIELDS 3 z a a", [f"HEXPIRE h a {START_MS + 10_000}"]),
        ("HGETEX h PERSIST FIELDS 2 a t", ["HEXPIRE h t"]),
        ("HGETEX h PXAT 1 FIELDS 2 a z", ["HDEL h a"]),
        ("HSETEX h FIELDS 1 t 9", ["HSET h t 9"]),
        ("HSETEX h KEEPTTL FIELDS 2 t 9 a 8", ["HSET h t 9 a 8", "HEXPIRE h t 4000000000000"]),
        ("HSETEX h EX 10 FIELDS 2 a 9 n 8",
         ["HSET h a 9 n 8", f"HEXPIRE h a n {START_MS + 10_000}"]),
        ("HSETEX h FNX FIELDS 2 n 9 a 8", []),
        ("HSETEX h PXAT 1 FIELDS 2 n 9 a 8", ["HSET h n 9 a 8", "HDEL h n a"]),
    ],
)  # fmt: skip
def test_the_effects_of(node: LocalNode, line: str, effects: list[str]) -> None:
    node("HSET h a 1 b 2 t 3")
    node("HPEXPIREAT h 4000000000000 FIELDS 1 t")
    node.effects()
    node(line)
    assert node.effects() == effects


READS = (
    "HGET h a", "HMGET h a b", "HGETALL h", "HEXISTS h a", "HLEN h", "HKEYS h", "HVALS h",
    "HSTRLEN h a", "HTTL h FIELDS 1 a", "HRANDFIELD h 5", "HSCAN h 0", "HGETEX h FIELDS 1 a",
    "HGETDEL h FIELDS 1 a", "HDEL h a", "HPERSIST h FIELDS 1 a", "TYPE h",
    "EXISTS h", "TTL h", "COPY h other", "TOUCH h", "KEYS *", "DEBUG DIGEST", "HSET h b 2",
    "KEYDB.HRENAME h b c", "TTL h a",
)  # fmt: skip


@pytest.mark.parametrize("line", READS)
def test_whoever_looks_first_finds_the_field_gone(line: str) -> None:
    """Goal: what any command says after the deadline is what it says after an HDEL."""
    said = []
    for removed in (True, False):
        node = LocalNode(directives=("--enable-debug-command", "yes"))
        node("HSET h a 1 b 2")
        if removed:
            node("HDEL h a")
        else:
            node("HPEXPIRE h 100 FIELDS 1 a")
        node.time_s += 0.101
        node.effects()
        reply = node(line)
        said.append(reply.items if isinstance(reply, Map) else getattr(reply, "text", reply))
        effects = node.effects()
        if not removed:
            assert effects.pop(0) == "LAPSE h a"
        said.append(effects if line != "COPY h other" else None)
    assert said[:2] == said[2:]


def test_a_field_is_there_until_its_deadline_has_passed(node: LocalNode) -> None:
    node("HSET h a 1")
    node("HPEXPIRE h 100 FIELDS 1 a")
    node.time_s += 0.1
    assert node("HGET h a") == b"1"
    node.time_s += 0.0015
    assert node("HGET h a") is None


def test_the_key_goes_with_the_last_field_and_comes_again_as_new(node: LocalNode) -> None:
    node("HSET h a 1 b 2")
    node("EXPIRE h 1000")
    node("HPEXPIRE h 100 FIELDS 2 a b")
    node.effects()
    node.time_s += 0.101
    assert node("HSET h b 3") == 1
    assert node.effects() == ["LAPSE h a b", "HSET h b 3"]
    assert node("TTL h") == -1
    assert node("HTTL h FIELDS 1 b") == [-1]


def test_nobody_needs_to_look(node: LocalNode) -> None:
    node("HSET h a 1 b 2")
    node("HSET g a 1")
    node("HPEXPIRE h 100 FIELDS 1 a")
    node("HPEXPIRE g 5000 FIELDS 1 a")
    node.effects()
    node.advance(0.050)
    assert node.effects() == []
    node.advance(0.051)
    assert node.effects() == ["LAPSE h a"]
    node.advance(10)
    assert node.effects() == ["LAPSE g a"]
    assert node("DBSIZE") == 1
    assert b"expired_subkeys:2\r\n" in info(node)


def info(node: LocalNode) -> bytes:
    """INFO of everything."""
    reply = node("INFO everything")
    text = getattr(reply, "text", reply)
    assert isinstance(text, bytes)
    return text


def test_keys_with_timed_fields_are_counted(node: LocalNode) -> None:
    assert b"subexpiry" not in info(node)
    node("HSET h a 1 b 2")
    assert b"subexpiry=0\r\n" in info(node)
    node("HEXPIRE h 100 FIELDS 2 a b")
    node("COPY h g")
    assert b"subexpiry=2\r\n" in info(node)
    node("HPERSIST h FIELDS 1 a")
    assert b"subexpiry=2\r\n" in info(node)
    node("HPERSIST h FIELDS 1 b")
    assert b"subexpiry=1\r\n" in info(node)
    node("RENAME g f")
    assert b"subexpiry=1\r\n" in info(node)
    node("SET f v")
    node("SET g v")
    assert b"subexpiry=0\r\n" in info(node)


def test_a_tick_takes_out_so_many_fields_and_no_more(node: LocalNode) -> None:
    """Limit: the time a tick takes; the rest goes between commands, or with the next look."""
    count = EXPIRE_PER_TICK + 500
    fields = [b"%d" % number for number in range(count)]
    node.call(0, [b"HSET", b"h", b"stays", b"v", *[each for f in fields for each in (f, b"v")]])
    node.call(0, [b"HPEXPIRE", b"h", b"100", b"FIELDS", b"%d" % count, *fields])
    node.time_s += 1
    assert node.engine.tick(node.time_s)
    value = node.engine.databases[0].glance(b"h")
    assert isinstance(value, Container)
    assert value.size() == 501
    assert not node.engine.tick(node.time_s)
    assert value.size() == 1
    assert node.engine.databases[0].timed.size() == 0


def test_a_deadline_that_was_moved_or_taken_back_is_looked_at_once(node: LocalNode) -> None:
    node("HSET h a 1 b 2")
    node("HPEXPIRE h 100 FIELDS 2 a b")
    node("HPEXPIRE h 900 FIELDS 1 a")
    node("HSET h b 3")
    node.effects()
    node.advance(0.5)
    assert node.effects() == []
    assert node.engine.databases[0].timed.size() == 1
    node.advance(0.5)
    assert node.effects() == ["LAPSE h a"]
    assert node.engine.databases[0].timed.size() == 0


def test_active_expiry_switched_off_hides_fields_all_the_same(node: LocalNode) -> None:
    node.engine.active_expire = False
    node("HSET h a 1 b 2")
    node("HPEXPIRE h 100 FIELDS 1 a")
    node.effects()
    node.advance(1)
    assert node.effects() == []
    assert node("HKEYS h") == [b"b"]


def test_flush_and_drop_forget_timed_fields(node: LocalNode) -> None:
    timed = node.engine.databases[0].timed
    for goes in ("DEL h", "FLUSHALL", "SET h v", "HDEL h a", "HGETDEL h FIELDS 1 a"):
        node("HSET h a 1")
        node("HPEXPIRE h 100 FIELDS 1 a")
        assert timed.size() == 1
        node(goes)
        assert timed.size() == 0, goes
        node("DEL h")
    node.advance(1)
    assert "LAPSE" not in " ".join(node.effects())


def test_the_events_of_a_field_that_goes() -> None:
    told = Listener("EA")
    told.events("HSET h a 1 b 2", "HPEXPIRE h 100 FIELDS 2 a b", "HPEXPIRE h 300 FIELDS 1 b")
    told.node.advance(0.2)
    assert told.events() == ["hexpired h"]
    told.node.advance(0.2)
    assert told.events() == ["hexpired h", "del h"]


def test_the_events_of_members_that_go() -> None:
    told = Listener("EA")
    told.events("SADD s a b", "EXPIREMEMBER s a 1", "ZADD z 1 a", "EXPIREMEMBER z a 1")
    told.node.advance(2)
    assert sorted(told.events()) == ["del z", "srem s", "zrem z"]


def test_a_field_that_goes_spoils_a_watch(node: LocalNode) -> None:
    other = node.session()
    node("HSET h a 1 b 2")
    node("HPEXPIRE h 100 FIELDS 1 a")
    node("WATCH h")
    node("MULTI")
    node("HGET h b")
    node.time_s += 1
    node("HGET h a", client=other)
    assert node("EXEC") != [b"2"]


def test_inside_a_transaction_what_goes_is_a_unit_of_its_own(node: LocalNode) -> None:
    node("HSET h a 1 b 2")
    node("HPEXPIRE h 100 FIELDS 1 a")
    node("MULTI")
    node("SET k v")
    node("HSET h b 3")
    node.recorder.units.clear()
    node.time_s += 1
    node("EXEC")
    assert [len(unit) for unit in node.recorder.units] == [1, 2]
    assert node.effects() == ["LAPSE h a", "PUT k v", "HSET h b 3"]


def peer(node: LocalNode, op: int, value: object, number: int, at_ms: int) -> None:
    """A peer's effect on h, stamped at this time."""
    effect = Effect(op, 0, b"h", value, number, (at_ms << 20) + 1, 1, 0)
    node.engine.replay(0, [effect], Seen())


def test_what_a_peer_wrote_after_the_deadline_found_the_field_gone(node: LocalNode) -> None:
    """This node's clock is behind: by the peer's the field had lapsed when it was counted up."""
    node("HSET h n 5")
    node("HPEXPIRE h 100 FIELDS 1 n")
    peer(node, HINCR, b"n", 1, START_MS + 101)
    assert node("HGET h n") == b"1"
    assert node("HTTL h FIELDS 1 n") == [-1]


def test_what_a_peer_wrote_before_the_deadline_found_the_field_there(node: LocalNode) -> None:
    node("HSET h n 5")
    node("HPEXPIRE h 100 FIELDS 1 n")
    peer(node, HINCR, b"n", 1, START_MS + 99)
    peer(node, HSET, [b"m", b"1"], 0, START_MS + 100)
    assert node("HGET h n") == b"6"
    assert node("HPTTL h FIELDS 2 n m") == [100, -1]


def test_hashes_without_deadlines_are_not_looked_at(node: LocalNode) -> None:
    node("HSET h a 1")
    node("HSET g a 1")
    node("HPEXPIRE g 100 FIELDS 1 a")
    node.effects()
    node.time_s += 1
    assert node("HGET h a") == b"1"
    assert node.effects() == []
