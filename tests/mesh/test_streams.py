"""Streams and consumer groups: entries, groups and consumers survive a removal that had not seen
them, an acknowledgement wins, positions are the highest claimed. Each story is told in every order
of delivery, and through a whole transfer."""

from __future__ import annotations

import pytest

from mesh.inbox import MORE
from node.resp.replies import Failure
from tests.mesh.stories import Mesh, conflicts, pair, trio
from tests.mesh.test_delivery import frames_of
from tests.support.simnode import SimNode

Words = tuple[str, ...]
WAYS = ("as it comes", "a first", "b first", "a transfer to b", "a transfer to a", "restarts")


def told(way: str, before: list[Words], on_a: list[Words], on_b: list[Words]) -> Mesh:
    """A mesh of two that knew what came before and not of each other's writes, healed."""
    mesh, a, b = pair()
    mesh.at(0)
    for words in before:
        done(a, words)
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    for words in on_a:
        done(a, words)
    mesh.at(1001)
    for words in on_b:
        done(b, words)
    if way == "a first":
        mesh.up(a, b)
    elif way == "b first":
        mesh.up(b, a)
    elif way == "a transfer to b":
        restart(mesh, a)
        mesh.heal()
        assert mesh.counts["resync"] > 0
    elif way == "a transfer to a":
        restart(mesh, b)
    elif way == "restarts":
        mesh.up(a, b)
        restart(mesh, b)
        restart(mesh, a)
    mesh.heal()
    return mesh


def done(node: SimNode, words: Words) -> None:
    """A command that is no failure."""
    reply = node(*words)
    assert not isinstance(reply, Failure), (words, reply)


def restart(mesh: Mesh, node: SimNode) -> None:
    """A node is started again from a save of this moment; it has no frames to serve then."""
    node.save()
    mesh.crash(mesh.nodes.index(node), node.saves[-1])
    node.activate()


def ids(mesh: Mesh, key: str = "s") -> list[bytes]:
    """The IDs of a stream, the same on all nodes."""
    entries = mesh.ordered("XRANGE", key, "-", "+")
    assert isinstance(entries, list)
    return [entry[0] for entry in entries]


def pending(mesh: Mesh, group: str = "g") -> list[tuple[bytes, bytes, int]]:
    """ID, consumer and count of what is pending, the same on all nodes."""
    found = []
    for node in mesh.nodes:
        rows = node("XPENDING", "s", group, "-", "+", "100")
        assert isinstance(rows, list), rows
        found.append([(row[0], row[1], row[3]) for row in rows])
    assert all(each == found[0] for each in found), found
    return found[0]


def groups(mesh: Mesh) -> dict[bytes, tuple[bytes, object]]:
    """Last delivered ID and entries read of each group, the same on all nodes."""
    found = []
    for node in mesh.nodes:
        rows = node("XINFO", "GROUPS", "s")
        assert isinstance(rows, list), rows
        told_of = [dict(zip(row.items[::2], row.items[1::2], strict=True)) for row in rows]
        found.append({
            each[b"name"]: (each[b"last-delivered-id"], each[b"entries-read"]) for each in told_of
        })  # fmt: skip
    assert all(each == found[0] for each in found), found
    return found[0]


def info(mesh: Mesh, name: bytes) -> object:
    """A line of XINFO STREAM, the same on all nodes."""
    found = []
    for node in mesh.nodes:
        reply = node("XINFO", "STREAM", "s")
        items = reply.items  # type: ignore[attr-defined]
        found.append(dict(zip(items[::2], items[1::2], strict=True))[name])
    assert all(each == found[0] for each in found), found
    return found[0]


ways = pytest.mark.parametrize("way", WAYS)
FIVE: list[Words] = [("XADD", "s", f"{ms}-1", "f", str(ms)) for ms in range(1, 6)]
GROUP: list[Words] = [*FIVE, ("XGROUP", "CREATE", "s", "g", "0")]
GIVEN: list[Words] = [*GROUP, ("XREADGROUP", "GROUP", "g", "c", "COUNT", "3", "STREAMS", "s", ">")]


# --- entries ------------------------------------------------------------------------------------


@ways
def test_entries_of_two_nodes_are_both_there_in_one_order(way: str) -> None:
    adds: list[Words] = [("XADD", "s", "*", "f", "v") for _ in range(3)]
    mesh = told(way, [], adds, adds)
    found = ids(mesh)
    assert len(found) == len(set(found)) == 6
    assert info(mesh, b"entries-added") == 6
    assert info(mesh, b"last-generated-id") == found[-1]


