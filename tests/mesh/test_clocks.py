"""Clocks that differ: measured, told, and beyond a limit kept from doing harm.

A node an hour ahead cannot make keys unwritable elsewhere: the others do not take what it stamps,
and it refuses its own clients' writes until its clock is right.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import conf
from mesh.agent import Agent
from mesh.clock import HybridClock
from mesh.clock_guard import ClockGuard, SkewMeter, answer, answer_at, question
from mesh.dots import Streams
from mesh.handshake import Handshake, HandshakeError, Identity
from mesh.merge.resolver import StampResolver
from node.commands.table import load
from node.engine import Engine
from node.resp.client import command
from node.resp.replies import OK, PONG, Failure, Simple
from tests.mesh.stories import Mesh
from tests.support.local import Inbox
from tests.support.simnode import SimNode

HOUR_MS = 3_600_000
ALICE, BOB, CAROL = b"a" * 32, b"b" * 32, b"c" * 32


# --- one peer's clock -----------------------------------------------------------------------------


def test_the_quickest_of_the_last_answers_knows_best() -> None:
    meter = SkewMeter()
    assert meter.skew_ms is None and meter.rtt_ms is None
    meter.sample(1_000_000, 1_005_500, 1_001_000)  # 1 ms there and back: 5 ms ahead
    meter.sample(2_000_000, 2_205_000, 2_400_000)  # held up on one way
    assert meter.skew_ms == 5.0 and meter.rtt_ms == 400.0 and meter.error_ms == 0.5


def test_a_clock_that_was_set_is_noticed_with_the_next_answer() -> None:
    meter = SkewMeter()
    for second in range(8):
        now_us = second * 1_000_000
        meter.sample(now_us, now_us + 500, now_us + 1000)
    meter.sample(9_000_000, 9_000_500 + HOUR_MS * 1000, 9_003_000)
    assert meter.skew_ms == pytest.approx(HOUR_MS, abs=2)


def test_an_answer_that_was_read_long_after_it_was_asked_for_is_no_measure() -> None:
    """The process stood still: what the peer said lies anywhere in between."""
    meter = SkewMeter()
    assert not meter.sample(0, 0, 120_000_000)
    assert meter.skew_ms is None


def test_an_answer_from_before_our_own_clock_was_set_back_is_no_measure() -> None:
    meter = SkewMeter()
    assert not meter.sample(5_000_000, 5_000_000, 1_000_000)
    assert meter.skew_ms is None


def test_a_question_and_its_answer_travel_in_pieces() -> None:
    words = question(1_700_000_000_000_000)
    assert words == command(b"REPLCONF", b"MESH-CLOCK", b"1700000000000000")
    reply = answer(b"1700000000000000", 1_700_000_000_123_456)
    for size in range(len(reply)):
        assert answer_at(b"xx" + reply[:size], 2) == (0, 0, 0)
    told = answer_at(b"xx" + reply + b"*9", 2)
    assert told == (1_700_000_000_000_000, 1_700_000_000_123_456, 2 + len(reply))
    assert answer_at(b"*9\r\n$7\r\nRREPLAY\r\n", 0) is None
    assert answer_at(reply.replace(b"1700000000000000", b"17000000000000x0"), 0) is None


@pytest.mark.parametrize("nonsense", [b"", b"12", b"x" * 16, b"1" * 17])
def test_nonsense_gets_no_answer(nonsense: bytes) -> None:
    assert answer(nonsense, 1) == b""


# --- what follows from it -------------------------------------------------------------------------


class Told:
    """A guard with the usual limits, and what it said."""

    def __init__(self) -> None:
        self.guard = ClockGuard(500.0, 60_000.0)
        self.events: list[str] = []
        self.guard.tell = lambda event, reason: self.events.append(event)


def test_small_differences_are_absorbed_in_silence() -> None:
    told = Told()
    assert told.guard.measured(BOB, 499.0, 1.0) == ""
    assert told.guard.measured(BOB, -499.0, 2.0) == ""
    assert told.guard.frame(499.0) == ""
    assert not told.events and told.guard.alarms == 0 and not told.guard.alarm


def test_larger_ones_are_told_once_and_again_after_they_were_gone() -> None:
    told = Told()
    for second in range(5):
        assert told.guard.measured(BOB, 800.0, float(second)) == ""
        assert told.guard.frame(800.0) == ""
    assert told.events == ["clock_alarm", "clock_alarm"]  # by the link, and by the stamps
    assert told.guard.alarm
    told.guard.measured(BOB, 3.0, 6.0)
    assert told.guard.settle(1000.0, 1000.0, 7.0) and not told.guard.alarm
    told.guard.measured(BOB, 800.0, 8.0)
    assert told.guard.alarms == 3


def test_a_peer_beyond_the_limit_is_refused_with_a_reason() -> None:
    guard = Told().guard
    assert "3600 s ahead" in guard.measured(BOB, float(HOUR_MS), 1.0)
    assert "mesh-clock-refuse-ms" in guard.frame(60_001.0)
    assert guard.refusals == 2
    assert guard.measured(CAROL, float(-HOUR_MS), 1.0) == "", "a slow clock poisons nothing"


def test_a_peer_whose_stamps_alone_are_ahead_is_not_told_to_set_its_clock() -> None:
    """Its clock was ahead and is right by now. Each attempt says the same: it is logged once."""
    guard = Told().guard
    refusal = guard.frame(3_600_000.0)
    assert "newest stamps" in refusal and "set its clock" not in refusal
    assert guard.frame(3_595_000.0) == refusal


def test_what_is_in_doubt_counts_for_nothing() -> None:
    """An answer took 2 s on a link that stalls: the clock may be right all the same."""
    told = Told()
    assert told.guard.measured(BOB, 900.0, 1.0, error_ms=1000.0) == ""
    assert told.guard.measured(BOB, 60_500.0, 2.0, error_ms=1000.0) == ""
    assert told.guard.measured(BOB, -60_500.0, 3.0, error_ms=1000.0) == ""
    assert told.guard.settle(0.0, 0.0, 3.0)
    assert told.guard.alarms == 1, "of the last two"


def test_of_two_nodes_the_one_ahead_is_fenced() -> None:
    told = Told()
    told.guard.measured(BOB, float(-HOUR_MS), 1.0)
    assert not told.guard.settle(0.0, 0.0, 1.0)
    assert "3600 s ahead" in told.guard.fenced
    told.guard.measured(BOB, 2.0, 2.0)
    assert told.guard.settle(1000.0, 1000.0, 2.0)
    assert told.guard.fenced == "" and told.events[-2:] == ["clock_fenced", "clock_right"]


def test_one_slow_node_fences_nobody_where_others_agree() -> None:
    guard = Told().guard
    guard.measured(BOB, float(-HOUR_MS), 1.0)
    guard.measured(CAROL, 1.0, 1.0)
    assert guard.settle(0.0, 0.0, 1.0)
    guard.measured(CAROL, float(-HOUR_MS), 2.0)
    assert not guard.settle(1000.0, 1000.0, 2.0)


def test_a_clock_that_is_set_right_opens_the_gate_without_asking_anybody() -> None:
    guard = Told().guard
    guard.measured(BOB, float(-HOUR_MS), 1.0)
    assert not guard.settle(HOUR_MS + 1000.0, HOUR_MS + 1000.0, 1.0)
    # Both were never asked again; no stamp was given meanwhile that lies ahead.
    assert guard.settle(2000.0, 2000.0, 2.0)


def test_a_machine_that_slept_is_not_taken_for_one_that_is_ahead() -> None:
    guard = Told().guard
    guard.measured(BOB, 2.0, 1.0)
    assert guard.settle(1000.0, 1000.0, 1.0)
    assert guard.settle(HOUR_MS + 2000.0, HOUR_MS + 2000.0, 2.0)


def test_stamps_that_were_given_while_ahead_keep_the_gate_shut_until_they_are_past() -> None:
    guard = Told().guard
    guard.measured(BOB, 0.0, 1.0)
    assert not guard.settle(0.0, float(HOUR_MS), 1.0)
    assert "wait until the clock has passed them" in guard.fenced
    assert guard.settle(HOUR_MS - 60_000.0, float(HOUR_MS), 1.0 + (HOUR_MS - 60_000) / 1000)


def test_a_node_alone_is_never_fenced() -> None:
    guard = Told().guard
    assert guard.settle(0.0, float(HOUR_MS), 1.0)
    guard.measured(BOB, float(-HOUR_MS), 1.0)
    guard.forget(BOB)
    assert guard.settle(0.0, 0.0, 1.0)


def test_a_measure_of_long_ago_counts_no_more() -> None:
    guard = Told().guard
    guard.measured(BOB, float(-HOUR_MS), 0.0)
    assert not guard.settle(0.0, 0.0, 0.0)
    assert guard.settle(3_700_000.0, 3_700_000.0, 3700.0)


# --- the handshake --------------------------------------------------------------------------------


def shaken(skew_us: int) -> Handshake:
    """A handshake up to the peer's time, with a peer whose clock differs so much."""
    own = Identity(b"b1c3f0ef-eb0e-4587-acb1-85aebfe087bb", ALICE, b"", 6379, b"", b"")
    found = Handshake(own, dict)
    guard = Told().guard
    found.now_us = lambda: 1_000_000
    found.judge = lambda member, asked, told: guard.measured(member, (told - asked) / 1e3, 0.0)
    found.begin()
    found.reply(PONG)
    found.reply(OK)
    found.reply(Simple(b"OK active-replica mesh1"))
    asked = found.reply(Simple(b"0f9d2c3e-1a2b-4c5d-8e6f-708192a3b4c5"))
    assert asked.endswith(command(b"REPLCONF", b"mesh-clock", b"1000000"))
    found.reply(Simple(BOB))
    found.reply(Simple(b"%d" % (1_000_000 + skew_us)))
    return found


