"""Streams: which effects the commands make, who waits for them, and what a peer makes of them.

What the replies look like is in tests/commands/streams.txt, stream_groups.txt, stream_info.txt.
"""

from __future__ import annotations

import pytest

from node.commands.context import Parked
from node.journal import Commit
from node.persist.canon import command_of, effect_of
from node.ports import Reader, Resolver, Seen
from node.resp.replies import NULL_ARRAY, Failure, Map
from node.store.effect import OP_NAMES, Effect
from node.store.events import EVENTS, NO_EVENT
from node.store.values.streams import StreamValue
from tests.support.local import START_S, LocalNode

NOW = int(START_S * 1000)


def stream(node: LocalNode, key: str = "s") -> StreamValue:
    value = node.sessions[0].ctx.peek(key.encode())
    assert isinstance(value, StreamValue)
    return value


def events(node: LocalNode) -> list[str]:
    """The events of the effects since the last call."""
    found: list[str] = []
    for unit in node.recorder.units:
        for effect in unit:
            code = int(effect.events)
            event = "" if code == NO_EVENT else EVENTS[code][1].decode()
            found.append(f"{OP_NAMES[int(effect.op)]} {event}")
    node.recorder.units.clear()
    return found


def all_done(node: LocalNode, *texts: str) -> None:
    for text in texts:
        assert not isinstance(node(text), Failure), text
    node.effects()


# --- effects --------------------------------------------------------------------------------------


def test_an_id_that_is_made_is_this_millisecond_or_follows_the_last(node: LocalNode) -> None:
    assert node("XADD s * f v") == b"%d-0" % NOW
    assert node("XADD s * f v") == b"%d-1" % NOW
    node.advance(0.001)
    assert node("XADD s * f v") == b"%d-0" % (NOW + 1)
    node("XADD t 18446744073709551614-18446744073709551615 f v")
    assert node("XADD t * f v") == b"18446744073709551615-0"


def test_trimming_by_xadd_is_of_the_same_unit_and_names_what_goes(node: LocalNode) -> None:
    all_done(node, "XADD s 1 f v", "XADD s 2 f v", "XADD s 3 f v")
    node.recorder.units.clear()
    node("XADD s MAXLEN 2 4 f v")
    assert len(node.recorder.units) == 1
    assert node.effects() == ["XADD s 4-0 f v", "XDEL s trim <2-1"]
    assert node("XTRIM s MAXLEN 5") == 0
    assert node("XTRIM s MAXLEN ~ 0") == 2
    assert node.effects() == ["XDEL s trim <4-1"]


def test_the_last_possible_id_is_trimmed_by_name(node: LocalNode) -> None:
    all_done(node, "XADD s 18446744073709551615-18446744073709551615 f v")
    assert node("XTRIM s MAXLEN 0") == 1
    top = "18446744073709551615-18446744073709551615"
    assert node.effects() == [f"XDEL s trim {top}"]


def test_deleting_names_only_what_is_there(node: LocalNode) -> None:
    all_done(node, "XADD s 1 f v", "XADD s 2 f v")
    assert node("XDEL s 2 9 2") == 1
    assert node("XDEL s 2") == 0
    assert node.effects() == ["XDEL s 2-0"]


def test_what_is_acknowledged_or_dropped_from_groups_is_an_effect_of_its_own(
    node: LocalNode,
) -> None:
    all_done(
        node, "XADD s 1 f v", "XADD s 2 f v", "XGROUP CREATE s g 0", "XGROUP CREATE s h 0",
        "XREADGROUP GROUP g c STREAMS s >", "XREADGROUP GROUP h c STREAMS s >",
    )  # fmt: skip
    assert node("XDELEX s DELREF IDS 1 1") == [1]
    assert node.effects() == ["XDEL s 1-0", "XACK s g 1-0", "XACK s h 1-0"]
    assert node("XACKDEL s g ACKED IDS 2 2 9") == [2, -1]
    assert node.effects() == ["XACK s g 2-0"]
    assert node("XACKDEL s h ACKED IDS 1 2") == [1]
    assert node.effects() == ["XACK s h 2-0", "XDEL s 2-0"]


