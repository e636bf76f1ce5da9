"""Random members and fields: what SRANDMEMBER, SPOP, HRANDFIELD and ZRANDMEMBER pick.  [compiled]

Every member is equally likely, and a pick takes constant time (node/store/values/places.py).
"""

from __future__ import annotations

from typing import Final

from node.commands.context import Context
from node.store.values.container import Container

# Of a value that has shrunk to a small part of what it was, tries seldom find a member.
TRIES: Final = 64
HASH_BITS: Final = 62
# From an eighth of all members on, listing them all is cheaper than picking each.
DENSE: Final = 8


def picked(ctx: Context, value: Container, count: int) -> list[bytes]:
    """`count` different members, at most as many as there are."""
    if count == 1:
        return [one(ctx, value)]
    size = value.size()
    if value.small is not None or count * DENSE >= size:
        return value.at(ctx.services.random.sample(range(size), count))
    found: dict[bytes, None] = {}
    while len(found) < count:
        found[one(ctx, value)] = None
    return list(found)


def picked_again(ctx: Context, value: Container, count: int) -> list[bytes]:
    """`count` members, each picked from all."""
    size = value.size()
    if value.small is not None or count * DENSE >= size:
        return value.at(ctx.services.random.choices(range(size), k=count))
    return [one(ctx, value) for _ in range(count)]


def one(ctx: Context, value: Container) -> bytes:
    """One member, picked from all."""
    services = ctx.services
    if value.small is None:
        for _ in range(TRIES):
            found = value.drawn(services.random.getrandbits(HASH_BITS))
            if found is not None:
                return found
    return value.nth(services.random.randrange(value.size()))
