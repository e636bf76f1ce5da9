"""Random commands over every write of this slice, on few keys, so that they meet."""

from __future__ import annotations

import random

from tests.support.simulation import SimNode

KEYS = ("a", "b", "c")


def random_write(node: SimNode, rng: random.Random) -> None:
    """One random command, or a transaction of a few, as a client of this node."""
    if rng.random() < 0.08:
        node("MULTI")
        for _ in range(rng.randrange(1, 5)):
            node(*command(rng, node))
        node("EXEC")
        return
    node(*command(rng, node))


def command(rng: random.Random, node: SimNode) -> tuple[str, ...]:
    """The words of one random command."""
    key = rng.choice(KEYS)
    other = rng.choice(KEYS)
    member = f"m{rng.randrange(4)}"
    number = str(rng.randrange(-5, 30))
    now_ms = int(node.engine.now.ms)
    soon = str(now_ms + rng.choice([3, 30, 300, 100_000]))
    pick = rng.randrange(40)
    if pick < 4:
        return ("SET", key, f"v{rng.randrange(1000)}")
    if pick < 7:
        return ("SET", key, number)
    if pick < 8:
        return ("SET", key, f"w{rng.randrange(1000)}", "PXAT", soon)
    if pick < 13:
        return ("INCRBY", key, number)
    if pick < 14:
        return ("INCRBYFLOAT", key, f"{rng.randrange(-50, 50) / 10}")
    if pick < 17:
        return ("DEL", key)
    if pick < 21:
        return ("SADD", key, member, f"m{rng.randrange(4)}")
    if pick < 23:
        return ("SREM", key, member)
    if pick < 26:
        return ("HSET", key, member, f"f{rng.randrange(100)}")
    if pick < 29:
        return ("HINCRBY", key, member, number)
    if pick < 30:
        return ("HINCRBYFLOAT", key, member, f"{rng.randrange(-50, 50) / 10}")
    if pick < 31:
        return ("HSET", key, member, number)
    if pick < 33:
        return ("HDEL", key, member)
    if pick < 35:
        return ("PEXPIREAT", key, soon)
    if pick < 36:
        return ("PERSIST", key)
    return rarer(rng, key, other, member)


def rarer(rng: random.Random, key: str, other: str, member: str) -> tuple[str, ...]:
    """Commands over two keys, pops, and flushes."""
    return rng.choice([
        ("RENAME", key, other),
        ("COPY", key, other, "REPLACE"),
        ("SUNIONSTORE", key, other, rng.choice(KEYS)),
        ("SMOVE", key, other, member),
        ("SPOP", key),
        ("APPEND", key, "x"),
        ("SETNX", key, "nx"),
        ("GETDEL", key),
        ("MOVE", key, "1"),
        ("FLUSHDB",),
        ("GETSET", key, "g"),
        ("SETRANGE", key, "2", "yy"),
    ])  # fmt: skip
