"""Who comes back after it was expelled, with an old state, or from another mesh: it takes the
mesh's state, and writes anew what the mesh has not of its own (semantics.md 7)."""

from __future__ import annotations

from mesh.membership import END, EXPELLED
from mesh.rejoin import JOIN, STAY, WAIT, Card, has_lost, stays, unpack_card, verdict
from mesh.seat import JOINING_BEATS
from tests.mesh.stories import Mesh, conflicts
from tests.mesh.test_departures import gone, introduce, meshed
from tests.mesh.test_stability import hold, left, no_log
from tests.support.simnode import SimNode


def by_membership(*nodes: SimNode) -> None:
    """Who counts is who is a member."""
    for node in nodes:
        node.member.stability.members = node.member.membership.ids


def come_back(mesh: Mesh, at: int, data: bytes, other_id: bool = True) -> SimNode:
    """A node starts again with this save, under another member id, and has its links again."""
    node = mesh.nodes[at]
    if other_id:
        node.member_id = bytes(reversed(node.member_id))
        node.past = []
    mesh.missing = {pair for pair in mesh.missing if at not in pair}
    mesh.down = set(mesh.missing)
    mesh.crash(at, data)
    by_membership(node)
    node.activate()
    return node


def equal(mesh: Mesh) -> None:
    """All nodes show the same, and forget all in the end."""
    introduce(mesh)
    mesh.heal_apart()
    shown = [node.shown() for node in mesh.nodes]
    assert all(each == shown[0] for each in shown), shown
    for _ in range(3):
        hold(mesh, *mesh.nodes)
    assert [left(node) for node in mesh.nodes] == [{} for _ in mesh.nodes]
    assert all(node.member.memory.cut.violations == 0 for node in mesh.nodes)


def expelled_with_own_writes() -> tuple[Mesh, SimNode, SimNode, SimNode]:
    """c was cut off, has written on, and was expelled; the others have written and forgotten."""
    mesh = meshed("abc")
    a, b, c = mesh.nodes
    a("SADD", "s", "x", "y")
    a("SET", "k", "before")
    a("SET", "n", "10")
    a("HSET", "h", "f", "1", "g", "1")
    a("RPUSH", "l", "1")
    hold(mesh, a, b, c)
    gone(mesh, 2)
    mesh.at(60_000)
    c("SADD", "s", "own")
    c("INCRBY", "n", "5")
    c("SET", "k", "older")
    c("HSET", "h", "f", "older", "own", "2")
    c("RPUSH", "l", "own")
    c("ZADD", "z", "1", "own")
    c("XADD", "x", "5-1", "f", "own")
    c("SET", "late", "older")
    mesh.at(120_000)
    a("SREM", "s", "x")
    a("INCR", "n")
    a("SET", "k", "newer")
    a("HSET", "h", "f", "newer")
    a("RPUSH", "l", "2")
    b.member.expel(c.member_id, "it is dead")
    hold(mesh, a, b)
    hold(mesh, a, b)
    mesh.at(180_000)
    c("SET", "late", "own")
    c("HSET", "h", "g", "own")
    assert left(a) == left(b) == {}
    return mesh, a, b, c


def test_an_expelled_member_comes_back_with_its_own_new_writes() -> None:
    mesh, _, _, c = expelled_with_own_writes()
    c.save()
    come_back(mesh, 2, c.saves[-1])
    equal(mesh)
    assert mesh.both("SMEMBERS", "s") == frozenset({b"y", b"own"})
    assert mesh.both("GET", "n") == b"16"
    assert mesh.both("GET", "k") == b"newer"
    assert mesh.both("GET", "late") == b"own"
    assert mesh.both("HGETALL", "h") == {b"f": b"newer", b"g": b"own", b"own": b"2"}
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"1", b"2", b"own"]
    assert mesh.both("ZCARD", "z") == 1
    assert mesh.both("XLEN", "x") == 1
    assert conflicts(c, "rejoin_dropped") == 2  # k and the field f
    assert not c.member.void


