"""Tokens and waits: a client reads elsewhere what it wrote here, and nobody waits for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

import conf
from mesh.agent import Agent
from mesh.clock import HybridClock
from mesh.digest import RANGES, range_digests, range_of
from mesh.dots import Stream, Streams, pack_marks
from mesh.feed import Feed
from mesh.merge.resolver import StampResolver
from mesh.status import IN_SYNC
from mesh.waiting import Waiting, covers, token_of, vector_of
from node.commands.command import register
from node.commands.table import MODULES, load
from node.engine import Engine
from node.resp.replies import Failure, Map
from node.session import Session
from node.store.effect import PUT, Effect
from tests.mesh.stories import Mesh, pair, trio
from tests.support.local import Inbox
from tests.support.simulation import World

PEER = b"\x02" * 16
STAMP_OF_64 = b"v1." + b"_" * 32  # stamps have 63 bits
MEMBERS = (b"b" * 32, b"c" * 32, b"d" * 32)


# --- tokens ---------------------------------------------------------------------------------------


def test_a_token_is_covered_where_everything_has_arrived() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    a("SET", "k", "v")
    vector = vector_of(token_of(a.member.vector()))
    assert covers(a.streams, vector)
    assert not covers(b.streams, vector)
    mesh.up(a, b)
    assert covers(b.streams, vector)
    assert b("GET", "k") == b"v"


def test_a_token_holds_what_the_node_had_from_others() -> None:
    """Causality, not only the own writes: c must have what b had read from a."""
    mesh, a, b, c = trio()
    mesh.cut_all()
    a("SET", "k", "v")
    mesh.up(a, b)
    vector = vector_of(token_of(b.member.vector()))
    assert not covers(c.streams, vector)
    mesh.up(a, c)
    mesh.up(b, c)
    assert covers(c.streams, vector) and c("GET", "k") == b"v"


def test_during_a_transfer_the_vector_has_not_moved() -> None:
    mesh = Mesh("")
    a = mesh.add("a", active=False)
    for number in range(20):
        a("SET", f"k{number}", "v")
    a.activate()
    a("SET", "k", "v")
    b = mesh.add("b")
    vector = vector_of(token_of(a.member.vector()))
    seen = False
    for _ in range(200):
        mesh.step((0, 1))
        for node in mesh.nodes:
            node.work()
        here = covers(b.streams, vector)
        assert not here or b("GET", "k") == b"v"
        seen = seen or (b.member.staging is not None and not here)
    assert seen, "no transfer was seen"
    mesh.heal()
    assert covers(b.streams, vector)


def test_an_ended_stream_counts_as_reached() -> None:
    """What its process had written and lost will never come: nobody waits for it."""
    streams = Streams(b"\x01" * 16)
    stream = streams.of(PEER)
    stream.seen = 5
    assert not covers(streams, {PEER: 9})
    stream.ended = True
    stream.end = 5
    assert covers(streams, {PEER: 9})


@pytest.mark.parametrize(
    "text",
    [b"", b"v1", b"v2.AAAA", b"v1.?", b"v1.AAAA", b"v1." + b"A" * (32 * 2048 + 32), STAMP_OF_64],
)
def test_what_is_no_token_is_refused(text: bytes) -> None:
    with pytest.raises(Failure, match="no token"):
        vector_of(text)


def test_a_token_is_text_of_32_characters_a_stream() -> None:
    vector = {bytes([number]) * 16: number << 40 for number in range(1, 9)}
    token = token_of(vector)
    assert len(token) == 3 + 8 * 32 and token.isascii() and b" " not in token
    assert vector_of(token) == vector


# --- an agent without sockets ---------------------------------------------------------------------


class Lone:
    """An active node whose followers are made up; `client` has an outlet that is looked into."""

    def __init__(self, folder: Path) -> None:
        load()
        config = conf.load(["--active-replica", "yes", "--databases", "2"]).config
        streams = Streams(b"\x01" * 16)
        resolver = StampResolver(streams)
        self.engine = Engine(config, HybridClock(), resolver)
        self.agent = Agent(config, self.engine, resolver, streams, str(folder))
        for command in self.agent.commands:  # those of this agent, whoever was there before
            register(command)
        self.agent.member.activate()
        self.engine.wake(1_700_000_000.0)
        self.client: Session = self.engine.session()
        self.outlet = Inbox()
        self.client.outlet = self.outlet
        self.feeds: list[Feed] = []
        for number, member in enumerate(MEMBERS):
            feed = Feed(self.agent, "10.0.0.1", 7000 + number, member, bytes([number + 2]) * 16)
            feed.state = IN_SYNC
            self.feeds.append(feed)
            self.agent.feeds.append(feed)

    def __call__(self, *words: str | bytes) -> object:
        args = [word.encode() if isinstance(word, str) else word for word in words]
        return self.engine.execute(self.client, 0, args, b"", 0, 0)

    def acks(self, *numbers: int) -> None:
        """These followers have applied all that was written."""
        for number in numbers:
            self.feeds[number].acked_stamp = int(self.client.last_write)
        self.agent.acked()

    def marked(self) -> Stream:
        """A stream of the last member, whose marks say that it has all of ours."""
        streams = self.agent.streams
        stream = streams.of(b"\x09" * 16)
        stream.member = MEMBERS[2]
        streams.add_marks(stream, pack_marks({streams.own.uuid: int(streams.own.seen)}))
        return stream


@pytest.fixture
def lone(tmp_path: Path) -> Lone:
    return Lone(tmp_path)


def test_the_mesh_adds_commands_and_replaces_none_of_the_nodes(lone: Lone) -> None:
    own = {command.fullname for commands in MODULES for command in commands}
    assert not own & {command.fullname for command in lone.agent.commands}


def test_waitfor_answers_when_the_vector_covers_the_token(lone: Lone) -> None:
    stream = lone.agent.streams.of(PEER)
    token = token_of({PEER: 7 << 20})
    parked = lone("MESH", "WAITFOR", token, "1000")
    assert isinstance(parked, Waiting)
    stream.seen = (7 << 20) - 1
    lone.agent.after_frames()
    assert not lone.outlet.resumed
    stream.seen = 7 << 20
    lone.agent.after_frames()
    assert lone.outlet.resumed == [1]
    assert lone("MESH", "WAITFOR", token, "1000") == 1


def test_waitfor_gives_up_after_its_time(lone: Lone) -> None:
    lone("MESH", "WAITFOR", token_of({PEER: 7}), "1000")
    lone.engine.time_out(1_700_000_000.999)
    assert not lone.outlet.resumed
    lone.engine.time_out(1_700_000_001.001)
    assert lone.outlet.resumed == [0]
    assert not lone.agent.waits.for_frames and not lone.agent.waits.for_acks


@pytest.mark.parametrize("timeout", ["0", "99999999999"])
def test_no_wait_is_longer_than_the_directive_says(lone: Lone, timeout: str) -> None:
    lone.agent.config.set("mesh-wait-max-ms", ["5000"])
    lone("SET", "k", "v")
    for words in (
        ["MESH", "WAITFOR", token_of({PEER: 7})], ["MESH", "WAIT", "all"], ["WAIT", "3"],
    ):  # fmt: skip
        lone(*words, timeout)
        lone.engine.time_out(1_700_000_004.9)
        assert not lone.outlet.resumed
        lone.engine.time_out(1_700_000_005.1)
        assert lone.outlet.resumed == [0]
        lone.outlet.resumed.clear()
        lone.engine.wake(1_700_000_000.0)


def test_wait_with_timeout_0_ends_too(lone: Lone) -> None:
    lone("SET", "k", "v")
    lone("WAIT", "3", "0")
    lone.acks(0)
    lone.engine.time_out(1_700_000_000.0 + 300.1)
    assert lone.outlet.resumed == [1]


def test_a_token_says_what_was_written_here(lone: Lone) -> None:
    lone("SET", "k", "v")
    token = lone("MESH", "TOKEN")
    assert isinstance(token, bytes)
    assert vector_of(token) == {b"\x01" * 16: int(lone.client.last_write)}
    assert lone("MESH", "WAITFOR", token, "0") == 1


def test_a_client_that_goes_away_waits_no_more(lone: Lone) -> None:
    lone("MESH", "WAITFOR", token_of({PEER: 7}), "1000")
    lone.engine.end(lone.client)
    assert not lone.agent.waits.for_frames and not lone.agent.waits.for_acks
    lone.agent.streams.of(PEER).seen = 8
    lone.agent.after_frames()
    assert not lone.outlet.resumed


def test_mesh_wait_all_needs_every_member(lone: Lone) -> None:
    lone("SET", "k", "v")
    assert isinstance(lone("MESH", "WAIT", "all", "1000"), Waiting)
    lone.acks(0, 1)
    assert not lone.outlet.resumed
    lone.acks(2)
    assert lone.outlet.resumed == [1]


def test_mesh_wait_majority_counts_this_node(lone: Lone) -> None:
    """Of four members three: this one and two others."""
    lone("SET", "k", "v")
    lone("MESH", "WAIT", "MAJORITY", "1000")
    lone.acks(0)
    assert not lone.outlet.resumed
    lone.acks(2)
    assert lone.outlet.resumed == [1]


def test_mesh_wait_for_named_members(lone: Lone) -> None:
    lone("SET", "k", "v")
    lone("MESH", "WAIT", MEMBERS[0], "10.0.0.1:7002", "1000")
    lone.acks(0, 1)
    assert not lone.outlet.resumed
    lone.acks(2)
    assert lone.outlet.resumed == [1]


def test_a_member_that_is_expelled_meanwhile_is_waited_for_no_more(lone: Lone) -> None:
    lone("SET", "k", "v")
    lone("MESH", "WAIT", "all", "1000")
    lone.acks(0, 1)
    assert not lone.outlet.resumed
    said: dict[str, object] = {"state": "expelled", "by": "", "why": "a test"}
    lone.agent.member.change_membership([(MEMBERS[2] + b".end", said)])
    lone.agent.acked()
    assert lone.outlet.resumed == [1]


def test_this_node_may_be_among_those_that_are_named(lone: Lone) -> None:
    lone("SET", "k", "v")
    lone("MESH", "WAIT", lone.agent.member.member_id, MEMBERS[0], "1000")
    lone.acks(0)
    assert lone.outlet.resumed == [1]


def test_a_member_that_is_reached_through_another_says_so_by_its_marks(lone: Lone) -> None:
    lone("SET", "k", "v")
    far = lone.feeds.pop()
    lone.agent.feeds.remove(far)
    stream = lone.agent.streams.of(b"\x09" * 16)
    stream.member = MEMBERS[2]
    lone("MESH", "WAIT", "all", "1000")
    lone.acks(0, 1)
    own = lone.agent.streams.own
    lone.agent.streams.add_marks(stream, pack_marks({own.uuid: int(own.seen)}))
    assert lone.agent.waits.has_applied(MEMBERS[2], int(lone.client.last_write))
    lone.agent.after_frames()
    assert lone.outlet.resumed == [1]


def test_wait_counts_members_that_are_reached_through_another(lone: Lone) -> None:
    lone("SET", "k", "v")
    lone.agent.feeds.remove(lone.feeds.pop())
    stream = lone.agent.streams.of(b"\x09" * 16)
    stream.member = MEMBERS[2]
    lone("WAIT", "3", "1000")
    lone.acks(0, 1)
    assert not lone.outlet.resumed
    own = lone.agent.streams.own
    lone.agent.streams.add_marks(stream, pack_marks({own.uuid: int(own.seen)}))
    lone.agent.after_frames()
    assert lone.outlet.resumed == [3]


def test_what_a_process_had_that_has_ended_counts_no_more(lone: Lone) -> None:
    """Who has started again says itself what it has: the end of it may be lost."""
    lone("SET", "k", "v")
    lone.agent.feeds.clear()
    stream = lone.marked()
    stamp = int(lone.client.last_write)
    assert lone.agent.waits.reached(stamp) == 1
    assert lone.agent.waits.has_applied(MEMBERS[2], stamp)
    stream.closing = True
    assert lone.agent.waits.reached(stamp) == 0
    assert not lone.agent.waits.has_applied(MEMBERS[2], stamp)


def test_who_is_expelled_counts_no_more(lone: Lone) -> None:
    lone("SET", "k", "v")
    lone.agent.feeds.clear()
    lone.marked()
    said: dict[str, object] = {"state": "expelled", "by": "", "why": "a test"}
    lone.agent.member.change_membership([(MEMBERS[2] + b".end", said)])
    assert lone.agent.waits.reached(int(lone.client.last_write)) == 0


def test_a_link_that_never_came_up_is_waited_for_in_vain(lone: Lone) -> None:
    lone.agent.member.started = False
    lone.agent.add_link("10.0.0.9", 7009, True)
    lone("SET", "k", "v")
    lone("MESH", "WAIT", "all", "1000")
    lone.acks(0, 1, 2)
    lone.engine.time_out(1_700_000_001.1)
    assert lone.outlet.resumed == [0]


def test_who_wrote_nothing_waits_for_nothing(lone: Lone) -> None:
    assert lone("MESH", "WAIT", "all", "0") == 1
    assert lone("WAIT", "3", "0") == 3


def test_unknown_members_and_bad_timeouts_are_errors(lone: Lone) -> None:
    lone("SET", "k", "v")
    for words, text in (
        (("MESH", "WAIT", "nobody", "1"), b"ERR no member of the mesh is called 'nobody'"),
        (("MESH", "WAIT", "all", "x"), b"ERR timeout is not an integer or out of range"),
        (("MESH", "WAIT", "all", "-1"), b"ERR timeout is negative"),
        (("MESH", "WAITFOR", "v1.", "x"), b"ERR timeout is not an integer or out of range"),
        (("MESH", "WAITFOR", "no", "1"), b"ERR that is no token"),
        (("WAIT", "9", str((1 << 63) - 1)), b"ERR timeout is out of range"),
    ):
        reply = lone(*words)
        assert isinstance(reply, Failure) and reply.text.startswith(text), reply


def test_inside_a_transaction_everything_answers_at_once(lone: Lone) -> None:
    lone("MULTI")
    lone("SET", "k", "v")
    lone("WAIT", "1", "0")
    lone("MESH", "WAIT", "all", "0")
    lone("MESH", "WAITFOR", token_of({PEER: 7}), "0")
    lone("MESH", "TOKEN")
    reply = lone("EXEC")
    assert isinstance(reply, list) and len(reply) == 5
    assert reply[3] == 0 and isinstance(reply[4], bytes)


# --- what is shown --------------------------------------------------------------------------------


def test_conflicts_are_listed_newest_first_and_filtered(lone: Lone) -> None:
    kept = lone.agent.member.memory.conflicts
    lone("SET", "k", "v")
    for number, kind in enumerate(("overwrite", "removed_unseen", "overwrite")):
        kept.note(kind, Effect(PUT, 0, b"k%d" % number, b"v", 0, 9 << 20, 0, 0), b"", b"v",
                  5 << 20, 0, b"w", True)  # fmt: skip

    def ids(*words: str) -> list[object]:
        reply = lone("MESH", "CONFLICTS", *words)
        assert isinstance(reply, Map)
        fields = dict(zip(reply.items[::2], reply.items[1::2], strict=True))
        last = fields[b"last"]
        assert isinstance(last, list)
        return [each.items[1] for each in last]

    assert ids() == [3, 2, 1]
    assert ids("COUNT", "1") == [3]
    assert ids("KIND", "overwrite") == [3, 1]
    assert ids("KEY", "k1", "COUNT", "5") == [2]
    assert ids("RESET") == [3, 2, 1]
    assert ids() == [] and kept.counts["overwrite"] == 0
    for words in (("KIND", "none"), ("COUNT", "0"), ("COUNT",), ("MORE",)):
        assert isinstance(lone("MESH", "CONFLICTS", *words), Failure), words


def test_help_names_every_subcommand(lone: Lone) -> None:
    reply = lone("MESH", "HELP")
    assert isinstance(reply, list)
    lines = [each.text for each in reply]
    assert lines[0].startswith(b"MESH <subcommand>") and lines[-2:][0] == b"HELP"
    for command in lone.agent.commands:
        if command.subname:
            name = command.subname.upper()
            assert any(line.split(b" ")[0] == name for line in lines), name


def test_explain_takes_a_database_and_a_place(lone: Lone) -> None:
    lone("HSET", "h", "f", "v")
    lone("SELECT", "1")

    def kind(*words: str) -> object:
        reply = lone("MESH", "EXPLAIN", *words)
        assert isinstance(reply, Map)
        fields = dict(zip(reply.items[::2], reply.items[1::2], strict=True))
        return fields[b"type"], b"place" in fields

    assert kind("h") == (b"none", False)
    assert kind("h", "0") == (b"hash", False)
    assert kind("h", "0", "PLACE", "f") == (b"hash", True)
    for words in (("h", "9"), ("h", "x"), ("h", "PLACE"), ("h", "0", "f")):
        assert isinstance(lone("MESH", "EXPLAIN", *words), Failure), words


@pytest.mark.parametrize("place", ["9" * 5000, "-" + "9" * 5000, "9" * 5000 + "-1", "-", "--1"])
def test_explain_of_a_place_that_cannot_be_tells_of_none(lone: Lone, place: str) -> None:
    lone("RPUSH", "l", "x")
    lone("XADD", "x", "5-1", "f", "v")
    for key in ("l", "x"):
        reply = lone("MESH", "EXPLAIN", key, "PLACE", place)
        assert isinstance(reply, Map)
        fields = dict(zip(reply.items[::2], reply.items[1::2], strict=True))
        told = fields[b"place"]
        assert isinstance(told, Map) and told.items == [b"name", place.encode()]


def test_digests_by_range_are_of_what_shows_and_of_no_order(lone: Lone) -> None:
    mesh, a, b = pair()
    for number in range(50):
        a("SET", f"k{number}", "v")
        a("SADD", "s", f"m{number}")
    mesh.heal()
    b("SADD", "other", "x")
    b("DEL", "other")
    mesh.heal()
    ranges = range_digests(a.engine.databases)
    assert len(ranges) == RANGES and ranges == range_digests(b.engine.databases)
    b("SET", "k7", "w")
    now = range_digests(b.engine.databases)
    assert [at for at in range(RANGES) if now[at] != ranges[at]] == [range_of(b"k7")]
    b("DEL", "k7")
    a("DEL", "k7")
    assert range_digests(a.engine.databases) == range_digests(b.engine.databases)


def test_mesh_digest_is_of_all_databases_of_one_or_of_ranges(lone: Lone) -> None:
    zeros = b"0" * 40
    assert lone("MESH", "DIGEST") == zeros
    lone("SET", "k", "v")
    whole = lone("MESH", "DIGEST")
    assert whole == lone("MESH", "DIGEST", "0") != zeros
    assert lone("MESH", "DIGEST", "1") == zeros
    ranges = lone("MESH", "DIGEST", "RANGES")
    assert isinstance(ranges, list) and len(ranges) == RANGES
    assert sum(each != b"0" * 32 for each in ranges) == 1
    assert set(lone("MESH", "DIGEST", "1", "RANGES")) == {b"0" * 32}  # type: ignore[call-overload]
    assert isinstance(lone("MESH", "DIGEST", "2"), Failure)
    assert isinstance(lone("MESH", "DIGEST", "0", "1"), Failure)


@pytest.mark.parametrize("seed", range(12))
def test_a_covered_token_means_that_the_write_is_there(seed: int) -> None:
    """Three nodes, links that come and go, transfers: never is a token covered too early."""
    world = World(seed, nodes=3, backlog_bytes=4000 if seed % 3 == 0 else 0)
    chance = world.random
    tokens: list[tuple[bytes, bytes]] = []
    covered = 0
    for step in range(120):
        world.time_s += 0.003
        node = chance.choice(world.nodes)
        name = f"m{step}"
        node("SADD", "s", name)
        token = token_of(node.member.vector())
        tokens.append((name.encode(), token))
        for _ in range(6):
            world.step(chance.choice(list(world.wires)))
        if chance.random() < 0.1:
            pair = chance.choice(list(world.wires))
            world.cut(*pair)
        if chance.random() < 0.1:
            world.down.clear()
        for each in world.nodes:
            each.work()
            written, vector = chance.choice(tokens)
            if covers(each.streams, vector_of(vector)):
                covered += 1
                assert each("SISMEMBER", "s", written) == 1
    world.settle()
    world.check()
    assert covered > 20
    for each in world.nodes:
        assert all(covers(each.streams, vector_of(vector)) for _, vector in tokens)