@ways
def test_a_deletion_leaves_an_entry_it_had_not_seen(way: str) -> None:
    mesh = told(way, FIVE, [("DEL", "s")], [("XADD", "s", "9-1", "f", "v")])
    assert ids(mesh) == [b"9-1"]
    assert info(mesh, b"entries-added") == 1


@ways
def test_a_deletion_that_is_older_leaves_it_too(way: str) -> None:
    mesh = told(way, FIVE, [("XADD", "s", "9-1", "f", "v")], [("DEL", "s")])
    assert ids(mesh) == [b"9-1"]


@ways
def test_trims_and_xdel_leave_late_entries(way: str) -> None:
    mesh = told(
        way, FIVE,
        [("XADD", "s", "20-1", "f", "a"), ("XTRIM", "s", "MINID", "15"), ("XDEL", "s", "20-1")],
        [("XADD", "s", "9-1", "f", "b")],
    )  # fmt: skip
    assert ids(mesh) == [b"9-1"]
    assert info(mesh, b"max-deleted-entry-id") == b"20-1"
    assert info(mesh, b"last-generated-id") == b"20-1"


@ways
def test_of_one_id_from_two_nodes_the_newer_entry_shows(way: str) -> None:
    mesh = told(way, FIVE, [("XADD", "s", "9-1", "f", "a")], [("XADD", "s", "9-1", "f", "b")])
    assert mesh.ordered("XRANGE", "s", "9", "9") == [[b"9-1", [b"f", b"b"]]]
    assert info(mesh, b"length") == 6
    assert info(mesh, b"entries-added") == 7
    if way == "as it comes":
        assert conflicts(mesh.nodes[0], "stream_dup_id") == 1
        assert conflicts(mesh.nodes[1], "stream_dup_id") == 1
    done(mesh.nodes[0], ("XDEL", "s", "9-1"))
    mesh.heal()
    assert len(ids(mesh)) == 5


@ways
def test_a_hidden_entry_shows_when_the_newer_one_alone_was_deleted(way: str) -> None:
    mesh = told(
        way, FIVE,
        [("XADD", "s", "9-1", "f", "a")],
        [("XADD", "s", "9-1", "f", "b"), ("XDEL", "s", "9-1")],
    )  # fmt: skip
    assert mesh.ordered("XRANGE", "s", "9", "9") == [[b"9-1", [b"f", b"a"]]]


@ways
def test_a_stream_stays_when_it_is_emptied_on_both_nodes(way: str) -> None:
    mesh = told(way, FIVE, [("XTRIM", "s", "MAXLEN", "0")], [("XDEL", "s", "2-1", "3-1")])
    assert mesh.both("XLEN", "s") == 0
    assert mesh.both("EXISTS", "s") == 1
    assert info(mesh, b"last-generated-id") == b"5-1"
    assert info(mesh, b"max-deleted-entry-id") == b"3-1"


@ways
def test_positions_are_the_highest_claimed(way: str) -> None:
    mesh = told(way, FIVE, [("XSETID", "s", "70-1", "ENTRIESADDED", "100")],
                [("XSETID", "s", "50-1"), ("XADD", "s", "60-1", "f", "v")])  # fmt: skip
    assert info(mesh, b"last-generated-id") == b"70-1"
    assert info(mesh, b"entries-added") == 101


@ways
def test_a_deletion_leaves_nothing_of_a_stream_that_was_only_changed_meanwhile(way: str) -> None:
    mesh = told(
        way, GIVEN, [("DEL", "s")],
        [("XDEL", "s", "1-1"), ("XACK", "s", "g", "2-1"), ("XSETID", "s", "90-1"),
         ("XREADGROUP", "GROUP", "g", "d", "STREAMS", "s", ">"), ("XGROUP", "SETID", "s", "g", "0"),
         ("XGROUP", "CREATECONSUMER", "s", "g", "e")],
    )  # fmt: skip
    assert mesh.both("EXISTS", "s") == 0
    done(mesh.nodes[1], ("XADD", "s", "1-1", "f", "new"))
    mesh.heal()
    assert info(mesh, b"last-generated-id") == b"1-1"
    assert info(mesh, b"max-deleted-entry-id") == b"0-0"
    done(mesh.nodes[0], ("XGROUP", "CREATE", "s", "g", "0"))
    mesh.heal()
    assert pending(mesh) == []
    assert groups(mesh) == {b"g": (b"0-0", None)}


