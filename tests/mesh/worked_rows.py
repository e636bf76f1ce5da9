"""The worked examples of the conflict rules, type by type, under the names that the rules give them
(docs/consistency.md lists them). Where a row says nothing of clocks it is played with both."""

from __future__ import annotations

from typing import Final

from tests.mesh.stories import Mesh
from tests.mesh.worked import A_LATER, B_LATER, Example

T50: Final = Mesh("").deadline(50_000)
T10: Final = Mesh("").deadline(10_000)
BITS: Final = ("BITFIELD_RO", "k", "GET", "u8", "0")


def together(*runs: list[bytes]) -> object:
    """The runs are whole, one behind the other, in either order."""
    first, second = runs
    return lambda reply: reply in (first + second, second + first)


STRINGS: Final[dict[str, Example]] = {
    "S1": Example([], [("SET", "k", "a")], [("SET", "k", "b")], {("GET", "k"): b"b"}, [B_LATER]),
    "S2": Example([("SET", "k", "v")], [("DEL", "k")], [("SET", "k", "w")],
                  {("EXISTS", "k"): 0}, [(1005, 1001)]),
    "S2b": Example([("SET", "k", "v")], [("DEL", "k")], [("SET", "k", "w")],
                   {("GET", "k"): b"w"}, [(1001, 1005)]),
    "SET3": Example([("SADD", "s", "a")], [("DEL", "s")], [("SADD", "s", "z")],
                    {("SMEMBERS", "s"): frozenset({b"z"})}),
    "S3": Example([("SET", "k", "v")], [], [("DEL", "k")], {("EXISTS", "k"): 0}, [(0, -500)]),
    "S APPEND": Example([("SET", "k", "x")], [("APPEND", "k", "a")], [("APPEND", "k", "b")],
                        {("GET", "k"): b"xab"}, [B_LATER]),
    "S SETBIT": Example([("SET", "k", "\x00")], [("SETBIT", "k", "0", "1")],
                        [("SETBIT", "k", "7", "1")], {("GET", "k"): b"\x81"}),
    "S BITFIELD": Example([("BITFIELD", "k", "SET", "u8", "0", "10")],
                          [("BITFIELD", "k", "INCRBY", "u8", "0", "5")],
                          [("BITFIELD", "k", "INCRBY", "u8", "0", "7")], {BITS: [22]}),
    "S BITFIELD SAT": Example(
        [("BITFIELD", "k", "SET", "u8", "0", "250")],
        [("BITFIELD", "k", "OVERFLOW", "SAT", "INCRBY", "u8", "0", "5")],
        [("BITFIELD", "k", "OVERFLOW", "SAT", "INCRBY", "u8", "0", "7")], {BITS: [255]}),
    "S SETNX": Example([], [("SETNX", "l", "a")], [("SETNX", "l", "b")], {("GET", "l"): b"b"},
                       [B_LATER], replies=(1, 1), counted=("overwrite",)),
    "S RENAME": Example([("SET", "a", "old")], [("RENAME", "a", "b")], [("SET", "a", "z")],
                        {("GET", "b"): b"old", ("GET", "a"): b"z"}, [B_LATER]),
}  # fmt: skip

BIG: Final = str(2**63 - 2)
COUNTERS: Final[dict[str, Example]] = {
    "C1": Example([("SET", "c", "10")], [("INCRBY", "c", "5")], [("INCRBY", "c", "7")],
                  {("GET", "c"): b"22"}),
    "C2": Example([("SET", "c", "10")], [("SET", "c", "100")], [("INCRBY", "c", "7")],
                  {("GET", "c"): b"107"}),
    "C3": Example([("SET", "c", "10")], [("DEL", "c")], [("INCRBY", "c", "7")],
                  {("GET", "c"): b"7"}),
    "C4": Example([], [("SET", "c", "1")], [("SET", "c", "2"), ("INCR", "c")],
                  {("GET", "c"): b"3"}, [B_LATER]),
    "C6": Example([], [("INCRBYFLOAT", "c", "0.1")] * 3, [("INCRBYFLOAT", "c", "0.2")],
                  {("GET", "c"): b"0.5"}),
    "C7": Example([("SET", "c", BIG)], [("INCR", "c")], [("INCR", "c")],
                  {("GET", "c"): b"9223372036854775807"}, then=[("DECR", "c"), ("DECR", "c")],
                  last={("GET", "c"): BIG.encode()}, counted=("counter_overflow",)),
    "C8": Example([("SET", "c", "0"), ("INCR", "c")], [("INCR", "c")], [("SET", "c", "100")],
                  {("GET", "c"): b"101"}),
}  # fmt: skip

