"""CronValue: the job of KEYDB.CRON, a script and when it runs.  [compiled]

It never changes: a job that has run is another value with the next time in it. When it runs is
known to the node that runs it; elsewhere `due_ms` may lie in the past.
"""

from __future__ import annotations

from sys import getsizeof

from mypy_extensions import i64

from node.store.values.member_deadlines import NEVER
from node.store.values.value import Value


class CronValue(Value):
    """A script that runs at `due_ms`, and then, unless it `is_single`, every `interval_ms`.

    The first time is `start_ms + interval_ms`; times are Unix milliseconds. `author` is the member
    id of the node that runs it, b"" where nobody has said so.
    """

    def __init__(
        self, script: bytes, keys: list[bytes], args: list[bytes], start_ms: i64, interval_ms: i64,
    ) -> None:  # fmt: skip
        self.script = script
        self.keys = keys
        self.args = args
        self.start_ms: i64 = start_ms
        self.interval_ms: i64 = interval_ms
        # 0 stands for no deadline elsewhere; both are long past.
        self.due_ms: i64 = start_ms + interval_ms if start_ms + interval_ms > 0 else 1
        self.is_single = False
        self.author = b""

    def kind(self) -> bytes:
        """KeyDB has no name for the type either."""
        return b"unknown"

    def size(self) -> int:
        """One job."""
        return 1 if self.interval_ms > 0 else 0

    def parts(self) -> list[bytes]:
        """When it runs next is not among them: nodes that do not run it need not know."""
        times = b"%d %d %d" % (self.start_ms, self.interval_ms, self.is_single)
        return [self.script, times, *self.keys, b"", *self.args]

    def footprint(self, samples: int) -> int:
        texts = [self.script, *self.keys, *self.args]
        return getsizeof(self.keys) + getsizeof(self.args) + sum(getsizeof(each) for each in texts)

    def next_ms(self, now_ms: i64) -> i64:
        """When it runs next: `due_ms`, or the first of its times after now if that has passed."""
        if self.is_single or self.due_ms > now_ms:
            return self.due_ms
        return self.after(now_ms).due_ms

    def after(self, now_ms: i64) -> CronValue:
        """The job once it has run: its next time is the first one of its own that is after now.

        A job that began at 0, which is no time of anybody's, goes on from its first run.
        """
        later = self.given_to(self.author)
        if self.interval_ms > NEVER - now_ms:
            later.due_ms = NEVER
        elif self.start_ms == 0 and self.due_ms == self.interval_ms:
            later.due_ms = now_ms + self.interval_ms
        else:
            passed: i64 = 0
            if now_ms > self.due_ms:
                passed = (now_ms - self.due_ms) // self.interval_ms
            later.due_ms = self.due_ms + (passed + 1) * self.interval_ms
        return later

    def given_to(self, author: bytes) -> CronValue:
        """The same job, run by this member."""
        twin = CronValue(self.script, self.keys, self.args, self.start_ms, self.interval_ms)
        twin.due_ms = self.due_ms
        twin.is_single = self.is_single
        twin.author = author
        return twin