def only_from(source: SimNode, target: SimNode) -> None:
    """The target gets what the source itself has written, and nothing that it had seen."""
    data = frames_of(source)
    inbox = target.member.inbox()
    assert inbox.take(data, 0) == MORE
    assert inbox.pos == len(data)
    target.member.backlog.flush()


def before_what_it_saw(base: list[Words], on_a: list[Words], on_b: list[Words]) -> Mesh:
    """A mesh of three: b writes having seen what a wrote, and c has b's writes before a's."""
    mesh, a, b, c = trio()
    for words in base:
        done(a, words)
    mesh.heal()
    mesh.cut_all()
    for words in on_a:
        done(a, words)
    mesh.up(a, b)
    for words in on_b:
        done(b, words)
    only_from(b, c)
    assert c.member.memory.removals.count > 0
    c.save()
    mesh.crash(2, c.saves[-1])
    c.activate()
    assert c.member.memory.removals.count > 0
    return mesh


def test_a_trim_waits_for_entries_it_had_seen_and_leaves_others() -> None:
    add: list[Words] = [("XADD", "s", "1-1", "f", "v"), ("XADD", "s", "2-1", "f", "v")]
    mesh = before_what_it_saw([], add, [("XTRIM", "s", "MINID", "2"), ("XDEL", "s", "2-1")])
    a, _, c = mesh.nodes
    assert c("EXISTS", "s") == 0
    done(a, ("XADD", "s", "3-1", "f", "late"))
    mesh.heal()
    assert ids(mesh) == [b"3-1"]
    assert info(mesh, b"entries-added") == 3
    assert info(mesh, b"max-deleted-entry-id") == b"2-1"


def test_positions_that_were_replaced_before_they_came() -> None:
    mesh = before_what_it_saw(
        FIVE, [("XADD", "s", "80-1", "f", "v"), ("XDEL", "s", "80-1")],
        [("XSETID", "s", "80-1", "ENTRIESADDED", "70", "MAXDELETEDID", "3-1")],
    )  # fmt: skip
    mesh.heal()
    assert info(mesh, b"last-generated-id") == b"80-1"
    assert info(mesh, b"entries-added") == 70
    assert info(mesh, b"max-deleted-entry-id") == b"3-1"


def test_what_is_done_to_a_group_waits_for_what_it_had_seen() -> None:
    read = ("XREADGROUP", "GROUP", "g", "c", "COUNT", "3", "STREAMS", "s", ">")
    mesh = before_what_it_saw(GROUP, [read], [("XACK", "s", "g", "1-1"),
                                              ("XCLAIM", "s", "g", "d", "0", "2-1")])  # fmt: skip
    mesh.heal()
    assert pending(mesh) == [(b"2-1", b"d", 2), (b"3-1", b"c", 1)]
    mesh = before_what_it_saw(GROUP, [read], [("XGROUP", "DELCONSUMER", "s", "g", "c")])
    mesh.heal()
    assert pending(mesh) == []
    create = ("XGROUP", "CREATE", "s", "h", "2")
    mesh = before_what_it_saw(GROUP, [create], [("XGROUP", "DESTROY", "s", "h")])
    mesh.heal()
    assert list(groups(mesh)) == [b"g"]
    forth = ("XGROUP", "SETID", "s", "g", "4")
    mesh = before_what_it_saw(GROUP, [forth], [("XGROUP", "SETID", "s", "g", "1")])
    mesh.heal()
    assert groups(mesh)[b"g"][0] == b"1-0"


def test_copies_of_streams_are_written_as_a_whole() -> None:
    mesh, a, b = pair()
    for words in GIVEN:
        done(a, words)
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    done(a, ("COPY", "s", "t", "REPLACE"))
    mesh.at(1001)
    done(b, ("XADD", "t", "3-1", "f", "b"))
    done(b, ("XADD", "t", "7-1", "f", "b"))
    mesh.heal()
    assert ids(mesh, "t") == [b"1-1", b"2-1", b"3-1", b"4-1", b"5-1", b"7-1"]
    assert mesh.ordered("XRANGE", "t", "3", "3") == [[b"3-1", [b"f", b"b"]]]
    mesh.cut_all()
    done(b, ("XACK", "t", "g", "1-1"))
    done(a, ("RENAME", "s", "t"))
    mesh.heal()
    assert ids(mesh, "t") == [b"1-1", b"2-1", b"3-1", b"4-1", b"5-1"]
    # The acknowledgement had not seen what was put, nor the other way round.
    assert [row[0] for row in pending_of(mesh, "t")] == [b"2-1", b"3-1"]


