"""Spill: where staged records go that shall not stay in memory; a temporary file.

The file has no name (it is unlinked as soon as it is open), so nothing of it is left behind,
whatever happens to the process.
"""

from __future__ import annotations

import os
import tempfile

# What is appended goes to the file in pieces of this size.
BUFFER_BYTES = 256 * 1024


class Spill:
    """Bytes that are put aside, found again by their place. OSError: the disk is full, or worse."""

    def append(self, data: bytes) -> int:
        """Puts bytes behind all others; where they begin."""
        raise OSError("there is no place to put anything aside")

    def read(self, place: int, size: int) -> bytes:
        """So many bytes from a place on; fewer at the end."""
        raise OSError("nothing was put aside")

    def close(self) -> None:
        """Nothing is needed any more."""


class FileSpill(Spill):
    """A file without a name in a directory."""

    def __init__(self, directory: str) -> None:
        self._file = tempfile.TemporaryFile(dir=directory, buffering=0)  # noqa: SIM115
        self._buffer = bytearray()
        self._written = 0

    def append(self, data: bytes) -> int:
        place = self._written + len(self._buffer)
        self._buffer += data
        if len(self._buffer) >= BUFFER_BYTES:
            self._flush()
        return place

    def _flush(self) -> None:
        view = memoryview(self._buffer)
        done = 0
        while done < len(view):
            size = os.pwrite(self._file.fileno(), view[done:], self._written)
            done += size
            self._written += size
        view.release()
        self._buffer.clear()

    def read(self, place: int, size: int) -> bytes:
        if self._buffer:
            self._flush()
        found = os.pread(self._file.fileno(), size, place)
        while 0 < len(found) < size:
            more = os.pread(self._file.fileno(), size - len(found), place + len(found))
            if not more:
                break
            found += more
        return found

    def close(self) -> None:
        self._file.close()
        self._buffer.clear()
