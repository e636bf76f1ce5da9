"""WATCH as a reader of the journal: what spoils a transaction, whoever did it."""

import pytest

from node.ports import Seen
from node.resp.replies import NULL_ARRAY
from node.store.effect import DROP, PUT, SADD, Effect
from tests.support.local import LocalNode


def spoiled(node: LocalNode) -> bool:
    """Is the first client's next transaction refused?"""
    node("MULTI")
    node("SCARD nothing")
    return node("EXEC") is NULL_ARRAY


def from_peer(node: LocalNode, op: int, key: bytes, value: object, number: int = 0) -> None:
    """A peer's unit of one effect."""
    stamp = node.engine.clock.last + 1
    effect = Effect(op, 0, key, value, number, stamp, 1, 0)
    node.engine.replay(0, [effect], Seen())


def test_the_reader_is_awake_only_while_somebody_watches(node: LocalNode) -> None:
    watch, journal = node.engine.watch, node.engine.journal
    assert watch not in journal.awake
    node("WATCH a b")
    node("WATCH a")
    assert watch in journal.awake
    assert watch.watches == 2
    assert watch.clients() == 1
    node("UNWATCH")
    assert watch not in journal.awake
    assert watch.watches == 0


@pytest.mark.parametrize(
    "text",
    ["SADD s b", "SREM s a", "SPOP s", "SMOVE s t a", "SET s v", "SUNIONSTORE s u", "EXPIRE s 9"],
)
def test_a_change_spoils(node: LocalNode, text: str) -> None:
    other = node.session()
    node("SADD s a")
    node("SADD u 1")
    node("WATCH s")
    node(text, client=other)
    assert spoiled(node)
    assert not spoiled(node)


@pytest.mark.parametrize("text", ["SADD s a", "SREM s z", "SMOVE s t z", "SADD t a", "SMEMBERS s"])
def test_what_changes_nothing_spoils_nothing(node: LocalNode, text: str) -> None:
    other = node.session()
    node("SADD s a")
    node("WATCH s")
    node(text, client=other)
    assert not spoiled(node)


def test_the_target_of_a_move_is_touched_too(node: LocalNode) -> None:
    other = node.session()
    node("SADD s a")
    node("WATCH t")
    node("SMOVE s t a", client=other)
    assert spoiled(node)


def test_a_peer_spoils_too(node: LocalNode) -> None:
    node("WATCH s")
    from_peer(node, SADD, b"s", [b"a"])
    assert spoiled(node)


def test_a_peer_that_changes_nothing_spoils_nothing(node: LocalNode) -> None:
    node("SADD s a")
    node("WATCH s gone")
    from_peer(node, SADD, b"s", [b"a"])
    from_peer(node, DROP, b"gone", None)
    assert not spoiled(node)


def test_a_watch_is_of_one_database(node: LocalNode) -> None:
    other = node.session()
    node("WATCH s")
    node.sessions[other].ctx.db = node.engine.databases[1]
    node("SADD s a", client=other)
    assert not spoiled(node)
    node.sessions[0].ctx.db = node.engine.databases[1]
    node("WATCH s")
    node.sessions[0].ctx.db = node.engine.databases[0]
    node("SADD s b", client=other)
    assert spoiled(node)


def test_expiry_found_by_somebody_else_spoils(node: LocalNode) -> None:
    node("SET k v PX 100")
    node("WATCH k")
    node.advance(1)
    assert spoiled(node)


def test_a_flush_spoils_only_keys_that_were_there(node: LocalNode) -> None:
    other = node.session()
    node("SADD s a")
    for key, expected in (("s", True), ("absent", False)):
        node("WATCH " + key)
        db = node.engine.databases[0]
        node.engine.writer.flush(db)
        node.engine.publish()
        assert spoiled(node) is expected
        node("SADD s a", client=other)


def test_a_flush_of_another_database_spoils_nothing(node: LocalNode) -> None:
    node("SADD s a")
    node("WATCH s")
    node.engine.writer.flush(node.engine.databases[1])
    node.engine.publish()
    assert not spoiled(node)


def test_only_watchers_of_the_key_are_spoiled(node: LocalNode) -> None:
    other = node.session()
    writer = node.session()
    node("WATCH a")
    node("WATCH b", client=other)
    node("SADD b x", client=writer)
    assert not spoiled(node)
    assert node.sessions[other].spoiled
    assert node.engine.watch.watches == 0


def test_two_effects_on_a_key_in_one_unit_are_harmless(node: LocalNode) -> None:
    other = node.session()
    node("WATCH s")
    node("MULTI", client=other)
    node("SADD s a", client=other)
    node("SADD s b", client=other)
    node("EXEC", client=other)
    assert spoiled(node)


def test_a_peers_put_spoils_after_watch_was_repeated(node: LocalNode) -> None:
    node("WATCH k")
    node("WATCH k")
    from_peer(node, PUT, b"k", b"v")
    assert spoiled(node)
    assert node.engine.watch.watches == 0


@pytest.mark.parametrize(("key", "expected"), [("here", True), ("there", True), ("none", False)])
def test_a_swap_spoils_keys_that_either_database_has(
    node: LocalNode, key: str, expected: bool
) -> None:
    other = node.session()
    node("SADD here a")
    node("SELECT 1", client=other)
    node("SADD there a", client=other)
    node("WATCH " + key)
    node("SWAPDB 0 1", client=other)
    assert spoiled(node) is expected
