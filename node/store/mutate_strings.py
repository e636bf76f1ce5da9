"""Mutations of strings in place: APPEND, SETRANGE, bits, HyperLogLog registers.  [compiled]"""

from __future__ import annotations

from node.store.mutation import Mutation


class Append(Mutation):
    pass


class SetRange(Mutation):
    pass


class SetBits(Mutation):
    pass


class BitIncrement(Mutation):
    pass


class RaiseRegisters(Mutation):
    pass
