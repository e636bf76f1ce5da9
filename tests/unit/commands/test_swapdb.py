"""SWAPDB: two databases change their contents, deadlines and all; who is concerned is told."""

import pytest

from node.commands.context import Parked
from node.persist.canon import command_of, effect_of
from node.ports import Seen
from node.resp.replies import Failure
from node.store.effect import SWAP, Effect
from tests.mesh.stories import pair
from tests.support.local import LocalNode


@pytest.fixture
def node() -> LocalNode:
    return LocalNode()


def test_the_effect_names_both_databases(node: LocalNode) -> None:
    node("SET k v")
    node.effects()
    assert node("SWAPDB 0 3") == node("SWAPDB 3 3")
    assert node.effects() == ["SWAP  3"]
    assert node("DBSIZE") == 0
    node("SELECT 3")
    assert node("GET k") == b"v"


def test_canon_writes_and_reads_it() -> None:
    effect = Effect(SWAP, 2, b"", None, 5, 7, 1, 0)
    words = command_of(effect)
    assert words == [b"SWAPDB", b"2", b"5"]
    again = effect_of(words, 0, 7, 1, 0)
    assert again is not None
    assert (again.op, again.db, again.number) == (SWAP, 2, 5)


def test_a_replayed_swap_changes_the_databases(node: LocalNode) -> None:
    node("SET k v")
    node.engine.replay(0, [Effect(SWAP, 0, b"", None, 1, 1 << 40, 1, 0)], Seen())
    assert node("DBSIZE") == 0
    node("SELECT 1")
    assert node("DBSIZE") == 1


def test_deadlines_go_with_the_keys(node: LocalNode) -> None:
    node("SET k v PX 1000")
    node("HSET h f 1 g 2")
    node("HPEXPIRE h 1000 FIELDS 1 f")
    node("SWAPDB 0 1")
    assert node.engine.databases[0].expires == 0
    node.advance(2.0)
    assert node.engine.databases[1].keys.size == 1
    node("SELECT 1")
    assert node("HKEYS h") == [b"g"]
    assert node("EXISTS k") == 0


def test_what_was_looked_up_last_is_forgotten(node: LocalNode) -> None:
    key = b"a key that is one object"
    assert node.call(0, [b"SET", key, b"0"]) is not None
    node("SWAPDB 0 1")
    assert node.call(0, [b"GET", key]) is None
    node("SELECT 1")
    assert node.call(0, [b"GET", key]) == b"0"


def test_a_list_that_comes_is_given_to_who_waits_for_it(node: LocalNode) -> None:
    other = node.session()
    assert isinstance(node.call(other, [b"BLPOP", b"l", b"0"]), Parked)
    node("SELECT 1")
    node("RPUSH l x y")
    node("SWAPDB 1 0")
    assert node.inbox(other).resumed == [[b"l", b"x"]]
    node("SELECT 0")
    assert node("LRANGE l 0 -1") == [b"y"]


def test_who_reads_a_stream_that_leaves_is_told(node: LocalNode) -> None:
    other = node.session()
    node("XGROUP CREATE s g $ MKSTREAM")
    parked = node.call(other, [*b"XREADGROUP GROUP g c BLOCK 0 STREAMS s >".split()])
    assert isinstance(parked, Parked)
    node("SWAPDB 0 1")
    (reply,) = node.inbox(other).resumed
    assert isinstance(reply, Failure)


def test_a_node_of_an_active_mesh_refuses() -> None:
    _, a, b = pair()
    a("SET", "k", "v")
    reply = a("SWAPDB", "0", "1")
    assert isinstance(reply, Failure)
    assert reply.text.startswith(b"ERR SWAPDB is not supported while active-replica is on: ")
    assert a("GET", "k") == b"v"
    assert isinstance(b("SWAPDB", "0", "16"), Failure)
