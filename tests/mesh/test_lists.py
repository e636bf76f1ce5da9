"""Lists: one order on all nodes, whatever came first; a removal takes what it had seen (4.6)."""

from __future__ import annotations

from node.store.values.lists import ListValue
from tests.mesh.stories import Mesh, conflicts, identities, pair, trio
from tests.support.simnode import SimNode


def shown(node: SimNode, key: str = "l") -> object:
    return node("LRANGE", key, "0", "-1")


def asks_for_no_relay(node: SimNode) -> None:
    """What a stream of a third node names arrives later than the stream itself."""
    node.settle_routes = lambda: None  # type: ignore[method-assign]


def test_lists_written_in_turn_are_equal() -> None:
    mesh, a, b = pair()
    a("RPUSH", "l", "x", "y", "z")
    mesh.heal()
    b("LPUSH", "l", "w")
    b("LINSERT", "l", "BEFORE", "y", "before y")
    mesh.heal()
    a("LREM", "l", "1", "y")
    a("LSET", "l", "0", "W")
    mesh.heal()
    assert b("LPOP", "l") == b"W"
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"x", b"before y", b"z"]
    assert identities(a, "l") == identities(b, "l")


def test_every_element_has_a_name_of_its_own() -> None:
    mesh, a, b = pair()
    a("RPUSH", "l", "1", "2", "3")
    mesh.heal()
    b("LPUSH", "l", "4", "5")
    b("RPUSH", "m", "6")
    mesh.heal()
    a("RPUSH", "m", "7")
    a("RPUSH", "l", "8")
    mesh.heal()
    names = identities(a, "l") + identities(a, "m")
    assert len(set(names)) == len(names) == 8


def test_lists_that_are_written_in_turn_have_runs() -> None:
    """Goal: what a stream puts into one list has neighbouring numbers, whatever else it writes."""
    mesh, a, b = pair()
    for number in range(200):
        a("RPUSH", "l", str(number))
        a("RPUSH", "m", str(number))
    mesh.heal()
    for node in (a, b):
        entry = node.engine.databases[0].keys.get(b"l")
        assert entry is not None and isinstance(entry.value, ListValue)
        assert len(entry.value.runs()) < 8


def test_a_deletion_leaves_what_it_had_not_seen() -> None:
    """L1."""
    mesh, a, b = pair()
    a("RPUSH", "l", "x")
    mesh.heal()
    mesh.cut_all()
    a("LPUSH", "l", "y")
    b("DEL", "l")
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"y"]


def test_concurrent_pushes_stay_whole() -> None:
    """L2, L12: both runs whole, one after the other, the same everywhere."""
    for command in ("RPUSH", "LPUSH"):
        for first in ([], ["x"], ["x", "y"]):
            mesh, a, b = pair()
            for item in first:
                a("RPUSH", "l", item)
            mesh.heal()
            mesh.cut_all()
            for number in (1, 2, 3):
                a(command, "l", f"a{number}")
            b(command, "l", "b1", "b2", "b3")
            mesh.heal()
            items = mesh.ordered("LRANGE", "l", "0", "-1")
            assert isinstance(items, list)
            text = b" ".join(items)
            for run in (b"a1 a2 a3", b"b1 b2 b3"):
                if command == "LPUSH":
                    run = b" ".join(run.split()[::-1])
                assert run in text, items
            assert [item for item in items if item in (b"x", b"y")] == [
                item.encode() for item in first
            ]
            assert identities(a, "l") == identities(b, "l")


def test_concurrent_insertions_behind_one_element_have_one_order() -> None:
    """L3."""
    mesh, a, b, _ = trio()
    a("RPUSH", "l", "x", "z")
    mesh.heal()
    mesh.cut_all()
    a("LINSERT", "l", "AFTER", "x", "y1")
    b("LINSERT", "l", "AFTER", "x", "y2")
    mesh.heal()
    items = mesh.ordered("LRANGE", "l", "0", "-1")
    assert isinstance(items, list)
    assert items[0] == b"x" and items[3] == b"z" and {*items[1:3]} == {b"y1", b"y2"}


