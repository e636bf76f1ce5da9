"""HyperLogLog as Redis keeps it in a string: header, sparse or dense registers, MurmurHash64A.
[compiled]

A sketch is plain bytes, equal to Redis's after the same commands: 4 bytes HYLL, the encoding,
3 unused bytes, the cached cardinality (64 bits little-endian; the highest bit says that it is out
of date), then 16384 registers. Dense: 6 bits each. Sparse: runs, in one or two bytes,

    00nnnnnn            n+1 registers are zero
    01nnnnnn nnnnnnnn   n+1 registers are zero
    1vvvvvnn            n+1 registers hold v+1

Functions that read runs answer None or -1 where these do not make sense (a client may write any
string). Sources: Heule et al., "HyperLogLog in Practice"; Ertl, arXiv:1702.01284; the layout is
that of Redis's hyperloglog.c.
"""

from __future__ import annotations

import math
from typing import Final

from librt.strings import BytesWriter
from mypy_extensions import i64, u8

REGISTERS: Final = 16384
HEADER: Final = 16
DENSE_SIZE: Final = HEADER + 12288
MAGIC: Final = b"HYLL"
DENSE: Final = 0
SPARSE: Final = 1
ENCODING_AT: Final = 4
CACHE_AT: Final = 8
STALE_AT: Final = 15
STALE: Final = 128
# The default of hll-sparse-max-bytes: a sparse sketch that would grow beyond it becomes dense.
SPARSE_MAX: Final = 3000
# No sparse sketch is larger: one run of each register.
SPARSE_LARGEST: Final = HEADER + REGISTERS
# The highest rank that a run can hold, and the highest there is: 50 bits behind the index, and one.
RUN_RANK_MAX: Final = 32
RANK_MAX: Final = 51
RUN_MAX: Final = 4
SHORT_ZEROS_MAX: Final = 64
FEW_BYTES: Final = 96
MERGE_STEPS: Final = 5  # runs looked at behind a change; Redis looks at no more
MERGE_WINDOW: Final = 12  # bytes that so many runs and the one behind can have

HASH_SEED: Final = 0xADC83B19
HASH_FACTOR: Final = 0xC6A4A7935BD1E995
HASH_SHIFT: Final = 47
U64: Final = 0xFFFFFFFFFFFFFFFF
ALPHA: Final = 0.721347520444481703680  # 0.5 / ln 2
BOUNDLESS: Final = 1 << 63  # what Redis makes of an infinite estimate


def murmur64(data: bytes) -> int:
    """MurmurHash64A with Redis's seed (Appleby, public domain)."""
    size = len(data)
    whole = size & ~7
    found = HASH_SEED ^ ((size * HASH_FACTOR) & U64)
    for at in range(0, whole, 8):
        word = (int.from_bytes(data[at : at + 8], "little") * HASH_FACTOR) & U64
        word = ((word ^ (word >> HASH_SHIFT)) * HASH_FACTOR) & U64
        found = ((found ^ word) * HASH_FACTOR) & U64
    if whole < size:
        found = ((found ^ int.from_bytes(data[whole:], "little")) * HASH_FACTOR) & U64
    found = ((found ^ (found >> HASH_SHIFT)) * HASH_FACTOR) & U64
    return found ^ (found >> HASH_SHIFT)


def place_of(element: bytes) -> tuple[i64, i64]:
    """Which register an element raises, and to what rank."""
    found = murmur64(element)
    behind = (found >> 14) | (1 << 50)
    return i64(found & (REGISTERS - 1)), i64((behind & -behind).bit_length())


def fresh() -> bytes:
    """An empty sketch; its cached cardinality, 0, holds."""
    return MAGIC + bytes((SPARSE, 0, 0, 0)) + bytes(8) + b"\x7f\xff"


def is_sketch(value: object) -> bool:
    """Does Redis take the string for a HyperLogLog? Sparse runs are not looked at."""
    if not isinstance(value, bytes) or len(value) < HEADER or value[:4] != MAGIC:
        return False
    if value[ENCODING_AT] == DENSE:
        return len(value) == DENSE_SIZE
    return value[ENCODING_AT] == SPARSE


def is_dense(text: bytes) -> bool:
    """Are the registers kept one by one?"""
    return text[ENCODING_AT] == DENSE


