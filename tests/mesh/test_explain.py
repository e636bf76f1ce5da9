"""MESH EXPLAIN tells all there is of a key, and why it shows what it shows."""

from __future__ import annotations

import pytest

from mesh.codec import key_bytes
from mesh.dots import row_of
from mesh.explain import Explainer, conflict_map
from mesh.removals import MEMBER, Pending
from node.resp.replies import Double
from tests.mesh.all_commands import AllTypes
from tests.mesh.stories import Mesh, pair, trio
from tests.mesh.test_conflicts import fields_of, two_sets
from tests.support.simnode import SimNode
from tests.support.simulation import World


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
