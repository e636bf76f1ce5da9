"""Conflicts are remembered with winner, loser and rule; EXPLAIN tells all there is of a key."""

from __future__ import annotations

import pytest

from mesh.codec import key_bytes
from mesh.conflicts import Conflict, Conflicts
from mesh.dots import Streams, row_of
from mesh.explain import Explainer, conflict_map
from mesh.removals import MEMBER, Pending
from node.resp.replies import Boolean, Double, Map
from tests.mesh.all_commands import AllTypes
from tests.mesh.stories import Mesh, conflicts, pair, trio
from tests.support.simnode import SimNode
from tests.support.simulation import World


def last_of(node: SimNode, kind: str) -> list[Conflict]:
    """What the node remembers of this kind, the oldest first."""
    return [each for each in node.member.memory.conflicts.last if each.kind == kind]


def fields_of(reply: object) -> dict[str, object]:
    """A map reply by its names; Booleans as Python's."""
    assert isinstance(reply, Map)
    names = reply.items[::2]
    return {
        name.decode(): value.value if isinstance(value, Boolean) else value  # type: ignore[attr-defined]
        for name, value in zip(names, reply.items[1::2], strict=True)
    }


def told_of(node: SimNode, key: str, place: str | None = None) -> dict[str, object]:
    """MESH EXPLAIN in database 0."""
    word = None if place is None else place.encode()
    db = node.engine.databases[0]
    return fields_of(Explainer(node.member.memory).explain(db, key.encode(), word))


def listed(told: dict[str, object], name: str) -> list[dict[str, object]]:
    """A list of maps among the fields."""
    found = told[name]
    assert isinstance(found, list)
    return [fields_of(each) for each in found]


def two_sets() -> tuple[Mesh, SimNode, SimNode]:
    """Both have set k, a 1 ms before b."""
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(1000)
    a("SET", "k", "from a")
    mesh.at(1001)
    b("SET", "k", "from b")
    mesh.heal()
    return mesh, a, b


def test_an_overwrite_names_winner_loser_and_margin_on_both_nodes() -> None:
    mesh, a, b = two_sets()
    for node in mesh.nodes:
        (found,) = last_of(node, "overwrite")
        assert (found.key, found.place, int(found.db)) == (b"k", b"", 0)
        assert (found.winner.value, found.loser.value) == (b"from b", b"from a")
        assert node.streams.all[found.winner.origin].member == b.member_id
        assert node.streams.all[found.loser.origin].member == a.member_id
        assert found.winner.stamp == b.engine.databases[0].keys.get(b"k").stamp  # type: ignore[union-attr]
        assert int(found.margin_ms()) == 1
        assert found.at_ms > 0


def test_what_was_written_with_knowledge_is_no_conflict() -> None:
    mesh, a, b = pair()
    a("SET", "k", "1")
    a("SADD", "s", "x")
    a("HSET", "h", "f", "1")
    mesh.heal()
    b("SET", "k", "2")
    b("SREM", "s", "x")
    b("HSET", "h", "f", "2")
    mesh.heal()
    assert not a.member.memory.conflicts.last and not b.member.memory.conflicts.last


def test_skew_decided_where_the_winners_clock_was_farther_ahead_than_the_margin() -> None:
    mesh, a, b = pair()
    a.member.memory.conflicts.skews_ms[b.member_id] = 5.0  # b's clock is ahead
    b.member.memory.conflicts.skews_ms[a.member_id] = 5.0  # as b sees it, a's is
    mesh.cut_all()
    mesh.at(1000)
    a("SET", "k", "from a")
    mesh.at(1001)
    b("SET", "k", "from b")
    mesh.heal()
    (at_a,) = last_of(a, "overwrite")
    (at_b,) = last_of(b, "overwrite")
    assert at_a.measured and at_a.skew_ms == 5.0 and at_a.by_skew()
    assert at_b.measured and at_b.skew_ms == -5.0 and not at_b.by_skew()


def test_unmeasured_clocks_decide_nothing() -> None:
    _, a, _ = two_sets()
    (found,) = last_of(a, "overwrite")
    assert not found.measured and not found.by_skew()


