"""Random commands over every type, on few keys, so that types meet too."""

from __future__ import annotations

import random

from tests.mesh.commands import Client
from tests.support.simnode import SimNode

TYPES = ("strings", "counters", "sets", "hashes", "whole", "patches", "lists", "zsets", "streams",
         "places")  # fmt: skip


class AllTypes(Client):
    """As Client, with all types: one of them on its own keys mostly, at times on any key."""

    def __init__(self, rng: random.Random, seed: int) -> None:
        super().__init__(rng, seed)
        self.strays = (0.0, 0.1, 0.3)[seed % 3]

    def kind(self) -> str:
        """Of which type the next command is."""
        return self.rng.choice(TYPES)

    def home(self, kind: str) -> str:
        """On which type's keys it is run."""
        strays = self.rng.random() < self.strays or kind == "whole"
        return self.rng.choice(TYPES) if strays else kind

    def command(self, node: SimNode) -> tuple[str, ...]:
        rng = self.rng
        kind = self.kind()
        home = self.home(kind)
        key, other = (f"{home[:2]}{rng.choice(self.keys)}" for _ in range(2))
        match kind:
            case "strings":
                return self.of_strings(node, key, other)
            case "counters":
                return self.of_counters(key)
            case "sets":
                return self.of_sets(key, other)
            case "hashes":
                return self.of_hashes(key)
            case "whole":
                return self.of_whole_keys(node, key, other)
            case "patches":
                return self.of_patches(key, other)
            case "lists":
                return self.of_lists(key, other)
            case "zsets":
                return self.of_zsets(key, other)
            case "streams":
                return self.of_streams(key)
            case _:
                return self.of_places(node, key)

    def of_patches(self, key: str, other: str) -> tuple[str, ...]:
        """Strings in place."""
        rng = self.rng
        return rng.choice([
            ("APPEND", key, "x"),
            ("APPEND", key, "7"),
            ("SETRANGE", key, str(rng.randrange(5)), "yy"),
            ("SETBIT", key, str(rng.randrange(40)), str(rng.randrange(2))),
            ("BITFIELD", key, "SET", "u8", str(rng.randrange(20)), str(rng.randrange(200)),
             "INCRBY", "i5", "3", "9"),
            ("BITOP", "OR", key, key, other),
            ("PFADD", f"hll{key}", self.member(), self.member()),
            ("PFMERGE", f"hll{key}", f"hll{other}"),
            ("SET", key, self.number()),
            ("INCR", key),
            ("INCRBYFLOAT", key, "0.5"),
            ("GETDEL", key),
        ])  # fmt: skip

    def of_lists(self, key: str, other: str) -> tuple[str, ...]:
        """Elements: pushed, inserted, assigned, removed, moved."""
        rng = self.rng
        end, begin = rng.choice(["LEFT", "RIGHT"]), rng.choice(["LEFT", "RIGHT"])
        return rng.choice([
            ("RPUSH", key, self.member(), self.member(), self.member()),
            ("LPUSH", key, self.member(), self.member()),
            ("RPUSH", key, self.member()),
            ("RPUSHX", key, self.member()),
            ("LINSERT", key, "BEFORE", self.member(), self.member()),
            ("LINSERT", key, "AFTER", self.member(), self.member()),
            ("LSET", key, str(rng.randrange(-2, 3)), self.member()),
            ("LREM", key, str(rng.randrange(-2, 3)), self.member()),
            ("LTRIM", key, str(rng.randrange(3)), str(rng.randrange(-3, 0))),
            ("LPOP", key),
            ("RPOP", key, "2"),
            ("LMPOP", "2", key, other, end, "COUNT", "2"),
            ("LMOVE", key, other, end, begin),
            ("SORT", key, "ALPHA", "STORE", other),
        ])  # fmt: skip

    def of_zsets(self, key: str, other: str) -> tuple[str, ...]:
        """Scores: set, raised, lowered, counted; members removed by name, rank and score."""
        rng = self.rng
        score = str(rng.randrange(-20, 20) / 4)
        return rng.choice([
            ("ZADD", key, score, self.member(), "1", self.member()),
            ("ZADD", key, score, self.member()),
            ("ZADD", key, "GT", score, self.member()),
            ("ZADD", key, "LT", score, self.member()),
            ("ZINCRBY", key, score, self.member()),
            ("ZREM", key, self.member(), self.member()),
            ("ZPOPMIN", key),
            ("ZPOPMAX", key, "2"),
            ("ZREMRANGEBYSCORE", key, "-inf", score),
            ("ZREMRANGEBYRANK", key, "0", "0"),
            ("ZUNIONSTORE", key, "2", key, other),
            ("ZRANGESTORE", key, other, "0", "2"),
            ("GEOADD", key, "13.3", "38.1", self.member()),
        ])  # fmt: skip

    def of_streams(self, key: str) -> tuple[str, ...]:
        """Entries and groups."""
        rng = self.rng
        group, consumer = f"g{rng.randrange(2)}", f"c{rng.randrange(2)}"
        entry = f"{rng.randrange(1, 9)}-1"
        return rng.choice([
            ("XADD", key, "*", "f", self.member()),
            ("XADD", key, f"{rng.randrange(1, 90)}-*", "f", self.member()),
            ("XADD", key, "MAXLEN", "3", "*", "f", self.member()),
            ("XDEL", key, entry),
            ("XTRIM", key, "MAXLEN", str(rng.randrange(4))),
            ("XSETID", key, f"{1 << 45}-{rng.randrange(9)}"),
            ("XGROUP", "CREATE", key, group, "0", "MKSTREAM"),
            ("XGROUP", "SETID", key, group, "0"),
            ("XGROUP", "DESTROY", key, group),
            ("XGROUP", "DELCONSUMER", key, group, consumer),
            ("XREADGROUP", "GROUP", group, consumer, "COUNT", "2", "STREAMS", key, ">"),
            ("XREADGROUP", "GROUP", group, consumer, "COUNT", "2", "STREAMS", key, ">"),
            ("XACK", key, group, entry),
            ("XAUTOCLAIM", key, group, consumer, "0", "0"),
        ])  # fmt: skip

    def of_places(self, node: SimNode, key: str) -> tuple[str, ...]:
        """Deadlines of fields and members."""
        rng = self.rng
        soon = self.soon(node)
        return rng.choice([
            ("HSET", key, self.member(), self.number(), self.member(), "x"),
            ("HINCRBY", key, self.member(), "1"),
            ("HPEXPIREAT", key, soon, "FIELDS", "2", self.member(), self.member()),
            ("HPEXPIREAT", key, soon, "FIELDS", "1", self.member()),
            ("HPERSIST", key, "FIELDS", "1", self.member()),
            ("HGETEX", key, "PXAT", soon, "FIELDS", "1", self.member()),
            ("HSETEX", key, "PXAT", soon, "FIELDS", "1", self.member(), "v"),
            ("HDEL", key, self.member()),
            ("PEXPIREMEMBERAT", key, self.member(), soon),
            ("PEXPIREMEMBERAT", f"se{self.rng.choice(self.keys)}", self.member(), soon),
            ("PEXPIREMEMBERAT", f"zs{self.rng.choice(self.keys)}", self.member(), soon),
            ("COPY", key, f"{key}2", "REPLACE"),
        ])  # fmt: skip
