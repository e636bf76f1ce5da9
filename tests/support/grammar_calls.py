"""Calls whose arguments depend on each other in ways that no argument tree says.

Each function makes the arguments behind the name; the Maker takes one of them in most calls of its
command and the tree in the others, so that what is refused is met too.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.support.grammar_values import (
    COUNTS,
    FAR_S,
    FLOATS,
    IDS,
    INTEGERS,
    KEYS,
    LEX_BOUNDS,
    MEMBERS,
    SCORE_BOUNDS,
    VALUES,
    key_of,
    member_of,
)

Call = Callable[[random.Random, int], list[bytes]]
UNITS = [b"m", b"km", b"ft", b"mi", b"KM"]
BULK = [20, 90, 130, 200, 600]  # around what listpacks and intsets hold by default


def some(rng: random.Random, *words: list[bytes]) -> list[bytes]:
    """Each of these options in one case of three."""
    return [word for option in words if rng.random() < 0.34 for word in option]


def limit(rng: random.Random) -> list[bytes]:
    """LIMIT with an offset and a count."""
    return [b"LIMIT", rng.choice([b"0", b"1", b"2"]), rng.choice([b"1", b"2", b"-1", b"10"])]


def zrange_ends(rng: random.Random) -> list[bytes]:
    """Both ends and the words that say what they are."""
    way = rng.randrange(3)
    if way == 0:
        return [rng.choice(INTEGERS), rng.choice(INTEGERS), *some(rng, [b"REV"])]
    bounds = SCORE_BOUNDS if way == 1 else LEX_BOUNDS
    word = b"BYSCORE" if way == 1 else b"BYLEX"
    ends = [rng.choice(bounds), rng.choice(bounds)]
    return [*ends, word, *some(rng, [b"REV"], limit(rng))]


def zrange(rng: random.Random, _step: int) -> list[bytes]:
    """ZRANGE by rank, score or lex."""
    ends = zrange_ends(rng)
    more = [] if b"BYLEX" in ends else some(rng, [b"WITHSCORES"])
    return [key_of(rng, "sorted-set"), *ends, *more]


def zrangestore(rng: random.Random, _step: int) -> list[bytes]:
    """ZRANGESTORE."""
    return [key_of(rng, "sorted-set"), key_of(rng, "sorted-set"), *zrange_ends(rng)]


def zadd(rng: random.Random, _step: int) -> list[bytes]:
    """ZADD with options that agree, and many members now and then."""
    options = rng.choice(
        [[], [], [], [b"NX"], [b"XX"], [b"GT"], [b"LT"], [b"XX", b"GT"], [b"XX", b"LT", b"CH"],
         [b"CH"], [b"INCR"], [b"XX", b"INCR"]]
    )  # fmt: skip
    count = 1 if b"INCR" in options else rng.choice([1, 2, 3])
    words = [key_of(rng, "sorted-set"), *options]
    if not options and rng.random() < 0.08:  # Redis unpacks by how many are named, not added
        for number in range(rng.choice(BULK)):
            words += [b"%d" % (number * 7 % 50), b"m%d" % number]
        return words
    for _ in range(count):
        words += [rng.choice(FLOATS), member_of(rng)]
    return words


def members(group: str) -> Call:
    """A key and members, many now and then: SADD, RPUSH, SREM and their kin."""

    def make(rng: random.Random, _step: int) -> list[bytes]:
        key = key_of(rng, group)
        if rng.random() < 0.06:
            prefix = rng.choice([b"", b"m", b"m"])
            return [key, *[prefix + b"%d" % number for number in range(rng.choice(BULK))]]
        source = VALUES if group == "list" and rng.random() < 0.3 else MEMBERS
        return [key, *[rng.choice(source) for _ in range(rng.choice([1, 1, 2, 3]))]]

    return make


def hset(rng: random.Random, _step: int) -> list[bytes]:
    """HSET, many fields now and then."""
    words = [key_of(rng, "hash")]
    if rng.random() < 0.06:
        for number in range(rng.choice(BULK)):
            words += [b"f%d" % number, b"%d" % number]
        return words
    for _ in range(rng.choice([1, 1, 2, 3])):
        words += [member_of(rng), rng.choice(VALUES[:14])]
    return words


def geo_center(rng: random.Random) -> list[bytes]:
    """Where GEOSEARCH looks, and how far."""
    center = [b"FROMMEMBER", rng.choice([b"a", b"b", b"a", b"b", b"c"])]
    if rng.random() < 0.5:
        center = [b"FROMLONLAT", rng.choice([b"15", b"13.5"]), rng.choice([b"37", b"38.1"])]
    by = [b"BYRADIUS", rng.choice([b"100", b"200", b"1000"])]
    if rng.random() < 0.5:
        by = [b"BYBOX", rng.choice([b"300", b"2000"]), rng.choice([b"100", b"400"])]
    return [*center, *by, rng.choice(UNITS)]


def geo_options(rng: random.Random) -> list[bytes]:
    """Order and count. ANY is asked for with an order: else Redis's own decides."""
    order = rng.choice([[b"ASC"], [b"DESC"], []])
    count = [b"COUNT", rng.choice(COUNTS)]
    return [*order, *some(rng, count)] if order else some(rng, count)


