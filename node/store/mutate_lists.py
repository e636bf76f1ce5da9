"""Mutations of lists.  [compiled]"""

from __future__ import annotations

from node.store.mutation import Mutation


class Push(Mutation):
    pass


class Insert(Mutation):
    pass


class Remove(Mutation):
    pass


class Assign(Mutation):
    pass