def test_a_field_is_named_with_both_values() -> None:
    mesh, a, b = pair()
    a("HSET", "h", "f", "old", "g", "1")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    a("HSET", "h", "f", "from a")
    mesh.at(1003)
    b("HSET", "h", "f", "from b")
    mesh.heal()
    (found,) = last_of(a, "overwrite")
    assert (found.key, found.place) == (b"h", b"f")
    assert (found.winner.value, found.loser.value) == (b"from b", b"from a")
    assert conflicts(b, "overwrite") == 1


@pytest.mark.parametrize("words", [("SREM", "s", "x"), ("DEL", "s")])
def test_a_removal_that_had_not_seen_an_add_is_the_loser(words: tuple[str, ...]) -> None:
    mesh, a, b = pair()
    a("SADD", "s", "x", "y")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    a("SADD", "s", "x")
    mesh.at(2000)
    b(*words)
    mesh.heal()
    assert mesh.both("SISMEMBER", "s", "x") == 1
    (found,) = last_of(a, "removed_unseen")
    assert a.streams.all[found.winner.origin].member == a.member_id
    assert a.streams.all[found.loser.origin].member == b.member_id
    assert found.loser.value is None
    assert not found.by_skew()


def test_a_removed_field_that_was_written_meanwhile_is_noted() -> None:
    mesh, a, b = pair()
    a("HSET", "h", "f", "old")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    a("HSET", "h", "f", "new")
    b("HDEL", "h", "f")
    mesh.heal()
    assert mesh.both("HGET", "h", "f") == b"new"
    (found,) = last_of(a, "removed_unseen")
    assert (found.place, found.winner.value) == (b"f", b"new")


def test_a_type_clash_names_both_types() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(1000)
    a("SADD", "k", "m")
    mesh.at(1001)
    b("HSET", "k", "f", "v")
    mesh.heal()
    for node in mesh.nodes:
        (found,) = last_of(node, "type_clash")
        assert (found.winner.value, found.loser.value) == (b"hash", b"set")
        assert int(found.margin_ms()) == 1


def test_an_overflow_names_the_increment_and_no_loser() -> None:
    mesh, a, b = pair()
    a("SET", "n", str((1 << 63) - 2))
    mesh.heal()
    mesh.cut_all()
    a("INCR", "n")
    b("INCR", "n")
    mesh.heal()
    (found,) = last_of(a, "counter_overflow")
    assert found.key == b"n" and found.loser.stamp == 0
    assert found.winner.value == b"%d" % ((1 << 63) - 1)


def test_counts_go_by_the_member_whose_write_met_another() -> None:
    _, a, b = two_sets()
    at_a = a.member.memory.conflicts
    (origin,) = at_a.by_origin
    assert a.streams.all[origin].member == b.member_id
    assert at_a.by_origin[origin] == {"overwrite": 1}


def test_only_so_many_are_kept_and_so_much_of_a_value() -> None:
    mesh, a, b = pair()
    for node in mesh.nodes:
        node.member.memory.conflicts.limit(2, 4)
    for number in range(4):
        mesh.cut_all()
        mesh.at(1000 * (number + 1))
        a("SET", f"k{number}", "from a")
        b("SET", f"k{number}", "from b")
        mesh.heal()
    kept = a.member.memory.conflicts
    assert [each.key for each in kept.last] == [b"k2", b"k3"]
    assert [each.number for each in kept.last] == [3, 4]
    assert {each.winner.value for each in kept.last} == {b"from"}
    assert kept.counts["overwrite"] == 4


def test_none_are_kept_where_the_limit_is_none_but_all_are_counted() -> None:
    mesh, a, b = pair()
    a.member.memory.conflicts.limit(0, 4)
    mesh.cut_all()
    a("SET", "k", "from a")
    b("SET", "k", "from b")
    mesh.heal()
    assert not a.member.memory.conflicts.last and conflicts(a, "overwrite") == 1


def test_long_keys_are_cut() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    a("SET", "k" * 5000, "a")
    b("SET", "k" * 5000, "b")
    mesh.heal()
    (found,) = last_of(a, "overwrite")
    assert found.key == b"k" * 1024


def test_reset_begins_anew() -> None:
    _, a, _ = two_sets()
    found = a.member.memory.conflicts
    found.reset()
    assert not found.last and not found.by_origin and found.counts["overwrite"] == 0


def test_a_save_that_is_loaded_holds_no_conflicts() -> None:
    mesh, a, b = two_sets()
    mesh.cut_all()
    mesh.at(5000)
    a("HSET", "h", "f", "1")
    b("HSET", "h", "f", "2")
    mesh.heal()
    a.save()
    mesh.crash(0, a.saves[-1])
    mesh.heal()
    assert conflicts(a, "import_conflict") == 0
    assert not last_of(a, "import_conflict")


