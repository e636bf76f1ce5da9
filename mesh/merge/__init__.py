"""Which rule decides which op: the whole policy on one screen.

    registers     PUT: the newest value shows; it clears all that its writer had seen of the key.
                  DROP of a string writes ABSENT, which competes by stamp; of a collection: what
                  was seen goes
    deadlines     the longest of concurrent deadlines wins
    place deadlines   the same of fields and members, each on its own
    counters      increments add up; a SET or DEL removes those it had seen
    members       each member on its own; a concurrent add survives a removal
    patches       strings in place: carried out by stamp on whatever register shows; a SET or DEL
                  removes those it had seen
    fields        a register per field; increments of a field add up
    scores        a register per member of a sorted set, presence as for set members: the newest
                  shows, of those raised by GT the greatest, of those lowered by LT the least;
                  increments of a score add up
    elements      of lists: each stands next to the one it was put next to, in one order on all
                  nodes; a removal takes those it names; of concurrent assignments to one element
                  the newest shows
    entries       each entry of a stream on its own; a concurrent add survives XDEL and trims; of
                  two with one ID the newest shows. Its positions are the highest of the claims
                  that are left
    groups        groups and consumers survive a removal that had not seen them; an entry is with
                  the consumer it was given to last, and an acknowledgement wins over deliveries
                  that had not seen it
    everywhere    FLUSH: everything that was seen of the database; concurrent writes survive.
                  MERGE: two nodes' knowledge of one key become one (whole.py). LAPSE: every node
                  hides a key past its deadline for itself; nothing is sent. SWAP: refused while
                  the mesh is on, by who says it and by who is told

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

RULE: Final[dict[int, str]] = {
    PUT: "registers", DROP: "registers", EXPIRE: "deadlines", INCR: "counters",
    SADD: "members", SREM: "member removals",
    HSET: "fields", HDEL: "field removals", HINCR: "field counters",
    FLUSH: "everywhere", MERGE: "everywhere", LAPSE: "everywhere", SWAP: "everywhere",
    # strings in place
    APPEND: "patches", SETRANGE: "patches", SETBITS: "patches", BITINCR: "patches",
    PFMERGE: "patches",
    # lists
    PUSH: "elements", INSERT: "elements", REMOVE: "element removals", LSET: "assignments",
    # sorted sets
    ZADD: "scores", ZMAX: "scores", ZMIN: "scores", ZREM: "score removals", ZINCR: "score counters",
    # deadlines of fields and members
    HEXPIRE: "place deadlines",
    # streams and their groups
    XADD: "entries", XDEL: "entry removals", XSETID: "positions", XGROUP: "groups",
    XDELIVER: "deliveries", XACK: "acknowledgements",
}  # fmt: skip
