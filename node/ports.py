"""What a node takes from above: small base classes, filled in by the mesh or by tests.  [compiled]

Native classes, not typing.Protocol, because a virtual call costs 2 ns and a structural one 19.
Their own methods are the plain default, so a node alone is a complete single server.
"""

from __future__ import annotations

from mypy_extensions import i16, i64, mypyc_attr

from node.journal import Commit
from node.store.effect import Effect
from node.store.entry import Entry
from node.store.values.value import Value


@mypyc_attr(allow_interpreted_subclasses=True)
class Clock:
    """Gives each unit its stamp (ms << 20 | counter). The default only counts: for tests."""

    def __init__(self) -> None:
        self.last: i64 = 0
        self.now_ms: i64 = 0

    def next(self) -> i64:
        """The stamp of a new unit: above every stamp given or observed so far."""
        self.last += 1
        return self.last

    def observe(self, stamp: i64) -> None:
        """A peer's stamp was applied here: later ones must be above it."""
        if stamp > self.last:
            self.last = stamp


class Seen:
    """What the origin of a remote unit had applied before it: a stamp per stream.

    `row` holds eight little-endian bytes per origin number, read with read_i64_le(row, origin <<
    3).
    """

    def __init__(self) -> None:
        self.row: bytes = bytes(8 * 16)


@mypyc_attr(allow_interpreted_subclasses=True)
class Resolver:
    """Decides what of an effect shows and what is remembered. Default: everything shows, no
    dots."""

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        """A client's write is about to be carried out on `entry`; `fresh`: no visible key was
        there."""
        entry.stamp = effect.stamp
        entry.origin = 0

    def remote(self, effect: Effect, entry: Entry, fresh: bool, seen: Seen) -> Effect | None:
        """A peer's effect: returns what of it is to be carried out, None for nothing.

        `fresh` means that nothing at all is known of the key. May set entry.stamp, origin and dots.
        """
        entry.stamp = effect.stamp
        entry.origin = i16(effect.origin)
        return effect

    def vanished(self, effect: Effect, entry: Entry) -> bool:
        """The key shows nothing now. True: remember the entry (Database.hidden)."""
        return False

    def kept(self, entry: Entry) -> Value | None:
        """An entry that was hidden is forgotten, for its key is made anew: what of it must stay."""
        return None

    def keep(self, effect: Effect, entry: Entry, value: Value) -> None:
        """Hands what `kept` said to the new entry, before the effect that makes it."""

    def survivors(self, shards: list[dict[bytes, Entry]]) -> list[tuple[bytes, Value]]:
        """All these keys go at once: what of them must stay, as `kept` says."""
        return []

    def taken(self) -> list[Effect]:
        """What a peer's effect, which was just carried out, takes away under other keys."""
        return []

    def lapsed(self, entry: Entry) -> bool:
        """The key's deadline has passed. True: keep the entry in limbo (semantics.md 4.11)."""
        return False

    def flush(self, effect: Effect, seen: Seen | None) -> bool:
        """A whole database goes. False: the writer may drop all of it; True: look at each key."""
        return False

    def slot(self) -> i64:
        """What the IDs of stream entries made here end with, 12 bits; -1 on a node alone."""
        return -1

    def settled_ms(self) -> i64:
        """No entry of a stream with a lower time in its ID can still come from a peer; -1: on a
        node alone."""
        return -1

    def may_swap(self) -> bool:
        """May two databases change their contents? What is remembered by number would be wrong."""
        return True


@mypyc_attr(allow_interpreted_subclasses=True)
class LaterFields:
    """The AUX fields of a large key, made in slices. Until they are the key must not change."""

    def __init__(self, fields: list[tuple[bytes, bytes]]) -> None:
        self.fields = fields

    def step(self, at_once: bool) -> bool:
        """The next slice, or all there is to do; True: `fields` is whole."""
        return True


