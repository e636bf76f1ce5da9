"""A working example of every write command of the table: what a mesh must be able to carry.

An example is lines of one client; the last one is the command itself and must change something.
`@a` stands for a key of the example's own, `{dump}` for the DUMP of the string "v", `{now}999` for
a Unix time in seconds that is far ahead of the simulation's.
"""

from __future__ import annotations

import shlex

from node.persist.rdb_writer import dump_payload
from tests.support.simulation import START_S

Lines = tuple[str, ...]

# Write commands that change no data here, each with the reason.
EXEMPT: dict[str, str] = {
    "swapdb": "refused while the mesh is on: tests/unit/commands/test_swapdb.py",
}

LIST = "RPUSH @a x y z"
SET = "SADD @a x y z"
OTHER_SET = "SADD @b y z w"
HASH = "HSET @a f 1 g 2 h 3"
ZSET = "ZADD @a 1 x 2 y 3 z"
OTHER_ZSET = "ZADD @b 5 y 6 z 7 w"
LEXICAL = "ZADD @a 0 a 0 b 0 c"
PLACES = "GEOADD @a 13.361389 38.115556 Palermo 15.087269 37.502669 Catania"
STREAM = "XADD @a 1-1 f v"
MORE_STREAM = "XADD @a 2-1 f w"
GROUP = "XGROUP CREATE @a g 0"
READ = "XREADGROUP GROUP g c STREAMS @a >"

