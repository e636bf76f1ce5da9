"""Random calls of every write command of the table, as templates: what a story's clients say.

A template is a line of words; a word that begins with `@` is a key of the command's own kind, one
that begins with `#` a value (`VALUES`), everything else stands for itself. Keys are few, and mostly
each kind has its own, so that writes of one place meet; with `strays` any command takes any key.

What only the moment of the call knows stands in braces and is filled in by `said` then: `{id:key}`
is the last ID of a stream on the node that is told, `{dump:kind}` a DUMP of that kind. So a line of
a plan (tests/support/plan.py) is text, and means the same however much of the plan is left out.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

from node.store.values.stream_ids import id_text
from node.store.values.streams import StreamValue
from tests.support.local import LocalNode
from tests.support.simnode import DATABASES, SimNode

START_MS = 1_700_000_000_000
KINDS = ("strings", "counters", "bits", "lists", "sets", "hashes", "zsets", "streams")
EDGE = 2**63 - 1
# In front of a template: it is drawn so many times as often as the others of its kind.
OFTEN = 4

# By kind, then by command as the table names it: its templates.
Templates = dict[str, tuple[str, ...]]
STRINGS: Templates = {
    "set": ("SET @a #v", "SET @a #n", "SET @a #v PXAT #at", "SET @a n NX PX #soon",
            "SET @a 5 XX KEEPTTL", "SET @a 10.50", "SET @a #v GET"),
    "setnx": ("SETNX @a nx",), "setex": ("SETEX @a 1 #v",), "psetex": ("PSETEX @a #soon #v",),
    "mset": ("MSET @a 1 @b 2",), "msetnx": ("MSETNX @a 1 @b 2",), "getset": ("GETSET @a #v",),
    "getdel": ("GETDEL @a",), "getex": ("GETEX @a PX #soon", "GETEX @a PERSIST"),
    "append": ("APPEND @a x", "APPEND @a 7"), "setrange": ("SETRANGE @a #i yy",),
    "bitop": ("BITOP OR @a @b @a", "BITOP NOT @a @b"),
}  # fmt: skip
COUNTERS: Templates = {
    "incr": ("INCR @a", "INCR @b"), "decr": ("DECR @a",), "incrby": ("INCRBY @a #n",),
    "decrby": ("DECRBY @a #n",), "incrbyfloat": ("INCRBYFLOAT @a #f",), "set": ("SET @a #n",),
    "hincrby": ("HINCRBY @ha #m #n",), "hincrbyfloat": ("HINCRBYFLOAT @ha #m #f",),
    "hset": ("HSET @ha #m #n",),
}  # fmt: skip
BITS: Templates = {
    "setbit": ("SETBIT @a #bit #i",),
    "bitfield": ("BITFIELD @a SET u8 #bit 200 INCRBY i5 3 9",
                 "BITFIELD @a OVERFLOW SAT INCRBY u8 0 100"),
    "append": ("APPEND @a z",), "setrange": ("SETRANGE @a #i y",),
    "pfadd": ("PFADD @ha #m #m", "PFADD @hb #m"), "pfmerge": ("PFMERGE @hb @ha",),
    "pfdebug": ("PFDEBUG TODENSE @ha",), "getdel": ("GETDEL @ha",),
}  # fmt: skip
LISTS: Templates = {
    "rpush": ("RPUSH @a #u #u #u", "RPUSH @a #u"), "lpush": ("LPUSH @a #u #u",),
    "rpushx": ("RPUSHX @a #u",), "lpushx": ("LPUSHX @a #u",),
    "linsert": ("LINSERT @a BEFORE #u #u", "LINSERT @a AFTER #u #u"),
    "lset": ("LSET @a #i #u", "LSET @a -1 #u"), "lrem": ("LREM @a 1 #u", "LREM @a -2 #u"),
    "ltrim": ("LTRIM @a #i -2", "LTRIM @a 0 3"), "lpop": ("LPOP @a", "LPOP @a 3"),
    "rpop": ("RPOP @a 2",), "lmpop": ("LMPOP 2 @a @b #end COUNT 2",),
    "lmove": ("LMOVE @a @b #end #end",), "rpoplpush": ("RPOPLPUSH @a @b",),
    "blpop": ("BLPOP @a @b 0.05",), "brpop": ("BRPOP @a 0.05",),
    "blmpop": ("BLMPOP 0.05 1 @a #end",), "blmove": ("BLMOVE @a @b #end #end 0.05",),
    "brpoplpush": ("BRPOPLPUSH @a @b 0.05",), "sort": ("SORT @a ALPHA STORE @b",),
}  # fmt: skip
SETS: Templates = {
    "sadd": ("SADD @a #m", "SADD @a #m #m", "SADD @a #m #m #m #m #m"),
    "srem": ("SREM @a #m", "SREM @a #m #m"), "spop": ("SPOP @a", "SPOP @a 2"),
    "smove": ("SMOVE @a @b #m",), "sunionstore": ("SUNIONSTORE @a @b @a",),
    "sinterstore": ("SINTERSTORE @a @b @a",), "sdiffstore": ("SDIFFSTORE @a @b @a",),
    "expiremember": ("EXPIREMEMBER @a #m 1",),
    "expirememberat": ("EXPIREMEMBERAT @a #m #seconds",),
    "pexpirememberat": ("PEXPIREMEMBERAT @a #m #at",), "persist": ("PERSIST @a #m",),
}  # fmt: skip
HASHES: Templates = {
    "hset": ("HSET @a #m #v", "HSET @a #m #n #m x", "HSET @a #m 10.50 #m 3.0e2"),
    "hmset": ("HMSET @a #m #v #m #v",), "hsetnx": ("HSETNX @a #m nx",),
    "hdel": ("HDEL @a #m", "HDEL @a #m #m"), "hincrby": ("HINCRBY @a #m #n",),
    "hincrbyfloat": ("HINCRBYFLOAT @a #m #f",), "hgetdel": ("HGETDEL @a FIELDS 1 #m",),
    "hgetex": ("HGETEX @a PXAT #at FIELDS 1 #m", "HGETEX @a PERSIST FIELDS 1 #m"),
    "hsetex": ("HSETEX @a PXAT #at FIELDS 2 #m v #m w", "HSETEX @a FNX FIELDS 1 #m v"),
    "hexpire": ("HEXPIRE @a 1 FIELDS 1 #m",), "hpexpire": ("HPEXPIRE @a #soon FIELDS 2 #m #m",),
    "hexpireat": ("HEXPIREAT @a #seconds FIELDS 1 #m",),
    "hpexpireat": ("HPEXPIREAT @a #at FIELDS 1 #m", "HPEXPIREAT @a #at GT FIELDS 1 #m"),
    "hpersist": ("HPERSIST @a FIELDS 1 #m",),
    "pexpirememberat": ("PEXPIREMEMBERAT @a #m #at",),
    "keydb.hrename": ("KEYDB.HRENAME @a #m #m",), "keydb.nhset": ("KEYDB.NHSET @a.x #v",),
}  # fmt: skip
ZSETS: Templates = {
    "zadd": ("ZADD @a #s #m", "ZADD @a #s #m 1 #m", "ZADD @a GT #s #m", "ZADD @a LT #s #m",
             "ZADD @a NX #s #m", "ZADD @a GT INCR #f #m"),
    "zincrby": ("ZINCRBY @a #f #m", "ZINCRBY @a #s #m"), "zrem": ("ZREM @a #m", "ZREM @a #m #m"),
    "zpopmin": ("ZPOPMIN @a",), "zpopmax": ("ZPOPMAX @a 2",),
    "zmpop": ("ZMPOP 2 @a @b MIN COUNT 2",), "bzpopmin": ("BZPOPMIN @a @b 0.05",),
    "bzpopmax": ("BZPOPMAX @a 0.05",), "bzmpop": ("BZMPOP 0.05 1 @a MAX",),
    "zremrangebyrank": ("ZREMRANGEBYRANK @a 0 0",),
    "zremrangebyscore": ("ZREMRANGEBYSCORE @a -inf #s",),
    "zremrangebylex": ("ZREMRANGEBYLEX @a [m1 [m2",), "zrangestore": ("ZRANGESTORE @b @a 0 2",),
    "zunionstore": ("ZUNIONSTORE @a 2 @a @b",), "zinterstore": ("ZINTERSTORE @a 2 @a @b",),
    "zdiffstore": ("ZDIFFSTORE @a 2 @a @b",), "geoadd": ("GEOADD @a 13.3 38.1 #m",),
    "georadius": ("GEORADIUS @a 13 38 9000 km STORE @b",),
    "georadiusbymember": ("GEORADIUSBYMEMBER @a #m 9000 km STOREDIST @b",),
    "geosearchstore": ("GEOSEARCHSTORE @b @a FROMLONLAT 13 38 BYRADIUS 9000 km",),
    "pexpirememberat": ("PEXPIREMEMBERAT @a #m #at",),
}  # fmt: skip
STREAMS: Templates = {
    "xadd": ("XADD @a * f #v", "XADD @a * f #v g w", "XADD @a #id f #v", "XADD @a MAXLEN 3 * f v",
             "XADD @a 9-* f v"),
    "xdel": ("XDEL @a {id:@a}", "XDEL @a #id"), "xdelex": ("XDELEX @a DELREF IDS 1 {id:@a}",),
    "xtrim": ("XTRIM @a MAXLEN #i", "XTRIM @a MINID 5"),
    "xsetid": ("XSETID @a 35184372088832-1 ENTRIESADDED 50 MAXDELETEDID 3-1",),
    "xgroup|create": ("XGROUP CREATE @a #g 0 MKSTREAM", "XGROUP CREATE @a #g $ MKSTREAM"),
    "xgroup|setid": ("XGROUP SETID @a #g 0",), "xgroup|destroy": ("XGROUP DESTROY @a #g",),
    "xgroup|createconsumer": ("XGROUP CREATECONSUMER @a #g #c",),
    "xgroup|delconsumer": ("XGROUP DELCONSUMER @a #g #c",),
    "xreadgroup": ("XREADGROUP GROUP #g #c COUNT 2 STREAMS @a >",
                   "XREADGROUP GROUP #g #c STREAMS @a >",
                   "XREADGROUP GROUP #g #c NOACK STREAMS @a >"),
    "xack": ("XACK @a #g {id:@a} #id",), "xackdel": ("XACKDEL @a #g DELREF IDS 1 {id:@a}",),
    "xclaim": ("XCLAIM @a #g #c 0 {id:@a} FORCE", "XCLAIM @a #g #c 0 {id:@a} JUSTID"),
    "xautoclaim": ("XAUTOCLAIM @a #g #c 0 0",),
}  # fmt: skip
WHOLE: Templates = {
    "del": ("DEL @a", "DEL @a @b"), "unlink": ("UNLINK @a",), "expdel": ("EXPDEL @a",),
    "expire": ("EXPIRE @a 1",), "expireat": ("EXPIREAT @a #seconds",),
    "pexpire": ("PEXPIRE @a #soon",), "pexpireat": ("PEXPIREAT @a #at", "PEXPIREAT @a #at GT"),
    "persist": ("PERSIST @a",), "copy": ("COPY @a @b REPLACE", "COPY @a @b DB #db REPLACE"),
    "move": ("MOVE @a #db",), "rename": ("RENAME @a @b",), "renamenx": ("RENAMENX @a @b",),
    "restore": ("RESTORE @a 0 {dump} REPLACE", "RESTORE @a #at {dump} ABSTTL REPLACE"),
    "restore-asking": ("RESTORE-ASKING @a 0 {dump}",),
    "keydb.mvccrestore": ("KEYDB.MVCCRESTORE @a #stamp -1 {dump}",),
    "keydb.cron": ("KEYDB.CRON @c REPEAT 1000000 return",),
    "flushdb": ("FLUSHDB",), "flushall": ("FLUSHALL",),
}  # fmt: skip
BY_KIND: dict[str, Templates] = {
    "strings": STRINGS, "counters": COUNTERS, "bits": BITS, "lists": LISTS, "sets": SETS,
    "hashes": HASHES, "zsets": ZSETS, "streams": STREAMS, "whole": WHOLE,
}  # fmt: skip
# What makes the rest worth saying.
MAKING = {"rpush", "lpush", "sadd", "hset", "zadd", "xadd", "incrby", "append", "pfadd", "setbit",
          "xgroup|create", "xreadgroup", "zincrby", "del"}  # fmt: skip
RARE = {"flushdb", "flushall", "xsetid", "keydb.cron", "pfdebug"}
BLOCKING = ("BLPOP", "BRPOP", "BLMPOP", "BLMOVE", "BRPOPLPUSH", "BZPOPMIN", "BZPOPMAX", "BZMPOP")
# A DUMP of each kind: what RESTORE takes.
DUMPED: dict[str, tuple[str, ...]] = {
    "strings": ("SET d v",), "counters": ("SET d 7",), "bits": ("SETBIT d 3 1",),
    "lists": ("RPUSH d x y",), "sets": ("SADD d m0 m1",), "hashes": ("HSET d m0 1 m1 x",),
    "zsets": ("ZADD d 1 m0 2 m1",), "streams": ("XADD d 3-1 f v", "XGROUP CREATE d g0 0"),
}  # fmt: skip


def commands_of(kind: str) -> list[tuple[str, str]]:
    """Each command of a kind with each of its templates, as often as its weight says."""
    found: list[tuple[str, str]] = []
    for name, templates in BY_KIND[kind].items():
        times = OFTEN if name in MAKING else 1
        found += [(name, template) for template in templates] * times
    return found


DRAWN = {kind: commands_of(kind) for kind in BY_KIND}
WAITING = {
    kind: [each for each in found if each[1].startswith(BLOCKING)] for kind, found in DRAWN.items()
}


@cache
def dumps() -> dict[str, bytes]:
    """What `{dump:kind}` stands for."""
    found: dict[str, bytes] = {}
    for kind, lines in DUMPED.items():
        node = LocalNode()
        for line in lines:
            node(line)
        dump = node("DUMP d")
        assert isinstance(dump, bytes)
        found[kind] = dump
    return found


class Speaker:
    """Draws lines of some kinds. `now_ms` is the time of the plan where the next one stands."""

    def __init__(
        self, rng: random.Random, kinds: tuple[str, ...], strays: float, keys: int, members: int
    ) -> None:
        self.rng = rng
        self.kinds = kinds
        self.strays = strays
        self.keys = keys
        self.members = members
        self.now_ms = START_MS
        self.count = 0
        self.names: set[str] = set()  # the commands that were drawn

    def line(self) -> str:
        """One command."""
        rng = self.rng
        kind = rng.choice(self.kinds)
        name, template = rng.choice(DRAWN[kind])
        while name in RARE and rng.random() < 0.8:
            name, template = rng.choice(DRAWN[kind])
        self.names.add(name)
        home = kind
        if kind == "whole" or rng.random() < self.strays:
            home = rng.choice([each for each in self.kinds if each != "whole"] or KINDS)
            if rng.random() < self.strays:
                home = rng.choice(KINDS)
        return self.filled(template, home)

    def waiting(self) -> str:
        """A command that waits for a list, a sorted set or a group's next entry."""
        kind = self.rng.choice(["lists", "zsets", "streams"])
        if kind == "streams":
            return self.filled("XREADGROUP GROUP #g #c BLOCK 50 STREAMS @a >", kind)
        _, template = self.rng.choice(WAITING[kind])
        return self.filled(template, kind)

    def filled(self, template: str, home: str) -> str:
        """A template with keys of `home` and drawn values."""
        keys: dict[str, str] = {}
        words: list[str] = []
        for word in template.split(" "):
            made = word
            if word[0] == "@":
                made = self.key(word[1:], home, keys)
            elif word.startswith("{id:"):
                made = "{id:" + self.key(word[5:-1], home, keys) + "}"
            elif word == "{dump}":
                made = "{dump:" + home + "}"
            elif word[0] == "#":
                made = VALUES[word[1:]](self)
            words.append(made)
        return " ".join(words)

    def key(self, letter: str, home: str, keys: dict[str, str]) -> str:
        """A key of the kind; `ha` is one of its second sort, the same letter the same key."""
        letter, dot, rest = letter.partition(".")
        if letter not in keys:
            sort = "h" if len(letter) > 1 else "k" if letter == "c" else ""
            keys[letter] = f"{home[:2]}{sort}{self.rng.randrange(self.keys)}"
        return keys[letter] + dot + rest

    def at_ms(self) -> str:
        """A deadline, mostly so near that it passes while the story runs."""
        return str(self.now_ms + self.rng.choice([1, 3, 30, 300, 100_000, 100_000]))

    def number(self) -> str:
        """An increment or value: mostly small, sometimes at the edge of 64 bits."""
        rng = self.rng
        if rng.random() < 0.04:
            return str(rng.choice([EDGE, EDGE - 1, -EDGE, -EDGE - 1, EDGE - rng.randrange(50)]))
        return str(rng.randrange(-5, 30))

    def element(self) -> str:
        """Of a list: new, or one that may be there."""
        self.count += 1
        return f"e{self.rng.randrange(max(self.count - 6, 0), self.count + 1)}"


