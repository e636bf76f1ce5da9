"""Sends PING every millisecond until its standard input ends, then prints percentiles as JSON.

    python -m bench.pinger PORT

A PING's time counts from when it is sent, and there is one at a time: one that waits longer than a
millisecond lets the next ones be left out, so a pause is counted once. `late` is how late this
process itself once woke up: a longest answer no longer than that proves nothing.
"""

from __future__ import annotations

import gc
import json
import select
import sys
import time
from typing import Final

from bench.servers import Client
from bench.tables import percentile

PERIOD_S: Final = 0.001


def main(argv: list[str]) -> None:
    """Pings the port that `argv` names; says when it begins."""
    client = Client(int(argv[0]))
    client.call(b"PING")
    gc.disable()
    print("pinging", flush=True)
    times_ms: list[float] = []
    late_s = 0.0
    due_s = time.monotonic() + PERIOD_S
    while True:
        wanted, _, _ = select.select([sys.stdin], [], [], max(0.0, due_s - time.monotonic()))
        if wanted and times_ms:
            break
        late_s = max(late_s, time.monotonic() - due_s)
        sent_s = time.monotonic()
        client.call(b"PING")
        now_s = time.monotonic()
        times_ms.append((now_s - sent_s) * 1000.0)
        due_s = max(due_s + PERIOD_S, now_s)
    found = {f"p{percent:g}": percentile(times_ms, percent) for percent in (50, 99, 99.9)}
    longest = max(times_ms)
    print(json.dumps({"count": len(times_ms), **found, "longest": longest, "late": late_s * 1000}))


if __name__ == "__main__":
    main(sys.argv[1:])