def test_reading_in_a_group_delivers_and_moves_it(node: LocalNode) -> None:
    all_done(node, "XADD s 1 f v", "XADD s 2 f v", "XGROUP CREATE s g 0")
    node("XREADGROUP GROUP g c COUNT 1 STREAMS s >")
    created = "XGROUP s CREATECONSUMER g c"
    assert node.effects() == [created, "XDELIVER s g c 1-0x1 last=1-0 read=1"]
    node("XREADGROUP GROUP g d NOACK STREAMS s >")
    assert node.effects() == ["XGROUP s CREATECONSUMER g d", "XDELIVER s g d last=2-0 read=2"]
    node("XREADGROUP GROUP g c STREAMS s 0")
    assert node.effects() == ["XDELIVER s g c 1-0x2"]
    node("XREADGROUP GROUP g c STREAMS s >")
    assert node.effects() == []


def test_claims_are_one_effect_of_each_kind(node: LocalNode) -> None:
    all_done(
        node, "XADD s 1 f v", "XADD s 2 f v", "XADD s 3 f v", "XGROUP CREATE s g 0",
        "XREADGROUP GROUP g c STREAMS s >", "XDEL s 2",
    )  # fmt: skip
    node("XCLAIM s g d 0 1 2 3 JUSTID")
    created = "XGROUP s CREATECONSUMER g d"
    assert node.effects() == [created, "XACK s g 2-0", "XDELIVER s g d 1-0x1 3-0x1"]
    node("XDEL s 3")
    node.effects()
    node("XAUTOCLAIM s g c 0 0")
    assert node.effects() == ["XACK s g 3-0", "XDELIVER s g c 1-0x2"]
    node("XCLAIM s g c 0 9 LASTID 9")
    assert node.effects() == ["XDELIVER s g c last=9-0"]


def test_a_claim_waits_until_the_entry_is_idle(node: LocalNode) -> None:
    all_done(node, "XADD s 1 f v", "XGROUP CREATE s g 0", "XREADGROUP GROUP g c STREAMS s >")
    node.advance(5)
    assert node("XCLAIM s g d 5001 1 JUSTID") == []
    assert node("XAUTOCLAIM s g d 5001 0 JUSTID") == [b"0-0", [], []]
    assert node("XPENDING s g IDLE 5000 - + 10") == [[b"1-0", b"c", 5000, 1]]
    assert node("XCLAIM s g d 5000 1 JUSTID") == [b"1-0"]
    assert node("XPENDING s g - + 10") == [[b"1-0", b"d", 0, 1]]


def test_autoclaim_looks_at_ten_entries_for_each_it_may_claim(node: LocalNode) -> None:
    for i in range(1, 31):
        node(f"XADD s {i} f v")
    all_done(node, "XGROUP CREATE s g 0", "XREADGROUP GROUP g c STREAMS s >")
    assert node("XAUTOCLAIM s g d 1000 0 COUNT 1") == [b"11-0", [], []]
    assert node("XAUTOCLAIM s g d 1000 11 COUNT 2") == [b"0-0", [], []]
    assert node("XAUTOCLAIM s g d 0 29 COUNT 2 JUSTID") == [b"0-0", [b"29-0", b"30-0"], []]


def test_events_are_those_of_redis(node: LocalNode) -> None:
    node("XADD s MAXLEN 0 1 f v")
    node("XADD s 2 f v")
    node("XGROUP CREATE s g 0")
    node("XREADGROUP GROUP g c STREAMS s >")
    node("XACK s g 2")
    node("XGROUP CREATECONSUMER s g d")
    node("XGROUP SETID s g 1")
    node("XGROUP DELCONSUMER s g d")
    node("XGROUP DESTROY s g")
    assert events(node) == [
        "XADD ", "XDEL xtrim", "XADD ", "XGROUP xgroup-create", "XGROUP xgroup-createconsumer",
        "XDELIVER ", "XACK ", "XGROUP xgroup-createconsumer", "XGROUP xgroup-setid",
        "XGROUP xgroup-delconsumer", "XGROUP xgroup-destroy",
    ]  # fmt: skip


class Ends(Reader):
    """Notes of each unit whether the client's own bytes say it exactly."""

    def __init__(self) -> None:
        self.replayable: list[bool] = []

    def read(self, commit: Commit) -> None:
        self.replayable.append(commit.end != 0)


