"""HyperLogLog: PFADD, PFCOUNT, PFMERGE and Redis's debugging commands.  [compiled]

The value is a string with Redis's own bytes (node/store/values/hyperloglog.py). A PFADD travels as
it was sent; where hll-sparse-max-bytes is not its default, as the registers that rose and the
limit, so that all nodes make equal bytes.
"""

from __future__ import annotations

from typing import Final, cast

from node.commands.args import echoed
from node.commands.command import ADMIN, DENYOOM, FAST, READONLY, WRITE, Command, at, span
from node.commands.context import WRONG_TYPE, Context
from node.resp.replies import OK, Failure, Simple
from node.store.effect import PFMERGE
from node.store.events import NO_EVENT
from node.store.mutate_strings import COUNTED, FORM_ONLY, TO_DENSE, merge_number
from node.store.values.hyperloglog import (
    HEADER,
    REGISTERS,
    SPARSE_MAX,
    as_dense,
    cached,
    cardinality,
    dense_of,
    fresh,
    highest,
    is_dense,
    is_sketch,
    is_sound,
    pack,
    place_of,
    raised,
    raised_dense,
    rank_at,
    ranks_of,
    run_at,
)  # fmt: skip

NOT_A_SKETCH: Final = b"WRONGTYPE Key is not a valid HyperLogLog string value."
CORRUPTED: Final = b"INVALIDOBJ Corrupted HLL object detected"
SIMD_ARGUMENT: Final = b"ERR Argument must be ON or OFF"
NO_RANKS: Final = bytes(REGISTERS)
# PFSELFTEST stops all clients of a node while it runs: it takes fewer steps than Redis's.
TEST_CYCLES: Final = 2
TEST_ELEMENTS: Final = 10_000


def sketch(ctx: Context, key: bytes) -> bytes | None:
    """The key's HyperLogLog, None where the key is absent; Failure where it holds another value."""
    value = ctx.find(key)
    if value is None:
        return None
    if is_sketch(value):
        return cast(bytes, value)
    raise Failure(NOT_A_SKETCH if isinstance(value, (bytes, int)) else WRONG_TYPE)


def read_sketch(ctx: Context, key: bytes) -> bytes | None:
    """As `sketch`, for a key that a writing command reads: event keymiss where it is absent."""
    text = sketch(ctx, key)
    if text is None and ctx.services.notify.writing:
        ctx.services.notify.read_missed(int(ctx.db.number), key)
    return text


def registers(text: bytes) -> bytes:
    """All registers, a byte each; Failure where the runs make no sense."""
    ranks = ranks_of(text)
    if ranks is None:
        raise Failure(CORRUPTED)
    return ranks


def pfadd(ctx: Context, args: list[bytes]) -> object:
    """PFADD: 1 where a register rose or the key was made. Where nothing rises: no effect."""
    key = args[1]
    text = sketch(ctx, key)
    limit = ctx.services.config.number("hll-sparse-max-bytes")
    if text is None:
        if limit == SPARSE_MAX:
            ctx.emit(PFMERGE, key, args, 2)
        else:
            emit_registers(ctx, key, rising(fresh(), args, limit), 0)
        return 1
    if limit != SPARSE_MAX or not is_sound(text):
        changes = rising(text, args, limit)
        if not changes:
            return 0
        if limit != SPARSE_MAX:
            emit_registers(ctx, key, changes, 0)
            return 1
    elif not any_rises(text, args):
        return 0
    ctx.emit(PFMERGE, key, args, 2)
    return 1


def any_rises(text: bytes, args: list[bytes]) -> bool:
    """Would an element raise a register?"""
    for i in range(2, len(args)):
        index, rank = place_of(args[i])
        if rank_at(text, index) < rank:
            return True
    return False


