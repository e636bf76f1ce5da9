"""How often keys are used, under an LFU policy: Redis's logarithmic counter.  [compiled]

An entry's access clock then holds, as in Redis, the minute of the last look at the counter (16
bits) and the counter (8 bits): each use raises it with a chance that falls as it grows, and it
falls by one for each `decay_minutes` without use.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i32, i64

COUNTER_MAX: Final[i64] = 255
# What a new key begins with, so that it is not the first to be evicted.
COUNTER_NEW: Final[i64] = 5
MINUTES_MASK: Final[i64] = 0xFFFF
DICE_MASK: Final[i64] = 0x7FFFFFFF


class Frequency:
    """The counting of one node: its settings and its dice."""

    def __init__(self, log_factor: i64, decay_minutes: i64) -> None:
        self.log_factor: i64 = log_factor
        self.decay_minutes: i64 = decay_minutes
        self._dice: i64 = 88675123

    def new(self, seconds: i64) -> i32:
        """The clock of a new key."""
        return clock_of(seconds, COUNTER_NEW)

    def used(self, clock: i64, seconds: i64) -> i32:
        """The clock after one more use."""
        counter = self.counter(clock, seconds)
        if counter < COUNTER_MAX:
            above = counter - COUNTER_NEW if counter > COUNTER_NEW else 0
            if self._roll() < DICE_MASK // (above * self.log_factor + 1):
                counter += 1
        return clock_of(seconds, counter)

    def counter(self, clock: i64, seconds: i64) -> i64:
        """OBJECT FREQ: the counter after what it has lost since it was looked at."""
        counter = clock & 255
        if self.decay_minutes == 0:
            return counter
        passed = ((seconds // 60) - ((clock >> 8) & MINUTES_MASK)) & MINUTES_MASK
        lost = passed // self.decay_minutes
        return counter - lost if lost < counter else 0

    def _roll(self) -> i64:
        """The next number of 31 bits: xorshift, which repeats after all of them."""
        x = self._dice
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        self._dice = x
        return x & DICE_MASK


def clock_of(seconds: i64, counter: i64) -> i32:
    """A clock that says: looked at now, and this counter."""
    return i32((((seconds // 60) & MINUTES_MASK) << 8) | counter)
