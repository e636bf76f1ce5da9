"""Loading the data file: everything comes back, and what cannot come back stops the start."""

from pathlib import Path

import pytest
from mypy_extensions import i64

from node.digest import digest_of
from node.persist import rdb_codes as codes
from node.persist.loader import Loaded, Loader, LoadError
from node.persist.rdb_records import CronJob, Opaque
from node.persist.rdb_writer import RdbWriter
from node.persist.snapshot import Snapshots
from node.ports import Metadata
from node.store.entry import Entry
from tests.support.local import START_S, LocalNode
from tests.unit.persist.rdb_files import RECORDINGS

NOW_MS = int(START_S * 1000)
Key = tuple[bytes, bytes, object, int]


def written(path: Path, *keys: Key, number: int = 0, extra: bytes = b"") -> Path:
    """A file with these keys: kind, name, value, deadline."""
    writer = RdbWriter(i64(12))
    data = writer.header([(b"redis-ver", b"8.2.3")])
    data += writer.select(i64(number), i64(len(keys)), i64(0))
    for kind, key, value, deadline_ms in keys:
        data += writer.key(kind, key, value, i64(deadline_ms), [])
    path.write_bytes(data + extra + writer.end())
    return path


def load(
    node: LocalNode,
    path: Path,
    metadata: Metadata | None = None,
    keep_expired: bool = False,
    verify_checksum: bool = True,
) -> Loaded:
    """Loads a file into a node."""
    loader = Loader(
        node.engine.databases, metadata or Metadata(), NOW_MS, keep_expired=keep_expired,
        verify_checksum=verify_checksum,
    )  # fmt: skip
    return loader.load(path)


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    node = LocalNode()
    node("SET s text")
    node("SET n 17 EX 100")
    node("SADD set 1 2 three")
    node("HSET hash f v g w")
    node("SELECT 3")
    node("SET other x")
    engine = node.engine
    snapshots = Snapshots(
        engine.writer, engine.databases, Metadata(), lambda: [], lambda callback: None, 10
    )
    path = tmp_path / "dump.rdb"
    path.write_bytes(b"".join(snapshots.whole(True)))
    again = LocalNode()
    found = load(again, path)
    assert found.keys == 5 and found.bytes == path.stat().st_size
    assert found.last_stamp == engine.clock.last
    assert again("GET s") == b"text"
    assert again("INCR n") == 18
    assert again("PTTL n") == 100_000
    assert sorted(again("SMEMBERS set").items) == [b"1", b"2", b"three"]  # type: ignore[attr-defined]
    assert again("HGET hash g") == b"w"
    again("SELECT 3")
    assert again("GET other") == b"x"


def test_a_loaded_deadline_is_kept_by_the_clock(tmp_path: Path) -> None:
    node = LocalNode()
    path = written(tmp_path / "f", (codes.KIND_STRING, b"k", b"v", NOW_MS + 1000))
    load(node, path)
    node.advance(0.5)
    assert node("EXISTS k") == 1
    node.advance(0.6)
    assert node("DBSIZE") == 0


def test_keys_past_their_deadline_are_left_out(tmp_path: Path) -> None:
    node = LocalNode()
    path = written(
        tmp_path / "f",
        (codes.KIND_STRING, b"old", b"v", NOW_MS - 1),
        (codes.KIND_STRING, b"new", b"v", 0),
    )
    found = load(node, path)
    assert (found.keys, found.expired) == (1, 1)
    assert node("DBSIZE") == 1


def test_an_active_node_is_shown_keys_past_their_deadline(tmp_path: Path) -> None:
    class Limbo(Metadata):
        def __init__(self) -> None:
            self.seen: list[bytes] = []

        def load_key(
            self, number: i64, key: bytes, entry: Entry, fields: dict[bytes, bytes]
        ) -> bool:
            self.seen.append(key)
            node.engine.databases[0].hide(key, entry)
            return True

    node = LocalNode()
    metadata = Limbo()
    path = written(tmp_path / "f", (codes.KIND_STRING, b"old", b"v", NOW_MS - 1))
    found = load(node, path, metadata, keep_expired=True)
    assert metadata.seen == [b"old"] and found.expired == 0
    assert node("DBSIZE") == 0 and b"old" in node.engine.databases[0].hidden


def test_a_type_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    value = Opaque(i64(codes.TYPE_MODULE_2), b"\x01\x00")
    path = written(tmp_path / "dump.rdb", (codes.KIND_MODULE, b"the:key", value, 0))
    with pytest.raises(LoadError, match=r"dump\.rdb: key b'the:key' in database 0 holds a module"):
        load(LocalNode(), path)


def test_a_job_without_an_interval_is_damage(tmp_path: Path) -> None:
    job = CronJob(b"return 1", i64(1), i64(0), [], [])
    path = written(tmp_path / "dump.rdb", (codes.KIND_CRON, b"the:key", job, 0))
    with pytest.raises(LoadError, match="key b'the:key' in database 0: a job has the interval 0"):
        load(LocalNode(), path)


