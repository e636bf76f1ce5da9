"""Blocking: clients parked on keys, tried again in order of arrival when a key is written.
[compiled]

A Reader of the journal, awake only while somebody waits. It only notes which keys were written:
who waits is served after the unit, each as a unit of its own (`serve`), because serving one may
write to keys on which others wait. Who wrote makes no difference: a client, a script, a peer.
"""

from __future__ import annotations

from typing import Final, cast

from mypy_extensions import i64, mypyc_attr

from node.journal import BLOCKING, Commit, Journal
from node.ports import Reader
from node.store.effect import (
    DROP,
    FLUSH,
    LAPSE,
    MERGE,
    OPS,
    PUSH,
    PUT,
    SWAP,
    XADD,
    XGROUP,
    ZADD,
    ZINCR,
    ZMAX,
    ZMIN,
    Effect,
)  # fmt: skip
from node.store.values.groups import DESTROY, GroupChange
from node.store.values.value import Value

# Ops that may make what somebody waits for, and those after which it may have gone for good.
MAKES: Final = [op in (PUSH, ZADD, ZMAX, ZMIN, ZINCR, XADD, MERGE) for op in range(OPS)]
ENDS: Final = [op in (PUT, DROP, LAPSE, XGROUP) for op in range(OPS)]


def is_destruction(effect: Effect) -> bool:
    """Does this XGROUP take the whole group? Another one ends no wait, as in Redis."""
    return cast(GroupChange, effect.value).kind == DESTROY


@mypyc_attr(allow_interpreted_subclasses=True)
class Waiter:
    """Somebody who waits for keys of one database; `keys` is empty for who waits otherwise."""

    def __init__(self) -> None:
        self.number: i64 = 0
        self.keys: list[bytes] = []

    def attempt(self, key: bytes) -> None:
        """The key was written: the waiter looks again, and is released where it was served."""


class Blocking(Reader):
    """All waits by database and key, each in order of arrival."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: dict[tuple[int, bytes], dict[int, Waiter]] = {}
        self._ready: dict[tuple[int, bytes], None] = {}
        self.pending = False  # a key on which somebody waits was written
        self._serving = False

    def add(self, waiter: Waiter) -> None:
        """The waiter waits for its keys from now on."""
        for key in waiter.keys:
            self._waiting.setdefault((int(waiter.number), key), {})[id(waiter)] = waiter
        self._journal.wake(BLOCKING, self)

    def release(self, waiter: Waiter) -> None:
        """It waits no more: served, timed out, or gone. Harmless where it did not wait."""
        for key in waiter.keys:
            place = (int(waiter.number), key)
            waiters = self._waiting.get(place)
            if waiters is not None:
                waiters.pop(id(waiter), None)
                if not waiters:
                    del self._waiting[place]
        if not self._waiting:
            self._journal.rest(BLOCKING)

    def look_again(self) -> None:
        """Something other than a write may have made what somebody waits for; see `serve`."""
        self._ready.update(dict.fromkeys(self._waiting))
        self.pending = bool(self._ready)

    def waiters(self) -> int:
        """On how many keys somebody waits (INFO's total_blocking_keys)."""
        return len(self._waiting)

    def read(self, commit: Commit) -> None:
        """Keys that may now have what somebody waits for come first, in the order of their effects.

        Behind them those that may only have gone, which ends waits of another kind (XREADGROUP).
        """
        gone: list[tuple[int, bytes]] = []
        for effect in commit.effects():
            op = effect.op
            if op == FLUSH:
                gone += [place for place in self._waiting if place[0] == effect.db]
                continue
            if op == SWAP:
                both = (int(effect.db), int(effect.number))
                gone += [place for place in self._waiting if place[0] in both]
                continue
            place = (int(effect.db), effect.key)
            if place not in self._waiting:
                continue
            if MAKES[op] or (op == PUT and isinstance(effect.value, Value)):
                self._ready[place] = None
            elif ENDS[op] and (op != XGROUP or is_destruction(effect)):
                gone.append(place)
        for place in gone:
            self._ready.setdefault(place, None)
        if self._ready:
            self.pending = True

    def serve(self) -> None:
        """Tries everybody who waits for a key that was written, until nothing more was written."""
        if self._serving:
            return
        self._serving = True
        try:
            while self._ready:
                ready = self._ready
                self._ready = {}
                for place in ready:
                    for number, waiter in list(self._waiting.get(place, {}).items()):
                        if number in self._waiting.get(place, {}):
                            waiter.attempt(place[1])
        finally:
            self._serving = False
            self.pending = bool(self._ready)