def test_the_handshake_compares_clocks() -> None:
    found = shaken(7000)
    assert found.peer_member == BOB and not found.waiting


def test_a_peer_that_tells_no_time_is_taken_all_the_same() -> None:
    found = shaken(0)
    assert found._time(OK) == b""


def test_a_peer_that_is_ahead_is_refused_at_the_handshake() -> None:
    with pytest.raises(HandshakeError, match="3600 s ahead") as error:
        shaken(HOUR_MS * 1000)
    assert error.value.final


# --- engines --------------------------------------------------------------------------------------


def an_hour_ahead() -> tuple[Mesh, SimNode, SimNode]:
    """Two nodes; the second one's clock is an hour ahead, and its stream begins so."""
    mesh = Mesh("")
    a = mesh.add("a")
    b = mesh.add("b", skew_ms=HOUR_MS)
    return mesh, a, b


def test_a_node_an_hour_ahead_makes_no_key_unwritable_elsewhere() -> None:
    mesh, a, b = an_hour_ahead()
    a("SET", "k", "before")
    b("SET", "k", "poison")
    b("SADD", "s", "x")
    mesh.flow()
    assert mesh.counts["ahead"] == 1
    mesh.cut(1, 0)  # the link that is refused; the other direction goes on
    mesh.flow()
    assert int(a.engine.clock.last) >> 20 <= int(a.engine.clock.now_ms) + 1
    assert a("GET", "k") == b"before" and a("EXISTS", "s") == 0
    a("SET", "k", "after")
    assert a("GET", "k") == b"after"
    assert a("DEL", "k") == 1 and a("EXISTS", "k") == 0
    a("SET", "mine", "v")
    mesh.flow()
    assert b("GET", "mine") == b"v", "the node ahead still hears the others"