def with_stale_cache(text: bytes) -> bytes:
    """The sketch, saying that its cached cardinality is out of date."""
    if text[STALE_AT] & STALE:
        return text
    return text[:STALE_AT] + bytes((text[STALE_AT] | STALE,)) + text[STALE_AT + 1 :]


def cached(text: bytes) -> int:
    """The cached cardinality, -1 where it is out of date."""
    if text[STALE_AT] & STALE:
        return -1
    return int.from_bytes(text[CACHE_AT : STALE_AT + 1], "little")


def with_cache(text: bytes, cardinality: int) -> bytes:
    """The sketch with this cached cardinality."""
    return text[:CACHE_AT] + cardinality.to_bytes(8, "little") + text[STALE_AT + 1 :]


def run_at(text: bytes, at: i64) -> tuple[i64, i64, i64]:
    """The run that begins at this byte: its bytes, how many registers, their rank (0: zeros)."""
    code: i64 = i64(text[at])
    if code >= 128:
        return 1, (code & 3) + 1, ((code >> 2) & 31) + 1
    if code < 64:
        return 1, code + 1, 0
    low: i64 = i64(text[at + 1]) if at + 1 < len(text) else 0
    return 2, (((code & 63) << 8) | low) + 1, 0


def is_sound(text: bytes) -> bool:
    """Do the runs of a sparse sketch cover each register once?"""
    if is_dense(text):
        return True
    found: i64 = 0
    at: i64 = HEADER
    size: i64 = len(text)
    while at < size:
        step, count, _ = run_at(text, at)
        at += step
        found += count
    return found == REGISTERS


def ranks_of(text: bytes) -> bytes | None:
    """All registers, a byte each; None where the runs do not add up."""
    out = BytesWriter()
    at: i64 = HEADER
    size: i64 = len(text)
    if is_dense(text):
        while at < size:
            first: i64 = i64(text[at])
            second: i64 = i64(text[at + 1])
            third: i64 = i64(text[at + 2])
            out.append(u8(first & 63))
            out.append(u8((first >> 6) | ((second & 15) << 2)))
            out.append(u8((second >> 4) | ((third & 3) << 4)))
            out.append(u8(third >> 2))
            at += 3
        return out.getvalue()
    found: i64 = 0
    while at < size:
        step, count, rank = run_at(text, at)
        at += step
        found += count
        if found > REGISTERS:
            return None
        out.write(bytes((int(rank),)) * int(count))
    return out.getvalue() if found == REGISTERS else None


def dense_of(header: bytes, ranks: bytes) -> bytes:
    """A dense sketch of these registers; cache and unused bytes are the header's."""
    out = BytesWriter()
    out.write(header[:ENCODING_AT])
    out.append(DENSE)
    out.write(header[ENCODING_AT + 1 : HEADER])
    at: i64 = 0
    while at < REGISTERS:
        word: i64 = (
            i64(ranks[at]) | (i64(ranks[at + 1]) << 6) | (i64(ranks[at + 2]) << 12)
            | (i64(ranks[at + 3]) << 18)
        )  # fmt: skip
        out.append(u8(word & 255))
        out.append(u8((word >> 8) & 255))
        out.append(u8(word >> 16))
        at += 4
    return out.getvalue()


def as_dense(text: bytes) -> bytes | None:
    """The sketch in dense form; None where its runs do not add up."""
    if is_dense(text):
        return text
    ranks = ranks_of(text)
    return None if ranks is None else dense_of(text, ranks)


def rank_at(text: bytes, index: i64) -> i64:
    """One register; -1 where the runs end before it."""
    if is_dense(text):
        bit: i64 = index * 6
        byte: i64 = HEADER + (bit >> 3)
        word: i64 = i64(text[byte])
        if byte + 1 < DENSE_SIZE:
            word = word | (i64(text[byte + 1]) << 8)
        return (word >> (bit & 7)) & 63
    at: i64 = HEADER
    size: i64 = len(text)
    first: i64 = 0
    while at < size:
        step, count, rank = run_at(text, at)
        first += count
        if index < first:
            return rank
        at += step
    return -1


