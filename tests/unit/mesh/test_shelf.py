"""Staged records: in memory up to a limit, then in a file that has no name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh.shelf import PART, Shelf, Staged, parts_of
from mesh.spill import BUFFER_BYTES, FileSpill, Spill
from node.persist.rdb_codes import KIND_HASH, KIND_SET, KIND_STRING, KIND_ZSET
from node.persist.rdb_records import CronJob
from node.store.shards import SHARDS, shard_of
from node.store.values.hashes import HashValue


@pytest.fixture
def spill(tmp_path: Path) -> Iterator[FileSpill]:
    made = FileSpill(str(tmp_path))
    yield made
    made.close()


def text(value: bytes) -> Staged:
    """A string with its dots."""
    return Staged(KIND_STRING, value, b"dots of " + value, None)


def test_what_is_appended_is_read_by_its_place(spill: FileSpill, tmp_path: Path) -> None:
    places = [(spill.append(data), data) for data in (b"", b"one", b"x" * (BUFFER_BYTES + 7))]
    places += [(spill.append(b"%d" % number), b"%d" % number) for number in range(100)]
    for place, data in reversed(places):
        assert spill.read(place, len(data)) == data
    assert spill.read(places[-1][0], 100) == b"99", "fewer at the end"
    spill.append(b"after a read")
    assert os.listdir(tmp_path) == [], "the file has no name"


def test_beyond_the_limit_records_are_in_the_file(spill: FileSpill) -> None:
    shelf = Shelf(2, 100_000, lambda: spill)
    keys = [b"key %d" % number for number in range(1000)]
    for key in keys:
        shelf.put(1, key, text(key), key)
    assert 0 < shelf.records_aside < 1000
    assert shelf.bytes_here < 120_000
    found = [name for shard in range(SHARDS) for name in shelf.names(1, shard)]
    assert sorted(found) == sorted(keys)
    assert shelf.names(0, 7) == []
    for key in keys:
        assert shelf.take(0, key) is None, "another database"
        staged = shelf.take(1, key)
        assert staged is not None
        assert (staged.value, staged.dots) == (key, b"dots of " + key)
        assert shelf.take(1, key) is None, "taken once"
    assert shelf.take(1, b"another key") is None
    assert all(not shelf.names(1, shard) for shard in range(SHARDS))


def test_keys_of_one_tag_are_told_apart(spill: FileSpill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mesh.shelf.tag_of", lambda h: 5)
    shelf = Shelf(1, 0, lambda: spill)
    keys = [b"%d" % number for number in range(2000)]
    for key in keys:
        shelf.put(0, key, text(key), key)
    for key in (keys[3], keys[1999], keys[0]):
        staged = shelf.take(0, key)
        assert staged is not None and staged.value == key
        assert key not in shelf.names(0, int(shard_of(key)))
    assert sum(len(shelf.names(0, shard)) for shard in range(SHARDS)) == 1997


def test_all_that_a_record_has_comes_back(spill: FileSpill) -> None:
    shelf = Shelf(1, 0, lambda: spill)
    hidden = Staged(b"", None, None, b"all of it")
    shelf.put(0, b"hidden", hidden, None)
    pairs: list[object] = [(b"f", b"v"), (b"g", b"w")]
    hashed = Staged(KIND_HASH, None, b"dots", None)
    hashed.aux = [(b"name", b"value")]
    shelf.put(0, b"hash", hashed, pairs)
    found = shelf.take(0, b"hidden")
    assert found is not None and (found.value, found.hidden) == (None, b"all of it")
    found = shelf.take(0, b"hash")
    assert found is not None and isinstance(found.value, HashValue)
    assert found.value.items() == pairs and found.aux == hashed.aux and found.dots == b"dots"


@pytest.mark.parametrize("limit", [0, 1 << 40])
def test_a_large_collection_comes_back_in_parts(spill: FileSpill, limit: int) -> None:
    shelf = Shelf(1, limit, lambda: spill)
    content: list[object] = [(b"%d" % number, float(number)) for number in range(3 * PART + 1)]
    expected = list(content)
    staged = Staged(KIND_ZSET, None, b"dots", None)
    staged.places = len(content)
    staged.parts = parts_of(content)
    shelf.put(0, b"z", staged, content)
    if limit == 0:
        assert not shelf.work(2) and len(content) == len(expected) - 2 * PART
        shelf.put(0, b"between", text(b"v"), b"v")
        assert not shelf.work(2) and shelf.work(1)
        assert shelf.take(0, b"between") is not None
    assert shelf.work(1)
    assert bool(content) == (limit != 0), "what is in the file is let go"
    found = shelf.take(0, b"z")
    assert found is not None and found.parts is not None and found.places == len(expected)
    parts = list(found.parts)
    assert [each for part in parts for each in part] == expected
    assert len(parts) == 4 and not content


def test_what_the_file_cannot_hold_stays_in_memory(spill: FileSpill) -> None:
    shelf = Shelf(1, 0, lambda: spill)
    job = CronJob(b"script", 1, 2, [], [])
    shelf.put(0, b"c", Staged(b"cron", job, b"dots", None), job)
    assert shelf.records_aside == 0
    found = shelf.take(0, b"c")
    assert found is not None and found.value is job


def test_a_flush_forgets_what_is_staged(spill: FileSpill) -> None:
    shelf = Shelf(1, 600, lambda: spill)
    for number in range(10):
        shelf.put(0, b"%d" % number, text(b"v"), b"v")
    assert shelf.records_aside > 0
    dropped = shelf.forget(0)
    assert sum(len(each) for each in dropped) == 10 - shelf.records_aside
    assert all(shelf.take(0, b"%d" % number) is None for number in range(10))
    assert all(not shelf.names(0, shard) for shard in range(SHARDS))


def test_without_a_place_for_a_file_all_stays_in_memory() -> None:
    shelf = Shelf(1, 0, None)
    shelf.put(0, b"k", text(b"v"), b"v")
    assert shelf.take(0, b"k") is not None
    shelf.close()


def test_a_set_in_the_file_is_the_set(spill: FileSpill) -> None:
    shelf = Shelf(1, 0, lambda: spill)
    members: list[object] = [b"b", b"a"]
    shelf.put(0, b"s", Staged(KIND_SET, None, b"dots", None), members)
    shelf.close()
    with pytest.raises((OSError, ValueError, AssertionError)):
        shelf.take(0, b"s")


def test_the_plain_spill_has_no_place() -> None:
    with pytest.raises(OSError):
        Spill().append(b"x")
    with pytest.raises(OSError):
        Spill().read(0, 1)
    Spill().close()