def geo_with(rng: random.Random) -> list[bytes]:
    """What the reply has beside the names."""
    return some(rng, [b"WITHCOORD"], [b"WITHDIST"], [b"WITHHASH"])


def geosearch(rng: random.Random, _step: int) -> list[bytes]:
    """GEOSEARCH."""
    return [key_of(rng, "geo"), *geo_center(rng), *geo_options(rng), *geo_with(rng)]


def geosearchstore(rng: random.Random, _step: int) -> list[bytes]:
    """GEOSEARCHSTORE."""
    more = some(rng, [b"STOREDIST"])
    return [key_of(rng, "geo"), key_of(rng, "geo"), *geo_center(rng), *geo_options(rng), *more]


def georadius(by_member: bool, stores: bool) -> Call:
    """GEORADIUS and its kin."""

    def make(rng: random.Random, _step: int) -> list[bytes]:
        center = [rng.choice([b"a", b"b"])] if by_member else [b"15", b"37"]
        words = [key_of(rng, "geo"), *center, rng.choice([b"100", b"300", b"1000"])]
        words += [rng.choice(UNITS), *geo_options(rng)]
        if stores and rng.random() < 0.4:
            return [*words, rng.choice([b"STORE", b"STOREDIST"]), key_of(rng, "geo")]
        return [*words, *geo_with(rng)]

    return make


def geoadd(rng: random.Random, _step: int) -> list[bytes]:
    """GEOADD."""
    words = [key_of(rng, "geo"), *rng.choice([[], [], [b"NX"], [b"XX"], [b"CH"]])]
    for _ in range(rng.choice([1, 2])):
        longitude = b"%.6f" % rng.choice([13.361389, 15.087269, 2.3522, -180, 179.99])
        latitude = b"%.6f" % rng.choice([38.115556, 37.502669, 48.8566, 0, -85])
        words += [longitude, latitude, rng.choice([b"a", b"b", b"c", b"d"])]
    return words


def xadd(rng: random.Random, step: int) -> list[bytes]:
    """XADD; IDs ascend with the place in the run, or the server counts on within a millisecond."""
    trim = rng.choice(
        [[], [], [], [b"MAXLEN", b"2"], [b"MAXLEN", b"~", b"3"], [b"MINID", b"=", b"3"],
         [b"MAXLEN", b"=", b"1"], [b"NOMKSTREAM"], [b"KEEPREF"], [b"DELREF", b"MAXLEN", b"1"],
         [b"ACKED", b"MAXLEN", b"2"]]
    )  # fmt: skip
    number = rng.choice([b"%d-%d" % (step + 10, rng.randrange(3)), b"%d-*" % (step + 9)])
    words = [key_of(rng, "stream"), *trim, number]
    for _ in range(rng.choice([1, 1, 2])):
        words += [member_of(rng), rng.choice(VALUES[:14])]
    return words


