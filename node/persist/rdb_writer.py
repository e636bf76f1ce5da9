"""Values to RDB bytes, in pieces a caller can send or save one by one; no I/O.  [compiled]

Version 9 is what KeyDB loads, 11 Redis 7.2 and Valkey, 12 Redis 7.4 to 8.2. Small collections get
the packed form Redis would give them, large ones the plain form, which every version loads.
Strings in files are not compressed: every server reads them so, and LZF would cost more than it
saves; in DUMP payloads they are as Redis has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from librt.strings import BytesWriter, write_i64_le
from mypy_extensions import i64, u8

from node.persist import rdb_codes as codes
from node.persist.rdb_codes import RdbError
from node.persist.rdb_encode import (
    PIECE_BYTES,
    has_after,
    put_after,
    put_large,
    put_packed,
    put_small,
)
from node.persist.rdb_put import Thresholds, put_aux, put_before, put_bytes, put_length, put_type
from node.persist.rdb_streams import StreamNodes, put_node

__all__ = ["BY_SIZE", "UNPACKED", "RdbWriter", "Thresholds", "dump_payload"]

_NO_AUX: Final[list[tuple[bytes, bytes]]] = []
_PLAIN: Final = Thresholds()
BY_SIZE: Final[i64] = -1
UNPACKED: Final[i64] = -2


class RdbWriter:
    """Writes one RDB file: header, then for each database select and keys, then end.

    Each call gives the bytes to put next; all of them must be put, in order, since the checksum at
    the end is over them. RdbError: a value that the version cannot hold, or an empty collection.
    """

    def __init__(
        self, version: i64 = 11, thresholds: Thresholds | None = None, checksum: bool = True
    ) -> None:
        _check_version(version)
        self.version: i64 = version
        self._thresholds = thresholds if thresholds is not None else Thresholds()
        self._checksum = checksum
        self._crc: i64 = 0
        self._out = BytesWriter()

    def _take(self) -> bytes:
        """The bytes written since the last call, counted into the checksum."""
        out = self._out
        data = out.getvalue()
        out.truncate(0)
        if self._checksum:
            self._crc = codes.crc64_update(data, 0, len(data), self._crc)
        return data

    def header(self, aux: list[tuple[bytes, bytes]]) -> bytes:
        """The file's beginning, with fields about the file such as redis-ver or ctime."""
        self._out.write(b"REDIS%04d" % self.version)
        for name, value in aux:
            put_aux(self._out, name, value)
        return self._take()

    def aux(self, name: bytes, value: bytes) -> bytes:
        """A field that belongs to no key."""
        put_aux(self._out, name, value)
        return self._take()

    def function(self, code: bytes) -> bytes:
        """One function library, from its source; before version 10 there are none."""
        if self.version < codes.VERSION_LISTPACK:
            raise RdbError(f"RDB version {self.version} has no functions: leave them out")
        self._out.append(codes.OP_FUNCTION2)
        put_bytes(self._out, code)
        return self._take()

    def select(self, db: i64, keys: i64, expires: i64) -> bytes:
        """The keys that follow are in db: so many, of which `expires` with a deadline."""
        out = self._out
        out.append(codes.OP_SELECT)
        put_length(out, db)
        out.append(codes.OP_RESIZE)
        put_length(out, keys)
        put_length(out, expires)
        return self._take()

    def key(
        self,
        kind: bytes,
        key: bytes,
        value: object,
        deadline_ms: i64,
        aux: list[tuple[bytes, bytes]],
    ) -> bytes:
        """One key, whole. `value` as KeyRecord has it for `kind`; a string may also be an int.

        `aux` goes before the key, KeyDB's member TTLs after it. A hash with field TTLs is written
        below version 12 as a hash with KeyDB's member TTLs, which Redis skips. After a key with an
        mvcc-tstamp every later one needs its own: readers let it hold until the next.
        """
        out = self._out
        out.truncate(0)  # nothing of a refused key is written
        put_before(out, deadline_ms, aux)
        if not put_small(out, kind, key, value, self.version, self._thresholds):
            for _ in put_large(out, kind, key, value, self.version, self._thresholds):
                pass
        if has_after(kind, aux, self.version):
            for _ in put_after(out, kind, value, aux, self.version):
                pass
        return self._take()

    def pieces(
        self,
        kind: bytes,
        key: bytes,
        value: object,
        deadline_ms: i64,
        aux: list[tuple[bytes, bytes]],
    ) -> Iterator[bytes]:
        """The bytes of `key`, cut into pieces of about 64 kB, each made when it is asked for.

        `value` may be Slices of a collection (rdb_encode.py) or StreamNodes too, and must not
        change meanwhile. A piece may be empty: making it was work enough. Nothing else may be asked
        of the writer before the last piece.
        """
        out = self._out
        out.truncate(0)
        put_before(out, deadline_ms, [])
        for field in aux:
            put_before(out, 0, [field])
            if len(out) >= PIECE_BYTES:
                yield self._take()
        if isinstance(value, StreamNodes):
            put_type(out, value.type_number, key)
            put_length(out, len(value.nodes))
            for node in value.nodes:
                put_node(out, node)
                if len(out) >= PIECE_BYTES:
                    yield self._take()
            out.write(value.tail)
        elif not put_small(out, kind, key, value, self.version, self._thresholds):
            for _ in put_large(out, kind, key, value, self.version, self._thresholds):
                yield self._take()
        if has_after(kind, aux, self.version):
            for _ in put_after(out, kind, value, aux, self.version):
                yield self._take()
        yield self._take()

    def end(self) -> bytes:
        """The file's end with its checksum, 0 when that is switched off."""
        self._out.append(codes.OP_EOF)
        data = self._take()
        write_i64_le(self._out, self._crc if self._checksum else 0)
        data += self._out.getvalue()
        self._out.truncate(0)
        return data


def dump_payload(
    kind: bytes,
    value: object,
    version: i64 = 11,
    aux: list[tuple[bytes, bytes]] = _NO_AUX,  # never changed
    limits: Thresholds = _PLAIN,  # never changed
    type_number: i64 = BY_SIZE,
) -> bytes:
    """What DUMP answers for a value; aux goes behind it, as KeyDB puts its mvcc-tstamp.

    `type_number` says in which packed form, UNPACKED for none; without it the limits choose. Field
    TTLs follow as KeyDB's member TTLs below version 12, which Redis does not read. RdbError: a
    value that the version cannot hold.
    """
    _check_version(version)
    out = BytesWriter()
    if type_number >= 0:
        put_packed(out, type_number, None, value, limits.compress)
    elif type_number == UNPACKED or not put_small(out, kind, None, value, version, limits):
        for _ in put_large(out, kind, None, value, version, limits):
            pass
    for name, text in aux:
        if name != codes.AUX_MEMBER and name != codes.AUX_MEMBER_DEADLINE:
            put_aux(out, name, text)
    for _ in put_after(out, kind, value, aux, version):
        pass
    out.append(u8(version & 255))
    out.append(u8((version >> 8) & 255))
    body = out.getvalue()
    out.truncate(0)
    write_i64_le(out, codes.crc64_update(body, 0, len(body), 0))
    return body + out.getvalue()


def _check_version(version: i64) -> None:
    if version < codes.VERSION_KEYDB or version > codes.VERSION_MAX:
        raise RdbError(f"RDB version {version} is not written: choose one from 9 to 12")
