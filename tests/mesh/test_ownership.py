"""mesh-owner: one node pops and locks, whatever is cut, restarted or set wrong."""

from __future__ import annotations

import random

import pytest

from node.resp.replies import Failure
from node.session import Outlet
from tests.mesh.stories import Mesh
from tests.mesh.test_departures import introduce, meshed
from tests.mesh.test_rejoin import come_back
from tests.mesh.test_stability import hold
from tests.support.simnode import SimNode

HASH = ("q:*", "hash")
READY_BEATS = 14  # old promises end, claims are made and heard


def own(mesh: Mesh, *rows: str) -> None:
    """mesh-owner of all nodes from now on, also after a restart."""
    mesh.owners = rows
    for node in mesh.nodes:
        pairs = [rows[at : at + 2] for at in range(0, len(rows), 2)]
        node.member.config.set_rows("mesh-owner", pairs)
        node.member.config.set("mesh-owner-policy", ["refuse"])
        node.member.ownership.configure()


def pass_time(mesh: Mesh, beats: int) -> None:
    """Seconds, with a heartbeat of everybody in each."""
    for _ in range(beats):
        mesh.time_s += 1.0
        for node in mesh.nodes:
            node.beat()
        mesh.flow()


def named(names: str = "ab") -> tuple[Mesh, list[SimNode]]:
    """A mesh whose first node owns q:*."""
    mesh = Mesh(names)
    own(mesh, "q:*", mesh.nodes[0].member_id.decode())
    pass_time(mesh, 4)
    return mesh, mesh.nodes


class Told(Outlet):
    """Keeps what a parked client is told."""

    def __init__(self, told: list[object]) -> None:
        self.told = told

    def resume(self, reply: object) -> None:
        self.told.append(reply)


def is_refused(reply: object) -> bool:
    return isinstance(reply, Failure) and reply.text.startswith(b"NOOWNER ")


POPS = (
    "LPOP q:l", "RPOP q:l", "LMOVE q:l other LEFT LEFT", "RPOPLPUSH q:l other",
    "LMPOP 1 q:l LEFT", "BLPOP q:l 0", "BRPOP x q:l 0", "BLMPOP 0 1 q:l LEFT",
    "BLMOVE q:l other LEFT LEFT 0", "BRPOPLPUSH q:l other 0", "SPOP q:s", "ZPOPMIN q:z",
    "ZPOPMAX q:z", "ZMPOP 1 q:z MIN", "BZPOPMIN q:z 0", "BZPOPMAX q:z 0", "BZMPOP 0 1 q:z MIN",
    "GETDEL q:k", "XREADGROUP GROUP g me STREAMS q:x >", "XCLAIM q:x g me 0 1-1",
    "XAUTOCLAIM q:x g me 0 0",
)  # fmt: skip
LOCKS = ("SETNX q:n 1", "SET q:n 1 NX", "SET q:n 1 XX", "MSETNX q:n 1 q:m 2", "HSETNX q:h f 1",
         "GETSET q:n 2")  # fmt: skip


def fill(node: SimNode) -> None:
    node("RPUSH", "q:l", *"abcdefghijkl")
    node("SADD", "q:s", "a", "b")
    node("ZADD", "q:z", *[word for at in range(9) for word in (str(at), f"m{at}")])
    node("SET", "q:k", "v")
    node("XADD", "q:x", "1-1", "f", "v")
    node("XGROUP", "CREATE", "q:x", "g", "0")


def test_only_the_named_node_takes_what_others_write() -> None:
    mesh, (a, b) = named()
    fill(b)
    mesh.flow()
    for line in POPS:
        assert is_refused(b(*line.split())), line
    assert a("LLEN", "q:l") == 12
    for line in POPS:
        assert not isinstance(a(*line.split()), Failure), line
    mesh.heal()


def test_pushes_reads_and_keys_of_nobody_are_as_ever() -> None:
    _, (a, b) = named()
    for node in (a, b):
        for line in ("RPUSH q:l a", "LRANGE q:l 0 -1", "LLEN q:l", "RPUSH free a", "LPOP free",
                     "SETNX q:lock 1", "XADD q:x * f v", "LREM q:l 0 nothing"):  # fmt: skip
            assert not isinstance(node(*line.split()), Failure), line
    b("XGROUP", "CREATE", "q:x", "g", "0")
    assert not is_refused(b("XREADGROUP", "GROUP", "g", "me", "STREAMS", "q:x", "0"))