def test_pops_from_both_ends() -> None:
    """L4."""
    mesh, a, b = pair()
    a("RPUSH", "l", "x", "y", "z")
    mesh.heal()
    mesh.cut_all()
    assert a("LPOP", "l") == b"x"
    assert b("RPOP", "l") == b"z"
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"y"]


def test_two_pops_of_one_element_take_it_once_and_are_counted() -> None:
    """L5: both clients got it, the list has lost it and nothing else."""
    mesh, a, b = pair()
    a("RPUSH", "l", "x")
    mesh.heal()
    mesh.cut_all()
    assert a("LPOP", "l") == b("LPOP", "l") == b"x"
    mesh.heal()
    assert mesh.both("EXISTS", "l") == 0
    assert conflicts(a, "removed_twice") == conflicts(b, "removed_twice") == 1


def test_a_push_to_a_list_that_was_emptied_meanwhile() -> None:
    mesh, a, b = pair()
    a("RPUSH", "l", "x")
    mesh.heal()
    mesh.cut_all()
    a("LPOP", "l")
    a("RPUSH", "l", "w")
    b("RPUSH", "l", "y")
    mesh.heal()
    items = mesh.ordered("LRANGE", "l", "0", "-1")
    assert isinstance(items, list) and {*items} == {b"w", b"y"}


def test_a_trim_leaves_what_it_had_not_seen() -> None:
    """L6."""
    mesh, a, b = pair()
    a("RPUSH", "l", "x", "y", "z")
    mesh.heal()
    mesh.cut_all()
    a("LTRIM", "l", "0", "0")
    b("RPUSH", "l", "w")
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"x", b"w"]


def test_of_two_assignments_the_newest_shows() -> None:
    """L7."""
    mesh, a, b = pair()
    a("RPUSH", "l", "x")
    mesh.heal()
    mesh.cut_all()
    mesh.at(2000)
    b("LSET", "l", "0", "q")
    mesh.at(1000)
    a("LSET", "l", "0", "p")
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"q"]
    assert conflicts(a, "overwrite") == conflicts(b, "overwrite") == 1
    mesh.at(500)
    a("LSET", "l", "0", "r")
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"r"], "it had seen both"


def test_an_assignment_does_not_revive_what_was_popped() -> None:
    """L8."""
    mesh, a, b = pair()
    a("RPUSH", "l", "x", "y")
    mesh.heal()
    mesh.cut_all()
    a("LSET", "l", "0", "p")
    b("LPOP", "l")
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"y"]


def test_a_removal_from_the_middle_hits_the_element_that_was_meant() -> None:
    mesh, a, b = pair()
    a("RPUSH", "l", "x", "y", "z")
    mesh.heal()
    mesh.cut_all()
    a("LREM", "l", "1", "y")
    b("LPUSH", "l", "v", "w")
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"w", b"v", b"x", b"z"]


def test_a_copied_or_renamed_list_has_names_that_all_nodes_know() -> None:
    mesh, a, b = pair()
    a("RPUSH", "l", "x", "y", "z")
    mesh.heal()
    b("COPY", "l", "copy")
    b("RENAME", "l", "other")
    mesh.heal()
    assert identities(a, "copy") == identities(b, "copy")
    assert identities(a, "other") == identities(b, "other")
    assert not set(identities(a, "copy")) & set(identities(a, "other"))
    mesh.cut_all()
    a("LREM", "other", "1", "y")
    b("LPUSH", "other", "w")
    mesh.heal()
    assert mesh.ordered("LRANGE", "other", "0", "-1") == [b"w", b"x", b"z"]


