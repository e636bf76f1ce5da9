"""Transactions: EXEC is one unit, and what refuses it. Replies are in tests/commands."""

import pytest

from node.gates import IS_OUT_OF_MEMORY, IS_READONLY
from node.resp.replies import NULL_ARRAY, OK, QUEUED, Failure
from tests.support.local import LocalNode
from tests.support.targets import EngineTarget


def texts(reply: object) -> bytes:
    """The text of an error."""
    assert isinstance(reply, Failure)
    return reply.text


def test_all_effects_of_exec_are_one_unit_with_one_stamp(node: LocalNode) -> None:
    node("MULTI")
    assert node("SADD s a") is QUEUED
    node("SADD s b")
    node("HSET h f v")
    assert node.recorder.units == []
    assert node("EXEC") == [1, 1, 1]
    (unit,) = node.recorder.units
    assert [effect.index for effect in unit] == [0, 1, 2]
    assert len({effect.stamp for effect in unit}) == 1


def test_an_error_inside_is_an_element_and_undoes_nothing(node: LocalNode) -> None:
    node("SET str v")
    node("MULTI")
    node("SADD s a")
    node("SADD str a")
    node("SADD s b")
    replies = node("EXEC")
    assert isinstance(replies, list)
    assert replies[0] == replies[2] == 1
    assert texts(replies[1]).startswith(b"WRONGTYPE")
    assert node("SCARD s") == 2


def test_a_transaction_without_writes_publishes_nothing(node: LocalNode) -> None:
    node("MULTI")
    node("SCARD s")
    assert node("EXEC") == [0]
    assert node.recorder.units == []


def test_exec_runs_nested_so_that_nothing_blocks_in_it(node: LocalNode) -> None:
    node("MULTI")
    node("GET k")
    node("EXEC")
    assert node.engine.nested == 0
    node("MULTI")
    node("SADD str")
    assert texts(node("EXEC")).startswith(b"EXECABORT")
    assert node.engine.nested == 0


def test_the_queue_is_empty_after_each_end(node: LocalNode) -> None:
    session = node.sessions[0]
    for end in ("EXEC", "DISCARD"):
        node("MULTI")
        node("SADD s a")
        node(end)
        assert session.queued == []
        assert session.queued_flags == 0
        assert not session.in_multi()


@pytest.mark.parametrize(
    ("gate", "text"),
    [
        (IS_OUT_OF_MEMORY, b"OOM command not allowed when used memory > 'maxmemory'."),
        (IS_READONLY, b"READONLY You can't write against a read only replica."),
    ],
)
def test_exec_is_refused_for_what_it_would_run(node: LocalNode, gate: int, text: bytes) -> None:
    """A gate that was shut after the commands were queued holds for EXEC, all or nothing."""
    node("MULTI")
    node("GET k")
    node("SADD s a")
    node.engine.closed = gate
    assert texts(node("EXEC")) == b"EXECABORT Transaction discarded because of: " + text
    assert texts(node("EXEC")) == b"ERR EXEC without MULTI"
    node.engine.closed = 0
    assert node("SCARD s") == 0


def test_exec_of_reads_passes_gates_for_writes(node: LocalNode) -> None:
    node("MULTI")
    node("SCARD s")
    node.engine.closed = IS_OUT_OF_MEMORY
    assert node("EXEC") == [0]


def test_a_watched_key_that_expired_is_touched_though_nobody_looked(node: LocalNode) -> None:
    node("SET k v PX 100")
    node("WATCH k")
    node.time_s += 1
    node("MULTI")
    node("GET other")
    assert node("EXEC") is NULL_ARRAY


def test_a_key_that_had_expired_before_watch_counts_as_absent(node: LocalNode) -> None:
    node("SET k v PX 100")
    node.time_s += 1
    node("WATCH k")
    node.advance(1)
    node("MULTI")
    node("GET k")
    assert node("EXEC") == [None]


def test_watch_and_exec_count_no_hits_and_misses(node: LocalNode) -> None:
    db = node.engine.databases[0]
    node("SET k v")
    node("WATCH k none")
    node("MULTI")
    node("SREM none a")
    node("EXEC")
    assert (db.hits, db.misses) == (0, 0)


def test_a_key_that_expires_inside_a_unit_is_told_before_it(node: LocalNode) -> None:
    """Goal: a unit that meets an expired key keeps the count of keys right, and its own effects."""
    node("SET old v PX 100")
    node.recorder.units.clear()
    node("MULTI")
    node("SADD s a")
    node("SADD old a")
    node.time_s += 1
    assert node("EXEC") == [1, 1]
    assert node.effects() == ["LAPSE old 1700000000100", "SADD s a", "SADD old a"]
    assert node.engine.databases[0].keys.size == 2


def test_a_client_that_goes_watches_nothing(node: LocalNode) -> None:
    node("WATCH k")
    assert node.engine.watch.watches == 1
    node.engine.end(node.sessions[0])
    assert node.engine.watch.watches == 0


def test_discard_by_services_ends_everything(node: LocalNode) -> None:
    other = node.session()
    node("WATCH k")
    node("SET k v", client=other)
    node("MULTI")
    node.engine.discard(node.sessions[0])
    assert node("MULTI") is OK
    node("SCARD s")
    assert node("EXEC") == [0]


def test_a_transaction_that_says_hello_is_answered_in_both_versions() -> None:
    target = EngineTarget()
    target.call(1, [b"HSET", b"h", b"f", b"v"])
    target.call(1, [b"MULTI"])
    read = [b"HGETALL", b"h"]
    for words in (read, [b"HELLO", b"3"], read, [b"HELLO", b"2"], read):
        assert target.call(1, words).text == b"QUEUED"
    replies = target.call(1, [b"EXEC"]).items
    assert [reply.kind for reply in replies] == ["array", "map", "map", "array", "array"]