SETS: Final[dict[str, Example]] = {
    "SE1": Example([("SADD", "s", "a", "b")], [("SREM", "s", "a"), ("SREM", "s", "c")],
                   [("SADD", "s", "c")], {("SMEMBERS", "s"): frozenset({b"b", b"c"})}),
    "SE2": Example([("SADD", "s", "a")], [("SREM", "s", "a")], [("SADD", "s", "a")],
                   {("SMEMBERS", "s"): frozenset({b"a"})}),
    "SE3": Example([("SADD", "s", "a")], [("DEL", "s")], [("SADD", "s", "z")],
                   {("SMEMBERS", "s"): frozenset({b"z"})}, [(2000, 1000)]),
    "SE4": Example([("SADD", "s", "a")], [("SPOP", "s")], [("SPOP", "s")], {("EXISTS", "s"): 0},
                   replies=(b"a", b"a"), counted=("removed_twice",)),
    "SE5": Example([("SADD", "s", "m", "n")], [("SMOVE", "s", "x", "m")],
                   [("SMOVE", "s", "y", "m")],
                   {("SMEMBERS", "s"): frozenset({b"n"}), ("SMEMBERS", "x"): frozenset({b"m"}),
                    ("SMEMBERS", "y"): frozenset({b"m"})}),
}  # fmt: skip

HASHES: Final[dict[str, Example]] = {
    "H HSET": Example([], [("HSET", "h", "f1", "1")], [("HSET", "h", "f2", "2")],
                      {("HGETALL", "h"): {b"f1": b"1", b"f2": b"2"}}),
    "H HDEL": Example([("HSET", "h", "f", "v")], [("HDEL", "h", "f")],
                      [("HSET", "h", "f", "v2")], {("HGETALL", "h"): {b"f": b"v2"}}),
    "H HINCRBY": Example([("HSET", "h", "f", "5")], [("HDEL", "h", "f")],
                         [("HINCRBY", "h", "f", "2")], {("HGETALL", "h"): {b"f": b"2"}}),
    "H DEL": Example([("HSET", "h", "f", "v")], [("DEL", "h")], [("HSET", "h", "g", "1")],
                     {("HGETALL", "h"): {b"g": b"1"}}),
    "H text": Example([("HSET", "h", "f", "3")], [("HSET", "h", "f", "a")],
                      [("HINCRBY", "h", "f", "1")], {("HGET", "h", "f"): b"a"},
                      counted=("overwrite",)),
}  # fmt: skip

Z: Final = ("ZRANGE", "z", "0", "-1", "WITHSCORES")
ZSETS: Final[dict[str, Example]] = {
    "Z1": Example([("ZADD", "z", "4.1", "x")], [("ZREM", "z", "x")], [("ZINCRBY", "z", "2", "x")],
                  {Z: [b"x", b"2"]}),
    "Z2": Example([("ZADD", "z", "1.1", "x")], [("ZINCRBY", "z", "1", "x")],
                  [("ZINCRBY", "z", "1", "x")], {Z: [b"x", b"3.1"]}),
    "Z3": Example([("ZADD", "z", "1", "x")], [("ZADD", "z", "50", "x")],
                  [("ZINCRBY", "z", "2", "x")], {Z: [b"x", b"52"]}),
    "Z4": Example([], [("ZADD", "z", "1.1", "x")], [("ZADD", "z", "2.1", "x")],
                  {Z: [b"x", b"2.1"]}, [B_LATER]),
    "Z5": Example([], [("ZADD", "z", "GT", "7", "x")], [("ZADD", "z", "GT", "5", "x")],
                  {Z: [b"x", b"7"]}),
    "Z6": Example([("ZADD", "z", "1", "old")], [("ZREMRANGEBYSCORE", "z", "-inf", "10")],
                  [("ZADD", "z", "3", "new")], {Z: [b"new", b"3"]}),
    "Z7": Example([("ZADD", "z", "1", "x", "2", "y")], [("ZPOPMIN", "z")], [("ZPOPMIN", "z")],
                  {Z: [b"y", b"2"]}, replies=([b"x", b"1"], [b"x", b"1"]),
                  counted=("removed_twice",)),
    "Z8": Example([], [("GEOADD", "z", "13.361389", "38.115556", "x")],
                  [("GEOADD", "z", "15.087269", "37.502669", "x")],
                  {("GEOHASH", "z", "x"): [b"sqdtr74hyu0"]}, [B_LATER]),
}  # fmt: skip

