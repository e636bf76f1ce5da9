"""Mixer: salted hashes of what a key is made of, with streams named by uuid.  [compiled]

Numbers of streams, the order of dicts and the split of values into chunks are a node's own; so dots
are written with the uuid, what has no order is written sorted or summed up, and what has one is
joined first. Every hash is 62 bits: a sum of two stays in a machine word in both builds.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from librt.strings import BytesWriter, read_i64_le, write_i32_le, write_i64_le
from mypy_extensions import i32, i64, u8

from mesh.dots import Streams
from mesh.merge.increments import Increment
from mesh.packing import put_text
from node.store.entry import Claim, Register

HASH_BYTES: Final = 8
SALT_MAX: Final = 16
MASK: Final[i64] = 0x3FFFFFFFFFFFFFFF
NO_DOT: Final = bytes(24)  # which every member has forgotten
NO_WRITER: Final = bytes(16)


class Mixer:
    """Hashes under one salt, in the names that all members have for streams.

    `cut` is what both nodes know to be stable, as a row in this node's stream numbers: whether a
    node has forgotten a dot below it yet makes no difference.
    """

    def __init__(self, streams: Streams, salt: bytes, cut: bytes) -> None:
        self.streams = streams
        self.salt = salt[:SALT_MAX]
        self.cut = cut

    def is_stable(self, stamp: i64, origin: i64) -> bool:
        """Is this no dot, or one that every member has?"""
        if stamp == 0:
            return True
        place = origin << 3
        cut = self.cut
        return place + 8 <= len(cut) and stamp <= read_i64_le(cut, place)

    def hash(self, data: bytes) -> i64:
        """62 bits of these bytes, 0 <= h < 2**62."""
        made = blake2b(data, digest_size=HASH_BYTES, salt=self.salt).digest()
        return read_i64_le(made, 0) & MASK

    def are_stable(self, registers: list[Register], increments: list[Increment]) -> bool:
        """Has every member all of these?"""
        for register in registers:
            if not self.is_stable(register.stamp, register.origin):
                return False
        for one in increments:  # noqa: SIM110 a generator costs more than it saves
            if not self.is_stable(one.stamp, one.origin):
                return False
        return True

    def put_dot(self, out: BytesWriter, stamp: i64, origin: i64) -> None:
        """Eight bytes of stamp, the stream's uuid; zeros for a stable one."""
        if self.is_stable(stamp, origin):
            out.write(NO_DOT)
        else:
            self.put_name(out, stamp, origin)

    def put_name(self, out: BytesWriter, number: i64, origin: i64) -> None:
        """The name of a list's element, 0 for none: as a dot, but it is never forgotten."""
        write_i64_le(out, number)
        out.write(NO_WRITER if number == 0 else self.streams.all[origin].uuid)

    def dot(self, stamp: i64, origin: i64) -> bytes:
        """The same as bytes."""
        out = BytesWriter()
        self.put_dot(out, stamp, origin)
        return out.getvalue()

    def put_items(self, out: BytesWriter, tag: i64, items: list[bytes]) -> None:
        """Items without an order, as one section; nothing where there are none."""
        if items:
            items.sort()
            out.append(u8(tag))
            write_i32_le(out, i32(len(items)))
            for item in items:
                put_text(out, item)

    def claims(self, claims: list[Claim]) -> list[bytes]:
        """Each claim: its dot and its number. A stable one of 0 says nothing."""
        found: list[bytes] = []
        for each in claims:
            if each.number == 0 and self.is_stable(each.stamp, each.origin):
                continue
            out = BytesWriter()
            self.put_dot(out, each.stamp, each.origin)
            write_i64_le(out, each.number)
            found.append(out.getvalue())
        return found

    def type_claims(self, claims: list[Claim]) -> list[bytes]:
        """As `claims`, of types: slot 0 is one of them."""
        found: list[bytes] = []
        for each in claims:
            out = BytesWriter()
            self.put_dot(out, each.stamp, each.origin)
            write_i64_le(out, each.number)
            found.append(out.getvalue())
        return found

    def increments(self, increments: list[Increment]) -> list[bytes]:
        """Each live increment: its dot and what it adds."""
        found: list[bytes] = []
        for each in increments:
            out = BytesWriter()
            self.put_dot(out, each.stamp, each.origin)
            write_i64_le(out, each.delta)
            decimal = each.decimal
            put_text(out, b"" if decimal is None else decimal)
            found.append(out.getvalue())
        return found


class Sum:
    """A sum of hashes, whatever their order."""

    def __init__(self) -> None:
        self.count: i64 = 0
        self.total: i64 = 0

    def add(self, number: i64) -> None:
        """One hash more."""
        self.count += 1
        self.total = (self.total + number) & MASK


def exact_text(value: object) -> bytes:
    """A register's value: text, or a counter's number, beyond 64 bits too."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, int):
        return b"%d" % value
    return b""