@pytest.mark.parametrize(
    "text",
    [
        "XADD s * f v", "XADD s MAXLEN 1 9 f v", "XDEL s 1 7", "XTRIM s MAXLEN 1", "XACK s g 1 7",
        "XGROUP CREATE s h $", "XREADGROUP GROUP g c STREAMS s >", "XCLAIM s g d 0 1",
        "XAUTOCLAIM s g d 0 0", "XSETID s 9", "XDELEX s IDS 1 1", "XACKDEL s g IDS 1 1",
        "XGROUP CREATECONSUMER s g new",
    ],
)  # fmt: skip
def test_own_bytes_do_not_travel_where_they_say_it_otherwise(node: LocalNode, text: str) -> None:
    all_done(
        node, "XADD s 1 f v", "XADD s 2 f v", "XGROUP CREATE s g 0",
        "XREADGROUP GROUP g c COUNT 1 STREAMS s >",
    )  # fmt: skip
    ends = Ends()
    node.engine.journal.wake(98, ends)
    args = [word.encode() for word in text.split()]
    node.engine.execute(node.sessions[0], 0, args, b"the client's bytes", 0, 18)
    assert ends.replayable == [False]


def test_the_limits_of_nodes_follow_config_set(node: LocalNode) -> None:
    node("CONFIG SET stream-node-max-entries 2")
    for i in range(1, 6):
        node(f"XADD s {i} f v")
    assert stream(node).node_count() == 3
    node("CONFIG SET stream-node-max-entries 100")
    node("XADD s 6 f v")
    assert stream(node).node_count() == 3


# --- a peer ---------------------------------------------------------------------------------------


def test_a_peer_that_reads_the_commands_has_the_same_stream(node: LocalNode) -> None:
    """Goal: canon says all of it. Method: every effect as a command, replayed at another node."""
    for i in range(1, 40):
        node(f"XADD s MAXLEN ~ 30 {i}-{i} f {i}")
    for text in (
        "XGROUP CREATE s g 0", "XGROUP CREATE s h 9 ENTRIESREAD 9",
        "XREADGROUP GROUP g a COUNT 9 STREAMS s >", "XREADGROUP GROUP g b NOACK STREAMS s >",
        "XREADGROUP GROUP h a COUNT 5 STREAMS s >", "XCLAIM s g b 0 3-3 4-4 RETRYCOUNT 6",
        "XACK s g 1-1 2-2", "XDEL s 5-5", "XAUTOCLAIM s g c 0 0 COUNT 3", "XGROUP SETID s h 3-3",
        "XGROUP CREATECONSUMER s h z", "XGROUP DELCONSUMER s h a", "XTRIM s MAXLEN 20 ACKED",
        "XTRIM s MAXLEN 10 DELREF", "XDELEX s DELREF IDS 1 39-39", "XSETID s 50-0 ENTRIESADDED 60",
        "XGROUP CREATE s gone 0", "XGROUP DESTROY s gone",
    ):  # fmt: skip
        assert not isinstance(node(text), Failure), text
    peer = LocalNode()
    for unit in node.recorder.units:
        effects: list[Effect] = []
        for effect in unit:
            words = command_of(effect)
            assert words is not None
            back = effect_of(words, 0, effect.stamp, 1, effect.index)
            assert back is not None
            effects.append(back)
        peer.engine.replay(0, effects, Seen())
    assert stream(peer).parts() == stream(node).parts()


def test_a_late_entry_of_a_peer_takes_its_place(node: LocalNode) -> None:
    all_done(node, "XADD s 5 f v", "XADD s 9 f v")
    late = effect_of([b"XADD", b"s", b"7-1", b"f", b"late"], 0, 1, 1, 0)
    assert late is not None
    node.engine.replay(0, [late], Seen())
    assert node("XRANGE s 6 8") == [[b"7-1", [b"f", b"late"]]]
    assert node("XLEN s") == 3
    assert stream(node).last_id >> 64 == 9


def test_the_plain_resolver_shows_everything() -> None:
    assert isinstance(LocalNode().engine.writer.resolver, Resolver)


# --- waiting --------------------------------------------------------------------------------------


@pytest.fixture
def other(node: LocalNode) -> int:
    """A second client."""
    return node.session()


def waits(node: LocalNode, client: int, text: str) -> None:
    assert isinstance(node(text, client), Parked)


def test_everybody_who_reads_is_served_by_one_entry(node: LocalNode, other: int) -> None:
    waits(node, 0, "XREAD BLOCK 0 STREAMS s t $ $")
    waits(node, other, "XREAD BLOCK 0 STREAMS t $")
    third = node.session()
    assert node("XADD t 5 f v", third) == b"5-0"
    expected = [[b"t", [[b"5-0", [b"f", b"v"]]]]]
    assert node.inbox(0).resumed == [expected]
    assert node.inbox(other).resumed == [expected]


