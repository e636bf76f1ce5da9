"""Keys: effects and events of deleting, renaming, copying and moving; OBJECT."""

from __future__ import annotations

import pytest

from node.resp.replies import Failure
from node.store.events import COPY_TO, MOVE_FROM, MOVE_TO, RENAME_FROM, RENAME_TO
from tests.support.local import START_S, LocalNode

START_MS = int(START_S * 1000)


def last_unit(node: LocalNode) -> list[tuple[int, bytes, int]]:
    """Database, key and events of each effect of the newest unit."""
    return [(int(e.db), e.key, int(e.events)) for e in node.recorder.units[-1]]


@pytest.mark.parametrize("command", ["DEL", "UNLINK", "EXPDEL"])
def test_deleting(node: LocalNode, command: str) -> None:
    node("MSET a 1 b 2")
    node.effects()
    assert node(f"{command} a nothing b a") == 2
    assert node.effects() == ["DROP a", "DROP b"]
    assert node("DBSIZE") == 0


def test_rename_moves_value_and_deadline(node: LocalNode) -> None:
    node("SET a v EX 100")
    node.effects()
    node("RENAME a b")
    assert last_unit(node) == [(0, b"a", RENAME_FROM), (0, b"b", RENAME_TO)]
    assert node.effects() == ["DROP a", f"PUT b v {START_MS + 100_000}"]
    assert node("TTL b") == 100


def test_rename_to_itself_does_nothing(node: LocalNode) -> None:
    node("SET a v")
    node.effects()
    node("RENAME a a")
    assert node.effects() == []


def test_rename_over_a_key_past_its_deadline(node: LocalNode) -> None:
    node("MSET a 1")
    node("SET b 1 PX 10")
    node.engine.active_expire = False
    node.advance(1)
    node.effects()
    assert node("RENAMENX a b") == 1
    assert [line.split()[0] for line in node.effects()] == ["LAPSE", "DROP", "PUT"]
    assert node("DBSIZE") == 1


def test_a_renamed_counter_is_its_text(node: LocalNode) -> None:
    node("INCRBY a 5")
    node.effects()
    node("RENAME a b")
    assert node.effects() == ["DROP a", "PUT b 5"]
    assert node("INCR b") == 6


def test_a_copy_is_independent(node: LocalNode) -> None:
    node("SADD a 1 2")
    node("COPY a b")
    assert last_unit(node) == [(0, b"b", COPY_TO)]
    node("SADD b 3")
    node("SREM a 1")
    assert node("SCARD a") == 1
    assert node("SCARD b") == 3


def test_move_names_both_databases(node: LocalNode) -> None:
    node("SET a v")
    assert node("MOVE a 3") == 1
    assert last_unit(node) == [(0, b"a", MOVE_FROM), (3, b"a", MOVE_TO)]
    assert node("EXISTS a") == 0
    assert node.engine.databases[3].keys.size == 1


def test_looking_is_not_using(node: LocalNode) -> None:
    node("SET a v")
    node.advance(10)
    for line in ("TTL a", "TYPE a", "EXISTS a", "OBJECT ENCODING a", "OBJECT REFCOUNT a"):
        node(line)
    assert node("OBJECT IDLETIME a") == 10
    node("TOUCH a")
    assert node("OBJECT IDLETIME a") == 0
    node.advance(5)
    node("GET a")
    assert node("OBJECT IDLETIME a") == 0


def test_object_under_an_lfu_policy() -> None:
    node = LocalNode(directives=("--maxmemory-policy", "allkeys-lfu"))
    node("SET a v")
    assert isinstance(node("OBJECT FREQ a"), int)
    reply = node("OBJECT IDLETIME a")
    assert isinstance(reply, Failure)
    assert reply.text.startswith(b"ERR An LFU maxmemory policy is selected, idle time not tracked.")


@pytest.mark.parametrize(
    ("size", "expected"), [(512, b"intset"), (513, b"hashtable")]
)
def test_encodings_of_numbers_go_by_the_thresholds(
    node: LocalNode, size: int, expected: bytes
) -> None:
    node.call(0, [b"SADD", b"s", *[b"%d" % number for number in range(size)]])
    assert node("OBJECT ENCODING s") == expected


@pytest.mark.parametrize(("size", "expected"), [(128, b"listpack"), (129, b"hashtable")])
def test_encodings_of_words_go_by_the_thresholds(
    node: LocalNode, size: int, expected: bytes
) -> None:
    node.call(0, [b"SADD", b"s", *[b"x%d" % number for number in range(size)]])
    assert node("OBJECT ENCODING s") == expected


@pytest.mark.parametrize(("size", "expected"), [(512, b"listpack"), (513, b"hashtable")])
def test_encodings_of_hashes_go_by_the_thresholds(
    node: LocalNode, size: int, expected: bytes
) -> None:
    pairs = [b"%d" % (number // 2) for number in range(2 * size)]
    node.call(0, [b"HSET", b"h", *pairs])
    assert node("OBJECT ENCODING h") == expected


def test_a_large_value_is_freed_in_slices(node: LocalNode) -> None:
    node.call(0, [b"SADD", b"s", *[b"%d" % number for number in range(10_000)]])
    node("DEL s")
    assert node.engine.writer.free(1_000)
    while node.engine.writer.free(1_000):
        pass
    assert node.engine.writer.trash == []
