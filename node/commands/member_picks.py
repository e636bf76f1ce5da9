"""Random members and fields: what SRANDMEMBER, SPOP, HRANDFIELD and ZRANDMEMBER pick.  [compiled]

Every member is equally likely. One pick walks to its number in one dict (node/store/values/
places.py); many picks list each dict once, so they take constant time each.
"""

from __future__ import annotations

from node.commands.context import Context
from node.store.values.container import Container


def picked(ctx: Context, value: Container, count: int) -> list[bytes]:
    """`count` different members, at most as many as there are."""
    services = ctx.services
    size = value.size()
    if count == 1:
        return [value.nth(services.random.randrange(size))]
    return value.at(services.random.sample(range(size), count))


def picked_again(ctx: Context, value: Container, count: int) -> list[bytes]:
    """`count` members, each picked from all."""
    return value.at(ctx.services.random.choices(range(value.size()), k=count))