def rising(text: bytes, args: list[bytes], limit: int) -> list[tuple[int, int]]:
    """The registers that PFADD's elements raise, in order; Failure where runs make no sense."""
    changes: list[tuple[int, int]] = []
    for i in range(2, len(args)):
        index, rank = place_of(args[i])
        after = raised(text, index, rank, limit)
        if after is None:
            raise Failure(CORRUPTED)
        if after is not text:
            text = after
            changes.append((int(index), int(rank)))
    return changes


def emit_registers(ctx: Context, key: bytes, changes: list[tuple[int, int]], flags: int) -> None:
    """A PFMERGE of these registers, with the node's limit of a sparse sketch."""
    limit = ctx.services.config.number("hll-sparse-max-bytes")
    ctx.reworded()
    ctx.emit(PFMERGE, key, pack(changes), merge_number(flags, limit))


def pfcount(ctx: Context, args: list[bytes]) -> object:
    """PFCOUNT: of one key the cached cardinality, which is brought up to date as in Redis."""
    if len(args) > 2:
        union = NO_RANKS
        for i in range(1, len(args)):
            text = sketch(ctx, args[i])
            if text is not None:
                union = highest(union, registers(text))
        return signed(cardinality(union))
    text = sketch(ctx, args[1])
    if text is None:
        return 0
    known = cached(text)
    if known >= 0:
        return known
    found = cardinality(registers(text))
    ctx.reworded()
    ctx.emit(PFMERGE, args[1], b"", merge_number(COUNTED, 0), NO_EVENT)
    return signed(found)


def signed(number: int) -> int:
    """An unsigned 64-bit number as Redis replies it."""
    return number - (1 << 64) if number >> 63 else number


def pfmerge(ctx: Context, args: list[bytes]) -> object:
    """PFMERGE: the effect says which registers of the destination rise."""
    key = args[1]
    union = NO_RANKS
    dense = False
    for i in range(1, len(args)):
        text = read_sketch(ctx, args[i])
        if text is not None:
            dense = dense or is_dense(text)
            union = highest(union, registers(text))
    before = sketch(ctx, key)
    held = NO_RANKS if before is None else registers(before)
    changes: list[tuple[int, int]] = []
    if union != held:
        for index in range(REGISTERS):
            if union[index] > held[index]:
                changes.append((index, union[index]))
    emit_registers(ctx, key, changes, int(TO_DENSE) if dense else 0)
    return OK


def pfdebug(ctx: Context, args: list[bytes]) -> object:
    """PFDEBUG: GETREG, DECODE, ENCODING, TODENSE of a key; SIMD ON or OFF has no meaning here."""
    word = args[1].upper()
    if word == b"SIMD":
        switch = args[2].upper()
        if switch not in (b"ON", b"OFF"):
            raise Failure(SIMD_ARGUMENT)
        return Simple(b"enabled" if switch == b"ON" else b"disabled")
    key = args[2]
    text = sketch(ctx, key)
    if text is None:
        raise Failure(b"ERR The specified key does not exist")
    if word == b"GETREG":
        make_dense(ctx, key, text)
        return [*registers(text)]
    if word == b"DECODE":
        return decoded(text)
    if word == b"ENCODING":
        return Simple(b"dense" if is_dense(text) else b"sparse")
    if word == b"TODENSE":
        return 1 if make_dense(ctx, key, text) else 0
    raise Failure(b"ERR Unknown PFDEBUG subcommand '%b'" % echoed(args[1]))


def make_dense(ctx: Context, key: bytes, text: bytes) -> bool:
    """Makes a sparse sketch dense; was there anything to do? Failure for senseless runs."""
    if is_dense(text):
        return False
    if as_dense(text) is None:
        raise Failure(CORRUPTED)
    ctx.reworded()
    ctx.emit(PFMERGE, key, b"", merge_number(TO_DENSE | FORM_ONLY, 0), NO_EVENT)
    return True


