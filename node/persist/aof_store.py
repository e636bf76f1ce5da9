"""AofStore: the append-only file's generations: one base, and the log that goes on from it.

A new generation begins when the log has grown enough (auto-aof-rewrite-percentage and -min-size),
when it is switched on, and when the node becomes a member of a mesh. In the background: a new,
empty increment is made and named in the manifest; at the snapshot's moment the log goes on there;
when the base is whole and flushed a new manifest names the two, and what is old is deleted. A crash
at any point finds a manifest whose files say everything.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from conf import Config
from node.persist.aof import AppendLog, LogFile, LogWatcher
from node.persist.aof_files import AofError, Folder, Manifest
from node.persist.aof_worker import Worker
from node.persist.rdb_codes import RdbError
from node.persist.saver import InThread, RdbFile
from node.persist.sinks import Sink
from node.persist.snapshot import Snapshots

# As in Redis: after a failed rewrite the next one waits, ever longer.
RETRY_FIRST_S: Final = 60.0
RETRY_MOST_S: Final = 3600.0


class Owner(LogWatcher):
    """Who appends: told of the moments that count. The defaults do nothing."""

    def switched(self) -> None:
        """What is appended from now on follows the snapshot."""

    def based(self) -> None:
        """The snapshot is on the disk, and the log goes on from it."""

    def rewrite_failed(self, error: str) -> None:
        """No snapshot came to be; the log goes on as before."""


class AofStore:
    """The files of one node. `clock` gives Unix seconds, `pid` names unfinished files."""

    def __init__(
        self,
        config: Config,
        snapshots: Snapshots,
        worker: Worker,
        in_thread: InThread,
        clock: Callable[[], float],
        owner: Owner,
        pid: int,
    ) -> None:
        self.config = config
        self.snapshots = snapshots
        self.in_thread = in_thread
        self.clock = clock
        self.owner = owner
        self.pid = pid
        self.log = AppendLog(worker, clock, owner)
        self.folder = Folder(
            Path(config.text("dir"), config.text("appenddirname")), config.text("appendfilename")
        )
        self.on = False
        self.manifest: Manifest | None = None  # what holds for this process; None: no base yet
        self.rewrites = 0
        self.failures = 0  # one after another
        self.last_rewrite_s = -1.0
        self.base_bytes = 0
        self.started_s = 0.0
        self._failed_s = 0.0
        self._sequence = 0
        self._earlier_bytes = 0
        self._kind = ""
        self._rewrite: Rewrite | None = None
        self.configure()

    def configure(self) -> None:
        """Takes over the directives that may change at run time."""
        config = self.config
        policy = config.text("appendfsync")
        if policy != self.log.policy:
            self.log.policy = policy
            if self.on:
                self.settle()
        rests = config.yes("no-appendfsync-on-rewrite")
        self.log.flushing_rests = rests and self._rewrite is not None

    @property
    def rewriting(self) -> bool:
        """Is a new generation being made?"""
        return self._rewrite is not None

    @property
    def size_bytes(self) -> int:
        """Base and increments together."""
        return self._earlier_bytes + self.log.size

    # --- beginning ----------------------------------------------------------------------------

    def go_on(self, manifest: Manifest) -> None:
        """The files of this manifest were loaded and repaired: the log goes on at their end.

        AofError.
        """
        folder = self.folder
        last = manifest.increments[-1]
        sizes = [folder.size(each) for each in (manifest.base, *manifest.increments)]
        try:
            self.log.open(LogFile(folder.path / last, sizes[-1]))
            folder.sweep(manifest)
        except OSError as error:
            raise AofError(f"{folder.path / last}: {str(error.strerror).lower()}") from error
        self._earlier_bytes = sum(sizes[:-1])
        self.base_bytes = sum(sizes)
        self._sequence = manifest.sequence
        self.manifest = manifest
        self._kind = manifest.kind
        self.on = True

    def begin_now(self, kind: str) -> None:
        """A new generation of this kind at once; nothing else happens meanwhile. AofError."""
        self.cancel()
        folder = self.folder
        try:
            folder.make()
            self.log.settle()
            number = self._next_number()
            base = RdbFile(folder.path / folder.base(number), self.temporary(number))
            try:
                for data in self.snapshots.whole(self.config.yes("rdbchecksum")):
                    base.write(data)
                base.flush()
                base.put_in_place()
            except BaseException:
                base.discard()
                raise
            path = folder.path / folder.increment(number)
            path.write_bytes(b"")
            folder.flush_names()
            manifest = Manifest(kind, base.path.name, (path.name,), number)
            folder.write(manifest)
            self.log.open(LogFile(path, 0))
            folder.sweep(manifest)
        except (OSError, RdbError) as error:
            raise AofError(f"{folder.path}: {error}") from error
        self.on = True
        self._kind = kind
        self._installed(manifest, base.written_bytes)
        self.owner.switched()
        self.owner.based()

    def turn_on(self, kind: str) -> None:
        """Begins in the background; holds from `Owner.based` on. AofError."""
        try:
            self._next_number()
            self.folder.make()
        except OSError as error:
            raise AofError(f"{self.folder.path}: {str(error.strerror).lower()}") from error
        self.on = True
        self.failures = 0
        self._earlier_bytes = 0
        self._start(kind)

    def turn_off(self) -> None:
        """The log is flushed and closed; its files stay as they are."""
        self.cancel()
        self.settle()
        self.log.close()
        self.on = False
        self.manifest = None

    def settle(self) -> None:
        """All that was appended is on the disk, or the owner was told that it is not. Blocks."""
        try:
            self.log.settle()
        except OSError:
            pass  # the owner was told; it is tried again, or the log is given up

    def _next_number(self) -> int:
        if self._sequence == 0:
            found = self.folder.read()
            self._sequence = 0 if found is None else found.sequence
        self._sequence += 1
        return self._sequence

    def temporary(self, number: int) -> Path:
        """Where a base is written before it gets its name."""
        return self.folder.path / f"temp-{self.folder.name}.{self.pid}.{number}.rdb"

    # --- in the background --------------------------------------------------------------------

    def tick(self) -> None:
        """Several times a second: flushes, and begins a rewrite that is due."""
        if not self.on:
            return
        self.log.tick()
        if self._rewrite is None and self._is_due():
            self._start(self._kind)

    def rewrite(self) -> None:
        """A new generation in the background, of the kind there is; one that runs is begun anew."""
        if self.on:
            self.cancel()
            self._start(self._kind)

    def _is_due(self) -> bool:
        if self.log.broken:
            return False
        if self.failures:
            wait_s = min(RETRY_FIRST_S * 2 ** (self.failures - 1), RETRY_MOST_S)
            if self.clock() - self._failed_s < wait_s:
                return False
        if self.manifest is None:
            return True
        percent = self.config.number("auto-aof-rewrite-percentage")
        size = self.size_bytes
        if percent == 0 or size <= self.config.number("auto-aof-rewrite-min-size"):
            return False
        return size * 100 // max(1, self.base_bytes) - 100 >= percent

    def _start(self, kind: str) -> None:
        self.started_s = self.clock()
        self._kind = kind
        self._rewrite = Rewrite(self, kind, self._next_number())
        self.configure()
        self.in_thread(self._rewrite.prepare, self._rewrite.prepared)

    def cancel(self) -> None:
        """A rewrite that runs is given up, without a trace."""
        running = self._rewrite
        if running is not None:
            self._rewrite = None
            running.cancel()
            self.configure()

    def failed(self, error: str) -> None:
        """The rewrite could not be finished."""
        self._rewrite = None
        self.failures += 1
        self._failed_s = self.clock()
        self.last_rewrite_s = self._failed_s - self.started_s
        self.configure()
        self.owner.rewrite_failed(error)

    def finished(self, manifest: Manifest, base_bytes: int) -> None:
        """The manifest names the new base."""
        self._rewrite = None
        self.configure()
        self.last_rewrite_s = self.clock() - self.started_s
        self._installed(manifest, base_bytes)
        self.in_thread(lambda: self.folder.sweep(manifest), lambda error: None)
        self.owner.based()

    def _installed(self, manifest: Manifest, base_bytes: int) -> None:
        self.manifest = manifest
        self.rewrites += 1
        self.failures = 0
        self._earlier_bytes = base_bytes
        self.base_bytes = self.size_bytes

    def moved_on(self) -> None:
        """The log is about to go on in another file."""
        self._earlier_bytes += self.log.size

    def info(self) -> list[tuple[str, object]]:
        """The fields of INFO persistence."""
        running_s = self.clock() - self.started_s if self.rewriting else -1.0
        fields: list[tuple[str, object]] = [
            ("aof_enabled", 1 if self.on else 0),
            ("aof_rewrite_in_progress", 1 if self.rewriting else 0),
            ("aof_rewrite_scheduled", 0),
            ("aof_last_rewrite_time_sec", int(self.last_rewrite_s)),
            ("aof_current_rewrite_time_sec", int(running_s)),
            ("aof_last_bgrewrite_status", "err" if self.failures else "ok"),
            ("aof_rewrites", self.rewrites),
            ("aof_rewrites_consecutive_failures", self.failures),
            ("aof_last_write_status", "err" if self.log.broken else "ok"),
        ]
        if self.on:
            fields += [
                ("aof_current_size", self.size_bytes),
                ("aof_base_size", self.base_bytes),
                ("aof_pending_rewrite", 0),
                ("aof_buffer_length", self.log.buffered_bytes),
                ("aof_pending_bio_fsync", 1 if self.log.syncing else 0),
                ("aof_delayed_fsync", self.log.delayed_fsync),
            ]
        return fields


class Rewrite(Sink):
    """One new generation in the background; a snapshot's sink."""

    def __init__(self, store: AofStore, kind: str, number: int) -> None:
        folder = store.folder
        self.store = store
        self.kind = kind
        self.checksum = store.config.yes("rdbchecksum")
        self.number = number
        self.base_path = folder.path / folder.base(number)
        self.increment_path = folder.path / folder.increment(number)
        self.before = store.manifest
        self.file: RdbFile | None = None
        self.cancelled = False
        self.flushing = False
        self._guard = threading.Lock()  # once it is cancelled it writes no manifest any more

    def prepare(self) -> None:
        """In a thread: the empty increment, and a manifest that has it behind the others."""
        folder = self.store.folder
        with self._guard:
            if self.cancelled:
                return
            self.increment_path.write_bytes(b"")
            before = self.before
            if before is None:
                folder.flush_names()
                return
            increments = (*before.increments, self.increment_path.name)
            self.before = Manifest(before.kind, before.base, increments, self.number)
            folder.write(self.before)

    def prepared(self, error: OSError | None) -> None:
        """Asks for the snapshot."""
        if self.cancelled:
            return
        store = self.store
        try:
            if error is not None:
                raise error
            if store.manifest is not None:
                store.manifest = self.before
            self.file = RdbFile(self.base_path, store.temporary(self.number))
        except OSError as problem:
            store.failed(f"{store.folder.path}: {str(problem.strerror).lower()}")
            return
        store.snapshots.request(self)

    def begin(self) -> None:
        store = self.store
        try:
            store.log.settle()
            file = LogFile(self.increment_path, 0)
        except OSError as error:
            store.snapshots.cancel(self)
            self._fail(f"{self.increment_path}: {str(error.strerror).lower()}")
            return
        store.moved_on()
        store.log.open(file)
        store.owner.switched()

    def write(self, data: bytes) -> None:
        assert self.file is not None
        try:
            self.file.write(data)
        except OSError as error:
            self.store.snapshots.cancel(self)
            self._fail(f"{self.file.temporary}: {str(error.strerror).lower()}")

    def end(self, error: str) -> None:
        if error:
            self._fail(error)
            return
        self.flushing = True
        self.store.in_thread(self._install, self._installed)

    def _install(self) -> None:
        """In a thread: the base, then the manifest that names it."""
        file = self.file
        assert file is not None
        file.flush()
        with self._guard:
            if self.cancelled:
                return
            file.put_in_place()
            file.flush_name()
            self.store.folder.write(self._manifest())

    def _manifest(self) -> Manifest:
        return Manifest(self.kind, self.base_path.name, (self.increment_path.name,), self.number)

    def _installed(self, error: OSError | None) -> None:
        file = self.file
        assert file is not None
        if self.cancelled:
            file.discard()
        elif error is not None:
            self._fail(f"{file.path}: {str(error.strerror).lower()}")
        else:
            self.store.finished(self._manifest(), file.written_bytes)

    def cancel(self) -> None:
        """Nobody wants it any more."""
        with self._guard:
            self.cancelled = True
        self.store.snapshots.cancel(self)
        if self.file is not None and not self.flushing:
            self.file.discard()

    def _fail(self, error: str) -> None:
        if self.file is not None:
            self.file.discard()
        self.store.failed(error)