def some_ids(rng: random.Random) -> list[bytes]:
    """IDs of entries that may be there."""
    return [rng.choice(IDS[1:]) for _ in range(rng.choice([1, 1, 2, 3]))]


def xread(rng: random.Random, _step: int) -> list[bytes]:
    """XREAD of one or two streams."""
    keys = rng.sample(KEYS["stream"], rng.choice([1, 2]))
    ids = [rng.choice([*IDS, b"$", b"+"]) for _ in keys]
    count = [b"COUNT", rng.choice(COUNTS)]
    return [*some(rng, count, [b"BLOCK", b"10"]), b"STREAMS", *keys, *ids]


def xreadgroup(rng: random.Random, _step: int) -> list[bytes]:
    """XREADGROUP: new entries or the consumer's own."""
    keys = rng.sample(KEYS["stream"], rng.choice([1, 1, 1, 2]))
    ids = [rng.choice([b">", b">", b">", b"0", b"1-1"]) for _ in keys]
    options = some(rng, [b"COUNT", rng.choice(COUNTS)], [b"BLOCK", b"10"], [b"NOACK"])
    who = [b"GROUP", rng.choice([b"g1", b"g1", b"g2"]), rng.choice([b"alice", b"bob"])]
    return [*who, *options, b"STREAMS", *keys, *ids]


def xpending(rng: random.Random, _step: int) -> list[bytes]:
    """XPENDING, short and long."""
    words = [key_of(rng, "stream"), rng.choice([b"g1", b"g2"])]
    if rng.random() < 0.3:
        return words
    idle = some(rng, [b"IDLE", rng.choice([b"0", b"1000000"])])
    ends = [rng.choice([b"-", b"(1-1", b"1-2", b"0"]), rng.choice([b"+", b"2", b"(2-1"])]
    return [*words, *idle, *ends, rng.choice(COUNTS), *some(rng, [b"alice"])]


def xclaim(rng: random.Random, _step: int) -> list[bytes]:
    """XCLAIM."""
    words = [key_of(rng, "stream"), rng.choice([b"g1", b"g2"]), rng.choice([b"alice", b"bob"])]
    options = some(
        rng, [b"IDLE", b"1000"], [b"RETRYCOUNT", b"7"], [b"FORCE"], [b"JUSTID"], [b"LASTID", b"2-1"]
    )
    return [*words, rng.choice([b"0", b"0", b"0", b"1000000"]), *some_ids(rng), *options]


def xautoclaim(rng: random.Random, _step: int) -> list[bytes]:
    """XAUTOCLAIM."""
    words = [key_of(rng, "stream"), rng.choice([b"g1", b"g2"]), rng.choice([b"alice", b"bob"])]
    options = some(rng, [b"COUNT", rng.choice(COUNTS)], [b"JUSTID"])
    return [*words, b"0", rng.choice([b"0", b"-", b"1-2", b"(1-1"]), *options]


def xdelex(is_ack: bool) -> Call:
    """XDELEX and XACKDEL."""

    def make(rng: random.Random, _step: int) -> list[bytes]:
        ids = some_ids(rng)
        words = [key_of(rng, "stream"), *([rng.choice([b"g1", b"g2"])] if is_ack else [])]
        way = rng.choice([[], [b"KEEPREF"], [b"DELREF"], [b"ACKED"]])
        return [*words, *way, b"IDS", b"%d" % len(ids), *ids]

    return make


def xtrim(rng: random.Random, _step: int) -> list[bytes]:
    """XTRIM."""
    way = rng.choice(
        [[b"MAXLEN", b"1"], [b"MAXLEN", b"=", b"2"], [b"MAXLEN", b"~", b"0"], [b"MINID", b"2"],
         [b"MINID", b"~", b"3", b"LIMIT", b"10"], [b"MAXLEN", b"3"]]
    )  # fmt: skip
    references = [rng.choice([b"KEEPREF", b"DELREF", b"ACKED"])]
    return [key_of(rng, "stream"), *way, *some(rng, references)]


