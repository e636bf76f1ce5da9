"""Resident bytes per key, member and field: what a filled server weighs more than an empty one.

An active node is measured without a follower and with nothing stable, so it remembers a dot for
each member and field and a record for each increment. Its backlog, which is as large as configured
(64 MB by default) and not by key, is kept at 2 MB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from bench.servers import Client, Process, active, ours, redis, require_compiled
from bench.tables import table
from node.resp.client import command

COUNT: Final = 1_000_000
QUICK_COUNT: Final = 100_000
BACKLOG: Final = ("--repl-backlog-size", "2mb")

CASES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "string of 3 bytes": lambda digits: command(b"SET", b"key:" + digits, b"xxx"),
    "string of 100 bytes": lambda digits: command(b"SET", b"key:" + digits, b"x" * 100),
    "counter": lambda digits: command(b"INCR", b"counter:" + digits),
    "member of one set": lambda digits: command(b"SADD", b"myset", b"element:" + digits),
    "field of one hash": lambda digits: command(b"HSET", b"myhash", b"element:" + digits, b"xxx"),
    "key with a TTL": lambda digits: command(b"SET", b"key:" + digits, b"xxx", b"EX", b"100000"),
}


def commands(make: Callable[[bytes], bytes], count: int) -> Iterator[bytes]:
    """One command for each number."""
    for number in range(count):
        yield make(b"%012d" % number)


def weigh(server: Process, make: Callable[[bytes], bytes], count: int) -> str:
    """Bytes each of `count` things takes in a fresh server."""
    with server:
        before = server.rss_bytes()
        client = Client(server.port)
        client.fill(commands(make, count))
        weight = server.rss_bytes() - before
        client.close()
    return f"{weight / count:.0f}"


def run(rounds: int, quick: bool) -> None:
    """Prints a row a kind (`quick`: 100,000 of each, a little too much). `rounds` is not used."""
    require_compiled()
    count = QUICK_COUNT if quick else COUNT
    rows = [("bytes each", "Redis", "alone", "active")]
    for name, make in CASES.items():
        servers: tuple[Callable[[], Process], ...] = (
            redis, lambda: ours("alone"), lambda: active("active", *BACKLOG),
        )  # fmt: skip
        redis_weight, alone, both = (weigh(start(), make, count) for start in servers)
        rows.append((name, redis_weight, alone, both))
    print(f"resident memory, {count} of each, keys and members of 16 to 20 bytes\n\n{table(rows)}")
