"""What a snapshot carries for the mesh, written and read: streams, vector, rows, waiting
removals, dots.

The file's head names every stream by number; keys refer to the numbers. `Incoming` is what a file
or a peer's snapshot said; MeshMetadata is the node's Metadata port, which installs a file at start.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from mesh.codec import KeyBytes, key_bytes
from mesh.conflicts import IMPORT_CONFLICT
from mesh.dots import Streams, row_of, unpack_row
from mesh.key_reader import read_key
from mesh.membership import Membership, Row, rows_of
from mesh.merge.peer_key import PeerKey
from mesh.merge.resolver import StampResolver
from mesh.merge.rule import Memory
from mesh.merge.state import Cover
from mesh.merge.whole import NOBODY, merge_key
from mesh.removals import Pending
from mesh.said import Said
from mesh.stability import Stability
from node.persist.canon import payload_of, restored
from node.persist.rdb_codes import AUX_HIDDEN, AUX_MESH, AUX_STAMP
from node.ports import LaterFields, Metadata
from node.store.entry import Entry
from node.store.keyspace import Database
from node.store.mutate import MUTATE
from node.store.values.strings import shown
from node.store.values.value import Value
from node.store.writer import shows

DOTS = b"plexis-dots"
HIDDEN = AUX_HIDDEN
HEAD = AUX_MESH
STAMP = AUX_STAMP
SLICE = 4000  # members of a large value whose dots are written at once: less than a millisecond
# A field that is longer is written in parts, so that neither side has much to do at once; in so
# many at most, since readers take no more than 4096 fields before a key.
PART_BYTES = 65_536
PARTS_MOST = 2000
ENDED = object()
NEWEST = "newest"  # of a removal that waits: it clears what is older besides


class Incoming:
    """A snapshot's knowledge of the mesh, in this node's stream numbers."""

    def __init__(self, streams: Streams) -> None:
        self.streams = streams
        self.origins: list[int] = []
        self.vector: dict[bytes, int] = {}
        self.rows: dict[bytes, dict[bytes, int]] = {}
        self.members: dict[bytes, bytes] = {}
        self.removals: list[tuple[int, bytes | None, Pending]] = []
        self.member_id = b""
        self.membership: list[Row] = []
        self.said = Said()
        self.keys: int | None = None  # that were there when it began, those that show nothing too

    def head(self, text: bytes) -> None:
        """Reads the `plexis-mesh` field. ValueError where it is damaged."""
        fields = json.loads(text)
        uuids = [bytes.fromhex(each) for each in fields["streams"]]
        self.member_id = fields["member"].encode()
        self.membership = rows_of(fields.get("membership", []))
        self.origins = [int(self.streams.of(uuid).number) for uuid in uuids]
        self.vector = dict(zip(uuids, fields["vector"], strict=True))
        self.said.read(fields.get("stability", {}))
        self.keys = int(fields["keys"]) if "keys" in fields else None
        self.members = {
            uuid: name.encode() for uuid, name in zip(uuids, fields["members"], strict=True)
        }
        for uuid, row in zip(uuids, fields["rows"], strict=True):
            self.rows[uuid] = {
                uuids[number]: stamp for number, stamp in enumerate(row) if stamp != 0
            }
        for db, key, stamp, origin, row, scopes, *more in fields["removals"]:
            self.removals.append((
                db,
                None if key is None else bytes.fromhex(key),
                Pending(
                    stamp, self.origins[origin], self.row(dict(zip(uuids, row, strict=False))),
                    [(kind, bytes.fromhex(place)) for kind, place in scopes],
                    self.streams if NEWEST in more else None,
                ),
            ))  # fmt: skip

    def renumber(self, former: int) -> None:
        """The stream that was the node's own until now, number 0, has this number."""
        self.origins = [each or former for each in self.origins]
        for _, _, pending in self.removals:
            pending.renumber(former)

    def row(self, stamps: dict[bytes, int]) -> bytes:
        """Stamps by uuid as a row in this node's numbers."""
        for uuid in stamps:
            self.streams.of(uuid)
        numbers = [0] * self.streams.width
        for uuid, stamp in stamps.items():
            numbers[self.streams.of(uuid).number] = stamp
        return row_of(numbers)


