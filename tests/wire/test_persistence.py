"""Saving, restarting, loading, with real processes: nothing is lost that was said to be saved."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from node.persist import rdb_codes as codes
from node.persist.rdb_records import Opaque
from node.persist.rdb_writer import RdbWriter
from tests.support.ports import free_port
from tests.support.servers import ROOT, Client, Ours, RealRedis, wait_until
from tests.support.transcript import Shown

pytestmark = pytest.mark.wire
QUIET = ("--admin-bind", "")
POINTS = "3600 1 300 100"


def fill(client: Client) -> None:
    """One key of each type, with a deadline and in two databases."""
    for words in (
        "SET text hello",
        "SET counter 41",
        "SET mortal soon EX 1000",
        "SADD numbers 1 2 3",
        "SADD words a b c",
        "HSET hash f v g w",
        "RPUSH list a b a",
        "ZADD zset 1.5 m -inf n",
        "XADD stream 1-1 f v",
        "XADD stream 2-1 f w",
        "XGROUP CREATE stream group 1-1",
        "PFADD sketch a b c",
        "SELECT 5",
        "SET other x",
        "SELECT 0",
    ):
        assert client.call(*words.split()).kind != "error"


def check(client: Client) -> None:
    """Everything that `fill` wrote is there."""
    assert client.call("GET", "text").text == b"hello"
    assert client.call("INCR", "counter").text == b"42"
    assert 900 < int(client.call("TTL", "mortal").text) <= 1000
    assert members(client.call("SMEMBERS", "numbers")) == {b"1", b"2", b"3"}
    assert members(client.call("SMEMBERS", "words")) == {b"a", b"b", b"c"}
    assert client.call("HGET", "hash", "g").text == b"w"
    assert texts(client.call("LRANGE", "list", "0", "-1")) == [b"a", b"b", b"a"]
    assert texts(client.call("ZRANGE", "zset", "0", "-1", "WITHSCORES")) == [
        b"n", b"-inf", b"m", b"1.5",
    ]  # fmt: skip
    assert client.call("XLEN", "stream").text == b"2"
    assert client.call("XINFO", "GROUPS", "stream").items[0].items[7].text == b"1-1"
    assert client.call("PFCOUNT", "sketch").text == b"3"
    client.call("SELECT", "5")
    assert client.call("GET", "other").text == b"x"
    client.call("SELECT", "0")


def members(reply: Shown) -> set[bytes]:
    """The texts of an aggregate."""
    return {item.text for item in reply.items}


def texts(reply: Shown) -> list[bytes]:
    """The texts of an array."""
    return [item.text for item in reply.items]


def field(client: Client, name: str) -> str:
    """A field of INFO persistence."""
    text = client.call("INFO", "persistence").text.decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)[name]


def test_save_survives_a_crash() -> None:
    with Ours(*QUIET, "--save", "") as server:
        with server.client() as client:
            fill(client)
            assert client.call("SAVE").text == b"OK"
        server.kill()
        server.start()
        with server.client() as client:
            check(client)


def test_bgsave_survives_a_crash_and_later_writes_do_not() -> None:
    with Ours(*QUIET, "--save", "") as server:
        with server.client() as client:
            fill(client)
            before = int(client.call("LASTSAVE").text)
            assert client.call("BGSAVE").text == b"Background saving started"
            wait_until(lambda: field(client, "rdb_saves") == "1", "the save to end")
            assert field(client, "rdb_last_bgsave_status") == "ok"
            assert int(client.call("LASTSAVE").text) >= before
            client.call("SET", "later", "1")
        server.kill()
        server.start()
        with server.client() as client:
            check(client)
            assert client.call("EXISTS", "later").text == b"0"


def test_writes_during_a_background_save_are_served_and_are_not_in_the_file() -> None:
    with Ours(*QUIET, "--save", "") as server:
        with server.client() as client:
            pipeline = b"".join(b"SET k%d %d\r\n" % (n, n) for n in range(20_000))
            client.socket.sendall(pipeline)
            for _ in range(20_000):
                client.receive()
            assert client.call("BGSAVE").text == b"Background saving started"
            assert client.call("SET", "k19999", "changed").text == b"OK"
            assert client.call("DEL", "k0").text == b"1"
            assert field(client, "rdb_bgsave_in_progress") == "1", "nothing ran beside the save"
            assert client.call("BGSAVE").text == b"ERR Background save already in progress"
            assert client.call("SAVE").text == b"ERR Background save already in progress"
            wait_until(lambda: field(client, "rdb_saves") == "1", "the save to end")
            assert field(client, "rdb_changes_since_last_save") == "2"
        server.kill()
        server.start()
        with server.client() as client:
            assert client.call("DBSIZE").text == b"20000"
            assert client.call("GET", "k19999").text == b"19999"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_where_there_are_save_points(how: signal.Signals) -> None:
    with Ours(*QUIET, "--save", POINTS) as server:
        with server.client() as client:
            fill(client)
        assert server.end(how) == 0
        server.start()
        with server.client() as client:
            check(client)


def test_a_signal_saves_nothing_where_there_are_none() -> None:
    with Ours(*QUIET, "--save", "") as server:
        with server.client() as client:
            fill(client)
        server.restart()
        with server.client() as client:
            assert client.call("DBSIZE").text == b"0"


@pytest.mark.parametrize(("word", "keys"), [("SAVE", b"11"), ("NOSAVE", b"0")])
def test_shutdown_ends_the_process_with_or_without_saving(word: str, keys: bytes) -> None:
    with Ours(*QUIET, "--save", "") as server:
        with server.client() as client:
            fill(client)
            client.send([b"SHUTDOWN", word.encode()])
            assert client.stream.read() == b"", "SHUTDOWN was answered"
        process = server.process
        assert process is not None and process.wait(15) == 0
        server.process = None
        server.start()
        with server.client() as client:
            sizes = int(client.call("DBSIZE").text)
            client.call("SELECT", "5")
            assert b"%d" % (sizes + int(client.call("DBSIZE").text)) == keys


def test_a_failing_save_is_reported_stops_writes_and_keeps_the_process() -> None:
    with Ours(*QUIET, "--save", POINTS, "--enable-protected-configs", "yes") as server:
        with server.client() as client:
            fill(client)
            folder = server.folder / "gone"
            folder.mkdir()
            assert client.call("CONFIG", "SET", "dir", str(folder)).text == b"OK"
            folder.rmdir()
            refused = client.call("SAVE")
            assert refused.kind == "error" and b"no such file" in refused.text
            assert field(client, "rdb_last_bgsave_status") == "err"
            assert client.call("SET", "k", "v").text.startswith(b"MISCONF")
            assert client.call("GET", "text").text == b"hello"
            stays = client.call("SHUTDOWN")
            assert stays.text == b"ERR Errors trying to SHUTDOWN. Check logs."
            process = server.process
            assert process is not None
            process.send_signal(signal.SIGTERM)
            wait_until(lambda: "not ending" in server.output(), "the refusal in the log")
            assert client.call("CONFIG", "SET", "stop-writes-on-bgsave-error", "no").text == b"OK"
            assert client.call("SET", "k", "v").text == b"OK"
            assert client.call("CONFIG", "SET", "dir", str(server.folder)).text == b"OK"
            assert client.call("SAVE").text == b"OK"
        assert server.terminate() == 0


def test_a_save_point_saves_by_itself() -> None:
    with Ours(*QUIET, "--save", "1 3") as server, server.client() as client:
        for number in range(3):
            client.call("SET", f"k{number}", "v")
        wait_until(lambda: field(client, "rdb_saves") == "1", "the save point to be reached")
        assert (server.folder / "dump.rdb").stat().st_size > 0


def test_real_redis_loads_our_file_and_we_load_its() -> None:
    with Ours(*QUIET, "--save", "") as ours:
        with ours.client() as client:
            fill(client)
            assert client.call("SAVE").text == b"OK"
        with RealRedis("--dbfilename", "dump.rdb") as redis:
            redis.kill()
            shutil.copyfile(ours.folder / "dump.rdb", redis.folder / "dump.rdb")
            redis.start()
            with redis.client() as client:
                check(client)
                assert client.call("SAVE").text == b"OK"
            ours.kill()
            shutil.copyfile(redis.folder / "dump.rdb", ours.folder / "dump.rdb")
            ours.start()
            with ours.client() as client:
                client.call("DECR", "counter")
                check(client)


def refused_start(folder: Path) -> str:
    """What a node says that cannot start in this folder."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "node", "--dir", str(folder), "--bind", "127.0.0.1"),
            *("--port", str(free_port()), "--admin-bind", ""),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30.0,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr


