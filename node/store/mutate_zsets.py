"""Mutations of sorted sets.  [compiled]"""

from __future__ import annotations

from node.store.mutation import Mutation


class Zadd(Mutation):
    pass


class Zmax(Mutation):
    pass


class Zmin(Mutation):
    pass


class Zrem(Mutation):
    pass


class Zincr(Mutation):
    pass
