"""The append-only file of frames: what a node alone and a member of a mesh get back from it."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from mesh.aof import Chain
from mesh.inbox import MORE
from node.net.connection import Connection
from node.persist.aof import LogFile
from node.persist.aof_files import AofError
from node.resp.replies import OK, Failure
from tests.support.lognode import START_S, LogNode
from tests.support.write_examples import EXAMPLES, words_of
from tests.unit.net.wires import FakeTransport, request

ACTIVE = ("--active-replica", "yes")
ALWAYS = ("--appendfsync", "always")
EMPTYING = ("flushall", "flushdb")
FORMS = [pytest.param((), id="alone"), pytest.param(ACTIVE, id="mesh")]


def play(node: LogNode) -> None:
    """Every example of every write command that can stand beside the others."""
    for name, examples in EXAMPLES.items():
        if name in EMPTYING:
            continue
        for number, lines in enumerate(examples):
            for line in lines:
                reply = node(*words_of(line, f"{name}{number}"))
                assert not isinstance(reply, Failure), f"{line}: {reply.text!r}"
            node("SELECT", "0")


# --- what comes back --------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_every_write_command_comes_back(tmp_path: Path, form: tuple[str, ...]) -> None:
    node = LogNode(tmp_path, *ALWAYS, *form)
    play(node)
    again = LogNode(tmp_path, *ALWAYS, *form, time_s=node.time_s)
    assert again.frames > 100
    assert again.digest() == node.digest()
    again("FLUSHALL")
    play(again)
    third = LogNode(tmp_path, *ALWAYS, *form, time_s=again.time_s)
    assert third.digest() == again.digest()


@pytest.mark.parametrize("form", FORMS)
def test_a_file_cut_at_any_byte_is_repaired_to_whole_frames(
    tmp_path: Path, form: tuple[str, ...]
) -> None:
    node = LogNode(tmp_path, *ALWAYS, *form)
    states: dict[int, bytes] = {}
    for words in (("INCR", "k"), ("SADD", "s", "x"), ("RPUSH", "l", "a")):
        node(*words)
        states[node.store.log.size] = node.digest()
    path = node.increment()
    whole = path.read_bytes()
    for size in range(sorted(states)[1] - 3, len(whole) + 1):
        path.write_bytes(whole[:size])
        again = LogNode(tmp_path, *ALWAYS, *form)
        last = max(each for each in states if each <= size)
        assert again.digest() == states[last], size
        again.aof.close()
        assert path.read_bytes().startswith(whole[:last])


@pytest.mark.parametrize("form", FORMS)
def test_a_background_rewrite_between_writes_loses_nothing(
    tmp_path: Path, form: tuple[str, ...]
) -> None:
    node = LogNode(tmp_path, *ALWAYS, *form)
    for number in range(200):
        node("HSET", f"hash{number % 50}", str(number), "v")
        node("ZADD", "zset", str(number), str(number))
        node("LPUSH", "list", str(number))
    node.store.rewrite()
    number = 0
    while node.store.rewriting:
        node.tell("INCR", "counter")
        node.tell("RPUSH", "list", str(number))
        node.tell("SET", f"new{number}", "v")
        number += 1
        if node.queue:
            node.queue.popleft()()
        if number % 20 == 1:  # a crash at this point
            node.aof.collect()
            folder = tmp_path / f"crash{number}"
            shutil.copytree(tmp_path / "appendonlydir", folder / "appendonlydir")
            crashed = LogNode(folder, *ALWAYS, *form, time_s=node.time_s)
            assert crashed.digest() == node.digest(), number
    node.turn()
    node("INCR", "counter")
    files = {each.name for each in (tmp_path / "appendonlydir").iterdir()}
    again = LogNode(tmp_path, *ALWAYS, *form, time_s=node.time_s)
    assert again.digest() == node.digest() and again("GET", "counter") == b"%d" % (number + 1)
    assert len(files) <= 3, files


def test_what_lived_and_ended_in_between_does_not_come_back(tmp_path: Path) -> None:
    """No message says that a deadline has passed: a creation behind it finds nothing."""
    node = LogNode(tmp_path, *ALWAYS)
    node("SET", "k", "5", "PX", "100")
    node("HSET", "h", "f", "1", "g", "1")
    node("HPEXPIRE", "h", "100", "FIELDS", "1", "f")
    node("SET", "kept", "1", "PX", "1000")
    node.later(0.2)
    node("INCR", "k")
    node("HINCRBY", "h", "f", "1")
    node("PERSIST", "kept")
    again = LogNode(tmp_path, *ALWAYS, time_s=START_S + 5.0)
    assert again("GET", "k") == b"1" and again("HGET", "h", "f") == b"1"
    assert again("GET", "kept") == b"1" and again("TTL", "kept") == -1
    assert not any(db.hidden for db in again.engine.databases)


def test_a_key_put_off_by_a_frame_is_not_lost_with_the_base(tmp_path: Path) -> None:
    node = LogNode(tmp_path, *ALWAYS)
    node("SET", "k", "5", "PX", "1000")
    node.store.rewrite()
    node.turn()
    node("PERSIST", "k")
    assert LogNode(tmp_path, *ALWAYS, time_s=START_S + 5.0)("GET", "k") == b"5"


def test_flushes_and_exchanged_databases_come_back(tmp_path: Path) -> None:
    node = LogNode(tmp_path, *ALWAYS)
    for words in (
        ("SET", "a", "1"), ("SWAPDB", "0", "1"), ("SET", "b", "2"), ("FLUSHDB",), ("SET", "c", "3"),
    ):  # fmt: skip
        node(*words)
    again = LogNode(tmp_path, *ALWAYS)
    assert again.digest() == node.digest() and again("GET", "c") == b"3"
    again("SELECT", "1")
    assert again("GET", "a") == b"1"


def test_a_node_joins_and_leaves_a_mesh_with_its_file(tmp_path: Path) -> None:
    alone = LogNode(tmp_path, *ALWAYS)
    play(alone)
    member = LogNode(tmp_path, *ALWAYS, *ACTIVE, time_s=alone.time_s)
    assert member.digest() == alone.digest() and member.aof.kind == "mesh"
    member("RPUSH", "late", "x")
    again = LogNode(tmp_path, *ALWAYS, *ACTIVE, time_s=alone.time_s)
    assert again.digest() == member.digest()
    left = LogNode(tmp_path, *ALWAYS, time_s=alone.time_s)
    assert left.digest() == member.digest() and left.aof.kind == "alone"
    assert all(entry.dots is None for db in left.engine.databases for shard in db.keys.dicts
               for entry in shard.values())  # fmt: skip
    left("LPOP", "late")
    assert LogNode(tmp_path, *ALWAYS, time_s=alone.time_s).digest() == left.digest()


def test_a_node_that_joins_while_it_runs_begins_its_file_anew(tmp_path: Path) -> None:
    node = LogNode(tmp_path, *ALWAYS)
    node("SADD", "s", "a", "b")
    node.config.set("active-replica", ["yes"])
    node.activate()
    node("SREM", "s", "a")
    again = LogNode(tmp_path, *ALWAYS, *ACTIVE)
    assert again.digest() == node.digest() and again("SCARD", "s") == 1
    assert node.streams.own.uuid in again.member.vector()


# --- a member among others --------------------------------------------------------------------


def frames_of(node: LogNode) -> bytes:
    """All frames that a node has made."""
    node.member.backlog.flush()
    return b"".join(chunk.data for chunk in node.member.backlog.chunks)


def test_frames_of_others_are_kept_whole_and_can_be_served_after_a_restart(tmp_path: Path) -> None:
    peer = LogNode(tmp_path / "none", "--appendonly", "no", *ACTIVE)
    peer.activate()
    node = LogNode(tmp_path, *ALWAYS, *ACTIVE)
    for number in range(5):
        peer("SADD", "s", str(number))
    own = node.streams.own
    first = int(own.seen)
    data = frames_of(peer)
    assert node.member.inbox().take(data, 0) == MORE
    node("SREM", "s", "1")
    again = LogNode(tmp_path, *ALWAYS, *ACTIVE)
    assert again.member.vector() == node.member.vector() | {
        again.streams.own.uuid: int(again.streams.own.seen)
    }
    assert again.digest() == node.digest()
    served = again.member.backlog.resume({own.uuid: first}, b"")
    assert served is not None and data in b"".join(served)


def test_behind_a_gap_nothing_is_applied_and_a_new_file_is_begun(tmp_path: Path) -> None:
    peer = LogNode(tmp_path / "none", "--appendonly", "no", *ACTIVE)
    peer.activate()
    node = LogNode(tmp_path, *ALWAYS, *ACTIVE)
    inbox = node.member.inbox()
    start = len(frames_of(peer))
    inbox.take(frames_of(peer), 0)
    peer("SET", "transferred", "1")
    frames_of(peer)
    stream = node.streams.of(peer.streams.own.uuid)
    before = int(stream.seen)
    stream.seen = peer.streams.own.seen  # as a transfer leaves it: the data came another way
    node.member.backlog.hole(stream.number, stream.seen)
    passed = len(frames_of(peer))
    peer("SET", "behind", "1")
    inbox.take(frames_of(peer)[passed:], 0)
    node("SET", "own", "1")
    assert start < passed
    held = node.aof.held_vector()
    assert held is not None and held[stream.uuid] == before
    again = LogNode(tmp_path, *ALWAYS, *ACTIVE)
    assert again("GET", "own") == b"1" and again("GET", "behind") is None
    assert int(again.streams.of(stream.uuid).seen) == before
    node.later(0.1)
    held = node.aof.held_vector()
    assert held is not None and held[stream.uuid] == int(stream.seen)
    assert LogNode(tmp_path, *ALWAYS, *ACTIVE)("GET", "behind") == b"1"


def test_what_is_held_is_what_was_flushed(tmp_path: Path) -> None:
    node = LogNode(tmp_path, *ALWAYS, *ACTIVE, steps=True)
    node.worker.wait()
    node.turn()
    node.worker.wait()
    own = node.streams.own
    before = int(own.seen)
    node("SET", "k", "v")
    held = node.aof.held_vector()
    assert held is not None and held[own.uuid] == before < own.seen
    node.worker.wait()
    held = node.aof.held_vector()
    assert held is not None and held[own.uuid] == int(own.seen)
    node.aof.turn_off()
    assert node.aof.held_vector() is None


def test_a_new_own_stream_is_not_in_the_file_before_a_new_one_is_begun() -> None:
    chain = Chain({0: 5, 1: 3})
    chain.renewed(4)
    chain.note(0, 9)
    assert chain.ends == {1: 3, 4: 5} and chain.holes == {0}


def connected(node: LogNode) -> tuple[Connection, FakeTransport]:
    """A client of the node."""
    client = Connection(node.hub)
    transport = FakeTransport()
    client.connection_made(transport)
    return client, transport


@pytest.mark.parametrize("form", FORMS)
def test_a_reply_leaves_when_the_disk_has_its_write(tmp_path: Path, form: tuple[str, ...]) -> None:
    node = LogNode(tmp_path, *ALWAYS, *form, steps=True)
    node.turn()
    node.worker.wait()
    client, transport = connected(node)
    other, to_other = connected(node)
    client.data_received(request(b"SET", b"k", b"v"))
    other.data_received(request(b"GET", b"k"))
    node.turn()
    assert transport.sent == b"" and to_other.sent == b""
    assert b"SET" in node.increment().read_bytes() or node.worker.jobs
    node.worker.wait()
    assert transport.sent == b"+OK\r\n" and to_other.sent == b"$1\r\nv\r\n"
    assert LogNode(tmp_path, *ALWAYS, *form)("GET", "k") == b"v"


def test_everysec_does_not_keep_a_client_waiting(tmp_path: Path) -> None:
    node = LogNode(tmp_path, steps=True)
    client, transport = connected(node)
    client.data_received(request(b"SET", b"k", b"v"))
    assert transport.sent == b"+OK\r\n"
    node.turn()
    assert b"SET" in node.increment().read_bytes()


# --- trouble ----------------------------------------------------------------------------------


class FullFile(LogFile):
    """A file on a disk without room."""

    def write(self, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_on_a_full_disk_writes_are_refused_and_reads_go_on(tmp_path: Path) -> None:
    node = LogNode(tmp_path, *ALWAYS)
    node("SET", "k", "1")
    path = node.increment()
    full = FullFile(path, node.store.log.size)
    good = node.store.log.file
    node.store.log.file = full
    assert node("SET", "k", "2") is OK, "its reply is held back: test_gate.py"
    refused = node("SET", "k", "3")
    assert isinstance(refused, Failure)
    assert refused.text == b"MISCONF Errors writing to the AOF file: No space left on device"
    assert node("GET", "k") == b"2"
    assert ("aof_last_write_status", "err") in node.store.info()
    node.store.log.file = good
    node.later(1.1)
    assert node("SET", "k", "4") is OK
    assert ("aof_last_write_status", "ok") in node.store.info()
    assert LogNode(tmp_path, *ALWAYS)("GET", "k") == b"4"


def test_damage_names_the_place_and_the_remedy(tmp_path: Path) -> None:
    node = LogNode(tmp_path, *ALWAYS)
    for number in range(4):
        node("SET", f"k{number}", "v")
    path = node.increment()
    data = path.read_bytes()
    at = data.rindex(b"*9\r\n", 0, data.index(b"k2"))
    path.write_bytes(data[:at] + b"+" + data[at + 1 :])
    with pytest.raises(AofError, match=f"damaged at byte {at}: .*truncate -s {at} "):
        LogNode(tmp_path, *ALWAYS)


def test_zeros_behind_a_torn_frame_are_an_end_that_a_crash_left(tmp_path: Path) -> None:
    node = LogNode(tmp_path, *ALWAYS)
    node("SET", "a", "1")
    size = node.store.log.size
    node("SET", "b", "1")
    path = node.increment()
    data = path.read_bytes()
    path.write_bytes(data[: size + 60] + bytes(500))
    again = LogNode(tmp_path, *ALWAYS)
    assert again("GET", "a") == b"1" and again("GET", "b") is None
    assert path.read_bytes() == data[:size]


def test_switched_off_it_writes_no_more_and_on_again_it_begins_anew(tmp_path: Path) -> None:
    node = LogNode(tmp_path, "--appendonly", "no", *ALWAYS)
    node("SET", "k", "1")
    assert node.aof.turn_on() == ""
    node("INCR", "k")
    node.turn()
    assert LogNode(tmp_path, *ALWAYS)("GET", "k") == b"2"
    node.aof.turn_off()
    node("INCR", "k")
    assert LogNode(tmp_path, *ALWAYS)("GET", "k") == b"2"
    assert node.aof.turn_on() == ""
    node.turn()
    assert LogNode(tmp_path, *ALWAYS)("GET", "k") == b"3"
