"""Mutations of streams and their groups.  [compiled]"""

from __future__ import annotations

from node.store.mutation import Mutation


class Xadd(Mutation):
    pass


class Xdel(Mutation):
    pass


class Reposition(Mutation):
    pass


class Regroup(Mutation):
    pass


class Deliver(Mutation):
    pass


class Acknowledge(Mutation):
    pass
