"""Writes to a node at a steady pace until its standard input ends: a written pair's other side.

    python -m bench.trickle PORT SET 100000

16 commands every millisecond, that is 16,000 a second: enough that a node always has a peer's
frames to apply, little enough that the load's core is not used up by it.
"""

from __future__ import annotations

import random
import select
import sys
import time
from typing import Final

from bench.inprocess import words
from bench.servers import Client
from node.resp.client import command

BATCH: Final = 16
PERIOD_S: Final = 0.001
BATCHES: Final = 1000  # made before it begins, then repeated


def main(argv: list[str]) -> None:
    """Writes until nobody wants it any more, and says on standard output when it begins."""
    port, name, keys = int(argv[0]), argv[1], int(argv[2])
    rng = random.Random(port)
    batches = [
        b"".join(command(*words(name, rng.randrange(keys))) for _ in range(BATCH))
        for _ in range(BATCHES)
    ]
    client = Client(port)
    print("writing", flush=True)
    due_s = time.monotonic()
    at = 0
    while True:
        client.pipeline(batches[at], BATCH)
        at = (at + 1) % BATCHES
        # Where the node is slower than that, it is written to as fast as it answers.
        due_s = max(due_s + PERIOD_S, time.monotonic())
        wanted, _, _ = select.select([sys.stdin], [], [], max(0.0, due_s - time.monotonic()))
        if wanted:
            return


if __name__ == "__main__":
    main(sys.argv[1:])
