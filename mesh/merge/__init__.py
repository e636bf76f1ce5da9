"""Which rule decides which op: the whole policy on one screen.

    registers     PUT: the newest value shows; it clears all that its writer had seen of the key.
                  DROP of a string writes ABSENT, which competes by stamp; of a collection: what
                  was seen goes
    deadlines     the longest of concurrent deadlines wins
    counters      increments add up; a SET or DEL removes those it had seen
    members       each member on its own; a concurrent add survives a removal
    fields        a register per field; increments of a field add up
    everywhere    FLUSH: everything that was seen of the database; concurrent writes survive.
                  MERGE: two nodes' knowledge of one key become one (whole.py). LAPSE: every node
                  hides a key past its deadline for itself; nothing is sent. SWAP: refused while
                  the mesh is on, by who says it and by who is told
    STAND_IN      until a finer rule comes: carried out as it is. Where its writer had not seen the
                  key's last change it is carried out all the same and counted as
                  `stand_in_conflict`: the nodes may differ in this key until it is written anew

A list, sorted set or stream is one value under the claims of its type: a DEL that had seen them all
takes it, and of two values that meet as a whole the newer stays.

Two owners: the rules decide what is remembered, node/store/mutate.py alone changes values.
"""

from __future__ import annotations

from typing import Final

from node.store.effect import (
    APPEND,
    BITINCR,
    DROP,
    EXPIRE,
    FLUSH,
    HDEL,
    HEXPIRE,
    HINCR,
    HSET,
    INCR,
    INSERT,
    LAPSE,
    LSET,
    MERGE,
    PFMERGE,
    PUSH,
    PUT,
    REMOVE,
    SADD,
    SETBITS,
    SETRANGE,
    SREM,
    SWAP,
    XACK,
    XADD,
    XDEL,
    XDELIVER,
    XGROUP,
    XSETID,
    ZADD,
    ZINCR,
    ZMAX,
    ZMIN,
    ZREM,
)  # fmt: skip

STAND_IN: Final = "stand-in"

RULE: Final[dict[int, str]] = {
    PUT: "registers", DROP: "registers", EXPIRE: "deadlines", INCR: "counters",
    SADD: "members", SREM: "member removals",
    HSET: "fields", HDEL: "field removals", HINCR: "field counters",
    FLUSH: "everywhere", MERGE: "everywhere", LAPSE: "everywhere", SWAP: "everywhere",
    # strings in place
    APPEND: STAND_IN, SETRANGE: STAND_IN, SETBITS: STAND_IN, BITINCR: STAND_IN, PFMERGE: STAND_IN,
    # lists
    PUSH: STAND_IN, INSERT: STAND_IN, REMOVE: STAND_IN, LSET: STAND_IN,
    # sorted sets
    ZADD: STAND_IN, ZMAX: STAND_IN, ZMIN: STAND_IN, ZREM: STAND_IN, ZINCR: STAND_IN,
    # deadlines of fields and members
    HEXPIRE: STAND_IN,
    # streams and their groups
    XADD: STAND_IN, XDEL: STAND_IN, XSETID: STAND_IN, XGROUP: STAND_IN, XDELIVER: STAND_IN,
    XACK: STAND_IN,
}  # fmt: skip
