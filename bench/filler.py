"""Fills a server with keys, or one key with members, in pipelines of 100, as a process of its own.

    python -m bench.filler PORT COUNT [KIND MARK]

KIND is the type of the one key, `large`; every other member has MARK in its name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from bench.servers import Client
from node.resp.client import command

VALUE: Final = b"v" * 32
LARGE_KEY: Final = b"large"
TOGETHER: Final = 50  # members of one write


def keys(count: int) -> Iterator[bytes]:
    """SET of so many different keys."""
    for number in range(count):
        yield command(b"SET", b"key:%012d" % number, VALUE)


def members(kind: str, count: int, mark: str) -> Iterator[bytes]:
    """Writes that give one key so many members, fields, elements or entries."""
    for begin in range(0, count, TOGETHER):
        names = [
            b"member:%s:%d" % (mark.encode() if number % 2 else b"", number)
            for number in range(begin, min(begin + TOGETHER, count))
        ]
        if kind == "set":
            yield command(b"SADD", LARGE_KEY, *names)
        elif kind == "list":
            yield command(b"RPUSH", LARGE_KEY, *names)
        elif kind == "hash":
            yield command(b"HSET", LARGE_KEY, *[word for name in names for word in (name, VALUE)])
        elif kind == "zset":
            numbers = range(begin, begin + len(names))
            scores = [b"%d" % (number * 7919 % 1_000_003) for number in numbers]
            pairs = zip(scores, names, strict=True)
            yield command(b"ZADD", LARGE_KEY, *[word for pair in pairs for word in pair])
        else:
            for number, name in enumerate(names, begin + 1):
                yield command(b"XADD", LARGE_KEY, b"%d-1" % number, b"field", name)


def main(argv: list[str]) -> None:
    """Fills the port with the count that `argv` names."""
    client = Client(int(argv[0]))
    count = int(argv[1])
    client.fill(members(argv[2], count, argv[3]) if len(argv) > 2 else keys(count))
    client.close()


if __name__ == "__main__":
    main(sys.argv[1:])
