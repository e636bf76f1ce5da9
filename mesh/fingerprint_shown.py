"""What clients can see of a key as a hash, made in slices: type, content, deadlines, no dots.
[compiled]

As node/digest.py, which makes its digests at once, but under a salt, and of 62 bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Final

from librt.strings import BytesWriter, write_f64_le, write_i32_le, write_i64_le
from mypy_extensions import i32, i64

from mesh.fingerprint_hash import HASH_BYTES, Mixer, Sum, exact_text
from mesh.fingerprint_streams import put_id
from mesh.packing import put_text
from node.store.entry import Entry
from node.store.values.container import Container
from node.store.values.groups import Group
from node.store.values.hashes import HashValue, plain
from node.store.values.lists import ListValue
from node.store.values.scored import score_in
from node.store.values.stream_nodes import DELETED
from node.store.values.streams import StreamValue
from node.store.values.value import Value
from node.store.values.zsets import ZSetValue

SHOWS_NOTHING: Final = 0


class ShownHash:
    """The hash of one visible key; `number` when all slices were made, 0 for one that shows
    nothing."""

    def __init__(self, mixer: Mixer, entry: Entry) -> None:
        self.mixer = mixer
        self.entry = entry
        self.number: i64 = SHOWS_NOTHING

    def slices(self, places: i64) -> Iterator[None]:
        """Works, and yields after each so many places."""
        entry = self.entry
        value = entry.value
        out = BytesWriter()
        write_i64_le(out, entry.deadline)
        if isinstance(value, Value):
            put_text(out, value.kind())
            if isinstance(value, ListValue):
                yield from self._list(out, value, places)
            elif isinstance(value, StreamValue):
                yield from self._stream(out, value, places)
            elif isinstance(value, Container):
                yield from self._places(out, value, places)
            else:
                for part in value.parts():
                    put_text(out, part)
        elif value is None:
            return
        else:
            put_text(out, b"string")
            put_text(out, exact_text(value))
        self.number = self.mixer.hash(out.getvalue())

    def _list(self, out: BytesWriter, value: ListValue, places: i64) -> Iterator[None]:
        items = blake2b(digest_size=HASH_BYTES, salt=self.mixer.salt)
        done: i64 = 0
        for chunk in list(value.chunks):
            part = BytesWriter()
            for item in chunk.items:
                put_text(part, item)
            items.update(part.getvalue())
            done += len(chunk.items)
            if done >= places:
                done = 0
                yield None
        out.write(items.digest())

    def _places(self, out: BytesWriter, value: Container, places: i64) -> Iterator[None]:
        """A set, a hash or a sorted set."""
        found = Sum()
        mixer = self.mixer
        done: i64 = 0
        for chunk in value.chunks():
            for place, slot in list(chunk.items()):
                one = BytesWriter()
                put_text(one, place)
                if isinstance(value, HashValue):
                    put_text(one, plain(slot))
                elif isinstance(value, ZSetValue):
                    score: Any = score_in(slot)
                    write_f64_le(one, score)
                found.add(mixer.hash(one.getvalue()))
            done += len(chunk)
            if done >= places:
                done = 0
                yield None
        timed = Sum()
        for place, deadline_ms in value.deadline_items():
            one = BytesWriter()
            put_text(one, place)
            write_i64_le(one, i64(deadline_ms))
            timed.add(mixer.hash(one.getvalue()))
            done += 1
            if done >= places:
                done = 0
                yield None
        for each in (found, timed):
            write_i64_le(out, each.count)
            write_i64_le(out, each.total)

    def _stream(self, out: BytesWriter, value: StreamValue, places: i64) -> Iterator[None]:
        hashed = blake2b(digest_size=HASH_BYTES, salt=self.mixer.salt)
        done: i64 = 0
        for node in value.nodes[int(value.head) :]:
            found = value.opened(node)
            part = BytesWriter()
            at: i64 = 0
            n: i64 = len(found.ids)
            while at < n:
                if found.flags[at] & DELETED == 0:
                    put_id(part, found.ids[at])
                    items = found.fields(at)
                    write_i32_le(part, i32(len(items)))
                    for item in items:
                        put_text(part, item)
                at += 1
            hashed.update(part.getvalue())
            done += n
            if done >= places:
                done = 0
                yield None
        out.write(hashed.digest())
        put_id(out, value.last_id)
        put_id(out, value.max_deleted_id)
        write_i64_le(out, i64(value.entries_added))
        for group in value.groups_in_order():
            yield from self._group(out, group, places)

    def _group(self, out: BytesWriter, group: Group, places: i64) -> Iterator[None]:
        """No times: each node has its own."""
        put_text(out, group.name)
        put_id(out, group.last_id)
        write_i64_le(out, i64(group.entries_read))
        for consumer in group.in_order():
            put_text(out, consumer.name)
        pending = Sum()
        done: i64 = 0
        for number in list(group.pending):
            known = group.pending.get(number)
            if known is None:
                continue
            one = BytesWriter()
            put_id(one, number)
            put_text(one, known.consumer.name)
            write_i64_le(one, i64(known.count))
            pending.add(self.mixer.hash(one.getvalue()))
            done += 1
            if done >= places:
                done = 0
                yield None
        write_i64_le(out, pending.count)
        write_i64_le(out, pending.total)