def test_an_insertion_next_to_an_element_that_is_not_here_yet_finds_its_place() -> None:
    mesh, a, b, c = trio()
    c("RPUSH", "l", "m")
    mesh.heal()
    asks_for_no_relay(c)
    mesh.cut(0, 2)
    a("RPUSH", "l", "x", "y")
    a("LPUSH", "l", "w")
    mesh.flow()
    b("LINSERT", "l", "AFTER", "x", "behind x")
    b("LPUSH", "l", "v")
    b("RPUSH", "l", "z")
    mesh.flow()
    assert {b"behind x", b"v", b"z", b"m"} == {*shown(c)}  # type: ignore[misc]
    c("RPUSH", "l", "end")
    mesh.up(a, c)
    mesh.heal()
    items = mesh.ordered("LRANGE", "l", "0", "-1")
    assert isinstance(items, list)
    items.remove(b"end")
    assert items == [b"v", b"w", b"m", b"x", b"behind x", b"y", b"z"]


def test_a_removal_that_arrives_before_its_push_waits_for_it() -> None:
    mesh, a, b, c = trio()
    asks_for_no_relay(c)
    mesh.cut(0, 2)
    a("RPUSH", "l", "x", "y", "z")
    mesh.flow()
    assert b("LPOP", "l") == b"x"
    assert b("LREM", "l", "1", "z") == 1
    b("LSET", "l", "0", "Y")
    mesh.flow()
    assert c("EXISTS", "l") == 0
    mesh.up(a, c)
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"Y"]


def test_an_assignment_goes_with_its_element_alone() -> None:
    """b deletes the list: it had seen what c assigned, but not the element. So had a, that has the
    element, when the assignment comes last; and b when it puts another list there."""
    for overwrites in (False, True):
        mesh = Mesh("abcd")
        a, b, c, d = mesh.nodes
        asks_for_no_relay(a)
        asks_for_no_relay(b)
        d("RPUSH", "l", "p")
        d("RPUSH", "other", "o")
        mesh.heal()
        mesh.cut(3, 1)
        mesh.cut(2, 0)
        d("RPUSH", "l", "x")
        mesh.flow()
        c("LSET", "l", "1", "y")
        mesh.flow()
        if overwrites:
            b("COPY", "other", "l", "REPLACE")
        else:
            b("DEL", "l")
        mesh.flow()
        assert b"x" in shown(a)  # type: ignore[operator]
        mesh.up(c, a)
        mesh.heal()
        items = mesh.both("LRANGE", "l", "0", "-1")
        assert items == frozenset([b"o", b"y"] if overwrites else [b"y"])


def test_what_is_left_of_a_list_keeps_its_order_through_every_way_to_clear_it() -> None:
    """Goal: pushes at both ends of what another clears stand alike on all nodes."""
    for clear in (
        ("DEL", "l"), ("SET", "l", "v"), ("FLUSHALL",), ("FLUSHDB",), ("LTRIM", "l", "5", "0"),
        ("RENAME", "l", "m"), ("EXPIRE", "l", "-1"), ("SORT", "none", "STORE", "l"),
    ):  # fmt: skip
        for again in ((), ("RPUSH", "l", "new"), ("SADD", "l", "new")):
            mesh, a, b, c = trio()
            a("RPUSH", "l", "x")
            mesh.heal()
            b("LPUSH", "l", "w")
            mesh.heal()
            c("RPUSH", "l", "y")
            mesh.heal()
            mesh.cut_all()
            a(*clear)
            if again:
                a(*again)
            b("LPUSH", "l", "left")
            b("LINSERT", "l", "BEFORE", "x", "middle")
            c("LINSERT", "l", "AFTER", "x", "right")
            c("RPUSH", "l", "end")
            mesh.heal()
            types = {node("TYPE", "l").text for node in mesh.nodes}  # type: ignore[attr-defined]
            assert len(types) == 1
            if types != {b"list"}:
                continue
            items = mesh.ordered("LRANGE", "l", "0", "-1")
            assert isinstance(items, list)
            kept = [item for item in items if item != b"new"]
            assert kept == [b"left", b"middle", b"right", b"end"], (clear, again, items)