@pytest.mark.parametrize(
    ("kind", "value", "word"),
    [
        (codes.KIND_SET, [b"a", b"a"], "a set has a member twice"),
        (codes.KIND_ZSET, [(b"a", 1.0), (b"a", 2.0)], "a sorted set has a member twice"),
        (codes.KIND_HASH, [(b"a", b"1"), (b"a", b"2")], "a hash has a member twice"),
    ],
)
def test_a_member_that_is_there_twice_is_damage(
    tmp_path: Path, kind: bytes, value: object, word: str
) -> None:
    path = written(tmp_path / "dump.rdb", (kind, b"the:key", value, 0))
    with pytest.raises(LoadError, match=rf"key b'the:key' in database 0: {word}"):
        load(LocalNode(), path)


def test_every_type_comes_back(tmp_path: Path) -> None:
    node = LocalNode()
    for command in (
        "RPUSH list a b c", "ZADD zset 1.5 m -inf n", "HSET timed f v g w",
        "HPEXPIREAT timed 1800000000000 FIELDS 1 f", "SADD members a b",
        "EXPIREMEMBERAT members a 1800000000", "ZADD board 1 a 2 b",
        "EXPIREMEMBERAT board b 1800000001", "XADD stream 1-1 f v", "XGROUP CREATE stream group 0",
        "SETBIT bits 7 1", "PFADD sketch a b",
    ):  # fmt: skip
        node(command)
    engine = node.engine
    snapshots = Snapshots(
        engine.writer, engine.databases, Metadata(), lambda: [], lambda callback: None, 10
    )
    path = tmp_path / "dump.rdb"
    path.write_bytes(b"".join(snapshots.whole(True)))
    again = LocalNode()
    assert load(again, path).keys == 8
    assert digest_of(again.engine.databases) == digest_of(engine.databases)
    assert again("HPEXPIRETIME timed FIELDS 2 f g") == [1_800_000_000_000, -1]
    assert again("TTL members a") == 1_800_000_000 - int(START_S)


def test_a_file_of_keydb_is_loaded() -> None:
    node = LocalNode()
    assert load(node, RECORDINGS / "keydb-plain.rdb").keys == 15
    types = sorted(
        str(node.call(0, [b"TYPE", key]).text, "ascii")  # type: ignore[attr-defined]
        for key in node.engine.databases[0].names()
    )
    assert types == [
        "hash", "hash", "list", "list", "set", "set", "set", "stream", "string", "string",
        "string", "string", "string", "zset", "zset",
    ]  # fmt: skip


def test_idle_times_and_uses_are_taken_over(tmp_path: Path) -> None:
    key = b"\x00\x01k\x01v"
    for policy, before, asked, answer in (
        ("allkeys-lru", b"\xf8\x3c", "OBJECT IDLETIME k", 60),
        ("allkeys-lfu", b"\xf9\x50", "OBJECT FREQ k", 80),
    ):
        writer = RdbWriter(i64(12), checksum=False)
        data = writer.header([]) + writer.select(i64(0), i64(1), i64(0)) + before + key
        path = tmp_path / policy
        path.write_bytes(data + writer.end())
        node = LocalNode(directives=("--maxmemory-policy", policy))
        load(node, path)
        assert node(asked) == answer


def test_a_function_library_stops_the_start(tmp_path: Path) -> None:
    extra = RdbWriter(i64(12)).function(b"#!lua name=lib")
    path = tmp_path / "f"
    writer = RdbWriter(i64(12), checksum=False)
    path.write_bytes(writer.header([]) + extra + writer.end())
    with pytest.raises(LoadError, match="function library"):
        load(LocalNode(), path)


def test_a_database_too_many_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "f", (codes.KIND_STRING, b"k", b"v", 0), number=16)
    with pytest.raises(LoadError, match=r"database 16, but there are 16; set `databases 17`"):
        load(LocalNode(), path)


def test_a_key_that_is_there_twice_is_damage(tmp_path: Path) -> None:
    key = (codes.KIND_STRING, b"k", b"v", 0)
    with pytest.raises(LoadError, match="twice"):
        load(LocalNode(), written(tmp_path / "f", key, key))


def test_a_file_cut_short_is_named_with_the_place(tmp_path: Path) -> None:
    path = written(tmp_path / "dump.rdb", (codes.KIND_STRING, b"k", b"v" * 100, 0))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(LoadError, match=r"dump\.rdb: RDB byte \d+: the data ends inside"):
        load(LocalNode(), path)


def test_a_wrong_checksum_is_an_error_unless_it_is_not_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path / "f", (codes.KIND_STRING, b"k", b"v", 0))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(LoadError, match="checksum"):
        load(LocalNode(), path)
    assert load(LocalNode(), path, verify_checksum=False).keys == 1


def test_no_file_is_no_data(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(LocalNode(), tmp_path / "none")


def test_progress_is_told_with_the_size_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "f", (codes.KIND_STRING, b"k", b"v", 0))
    told: list[tuple[int, int]] = []
    Loader(LocalNode().engine.databases, Metadata(), NOW_MS).load(
        path, lambda done, total: told.append((done, total))
    )
    size = path.stat().st_size
    assert told == [(size, size)]