def test_two_data_sets_that_are_joined_tell_where_they_differ() -> None:
    mesh = Mesh("")
    a = mesh.add("a", active=False)
    b = mesh.add("b", active=False)
    mesh.at(1000)
    a("SET", "k", "from a")
    a("HSET", "h", "f", "from a")
    mesh.at(1001)
    b("SET", "k", "from b")
    b("HSET", "h", "f", "from b")
    for node in mesh.nodes:
        node.activate()
    mesh.heal()
    found = last_of(a, "import_conflict") + last_of(b, "import_conflict")
    assert {(each.key, each.place) for each in found} == {(b"k", b""), (b"h", b"f")}
    assert {each.winner.value for each in found} == {b"from b"}
    assert {each.loser.value for each in found} == {b"from a"}


def test_every_kind_says_why_the_winner_shows() -> None:
    found = Conflicts(Streams(b"\x01" * 16))
    assert all(found.rule_of(kind) for kind in found.counts)


def test_what_a_stream_or_list_only_counts_names_the_key_and_the_write() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    a("XADD", "x", "5-1", "f", "from a")
    b("XADD", "x", "5-1", "f", "from b")
    a("RPUSH", "l", "x")
    mesh.heal()
    for node in mesh.nodes:
        (found,) = last_of(node, "stream_dup_id")
        assert (found.key, found.place) == (b"x", b"5-1")
    mesh.cut_all()
    a("LPOP", "l")
    b("LPOP", "l")
    mesh.heal()
    (found,) = last_of(a, "removed_twice")
    assert found.key == b"l" and a.streams.all[found.winner.origin].member == b.member_id


# --- what is told of one --------------------------------------------------------------------------


def test_a_conflict_is_told_with_stamps_members_and_rule() -> None:
    _, a, b = two_sets()
    kept = a.member.memory.conflicts
    told = fields_of(conflict_map(kept.last[0], kept, a.streams))
    winner = fields_of(told["winner"])
    assert (told["kind"], told["key"], told["place"]) == (b"overwrite", b"k", None)
    assert (told["margin-ms"], told["skew-ms"], told["by-skew"]) == (1, None, False)
    assert b"highest stamp" in told["rule"]  # type: ignore[operator]
    assert (winner["value"], winner["member"]) == (b"from b", b.member_id)
    assert winner["stream"] == b.streams.own.text
    assert int(winner["stamp"]) >> 20 == winner["at-ms"]  # type: ignore[call-overload]


# --- MESH EXPLAIN ---------------------------------------------------------------------------------


def test_explain_tells_the_hidden_register_and_why_the_other_shows() -> None:
    mesh, a, b = two_sets()
    for node in mesh.nodes:
        told = told_of(node, "k")
        assert (told["type"], told["shown"]) == (b"string", True)
        assert told["why"] == b"the highest stamp of 2 writes that had not seen one another"
        registers = listed(told, "registers")
        assert [(each["value"], each["shown"]) for each in registers] == [
            (b"from b", True), (b"from a", False),
        ]  # fmt: skip
        assert [each["member"] for each in registers] == [b.member_id, a.member_id]
        assert len(listed(told, "conflicts")) == 1


def test_explain_changes_nothing() -> None:
    mesh, a, b = trio()[:3]
    c = mesh.nodes[2]
    mesh.cut_all()
    for number, node in enumerate((a, b, c)):
        mesh.at(1000 + number)
        node("SET", "k", node.name)
        node("INCRBY", "n", "5")
        node("HINCRBY", "h", "f", "2")
        node("SADD", "s", "same", node.name)
        node(*(("SADD", "t", "x"), ("HSET", "t", "f", "x"), ("SADD", "t", "x"))[number])
    mesh.heal()
    before = [node.shown() for node in mesh.nodes]
    for node in mesh.nodes:
        for key in ("k", "n", "h", "s", "t", "none"):
            told_of(node, key)
            told_of(node, key, "same")
    assert [node.shown() for node in mesh.nodes] == before
    b("SET", "k", "after")
    c("INCR", "n")
    a("DEL", "t")
    mesh.heal()