def test_when_its_time_has_come_all_is_taken_and_the_nodes_are_equal() -> None:
    mesh, a, b = an_hour_ahead()
    b("SET", "k", "early")
    mesh.flow()
    assert mesh.counts["ahead"] == 1
    mesh.cut(1, 0)
    a("SET", "other", "v")
    mesh.flow()
    b.skew_ms = 0
    mesh.time_s += HOUR_MS / 1000
    mesh.heal()
    assert mesh.both("GET", "k") == b"early" and mesh.both("GET", "other") == b"v"


def fenced_node(folder: Path) -> Agent:
    """An active node whose one peer says that it is an hour ahead."""
    load()
    config = conf.load(["--active-replica", "yes", "--databases", "1"]).config
    streams = Streams(b"\x01" * 16)
    resolver = StampResolver(streams)
    engine = Engine(config, HybridClock(), resolver)
    found = Agent(config, engine, resolver, streams, str(folder))
    found.member.activate()
    found.wake()
    run(found, b"SET", b"k", b"v")
    found.clocks.measured(BOB, float(-HOUR_MS))
    return found


def run(agent: Agent, *words: bytes) -> object:
    """One command of a client of its own."""
    return agent.engine.execute(agent.engine.session(), 0, list(words), b"", 0, 0)


def test_the_node_ahead_refuses_its_clients_writes_and_nothing_else(tmp_path: Path) -> None:
    agent = fenced_node(tmp_path)
    refused = run(agent, b"SET", b"k", b"w")
    assert isinstance(refused, Failure)
    assert refused.text.startswith(b"CLOCKAHEAD ") and b"NTP" in refused.text
    assert run(agent, b"GET", b"k") == b"v"
    client = agent.engine.session()
    for words in ([b"MULTI"], [b"SET", b"k", b"w"]):
        agent.engine.execute(client, 0, words, b"", 0, 0)
    reply = agent.engine.execute(client, 0, [b"EXEC"], b"", 0, 0)
    assert isinstance(reply, Failure) and reply.text.startswith(b"EXECABORT ")
    info = dict(agent.clocks.info())
    assert info["mesh_clock_fenced"] == 1
    assert "ahead of its peers'" in str(info["mesh_clock_fenced_reason"])


