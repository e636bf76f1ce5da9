"""Saver: the data set into its file, at once (SAVE) or in slices (BGSAVE), and what came of it.

The file is always whole: it is written beside the old one, flushed to the disk, renamed over it.
Writing is done here on the loop, in the snapshot's slices; only the flush waits in a thread.
After an error the old file is untouched, the temporary one is gone, and `last_error` says why.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from conf import Config
from node.persist.rdb_codes import RdbError
from node.persist.sinks import Sink
from node.persist.snapshot import Snapshots
from node.store.writer import Writer

# As in Redis: after a background save failed, save points wait so long.
RETRY_S: Final = 5.0
# Bytes handed to the kernel in one call: large enough for the call not to count.
WRITE_BYTES: Final = 1 << 18
BACKGROUND: Final = "bg-"  # in the name of its temporary file

Work = Callable[[], None]
# Runs the first in a thread, then, in the loop, the second with the OSError or None.
InThread = Callable[[Work, Callable[[OSError | None], None]], None]


class SaveError(Exception):
    """A save failed; the text says what and where."""


class RdbFile:
    """One file that is being written beside its name."""

    def __init__(self, path: Path, temporary: Path) -> None:
        self.path = path
        self.temporary = temporary
        self.written_bytes = 0
        self._file: BinaryIO = temporary.open("wb", buffering=WRITE_BYTES)

    def write(self, data: bytes) -> None:
        """The next bytes."""
        self._file.write(data)
        self.written_bytes += len(data)

    def flush(self) -> None:
        """Everything to the disk. Blocks: for a thread, or for SAVE."""
        with self._file as file:
            file.flush()
            os.fsync(file.fileno())

    def put_in_place(self) -> None:
        """Takes the file's name; a save that ends later wins."""
        os.replace(self.temporary, self.path)

    def flush_name(self) -> None:
        """Makes the name last as well. Blocks."""
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard(self) -> None:
        """Takes the unfinished file away."""
        try:
            self._file.close()
        except OSError:
            pass  # what could not be written is thrown away anyway
        self.temporary.unlink(missing_ok=True)


