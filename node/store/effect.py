"""What can happen to a key: the ops, and Effect, the record of one thing that happened.  [compiled]

Every write of every command becomes effects; `store/writer.py` makes them, `store/mutate.py`
carries them out, the readers of the journal are told. An Effect is never changed after it is
made, but for `dot`, `flags` and `events`, which the writer sets before it is recorded. `value`
may be the client's own argument list: nobody may change it.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64, mypyc_attr

from node.store.entry import Dot

# The ops. `value` and `number` mean, for each:
PUT: Final[i64] = 0  # value: bytes, int or a Value; number: deadline in ms, 0 = none
DROP: Final[i64] = 1  # the whole key goes
EXPIRE: Final[i64] = 2  # number: deadline in ms, 0 = persist
INCR: Final[i64] = 3  # number: delta; or value: an exact decimal as bytes (INCRBYFLOAT)
SADD: Final[i64] = 4  # value: argument list; number: where the members begin
SREM: Final[i64] = 5  # value: argument list; number: where the members begin
HSET: Final[i64] = 6  # value: argument list; number: where field, value, ... begin
HDEL: Final[i64] = 7  # value: argument list; number: where the fields begin
HINCR: Final[i64] = 8  # value: field, number: delta; or value: [field, exact decimal]
FLUSH: Final[i64] = 9  # every key of the database as far as seen; key is b""
MERGE: Final[i64] = 10  # value: what a peer's snapshot holds of the key (mesh/merge/whole.py)
LAPSE: Final[i64] = 11  # the key's deadline has passed; every node does this for itself
APPEND: Final[i64] = 12  # value: the bytes that follow
SETRANGE: Final[i64] = 13  # value: bytes; number: where they begin
SETBITS: Final[i64] = 14  # number: offset * 2 + bit; or value: [type, offset, value] of BITFIELD
BITINCR: Final[i64] = 15  # value: [type, offset, increment, overflow mode] of BITFIELD
PFMERGE: Final[i64] = 16  # value: argument list, number: where elements begin; or raised registers
PUSH: Final[i64] = 17  # value: values/lists.py Pushed
INSERT: Final[i64] = 18  # value: values/lists.py Inserted
REMOVE: Final[i64] = 19  # value: values/lists.py Removed
LSET: Final[i64] = 20  # value: values/lists.py Assigned
ZADD: Final[i64] = 21  # value: argument list; number: where score, member, ... begin
ZMAX: Final[i64] = 22  # as ZADD, each score only where it is greater than the one there (GT)
ZMIN: Final[i64] = 23  # as ZADD, each score only where it is less (LT)
ZREM: Final[i64] = 24  # value: argument list; number: where the members begin
ZINCR: Final[i64] = 25  # value: [increment as a decimal, member]
HEXPIRE: Final[i64] = 26  # value: fields or members; number: their deadline in ms, 0 = persist
XADD: Final[i64] = 27  # value: values/streams.py Added
XDEL: Final[i64] = 28  # value: values/streams.py Deleted
XSETID: Final[i64] = 29  # value: values/streams.py Positions
XGROUP: Final[i64] = 30  # value: values/groups.py GroupChange
XDELIVER: Final[i64] = 31  # value: values/groups.py Delivered
XACK: Final[i64] = 32  # value: values/groups.py Acknowledged
SWAP: Final[i64] = 33  # two databases change their contents; number: the other one; key is b""
OPS: Final = 34

OP_NAMES: Final = (
    "PUT", "DROP", "EXPIRE", "INCR", "SADD", "SREM", "HSET", "HDEL", "HINCR", "FLUSH", "MERGE",
    "LAPSE", "APPEND", "SETRANGE", "SETBITS", "BITINCR", "PFMERGE", "PUSH", "INSERT", "REMOVE",
    "LSET", "ZADD", "ZMAX", "ZMIN", "ZREM", "ZINCR", "HEXPIRE", "XADD", "XDEL", "XSETID", "XGROUP",
    "XDELIVER", "XACK", "SWAP",
)  # fmt: skip

# Effect.flags
CREATION: Final[i64] = 1  # no visible key was there: clears what was observed under it
WAS_STRING: Final[i64] = 2  # DROP of a string: writes ABSENT, which competes by stamp
NEWEST_WINS: Final[i64] = 4  # conflict-policy newest-wins, said by the origin
UNCHANGED: Final[i64] = 8  # refreshed a dot only (SADD of a present member): no event, no WATCH
QUIET: Final[i64] = 16  # no keyspace event, though WATCH and caches are told (merge, import)
# Of interest on this node alone, never sent: what keyspace events are made of.
EMPTIED: Final[i64] = 32  # the last member or field went, and the key with it
OVERWRITES: Final[i64] = 64  # PUT where another value was visible
RETYPES: Final[i64] = 128  # as OVERWRITES, and it was of another type
APPEARS: Final[i64] = 256  # a peer's effect made the key visible


@mypyc_attr(acyclic=True, free_list_len=1)
class Effect:
    """One thing that happened to one key: what, when (`stamp`, KeyDB's format), and who (`origin`).

    `origin` is the small number of the writer's stream in this process, 0 for the own one; `index`
    is the place in its unit; `events` holds keyspace events as codes of node/store/events.py, eight
    bits each, 0 for the op's usual one.
    """

    __slots__ = (
        "db", "dot", "events", "flags", "index", "key", "number", "op", "origin", "stamp", "value",
    )  # fmt: skip

    def __init__(
        self, op: i64, db: i64, key: bytes, value: object, number: i64,
        stamp: i64, origin: i64, index: i64,
    ) -> None:  # fmt: skip
        self.op: i64 = op
        self.db: i64 = db
        self.key = key
        self.value = value
        self.number: i64 = number
        self.stamp: i64 = stamp
        self.origin: i64 = origin
        self.index: i64 = index
        self.flags: i64 = 0
        self.events: i64 = 0
        self.dot: Dot | None = None
