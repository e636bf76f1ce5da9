"""The newest view of the mesh, made once for all who look.

The survey is asked when somebody wants the view: by the ticker once a second while a browser is
connected, else by single requests, and then at most once per interval. Browsers get the whole view
first and only what changed afterwards; each tick is sent even when nothing changed, since it is
also the sign that the page is live. A browser that cannot follow is closed and starts anew.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from admin_ui.source import Survey
from admin_ui.views import MeshView, mesh_view

# Open event streams; each costs a socket and a few hundred bytes a second.
STREAMS_MAX: Final = 64
# Ticks a browser may be behind before it is closed: longer than any hiccup it can catch up with.
EVENTS_QUEUED_MAX: Final = 16

_log = structlog.get_logger("admin_ui")


@dataclass(frozen=True, slots=True)
class Published:
    """One view with its plain form and when it was made."""

    seq: int
    view: MeshView
    plain: dict[str, Any]
    made_at: float


class Stream:
    """The events still to be written to one browser; None in the queue ends the stream."""

    def __init__(self, abort: Callable[[], object]) -> None:
        self.queue: Final[asyncio.Queue[bytes | None]] = asyncio.Queue(EVENTS_QUEUED_MAX)
        self.abort: Final = abort

    def end(self) -> None:
        """Let the writer finish at once, whatever it still has to write."""
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


class Board:
    """Keeps the newest view and hands it to event streams and requests."""

    def __init__(
        self, survey: Survey, monotonic: Callable[[], float], interval_seconds: float
    ) -> None:
        self._survey: Final = survey
        self._monotonic: Final = monotonic
        self._interval_seconds: Final = interval_seconds
        self._newest: Published | None = None
        self._refreshing: Final = asyncio.Lock()
        self._streams: Final[set[Stream]] = set()
        self._wanted: Final = asyncio.Event()
        self._stopping: Final = asyncio.Event()

    @property
    def stream_count(self) -> int:
        """Event streams that are open now."""
        return len(self._streams)

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called; no stream may be opened any more."""
        return self._stopping.is_set()

    async def current(self) -> Published:
        """The newest view, made now unless one exists that is younger than the interval."""
        asked_at = self._monotonic()
        async with self._refreshing:
            newest = self._newest
            if newest is None or asked_at - newest.made_at >= self._interval_seconds:
                newest = await self._refresh()
            return newest

    def open_stream(self, newest: Published, abort: Callable[[], object]) -> Stream:
        """A stream that begins with `newest`; `abort` is called if its reader cannot follow."""
        stream = Stream(abort)
        stream.queue.put_nowait(event_bytes("snapshot", newest.seq, newest.plain))
        self._streams.add(stream)
        self._wanted.set()
        return stream

    def close_stream(self, stream: Stream) -> None:
        """Forget a stream whose writer has ended."""
        self._streams.discard(stream)
        if not self._streams:
            self._wanted.clear()

    async def run(self) -> None:
        """The ticker: one refresh per interval while somebody watches, until `stop`."""
        while not self._stopping.is_set():
            await self._wanted.wait()
            due = self._monotonic() + self._interval_seconds
            try:
                async with self._refreshing:
                    await self._refresh()
            except Exception:  # a bad status must not end the page for good
                _log.exception("admin_view_failed")
            await self._wait_until(due)

    def stop(self) -> None:
        """End the ticker and every stream; returns at once."""
        self._stopping.set()
        self._wanted.set()
        for stream in self._streams:
            stream.end()
        self._survey.close()

    async def _wait_until(self, due: float) -> None:
        try:
            async with asyncio.timeout(max(due - self._monotonic(), 0)):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _refresh(self) -> Published:
        view = mesh_view(await self._survey.refresh())
        before = self._newest
        seq = before.seq + 1 if before is not None else 1
        newest = Published(seq, view, view.to_json(), self._monotonic())
        self._newest = newest
        if self._streams and not self._stopping.is_set():
            self._send(event_of(before, newest))
        return newest

    def _send(self, event: bytes) -> None:
        for stream in list(self._streams):
            if stream.queue.full():
                self.close_stream(stream)
                stream.abort()
            else:
                stream.queue.put_nowait(event)


def event_bytes(kind: str, seq: int, data: object) -> bytes:
    """One event of a stream, in the text/event-stream format."""
    text = json.dumps(data, separators=(",", ":"))
    return f"event: {kind}\nid: {seq}\ndata: {text}\n\n".encode()


def event_of(before: Published | None, newest: Published) -> bytes:
    """What browsers must be told: a patch, or all when nodes or links came, went or moved."""
    changes = patch(before.plain, newest.plain) if before is not None else None
    if changes is None:
        return event_bytes("snapshot", newest.seq, newest.plain)
    return event_bytes("patch", newest.seq, changes)


def patch(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any] | None:
    """The parts of `after` that differ; of nodes and links those rows. None: too different."""
    changes: dict[str, Any] = {}
    for part, value in after.items():
        if part in ("nodes", "links"):
            if [row["id"] for row in before[part]] != [row["id"] for row in value]:
                return None
            rows = [new for old, new in zip(before[part], value, strict=True) if old != new]
            if rows:
                changes[part] = rows
        elif before[part] != value:
            changes[part] = value
    return changes
