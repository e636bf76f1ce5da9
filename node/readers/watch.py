"""WATCH: a watched key that is touched spoils its watchers' transactions.

A Reader of the journal, awake only while somebody watches. Whoever touched the key makes no
difference: another client, the client itself before MULTI, a peer's frame, expiry, a flush. What
changed nothing (SADD of a member that is there) spoils nothing.
"""

from __future__ import annotations

from node.journal import WATCH, Commit, Journal
from node.ports import Client, Reader
from node.store.effect import (
    APPEARS,
    CREATION,
    FLUSH,
    PFMERGE,
    SWAP,
    UNCHANGED,
    XACK,
    XDELIVER,
    XGROUP,
    XSETID,
    Effect,
)  # fmt: skip
from node.store.keyspace import Database
from node.store.mutate_strings import FORM_ONLY


class Watched:
    """One client's watch of one key; `existed` as it was when the watch began."""

    def __init__(self, client: Client, existed: bool) -> None:
        self.client = client
        self.existed = existed


class Watch(Reader):
    """All watches: by database, key and client. A watch ends when its client is spoiled."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._databases: dict[int, dict[bytes, dict[int, Watched]]] = {}
        self.watches = 0
        self.databases: list[Database] = []  # the engine's, to look into after a swap

    def add(self, client: Client, number: int, key: bytes, existed: bool) -> None:
        """The client watches this key of database `number` from now on."""
        watchers = self._databases.setdefault(number, {}).setdefault(key, {})
        if int(client.id) in watchers:
            return
        watchers[int(client.id)] = Watched(client, existed)
        client.watched.append((number, key))
        self.watches += 1
        self._journal.wake(WATCH, self)

    def release(self, client: Client) -> None:
        """The client watches nothing any more; whether it is spoiled stays as it is."""
        for number, key in client.watched:
            keys = self._databases[number]
            watchers = keys[key]
            del watchers[int(client.id)]
            self.watches -= 1
            if not watchers:
                del keys[key]
                if not keys:
                    del self._databases[number]
        client.watched = []
        if self.watches == 0:
            self._journal.rest(WATCH)

    def existed(self, client: Client, number: int, key: bytes) -> bool:
        """Was the key there when the client began to watch it?"""
        return self._databases[number][key][int(client.id)].existed

    def watched_keys(self) -> list[tuple[int, bytes]]:
        """Every watched key with its database's number."""
        return [(number, key) for number, keys in self._databases.items() for key in keys]

    def clients(self) -> int:
        """How many clients watch something."""
        sessions: set[int] = set()
        for keys in self._databases.values():
            for watchers in keys.values():
                sessions.update(watchers)
        return len(sessions)

    def read(self, commit: Commit) -> None:
        """Spoils those whose keys the unit touched."""
        first = commit.first
        if first is None:
            return
        self._read_effect(first)
        for effect in commit.rest:
            self._read_effect(effect)

    def _read_effect(self, effect: Effect) -> None:
        if effect.flags & UNCHANGED or concerns_nobody(effect):
            return
        if effect.op == FLUSH:
            self.spoil_database(int(effect.db))
            return
        if effect.op == SWAP:
            self.swapped(self.databases[effect.db], self.databases[effect.number])
            return
        keys = self._databases.get(int(effect.db))
        if keys is not None:
            watchers = keys.get(effect.key)
            if watchers is not None:
                for watched in list(watchers.values()):
                    self._spoil(watched.client)

    def spoil_database(self, number: int) -> None:
        """All keys of a database went: spoils those that were there.

        A key that was not there, and still was not when everything went, is not touched; had it
        come meanwhile, its watcher would be spoiled already.
        """
        keys = self._databases.get(number)
        if keys is None:
            return
        for watchers in list(keys.values()):
            for watched in list(watchers.values()):
                if watched.existed:
                    self._spoil(watched.client)

    def swapped(self, first: Database, second: Database) -> None:
        """SWAPDB: a watched key that either of the two shows is touched."""
        for number in (int(first.number), int(second.number)):
            for key, watchers in list(self._databases.get(number, {}).items()):
                if first.glance(key) is not None or second.glance(key) is not None:
                    for watched in list(watchers.values()):
                        self._spoil(watched.client)

    def _spoil(self, client: Client) -> None:
        client.spoiled = True
        self.release(client)


def concerns_nobody(effect: Effect) -> bool:
    """Positions and groups of a stream that was there, and the form of a HyperLogLog: no content,
    in Redis's eyes."""
    op = effect.op
    if op in (XSETID, XGROUP, XDELIVER, XACK):
        return not effect.flags & (CREATION | APPEARS)
    return op == PFMERGE and isinstance(effect.value, bytes) and bool(effect.number & FORM_ONLY)