def xgroup_create(rng: random.Random, _step: int) -> list[bytes]:
    """XGROUP CREATE."""
    words = [key_of(rng, "stream"), rng.choice([b"g1", b"g2", b"g3"]), rng.choice([*IDS, b"$"])]
    return [*words, *some(rng, [b"MKSTREAM"], [b"MKSTREAM"], [b"ENTRIESREAD", b"2"])]


def xsetid(rng: random.Random, step: int) -> list[bytes]:
    """XSETID above what is there."""
    more = some(rng, [b"ENTRIESADDED", b"100", b"MAXDELETEDID", b"1-1"])
    return [key_of(rng, "stream"), b"%d-5" % (step + 11), *more]


def set_(rng: random.Random, _step: int) -> list[bytes]:
    """SET with options that agree."""
    time = rng.choice(
        [[], [], [], [b"EX", b"10000"], [b"PX", b"10000000"], [b"EXAT", FAR_S[0]], [b"KEEPTTL"]]
    )
    words = [key_of(rng, "string"), rng.choice(VALUES), *time]
    return [*words, *some(rng, [rng.choice([b"NX", b"XX"])], [b"GET"])]


def sort(stores: bool) -> Call:
    """SORT of a list, set or sorted set."""

    def make(rng: random.Random, _step: int) -> list[bytes]:
        key = key_of(rng, rng.choice(["list", "list", "set", "sorted-set"]))
        by = rng.choice([b"w_*", b"hash1->*", b"hash_*->f", b"*"])
        get = rng.choice([b"#", b"w_*", b"hash1->*"])
        options = some(rng, [b"BY", by], [b"GET", get], limit(rng), [b"DESC"])
        options += [] if rng.random() < 0.3 else [b"ALPHA"]
        return [key, *options, *(some(rng, [b"STORE", key_of(rng, "list")]) if stores else [])]

    return make


def bitpos(rng: random.Random, _step: int) -> list[bytes]:
    """BITPOS."""
    words = [key_of(rng, "bitmap"), rng.choice([b"0", b"1"])]
    ends = [rng.choice([b"0", b"1", b"-2", b"5"]), rng.choice([b"-1", b"2", b"10"])]
    return [*words, *rng.choice([[], ends[:1], ends, [*ends, b"BIT"], [*ends, b"BYTE"]])]


def pfdebug(rng: random.Random, _step: int) -> list[bytes]:
    """PFDEBUG of a key that may be there."""
    return [rng.choice([b"ENCODING", b"GETREG", b"DECODE", b"TODENSE"]), key_of(rng, "hyperloglog")]


CALLS: dict[tuple[bytes, ...], Call] = {
    (b"zrange",): zrange, (b"zrangestore",): zrangestore, (b"zadd",): zadd,
    (b"sadd",): members("set"), (b"srem",): members("set"), (b"zrem",): members("sorted-set"),
    (b"rpush",): members("list"), (b"lpush",): members("list"), (b"hdel",): members("hash"),
    (b"pfadd",): members("hyperloglog"), (b"hset",): hset, (b"hmset",): hset,
    (b"geosearch",): geosearch, (b"geosearchstore",): geosearchstore, (b"geoadd",): geoadd,
    (b"georadius",): georadius(False, True), (b"georadius_ro",): georadius(False, False),
    (b"georadiusbymember",): georadius(True, True),
    (b"georadiusbymember_ro",): georadius(True, False),
    (b"xadd",): xadd, (b"xread",): xread, (b"xreadgroup",): xreadgroup, (b"xpending",): xpending,
    (b"xclaim",): xclaim, (b"xautoclaim",): xautoclaim, (b"xdelex",): xdelex(False),
    (b"xackdel",): xdelex(True), (b"xtrim",): xtrim, (b"xgroup", b"create"): xgroup_create,
    (b"xsetid",): xsetid, (b"set",): set_, (b"sort",): sort(True), (b"sort_ro",): sort(False),
    (b"bitpos",): bitpos, (b"pfdebug",): pfdebug,
}  # fmt: skip