def pending_of(mesh: Mesh, key: str) -> list[list[object]]:
    """What is pending in group g of another key."""
    rows = mesh.nodes[0]("XPENDING", key, "g", "-", "+", "100")
    assert isinstance(rows, list)
    return rows


# --- groups -------------------------------------------------------------------------------------


@ways
def test_groups_of_two_nodes_are_both_there(way: str) -> None:
    mesh = told(way, FIVE, [("XGROUP", "CREATE", "s", "g1", "0")],
                [("XGROUP", "CREATE", "s", "g2", "$")])  # fmt: skip
    assert groups(mesh) == {b"g1": (b"0-0", None), b"g2": (b"5-1", None)}


@ways
def test_a_deletion_leaves_a_group_it_had_not_seen(way: str) -> None:
    mesh = told(way, FIVE, [("DEL", "s")], [("XGROUP", "CREATE", "s", "g2", "0")])
    assert ids(mesh) == []
    assert list(groups(mesh)) == [b"g2"]


@ways
def test_a_group_made_again_survives_a_concurrent_destruction(way: str) -> None:
    mesh = told(
        way, GIVEN, [("XGROUP", "DESTROY", "s", "g")],
        [("XGROUP", "DESTROY", "s", "g"), ("XGROUP", "CREATE", "s", "g", "4-1"),
         ("XREADGROUP", "GROUP", "g", "d", "STREAMS", "s", ">")],
    )  # fmt: skip
    assert pending(mesh) == [(b"5-1", b"d", 1)]
    assert groups(mesh)[b"g"][0] == b"5-1"


@ways
def test_reading_does_not_bring_back_a_group_that_was_destroyed(way: str) -> None:
    read = ("XREADGROUP", "GROUP", "g", "d", "STREAMS", "s", ">")
    mesh = told(way, GIVEN, [("XGROUP", "DESTROY", "s", "g")], [read])
    assert groups(mesh) == {}
    done(mesh.nodes[0], ("XGROUP", "CREATE", "s", "g", "0"))
    mesh.heal()
    assert pending(mesh) == []


@ways
def test_the_further_position_of_a_group_stays(way: str) -> None:
    read = ("XREADGROUP", "GROUP", "g", "c", "COUNT")
    mesh = told(
        way, GROUP, [(*read, "4", "STREAMS", "s", ">")], [(*read, "2", "STREAMS", "s", ">")]
    )
    assert groups(mesh) == {b"g": (b"4-1", 4)}
    assert pending(mesh) == [(b"1-1", b"c", 2), (b"2-1", b"c", 2), (b"3-1", b"c", 1),
                             (b"4-1", b"c", 1)]  # fmt: skip


@ways
def test_a_consumer_that_reads_survives_its_deletion(way: str) -> None:
    mesh = told(way, GIVEN, [("XGROUP", "DELCONSUMER", "s", "g", "c")],
                [("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")])  # fmt: skip
    assert pending(mesh) == [(b"4-1", b"c", 1), (b"5-1", b"c", 1)]


# --- what is pending ----------------------------------------------------------------------------


@ways
def test_an_acknowledgement_wins_over_a_concurrent_claim(way: str) -> None:
    mesh = told(way, GIVEN, [("XACK", "s", "g", "2-1")], [("XCLAIM", "s", "g", "d", "0", "2-1")])
    assert [row[0] for row in pending(mesh)] == [b"1-1", b"3-1"]


@ways
def test_it_wins_also_where_it_is_the_later(way: str) -> None:
    mesh = told(way, GIVEN, [("XCLAIM", "s", "g", "d", "0", "2-1")], [("XACK", "s", "g", "2-1")])
    assert [row[0] for row in pending(mesh)] == [b"1-1", b"3-1"]