def test_locks_count_where_the_nx_policy_says_owner() -> None:
    _, (a, b) = named()
    for node in (a, b):
        node.member.config.set("mesh-nx-policy", ["owner"])
    for line in LOCKS:
        assert is_refused(b(*line.split())), line
        assert not isinstance(a(*line.split()), Failure), line
    assert b("SET", "q:n", "1", "KEEPTTL") is not None
    assert b("SETNX", "free", "1") == 1


def test_the_error_names_who_may() -> None:
    _, (a, b) = named()
    reply = b("LPOP", "q:l")
    assert isinstance(reply, Failure) and a.member_id in reply.text


def test_a_transaction_and_a_script_take_nothing_that_is_not_theirs() -> None:
    mesh, (a, b) = named()
    a("RPUSH", "q:l", "x", "y")
    mesh.flow()
    b("MULTI")
    assert is_refused(b("LPOP", "q:l"))
    reply = b("EXEC")
    assert isinstance(reply, Failure) and reply.text.startswith(b"EXECABORT")
    assert is_refused(b.engine.scripted(b.session, [b"LPOP", b"q:l"]))
    a("MULTI")
    a("LPOP", "q:l")
    assert a("EXEC") == [b"x"]
    assert a.engine.scripted(a.session, [b"LPOP", b"q:l"]) == b"y"
    a.engine.publish()


def test_who_queued_while_it_was_the_owner_is_refused_later() -> None:
    mesh, (a, b) = named()
    a("RPUSH", "q:l", "x")
    a("MULTI")
    a("LPOP", "q:l")
    own(mesh, "q:*", b.member_id.decode())
    reply = a("EXEC")
    assert isinstance(reply, Failure) and b"NOOWNER" in reply.text


def test_who_waits_at_an_owner_that_is_none_any_more_is_told() -> None:
    mesh, (a, b) = named()
    told: list[object] = []
    a.session.outlet = Told(told)
    assert a.attempt(a.session, "BLPOP", "q:l", "0") is not None
    own(mesh, "q:*", b.member_id.decode())
    pass_time(mesh, 3)
    b("RPUSH", "q:l", "x")
    mesh.flow()
    assert len(told) == 1 and is_refused(told[0])
    assert b("LPOP", "q:l") == b"x"


def test_at_least_once_runs_where_the_client_is() -> None:
    mesh, (a, b) = named()
    a("RPUSH", "q:l", "x", "y")
    mesh.flow()
    b.member.config.set("mesh-owner-policy", ["at-least-once"])
    assert b("LPOP", "q:l") == b"x"
    b("MULTI")
    b("LPOP", "q:l")
    assert b("EXEC") == [b"y"]
    assert b.member.ownership.ran_here >= 2


def test_a_node_alone_is_asked_nothing() -> None:
    mesh = Mesh("")
    node = mesh.add("alone", active=False)
    own(mesh, "q:*", "nobody-here")
    node("RPUSH", "q:l", "x")
    assert node("LPOP", "q:l") == b"x"


def test_nothing_is_looked_at_where_no_owner_is_set() -> None:
    mesh = Mesh("ab")
    assert all(node.engine.closed == 0 for node in mesh.nodes)
    own(mesh, "q:*", "hash")
    assert all(node.engine.closed != 0 for node in mesh.nodes)
    own(mesh)
    assert all(node.engine.closed == 0 for node in mesh.nodes)


def test_nobody_acts_while_members_have_different_rules() -> None:
    mesh, (a, b) = named()
    a("RPUSH", "q:l", "x")
    row = ["q:*", b.member_id.decode()]
    b.member.config.set_rows("mesh-owner", [row])
    b.member.ownership.configure()
    pass_time(mesh, 3)
    assert is_refused(a("LPOP", "q:l")) and is_refused(b("LPOP", "q:l"))
    a.member.config.set_rows("mesh-owner", [row])
    a.member.ownership.configure()
    assert is_refused(a("LPOP", "q:l"))
    pass_time(mesh, 3)
    assert is_refused(a("LPOP", "q:l")) and b("LPOP", "q:l") == b"x"


def test_a_lease_that_heartbeats_cannot_renew_is_named() -> None:
    _, (a, _) = named()
    a.member.config.set("mesh-heartbeat-ms", ["2000"])
    reply = a("LPOP", "q:l")
    assert isinstance(reply, Failure) and b"five times mesh-heartbeat-ms" in reply.text
    a.member.config.set("mesh-heartbeat-ms", ["1000"])
    assert a("LPOP", "q:l") is None