def test_a_type_we_do_not_have_stops_the_start_and_the_file_stays(tmp_path: Path) -> None:
    writer = RdbWriter(12)
    data = writer.header([]) + writer.select(0, 1, 0)
    value = Opaque(codes.TYPE_MODULE_2, b"\x01\x00")
    data += writer.key(codes.KIND_MODULE, b"odd", value, 0, []) + writer.end()
    (tmp_path / "dump.rdb").write_bytes(data)
    said = refused_start(tmp_path)
    assert "dump.rdb: key b'odd' in database 0 holds a module" in said
    assert (tmp_path / "dump.rdb").read_bytes() == data


def test_jobs_run_by_the_clock_and_survive_a_restart() -> None:
    with Ours(*QUIET, "--save", POINTS) as server:
        with server.client() as client:
            counts = 'redis.call("incr", KEYS[1])'
            client.call("KEYDB.CRON", "often", "REPEAT", "20", counts, "1", "n")
            client.call("KEYDB.CRON", "once", "SINGLE", "100000", counts, "1", "n")
            wait_until(lambda: int(client.call("GET", "n").text or b"0") >= 2, "two runs")
        server.restart()
        with server.client() as client:
            client.call("SET", "n", "0")
            wait_until(lambda: int(client.call("GET", "n").text) >= 2, "two more runs")
            assert 90_000 < int(client.call("PTTL", "once", "once").text) <= 100_000