def test_writes_of_clients_between_the_start_and_the_rejoin_are_kept() -> None:
    mesh, _, _, c = expelled_with_own_writes()
    c.save()
    node = come_back(mesh, 2, c.saves[-1])
    node("SADD", "s", "meanwhile")
    node("INCR", "n")
    equal(mesh)
    assert mesh.both("SISMEMBER", "s", "meanwhile") == 1
    assert mesh.both("GET", "n") == b"17"


def test_an_old_state_restored_on_purpose_is_replaced_by_the_meshs() -> None:
    mesh = meshed("abc")
    a, b, c = mesh.nodes
    c("SADD", "s", "x", "gone")
    c("SET", "k", "old")
    hold(mesh, a, b, c)
    c.save()
    old = c.saves[-1]
    mesh.time_s += 1.0
    a("SREM", "s", "gone")
    a("SET", "k", "new")
    c("SADD", "s", "later")
    hold(mesh, a, b, c)
    hold(mesh, a, b, c)
    c = come_back(mesh, 2, old, other_id=False)
    c("SADD", "s", "meanwhile")
    for node in mesh.nodes:
        node.beat()
    equal(mesh)
    assert mesh.both("SMEMBERS", "s") == frozenset({b"x", b"later", b"meanwhile"})
    assert mesh.both("GET", "k") == b"new"


def test_a_transfer_that_breaks_before_the_switch_changes_nothing() -> None:
    mesh, a, _, c = expelled_with_own_writes()
    c.save()
    node = come_back(mesh, 2, c.saves[-1])
    shown = node.shown()
    mesh.part(1, 2)
    wire = mesh.wires[0, 2]
    assert wire.connect()
    wire.answer()
    for _ in range(3):
        a.work()
        wire.deliver(lambda size: min(size, 200))
    assert node.member.staging is not None
    wire.cut()
    assert node.shown() == shown and node.member.void
    equal(mesh)
    assert mesh.both("SMEMBERS", "s") == frozenset({b"y", b"own"})


def test_two_nodes_with_data_that_have_forgotten_become_one_mesh() -> None:
    fresh = Mesh("", forgets="beat")
    nodes: list[SimNode] = []
    for name in ("a", "b"):
        node = fresh.add(name)
        by_membership(node)
        node.member.alone_bytes = 0  # it forgets though that is hardly worth it
        nodes.append(node)
        for pair in fresh.wires:
            fresh.cut(*pair)
    a, b = nodes
    for node in nodes:
        fresh.at(0 if node is a else 50)
        node("SET", "both", node.name)
        node("SET", "same", "v")
        node("SET", node.name, "own")
        node("SADD", "s", node.name, "x")
        node("HSET", "h", "f", node.name, node.name, "1")
        node("ZADD", "z", "1", node.name, "2" if node is a else "3", "m")
        node("RPUSH", "l", node.name)
        node("RPUSH", "alike", "1", "2")
        node("XADD", "x", "5-1" if node is a else "7-1", "f", node.name)
        node("SET", "type", "v") if node is a else node("SADD", "type", "v")
        node("INCRBY", "n", "5")
    hold(fresh, a, b)
    assert left(a) == left(b) == {}
    equal(fresh)
    assert conflicts(b, "import_conflict") + conflicts(a, "import_conflict") >= 5
    assert fresh.both("GET", "same") == b"v"
    assert fresh.both("MGET", "a", "b") == {b"own"}
    assert fresh.both("SMEMBERS", "s") == frozenset({b"a", b"b", b"x"})
    assert fresh.ordered("LRANGE", "alike", "0", "-1") == [b"1", b"2"]
    assert fresh.both("XLEN", "x") == 2
    assert fresh.both("ZCARD", "z") == 3
    assert fresh.both("HLEN", "h") == 3