def test_one_command_takes_from_keys_of_one_owner() -> None:
    mesh, (a, b) = named()
    own(mesh, "q:*", a.member_id.decode(), "r:*", b.member_id.decode())
    pass_time(mesh, 4)
    for node in (a, b):
        reply = node("LMPOP", "2", "q:l", "r:l", "LEFT")
        assert isinstance(reply, Failure) and b"different owners" in reply.text
    assert a("LMPOP", "2", "q:l", "free", "LEFT") is not None


def test_a_named_owner_goes_on_alone_and_nobody_else_does() -> None:
    mesh, (a, b) = named()
    a("RPUSH", "q:l", "x", "y")
    mesh.flow()
    mesh.part(0, 1)
    pass_time(mesh, 20)
    assert a("LPOP", "q:l") == b"x" and is_refused(b("LPOP", "q:l"))
    mesh.heal()
    assert mesh.ordered("LRANGE", "q:l", "0", "-1") == [b"y"]


def test_a_named_owner_that_lost_its_tail_hears_first_what_it_has_popped() -> None:
    mesh, (a, _) = named()
    a("RPUSH", "q:l", "x", "y")
    mesh.flow()
    a.save()
    assert a("LPOP", "q:l") == b"x"
    mesh.flow()
    mesh.crash(0, a.saves[-1])
    a.activate()
    assert is_refused(a("LPOP", "q:l"))
    a.beat()
    assert is_refused(a("LPOP", "q:l"))
    pass_time(mesh, 4)
    assert a("LPOP", "q:l") == b"y"
    mesh.heal()


def holder(mesh: Mesh, key: str = "q:l") -> SimNode | None:
    """Who may pop this key now."""
    found = [
        node for node in mesh.nodes if node.member.ownership.place([key.encode()])[1] == ""
    ]
    assert len(found) <= 1, f"{mesh}: {[node.name for node in found]} may pop at once"
    return found[0] if found else None


def leased(names: str = "abc") -> Mesh:
    mesh = Mesh(names)
    own(mesh, *HASH)
    pass_time(mesh, READY_BEATS)
    return mesh


def test_by_hash_keys_are_shared_out_and_others_are_told_whom_to_ask() -> None:
    mesh = leased()
    owners = {holder(mesh, f"q:{at}") for at in range(40)}
    assert owners == set(mesh.nodes)
    owner = holder(mesh)
    assert owner is not None
    other = next(node for node in mesh.nodes if node is not owner)
    reply = other("LPOP", "q:l")
    assert isinstance(reply, Failure) and owner.member_id in reply.text


def test_the_majority_goes_on_where_the_owner_is_cut_off_and_with_what_it_had_told() -> None:
    mesh = leased()
    owner = holder(mesh)
    assert owner is not None
    mesh.nodes[0]("RPUSH", "q:l", "x", "y", "z")
    mesh.flow()
    assert owner("LPOP", "q:l") == b"x"
    mesh.flow()
    at = mesh.nodes.index(owner)
    for other in range(3):
        if other != at:
            mesh.part(at, other)
    pass_time(mesh, 4)
    holder(mesh)
    pass_time(mesh, 2)
    assert is_refused(owner("LPOP", "q:l"))
    pass_time(mesh, 12)
    taker = holder(mesh)
    assert taker is not None and taker is not owner
    assert taker("LPOP", "q:l") == b"y"
    mesh.settle()
    pass_time(mesh, 8)
    assert holder(mesh) is owner
    assert owner("LPOP", "q:l") == b"z"
    mesh.heal()


def test_who_is_replaced_by_the_meshs_state_has_its_seat_again() -> None:
    # Its stream begins anew while it runs: what it claims and is promised is of that one.
    mesh = meshed("abc")
    own(mesh, *HASH)
    pass_time(mesh, READY_BEATS)
    owner = holder(mesh)
    assert owner is not None
    at = mesh.nodes.index(owner)
    owner.save()
    old = owner.saves[-1]
    mesh.nodes[at - 1]("RPUSH", "q:l", "x", "y", "z")
    mesh.flow()
    assert owner("LPOP", "q:l") == b"x"
    hold(mesh, *mesh.nodes)
    hold(mesh, *mesh.nodes)
    node = come_back(mesh, at, old, other_id=False)
    began = node.streams.own.uuid
    pass_time(mesh, 2)
    introduce(mesh)
    pass_time(mesh, READY_BEATS)
    assert node.streams.own.uuid != began
    assert holder(mesh) is node
    assert node("LPOP", "q:l") == b"y"
    mesh.heal()


