"""The numbers of the RDB format, its checksum and its string compression.

Holds no state and does no I/O. Opcodes and type numbers are those of Redis 8.2, KeyDB 6.3 (type
64) and Valkey 9 (version 80, type 22); they are frozen, since they stand in files.
"""

from typing import Final

from librt.strings import BytesWriter, read_i64_le
from mypy_extensions import i64, mypyc_attr

# Versions. Valkey left the numbering of Redis at 11 and came back with 80.
VERSION_MIN: Final = 1
VERSION_KEYDB: Final = 9
VERSION_LISTPACK: Final = 10  # listpacks take the place of ziplists (Redis 7.0)
VERSION_SET_LISTPACK: Final = 11  # small sets as listpacks, stream type 21 (Redis 7.2)
VERSION_FIELD_TTL: Final = 12  # hash fields with a TTL (Redis 7.4)
VERSION_MAX: Final = 12
VERSION_VALKEY: Final = 80
VERSION_CHECKSUM: Final = 5  # older files end at their EOF opcode

# Value types.
TYPE_STRING: Final = 0
TYPE_LIST: Final = 1
TYPE_SET: Final = 2
TYPE_ZSET: Final = 3  # scores as text
TYPE_HASH: Final = 4
TYPE_ZSET_2: Final = 5  # scores as 8-byte doubles
TYPE_MODULE_PRE_GA: Final = 6
TYPE_MODULE_2: Final = 7
TYPE_HASH_ZIPMAP: Final = 9
TYPE_LIST_ZIPLIST: Final = 10
TYPE_SET_INTSET: Final = 11
TYPE_ZSET_ZIPLIST: Final = 12
TYPE_HASH_ZIPLIST: Final = 13
TYPE_LIST_QUICKLIST: Final = 14
TYPE_STREAM: Final = 15
TYPE_HASH_LISTPACK: Final = 16
TYPE_ZSET_LISTPACK: Final = 17
TYPE_LIST_QUICKLIST_2: Final = 18
TYPE_STREAM_2: Final = 19
TYPE_SET_LISTPACK: Final = 20
TYPE_STREAM_3: Final = 21
TYPE_HASH_METADATA_PRE_GA: Final = 22  # in Redis 7.4 candidates
TYPE_VALKEY_HASH_2: Final = 22  # in version 80: hash with field TTLs
TYPE_HASH_LISTPACK_EX_PRE_GA: Final = 23
TYPE_HASH_METADATA: Final = 24
TYPE_HASH_LISTPACK_EX: Final = 25
TYPE_KEYDB_CRON: Final = 64
TYPE_LAST: Final = 127  # above it are opcodes

# Opcodes between values.
OP_SLOT_INFO: Final = 244
OP_FUNCTION2: Final = 245
OP_FUNCTION_PRE_GA: Final = 246
OP_MODULE_AUX: Final = 247
OP_IDLE: Final = 248
OP_FREQ: Final = 249
OP_AUX: Final = 250
OP_RESIZE: Final = 251
OP_EXPIRE_MS: Final = 252
OP_EXPIRE_S: Final = 253
OP_SELECT: Final = 254
OP_EOF: Final = 255

# Encodings of a string, in the low six bits of a first byte 11xxxxxx.
ENCODING_INT8: Final = 0
ENCODING_INT16: Final = 1
ENCODING_INT32: Final = 2
ENCODING_LZF: Final = 3

# Opcodes inside a module's value.
MODULE_EOF: Final = 0
MODULE_SINT: Final = 1
MODULE_UINT: Final = 2
MODULE_FLOAT: Final = 3
MODULE_DOUBLE: Final = 4
MODULE_STRING: Final = 5

# Containers of a quicklist node in type 18.
NODE_PLAIN: Final = 1
NODE_PACKED: Final = 2

# The kinds of value a reader reports and a writer takes.
KIND_STRING: Final = b"string"
KIND_LIST: Final = b"list"
KIND_SET: Final = b"set"
KIND_ZSET: Final = b"zset"
KIND_HASH: Final = b"hash"
KIND_HASH_TTL: Final = b"hash_ttl"
KIND_STREAM: Final = b"stream"
KIND_MODULE: Final = b"module"
KIND_CRON: Final = b"cron"

# AUX fields that belong to one key. KeyDB writes the first before the key (and lets it hold for
# all that follow), the pair after it, once for each member with a TTL.
AUX_STAMP: Final = b"mvcc-tstamp"
AUX_MEMBER: Final = b"keydb-subexpire-key"
AUX_MEMBER_DEADLINE: Final = b"keydb-subexpire-when"
AUX_OURS: Final = b"plexis-"
AUX_HIDDEN: Final = b"plexis-hidden"  # a key that shows nothing: stands alone
AUX_MESH: Final = b"plexis-mesh"
AUX_PARTIAL: Final = b"plexis-partial"  # only some keys are in it: so many were chosen
AUX_ABSENT: Final = b"plexis-absent"  # chosen keys that there are not
AUX_JOB: Final = b"plexis-cron"  # what KeyDB's value of a job lacks
# Fields of ours that belong to no key.
AUX_ALONE: Final = (AUX_HIDDEN, AUX_MESH, AUX_PARTIAL, AUX_ABSENT)

