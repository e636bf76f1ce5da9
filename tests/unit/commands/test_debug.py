"""DEBUG: who may, who waits, and the digest of the data."""

import re

import pytest

from node.commands.context import Parked
from node.digest import NOTHING, digest_of, hexadecimal, key_digest
from node.resp.replies import OK, Failure, Simple
from tests.support.local import LocalNode

ZEROS = b"0" * 40


@pytest.fixture
def open_node() -> LocalNode:
    """A node on which DEBUG is allowed."""
    return LocalNode(directives=("--enable-debug-command", "yes"))


def text(reply: object) -> bytes:
    """The text of an error or status."""
    assert isinstance(reply, Failure | Simple)
    return reply.text


def digest(node: LocalNode) -> bytes:
    """What DEBUG DIGEST shows."""
    return hexadecimal(digest_of(node.engine.databases))


def test_debug_is_closed_unless_allowed() -> None:
    assert text(LocalNode()("DEBUG DIGEST")).startswith(b"ERR DEBUG command not allowed.")
    assert text(LocalNode(directives=("--enable-debug-command", "local"))("DEBUG DIGEST")) == ZEROS


def test_a_sleeper_waits_and_others_do_not(open_node: LocalNode) -> None:
    other = open_node.session()
    assert isinstance(open_node("DEBUG SLEEP 0.5"), Parked)
    assert open_node("SET k v", client=other) is OK
    open_node.advance(0.25)
    assert open_node.inbox().resumed == []
    open_node.advance(0.25)
    assert open_node.inbox().resumed == [OK]


def test_nobody_sleeps_in_a_transaction(open_node: LocalNode) -> None:
    open_node("MULTI")
    open_node("DEBUG SLEEP 5")
    assert open_node("EXEC") == [OK]


def test_keys_stay_past_their_deadline_while_active_expiry_is_off(open_node: LocalNode) -> None:
    open_node("DEBUG SET-ACTIVE-EXPIRE 0")
    open_node("SET k v PX 10")
    open_node.advance(1)
    assert open_node("DBSIZE") == 1
    open_node("DEBUG SET-ACTIVE-EXPIRE 1")
    open_node.advance(1)
    assert open_node("DBSIZE") == 0


def test_object_is_redis_line(open_node: LocalNode) -> None:
    open_node("SET k 12")
    open_node.advance(3)
    assert re.fullmatch(
        rb"Value at:0x[0-9a-f]+ refcount:1 encoding:int serializedlength:2 lru:\d+"
        rb" lru_seconds_idle:3",
        text(open_node("DEBUG OBJECT k")),
    )


WRITES = (
    *("SET a 1", "SET b x PXAT 1800000000000", "SADD s 1 2 3", "HSET h f 1 g 2"),
    *("SELECT 5", "SET a 1", "SELECT 0"),
)


def test_object_tells_the_nodes_of_a_list_and_its_length_in_a_dump(open_node: LocalNode) -> None:
    """The figures are those of Redis 8.2.3 after the same commands."""
    for number in range(5000):
        open_node(f"RPUSH list {number}")
    assert text(open_node("DEBUG OBJECT list")).endswith(
        b" ql_nodes:2 ql_avg_node:2500.00 ql_listpack_max:-2 ql_compressed:0"
        b" ql_uncompressed_size:15790"
    )
    assert b" encoding:quicklist serializedlength:15797 " in text(open_node("DEBUG OBJECT list"))
    assert text(open_node("DEBUG QUICKLIST list")).startswith(b"ql_nodes:2 ")
    open_node("SADD set a b")
    assert b"encoding:listpack serializedlength:14 " in text(open_node("DEBUG OBJECT set"))


def test_reload_keeps_what_shows_and_is_refused_where_it_would_lose_something(
    open_node: LocalNode,
) -> None:
    for line in ("SET k v EX 100", "RPUSH l a b", "HSET h f v", "XADD s 1-1 f v", "ZADD z 1 m"):
        open_node(line)
    open_node("HEXPIRE h 100 FIELDS 1 f")
    before = open_node("DEBUG DIGEST")
    assert text(open_node("DEBUG RELOAD")) == b"OK"
    assert text(open_node("DEBUG DIGEST")) == text(before)
    assert text(open_node("DEBUG RELOAD NOSAVE")).startswith(b"ERR DEBUG RELOAD writes and reads")
    active = LocalNode(directives=("--enable-debug-command", "yes", "--active-replica", "yes"))
    assert text(active("DEBUG RELOAD")).startswith(b"ERR DEBUG RELOAD would forget")


def test_the_order_and_kind_of_writes_do_not_show() -> None:
    one, other = LocalNode(), LocalNode(seed=7)
    for line in WRITES:
        one(line)
    for line in (
        *("SADD s 3 9 2 1", "SREM s 9", "HINCRBY h g 2", "HINCRBY h f 1", "INCR a", "SET gone 1"),
        *("DEL gone", "SET b x", "PEXPIREAT b 1800000000000", "SELECT 5", "INCRBY a 1"),
    ):
        other(line)
    assert digest(one) == digest(other) != ZEROS
    for line in ("FLUSHALL",):
        one(line)
    assert digest(one) == ZEROS


@pytest.mark.parametrize(
    "line",
    [
        *("SET a 2", "DEL a", "SADD s 4", "HSET h f 2", "PERSIST b", "EXPIRE a 10", "RENAME a c"),
        *("MOVE s 3", "HDEL h g", "SET s x"),
    ],
)
def test_every_visible_change_shows(node: LocalNode, line: str) -> None:
    for write in WRITES:
        node(write)
    before = digest(node)
    node(line)
    assert digest(node) != before


def test_what_is_past_its_deadline_does_not_show(node: LocalNode) -> None:
    node("SET a 1")
    before = digest(node)
    node("SET b 1 PX 100")
    assert digest(node) != before
    node.engine.active_expire = False
    node.advance(1)
    assert digest(node) == before


def test_members_cannot_be_mistaken_for_one_another(node: LocalNode) -> None:
    node("SADD s ab c")
    node("SADD t a bc")
    node("HSET h a b c d")
    node("HSET i a b,c d,")
    values = [node.engine.databases[0].glance(key) for key in (b"s", b"t", b"h", b"i")]
    assert len({key_digest(0, b"k", value, 0) for value in values}) == len(values)


def test_values_alone(open_node: LocalNode) -> None:
    open_node("SET a x EX 100")
    open_node("SET b x")
    reply = open_node("DEBUG DIGEST-VALUE a b none")
    assert isinstance(reply, list)
    assert text(reply[0]) == text(reply[1]) != text(reply[2])
    assert text(reply[2]) == hexadecimal(NOTHING)