@pytest.mark.parametrize(
    ("words", "served"),
    [
        ((b"BLPOP", b"l", b"0"), False),
        ((b"XREAD", b"BLOCK", b"0", b"STREAMS", b"x", b"$"), True),
    ],
)
def test_a_client_that_is_served_by_a_peers_write_may_read_but_not_write(
    tmp_path: Path, words: tuple[bytes, ...], served: bool
) -> None:
    agent = fenced_node(tmp_path)
    engine = agent.engine
    client = engine.session()
    outlet = Inbox()
    client.outlet = outlet
    agent.clocks.measured(BOB, 0.0)
    engine.execute(client, 0, list(words), b"", 0, 0)
    agent.clocks.measured(BOB, float(-HOUR_MS))
    # As if a peer had written: no gate is asked.
    writer = engine.session()
    engine.call(writer, [b"RPUSH", b"l", b"x"])
    engine.call(writer, [b"XADD", b"x", b"5-1", b"f", b"v"])
    engine.publish()
    engine.blocking.serve()
    (reply,) = outlet.resumed
    assert served == (not isinstance(reply, Failure))
    assert run(agent, b"LLEN", b"l") == 1


def test_the_gate_opens_when_the_peers_agree_again(tmp_path: Path) -> None:
    agent = fenced_node(tmp_path)
    agent.clocks.measured(BOB, 1.5)
    assert run(agent, b"SET", b"k", b"w") is OK
    info = dict(agent.clocks.info())
    assert info["mesh_clock_fenced"] == 0 and info["mesh_clock_skew_ms"] == 1.5


def test_the_limits_are_directives(tmp_path: Path) -> None:
    agent = fenced_node(tmp_path)
    agent.config.set("mesh-clock-refuse-ms", [str(2 * HOUR_MS)])
    agent.configure("mesh-clock-refuse-ms")
    agent.clocks.settle()
    assert run(agent, b"SET", b"k", b"w") is OK
