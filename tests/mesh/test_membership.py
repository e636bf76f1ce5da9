"""Who belongs to the mesh, on real engines: joined, announced, left and expelled by frames."""

from __future__ import annotations

from collections.abc import Callable

from mesh.membership import END, EXPELLED, LEFT, Entry
from tests.support.simnode import SimNode
from tests.support.simulation import World


def linked(count: int) -> World:
    """Nodes that know of each other: each was admitted by those next to it, and has said who it
    is."""
    world = World(3, nodes=count)
    for at, node in enumerate(world.nodes):
        node.member.describe = describing(at)
    world.settle()
    for pair in world.wires:
        source, target = (world.nodes[at] for at in pair)
        source.member.admit(target.member_id, "", 0, everybody)
    world.settle()
    return world


def describing(at: int) -> Callable[[], dict[str, object]]:
    """What the node of this number says of itself."""
    return lambda: {"name": f"n{at}", "host": "h", "port": 7000 + at, "links": []}


def everybody(member: bytes) -> bool:
    """All members are here."""
    return True


def nobody(member: bytes) -> bool:
    """None is."""
    return False


def entries(node: SimNode) -> list[Entry]:
    """The membership as a node knows it."""
    return node.member.membership.entries()


def ended(node: SimNode, who: SimNode, state: str) -> None:
    """A node writes that a member has ended."""
    node.wake()
    node.member.change_membership([(who.member_id + END, {"state": state, "why": "test"})])
    node.member.backlog.flush()


def test_every_node_knows_every_member_by_name_address_and_slot() -> None:
    world = linked(3)
    for node in world.nodes:
        assert entries(node) == entries(world.nodes[0])
        assert {(each.name, each.address) for each in entries(node)} == {
            ("n0", "h:7000"), ("n1", "h:7001"), ("n2", "h:7002"),
        }  # fmt: skip
        assert node.member.membership.ids() == {each.member_id for each in world.nodes}
        slots = [node.member.membership.slot(each.member_id) for each in world.nodes]
        assert sorted(slots) == [1, 2, 3]


def test_the_membership_reaches_a_node_over_a_relay_and_by_snapshot() -> None:
    world = linked(2)
    world.nodes[0]("SADD", "s", "a")
    newcomer = world.add("n2")
    world.no_link(1, 2)
    world.nodes[0].member.backlog.hole(0, world.nodes[0].streams.own.seen)  # only a transfer helps
    world.nodes[0].member.admit(newcomer.member_id, "h", 9, everybody)
    world.settle()
    assert newcomer.member.transfers == 1
    for node in world.nodes:
        assert node.member.membership.ids() == {each.member_id for each in world.nodes}


def test_it_is_known_after_a_restart_from_a_save() -> None:
    world = linked(3)
    world.nodes[1].save()
    known = entries(world.nodes[1])
    world.crash(1, world.nodes[1].saves[-1])
    assert entries(world.nodes[1]) == known


def test_of_two_changes_on_both_sides_of_a_cut_the_end_stays() -> None:
    world = linked(3)
    world.part(0, 1)
    world.part(0, 2)
    ended(world.nodes[0], world.nodes[2], EXPELLED)
    world.time_s += 1.0
    world.nodes[2].member.describe = describing(9)
    world.nodes[2].beat()
    world.settle()
    for node in world.nodes:
        found = node.member.membership
        assert found.ids() == {each.member_id for each in world.nodes[:2]}
        assert "was expelled (test)" in found.refusal(world.nodes[2].member_id)


def test_who_has_left_says_nothing_of_itself_any_more() -> None:
    world = linked(2)
    gone = world.nodes[1]
    ended(gone, gone, LEFT)
    world.settle()
    gone.member.describe = describing(9)
    gone.beat()
    world.settle()
    assert world.nodes[0].member.membership.ids() == {world.nodes[0].member_id}
    assert entries(world.nodes[0])[-1].name == "n1"


def test_a_new_member_at_the_address_of_a_lost_one_takes_its_place_in_one_op() -> None:
    world = linked(3)
    new = b"f" * 32
    frames = int(world.nodes[0].member.backlog.frames)
    world.nodes[0].member.admit(new, "h", 7002, everybody)
    assert world.nodes[2].member_id in world.nodes[0].member.membership.ids(), "it is here"
    other = b"e" * 32
    world.nodes[0].member.admit(other, "h", 7001, nobody)
    assert int(world.nodes[0].member.backlog.frames) == frames + 2
    world.nodes[0].member.backlog.flush()
    world.settle()
    for node in world.nodes:
        ids = node.member.membership.ids()
        assert other in ids and world.nodes[1].member_id not in ids