def test_who_takes_the_others_state_is_the_same_on_both_sides() -> None:
    def card(member: bytes, members: bytes, since: int, data: bool = True) -> Card:
        each = frozenset(members[at : at + 1] for at in range(len(members)))
        return Card(member, each, since, data, True, False)

    one = card(b"a", b"a", 5)
    older = card(b"b", b"b", 4)
    empty = card(b"c", b"c", 1, False)
    many = card(b"d", b"de", 9)
    more = card(b"f", b"fgh", 9)
    assert (verdict(one, older), verdict(older, one)) == ((JOIN, ""), (WAIT, ""))
    assert (verdict(one, empty), verdict(empty, one)) == ((WAIT, ""), (JOIN, ""))
    assert (verdict(one, many), verdict(many, one)) == ((JOIN, ""), (WAIT, ""))
    assert "only a mesh of one member can join" in verdict(many, more)[1]
    assert "only a mesh of one member can join" in verdict(more, many)[1]
    assert verdict(many, card(b"e", b"de", 3)) == (STAY, "")
    void = Card(b"e", frozenset({b"d", b"e"}), 3, True, True, True)
    assert (verdict(void, many), verdict(many, void)) == ((JOIN, ""), (WAIT, ""))
    other_void = Card(b"d", frozenset({b"d", b"e"}), 3, True, True, True)  # neither is taken over
    assert (verdict(void, other_void), verdict(other_void, void)) == ((WAIT, ""), (WAIT, ""))
    assert stays(other_void, void) and not stays(void, other_void)  # where there is no third
    foreign = Card(b"f", frozenset({b"f"}), 3, True, True, True)
    assert (verdict(foreign, other_void)[0], stays(other_void, foreign)) == (JOIN, True)
    assert unpack_card(many.pack()) == many


def test_two_that_have_forgotten_nothing_become_one_by_their_dots() -> None:
    def card(member: bytes, told: bytes | None, data: bool = True, lent: bytes = b"") -> Card:
        known = None if told is None else frozenset(told[at : at + 1] for at in range(len(told)))
        others = frozenset(lent[at : at + 1] for at in range(len(lent)))
        return Card(member, frozenset((member,)), 5, data, True, False, b"", known, others)

    new, other = card(b"a", None), card(b"b", None)
    assert (verdict(new, other), verdict(other, new)) == ((STAY, ""), (STAY, ""))
    counted = card(b"b", b"ab")  # whatever it said it said to a mesh with a
    assert (verdict(new, counted), verdict(counted, new)) == ((STAY, ""), (STAY, ""))
    alone = card(b"b", b"b")
    assert {verdict(new, alone)[0], verdict(alone, new)[0]} == {JOIN, WAIT}
    shared = card(b"a", None, True, b"c")  # c may have its frames: it is not replaced
    assert (verdict(shared, alone), verdict(alone, shared)) == ((WAIT, ""), (JOIN, ""))
    many = card(b"b", b"bd", True, b"d")
    assert "only a mesh of one member can join" in verdict(shared, many)[1]
    empty = card(b"a", None, False, b"c")  # nothing of it can be doubled
    assert (verdict(empty, many), verdict(many, empty)) == ((JOIN, ""), (WAIT, ""))


def test_a_node_alone_says_what_it_holds_only_when_it_remembers_much() -> None:
    mesh = Mesh("a", forgets="beat")
    a = mesh.nodes[0]
    by_membership(a)
    hold(mesh, a)
    stability = a.member.stability
    assert stability.told is None
    a.member.expects_link = lambda: True
    for at in range(100):
        a("SADD", "s", str(at))
    a.member.alone_bytes = 2000
    hold(mesh, a)
    assert stability.cut == {}
    a.member.expects_link = lambda: False
    a.member.alone_bytes = 1 << 20
    hold(mesh, a)
    assert stability.cut == {} and stability.told is None
    mesh.restart(0)  # it has said nothing yet, and its next process knows
    stability = a.member.stability
    by_membership(a)
    assert stability.told is None
    a.member.alone_bytes = 2000
    hold(mesh, a)
    assert stability.told == frozenset((a.member_id,))
    assert stability.cut
    mesh.restart(0)
    assert a.member.stability.told == frozenset((a.member_id,))


