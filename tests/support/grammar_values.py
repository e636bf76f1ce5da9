"""The values of generated commands: likely to meet what is stored, now and then odd.

Few keys of each type, few members and fields; integers, floats and IDs with their edges; texts
around the sizes at which Redis changes its encoding.
"""

from __future__ import annotations

import random

# Keys by the group of commands that makes them; two of each, so that sources and targets meet.
KEYS = {
    "string": [b"str1", b"str2", b"num"],
    "bitmap": [b"bits1", b"bits2"],
    "hyperloglog": [b"hll1", b"hll2"],
    "list": [b"list1", b"list2"],
    "set": [b"set1", b"set2", b"ints"],
    "hash": [b"hash1", b"hash2"],
    "sorted-set": [b"zset1", b"zset2", b"lex1"],
    "geo": [b"geo1", b"geo2"],
    "stream": [b"stream1", b"stream2"],
}
EVERY_KEY = [key for keys in KEYS.values() for key in keys] + [b"none"]
MEMBERS = [b"a", b"b", b"c", b"d", b"1", b"2", b"17", b"-5"]
ODD_MEMBERS = [
    b"", b"a\x00\xff", b"3.5", b"01", b"x" * 64, b"x" * 65, b"9223372036854775807",
    b"9223372036854775808", b"-0", b"*", b"y" * 300,
]  # fmt: skip
VALUES = [
    *MEMBERS, b"hello", b"10", b"0", b"3.0", b"1.25", b"foobar", b"x" * 30, b"x" * 44, b"x" * 45,
    b"z" * 5000, b"a\nb",
]  # fmt: skip
INTEGERS = [b"0", b"1", b"2", b"3", b"5", b"-1", b"-2", b"10", b"100"]
COUNTS = [b"1", b"1", b"2", b"3", b"10"]
ODD_INTEGERS = [
    b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b"abc", b"", b"1.5",
    b" 1", b"01", b"+1", b"2147483648", b"4294967296", b"-0", b"-2147483649", b"-7",
]  # fmt: skip
FLOATS = [b"0", b"1", b"-1", b"1.5", b"2.25", b"3", b"10", b"0.1", b"-2.5"]
ODD_FLOATS = [
    b"inf", b"-inf", b"+inf", b"nan", b"1e5", b"1e308", b"-0", b"abc", b"", b"0x10", b"1e-7",
    b"3.0000000000000001", b"123456789.123", b"5e-324", b"1e400", b" 1",
]  # fmt: skip
IDS = [b"0", b"1-1", b"1-2", b"2-1", b"2-2", b"3", b"3-0", b"5-5", b"7-1", b"0-1", b"9"]
ODD_IDS = [b"-", b"+", b"$", b">", b"(1-1", b"abc", b"1-", b"0-0", b"18446744073709551615", b"9-*"]
SCORE_BOUNDS = [b"-inf", b"+inf", b"(1", b"1", b"2", b"(2.5", b"0", b"3", b"10"]
LEX_BOUNDS = [b"-", b"+", b"[a", b"(a", b"[c", b"(d", b"[", b"[x"]
PATTERNS = [b"*", b"s*", b"*1", b"[a-l]*", b"?", b"[^a]", b"\\a", b"a*", b"[abc", b"*[12]"]
SORT_BY = [b"w_*", b"nosort", b"hash1->*", b"*", b"hash_*->f", b"hash1->a"]
SORT_GET = [b"#", b"w_*", b"hash1->*", b"*", b"hash_*->f", b"str1"]
BIT_TYPES = [b"u8", b"i8", b"u1", b"i64", b"u63", b"i5", b"u16"]
ODD_BIT_TYPES = [b"u64", b"i65", b"u0", b"8", b"x8", b"i0"]
BIT_OFFSETS = [b"0", b"1", b"7", b"8", b"100", b"24"]
# Deadlines are far off, so that both servers see them as such, or long past.
FAR_S = [b"4102444800", b"4102444801", b"4202444800"]
FAR_MS = [b"4102444800000", b"4102444800001", b"4202444800000"]
PAST = [b"0", b"1", b"-1"]
PFDEBUG = [b"ENCODING", b"GETREG", b"DECODE", b"TODENSE"]  # SIMD replies twice in Redis
COMMAND_NAMES = (b"select", b"sort", b"sort_ro")
RANKED = (b"zrange", b"zrevrange", b"zremrangebyrank")


def mixed(rng: random.Random, usual: list[bytes], odd: list[bytes], share: float) -> bytes:
    """Mostly a usual value; an odd one with this share."""
    return rng.choice(odd if rng.random() < share else usual)


def key_of(rng: random.Random, group: str) -> bytes:
    """A key, mostly one of the type that the group's commands are about."""
    own = KEYS.get(group)
    if own is None or rng.random() < 0.06:
        return rng.choice(EVERY_KEY)
    return rng.choice(own)


def member_of(rng: random.Random) -> bytes:
    """A member, field or element."""
    return mixed(rng, MEMBERS, ODD_MEMBERS, 0.1)


def duration(rng: random.Random, unit: str) -> bytes:
    """A time to live of an hour and more, rarely one that has passed or is none."""
    # Far apart: of two that are equal the later one may or may not be a millisecond ahead.
    seconds = 10_000 + 1_000 * rng.randrange(50)
    usual = b"%d" % (seconds if unit == "seconds" else seconds * 1000)
    return mixed(rng, [usual], [b"0", b"-1", b"abc", b"9223372036854775807", b""], 0.1)