def test_in_resp3_it_is_a_map(node: LocalNode, other: int) -> None:
    node("HELLO 3")
    waits(node, 0, "XREAD BLOCK 0 STREAMS s $")
    node("XADD s 5 f v", other)
    (reply,) = node.inbox(0).resumed
    assert isinstance(reply, Map)
    assert reply.items == [b"s", [[b"5-0", [b"f", b"v"]]]]


def test_dollar_stays_what_it_was(node: LocalNode, other: int) -> None:
    node("XADD s 5 f v")
    waits(node, 0, "XREAD BLOCK 0 STREAMS s $")
    for text in ("DEL s", "SET s x", "DEL s", "XADD s 4 f v", "XADD s 5 f v"):
        node(text, other)
    assert node.inbox(0).resumed == []
    node("XADD s 5-1 f v", other)
    assert node.inbox(0).resumed == [[[b"s", [[b"5-1", [b"f", b"v"]]]]]]


def test_an_entry_that_is_trimmed_at_once_serves_nobody(node: LocalNode, other: int) -> None:
    waits(node, 0, "XREAD BLOCK 0 STREAMS s $")
    node("XADD s MAXLEN 0 5 f v", other)
    assert node.inbox(0).resumed == []
    node("XADD s 6 f v", other)
    assert node.inbox(0).resumed == [[[b"s", [[b"6-0", [b"f", b"v"]]]]]]


def test_consumers_are_served_in_order_of_arrival_each_by_a_unit_of_its_own(
    node: LocalNode, other: int
) -> None:
    all_done(node, "XGROUP CREATE s g $ MKSTREAM", "XGROUP CREATECONSUMER s g a")
    waits(node, 0, "XREADGROUP GROUP g a BLOCK 0 STREAMS s >")
    waits(node, other, "XREADGROUP GROUP g b BLOCK 0 STREAMS s >")
    third = node.session()
    node("XADD s 5 f v", third)
    assert node.inbox(0).resumed == [[[b"s", [[b"5-0", [b"f", b"v"]]]]]]
    assert node.inbox(other).resumed == []
    assert [len(unit) for unit in node.recorder.units] == [1, 1, 1]
    node.effects()
    node("XADD s 6 f v", third)
    assert node.inbox(other).resumed == [[[b"s", [[b"6-0", [b"f", b"v"]]]]]]
    assert node.effects() == ["XADD s 6-0 f v", "XDELIVER s g b 6-0x1 last=6-0 read=2"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DEL s", b"NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option"),
        ("RENAME s t", b"NOGROUP No such key 's' or consumer group 'g'"),
        ("FLUSHALL", b"NOGROUP No such key 's' or consumer group 'g'"),
        ("XGROUP DESTROY s g", b"NOGROUP No such key 's' or consumer group 'g'"),
        ("SET s x", b"WRONGTYPE Operation against a key"),
    ],
)
def test_who_waits_in_a_group_is_told_when_it_goes(
    node: LocalNode, other: int, text: str, expected: bytes
) -> None:
    all_done(node, "XGROUP CREATE s g $ MKSTREAM")
    waits(node, 0, "XREADGROUP GROUP g a BLOCK 0 STREAMS s >")
    node(text, other)
    (reply,) = node.inbox(0).resumed
    assert isinstance(reply, Failure)
    assert reply.text.startswith(expected)


def test_another_group_that_goes_leaves_one_waiting(node: LocalNode, other: int) -> None:
    all_done(node, "XGROUP CREATE s g $ MKSTREAM", "XGROUP CREATE s h $")
    waits(node, 0, "XREADGROUP GROUP g a BLOCK 0 STREAMS s >")
    node("XGROUP DESTROY s h", other)
    assert node.inbox(0).resumed == []


def test_time_is_up_exactly(node: LocalNode) -> None:
    waits(node, 0, "XREAD BLOCK 100 STREAMS s $")
    node.advance(0.099)
    assert node.inbox(0).resumed == []
    node.advance(0.001)
    assert node.inbox(0).resumed == [NULL_ARRAY]


def test_a_peers_entry_serves_who_waits(node: LocalNode) -> None:
    waits(node, 0, "XREAD BLOCK 0 STREAMS s $")
    theirs = effect_of([b"XADD", b"s", b"5-0", b"f", b"v"], 0, 1, 1, 0)
    assert theirs is not None
    node.engine.replay(0, [theirs], Seen())
    node.engine.blocking.serve()
    assert node.inbox(0).resumed == [[[b"s", [[b"5-0", [b"f", b"v"]]]]]]