def raised(text: bytes, index: i64, rank: i64, sparse_max: i64) -> bytes | None:
    """The sketch with a register raised to `rank`; itself where that is not more.

    None where the runs end before the register. Becomes dense where a run cannot say the rank, or
    runs would take more than `sparse_max` bytes with the header. Marks a changed cache out of date
    only while sparse, as Redis does; a caller that changed anything marks it (`with_stale_cache`).
    """
    if is_dense(text):
        return raised_dense(text, index, rank)
    if rank > RUN_RANK_MAX:
        return promoted(text, index, rank)
    before: i64 = HEADER
    at: i64 = HEADER
    size: i64 = len(text)
    first: i64 = 0
    step: i64 = 0
    count: i64 = 0
    old: i64 = 0
    while at < size:
        step, count, old = run_at(text, at)
        if index < first + count:
            break
        before = at
        at += step
        first += count
    if at >= size:
        return None
    if old >= rank:
        return text
    runs = split_run(first, count, old, index, rank)
    grows: i64 = len(runs) - step
    if grows > 0 and size + grows > sparse_max:
        return promoted(text, index, rank)
    after = text[:at] + runs + text[at + step :]
    return with_stale_cache(merged(after, before))


def split_run(first: i64, count: i64, old: i64, index: i64, rank: i64) -> bytes:
    """What takes a run's place where one of its registers is raised."""
    out = BytesWriter()
    put_run(out, index - first, old)
    put_run(out, 1, rank)
    put_run(out, first + count - 1 - index, old)
    return out.getvalue()


def put_run(out: BytesWriter, count: i64, rank: i64) -> None:
    """One run; nothing where there is no register in it."""
    if count == 0:
        return
    if rank > 0:
        out.append(u8(128 | ((rank - 1) << 2) | (count - 1)))
    elif count <= SHORT_ZEROS_MAX:
        out.append(u8(count - 1))
    else:
        out.append(u8(64 | ((count - 1) >> 8)))
        out.append(u8((count - 1) & 255))


def merged(text: bytes, begin: i64) -> bytes:
    """Joins neighbouring runs of one rank, looking at five runs from `begin`, as Redis does."""
    window = text[begin : begin + MERGE_WINDOW]
    end: i64 = len(window)
    at: i64 = 0
    steps: i64 = MERGE_STEPS
    joined = False
    while at < end and steps > 0:
        steps -= 1
        code: i64 = i64(window[at])
        if code < 128:
            at += 1 if code < 64 else 2
            continue
        if at + 1 < end:
            follower: i64 = i64(window[at + 1])
            count: i64 = (code & 3) + (follower & 3) + 2
            if follower >= 128 and follower >> 2 == code >> 2 and count <= RUN_MAX:
                joint = bytes((int((code & 252) | (count - 1)),))
                window = window[:at] + joint + window[at + 2 :]
                end -= 1
                joined = True
                continue
        at += 1
    if not joined:
        return text
    return text[:begin] + window + text[begin + MERGE_WINDOW :]


def promoted(text: bytes, index: i64, rank: i64) -> bytes | None:
    """A sparse sketch as a dense one with this register raised; None for senseless runs."""
    dense = as_dense(text)
    return None if dense is None else raised_dense(dense, index, rank)


def raised_dense(text: bytes, index: i64, rank: i64) -> bytes:
    """A dense sketch with a register raised; itself where that is not more."""
    if rank_at(text, index) >= rank:
        return text
    bit: i64 = index * 6
    byte: i64 = HEADER + (bit >> 3)
    word: i64 = i64(text[byte])
    pair = byte + 1 < DENSE_SIZE
    if pair:
        word = word | (i64(text[byte + 1]) << 8)
    place: i64 = bit & 7
    word = word - (((word >> place) & 63) << place) + (rank << place)
    if not pair:
        return text[:byte] + bytes((int(word),))
    return text[:byte] + bytes((int(word & 255), int(word >> 8))) + text[byte + 2 :]


def with_elements(
    text: bytes, elements: list[bytes], begin: i64, sparse_max: i64
) -> tuple[bytes, i64]:
    """PFADD of `elements[begin:]`: the sketch after, and how many elements raised a register.

    Ends at the first element whose register the runs do not reach.
    """
    count: i64 = 0
    at: i64 = begin
    n: i64 = len(elements)
    while at < n:
        index, rank = place_of(elements[at])
        after = raised(text, index, rank, sparse_max)
        if after is None:
            break
        if after is not text:
            text = after
            count += 1
        at += 1
    return text, count


