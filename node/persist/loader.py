"""Loader: the data file into an empty keyspace, at start. Nothing in the file is lost silently.

What this server cannot hold (functions, modules) ends the start with an error that names
the file and the key: who began without them would soon overwrite the file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from mypy_extensions import i16, i32, i64

from node.persist.contents import KINDS, value_of
from node.persist.rdb_codes import RdbError
from node.persist.rdb_reader import RdbReader
from node.persist.rdb_records import Aux, Function, KeyRecord, ModuleAux, Record
from node.ports import Metadata
from node.store.entry import Entry
from node.store.frequency import COUNTER_NEW, clock_of
from node.store.keyspace import Database
from node.store.values.cron import CronValue

PIECE_BYTES: Final = 1 << 20
HELP: Final = (
    "move the file away to start without its data, or load it with the server that wrote it and"
    " take out what is named here"
)


class LoadError(Exception):
    """The file cannot be loaded; the text names file, place and remedy."""


class Loaded:
    """What a load found."""

    def __init__(self) -> None:
        self.keys = 0
        self.expired = 0  # keys past their deadline that were left out
        self.empty = 0
        self.bytes = 0
        self.last_stamp = 0  # the highest stamp of a key: the clock must be above it
        self.written_by = ""


class Loader:
    """Reads one file into `databases`.

    `keep_expired`: keys past their deadline at `now_ms` are given to the metadata as well (a node
    of a mesh must remember them). `phase` is the writer's mark of entries. `member` runs the jobs
    that the file gives to nobody; alone (not `keep_expired`) it runs all of them.
    """

    def __init__(
        self,
        databases: list[Database],
        metadata: Metadata,
        now_ms: int,
        keep_expired: bool = False,
        phase: int = 0,
        verify_checksum: bool = True,
        member: bytes = b"",
    ) -> None:
        self._databases = databases
        self._metadata = metadata
        self._now_ms = now_ms
        self._keep_expired = keep_expired
        self._phase = phase
        self._verify = verify_checksum
        self._member = member
        self._path = Path()
        self._loaded = Loaded()

    def load(self, path: Path, progress: Callable[[int, int], None] | None = None) -> Loaded:
        """Reads the whole file; `progress` is told bytes done and bytes in all, piece by piece.

        LoadError, after which the databases must not be used. FileNotFoundError: there is none.
        """
        self._path = path
        self._loaded = Loaded()
        reader = RdbReader(self._verify)
        self._metadata.load_begin()
        try:
            with path.open("rb") as file:
                total = path.stat().st_size
                while not reader.done:
                    piece = file.read(PIECE_BYTES)
                    if not piece:
                        reader.finish()
                    self._loaded.bytes += len(piece)
                    for record in reader.feed(piece):
                        self._take(record)
                    if progress is not None:
                        progress(self._loaded.bytes, total)
        except RdbError as error:
            raise LoadError(f"{path}: {error}") from error
        except FileNotFoundError:
            raise
        except OSError as error:
            raise LoadError(f"{path}: {str(error.strerror).lower()}") from error
        try:
            self._metadata.load_end()
        except ValueError as error:
            raise LoadError(f"{path}: the mesh's own fields are damaged: {error}") from error
        for db in self._databases:
            db.forget_last()
        self._loaded.empty = int(reader.empty_keys)
        return self._loaded

    def _take(self, record: Record) -> None:
        if isinstance(record, KeyRecord):
            self._key(record)
        elif isinstance(record, Aux):
            self._field(record)
        elif isinstance(record, Function):
            raise self._error(f"a function library, {record.code[:60]!r}, is not supported")
        elif isinstance(record, ModuleAux):
            raise self._error(f"data of a module, number {record.module_id}, is not supported")

    def _field(self, field: Aux) -> None:
        if field.name == b"redis-ver":
            self._loaded.written_by = field.value.decode("latin-1")
        try:
            self._metadata.load_file_field(field.name, field.value)
        except (ValueError, KeyError, IndexError) as error:
            raise self._error(f"the field {field.name!r} is damaged ({error})") from error

    def _key(self, record: KeyRecord) -> None:
        number = int(record.db)
        if number >= len(self._databases):
            raise self._error(
                f"key {record.key!r} is in database {number}, but there are"
                f" {len(self._databases)}; set `databases {number + 1}` or more"
            )
        expired = record.deadline_ms != 0 and record.deadline_ms <= self._now_ms
        if expired and not self._keep_expired:
            self._loaded.expired += 1
            return
        db = self._databases[number]
        entry = Entry(self._value(record), 0, 0)
        entry.flags = i16(self._phase)
        entry.deadline = record.deadline_ms
        seconds = db.now.seconds
        if db.frequency is not None:
            uses = i64(record.freq) if record.freq >= 0 else COUNTER_NEW
            entry.clock = clock_of(i64(seconds), uses)
        else:
            entry.clock = i32(max(0, seconds - int(record.idle))) if record.idle > 0 else seconds
        before = int(db.keys.size) + len(db.hidden)
        try:
            if not self._metadata.load_key(number, record.key, entry, dict(record.aux)):
                db.put(record.key, entry)
        except (ValueError, KeyError, IndexError) as error:
            raise self._error(f"the mesh's field of key {record.key!r} is damaged") from error
        if int(db.keys.size) + len(db.hidden) == before:
            raise self._error(f"key {record.key!r} is in database {number} twice")
        self._loaded.keys += 1
        self._loaded.last_stamp = max(self._loaded.last_stamp, int(entry.stamp))

    def _value(self, record: KeyRecord) -> object:
        if record.kind not in KINDS:
            raise self._error(
                f"key {record.key!r} in database {record.db} holds a {record.kind.decode()}, a type"
                " this version does not have"
            )
        try:
            value = value_of(record.kind, record.value, record.aux)
        except RdbError as error:
            raise self._error(f"key {record.key!r} in database {record.db}: {error}") from error
        if isinstance(value, CronValue) and not (self._keep_expired and value.author):
            value = value.given_to(self._member)
        return value

    def _error(self, what: str) -> LoadError:
        return LoadError(f"{self._path}: {what}; {HELP}")