def head_field(
    memory: Memory, member_id: bytes, own_row: dict[bytes, int],
    membership: Sequence[list[object]] = (), stability: Stability | None = None, keys: int = 0,
) -> bytes:
    """The `plexis-mesh` field: everything that belongs to no key, and how many there are, at this
    very moment."""
    streams = memory.streams
    rows: list[list[int]] = []
    for stream in streams.all:
        if stream is streams.own:
            rows.append([own_row.get(each.uuid, 0) for each in streams.all])
        elif stream.retired:
            rows.append([])  # no write of it will come any more
        else:
            rows.append(unpack_row(stream.row)[: len(streams.all)])
    removals: list[object] = []
    for (db, key), waiting in memory.removals.by_key.items():
        removals += [pending_fields(db, key.hex(), each) for each in waiting]
    for db, waiting in memory.removals.flushes.items():
        removals += [pending_fields(db, None, each) for each in waiting]
    fields = {
        "member": member_id.decode(),
        "membership": list(membership),
        "streams": [each.uuid.hex() for each in streams.all],
        "vector": [int(each.seen) for each in streams.all],
        "members": [each.member.decode() for each in streams.all],
        "rows": rows,
        "removals": removals,
        "stability": {} if stability is None else stability.fields(),
        "keys": keys,
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def pending_fields(db: int, key: str | None, pending: Pending) -> list[object]:
    """A waiting removal as JSON."""
    scopes = [[kind, place.hex()] for kind, place in pending.scopes]
    row = unpack_row(pending.row)
    fields: list[object] = [db, key, int(pending.stamp), int(pending.origin), row, scopes]
    return fields if pending.ranks is None else [*fields, NEWEST]


class LaterDots(LaterFields):
    """The fields of a large key: its dots are written a dict of the value at a time."""

    def __init__(self, fields: list[tuple[bytes, bytes]], made: KeyBytes) -> None:
        super().__init__(fields)
        self._made = made
        self._work = made.slices(SLICE)
        self._done = False

    def step(self, at_once: bool) -> bool:
        while not self._done:
            if next(self._work, ENDED) is ENDED:
                self._done = True
                self.fields += in_parts(DOTS, self._made.out.getvalue())
            elif not at_once:
                return False
        return True


def in_parts(name: bytes, value: bytes) -> list[tuple[bytes, bytes]]:
    """A long field as several of its name, one after another: RdbReader joins them again."""
    size = max(PART_BYTES, len(value) // PARTS_MOST + 1)
    return [(name, value[at : at + size]) for at in range(0, max(len(value), 1), size)]


class MeshMetadata(Metadata):
    """The node's Metadata port. A node that is not active writes and keeps only stamps."""

    def __init__(self, resolver: StampResolver, databases: list[Database], active: bool) -> None:
        self.resolver = resolver
        self.memory = resolver.memory
        self.databases = databases
        self.active = active
        self.member_id = b""
        self.membership = Membership(b"")
        self.stability: Stability | None = None
        self.before_file: Callable[[], None] = nothing
        self.row_of_own: Callable[[], dict[bytes, int]] = dict
        self.incoming = Incoming(resolver.streams)
        self.loaded_dots = False
        self.undotted_keys = 0

    def file_fields(self) -> list[tuple[bytes, bytes]]:
        self.before_file()
        if not self.resolver.active:
            return []
        rows = self.membership.rows()
        own = self.row_of_own()
        keys = sum(int(db.keys.size) + len(db.hidden) for db in self.databases)
        return [(HEAD, head_field(self.memory, self.member_id, own, rows, self.stability, keys))]

    def key_fields(self, number: int, key: bytes, entry: Entry) -> list[tuple[bytes, bytes]]:
        fields = super().key_fields(number, key, entry)
        if self.resolver.active:
            fields.append((DOTS, key_bytes(self.memory, number, key, entry)))
        return fields

    def later_fields(self, number: int, key: bytes, entry: Entry) -> LaterFields:
        fields = super().key_fields(number, key, entry)
        if not self.resolver.active:
            return LaterFields(fields)
        return LaterDots(fields, KeyBytes(self.memory, number, key, entry))

    def hidden_field(self, number: int, key: bytes, entry: Entry) -> bytes | None:
        if not self.resolver.active:
            return None
        return hidden_bytes(self.memory, number, key, entry)

    def load_begin(self) -> None:
        self.incoming = Incoming(self.resolver.streams)
        self.loaded_dots = False
        self.undotted_keys = 0

    def load_file_field(self, name: bytes, value: bytes) -> None:
        if not self.active:
            return
        if name == HEAD:
            self.incoming.head(value)
            self.loaded_dots = True
        elif name == HIDDEN and self.loaded_dots:
            peer = read_hidden(value, self.incoming)
            self._install(peer)

    def load_key(self, number: int, key: bytes, entry: Entry, fields: dict[bytes, bytes]) -> bool:
        super().load_key(number, key, entry, fields)
        dots = fields.get(DOTS)
        if not self.active or dots is None or not self.loaded_dots:
            self.undotted_keys += 1
            return False
        self._install(read_key(dots, self.incoming.origins, number, key, entry.value))
        return True

    def _install(self, peer: PeerKey) -> None:
        """Into an empty place: everything the file says is kept."""
        nothing = Cover(b"", NOBODY)
        entry = Entry(None, 0, 0)
        effect = merge_key(self.memory, entry, True, peer, nothing, nothing)
        MUTATE[effect.op].apply(entry, effect)
        db = self.databases[peer.db]
        now_ms = db.now.ms
        if shows(entry) and (entry.deadline == 0 or entry.deadline >= now_ms):
            db.put(peer.key, entry)
        else:
            db.hide(peer.key, entry)

    def load_end(self) -> None:
        if not self.loaded_dots:
            return
        streams = self.resolver.streams
        incoming = self.incoming
        for uuid, stamp in incoming.vector.items():
            stream = streams.of(uuid)
            stream.seen = stamp
            stream.wrote = stamp
            stream.member = incoming.members.get(uuid, b"")
        for uuid, row in incoming.rows.items():
            streams.join_row(streams.of(uuid), row)
        for stream in streams.all:
            stream.uncovered = not streams.covers(stream)
        if self.stability is not None:
            self.stability.load(incoming.said)
        take_removals(self.memory, incoming)
        self.membership.join(incoming.membership)
        self.memory.conflicts.forget(IMPORT_CONFLICT)


def nothing() -> None:
    """Nothing has to be done before a file is written."""


def take_removals(memory: Memory, incoming: Incoming) -> None:
    """Waiting removals of a snapshot wait here too."""
    for db, key, pending in incoming.removals:
        if key is None:
            memory.removals.add_flush(db, pending)
        else:
            memory.removals.add(db, key, pending)


def hidden_bytes(memory: Memory, number: int, key: bytes, entry: Entry) -> bytes:
    """A key that shows nothing: database, key, deadline apart, value spelled out with its dots."""
    value = entry.value
    head: dict[str, object] = {"db": number, "key": key.hex()}
    if isinstance(value, Value):
        if value.is_shown():
            head["value"] = payload_of(value).hex()
    elif value is not None:
        head["string"] = shown(value).hex()
    text = json.dumps(head, separators=(",", ":")).encode()
    return len(text).to_bytes(4, "big") + text + key_bytes(memory, number, key, entry)


def read_hidden(data: bytes, incoming: Incoming) -> PeerKey:
    """The reverse of hidden_bytes."""
    size = int.from_bytes(data[:4], "big")
    head = json.loads(data[4 : 4 + size])
    value: object = None
    if "value" in head:
        value = restored(bytes.fromhex(head["value"]))
    elif "string" in head:
        value = bytes.fromhex(head["string"])
    return read_key(
        data[4 + size :], incoming.origins, head["db"], bytes.fromhex(head["key"]), value
    )