def pack(changes: list[tuple[int, int]]) -> bytes:
    """Registers and the ranks they were raised to, three bytes each: what a PFMERGE carries."""
    return b"".join([index.to_bytes(2, "big") + bytes((rank,)) for index, rank in changes])


def with_registers(text: bytes, packed: bytes, sparse_max: i64) -> bytes:
    """Raises the registers that `pack` wrote, in their order. Ends where runs make no sense.

    Registers and ranks that cannot be, of a peer's making, are passed over.
    """
    at: i64 = 0
    end: i64 = len(packed) - 2
    few = end < FEW_BYTES  # one by one is faster than all registers at once
    while at < end and (few or not is_dense(text)):
        index: i64 = (i64(packed[at]) << 8) | i64(packed[at + 1])
        rank: i64 = i64(packed[at + 2])
        at += 3
        if index < REGISTERS and 0 < rank <= RANK_MAX:
            after = raised(text, index, rank, sparse_max)
            if after is None:
                return text
            text = after
    if at >= end:
        return text
    ranks = ranks_of(text)
    assert ranks is not None  # a dense sketch has all its registers
    registers = bytearray(ranks)
    while at < end:
        place = int.from_bytes(packed[at : at + 2], "big")
        if place < REGISTERS and registers[place] < packed[at + 2] <= RANK_MAX:
            registers[place] = packed[at + 2]
        at += 3
    return dense_of(text, bytes(registers))


def highest(left: bytes, right: bytes) -> bytes:
    """Of two sketches' registers the higher ones: those of the union."""
    out = BytesWriter()
    at: i64 = 0
    while at < REGISTERS:
        one = left[at]
        other = right[at]
        out.append(u8(one if one > other else other))
        at += 1
    return out.getvalue()


def canonical(ranks: bytes) -> bytes:
    """The one sketch of these registers that does not depend on how they came about.

    Runs as long as they can be, from the left; dense where those would not fit the default of
    hll-sparse-max-bytes or cannot say a rank. The cache is out of date.
    """
    header = with_stale_cache(fresh())[:HEADER]
    out = BytesWriter()
    out.write(header)
    at: i64 = 0
    while at < REGISTERS:
        rank: i64 = i64(ranks[at])
        most: i64 = RUN_MAX if rank > 0 else REGISTERS
        end: i64 = at + 1
        while end < REGISTERS and end - at < most and i64(ranks[end]) == rank:
            end += 1
        if rank > RUN_RANK_MAX or len(out) > SPARSE_MAX:
            return dense_of(header, ranks)
        put_run(out, end - at, rank)
        at = end
    text = out.getvalue()
    return text if len(text) <= SPARSE_MAX else dense_of(header, ranks)


def cardinality(ranks: bytes) -> int:
    """The estimate for these registers (Ertl's improved raw estimator)."""
    counts = [ranks.count(bytes((rank,))) for rank in range(RANK_MAX + 1)]
    total = float(REGISTERS)
    z = total * tau((total - counts[RANK_MAX]) / total)
    for rank in range(RANK_MAX - 1, 0, -1):
        z = (z + counts[rank]) * 0.5
    z += total * sigma(counts[0] / total)
    if z == 0.0:
        return BOUNDLESS
    estimate = ALPHA * total * total / z
    whole = math.floor(estimate)
    return whole + 1 if estimate - whole >= 0.5 else whole


def sigma(x: float) -> float:
    """Ertl's sigma: corrects for registers that are zero."""
    if x == 1.0:
        return math.inf
    y = 1.0
    z = x
    while True:
        x *= x
        before = z
        z += x * y
        y += y
        if z == before:
            return z


def tau(x: float) -> float:
    """Ertl's tau: corrects for registers that are full."""
    if x == 0.0 or x == 1.0:
        return 0.0
    y = 1.0
    z = 1.0 - x
    while True:
        x = math.sqrt(x)
        before = z
        y *= 0.5
        z -= (1.0 - x) * (1.0 - x) * y
        if z == before:
            return z / 3.0
