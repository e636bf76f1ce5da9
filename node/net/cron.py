"""Cron: what happens by the clock: engine.tick, rates and memory, saves, the cyclic collector.

The collector: what was loaded is frozen (it is no garbage and must not be looked at again and
again), thresholds are high, and young garbage is collected when the node is idle.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from node.engine import Engine
from node.net.server import Server

# As in Redis: rates are means over so many samples of 100 ms.
SAMPLES: Final = 16
SAMPLE_S: Final = 0.1
# With these the worst pause of a server with 5 million keys was a tenth of the default's.
GC_THRESHOLDS: Final = (50_000, 20, 1_000)
# Between two ticks while there is more to do: clients are served in between.
MORE_S: Final = 0.001
PAGE_BYTES: Final = resource.getpagesize()


def settle_memory() -> None:
    """After a load or a full sync: what is here now is not garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


class Rate:
    """How fast a counter grows, per second, over the last SAMPLES samples."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque(maxlen=SAMPLES)

    def sample(self, now_s: float, total: int) -> None:
        """The counter's value now."""
        if self._points and total < self._points[-1][1]:
            self._points.clear()  # the counter was set back
        self._points.append((now_s, total))

    def per_second(self) -> float:
        """0.0 before there are two samples."""
        if len(self._points) < 2:
            return 0.0
        (first_s, first), (last_s, last) = self._points[0], self._points[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else 0.0


class Cron:
    """Timers of one node, from `start` to `stop`."""

    def __init__(self, engine: Engine, server: Server, each_tick: Callable[[], None]) -> None:
        self.engine = engine
        self.server = server
        self.each_tick = each_tick
        self.hz = server.config.number("hz")
        self.operations = Rate()
        self.input = Rate()
        self.output = Rate()
        self.memory_bytes = memory_now()
        self.memory_peak_bytes = self.memory_bytes
        self.loop_lag_ms = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._due_ms = 0
        self._seen = 0
        self._collected = 0

    def start(self) -> None:
        """Begins to tick, in the running loop."""
        self._loop = asyncio.get_running_loop()
        self._tick(self._loop.time())
        self._sample()
        self._each_second()

    def stop(self) -> None:
        """No further timer fires."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers = {}

    def wake_at(self, ms: int) -> None:
        """Calls the engine's `time_out` at this Unix time in ms: not before, and at once after.
        """
        assert self._loop is not None
        if self._due_ms == 0 or ms < self._due_ms:
            self._due_ms = ms
            timer = self._timers.get("due")
            if timer is not None:
                timer.cancel()
            # Half a millisecond more, or the clock would read one less than what is due.
            self._after("due", max(0.0, ms / 1000.0 - time.time()) + 0.0005, self._time_out)

    def _time_out(self) -> None:
        self._due_ms = 0
        self.engine.time_out(time.time())
        waiting = [int(each.until_ms) for each in self.engine.parked.values() if each.until_ms]
        if waiting:
            self.wake_at(min(waiting))

    def rates(self) -> dict[str, float]:
        """Rates by the names of INFO stats."""
        return {
            "instantaneous_ops_per_sec": round(self.operations.per_second()),
            "instantaneous_input_kbps": self.input.per_second() / 1024,
            "instantaneous_output_kbps": self.output.per_second() / 1024,
        }

    def _after(self, name: str, seconds: float, callback: Callable[[], None]) -> None:
        assert self._loop is not None
        self._timers[name] = self._loop.call_later(seconds, callback)

    def _tick(self, due_s: float) -> None:
        assert self._loop is not None
        self.loop_lag_ms = max(0.0, self._loop.time() - due_s) * 1000.0
        more = False
        try:
            more = self.engine.tick(time.time())
            self.each_tick()
        finally:  # an error is logged by the loop; time must go on all the same
            wait_s = MORE_S if more else 1.0 / self.hz
            due_s = self._loop.time() + wait_s
            self._after("tick", wait_s, lambda: self._tick(due_s))

    def _sample(self) -> None:
        now_s = time.monotonic()
        hub = self.server.hub
        self.operations.sample(now_s, int(self.engine.processed))
        self.input.sample(now_s, int(hub.input_bytes))
        self.output.sample(now_s, int(hub.output_bytes))
        self._after("sample", SAMPLE_S, self._sample)

    def _each_second(self) -> None:
        self._after("second", 1.0, self._each_second)
        self.server.sweep()
        self.memory_bytes = memory_now()
        self.memory_peak_bytes = max(self.memory_peak_bytes, self.memory_bytes)
        processed = int(self.engine.processed)
        if processed == self._seen and processed != self._collected:
            self._collected = processed
            gc.collect(1)
        self._seen = processed


def memory_now() -> int:
    """Resident memory of the process in bytes."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
    except OSError:  # a system without /proc
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