def test_a_list_survives_a_restart_and_a_transfer_with_its_order() -> None:
    mesh, a, b, c = trio()
    a("RPUSH", "l", "x", "y", "z")
    mesh.heal()
    mesh.cut_all()
    a("LPOP", "l")
    a("LSET", "l", "0", "Y")
    b("LPUSH", "l", "w")
    c("LINSERT", "l", "BEFORE", "y", "v")
    for node in (a, b, c):
        node.save()
    for at in range(3):
        mesh.crash(at, mesh.nodes[at].saves[-1])
        mesh.nodes[at].activate()
    d = mesh.add("d")
    mesh.heal()
    assert mesh.counts["resync"] > 0
    items = mesh.ordered("LRANGE", "l", "0", "-1")
    assert isinstance(items, list)
    assert items == [b"w", b"v", b"Y", b"z"]
    assert identities(d, "l") == identities(a, "l")


def test_a_moved_element_is_the_same_wherever_it_goes() -> None:
    mesh, a, b = pair()
    a("RPUSH", "s", "x", "y")
    mesh.heal()
    b("LMOVE", "s", "d", "LEFT", "RIGHT")
    mesh.heal()
    assert mesh.ordered("LRANGE", "d", "0", "-1") == [b"x"]
    a("LMOVE", "d", "s", "LEFT", "LEFT")
    mesh.heal()
    assert mesh.ordered("LRANGE", "s", "0", "-1") == [b"x", b"y"]
    a("LMOVE", "s", "s", "LEFT", "RIGHT")
    mesh.heal()
    assert mesh.ordered("LRANGE", "s", "0", "-1") == [b"y", b"x"]
    assert conflicts(a, "removed_twice") == conflicts(b, "removed_twice") == 0


def test_of_two_moves_of_one_element_the_newest_counts() -> None:
    """L9: neither lost nor there twice, however often it was moved before and after."""
    for first, second in ((1000, 2000), (2000, 1000)):
        for before in (0, 1):
            for after in (0, 1):
                mesh, a, b, _ = trio()
                a("RPUSH", "s", "x")
                mesh.heal()
                if before:
                    b("LMOVE", "s", "o", "LEFT", "LEFT")
                    mesh.heal()
                source = "o" if before else "s"
                mesh.cut_all()
                mesh.at(first)
                a("LMOVE", source, "d1", "LEFT", "RIGHT")
                mesh.at(second)
                b("LMOVE", source, "d2", "LEFT", "RIGHT")
                if after:
                    b("RPOPLPUSH", "d2", "d3")
                mesh.heal()
                where = [
                    key for key in ("s", "o", "d1", "d2", "d3")
                    if mesh.ordered("LRANGE", key, "0", "-1") == [b"x"]
                ]  # fmt: skip
                assert where == ["d1" if first > second else "d3" if after else "d2"]


def test_an_element_that_was_moved_survives_the_removal_of_where_it_was() -> None:
    """L11."""
    for removal in (("LPOP", "s"), ("DEL", "s")):
        mesh, a, b = pair()
        a("RPUSH", "s", "x")
        mesh.heal()
        mesh.cut_all()
        mesh.at(2000)
        a(*removal)
        mesh.at(1000)
        b("LMOVE", "s", "d", "LEFT", "RIGHT")
        mesh.heal()
        assert mesh.ordered("LRANGE", "d", "0", "-1") == [b"x"]
        assert mesh.both("EXISTS", "s") == 0


def test_moves_meet_in_a_transfer() -> None:
    for late in (0, 1):
        mesh, a, b, _ = trio()
        a("RPUSH", "s", "x", "y")
        mesh.heal()
        mesh.cut_all()
        mesh.at(1000 + 2000 * late)
        a("LMOVE", "s", "d1", "LEFT", "RIGHT")
        mesh.at(2000)
        b("LMOVE", "s", "d2", "LEFT", "RIGHT")
        for at in range(3):
            mesh.nodes[at].save()
            mesh.crash(at, mesh.nodes[at].saves[-1])
            mesh.nodes[at].activate()
        mesh.heal()
        assert mesh.counts["resync"] > 0
        assert mesh.ordered("LRANGE", "s", "0", "-1") == [b"y"]
        shown_in = [mesh.ordered("LRANGE", key, "0", "-1") for key in ("d1", "d2")]
        assert shown_in == ([[b"x"], []] if late else [[], [b"x"]])