MASK_64: Final = 0xFFFF_FFFF_FFFF_FFFF
# Redis refuses strings above proto-max-bulk-len, 512 MB by default, and listpacks above 1 GB: a
# longer string is a damaged length, and waiting for it would fill memory with the rest of a file.
STRING_BYTES_MAX: Final = 1 << 30
# One back reference of LZF is three bytes for at most 264: more cannot come out.
LZF_RATIO_MAX: Final = 88
FIELD_DEADLINE_MAX_MS: Final = 0xFFFF_FFFF_FFFF  # Redis keeps deadlines of fields in 48 bits

_POLYNOMIAL: Final = 0x95AC_9329_AC4B_C9B5  # Jones, bit-reversed
_SHIFTED_8: Final = 0x00FF_FFFF_FFFF_FFFF


@mypyc_attr(native_class=False)
class RdbError(Exception):
    """Damaged or unknown RDB data, or a value that the asked version cannot hold."""


def _slicing_tables() -> list[bytes]:
    """Makes the eight tables of CRC64 by slicing (Kounavis and Berry 2005), 256 x 8 bytes each."""
    first: list[int] = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ _POLYNOMIAL if crc & 1 else crc >> 1
        first.append(crc)
    tables = [first]
    for _ in range(7):
        tables.append([first[crc & 255] ^ (crc >> 8) for crc in tables[-1]])
    return [b"".join([crc.to_bytes(8, "little") for crc in table]) for table in tables]


_TABLES = _slicing_tables()
_T0: Final = _TABLES[0]
_T1: Final = _TABLES[1]
_T2: Final = _TABLES[2]
_T3: Final = _TABLES[3]
_T4: Final = _TABLES[4]
_T5: Final = _TABLES[5]
_T6: Final = _TABLES[6]
_T7: Final = _TABLES[7]


def crc64_update(data: bytes, start: i64, end: i64, crc: i64) -> i64:
    """Continues a CRC64 (Jones, as Redis) over data[start:end], as a signed 64-bit number.

    Signed, because that is what a native 64-bit integer holds; `crc64` gives the unsigned form.
    """
    t0 = _T0
    t1 = _T1
    t2 = _T2
    t3 = _T3
    t4 = _T4
    t5 = _T5
    t6 = _T6
    t7 = _T7
    pos = start
    while pos + 8 <= end:
        crc ^= read_i64_le(data, pos)
        crc = (
            read_i64_le(t7, (crc & 255) << 3)
            ^ read_i64_le(t6, ((crc >> 8) & 255) << 3)
            ^ read_i64_le(t5, ((crc >> 16) & 255) << 3)
            ^ read_i64_le(t4, ((crc >> 24) & 255) << 3)
            ^ read_i64_le(t3, ((crc >> 32) & 255) << 3)
            ^ read_i64_le(t2, ((crc >> 40) & 255) << 3)
            ^ read_i64_le(t1, ((crc >> 48) & 255) << 3)
            ^ read_i64_le(t0, ((crc >> 56) & 255) << 3)
        )
        pos += 8
    while pos < end:
        byte: i64 = data[pos]
        crc = read_i64_le(t0, ((crc ^ byte) & 255) << 3) ^ ((crc >> 8) & _SHIFTED_8)
        pos += 1
    return crc


def crc64(data: bytes, crc: int = 0) -> int:
    """The CRC64 (Jones, as Redis) of data, continuing from crc: both unsigned, below 2**64."""
    crc &= MASK_64
    if crc >> 63:
        crc -= MASK_64 + 1
    signed: int = crc64_update(data, 0, len(data), crc)
    return signed & MASK_64


def lzf_decompress(data: bytes, start: i64, end: i64, size: i64) -> bytes:
    """Unpacks the LZF string data[start:end], which must give exactly size bytes.

    RdbError: a reference before the beginning, a run past the end, another size.
    """
    out = BytesWriter()
    pos = start
    made: i64 = 0
    while pos < end:
        control: i64 = data[pos]
        pos += 1
        if control < 32:  # a run of control + 1 plain bytes
            run = control + 1
            if pos + run > end or made + run > size:
                raise RdbError("an LZF run reaches past its end")
            out.write(data[pos : pos + run])
            pos += run
            made += run
            continue
        run = control >> 5
        if run == 7 and pos < end:
            run += i64(data[pos])
            pos += 1
        if pos >= end:
            raise RdbError("an LZF reference is cut short")
        source = made - ((control & 31) << 8) - i64(data[pos]) - 1
        pos += 1
        run += 2
        if source < 0 or made + run > size:
            raise RdbError("an LZF reference points outside its string")
        made += run
        while run > 0:  # byte by byte: a run may overlap what it makes
            out.append(out[source])
            source += 1
            run -= 1
    if made != size:
        raise RdbError("an LZF string does not give the length it announces")
    return out.getvalue()
