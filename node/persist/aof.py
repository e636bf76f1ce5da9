"""AppendLog: bytes to the end of a file, and when they are on the disk (appendfsync).

    always      what one turn of the loop wrote goes to the thread as one group: written, flushed;
                what comes meanwhile is the next group. `LogWatcher.durable` says that it is done.
    everysec    written at once by the loop, which costs microseconds; flushed in the thread once a
                second. While that runs a write could block behind it, so it waits, up to 2 s.
    no          written at once; flushed as seldom as the kernel would.

After an error nothing is lost: what was not written stays here and is tried again each second, a
group is written again from where it began (after a failed flush the kernel may have forgotten it).
Bytes only: what they mean is known to mesh/aof.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from node.persist.aof_worker import Worker

ALWAYS: Final = "always"
EVERYSEC: Final = "everysec"
NO: Final = "no"
# Seconds between two flushes: Redis's for everysec; for `no` about what Linux takes by itself.
FLUSH_S: Final = {EVERYSEC: 1.0, NO: 30.0}
# As in Redis: a write waits so long for a flush that is under way.
POSTPONE_S: Final = 2.0
RETRY_S: Final = 1.0


class LogFile:
    """One file that only grows; `start` is how long it is."""

    def __init__(self, path: Path, start: int) -> None:
        self.path = path
        self.start = start
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def write(self, data: bytes) -> int:
        """Appends; how many bytes were taken. OSError."""
        return os.write(self._handle, data)

    def sync(self) -> None:
        """Everything to the disk. Blocks; OSError."""
        os.fdatasync(self._handle)

    def truncate(self, size: int) -> None:
        """Takes away what lies beyond. OSError."""
        os.ftruncate(self._handle, size)

    def close(self) -> None:
        """No further use."""
        os.close(self._handle)


class LogWatcher:
    """Who is told how far the log is. The defaults do nothing."""

    def collect(self) -> None:
        """What was written before this very moment is to be appended now."""

    def sealed(self) -> None:
        """All that was appended so far is about to be flushed as one."""

    def durable(self) -> None:
        """What was sealed last is on the disk."""

    def failed(self, error: OSError) -> None:
        """Nothing gets to the disk at the moment; it is tried again."""

    def healed(self) -> None:
        """It works again."""


class AppendLog:
    """One log; `open` gives it a file. `clock` gives seconds of any beginning."""

    def __init__(self, worker: Worker, clock: Callable[[], float], watcher: LogWatcher) -> None:
        self.worker = worker
        self.clock = clock
        self.watcher = watcher
        self.policy = EVERYSEC
        self.flushing_rests = False  # no-appendfsync-on-rewrite, and a rewrite runs
        self.file: LogFile | None = None
        self.size = 0  # bytes of the file that are known to be whole
        self.pending_bytes = 0
        self.delayed_fsync = 0
        self.broken = False
        self._pending: list[bytes] = []
        self._group = b""  # under way to the disk, or to be tried again
        self._torn = False  # a part of the group may stand behind `size`
        self._committing = False
        self._syncing = False
        self._unsynced = False
        self._settling = False
        self._synced_s = clock()
        self._postponed_s = 0.0
        self._failed_s = 0.0

    def open(self, file: LogFile) -> None:
        """From now on bytes go to this file; the one before must be settled."""
        assert not self._pending and not self._group, "settle the log before it gets another file"
        if self.file is not None:
            self.file.close()
        self.file = file
        self.size = file.start
        self._torn = False
        self._unsynced = False

    def close(self) -> None:
        """No file any more; what is not written is dropped (`settle` before)."""
        self.worker.wait()
        if self.file is not None:
            self.file.close()
        self.file = None
        self.size = 0
        self._pending = []
        self.pending_bytes = 0
        self._group = b""
        if self.broken:
            self._heal()

    @property
    def buffered_bytes(self) -> int:
        """What is here and not yet in the file."""
        return self.pending_bytes + len(self._group)

    @property
    def syncing(self) -> bool:
        """Is a flush under way?"""
        return self._syncing or self._committing

    def append(self, data: bytes) -> None:
        """Whole frames."""
        self._pending.append(data)
        self.pending_bytes += len(data)
        self._drain()

    def _drain(self) -> None:
        if not self._pending or self.broken or self._settling or self._committing:
            return
        if self.policy == ALWAYS:
            if not self._syncing:
                self._commit()
        else:
            self._write()

    def _take(self) -> bytes:
        data = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
        self._pending = []
        self.pending_bytes = 0
        return data

    # --- always -------------------------------------------------------------------------------

    def _commit(self) -> None:
        self._committing = True
        self.watcher.collect()
        self._group = self._take()
        self.watcher.sealed()
        self.worker.submit(self._put_group, self._committed)

    def _put_group(self) -> None:
        """In the thread, or in `settle`."""
        file = self.file
        assert file is not None
        if self._torn:
            file.truncate(self.size)
        self._torn = True
        data = memoryview(self._group)
        while data:
            data = data[file.write(bytes(data) if len(data) < len(self._group) else self._group) :]
        file.sync()
        self._torn = False

    def _committed(self, error: OSError | None) -> None:
        self._committing = False
        if error is not None:
            self._fail(error)
            return
        self._grouped()
        self._drain()

    def _grouped(self) -> None:
        self.size += len(self._group)
        self._group = b""
        self._unsynced = False
        self._synced_s = self.clock()
        if self.broken:
            self._heal()
        self.watcher.durable()

    # --- everysec, no -------------------------------------------------------------------------

    def _write(self) -> None:
        file = self.file
        assert file is not None
        if self._syncing and self.policy == EVERYSEC:
            now_s = self.clock()
            if self._postponed_s == 0.0:
                self._postponed_s = now_s
            if now_s - self._postponed_s < POSTPONE_S:
                return
            self.delayed_fsync += 1
        self._postponed_s = 0.0
        data = self._take()
        try:
            while data:
                taken = file.write(data)
                self.size += taken
                self._unsynced = True
                data = data[taken:]
        except OSError as error:
            self._pending.insert(0, data)
            self.pending_bytes += len(data)
            self._fail(error)
            return
        if self.broken:
            self._heal()

    def _sync(self) -> None:
        file = self.file
        assert file is not None
        self.watcher.collect()
        if self.broken:
            return
        self.watcher.sealed()
        self._syncing = True
        self._unsynced = False
        self._synced_s = self.clock()
        self.worker.submit(file.sync, self._synced)

    def _synced(self, error: OSError | None) -> None:
        self._syncing = False
        if error is not None:
            self._unsynced = True
            self._fail(error)
            return
        if self.broken and not self._pending:
            self._heal()
        self.watcher.durable()
        self._drain()

    # --- time, errors, the end ----------------------------------------------------------------

    def tick(self) -> None:
        """Several times a second: flushes what is due, tries again what failed."""
        if self.file is None or self._committing:
            return
        now_s = self.clock()
        if self.broken:
            if now_s - self._failed_s >= RETRY_S and not self._syncing:
                self._retry()
            return
        self._drain()
        if self.policy == ALWAYS or not self._unsynced or self._pending or self.flushing_rests:
            return
        if not self._syncing and now_s - self._synced_s >= FLUSH_S[self.policy]:
            self._sync()

    def _retry(self) -> None:
        self._failed_s = self.clock()
        if self._group:
            self._committing = True
            self.worker.submit(self._put_group, self._committed)
        elif self._pending and self.policy == ALWAYS:
            self._commit()
        elif self._pending:
            self._write()
        else:
            self.broken = False  # or the flush would wait for the retry that it is
            self._sync()
            self.broken = True

    def _fail(self, error: OSError) -> None:
        self._failed_s = self.clock()
        self.broken = True
        self.watcher.failed(error)

    def _heal(self) -> None:
        self.broken = False
        self.watcher.healed()

    def settle(self) -> None:
        """Everything appended so far is on the disk when it returns. Blocks; OSError."""
        if self.file is None:
            return
        self._settling = True
        self.worker.wait()
        self.watcher.collect()
        self._settling = False
        self._group += self._take() if self._pending else b""
        self.watcher.sealed()
        try:
            self._put_group()
        except OSError as error:
            self._fail(error)
            raise
        self._grouped()
