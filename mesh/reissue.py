"""Reissue: writes anew, as this node's own writes, what a set of data has and the mesh has not.

The data is what stood here before the mesh's state took its place (mesh/rejoin.py), or a file
(MESH IMPORT). Of what the mesh has as well:

    from another mesh     of two strings, fields or scores the newer counts if both stamps are
                          known, else the mesh's; missing members, fields and entries come; a
                          list that differs is appended as a whole. Each difference is an
                          `import_conflict`
    own writes of before  what the mesh had not seen: new elements and increments always, overwrites
                          if they are newer than what stands there; else `rejoin_dropped`

Each key is a unit, written by the commands that a client would use.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import fsum

import structlog

from mesh.conflicts import IMPORT_CONFLICT, REJOIN_DROPPED, Side
from mesh.dots import Streams
from mesh.merge.covers import Cover
from mesh.merge.increments import Increment, base_of, field_place
from mesh.merge.kinds.list_join import is_seen
from mesh.merge.ledger import Ledger
from mesh.merge.rule import Memory
from mesh.merge.totals import total
from node.commands.context import Context
from node.engine import Engine
from node.persist.canon import payload_of
from node.persist.rdb_codes import RdbError
from node.resp.numbers import format_double
from node.resp.replies import Failure
from node.session import Session
from node.store.effect import XADD
from node.store.entry import ABSENT, COUNTED, NO_REGISTER, STABLE, Dot, Entry, Field
from node.store.keyspace import Database
from node.store.values.hashes import HashValue
from node.store.values.lists import ListValue
from node.store.values.scored import Scored, SpelledScore
from node.store.values.sets import SetValue
from node.store.values.stream_payloads import Added
from node.store.values.streams import StreamValue, live_dots
from node.store.values.strings import shown
from node.store.values.value import Value
from node.store.values.zsets import ZSetValue

LOG = structlog.get_logger()

# Words of one command: bounds what one unit costs each member.
WORDS = 500


class Source:
    """Data to be written anew: its databases, and what of it the mesh has seen.

    `known` None: nothing, it comes from elsewhere. `own` are the streams whose writes are meant.
    """

    def __init__(self, streams: Streams, known: Cover | None, own: frozenset[int]) -> None:
        self.streams = streams
        self.known = known
        self.own = own
        self.newest_stable = 0  # of the mesh's writes: what has no stamp any more is not newer
        self.ledger = Ledger()
        self.keys: list[tuple[int, dict[bytes, Entry]]] = []
        # Members that have ended, of which the mesh may not have heard.
        self.ends: dict[bytes, dict[str, object]] = {}

    @property
    def foreign(self) -> bool:
        """Does all of it come from elsewhere?"""
        return self.known is None

    def is_new(self, stamp: int, origin: int) -> bool:
        """Is this a write that is meant, and that the mesh has not?"""
        if self.known is None:
            return True
        return stamp != 0 and origin in self.own and not self.known.has(stamp, origin)


class Reissue:
    """One source on its way into the mesh; `step` until it is True."""

    def __init__(self, engine: Engine, memory: Memory, source: Source) -> None:
        self.engine = engine
        self.memory = memory
        self.source = source
        self.written = 0
        self.dropped = 0
        self.session = Session(0, Context(engine.databases[0], engine.writer, engine))
        self.session.ctx.session = self.session
        self._work = self._keys()

    def step(self, budget: int) -> bool:
        """Writes about so many keys; True: all are written."""
        return any(next(self._work, self) is self for _ in range(budget))

    def _keys(self) -> Iterator[None]:
        for number, keys in self.source.keys:
            for key, entry in keys.items():
                self._key(self.engine.databases[number], key, entry)
                yield None
        trash = self.engine.writer.trash
        trash.extend(keys for _, keys in self.source.keys)
        self.source.keys = []
        LOG.info("reissued", writes=self.written, differences=self.dropped)

    def _key(self, db: Database, key: bytes, old: Entry) -> None:
        now_ms = int(self.engine.now.ms)
        if old.value is None or old.flags & ABSENT or 0 < old.deadline <= now_ms:
            return
        self.session.ctx.db = db
        value = old.value
        here = db.peek(key)
        if here is None and (self.source.foreign or not isinstance(value, Value)):
            if not isinstance(value, Value):
                self._string(db, key, old, None)
            else:
                self._whole(key, value, int(old.deadline))
        elif isinstance(value, Value):
            self._collection(key, value, old, None if here is None else here.value)
        else:
            self._string(db, key, old, here)
        self.engine.publish()

    def _collection(self, key: bytes, value: Value, old: Entry, here: object) -> None:
        if here is not None and type(here) is not type(value):
            self._differs(key, b"", old, here)
            return
        before = self.written
        if isinstance(value, SetValue):
            self._set(key, value, here)
        elif isinstance(value, HashValue):
            self._hash(key, value, here)
        elif isinstance(value, ZSetValue):
            self._zset(key, value, here)
        elif isinstance(value, ListValue):
            self._list(key, value, old, here)
        elif isinstance(value, StreamValue):
            self._stream(key, value, here)
        elif here is None or not self.source.foreign:
            self._differs(key, b"", old, here)
        if here is None and self.written != before and old.deadline:
            self._run(b"PEXPIREAT", key, b"%d" % old.deadline)

    # --- by type --------------------------------------------------------------------------------

    def _whole(self, key: bytes, value: Value, deadline: int) -> None:
        """A key that the mesh has not at all."""
        try:
            payload = payload_of(value)
        except RdbError as error:
            LOG.warning("not_reissued", key=key[:100], reason=str(error))
            return
        self._run(b"RESTORE", key, b"%d" % deadline, payload, b"ABSTTL")

    def _string(self, db: Database, key: bytes, old: Entry, here: Entry | None) -> None:
        """A string: the text that showed, or the own increments alone."""
        text = shown(old.value)
        source = self.source
        stamp = newest_of(old, source)
        if here is not None and isinstance(here.value, Value):
            if stamp or source.foreign:
                self._differs(key, b"", old, here.value)
            return
        if here is not None and shown(here.value) == text and source.foreign:
            return
        if stamp and stamp > self._last_change(db, key, here):
            words = [b"SET", key, text]
            if old.deadline:
                words += [b"PXAT", b"%d" % old.deadline]
            self._run(*words)
            if here is not None and source.foreign:
                self._note(IMPORT_CONFLICT, key, b"", old, here.value, True)
            return
        if stamp or source.foreign:
            self._differs(key, b"", old, None if here is None else here.value)
        if not source.foreign and old.flags & COUNTED:
            over = base_of(old.stamp, int(old.origin))
            self._count(
                source.ledger.strings.live(db.number, key, over, old.flags),
                b"INCRBY", b"INCRBYFLOAT", [key],
            )

    def _count(
        self, increments: list[Increment], by: bytes, by_float: bytes, place: list[bytes]
    ) -> None:
        """Increments that the mesh has not, as one."""
        new = [each for each in increments if self.source.is_new(each.stamp, each.origin)]
        if not new:
            return
        amount = total(b"0", new)
        text = shown(amount)
        self._run(by_float if b"." in text else by, *place, text)

    def _last_change(self, db: Database, key: bytes, here: Entry | None) -> int:
        """The stamp of what the key shows, or of what removed it; 0 where that is not known, so
        that whatever is known counts as newer, but for data from elsewhere, which does not."""
        if here is None:
            gone = db.hidden.get(key)
            return 0 if gone is None else int(gone.stamp)
        if here.flags & STABLE and self.source.foreign:
            return 1 << 62
        return int(here.stamp)

    def _set(self, key: bytes, value: SetValue, here: object) -> None:
        missing = [
            name for name in value.names()
            if not (isinstance(here, SetValue) and here.has(name))
            and self._is_new_slot(value.slot(name))
        ]
        self._batches(b"SADD", key, [[name] for name in missing])

    def _is_new_slot(self, slot: object) -> bool:
        if isinstance(slot, (Dot, Field, Scored)):
            return self.source.is_new(stamp_of(slot), int(slot.origin))
        return self.source.foreign

    def _hash(self, key: bytes, value: HashValue, here: object) -> None:
        missing: list[list[bytes]] = []
        for field, text in value.items():
            slot = value.slot(field)
            theirs = here.slot(field) if isinstance(here, HashValue) and here.has(field) else None
            if theirs is None:
                if self._is_new_slot(slot) and not has_no_register(slot):
                    missing.append([field, text])
                else:
                    self._counted_field(key, field, slot)
            elif plain_of(theirs) != text:
                if self._is_newer(slot, theirs):
                    missing.append([field, text])
                    continue
                self._counted_field(key, field, slot)
                if self._is_new_slot(slot) and not has_no_register(slot):
                    self._differs(key, field, text, plain_of(theirs))
            else:
                self._counted_field(key, field, slot)
        self._batches(b"HSET", key, missing)

    def _counted_field(self, key: bytes, field: bytes, slot: object) -> None:
        if self.source.foreign or not isinstance(slot, Field) or not slot.flags & COUNTED:
            return
        over = base_of(slot.stamp, int(slot.origin))
        db = self.session.ctx.db
        found = self.source.ledger.fields.live(db.number, field_place(key, field), over, slot.flags)
        self._count(found, b"HINCRBY", b"HINCRBYFLOAT", [key, field])

    def _is_newer(self, slot: object, theirs: object) -> bool:
        """Is the own write newer than what stands there? Known stamps only, from elsewhere."""
        if not isinstance(slot, (Field, Scored)) or not self._is_new_slot(slot):
            return False
        if has_no_register(slot) and not self.source.foreign:
            return False  # increments alone: they are added, whatever they were made on
        if not isinstance(theirs, (Field, Scored)):
            # Forgotten since all members have it: its stamp is none above what is stable.
            return not self.source.foreign and stamp_of(slot) > self.source.newest_stable
        return stamp_of(slot) > stamp_of(theirs)

    def _zset(self, key: bytes, value: ZSetValue, here: object) -> None:
        missing: list[list[bytes]] = []
        for member in value.names():
            slot = value.slot(member)
            score = value.score(member)
            theirs = here.slot(member) if isinstance(here, ZSetValue) and here.has(member) else None
            if theirs is None:
                if self._is_new_slot(slot) and not has_no_register(slot):
                    missing.append([format_double(score), member])
                else:
                    self._counted_score(key, member, slot)
            elif isinstance(here, ZSetValue) and here.score(member) != score:
                if self._is_newer(slot, theirs):
                    missing.append([format_double(score), member])
                    continue
                mine, other = format_double(score), format_double(here.score(member))
                self._counted_score(key, member, slot)
                if self._is_new_slot(slot) and not has_no_register(slot):
                    self._differs(key, member, mine, other)
            else:
                self._counted_score(key, member, slot)
        self._batches(b"ZADD", key, missing)

    def _counted_score(self, key: bytes, member: bytes, slot: object) -> None:
        """A member's increments that the mesh has not, as one."""
        if self.source.foreign or not isinstance(slot, SpelledScore):
            return
        amounts = [
            step.amount for each in slot.streams for step in each.steps
            if self.source.is_new(int(step.stamp), int(each.origin))
        ]  # fmt: skip
        if not amounts:
            return
        try:
            amounts = [fsum(amounts)]
        except (OverflowError, ValueError):
            pass  # infinities, or beyond the largest float on the way: one after another
        for amount in amounts:
            self._run(b"ZINCRBY", key, format_double(amount), member)

    def _list(self, key: bytes, value: ListValue, old: Entry, here: object) -> None:
        items = value.range(0, value.size())
        if self.source.foreign:
            if isinstance(here, ListValue) and here.range(0, here.size()) == items:
                return
            if isinstance(here, ListValue):
                last = here.range(max(here.size() - len(items), 0), here.size())
                if last == items:
                    return  # it was appended before: a process that ended began again
                self._differs(key, b"", old, here)
        else:
            items = [items[at] for at in self._new_elements(value)]
        self._batches(b"RPUSH", key, [[item] for item in items])

    def _new_elements(self, value: ListValue) -> list[int]:
        """The places of elements that are meant and that the mesh has not."""
        order = value.order
        known = self.source.known
        if order is None or known is None:
            return []
        found: list[int] = []
        at = 0
        for run in value.runs():
            for step in range(int(run.count)):
                number = int(run.first + run.step * step)
                mine = run.first != 0 and int(run.origin) in self.source.own
                if mine and not is_seen(order, known, run.origin, number):
                    found.append(at)
                at += 1
        return found

    def _stream(self, key: bytes, value: StreamValue, here: object) -> None:
        """Entries; groups come with a whole key only."""
        ctx = self.session.ctx
        limits = self.engine.stream_limits
        for node in value.nodes[int(value.head) :]:
            opened = value.opened(node)
            dots = iter(live_dots(node, opened))
            ids: list[int] = []
            fields: list[list[bytes]] = []
            value.collect(int(node.master), int(node.last), 0, ids, fields)
            for number, items in zip(ids, fields, strict=True):
                dot = next(dots)
                if not self.source.is_new(int(dot.stamp), int(dot.origin)):
                    continue
                theirs = here.entry(number) if isinstance(here, StreamValue) else None
                if theirs is None:
                    ctx.emit(XADD, key, Added(number, items, 0, limits))
                    self.written += 1
                elif theirs != items:
                    self._differs(key, b"", b" ".join(items), b" ".join(theirs))

    # --- writing and counting -------------------------------------------------------------------

    def _batches(self, name: bytes, key: bytes, places: list[list[bytes]]) -> None:
        for at in range(0, len(places), WORDS):
            words = [name, key]
            for place in places[at : at + WORDS]:
                words += place
            self._run(*words)

    def _run(self, *words: bytes) -> None:
        reply = self.engine.scripted(self.session, list(words))
        if isinstance(reply, Failure):
            self.dropped += 1
            LOG.warning("not_reissued", key=words[1][:100], reason=reply.text.decode("latin-1"))
        else:
            self.written += 1

    def _differs(self, key: bytes, place: bytes, mine: object, theirs: object) -> None:
        kind = IMPORT_CONFLICT if self.source.foreign else REJOIN_DROPPED
        self._note(kind, key, place, mine, theirs, False)

    def _note(
        self, kind: str, key: bytes, place: bytes, mine: object, theirs: object, won: bool
    ) -> None:
        """A difference, in the ring: what shows now and what it was chosen over."""
        self.dropped += 1
        conflicts = self.memory.conflicts
        conflicts.count(kind)
        stamp = int(mine.stamp) if isinstance(mine, Entry) else 0
        origin = int(mine.origin) if isinstance(mine, Entry) else 0
        value = mine.value if isinstance(mine, Entry) else mine
        own = Side(stamp, origin, conflicts.cut(value))
        other = Side(0, 0, conflicts.cut(theirs))
        winner, loser = (own, other) if won else (other, own)
        number = int(self.session.ctx.db.number)
        conflicts.remember(kind, number, key, place, winner, loser)


def newest_of(old: Entry, source: Source) -> int:
    """The stamp of the newest write of a string that is meant; 0 where there is none."""
    newest = 0
    dots = old.dots
    if source.foreign and (old.flags & STABLE or old.stamp == 0):
        return 1
    if not old.flags & NO_REGISTER and source.is_new(int(old.stamp), int(old.origin)):
        newest = int(old.stamp)
    if source.foreign and newest == 0:
        newest = 1
    for patch in (dots.patches or ()) if dots is not None else ():
        if source.is_new(int(patch.stamp), int(patch.origin)):
            newest = max(newest, int(patch.stamp))
    return newest


def has_no_register(slot: object) -> bool:
    """Is this a field or a score made by increments alone?"""
    if isinstance(slot, SpelledScore):
        return not slot.registers
    return isinstance(slot, Field) and slot.flags & NO_REGISTER != 0


def stamp_of(slot: Dot | Field | Scored) -> int:
    """Of a place's dot; 0 where it has none."""
    return 0 if isinstance(slot, Field) and slot.flags & STABLE else int(slot.stamp)


def plain_of(slot: object) -> bytes:
    """A field's text."""
    return shown(slot.value if isinstance(slot, Field) else slot)