def value_of(
    rng: random.Random, words: tuple[bytes, ...], group: str, name: str, kind: str
) -> bytes:
    """A value for an argument of this name and type, of the command `words`."""
    if kind == "key":
        return key_of(rng, group)
    if name.startswith("unix-time"):
        return mixed(rng, FAR_MS if name.endswith("milliseconds") else FAR_S, PAST, 0.1)
    if name in ("seconds", "milliseconds", "ttl"):
        if words[0].startswith(b"xread"):
            return mixed(rng, [b"10"], [b"-1", b"abc"], 0.1)
        return duration(rng, name)
    for special in (ranges, streams, bits, counts, rare):
        found = special(rng, words, group, name)
        if found is not None:
            return found
    if kind == "integer":
        return mixed(rng, INTEGERS, ODD_INTEGERS, 0.08)
    if kind == "double":
        return mixed(rng, FLOATS, ODD_FLOATS, 0.1)
    if name == "value":
        return mixed(rng, VALUES, ODD_MEMBERS, 0.05)
    return member_of(rng)


def ranges(rng: random.Random, words: tuple[bytes, ...], group: str, name: str) -> bytes | None:
    """Ends of ranges of sorted sets and streams."""
    if name not in ("min", "max", "start", "stop", "end"):
        return None
    if group == "stream":
        return mixed(rng, [*IDS, b"-", b"+", b"-", b"+", b"(1-1"], ODD_IDS, 0.05)
    if group != "sorted-set":
        return None
    if words[0] in RANKED:
        return mixed(rng, INTEGERS, ODD_INTEGERS, 0.05)
    if b"lex" in words[0]:
        return mixed(rng, LEX_BOUNDS, [b"a", b""], 0.05)
    return mixed(rng, SCORE_BOUNDS, ODD_FLOATS + LEX_BOUNDS, 0.06)


def streams(rng: random.Random, words: tuple[bytes, ...], group: str, name: str) -> bytes | None:
    """IDs, groups and consumers."""
    if group != "stream":
        return None
    if name in ("id", "last-id", "lastid", "max-deleted-id", "id-selector", "threshold"):
        return mixed(rng, IDS, ODD_IDS, 0.08)
    if name == "group":
        return rng.choice([b"g1", b"g1", b"g2"])
    if name == "consumer":
        return rng.choice([b"alice", b"alice", b"bob"])
    if name in ("min-idle-time", "ms"):
        return mixed(rng, [b"0", b"0", b"0", b"1000000"], ODD_INTEGERS, 0.06)
    return None


def bits(rng: random.Random, words: tuple[bytes, ...], group: str, name: str) -> bytes | None:
    """Bits and their places."""
    if group != "bitmap":
        return None
    if name == "offset":
        more = [b"#1", b"#0"] if words[0].startswith(b"bitfield") else []
        return mixed(rng, BIT_OFFSETS + more, ODD_INTEGERS, 0.06)
    if name == "encoding":
        return mixed(rng, BIT_TYPES, ODD_BIT_TYPES, 0.08)
    if name == "bit" or (name == "value" and words[0] == b"setbit"):
        return mixed(rng, [b"0", b"1"], INTEGERS, 0.06)
    return None


def counts(rng: random.Random, words: tuple[bytes, ...], group: str, name: str) -> bytes | None:
    """Counts, limits, offsets and cursors."""
    if name == "timeout":
        return mixed(rng, [b"0.01"], [b"-1", b"abc", b"1e400"], 0.08)
    if name == "count" and words[0].endswith(b"scan"):
        return mixed(rng, [b"1000"], ODD_INTEGERS[2:5], 0.06)
    if name == "cursor":
        return mixed(rng, [b"0"], [b"abc", b"-1", b"1x"], 0.05)
    if name in ("count", "limit", "min-match-len", "len", "num-matches", "entriesread"):
        if words[0].endswith((b"randfield", b"randmember")) or words[0] == b"lrem":
            return mixed(rng, [*COUNTS, b"-2", b"-10", b"0"], ODD_INTEGERS, 0.06)
        return mixed(rng, COUNTS, [*ODD_INTEGERS, b"0", b"-1"], 0.1)
    if name == "rank":
        return mixed(rng, [b"1", b"2", b"-1", b"-2"], [*ODD_INTEGERS, b"0"], 0.08)
    if name == "offset" and group != "bitmap":
        return mixed(rng, [b"0", b"1", b"2", b"5"], [b"-1", b"abc", b"536870912"], 0.06)
    return None


def rare(rng: random.Random, words: tuple[bytes, ...], group: str, name: str) -> bytes | None:
    """Values that a few commands have."""
    if name == "by-pattern":
        return rng.choice(SORT_BY)
    if name == "get-pattern":
        return rng.choice(SORT_GET)
    if name == "pattern":
        return rng.choice(PATTERNS)
    if name == "subcommand":
        return rng.choice(PFDEBUG)
    if name == "type":
        return rng.choice([b"string", b"list", b"set", b"hash", b"zset", b"stream", b"nosuch"])
    if name in ("longitude", "latitude"):
        return mixed(rng, [b"13.361389", b"38.115556", b"15.08", b"37.5", b"0"], FLOATS, 0.15)
    if name in ("radius", "width", "height"):
        return mixed(rng, [b"100", b"200", b"500", b"1000", b"0"], ODD_FLOATS, 0.06)
    if name == "index" and words == (b"select",):
        return mixed(rng, [b"0", b"0", b"1"], ODD_INTEGERS, 0.08)
    if name in ("db", "destination-db", "index1", "index2"):
        return mixed(rng, [b"0", b"1", b"2", b"1"], [b"16", b"-1", b"abc", b"2147483648"], 0.06)
    if name == "decrement" or (name == "increment" and group in ("string", "hash")):
        return mixed(rng, INTEGERS, ODD_INTEGERS, 0.06) if words[0][-5:] != b"float" else None
    if name == "increment" and group == "sorted-set":
        return mixed(rng, FLOATS, ODD_FLOATS, 0.06)
    return None
