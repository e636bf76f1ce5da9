"""Fills a server with keys in pipelines of 100, as a process of its own.

    python -m bench.filler PORT COUNT
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from bench.servers import Client
from node.resp.client import command

VALUE: Final = b"v" * 32


def keys(count: int) -> Iterator[bytes]:
    """SET of so many different keys."""
    for number in range(count):
        yield command(b"SET", b"key:%012d" % number, VALUE)


def main(argv: list[str]) -> None:
    """Fills the port with the count that `argv` names."""
    client = Client(int(argv[0]))
    client.fill(keys(int(argv[1])))
    client.close()


if __name__ == "__main__":
    main(sys.argv[1:])