@ways
def test_a_delivery_that_had_seen_the_acknowledgement_is_pending(way: str) -> None:
    mesh = told(
        way, GIVEN,
        [("XACK", "s", "g", "1-1"), ("XGROUP", "SETID", "s", "g", "0"),
         ("XREADGROUP", "GROUP", "g", "d", "COUNT", "1", "STREAMS", "s", ">")],
        [("XACK", "s", "g", "3-1")],
    )  # fmt: skip
    assert pending(mesh) == [(b"1-1", b"d", 1), (b"2-1", b"c", 1)]


@ways
def test_two_reads_of_one_entry_are_two_deliveries(way: str) -> None:
    mesh = told(
        way, GROUP,
        [("XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "s", ">")],
        [("XREADGROUP", "GROUP", "g", "d", "COUNT", "1", "STREAMS", "s", ">")],
    )  # fmt: skip
    assert pending(mesh) == [(b"1-1", b"d", 2)]
    assert mesh.nodes[0]("XACK", "s", "g", "1-1") == 1
    mesh.heal()
    assert pending(mesh) == []


@ways
def test_two_claims_count_what_they_both_saw_once(way: str) -> None:
    mesh = told(way, GIVEN, [("XCLAIM", "s", "g", "d", "0", "2-1")],
                [("XCLAIM", "s", "g", "e", "0", "2-1")])  # fmt: skip
    assert pending(mesh)[1] == (b"2-1", b"e", 3)


def test_an_entry_behind_what_a_group_has_delivered_is_counted() -> None:
    mesh = told("as it comes", GROUP, [("XADD", "s", "7-1", "f", "late")],
                [("XADD", "s", "9-1", "f", "v"),
                 ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")])  # fmt: skip
    assert ids(mesh)[-2:] == [b"7-1", b"9-1"]
    assert conflicts(mesh.nodes[1], "stream_late_entry") == 1
    assert groups(mesh)[b"g"][0] == b"9-1"


# --- which IDs are given ------------------------------------------------------------------------


def slot(node: SimNode) -> int:
    """What the IDs that a node gives end with."""
    return int(node.member.memory.slot_number())


def test_the_ids_of_a_node_end_with_its_slot() -> None:
    mesh, a, b = pair()
    assert slot(a) != slot(b)
    mesh.at(0)
    ms = a("TIME")[0]  # type: ignore[index]
    first = a("XADD", "s", "*", "f", "v")
    assert first.split(b"-")[1] == b"%d" % slot(a)  # type: ignore[attr-defined]
    assert first.startswith(ms)  # type: ignore[attr-defined]
    mesh.heal()
    second = b("XADD", "s", "*", "f", "v")
    third = b("XADD", "s", "*", "f", "v")
    for each in (second, third):
        assert int(each.split(b"-")[1]) % 4096 == slot(b)  # type: ignore[attr-defined]
    mesh.heal()
    assert ids(mesh) == [first, second, third]


def test_a_node_alone_gives_redis_ids() -> None:
    mesh = Mesh("")
    node = mesh.add("a", active=False)
    mesh.at(0)
    first = node("XADD", "s", "*", "f", "v")
    assert first.endswith(b"-0")  # type: ignore[attr-defined]
    assert node("XADD", "s", "*", "f", "v") == first[:-1] + b"1"  # type: ignore[index]
    assert node("XADD", "t", "5-*", "f", "v") == b"5-0"
    assert node("XADD", "t", "6", "f", "v") == b"6-0"


def test_milliseconds_alone_get_the_slot_too_unless_ids_are_liberal() -> None:
    _, a, _ = pair()
    mine = slot(a)
    assert a("XADD", "s", "5-*", "f", "v") == b"5-%d" % mine
    assert a("XADD", "s", "5-*", "f", "v") == b"5-%d" % (mine + 4096)
    assert a("XADD", "s", "6", "f", "v") == b"6-%d" % mine
    assert isinstance(a("XADD", "s", "5-*", "f", "v"), Failure)
    assert a("XADD", "s", "7-9", "f", "v") == b"7-9"
    a("CONFIG", "SET", "mesh-xadd-mode", "strict")
    assert isinstance(a("XADD", "s", "8-9", "f", "v"), Failure)
    assert a("XADD", "s", "8", "f", "v") == b"8-%d" % mine
    a("CONFIG", "SET", "mesh-xadd-mode", "liberal")
    assert a("XADD", "s", "9", "f", "v") == b"9-0"
    assert a("XADD", "s", "9-*", "f", "v") == b"9-1"