def test_explain_tells_what_a_type_hides() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(1000)
    a("SADD", "k", "m", "n")
    mesh.at(1001)
    b("HSET", "k", "f", "v")
    mesh.heal()
    told = told_of(a, "k")
    assert told["type"] == b"hash"
    assert b"hidden: set" in told["why"]  # type: ignore[operator]
    values = {each["type"]: (each["size"], each["shown"]) for each in listed(told, "values")}
    assert values == {b"set": (2, False), b"hash": (1, True)}
    claims = {each["type"]: each["wins"] for each in listed(told, "type-claims")}
    assert claims == {b"set": False, b"hash": True}


def test_explain_tells_increments_and_deadlines() -> None:
    mesh, a, b = pair()
    a("SET", "n", "10")
    mesh.heal()
    mesh.cut_all()
    a("INCR", "n")
    b("INCRBY", "n", "5")
    a("PEXPIREAT", "n", mesh.deadline(90_000))
    b("PEXPIREAT", "n", mesh.deadline(95_000))
    mesh.heal()
    told = told_of(b, "n")
    increments = fields_of(told["increments"])
    assert increments["count"] == 2
    assert {each["by"] for each in listed(increments, "last")} == {1, 5}
    assert told["deadline-ms"] == int(mesh.deadline(95_000))
    assert len(listed(told, "deadline-claims")) == 2
    why = b"one write, which had seen all others and 2 increments, each of which counts"
    assert told["why"] == why


def test_explain_tells_of_one_place_and_of_contested_ones() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(1000)
    a("HSET", "h", "f", "from a", "alone", "1")
    mesh.at(1001)
    b("HSET", "h", "f", "from b")
    mesh.heal()
    told = told_of(a, "h")
    (contested,) = listed(told, "contested")
    assert (contested["kind"], contested["name"]) == (b"field", b"f")
    assert [each["value"] for each in listed(contested, "dots")] == [b"from b", b"from a"]
    place = fields_of(told_of(a, "h", "alone")["place"])
    (only,) = listed(place, "field")
    assert (only["value"], only["member"], only["shown"]) == (b"1", a.member_id, True)


def test_explain_of_a_deleted_string_and_of_nothing() -> None:
    mesh, a, _ = pair()
    a("SET", "k", "v")
    mesh.heal()
    a("DEL", "k")
    mesh.heal()
    told = told_of(a, "k")
    assert (told["type"], told["shown"]) == (b"none", False)
    assert b"DEL" in told["why"]  # type: ignore[operator]
    assert told_of(a, "other")["why"] == b"nothing is known of this key here"


def test_explain_tells_which_removals_wait_and_for_whom() -> None:
    _, a, b, c = trio()
    stamps = [0] * c.streams.width
    late = c.streams.of(a.streams.own.uuid)
    stamps[late.number] = int(late.seen) + 1
    by = c.streams.of(b.streams.own.uuid)
    removal = Pending(by.seen + 1, by.number, row_of(stamps), [(MEMBER, b"x")])
    c.member.memory.removals.add(0, b"s", removal)
    (waiting,) = listed(told_of(c, "s"), "removals-waiting")
    assert waiting["member"] == b.member_id
    assert waiting["clears"] == [b"member"]
    assert waiting["waits-for"] == [a.member_id]
    assert "removals-waiting" not in told_of(b, "s")


def test_explain_tells_of_members_elements_and_entries() -> None:
    mesh, a, b = pair()
    a("RPUSH", "l", "x", "y")
    a("XADD", "x", "5-1", "f", "v")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    a("ZADD", "z", "1", "m")
    a("LSET", "l", "1", "from a")
    mesh.at(1001)
    b("ZADD", "z", "2", "m")
    b("LSET", "l", "1", "from b")
    b("RPUSH", "l", "z")
    mesh.heal()
    for node in mesh.nodes:
        score = fields_of(told_of(node, "z", "m")["place"])
        assert score["score"] == b"2"
        assert [each["value"] for each in listed(score, "scores")] == [b"2", b"1"]
        element = fields_of(told_of(node, "l", "1")["place"])
        assert element["inserted-by"] == a.member_id
        assert [each["value"] for each in listed(element, "assigned")] == [b"from b", b"from a"]
        assert fields_of(told_of(node, "l", "-1")["place"])["inserted-by"] == b.member_id
        assert "element" not in fields_of(told_of(node, "l", "9")["place"])
        entry = fields_of(told_of(node, "x", "5-1")["place"])
        assert listed(entry, "entry")[0]["member"] == a.member_id
        assert listed(told_of(node, "z"), "contested")[0]["name"] == b"m"
        assert listed(told_of(node, "l"), "contested")[0]["kind"] == b"element"