class Saver:
    """Saves, and remembers how that went. `clock` gives Unix seconds, `pid` names temporary files.

    `settled` is called whenever a save has ended, well or not.
    """

    def __init__(
        self,
        config: Config,
        writer: Writer,
        snapshots: Snapshots,
        in_thread: InThread,
        clock: Callable[[], float],
        pid: int,
    ) -> None:
        self.config = config
        self.writer = writer
        self.snapshots = snapshots
        self.in_thread = in_thread
        self.clock = clock
        self.pid = pid
        self.settled: Work = lambda: None
        self.last_save_s = clock()
        self.last_try_s = 0.0
        self.last_ok = True
        self.last_error = ""
        self.last_duration_s = -1.0
        self.last_bytes = 0
        self.saves = 0
        # What a file has in it: asked when its walk begins, kept once the file is safe on disk.
        self.vector: Callable[[], dict[bytes, int]] = dict
        self.saved_vector: dict[bytes, int] = {}
        self.started_s = 0.0
        self._background: BackgroundSave | None = None

    @property
    def in_progress(self) -> bool:
        """Is a background save under way?"""
        return self._background is not None

    def path(self) -> Path:
        """The file, by the directives dir and dbfilename."""
        return Path(self.config.text("dir"), self.config.text("dbfilename"))

    def temporary(self, kind: str) -> Path:
        """Where the file is written before it gets its name."""
        return self.path().with_name(f"temp-{kind}{self.pid}.rdb")

    def clear(self) -> None:
        """Takes unfinished files away: the process ends at once."""
        for kind in ("", BACKGROUND):
            self.temporary(kind).unlink(missing_ok=True)

    def open(self, kind: str) -> RdbFile:
        """The file to write. SaveError: it cannot be made."""
        path = self.path()
        temporary = self.temporary(kind)
        try:
            return RdbFile(path, temporary)
        except OSError as error:
            raise SaveError(f"{temporary}: {str(error.strerror).lower()}") from error

    def save(self) -> None:
        """SAVE: everything now; nothing else happens meanwhile. SaveError."""
        assert self._background is None, "who asks for SAVE looks at in_progress first"
        started_s = self.clock()
        vector = self.vector()
        try:
            file = self.open("")
            try:
                for data in self.snapshots.whole(self.config.yes("rdbchecksum")):
                    file.write(data)
                file.flush()
                file.put_in_place()
                file.flush_name()
            except (OSError, RdbError) as error:
                file.discard()
                raise SaveError(f"{file.path}: {error}") from error
        except SaveError as error:
            self._note(str(error), started_s)
            raise
        self.writer.dirty = 0
        self.saved_vector = vector
        self.last_bytes = file.written_bytes
        self._note("", started_s)

    def save_in_background(self) -> None:
        """BGSAVE: begins when the snapshot walk is free, which is nearly always now. SaveError."""
        assert self._background is None, "who asks for BGSAVE looks at in_progress first"
        self.last_try_s = self.clock()
        try:
            file = self.open(BACKGROUND)
        except SaveError as error:
            self._note(str(error), self.last_try_s)
            raise
        self.started_s = self.last_try_s
        self._background = BackgroundSave(self, file)
        self.snapshots.request(self._background)

    def cancel(self) -> None:
        """Ends a background save that is still being written, without a trace."""
        background = self._background
        if background is not None:
            self._background = None
            self.snapshots.cancel(background)
            background.cancelled = True
            if not background.flushing:
                background.file.discard()

    def ended(self, background: BackgroundSave, error: str) -> None:
        """A background save is done; "" is good."""
        if self._background is not background:
            return
        self._background = None
        if not error:
            self.writer.dirty = max(0, int(self.writer.dirty) - background.dirty)
            self.saved_vector = background.vector
            self.last_bytes = background.file.written_bytes
        self._note(error, self.started_s)

    def is_due(self, now_s: float) -> bool:
        """Does a save point ask for a background save?"""
        if self._background is not None or self.writer.dirty == 0:
            return False
        if not self.last_ok and now_s - self.last_try_s <= RETRY_S:
            return False
        for seconds, changes in self.config.rows("save"):
            if self.writer.dirty >= int(changes) and now_s - self.last_save_s > int(seconds):
                return True
        return False

    def _note(self, error: str, started_s: float) -> None:
        now_s = self.clock()
        self.last_duration_s = now_s - started_s
        self.last_error = error
        self.last_ok = not error
        if not error:
            self.last_save_s = now_s
            self.saves += 1
        self.settled()


class BackgroundSave(Sink):
    """The snapshot's bytes go to a file; then it is flushed in a thread and renamed."""

    def __init__(self, saver: Saver, file: RdbFile) -> None:
        self.saver = saver
        self.file = file
        self.checksum = saver.config.yes("rdbchecksum")
        self.dirty = 0
        self.vector: dict[bytes, int] = {}
        self.error = ""
        self.cancelled = False
        self.flushing = False

    def begin(self) -> None:
        self.dirty = int(self.saver.writer.dirty)
        self.vector = self.saver.vector()

    def write(self, data: bytes) -> None:
        try:
            self.file.write(data)
        except OSError as error:
            self.saver.snapshots.cancel(self)
            self._fail(f"{self.file.temporary}: {str(error.strerror).lower()}")

    def end(self, error: str) -> None:
        if error:
            self._fail(error)
            return
        self.flushing = True
        self.saver.in_thread(self.file.flush, self._flushed)

    def _flushed(self, error: OSError | None) -> None:
        if self.cancelled:
            self.file.discard()
            return
        try:
            if error is not None:
                raise error
            self.file.put_in_place()
        except OSError as problem:
            self._fail(f"{self.file.path}: {str(problem.strerror).lower()}")
            return
        self.saver.in_thread(self.file.flush_name, self._named)

    def _named(self, error: OSError | None) -> None:
        text = "" if error is None else str(error.strerror).lower()
        self.saver.ended(self, f"{self.file.path.parent}: {text}" if text else "")

    def _fail(self, error: str) -> None:
        self.file.discard()
        self.saver.ended(self, error)