def test_nothing_is_known_of_what_a_member_holds_that_kept_its_state() -> None:
    mesh = Mesh("", forgets="beat")
    a, b = mesh.add("a"), mesh.add("b")
    mesh.cut_all()
    for node in (a, b):
        by_membership(node)
        node("SADD", "s", node.name)
    for node, other in ((a, b), (b, a)):
        assert node.member.called_by(other.member.card().pack()) == (False, True)
        node.member.admit(other.member_id, "", 0, lambda member: True)
    assert b.member_id not in a.member.stability.rows
    hold(mesh, a)
    assert left(a)  # b has not said that it holds any of it
    mesh.heal_apart()
    for _ in range(3):
        hold(mesh, a, b)
    assert left(a) == left(b) == {}
    assert mesh.both("SMEMBERS", "s") == frozenset({b"a", b"b"})
    assert conflicts(a, "import_conflict") == conflicts(b, "import_conflict") == 0
    assert not a.member.memory.cut.violations + b.member.memory.cut.violations


def test_who_is_let_in_by_two_and_takes_the_state_of_one_is_replaced_by_neither() -> None:
    # The other had counted it as holding what itself had; stable there was what it never got.
    mesh = meshed("ab")
    a, b = mesh.nodes
    a("SADD", "s", "x")
    hold(mesh, a, b)
    c = mesh.add("c")
    by_membership(c)
    for pair in ((0, 2), (2, 0), (1, 2), (2, 1)):
        mesh.down.add(pair)
    first, second = mesh.wires[0, 2], mesh.wires[1, 2]
    a.member.admit(c.member_id, "", 0, lambda member: True)
    assert first.connect()
    first.answer()
    b("SADD", "s", "y")
    b.member.admit(c.member_id, "", 0, lambda member: True)
    assert second.connect()
    second.cut()
    while not c.member.transfers or c.incoming is not None:
        first.deliver(lambda size: size)
        a.work()
        c.work()
    first.cut()
    assert c("SISMEMBER", "s", "x") == 1
    hold(mesh, a, b)
    assert not c.member.meet(b.member.card(c.member_id).pack())[0] and not c.member.void
    assert not has_lost(b.member, c.member_id, c.member.vector())
    equal(mesh)
    assert not c.member.is_anew
    assert mesh.both("SMEMBERS", "s") == frozenset({b"x", b"y"})


def test_of_void_nodes_the_one_with_the_smallest_id_stays_and_no_other() -> None:
    mesh = meshed("abc")
    least, middle, most = sorted(mesh.nodes, key=lambda node: node.member_id)
    for node in mesh.nodes:
        node.member.becomes_void("test")
    for _ in range(JOINING_BEATS + 2):
        for node in (middle, most, least):
            node.beat()
        for node, other in ((middle, most), (middle, least), (most, middle), (least, middle)):
            refusal, _ = node.member.meet(other.member.card(node.member_id).pack())
            assert refusal or not other.member.void  # a void state is taken by nobody
    assert not least.member.void and middle.member.void and most.member.void
    assert middle.member.meet(least.member.card(middle.member_id).pack()) == ("", False)


def test_who_is_expelled_is_told_how_to_come_back() -> None:
    mesh = meshed("ab")
    a, b = mesh.nodes
    a.member.change_membership([(b.member_id + END, {"state": EXPELLED, "why": "test"})])
    assert "MESH REJOIN" in a.member.membership.refusal(b.member_id)
    no_log(a)


def test_an_expulsion_that_was_lost_with_its_state_is_said_again_by_who_comes_back() -> None:
    mesh = meshed("abcd")
    a, b, c, d = mesh.nodes
    a("SADD", "s", "x")
    hold(mesh, a, b, c, d)
    gone(mesh, 2)
    c("SADD", "s", "own")
    gone(mesh, 3)
    c.member.expel(d.member_id, "it is dead")  # nobody hears of it
    c.save()
    b.member.expel(c.member_id, "it was cut off")
    mesh.flow()
    assert d.member_id in a.member.membership.ids()
    come_back(mesh, 2, c.saves[-1])
    introduce(mesh)
    for _ in range(4):
        hold(mesh, a, b, c)
    for node in (a, b, c):
        assert d.member_id not in node.member.membership.ids()
        assert node.run(node.session, "SISMEMBER", "s", "own") == 1
    assert [left(node) for node in (a, b, c)] == [{}, {}, {}]
    assert all(not node.member.stability.closers for node in (a, b, c))
