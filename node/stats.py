"""Stats: the counters behind INFO stats that nobody else keeps, and rates over the last seconds.

The network layer and the mesh count here; CONFIG RESETSTAT sets all to nothing. Knows nobody.
"""

from __future__ import annotations

from collections import deque
from typing import Final

# As Redis: a rate is what happened in the last 16 samples of at least 100 ms.
SAMPLES: Final = 16
SAMPLE_MS: Final = 100


class Rate:
    """How fast a counter grows."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int]] = deque(maxlen=SAMPLES + 1)

    def note(self, now_ms: int, total: int) -> None:
        """The counter's value at this moment. A counter that was set back begins anew."""
        if self._samples and (total < self._samples[-1][1] or now_ms < self._samples[-1][0]):
            self._samples.clear()
        self._samples.append((now_ms, total))

    def per_second(self) -> float:
        """Growth per second over the samples; 0 until there are two."""
        if len(self._samples) < 2:
            return 0.0
        first_ms, first = self._samples[0]
        last_ms, last = self._samples[-1]
        return (last - first) * 1000.0 / (last_ms - first_ms) if last_ms > first_ms else 0.0


class Stats:
    """Counters since the start or the last CONFIG RESETSTAT; the names are INFO's where it has one."""

    def __init__(self) -> None:
        self.commands = Rate()
        self.input = Rate()
        self.output = Rate()
        self.repl_input = Rate()
        self.repl_output = Rate()
        self._sampled_ms = 0
        self.reset()

    def reset(self) -> None:
        """CONFIG RESETSTAT."""
        self.connections_received = 0
        self.connections_rejected = 0
        self.input_bytes = 0
        self.output_bytes = 0
        self.repl_input_bytes = 0
        self.repl_output_bytes = 0
        self.reads = 0
        self.writes = 0
        self.sync_full = 0
        self.sync_partial_ok = 0
        self.sync_partial_err = 0
        self.query_limit_disconnections = 0
        self.output_limit_disconnections = 0
        self.auth_denied = 0

    def sample(self, now_ms: int, commands: int) -> None:
        """Called with every tick; takes a sample where the last is old enough."""
        if 0 <= now_ms - self._sampled_ms < SAMPLE_MS:
            return
        self._sampled_ms = now_ms
        self.commands.note(now_ms, commands)
        self.input.note(now_ms, self.input_bytes)
        self.output.note(now_ms, self.output_bytes)
        self.repl_input.note(now_ms, self.repl_input_bytes)
        self.repl_output.note(now_ms, self.repl_output_bytes)
