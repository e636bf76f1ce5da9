"""Intake: a transfer on its way in, from the peer's answer to the moment all of it is staged.

Either a whole snapshot, or first the comparison by digests and then a snapshot of what differs. No
sockets: bytes go in, answers come out in `out`, the caller steps it while it says True.
"""

from __future__ import annotations

from collections.abc import Callable

from mesh.range_follower import RangeFollower
from mesh.range_server import PIECE_BYTES, RangeError
from mesh.staging import Staging, StagingError
from mesh.status import DIGEST, TRANSFER
from node.persist.rdb_reader import RdbReader
from node.resp.client import INCOMPLETE, ReplyParser
from node.resp.parser import ProtocolError

MARK_BYTES = 40
HEAD = b"$EOF:"
# Fingerprints come in messages of this size and a leaf more; a leaf has a few dozen keys.
MESSAGE_MOST = 64 * PIECE_BYTES


class Intake:
    """One transfer; `staging` has what came of it."""

    def __init__(self, staging: Staging, send: Callable[[bytes], None]) -> None:
        self.staging = staging
        self.ranges: RangeFollower | None = staging.ranges
        self.bytes_taken = 0
        self.staged = False  # the whole snapshot is here
        self.rest = b""  # what came behind it
        self._send = send
        self._messages = ReplyParser(MESSAGE_MOST)
        self._reader = RdbReader()
        self._buffer = b""
        self._mark = b""

    @property
    def phase(self) -> str:
        """What is going on: a word of mesh/status.py."""
        return DIGEST if self.ranges is not None and not self.ranges.ended else TRANSFER

    @property
    def progress(self) -> float | None:
        """The share done of the phase, 0 to 1; None where it is not known."""
        ranges = self.ranges
        if ranges is not None and not ranges.ended:
            return ranges.progress
        staging = self.staging
        if not staging.headed:
            return 0.0
        most = staging.incoming.keys if staging.chosen is None else staging.chosen
        return None if most is None else min(staging.records / max(most, 1), 1.0)

    def step(self, budget: int) -> bool:
        """A slice of the comparison; False: nothing to do before more comes. StagingError."""
        ranges = self.ranges
        if ranges is None:
            return False
        try:
            more = ranges.step(budget)
        except RangeError as error:
            raise StagingError(str(error)) from error
        self._answer(ranges)
        return more

    def _answer(self, ranges: RangeFollower) -> None:
        out, ranges.out = ranges.out, []
        for message in out:
            self._send(message)

    def take(self, data: bytes) -> None:
        """Bytes of the link. StagingError or RdbError where they are not what must come."""
        self.bytes_taken += len(data)
        ranges = self.ranges
        if ranges is not None and not ranges.ended:
            parser = self._messages
            parser.feed(data)
            try:
                while not ranges.ended:
                    message = parser.next()
                    if message is INCOMPLETE:
                        return
                    if not isinstance(message, bytes):
                        raise StagingError(f"expected a message of digests, got {message!r}")
                    ranges.take(message)
            except (RangeError, ProtocolError) as error:
                raise StagingError(f"the comparison by digests: {error}") from error
            data = parser.rest()
        self._take_snapshot(data)

    def _take_snapshot(self, data: bytes) -> None:
        if not self._mark:
            self._buffer = (self._buffer + data).lstrip(b"\n")
            end = self._buffer.find(b"\r\n")
            if end < 0:
                if len(self._buffer) > len(HEAD) + MARK_BYTES:
                    raise StagingError(f"expected {HEAD!r}<mark>, got {self._buffer[:60]!r}")
                return
            header = self._buffer[:end]
            if not header.startswith(HEAD) or len(header) != len(HEAD) + MARK_BYTES:
                raise StagingError(f"expected $EOF:<mark> before the snapshot, got {header[:60]!r}")
            self._mark = header[len(HEAD) :]
            data = self._buffer[end + 2 :]
            self._buffer = b""
        reader = self._reader
        if not reader.done:
            for record in reader.feed(data):
                self.staging.add(record)
            self.staging.work()
            if not reader.done:
                return
            data = reader.rest
        self._buffer += data
        if len(self._buffer) < MARK_BYTES:
            return
        if self._buffer[:MARK_BYTES] != self._mark:
            raise StagingError("the snapshot does not end with its mark")
        self.rest = self._buffer[MARK_BYTES:]
        self._buffer = b""
        self.staged = True