L: Final = ("LRANGE", "l", "0", "-1")
X: Final = [("RPUSH", "l", "x")]
XYZ: Final = [("RPUSH", "l", "x", "y", "z")]
LISTS: Final[dict[str, Example]] = {
    "L1": Example(X, [("LPUSH", "l", "y")], [("DEL", "l")], {L: [b"y"]}),
    "L2": Example([], [("RPUSH", "l", f"a{at}") for at in (1, 2, 3)],
                  [("RPUSH", "l", f"b{at}") for at in (1, 2, 3)],
                  {L: together([b"a1", b"a2", b"a3"], [b"b1", b"b2", b"b3"])}),
    "L3": Example(X, [("LINSERT", "l", "AFTER", "x", "y1")],
                  [("LINSERT", "l", "AFTER", "x", "y2")],
                  {L: lambda reply: reply in ([b"x", b"y1", b"y2"], [b"x", b"y2", b"y1"])}),
    "L4": Example(XYZ, [("LPOP", "l")], [("RPOP", "l")], {L: [b"y"]}, replies=(b"x", b"z")),
    "L5": Example(X, [("LPOP", "l")], [("LPOP", "l")], {("EXISTS", "l"): 0}, replies=(b"x", b"x"),
                  counted=("removed_twice",)),
    "L6": Example(XYZ, [("LTRIM", "l", "0", "0")], [("RPUSH", "l", "w")], {L: [b"x", b"w"]}),
    "L7": Example(X, [("LSET", "l", "0", "p")], [("LSET", "l", "0", "q")], {L: [b"q"]}, [B_LATER]),
    "L8": Example(X, [("LSET", "l", "0", "p")], [("LPOP", "l")], {("EXISTS", "l"): 0}),
    "L9": Example(X, [("LMOVE", "l", "d1", "LEFT", "LEFT")],
                  [("LMOVE", "l", "d2", "LEFT", "LEFT")],
                  {("LRANGE", "d1", "0", "-1"): [], ("LRANGE", "d2", "0", "-1"): [b"x"],
                   ("EXISTS", "l"): 0}, [B_LATER]),
    "L9 the other later": Example(
        X, [("LMOVE", "l", "d1", "LEFT", "LEFT")], [("LMOVE", "l", "d2", "LEFT", "LEFT")],
        {("LRANGE", "d1", "0", "-1"): [b"x"], ("LRANGE", "d2", "0", "-1"): []}, [A_LATER]),
    "L11": Example(X, [("LPOP", "l")], [("LMOVE", "l", "d", "LEFT", "LEFT")],
                   {("LRANGE", "d", "0", "-1"): [b"x"], ("EXISTS", "l"): 0}, replies=(b"x", b"x"),
                   counted=("removed_twice",)),
    "L11 by DEL": Example(X, [("DEL", "l")], [("LMOVE", "l", "d", "LEFT", "LEFT")],
                          {("LRANGE", "d", "0", "-1"): [b"x"], ("EXISTS", "l"): 0}),
    "L12": Example(X, [("LPUSH", "l", f"a{at}") for at in (1, 2, 3)],
                   [("LPUSH", "l", f"b{at}") for at in (1, 2, 3)],
                   {L: lambda reply: reply in (
                       [b"a3", b"a2", b"a1", b"b3", b"b2", b"b1", b"x"],
                       [b"b3", b"b2", b"b1", b"a3", b"a2", b"a1", b"x"])}),
}  # fmt: skip

CLASHES: Final[dict[str, Example]] = {
    "K1": Example([], [("SADD", "k", "a")], [("LPUSH", "k", "b")],
                  {("LRANGE", "k", "0", "-1"): [b"b"], ("TYPE", "k"): b"list"},
                  [B_LATER], then=[("DEL", "k"), ("SADD", "k", "n")],
                  last={("SMEMBERS", "k"): frozenset({b"n"})}, counted=("type_clash",)),
    "K2": Example([], [("SADD", "k", "a")], [("LPUSH", "k", "b")], {("LLEN", "k"): 1},
                  [B_LATER], then=[("LPOP", "k")], last={("EXISTS", "k"): 0}),
    "K2 then a creation": Example(
        [], [("SADD", "k", "a")], [("LPUSH", "k", "b")], {("LLEN", "k"): 1}, [B_LATER],
        then=[("LPOP", "k"), ("SADD", "k", "n")],
        last={("SMEMBERS", "k"): frozenset({b"n"})}),
}  # fmt: skip