def remembered(node: SimNode) -> dict[tuple[int, bytes], bytes]:
    """What the mesh would save of every key, shown or not."""
    found: dict[tuple[int, bytes], bytes] = {}
    for db in node.engine.databases:
        for entries in (*db.keys.dicts, db.hidden):
            for key, entry in entries.items():
                number = int(db.number)
                found[number, key] = key_bytes(node.member.memory, number, key, entry)
    return found


@pytest.mark.parametrize("seed", range(9))
def test_explain_knows_every_type_and_changes_nothing(seed: int) -> None:
    """Random commands of all types, concurrent on three nodes."""
    world = World(seed, nodes=3)
    client = AllTypes(world.random, seed)
    for _ in range(4):
        for pair_of_nodes in world.wires:
            world.cut(*pair_of_nodes)
        for _ in range(60):
            node = world.random.choice(world.nodes)
            node(*client.command(node))
            world.time_s += 0.001
        world.settle()
        for node in world.nodes:
            before = remembered(node)
            explainer = Explainer(node.member.memory)
            for number, key in before:
                db = node.engine.databases[number]
                told = fields_of(explainer.explain(db, key, None))
                assert told["why"] and told["type"], (number, key)
                explainer.explain(db, key, b"a")
                explainer.explain(db, key, b"0")
            assert remembered(node) == before
    for node in world.nodes:
        kept = node.member.memory.conflicts
        for conflict in kept.last:
            assert fields_of(conflict_map(conflict, kept, node.streams))["rule"]


def test_explain_tells_the_same_winner_as_the_key_where_two_stamps_are_equal() -> None:
    """Of equal stamps the stream's uuid decides, also in what is told of a place."""
    for turn in range(2):
        mesh = Mesh("ab")
        a, b = mesh.nodes
        first, second = (a, b) if turn else (b, a)
        mesh.cut_all()
        mesh.at(1000)
        first("HSET", "h", "f", "first")
        second("HSET", "h", "f", "second")
        mesh.heal()
        shown = mesh.both("HGET", "h", "f")
        for node in mesh.nodes:
            (contested,) = listed(told_of(node, "h"), "contested")
            dots = listed(contested, "dots")
            assert dots[0]["stamp"] == dots[1]["stamp"]
            assert [each["value"] for each in dots if each["shown"]] == [shown]
            field = listed(fields_of(told_of(node, "h", "f")["place"]), "field")
            assert [each["value"] for each in field if each["shown"]] == [shown]


def test_explain_tells_which_score_shows_where_it_is_not_the_newest() -> None:
    """Of scores of ZADD GT that had not seen one another the greatest shows."""
    mesh, a, b = pair()
    a("ZADD", "z", "1", "x")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    a("ZADD", "z", "GT", "7", "x")
    mesh.at(1001)
    b("ZADD", "z", "GT", "5", "x")
    mesh.heal()
    for node in mesh.nodes:
        score = node("ZSCORE", "z", "x")
        assert isinstance(score, Double) and score.value == 7.0
    for node in mesh.nodes:
        (contested,) = listed(told_of(node, "z"), "contested")
        dots = listed(contested, "dots")
        assert [(each["value"], each["shown"]) for each in dots] == [(b"5", False), (b"7", True)]
        scores = listed(fields_of(told_of(node, "z", "x")["place"]), "scores")
        assert [each["value"] for each in scores if each["shown"]] == [b"7"]


def test_explain_names_an_element_alike_on_all_nodes() -> None:
    mesh, a, b = pair()
    b("RPUSH", "l", "x")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    a("LSET", "l", "0", "from a")
    mesh.at(1001)
    b("LSET", "l", "0", "from b")
    mesh.heal()
    assert mesh.both("LINDEX", "l", "0") == b"from b"
    told = [listed(told_of(node, "l"), "contested") for node in mesh.nodes]
    assert told[0][0]["name"] == told[1][0]["name"]
    for (contested,) in told:
        dots = listed(contested, "dots")
        assert [(each["value"], each["shown"]) for each in dots] == [
            (b"from b", True), (b"from a", False),
        ]  # fmt: skip
