"""LZF compression of a string, to the very bytes that Redis makes of it.  [compiled]

DUMP payloads are compared byte by byte, so the choices are Redis's: a table of 65,536 places of
three bytes each, the newest winning; the first match taken; after a match only its last two places
noted. `rdb_codes.lzf_decompress` is the way back.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter
from mypy_extensions import i64, u8

# A shorter string is never compressed, as in Redis.
BYTES_MIN: Final = 21
# A longer one is left plain: compressing it would hold up the other clients, and every server
# reads a plain string as well.
BYTES_MAX: Final = 1 << 20
OFFSET_MAX: Final = 8192
MATCH_MAX: Final = 264
RUN_MAX: Final = 32
PLACES_MASK: Final = 0xFFFF
# So many bytes of a match are compared without a look at the longest it may be.
UNCHECKED: Final = 18


def lzf_compress(data: bytes) -> bytes | None:
    """The compressed form, None where it would save less than four bytes."""
    size: i64 = len(data)
    if size < BYTES_MIN or size > BYTES_MAX:
        return None
    limit = size - 4
    out = BytesWriter()
    seen: dict[int, int] = {}
    last = size - 2  # where no three bytes begin any more
    at: i64 = 0
    run_from: i64 = 0
    while at < last:
        place = place_of(data, at)
        before: i64 = seen.get(int(place), -1)
        seen[int(place)] = int(at)
        if (
            before <= 0
            or at - before > OFFSET_MAX
            or data[before] != data[at]
            or data[before + 1] != data[at + 1]
            or data[before + 2] != data[at + 2]
        ):
            if i64(len(out)) + run_bytes(at - run_from) >= limit:
                return None
            at += 1
            continue
        # The reference, three bytes at most, and the byte that opens the next run.
        spare: i64 = 3 if (at - run_from) % RUN_MAX == 0 else 4
        if i64(len(out)) + run_bytes(at - run_from) + spare >= limit:
            return None
        put_run(out, data, run_from, at)
        length = match_bytes(data, before, at)
        put_reference(out, at - before - 1, length - 2)
        at += length
        run_from = at
        if at >= last:
            break
        seen[int(place_of(data, at - 2))] = int(at - 2)
        seen[int(place_of(data, at - 1))] = int(at - 1)
    if i64(len(out)) + run_bytes(at - run_from) + 3 > limit:
        return None
    put_run(out, data, run_from, size)
    return out.getvalue()


def place_of(data: bytes, at: i64) -> i64:
    """Where in the table three bytes belong."""
    three = (i64(data[at]) << 16) | (i64(data[at + 1]) << 8) | i64(data[at + 2])
    return ((three >> 8) - three * 5) & PLACES_MASK


def match_bytes(data: bytes, before: i64, at: i64) -> i64:
    """How many bytes from `at` on are those from `before` on; the first three are known to be."""
    room = i64(len(data)) - at - 2
    if room > MATCH_MAX:
        room = MATCH_MAX
    length: i64 = 3
    if room > 16:
        while length <= UNCHECKED:
            if data[before + length] != data[at + length]:
                return length
            length += 1
    while length < room and data[before + length] == data[at + length]:
        length += 1
    return length


def run_bytes(length: i64) -> i64:
    """What a run of plain bytes takes, with the byte that is kept for opening the next."""
    return length + length // RUN_MAX + 1


def put_run(out: BytesWriter, data: bytes, start: i64, stop: i64) -> None:
    """Plain bytes, 32 at a time."""
    while start < stop:
        end = start + RUN_MAX
        if end > stop:
            end = stop
        out.append(u8(end - start - 1))
        out.write(data[start:end])
        start = end


def put_reference(out: BytesWriter, offset: i64, length: i64) -> None:
    """Bytes that came before: how far back, less one, and how many, less two."""
    if length < 7:
        out.append(u8((offset >> 8) | (length << 5)))
    else:
        out.append(u8((offset >> 8) | 0xE0))
        out.append(u8(length - 7))
    out.append(u8(offset & 255))
