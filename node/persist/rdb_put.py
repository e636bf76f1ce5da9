"""What RDB values are made of, appended to a BytesWriter; and the limits that choose their form.
[compiled]
"""

from __future__ import annotations

from librt.strings import BytesWriter, write_i64_le
from mypy_extensions import i64, u8

from node.persist import rdb_codes as codes
from node.persist import rdb_packed as packed
from node.persist.rdb_lzf import lzf_compress


class Thresholds:
    """Up to which size a collection is packed; the defaults are those of Redis 8.2.

    `list_fill` is list-max-listpack-size: entries in a node where positive, else a size class.
    `compress`: strings and blobs by LZF where that saves something, as DUMP does; files stay plain.
    """

    def __init__(
        self,
        set_intset_entries: i64 = 512,
        set_listpack_entries: i64 = 128,
        set_listpack_value: i64 = 64,
        hash_listpack_entries: i64 = 512,
        hash_listpack_value: i64 = 64,
        zset_listpack_entries: i64 = 128,
        zset_listpack_value: i64 = 64,
        list_fill: i64 = -2,
        compress: bool = False,
    ) -> None:
        self.set_intset_entries: i64 = set_intset_entries
        self.set_listpack_entries: i64 = set_listpack_entries
        self.set_listpack_value: i64 = set_listpack_value
        self.hash_listpack_entries: i64 = hash_listpack_entries
        self.hash_listpack_value: i64 = hash_listpack_value
        self.zset_listpack_entries: i64 = zset_listpack_entries
        self.zset_listpack_value: i64 = zset_listpack_value
        self.list_fill: i64 = list_fill
        self.compress = compress


def put_length(out: BytesWriter, number: i64) -> None:
    """A length, or any unsigned number."""
    if 0 <= number < 64:
        out.append(u8(number))
        return
    if 0 <= number < 16384:
        out.append(u8(64 | (number >> 8)))
        out.append(u8(number & 255))
        return
    size: i64 = 4 if 0 <= number < 0x1_0000_0000 else 8
    out.append(0x80 if size == 4 else 0x81)
    while size > 0:
        size -= 1
        out.append(u8((number >> (size << 3)) & 255))


def put_bytes(out: BytesWriter, text: bytes) -> None:
    """A string as it stands."""
    put_length(out, len(text))
    out.write(text)


def put_string(out: BytesWriter, text: bytes) -> None:
    """A string, as a number where Redis does: decimal, and within 32 bits."""
    if 0 < len(text) <= 11 and packed.is_integer(text):
        number = packed.to_integer(text)
        if -0x8000_0000 <= number < 0x8000_0000:
            size: i64 = 4
            encoding: i64 = codes.ENCODING_INT32
            if -128 <= number < 128:
                size = 1
                encoding = codes.ENCODING_INT8
            elif -0x8000 <= number < 0x8000:
                size = 2
                encoding = codes.ENCODING_INT16
            out.append(u8(0xC0 | encoding))
            while size > 0:
                out.append(u8(number & 255))
                number >>= 8
                size -= 1
            return
    put_bytes(out, text)


def put_text(out: BytesWriter, text: bytes, compress: bool) -> None:
    """A string in the form Redis gives it: number, compressed if so asked, or plain."""
    if compress:
        short = lzf_compress(text)
        if short is not None:
            out.append(0xC0 | codes.ENCODING_LZF)
            put_length(out, len(short))
            put_length(out, len(text))
            out.write(short)
            return
    put_string(out, text)


def put_aux(out: BytesWriter, name: bytes, value: bytes) -> None:
    """A field with its opcode."""
    out.append(codes.OP_AUX)
    put_bytes(out, name)
    put_string(out, value)


def put_before(out: BytesWriter, deadline_ms: i64, aux: list[tuple[bytes, bytes]]) -> None:
    """What stands before a key: its deadline, and its fields but KeyDB's of members."""
    if deadline_ms != 0:
        out.append(codes.OP_EXPIRE_MS)
        write_i64_le(out, deadline_ms)
    for name, value in aux:
        if name != codes.AUX_MEMBER and name != codes.AUX_MEMBER_DEADLINE:
            put_aux(out, name, value)


def put_type(out: BytesWriter, type_number: i64, key: bytes | None) -> None:
    """The type and the key; a DUMP payload has no key."""
    out.append(u8(type_number))
    if key is not None:
        put_string(out, key)