XRANGE: Final = ("XRANGE", "x", "-", "+")
ONE: Final = [("XADD", "x", "5-1", "f", "v")]
GROUP: Final = [*ONE, ("XGROUP", "CREATE", "x", "g", "0")]
READ: Final = ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">")


def ids(*expected: bytes) -> object:
    """XRANGE shows these IDs."""
    return lambda reply: [each[0] for each in reply] == list(expected)


def groups(*expected: bytes) -> object:
    """XINFO GROUPS shows groups of these names."""
    return lambda reply: [each[b"name"] for each in reply] == list(expected)


STREAMS: Final[dict[str, Example]] = {
    "X XADD": Example([], [("XADD", "x", "*", "f", "a")], [("XADD", "x", "*", "f", "b")],
                      {XRANGE: lambda reply: [each[1] for each in reply] == [
                          [b"f", b"a"], [b"f", b"b"]], ("XLEN", "x"): 2}, [B_LATER]),
    "X DEL": Example(ONE, [("DEL", "x")], [("XADD", "x", "9-1", "f", "v")],
                     {XRANGE: ids(b"9-1")}),
    "X groups": Example(ONE, [("XGROUP", "CREATE", "x", "g1", "0")],
                        [("XGROUP", "CREATE", "x", "g2", "0")],
                        {("XINFO", "GROUPS", "x"): groups(b"g1", b"g2")}),
    "X group after DEL": Example(ONE, [("DEL", "x")], [("XGROUP", "CREATE", "x", "g2", "0")],
                                 {("XINFO", "GROUPS", "x"): groups(b"g2"), ("XLEN", "x"): 0}),
    "X XACK": Example([*GROUP, READ], [("XACK", "x", "g", "5-1")],
                      [("XCLAIM", "x", "g", "d", "0", "5-1")],
                      {("XPENDING", "x", "g", "-", "+", "9"): []}),
    "X two reads": Example(GROUP, [READ], [READ],
                           {("XPENDING", "x", "g", "-", "+", "9"):
                            lambda reply: [(each[0], each[3]) for each in reply] == [(b"5-1", 2)]}),
}  # fmt: skip

OTHERS: Final[dict[str, Example]] = {
    "P": Example([("PFADD", "p", "e1")], [("PFADD", "p", "e2")], [("DEL", "p")],
                 {("PFCOUNT", "p"): 1}, [A_LATER]),
    "T1": Example([("SET", "k", "v")], [("PEXPIREAT", "k", T10)], [("PEXPIREAT", "k", T50)],
                  {("PEXPIRETIME", "k"): int(T50)}),
    "T2": Example([("SET", "k", "v")], [("SET", "k", "w")], [("PEXPIREAT", "k", T50)],
                  {("GET", "k"): b"w", ("PTTL", "k"): -1}),
    "T6": Example([("SADD", "k", "x")], [("DEL", "k")], [("PEXPIREAT", "k", T10)],
                  {("EXISTS", "k"): 0}, then=[("SADD", "k", "y")],
                  last={("SMEMBERS", "k"): frozenset({b"y"}), ("PTTL", "k"): -1}),
    "T7": Example([("SET", "k", "v"), ("PEXPIREAT", "k", T50)], [("PERSIST", "k")],
                  [("PEXPIREAT", "k", T10)], {("PTTL", "k"): -1}),
    "T10": Example([("SET", "k", "v")], [("SET", "k", "w", "PXAT", T10)],
                   [("PEXPIREAT", "k", T50)],
                   {("GET", "k"): b"w", ("PEXPIRETIME", "k"): int(T50)}),
    "F FLUSHALL": Example([("SET", "k", "v"), ("SET", "o", "v")], [("FLUSHALL",)],
                          [("SET", "k", "v2")], {("GET", "k"): b"v2", ("DBSIZE",): 1}),
    "F MOVE": Example([("SADD", "s", "a")], [("MOVE", "s", "1")], [("SADD", "s", "b")],
                      {("SMEMBERS", "s"): frozenset({b"b"})}, beyond_oracle=True),
}  # fmt: skip

EXAMPLES: Final[dict[str, Example]] = {
    **STRINGS, **COUNTERS, **SETS, **HASHES, **ZSETS, **LISTS, **CLASHES, **STREAMS, **OTHERS,
}  # fmt: skip