def decoded(text: bytes) -> bytes:
    """The runs of a sparse sketch: `Z:16000 v:3,1 z:10`."""
    if is_dense(text):
        raise Failure(b"ERR HLL encoding is not sparse")
    words: list[bytes] = []
    place = HEADER
    while place < len(text):
        step, count, rank = run_at(text, place)
        if rank > 0:
            words.append(b"v:%d,%d" % (rank, count))
        else:
            words.append(b"%b:%d" % (b"z" if step == 1 else b"Z", count))
        place += int(step)
    return b" ".join(words)


def pfselftest(ctx: Context, args: list[bytes]) -> object:
    """PFSELFTEST: every register keeps what was put there; estimates are as good as promised."""
    source = ctx.services.random
    for _ in range(TEST_CYCLES):
        ranks = bytes([byte & 63 for byte in source.randbytes(REGISTERS)])
        kept = registers(dense_of(fresh()[:HEADER], ranks))
        for index in range(REGISTERS):
            if kept[index] != ranks[index]:
                raise Failure(
                    b"ERR TESTFAILED Register %d should be %d but is %d"
                    % (index, ranks[index], kept[index])
                )
    seed = source.getrandbits(64)
    sparse: bytes | None = fresh()
    dense = as_dense(fresh())
    assert dense is not None
    limit = ctx.services.config.number("hll-sparse-max-bytes")
    checkpoint = 1
    for number in range(1, TEST_ELEMENTS + 1):
        index, rank = place_of((number ^ seed).to_bytes(8, "little"))
        dense = raised_dense(dense, index, rank)
        assert sparse is not None  # it was made here, its runs add up
        sparse = raised(sparse, index, rank, limit)
        if number == checkpoint:
            assert sparse is not None
            check_estimates(number, dense, sparse, limit)
            checkpoint *= 10
    return OK


def check_estimates(count: int, dense: bytes, sparse: bytes, limit: int) -> None:
    """Are both forms of `count` different elements as they should be? Failure where not."""
    if count < limit // 2 and is_dense(sparse):
        raise Failure(b"ERR TESTFAILED sparse encoding not used")
    found = cardinality(registers(dense))
    if found != cardinality(registers(sparse)):
        raise Failure(b"ERR TESTFAILED dense/sparse disagree")
    # Six times the standard error of 1.04 / sqrt(registers); of few elements one may be off.
    allowed = 1 if count == 10 else int(1.04 / 128 * 6 * count) + 1
    if abs(count - found) > allowed:
        raise Failure(
            b"ERR TESTFAILED Too big error. card:%d abserr:%d" % (count, abs(count - found))
        )


COMMANDS: tuple[Command, ...] = (
    Command(
        "PFADD key [element [element ...]]", pfadd, WRITE | DENYOOM | FAST,
        keys=(at(1, "RW", "INSERT"),), group="hyperloglog", since="2.8.9",
        cost="O(1) for each element", about="Adds elements to a HyperLogLog.",
    ),
    Command(
        "PFCOUNT key [key ...]", pfcount, READONLY, keys=(span(1, -1, 1, "RW", "ACCESS"),),
        group="hyperloglog", since="2.8.9", cost="O(1) for one key, O(N) for N keys",
        about="Estimates how many different elements were added to one or several HyperLogLogs.",
    ),
    Command(
        "PFMERGE destkey [sourcekey [sourcekey ...]]", pfmerge, WRITE | DENYOOM,
        keys=(at(1, "RW", "ACCESS", "INSERT"), span(2, -1, 1, "RO", "ACCESS")),
        group="hyperloglog", since="2.8.9", cost="O(N) for N keys",
        about="Adds what was added to several HyperLogLogs to one of them.",
    ),
    Command(
        "PFDEBUG subcommand key", pfdebug, WRITE | DENYOOM | ADMIN, keys=(at(2, "RW", "ACCESS"),),
        group="hyperloglog", since="2.8.9", cost="N/A",
        about="Shows how a HyperLogLog is kept.",
    ),
    Command(
        "PFSELFTEST", pfselftest, ADMIN, group="hyperloglog", since="2.8.9", cost="N/A",
        about="Tests the node's HyperLogLog, with fewer elements than Redis.",
    ),
)  # fmt: skip