def test_deadlines_of_fields_and_members_survive_a_restart() -> None:
    with Ours(*QUIET, "--save", POINTS) as server:
        with server.client() as client:
            client.call("HSET", "hash", "f", "v", "g", "w")
            client.call("HEXPIRE", "hash", "1000", "FIELDS", "1", "f")
            client.call("SADD", "set", "a", "b")
            client.call("EXPIREMEMBER", "set", "a", "1000")
            client.call("ZADD", "zset", "1", "a")
            client.call("EXPIREMEMBER", "zset", "a", "1000")
        server.restart()
        with server.client() as client:
            left = client.call("HTTL", "hash", "FIELDS", "2", "f", "g").items
            assert 900 < int(left[0].text) <= 1000 and left[1].text == b"-1"
            assert 900 < int(client.call("TTL", "set", "a").text) <= 1000
            assert 900 < int(client.call("TTL", "zset", "a").text) <= 1000


def test_a_damaged_file_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").write_bytes(b"REDIS0011\xfe\x00\x00")
    assert "the data ends inside" in refused_start(tmp_path)


def test_an_active_node_comes_back_with_its_data() -> None:
    active = ("--active-replica", "yes", "--multi-master", "yes")
    with Ours(*QUIET, *active, "--save", POINTS) as server:
        with server.client() as client:
            fill(client)
        server.restart()
        with server.client() as client:
            check(client)
            client.call("DECR", "counter")
        server.restart()  # a file written from loaded data
        with server.client() as client:
            check(client)