VALUES: dict[str, Callable[[Speaker], str]] = {
    "m": lambda s: f"m{s.rng.randrange(s.members)}",
    "v": lambda s: f"v{s.rng.randrange(1000)}",
    "u": Speaker.element,
    "n": Speaker.number,
    "f": lambda s: s.rng.choice(["0.1", "0.2", "-0.7", "2.5", "1e17", "-1e17", "3"]),
    "s": lambda s: s.rng.choice(["-3", "0", "1", "1", "2.5", "7.25", "inf", "-inf"]),
    "i": lambda s: str(s.rng.randrange(3)),
    "bit": lambda s: str(s.rng.randrange(40)),
    "at": Speaker.at_ms,
    "seconds": lambda s: str(int(s.at_ms()) // 1000 + 1),
    "soon": lambda s: s.rng.choice(["2", "20", "5000"]),
    "end": lambda s: s.rng.choice(["LEFT", "RIGHT"]),
    "id": lambda s: f"{s.rng.randrange(1, 12)}-1",
    "g": lambda s: f"g{s.rng.randrange(2)}",
    "c": lambda s: f"c{s.rng.randrange(2)}",
    "db": lambda s: str(s.rng.randrange(DATABASES)),
    "stamp": lambda s: str((s.now_ms + 2) << 20),
}  # fmt: skip


def said(node: SimNode, db: int, line: str) -> list[bytes]:
    """A line's words as the node is told them now."""
    words: list[bytes] = []
    for word in line.split(" "):
        if word.startswith("{id:"):
            entry = node.engine.databases[db].keys.get(word[4:-1].encode())
            value = None if entry is None else entry.value
            words.append(id_text(value.last_id) if isinstance(value, StreamValue) else b"1-1")
        elif word.startswith("{dump:"):
            words.append(dumps()[word[6:-1]])
        else:
            words.append(word.encode())
    return words