EXAMPLES: dict[str, tuple[Lines, ...]] = {
    # whole keys
    "copy": (("SET @a v", "COPY @a @b"), (LIST, "COPY @a @b"), (ZSET, "COPY @a @b"),
             (STREAM, GROUP, READ, "COPY @a @b"), (HASH, "COPY @a @b DB 1")),
    "del": (("SET @a v", "DEL @a"), (LIST, "DEL @a"), (STREAM, "DEL @a")),
    "unlink": ((ZSET, "UNLINK @a"),),
    "expdel": (("SET @a v", "EXPDEL @a"),),
    "expire": (("SET @a v", "EXPIRE @a 1000"), (LIST, "EXPIRE @a 1000")),
    "expireat": (("SET @a v", "EXPIREAT @a {now}999"),),
    "pexpire": ((ZSET, "PEXPIRE @a 1000000"),),
    "pexpireat": ((STREAM, "PEXPIREAT @a {now}999000"),),
    "persist": (("SET @a v EX 1000", "PERSIST @a"), (HASH, "HEXPIRE @a 1000 FIELDS 1 f",
                "PERSIST @a f")),
    "move": ((LIST, "MOVE @a 2"),),
    "rename": ((LIST, "RENAME @a @b"), (HASH, "RENAME @a @b"), (STREAM, "RENAME @a @b")),
    "renamenx": ((ZSET, "RENAMENX @a @b"),),
    "restore": (("RESTORE @a 0 {dump}",), ("SET @a w", "RESTORE @a 0 {dump} REPLACE")),
    "restore-asking": (("RESTORE-ASKING @a 1000000 {dump}",),),
    "flushdb": (("SELECT 1", "SET @a v", "FLUSHDB"),),
    "flushall": (("SET @a v", "FLUSHALL"),),
    # strings
    "set": (("SET @a v",), ("SET @a v", "SET @a w EX 1000")),
    "setnx": (("SETNX @a v",),),
    "setex": (("SETEX @a 1000 v",),),
    "psetex": (("PSETEX @a 1000000 v",),),
    "mset": (("MSET @a v @b w",),),
    "msetnx": (("MSETNX @a v @b w",),),
    "getset": (("SET @a v", "GETSET @a w"),),
    "getdel": (("SET @a v", "GETDEL @a"),),
    "getex": (("SET @a v", "GETEX @a EX 1000"),),
    "append": (("APPEND @a v",), ("SET @a v", "APPEND @a w")),
    "setrange": (("SET @a hello", "SETRANGE @a 2 LL"),),
    "incr": (("INCR @a",),),
    "decr": (("SET @a 5", "DECR @a"),),
    "incrby": (("INCRBY @a 7",),),
    "decrby": (("DECRBY @a 7",),),
    "incrbyfloat": (("SET @a 10.50", "INCRBYFLOAT @a 0.1"),),
    # bits and HyperLogLog
    "setbit": (("SETBIT @a 7 1",),),
    "bitfield": (("BITFIELD @a SET u8 0 200 INCRBY u8 0 100 OVERFLOW SAT INCRBY i5 8 20",),),
    "bitop": (("SET @a abc", "SET @b abd", "BITOP XOR @c @a @b"),),
    "pfadd": (("PFADD @a x y z",),),
    "pfmerge": (("PFADD @a x", "PFADD @b y", "PFMERGE @c @a @b"),),
    "pfdebug": (("PFADD @a x", "PFDEBUG TODENSE @a"),),
    # lists
    "lpush": (("LPUSH @a x y z",),),
    "rpush": (("RPUSH @a x y z",),),
    "lpushx": ((LIST, "LPUSHX @a w"),),
    "rpushx": ((LIST, "RPUSHX @a w"),),
    "linsert": ((LIST, "LINSERT @a AFTER x w"), (LIST, "LINSERT @a BEFORE x w")),
    "lset": ((LIST, "LSET @a 1 w"), (LIST, "LSET @a -1 w")),
    "lrem": (("RPUSH @a x y x z x", "LREM @a 2 x"), ("RPUSH @a x y x z x", "LREM @a -2 x")),
    "ltrim": ((LIST, "LTRIM @a 1 1"), (LIST, "LTRIM @a 5 9")),
    "lpop": ((LIST, "LPOP @a"), (LIST, "LPOP @a 9")),
    "rpop": ((LIST, "RPOP @a 2"),),
    "lmpop": ((LIST, "LMPOP 2 @b @a RIGHT COUNT 2"),),
    "lmove": ((LIST, "LMOVE @a @b LEFT RIGHT"), (LIST, "LMOVE @a @a LEFT RIGHT")),
    "rpoplpush": ((LIST, "RPOPLPUSH @a @b"),),
    "blpop": ((LIST, "BLPOP @a 0"),),
    "brpop": ((LIST, "BRPOP @b @a 0"),),
    "blmpop": ((LIST, "BLMPOP 0 1 @a LEFT"),),
    "blmove": ((LIST, "BLMOVE @a @b RIGHT LEFT 0"),),
    "brpoplpush": ((LIST, "BRPOPLPUSH @a @b 0"),),
    "sort": (("RPUSH @a 3 1 2", "SORT @a STORE @b"),),
    # sets
    "sadd": (("SADD @a x y",),),
    "srem": ((SET, "SREM @a x"), (SET, "SREM @a x y z")),
    "spop": ((SET, "SPOP @a 2"),),
    "smove": ((SET, "SMOVE @a @b x"),),
    "sinterstore": ((SET, OTHER_SET, "SINTERSTORE @c @a @b"),),
    "sunionstore": ((SET, OTHER_SET, "SUNIONSTORE @c @a @b"),),
    "sdiffstore": ((SET, OTHER_SET, "SDIFFSTORE @c @a @b"),),
    # hashes
    "hset": (("HSET @a f 1 g 2",),),
    "hmset": (("HMSET @a f 1 g 2",),),
    "hsetnx": (("HSETNX @a f 1",),),
    "hdel": ((HASH, "HDEL @a f g"), (HASH, "HDEL @a f g h")),
    "hincrby": ((HASH, "HINCRBY @a f 5"),),
    "hincrbyfloat": ((HASH, "HINCRBYFLOAT @a f 0.5"),),
    "hgetdel": ((HASH, "HGETDEL @a FIELDS 1 f"),),
    "hgetex": ((HASH, "HGETEX @a EX 1000 FIELDS 1 f"),),
    "hsetex": (("HSETEX @a EX 1000 FIELDS 2 f 1 g 2",),),
    "hexpire": ((HASH, "HEXPIRE @a 1000 FIELDS 2 f g"), (HASH, "HEXPIRE @a 0 FIELDS 1 f")),
    "hpexpire": ((HASH, "HPEXPIRE @a 1000000 FIELDS 1 f"),),
    "hexpireat": ((HASH, "HEXPIREAT @a {now}999 FIELDS 1 f"),),
    "hpexpireat": ((HASH, "HPEXPIREAT @a {now}999000 FIELDS 1 f"),),
    "hpersist": ((HASH, "HEXPIRE @a 1000 FIELDS 1 f", "HPERSIST @a FIELDS 1 f"),),
    "expiremember": ((SET, "EXPIREMEMBER @a x 1000"), (ZSET, "EXPIREMEMBER @a x 1000")),
    "expirememberat": ((HASH, "EXPIREMEMBERAT @a f {now}999"),),
    "pexpirememberat": ((SET, "PEXPIREMEMBERAT @a x {now}999000"),),
    # sorted sets
    "zadd": (("ZADD @a 1 x 2 y",), (ZSET, "ZADD @a GT 9 x 0 y"), (ZSET, "ZADD @a LT 9 x 0 y"),
             (ZSET, "ZADD @a INCR 5 x")),
    "zincrby": ((ZSET, "ZINCRBY @a 0.5 x"), ("ZINCRBY @a 2 x",)),
    "zrem": ((ZSET, "ZREM @a x"), (ZSET, "ZREM @a x y z")),
    "zpopmin": ((ZSET, "ZPOPMIN @a"),),
    "zpopmax": ((ZSET, "ZPOPMAX @a 2"),),
    "zmpop": ((ZSET, "ZMPOP 1 @a MIN COUNT 2"),),
    "bzpopmin": ((ZSET, "BZPOPMIN @a 0"),),
    "bzpopmax": ((ZSET, "BZPOPMAX @a 0"),),
    "bzmpop": ((ZSET, "BZMPOP 0 1 @a MAX"),),
    "zremrangebyrank": ((ZSET, "ZREMRANGEBYRANK @a 0 1"),),
    "zremrangebyscore": ((ZSET, "ZREMRANGEBYSCORE @a 2 +inf"),),
    "zremrangebylex": ((LEXICAL, "ZREMRANGEBYLEX @a [a [b"),),
    "zrangestore": ((ZSET, "ZRANGESTORE @b @a 0 1"),),
    "zunionstore": ((ZSET, OTHER_ZSET, "ZUNIONSTORE @c 2 @a @b WEIGHTS 1 2"),),
    "zinterstore": ((ZSET, OTHER_ZSET, "ZINTERSTORE @c 2 @a @b"),),
    "zdiffstore": ((ZSET, OTHER_ZSET, "ZDIFFSTORE @c 2 @a @b"),),
    "geoadd": ((PLACES,),),
    "georadius": ((PLACES, "GEORADIUS @a 15 37 200 km STORE @b"),),
    "georadiusbymember": ((PLACES, "GEORADIUSBYMEMBER @a Palermo 500 km STOREDIST @b"),),
    "geosearchstore": ((PLACES, "GEOSEARCHSTORE @b @a FROMLONLAT 15 37 BYRADIUS 200 km"),),
    # streams
    "xadd": (("XADD @a * f v",), ("XADD @a 5-1 f v g w",), (STREAM, "XADD @a MAXLEN 1 2-* f v"),
             (STREAM, "XADD @a NOMKSTREAM 7 f v")),
    "xdel": ((STREAM, MORE_STREAM, "XDEL @a 1-1"),),
    "xdelex": ((STREAM, MORE_STREAM, GROUP, READ, "XDELEX @a DELREF IDS 1 1-1"),),
    "xtrim": ((STREAM, MORE_STREAM, "XTRIM @a MAXLEN 1"),
              (STREAM, MORE_STREAM, "XTRIM @a MINID 2")),
    "xsetid": ((STREAM, "XSETID @a 9-9 ENTRIESADDED 7 MAXDELETEDID 3-3"),),
    "xgroup|create": ((STREAM, "XGROUP CREATE @a g 0"), ("XGROUP CREATE @a g $ MKSTREAM",)),
    "xgroup|setid": ((STREAM, GROUP, READ, "XGROUP SETID @a g 0"),),
    "xgroup|destroy": ((STREAM, GROUP, READ, "XGROUP DESTROY @a g"),),
    "xgroup|createconsumer": ((STREAM, GROUP, "XGROUP CREATECONSUMER @a g c"),),
    "xgroup|delconsumer": ((STREAM, GROUP, READ, "XGROUP DELCONSUMER @a g c"),),
    "xreadgroup": ((STREAM, MORE_STREAM, GROUP, READ),
                   (STREAM, GROUP, "XREADGROUP GROUP g c NOACK STREAMS @a >")),
    "xack": ((STREAM, MORE_STREAM, GROUP, READ, "XACK @a g 1-1"),),
    "xackdel": ((STREAM, MORE_STREAM, GROUP, READ, "XACKDEL @a g DELREF IDS 1 1-1"),),
    "xclaim": ((STREAM, GROUP, READ, "XCLAIM @a g other 0 1-1"),),
    "xautoclaim": ((STREAM, GROUP, READ, "XAUTOCLAIM @a g other 0 0"),),
    # KeyDB's
    "keydb.hrename": ((HASH, "KEYDB.HRENAME @a f renamed"),),
    "keydb.cron": (("KEYDB.CRON @a REPEAT 1000000 'return 1'",),
                   ("KEYDB.CRON @a SINGLE {now}999000 1000 'return KEYS[1]' 1 @b x",)),
    "keydb.nhset": (("KEYDB.NHSET @a.x.y v",),),
    "keydb.mvccrestore": (("KEYDB.MVCCRESTORE @a {stamp} -1 {dump}",),),
}  # fmt: skip


def words_of(line: str, name: str) -> list[bytes]:
    """A line's words for one client; `name` keeps the keys of examples apart."""
    fillers = {
        b"{dump}": dump_payload(b"string", b"v"),
        b"{stamp}": b"%d" % ((int(START_S) * 1000 + 5_000) << 20),
    }
    found = []
    for word in shlex.split(line):
        text = word.replace("{now}", "1800000").replace("@", f"{name}:").encode()
        found.append(fillers.get(text, text))
    return found