def test_a_named_owner_that_is_replaced_acts_again() -> None:
    mesh = meshed("ab")
    own(mesh, "q:*", mesh.nodes[0].member_id.decode())
    pass_time(mesh, 4)
    a, b = mesh.nodes
    a.save()
    old = a.saves[-1]
    b("RPUSH", "q:l", "x", "y")
    mesh.flow()
    assert a("LPOP", "q:l") == b"x"
    hold(mesh, a, b)
    hold(mesh, a, b)
    node = come_back(mesh, 0, old, other_id=False)
    pass_time(mesh, 2)
    introduce(mesh)
    pass_time(mesh, 4)
    assert node.member.is_anew
    assert node("LPOP", "q:l") == b"y"
    mesh.heal()


def test_of_two_cut_apart_nobody_pops_by_hash_until_one_is_expelled() -> None:
    mesh = leased("ab")
    a, b = mesh.nodes
    a("RPUSH", "q:l", "x")
    mesh.flow()
    mesh.part(0, 1)
    pass_time(mesh, 20)
    assert holder(mesh) is None
    a.member.expel(b.member_id, "it burned")
    pass_time(mesh, READY_BEATS)
    assert a("LPOP", "q:l") == b"x"


@pytest.mark.parametrize("seed", range(24))
def test_each_element_is_delivered_at_most_once_per_lease(seed: int) -> None:
    """Invariant 20: cuts in one direction, crashes that lose the tail, steps of the wall clock.

    At no moment two nodes may pop a key; an element that was delivered twice was delivered under
    two epochs; what was pushed and not delivered is there in the end.
    """
    mesh = leased()
    chance = random.Random(seed)
    given: dict[bytes, list[tuple[str, int]]] = {}
    pushed: list[bytes] = []
    for number in range(260):
        mesh.time_s += chance.uniform(0.0, 0.3)
        event = chance.random()
        node = chance.choice(mesh.nodes)
        key = chance.choice(("q:l", "q:m"))
        if event < 0.15:
            pushed.append(f"e{number}".encode())
            mesh.nodes[0]("RPUSH", key, pushed[-1])
        elif event < 0.45:
            note(node, key, given)
        elif event < 0.65:
            node.beat()
            mesh.flow()
        elif event < 0.75:
            mesh.step(chance.choice(list(mesh.wires)))
        elif event < 0.79:
            mesh.cut(*chance.choice(list(mesh.wires)))
        elif event < 0.84:
            mesh.down.clear()
        elif event < 0.90:
            node.skew_ms = chance.randrange(-400, 400)
        elif event < 0.92:
            node.save()
        elif event < 0.94:
            lose_the_tail(mesh, node)
        else:
            pass_time(mesh, 3)
        for each in ("q:l", "q:m"):
            holder(mesh, each)
    mesh.settle()
    pass_time(mesh, READY_BEATS)
    for _ in range(len(pushed) + 1):
        for key in ("q:l", "q:m"):
            for node in mesh.nodes:
                note(node, key, given)
        pass_time(mesh, 1)
    assert set(given) == set(pushed), f"seed {seed}: lost {set(pushed) - set(given)}"
    for element, leases in given.items():
        assert len(set(leases)) == len(leases), f"seed {seed}: {element!r} went out as {leases}"


def note(node: SimNode, key: str, given: dict[bytes, list[tuple[str, int]]]) -> None:
    """A pop, and under which lease it was made."""
    leases = node.member.ownership.leases
    reply = node("LPOP", key)
    if isinstance(reply, bytes):
        seat = leases.seat_of(key.encode())
        given.setdefault(reply, []).append((seat, leases.epoch(seat)))
    else:
        assert reply is None or is_refused(reply)


def lose_the_tail(mesh: Mesh, node: SimNode) -> None:
    """A crash back to an older save; the first node, who pushes, saves before it."""
    at = mesh.nodes.index(node)
    if at == 0:
        node.save()
    if node.saves:
        mesh.crash(at, node.saves[-1])
        node.activate()
