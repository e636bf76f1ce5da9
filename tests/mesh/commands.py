"""Random commands over every write of this slice, on few keys, so that they meet."""

from __future__ import annotations

import random

from node.resp.replies import NULL_ARRAY
from tests.support.simnode import DATABASES, SimNode

KEYS = ("a", "b", "c")
MANY_KEYS = tuple(f"key{number}" for number in range(24))
EDGE = 2**63 - 1
FAMILIES = ("strings", "counters", "sets", "hashes", "whole", "all")


class Client:
    """Makes up the commands of a schedule: on few keys or on many, of one family or of all.

    Where all families share a few keys most commands meet another type; so most schedules have
    one family only, and then two writes of one place meet often.
    """

    def __init__(self, rng: random.Random, seed: int) -> None:
        many = seed % 7 == 3
        self.rng = rng
        self.keys = MANY_KEYS if many else KEYS
        self.members = 40 if many else 4
        family = FAMILIES[seed // 2 % len(FAMILIES)]
        self.families = tuple(FAMILIES[:-1]) if family == "all" else (family, family, "whole")
        self.switches = rng.choice([0.0, 0.02, 0.12])  # how often a client takes another database
        # node -> what its second client watches: database, key, what it showed at that moment.
        self.watches: dict[str, tuple[int, str, object]] = {}

    def write(self, node: SimNode) -> None:
        """One random command, or a transaction of a few, now and then in another database."""
        rng = self.rng
        if rng.random() < self.switches:
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
        key = self.rng.choice(self.keys)
        other = self.rng.choice(self.keys)
        match self.rng.choice(self.families):
            case "strings":
                return self.of_strings(node, key, other)
            case "counters":
                return self.of_counters(key)
            case "sets":
                return self.of_sets(key, other)
            case "hashes":
                return self.of_hashes(key)
            case _:
                return self.of_whole_keys(node, key, other)

    def of_strings(self, node: SimNode, key: str, other: str) -> tuple[str, ...]:
        """Registers: set, conditionally, with deadlines."""
        rng = self.rng
        soon = str(rng.choice([2, 20, 5000]))
        return rng.choice([
            ("SET", key, f"v{rng.randrange(1000)}"),
            ("SET", key, f"v{rng.randrange(1000)}"),
            ("SET", key, self.number()),
            ("SET", key, f"w{rng.randrange(1000)}", "PXAT", self.soon(node)),
            ("SET", key, "n", "NX", "PX", soon),
            ("SET", key, "5", "XX", "KEEPTTL"),
            ("SET", key, "10.50"),
            ("SETNX", key, "nx"),
            ("MSET", key, "1", other, "2"),
            ("SET", key, "7"),
            ("GETSET", key, "g"),
            ("GETDEL", key),
            ("GETEX", key, "PX", soon),
            ("GETEX", key, "PERSIST"),
            ("INCR", key),
        ])  # fmt: skip

    def of_counters(self, key: str) -> tuple[str, ...]:
        """Increments, and registers under them."""
        rng = self.rng
        return rng.choice([
            ("INCRBY", key, self.number()),
            ("INCRBY", key, self.number()),
            ("INCR", key),
            ("DECRBY", key, self.number()),
            ("INCRBYFLOAT", key, f"{rng.randrange(-50, 50) / 10}"),
            ("SET", key, self.number()),
            ("SET", key, "10.50"),
            ("HINCRBY", f"h{key}", self.member(), self.number()),
            ("HINCRBYFLOAT", f"h{key}", self.member(), f"{rng.randrange(-50, 50) / 10}"),
            ("HSET", f"h{key}", self.member(), self.number()),
        ])  # fmt: skip

    def of_sets(self, key: str, other: str) -> tuple[str, ...]:
        """Members: added, removed, popped, moved, stored."""
        rng = self.rng
        third = rng.choice(self.keys)
        return rng.choice([
            ("SADD", key, self.member()),
            ("SADD", key, self.member(), self.member()),
            ("SADD", key, *(self.member() for _ in range(6))),
            ("SREM", key, self.member()),
            ("SREM", key, self.member(), self.member()),
            ("SPOP", key),
            ("SPOP", key, str(rng.randrange(4))),
            ("SMOVE", key, other, self.member()),
            ("SUNIONSTORE", key, other, third),
            ("SINTERSTORE", key, other, third),
            ("SDIFFSTORE", key, other, third),
        ])  # fmt: skip

    def of_hashes(self, key: str) -> tuple[str, ...]:
        """Fields: set, counted, removed."""
        rng = self.rng
        return rng.choice([
            ("HSET", key, self.member(), f"f{rng.randrange(100)}"),
            ("HSET", key, self.member(), f"f{rng.randrange(100)}"),
            ("HSET", key, self.member(), self.number()),
            ("HSET", key, self.member(), "10.50", self.member(), "3.0e2"),
            ("HSETNX", key, self.member(), "nx"),
            ("HINCRBY", key, self.member(), self.number()),
            ("HINCRBY", key, self.member(), self.number()),
            ("HINCRBYFLOAT", key, self.member(), f"{rng.randrange(-50, 50) / 10}"),
            ("HDEL", key, self.member()),
            ("HDEL", key, self.member(), self.member()),
            ("HGETDEL", key, "FIELDS", "1", self.member()),
        ])  # fmt: skip

    def of_whole_keys(self, node: SimNode, key: str, other: str) -> tuple[str, ...]:
        """What is done to a key of any type, and to whole databases."""
        rng = self.rng
        there = str(rng.randrange(DATABASES))
        return rng.choice([
            ("DEL", key),
            ("DEL", key),
            ("DEL", key, other),
            ("PEXPIREAT", key, self.soon(node)),
            ("PEXPIREAT", key, self.soon(node)),
            ("PEXPIRE", key, str(rng.choice([2, 20, 5000]))),
            ("PERSIST", key),
            ("RENAME", key, other),
            ("RENAMENX", key, other),
            ("COPY", key, other, "REPLACE"),
            ("COPY", key, other, "DB", there, "REPLACE"),
            ("MOVE", key, there),
            ("FLUSHDB",),
            ("FLUSHALL",) if rng.random() < 0.3 else ("PERSIST", key),
        ])  # fmt: skip
