"""mesh-stream-stable-reads: a reader's position never passes an entry that is still under way."""

from __future__ import annotations

import pytest

from node.commands.context import Parked
from node.resp.replies import NULL_ARRAY
from tests.mesh.stories import Mesh, pair
from tests.support.local import Inbox
from tests.support.simnode import SimNode

READ = ("XREAD", "STREAMS", "x")
GROUP = ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">")


def stable(node: SimNode, answer: str = "yes") -> None:
    """The directive of one node."""
    node.member.config.set("mesh-stream-stable-reads", [answer])


def values(reply: object) -> list[bytes]:
    """The field values of what was read; [] for nothing."""
    if reply is None or reply is NULL_ARRAY:
        return []
    assert isinstance(reply, list), reply
    return [entry[1][1] for entry in reply[0][1]]


def crossing() -> tuple[Mesh, SimNode, SimNode]:
    """A has written at 115 ms what has not come to B, which has written at 120 ms."""
    mesh, a, b = pair()
    a("XGROUP", "CREATE", "x", "g", "0", "MKSTREAM")
    mesh.heal()
    mesh.cut_all()
    mesh.at(115)
    assert isinstance(a("XADD", "x", "*", "f", "115"), bytes)
    mesh.at(120)
    assert isinstance(b("XADD", "x", "*", "f", "120"), bytes)
    return mesh, a, b


@pytest.mark.parametrize("read", [(*READ, "0"), GROUP], ids=["XREAD", "XREADGROUP"])
def test_a_late_entry_is_read_before_later_ones(read: tuple[str, ...]) -> None:
    """The entry of 115 comes when B's reader would have stood at 120."""
    mesh, _, b = crossing()
    stable(b)
    assert values(b(*read)) == []
    mesh.heal()
    mesh.at(200)
    for node in mesh.nodes:
        node.beat()
    mesh.flow()
    assert values(b(*read)) == [b"115", b"120"]


def test_without_it_a_reader_may_pass_an_entry() -> None:
    """As in Redis: what comes behind a group's position is counted, `>` does not give it."""
    mesh, _, b = crossing()
    assert values(b(*GROUP)) == [b"120"]
    mesh.heal()
    assert values(b(*GROUP)) == []
    assert b.member.memory.conflicts.counts["stream_late_entry"] == 1


def test_who_waits_is_served_when_the_entries_are_settled() -> None:
    """A heartbeat of the peer makes them so, no write."""
    mesh, _, b = pair()
    stable(b)
    mesh.at(100)
    b("XADD", "x", "*", "f", "v")
    waits = b.attempt(b.session, "XREAD", "BLOCK", "0", "STREAMS", "x", "0")
    assert isinstance(waits, Parked)
    answers = Inbox()
    b.session.outlet = answers
    mesh.at(1100)
    for node in mesh.nodes:
        node.beat()
    mesh.flow()
    b.beat()
    b.engine.tick(mesh.time_s)
    assert values(answers.resumed[0]) == [b"v"]


def test_a_node_alone_reads_all_there_is() -> None:
    mesh = Mesh("")
    node = mesh.add("alone", active=False)
    stable(node)
    node("XADD", "x", "*", "f", "v")
    assert values(node(*READ, "0")) == [b"v"]
