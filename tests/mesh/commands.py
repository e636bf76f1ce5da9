"""Random commands over every write of this slice, on few keys, so that they meet."""

from __future__ import annotations

import random

from node.resp.replies import NULL_ARRAY
from tests.support.simnode import DATABASES, SimNode

KEYS = ("a", "b", "c")
MANY_KEYS = tuple(f"key{number}" for number in range(24))
EDGE = 2**63 - 1


class Client:
    """Makes up the commands of a schedule: on few keys, or on many."""

    def __init__(self, rng: random.Random, many: bool) -> None:
        self.rng = rng
        self.keys = MANY_KEYS if many else KEYS
        self.members = 40 if many else 4
        # node -> what its second client watches: database, key, what it showed at that moment.
        self.watches: dict[str, tuple[int, str, object]] = {}

    def write(self, node: SimNode) -> None:
        """One random command, or a transaction of a few, now and then in another database."""
        rng = self.rng
        if rng.random() < 0.12:
            node("SELECT", str(rng.randrange(DATABASES)))
        if rng.random() < 0.08:
            node("MULTI")
            for _ in range(rng.randrange(1, 5)):
                node(*self.command(node))
            node("EXEC")
            return
        node(*self.command(node))

    def watch(self, node: SimNode) -> bool | None:
        """WATCH, or the EXEC after it. True: refused; AssertionError: it ran on a changed key.

        Whether it should is seen from what the key shows; a write that changes nothing may refuse.
        """
        rng = self.rng
        began = self.watches.pop(node.name, None)
        if began is None:
            number, key = rng.randrange(DATABASES), rng.choice(self.keys)
            node.run(node.watcher, "UNWATCH")
            node.run(node.watcher, "SELECT", str(number))
            node.run(node.watcher, "WATCH", key)
            self.watches[node.name] = (number, key, node.shown_key(number, key.encode()))
            return None
        number, key, before = began
        node.run(node.watcher, "MULTI")
        node.run(node.watcher, *rng.choice([("SET", key, "w"), ("SADD", key, "w"), ("DEL", key)]))
        node.wake()
        after = node.shown_key(number, key.encode())
        refused = node.run(node.watcher, "EXEC") is NULL_ARRAY
        assert refused or after == before, (
            f"EXEC ran on {node.name} though {key} went from {before} to {after}"
        )
        return refused

    def forget(self, node: SimNode) -> None:
        """The node has crashed, and its clients with it."""
        self.watches.pop(node.name, None)

    def member(self) -> str:
        """A member or field."""
        return f"m{self.rng.randrange(self.members)}"

    def number(self) -> str:
        """An increment or value: mostly small, sometimes at the edge of 64 bits."""
        rng = self.rng
        if rng.random() < 0.06:
            return str(rng.choice([EDGE, EDGE - 1, -EDGE, -EDGE - 1, EDGE - rng.randrange(50)]))
        return str(rng.randrange(-5, 30))

    def soon(self, node: SimNode) -> str:
        """A deadline, mostly so near that it passes while the schedule runs."""
        now_ms = int(node.engine.now.ms)
        return str(now_ms + self.rng.choice([1, 3, 30, 300, 100_000]))

    def command(self, node: SimNode) -> tuple[str, ...]:
        """The words of one random command."""
        rng = self.rng
        key = rng.choice(self.keys)
        pick = rng.randrange(42)
        if pick < 4:
            return ("SET", key, f"v{rng.randrange(1000)}")
        if pick < 7:
            return ("SET", key, self.number())
        if pick < 8:
            return ("SET", key, f"w{rng.randrange(1000)}", "PXAT", self.soon(node))
        if pick < 13:
            return ("INCRBY", key, self.number())
        if pick < 14:
            return ("INCRBYFLOAT", key, f"{rng.randrange(-50, 50) / 10}")
        if pick < 17:
            return ("DEL", key)
        if pick < 21:
            return ("SADD", key, *(self.member() for _ in range(rng.choice([1, 2, 2, 6]))))
        if pick < 23:
            return ("SREM", key, self.member())
        if pick < 26:
            return ("HSET", key, self.member(), f"f{rng.randrange(100)}")
        if pick < 29:
            return ("HINCRBY", key, self.member(), self.number())
        if pick < 30:
            return ("HINCRBYFLOAT", key, self.member(), f"{rng.randrange(-50, 50) / 10}")
        if pick < 31:
            return ("HSET", key, self.member(), self.number())
        if pick < 33:
            return ("HDEL", key, self.member(), self.member())
        if pick < 35:
            return ("PEXPIREAT", key, self.soon(node))
        if pick < 36:
            return ("PERSIST", key)
        return self.rarer(node, key)

    def rarer(self, node: SimNode, key: str) -> tuple[str, ...]:
        """Commands over two keys, conditions, pops, and flushes."""
        rng = self.rng
        other, third = rng.choice(self.keys), rng.choice(self.keys)
        member, soon = self.member(), str(rng.choice([2, 20, 5000]))
        return rng.choice([
            ("RENAME", key, other),
            ("RENAMENX", key, other),
            ("COPY", key, other, "REPLACE"),
            ("COPY", key, other, "DB", str(rng.randrange(DATABASES)), "REPLACE"),
            ("MOVE", key, str(rng.randrange(DATABASES))),
            ("SUNIONSTORE", key, other, third),
            ("SINTERSTORE", key, other, third),
            ("SDIFFSTORE", key, other, third),
            ("SMOVE", key, other, member),
            ("SPOP", key),
            ("SPOP", key, str(rng.randrange(4))),
            ("APPEND", key, "x"),
            ("APPEND", key, "7"),
            ("SETNX", key, "nx"),
            ("SET", key, "n", "NX", "PX", soon),
            ("SET", key, "5", "XX", "KEEPTTL"),
            ("SET", key, "e", "EX", "100"),
            ("MSET", key, "1", other, "2"),
            ("GETDEL", key),
            ("GETEX", key, "PX", soon),
            ("GETEX", key, "PERSIST"),
            ("GETSET", key, "g"),
            ("SETRANGE", key, "2", "yy"),
            ("HSETNX", key, member, "nx"),
            ("HGETDEL", key, "FIELDS", "1", member),
            ("HSET", key, member, "10.50", self.member(), "3.0e2"),
            ("SET", key, "10.50"),
            ("PEXPIRE", key, soon),
            ("DEL", key, other),
            ("INCR", key),
            ("DECRBY", key, self.number()),
            ("FLUSHDB",) if rng.random() < 0.5 else ("FLUSHALL",) if rng.random() < 0.3 else
            ("PERSIST", key),
        ])  # fmt: skip