@mypyc_attr(allow_interpreted_subclasses=True)
class Metadata:
    """What a snapshot or RDB file carries beside the data. Default: each key's stamp, as KeyDB
    does.

    AUX fields, which other servers skip. The writing half is called by the snapshot walk, the
    file's fields at the very moment the walk begins; the loading half by whoever reads a file.
    """

    def file_fields(self) -> list[tuple[bytes, bytes]]:
        """AUX fields for the head of the file."""
        return []

    def key_fields(self, number: i64, key: bytes, entry: Entry) -> list[tuple[bytes, bytes]]:
        """AUX fields that stand before the key."""
        return [(b"mvcc-tstamp", b"%d" % entry.stamp)]

    def later_fields(self, number: i64, key: bytes, entry: Entry) -> LaterFields:
        """As `key_fields`, for a key with a large value."""
        return LaterFields(self.key_fields(number, key, entry))

    def hidden_field(self, number: i64, key: bytes, entry: Entry) -> bytes | None:
        """A key that shows nothing but is remembered, as the value of a `plexis-hidden` AUX
        field."""
        return None

    def load_begin(self) -> None:
        """A file is about to be read."""

    def load_file_field(self, name: bytes, value: bytes) -> None:
        """An AUX field that belongs to no key, `plexis-hidden` among them."""

    def load_key(self, number: i64, key: bytes, entry: Entry, fields: dict[bytes, bytes]) -> bool:
        """A key was read: `entry` has its value and deadline, `fields` the AUX fields before it.

        True: this port has put the key where it belongs; False: the loader inserts the entry.
        """
        stamp = fields.get(b"mvcc-tstamp", b"")
        if stamp.isdigit() and 0 < int(stamp) < 1 << 62:
            entry.stamp = int(stamp)
        return False

    def load_end(self) -> None:
        """The file was read to its end, without error."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Reader:
    """Is told of every commit while it is awake, in the journal's fixed order."""

    def read(self, commit: Commit) -> None:
        """Called once per unit, in order; may keep the Effects, never the Commit."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Owners:
    """Knows which node of a mesh takes from a key; asked where `mesh-owner` has a value."""

    def elsewhere(self, client: Client, args: list[bytes], keys: list[bytes]) -> object:
        """None where this node may take from these keys, else the reply, or who is parked for
        it."""
        return None

    def refusal(self, keys: list[bytes]) -> bytes:
        """Why this node may not take from these keys, b"" where it may: for what cannot be asked
        elsewhere, a transaction, a script, or somebody who waits here."""
        return b""


class Client:
    """A client as readers and pub/sub know it; node/session.py has the rest."""

    def __init__(self, number: i64) -> None:
        self.id: i64 = number
        self.spoiled = False  # a watched key was touched
        self.watched: list[tuple[int, bytes]] = []
        self.channels: dict[bytes, bool] = {}
        self.patterns: dict[bytes, bool] = {}

    def deliver(self, message: object) -> None:
        """Sends what is no answer to a command."""

    def note_subscriptions(self) -> None:
        """`channels` or `patterns` have changed."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Publisher:
    """Delivers messages to subscribers; node/pubsub.py is the one that does."""

    def publish(self, channel: bytes, message: bytes) -> int:
        """Delivers a message; to how many clients it went."""
        return 0

    def is_heard(self) -> bool:
        """Is anybody subscribed to anything?"""
        return False


@mypyc_attr(allow_interpreted_subclasses=True)
class Encoder:
    """Effects to the bytes that AOF and peers get. Default: the plain command in RESP."""

    def encode(self, commit: Commit) -> bytes:
        """The unit as bytes."""
        return b""


@mypyc_attr(allow_interpreted_subclasses=True)
class Extension:
    """Something started with the node and stopped before it: the mesh agent, the admin page."""

    async def start(self) -> None:
        """Called when the node listens."""

    async def stop(self) -> None:
        """Called before the last save."""
