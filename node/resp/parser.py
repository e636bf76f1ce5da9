"""Bytes to commands: multibulk and inline requests, with Redis's limits and errors. Compiled.

Promises: the commands and errors do not depend on how the bytes were cut into pieces; the work is
linear in the bytes received; a parser that met a protocol error stays failed. It knows no command:
`code` is a name of up to eight bytes as an integer, for the command table to look up.

Two paths. The fast one reads a whole command of up to nine arguments that lies in the buffer,
eight bytes at a time. Whatever it does not recognise, or what is not all there, goes to the slow
one, which keeps its place between reads.
"""

from __future__ import annotations

from typing import Final, NoReturn

from librt.strings import read_i32_le, read_i64_le
from mypy_extensions import i64, mypyc_attr

from node.resp.inline import split_line
from node.resp.numbers import string_to_i64
from node.resp.replies import Failure

# "*N\r\n$M\r\n" in eight little-endian bytes. The mask leaves out the two digits' low halves, and
# the top bits of the second LF so that it stays a short integer (Redis does not look at it either).
HEAD_MASK: Final[i64] = 0x3FFFF0FF_FFFFF0FF
HEAD: Final[i64] = 0x0A0D3024_0A0D302A
# "$M\r\n" and "$MM\r": the headers of arguments shorter than ten and than a hundred bytes.
SIZE1_MASK: Final[i64] = 0x7FFFF0FF
SIZE1: Final[i64] = 0x0A0D3024
SIZE2_MASK: Final[i64] = 0x7FF0F0FF
SIZE2: Final[i64] = 0x0D303024

# "*1\r\n$4\r\nPING\r\n": the shortest command worth the fast path.
SHORTEST: Final[i64] = 14

# Setting this bit in eight bytes at once makes ASCII letters lower case, and damages others.
LOWER: Final[i64] = 0x20202020_20202020
LOW5: Final[i64] = 0x1F1F1F1F_1F1F1F1F
PAST_Z: Final[i64] = 0x05050505_05050505
# MASKS[8 * n] keeps the first n of eight bytes.
MASKS: Final = b"".join([((1 << (8 * n)) - 1).to_bytes(8, "little") for n in range(9)])

# Redis's PROTO_INLINE_MAX_SIZE, for lines without an end. Also the largest incomplete command that
# is copied in front of the next read; a longer one is given up as one piece (`exact` is False).
LINE_MAX: Final[i64] = 65536
# What a client that has not authenticated may make us hold, as in Redis.
GUEST_ARGS_MAX: Final[i64] = 10
GUEST_BULK_MAX: Final[i64] = 16384
# Arguments up to this length take the fast path; it is no more than any limit on lengths.
FAST_BULK_MAX: Final[i64] = 16384
ARGS_MAX: Final[i64] = 2147483647
# Whatever proto-max-bulk-len says: 1 TiB, so that positions cannot overflow.
BULK_BOUND: Final[i64] = 0x100_0000_0000
# Redis's default of proto-max-bulk-len, 512 MB.
BULK_MAX: Final[i64] = 536870912
# Reads that wait unparsed are joined up to this size, so that tiny ones cost no object each.
BLOCK: Final = 4096

IDLE: Final[i64] = 0
FAILED: Final[i64] = -1
UNKNOWN: Final[i64] = -1


@mypyc_attr(native_class=False)  # as Failure is
class ProtocolError(Failure):
    """The peer does not speak the protocol. `text` is the reply before the connection closes."""


def name_code(name: bytes) -> i64:
    """`name` in lower case as eight little-endian bytes; 0 when it is longer, empty, or holds a
    byte that is not printable ASCII.
    """
    size: i64 = len(name)
    if size == 0 or size > 8:
        return 0
    code: i64 = 0
    at = size - 1
    while at >= 0:
        byte: i64 = name[at]
        if byte <= 32 or byte >= 127:
            return 0
        if 65 <= byte <= 90:
            byte = byte + 32
        code = code * 256 + byte
        at -= 1
    return code


class Parser:
    """Commands out of one client's bytes: `feed` what was read, then `next` until None.

    After a command: `code` as of name_code; `data[start:pos]` its own bytes if `exact`, which is
    False for an inline command and for a long one that came in pieces. They hold until the next
    call of `next`.

    `authenticated` and `max_bulk` (bytes, at least 1 MB as in Redis) may be set at any time.
    `work` counts what the slow path did (bytes copied to join reads, headers read): it stays in
    proportion to the bytes fed, plus LINE_MAX for each feed.
    """

    def __init__(self) -> None:
        self.data: bytes = b""
        self.size: i64 = 0  # len(data)
        self.pos: i64 = 0  # everything before it has been read
        self.start: i64 = 0  # where the current or last command begins
        self.code: i64 = 0
        self.exact: bool = True
        self.authenticated: bool = True
        self.max_bulk: i64 = BULK_MAX
        self.work: i64 = 0
        self.name_size: i64 = 0  # of a name left in `data`; 0: it is in `word`
        self.word: bytes = b""
        self.left: i64 = IDLE  # arguments still missing of the current command
        self.args: list[bytes] = []
        self.bulk_size: i64 = UNKNOWN  # of the argument being read
        self.bulk: bytearray | None = None  # what came of it, when it is long
        self.dropped: i64 = 0  # bytes of the current command no longer in `data`
        self.later: list[bytes] = []  # reads after `data`
        self.later_size: i64 = 0
        self.failure: bytes = b""

    def feed(self, data: bytes) -> None:
        """Take bytes just read. After a protocol error they are thrown away."""
        if self.pos == self.size and self.left == IDLE and self.later_size == 0:
            self.data = data
            self.size = len(data)
            self.pos = 0
            self.start = 0
        elif self.left != FAILED:
            self.later_size += len(data)
            later = self.later
            if later and len(later[-1]) + len(data) <= BLOCK:
                later[-1] += data
            else:
                later.append(data)

    def within(self, data: bytes, start: i64, end: i64) -> list[bytes] | None:
        """The command that begins at data[start], by the fast path alone; None where it takes more.

        `pos` is behind it then. What was fed before is forgotten, and nothing is left to be read.
        """
        self.data = data
        self.size = end
        self.pos = start
        self.left = IDLE
        args = self.fast()
        if args is None:
            self.data = b""
            self.pos = 0
        self.size = self.pos
        return args

    def pending(self) -> i64:
        """Bytes held that no finished command has used up, for client-query-buffer-limit."""
        held = self.size - self.pos + self.later_size
        if self.left > 0:
            held += self.pos - self.start + self.dropped
        return held

    def name(self) -> bytes:
        """The last command's name as it was sent."""
        if self.name_size == 0:
            return self.word
        begin = self.start + 8
        return self.data[begin : begin + self.name_size]

    def next(self) -> list[bytes] | None:
        """The next command's arguments, None when more bytes are needed.

        The first may be b"" when `code` is not 0: `name()` has it. ProtocolError, now and ever
        after, when the bytes are no request; its text is Redis's.
        """
        if self.left == IDLE:
            args = self.fast()
            if args is not None:
                return args
        return self.read_slow()

    def fast(self) -> list[bytes] | None:
        """The command at `pos`, if it is plain and all here; else None, and nothing has changed."""
        data = self.data
        start = self.pos
        if self.size - start >= SHORTEST:
            head = read_i64_le(data, start)
            if (head & HEAD_MASK) == HEAD:
                count = (head >> 8) & 15
                size = (head >> 40) & 15
                pos = start + 10 + size
                if 0 < size <= 8 and 0 < count <= 9 and pos <= self.size:
                    # A lone command such as PING ends before eight bytes of its name's place.
                    if start + 16 <= self.size:
                        code = read_i64_le(data, start + 8) | LOWER
                    else:
                        code = (read_i64_le(data, start + 6) >> 16) | LOWER
                    mask = read_i64_le(MASKS, size << 3)
                    code &= mask
                    # Bit 5 of each byte: set if it is a letter (0x60 + 1 to 26), clear if not.
                    low = code & LOW5
                    letters = (code >> 1) & ~(code >> 2) & (low + LOW5) & ~(low + PAST_Z)
                    if letters & LOWER == mask & LOWER:
                        self.start = start
                        self.pos = pos
                        args = self.read_fast(data, count)
                        if args is not None:
                            self.code = code
                            self.name_size = size
                            self.exact = True
                            return args
                        self.pos = start
        return None

    def read_fast(self, data: bytes, count: i64) -> list[bytes] | None:
        """The arguments behind the name, all `count` with it; None leaves it to the slow path."""
        # Literals for the common counts: a list grown by appends costs a third more.
        if count == 3:
            first = self.read_bulk(data)
            if first is None:
                return None
            second = self.read_bulk(data)
            if second is None:
                return None
            return [b"", first, second]
        if count == 2:
            first = self.read_bulk(data)
            if first is None:
                return None
            return [b"", first]
        if count == 4:
            first = self.read_bulk(data)
            if first is None:
                return None
            second = self.read_bulk(data)
            if second is None:
                return None
            third = self.read_bulk(data)
            if third is None:
                return None
            return [b"", first, second, third]
        args = [b""]
        while count > 1:
            item = self.read_bulk(data)
            if item is None:
                return None
            args.append(item)
            count -= 1
        return args

    def read_bulk(self, data: bytes) -> bytes | None:
        """The argument at `pos`; None, with `pos` as it was, if it is anything but plain."""
        size = self.size
        pos = self.pos
        if pos + 4 > size:
            return None
        head = i64(read_i32_le(data, pos))
        length: i64
        if (head & SIZE1_MASK) == SIZE1:
            length = (head >> 8) & 15
            if length > 9:
                return None
            pos += 4
        elif (head & SIZE2_MASK) == SIZE2:
            tens = (head >> 8) & 15
            ones = (head >> 16) & 15
            if tens > 9 or tens == 0 or ones > 9:
                return None
            length = tens * 10 + ones
            pos += 5
        else:
            length = (head >> 8) & 255
            if head & 255 != 36 or length < 49 or length > 57:
                return None
            length -= 48
            pos += 2
            while pos < size:
                digit: i64 = data[pos]
                if digit < 48 or digit > 57:
                    break
                length = length * 10 + (digit - 48)
                if length > FAST_BULK_MAX:
                    return None
                pos += 1
            if pos >= size or data[pos] != 13:
                return None
            pos += 2
        end = pos + length
        if end + 2 > size:
            return None
        self.pos = end + 2
        return data[pos:end]

    def read_slow(self) -> list[bytes] | None:
        """As `next`, for every kind of request, keeping its place when bytes are missing."""
        while self.left <= 0:
            if self.left == FAILED:
                raise ProtocolError(self.failure)
            self.start = self.pos
            self.exact = True
            if self.pos >= self.size:
                if self.more():
                    continue
                self.data = b""
                self.size = 0
                self.pos = 0
                self.start = 0
                return None
            if self.data[self.pos] != 42:
                line = self.read_inline()
                if line is None:
                    return None
                words = split_line(line)
                if words is None:
                    self.fail(b"unbalanced quotes in request")
                if words:
                    return self.finish(words, False)
            elif not self.read_count():
                return None
        if not self.read_args():
            return None
        args = self.args
        self.args = []
        self.left = IDLE
        self.dropped = 0
        return self.finish(args, self.exact)

    def finish(self, args: list[bytes], exact: bool) -> list[bytes]:
        """Set what is told of a command the slow path has read."""
        self.word = args[0]
        self.name_size = 0
        self.code = name_code(args[0])
        self.exact = exact
        return args

    def read_header(self, too_big: bytes) -> bytes | None:
        """The line at `pos` up to its CR; None when it is not all here with one byte behind it,
        whichever that is.
        """
        while True:
            self.work += 1
            end: i64 = self.data.find(b"\r", self.pos)
            if end > self.pos + LINE_MAX or (end < 0 and self.size - self.pos > LINE_MAX):
                self.fail(too_big)
            if end >= 0 and end + 2 <= self.size:
                line = self.data[self.pos : end]
                self.pos = end + 2
                return line
            if not self.more():
                return None

    def read_inline(self) -> bytes | None:
        """The line at `pos` without its LF or CR LF; None when it is not all here."""
        while True:
            self.work += 1
            end: i64 = self.data.find(b"\n", self.pos)
            # Redis looks for the LF in a C string: a line with a NUL never ends.
            if end >= 0 and self.data.find(b"\0", self.pos, end) >= 0:
                end = -1
            if end > self.pos + LINE_MAX or (end < 0 and self.size - self.pos > LINE_MAX):
                self.fail(b"too big inline request")
            if end >= 0:
                line = self.data[self.pos : end]
                self.pos = end + 1
                return line[:-1] if line.endswith(b"\r") else line
            if not self.more():
                return None

    def read_count(self) -> bool:
        """Read the header "*N"; False when it is not all here. None or fewer are skipped."""
        line = self.read_header(b"too big mbulk count string")
        if line is None:
            return False
        count = string_to_i64(line[1:])
        if count is None or count > ARGS_MAX:
            self.fail(b"invalid multibulk length")
        elif count > GUEST_ARGS_MAX and not self.authenticated:
            self.fail(b"unauthenticated multibulk length")
        elif count > 0:
            self.left = i64(count)
            self.bulk_size = UNKNOWN
        return True

    def read_size(self) -> bool:
        """Read the header "$N" of an argument; False when it is not all here."""
        line = self.read_header(b"too big bulk count string")
        if line is None:
            return False
        if not line.startswith(b"$"):
            self.fail(b"expected '$', got '" + (line[:1] or b"\r") + b"'")
        size = string_to_i64(line[1:])
        if size is None or size < 0 or size > self.max_bulk or size > BULK_BOUND:
            self.fail(b"invalid bulk length")
        elif size > GUEST_BULK_MAX and not self.authenticated:
            self.fail(b"unauthenticated bulk length")
        else:
            self.bulk_size = i64(size)
        return True

    def read_args(self) -> bool:
        """Read the arguments still missing; False when they are not all here."""
        while self.left > 0:
            self.work += 1
            if self.bulk_size == UNKNOWN:
                item = self.read_bulk(self.data)
                if item is not None:
                    self.args.append(item)
                    self.left -= 1
                    continue
                if not self.read_size():
                    return False
            end = self.pos + self.bulk_size + 2
            if self.bulk is None and end <= self.size:
                self.args.append(self.data[self.pos : end - 2])
                self.pos = end
            elif self.bulk is None and end - self.start <= LINE_MAX:
                if not self.more():
                    return False
                continue
            elif not self.collect():
                return False
            self.left -= 1
            self.bulk_size = UNKNOWN
        return True

    def collect(self) -> bool:
        """Gather an argument that is longer than what is here; False while some is missing."""
        bulk = self.bulk
        if bulk is None:
            bulk = bytearray()
            self.bulk = bulk
            self.exact = False
        while True:
            missing: i64 = self.bulk_size + 2 - len(bulk)
            taken = self.size - self.pos
            if taken > missing:
                taken = missing
            bulk += self.data[self.pos : self.pos + taken]
            self.pos += taken
            self.work += taken
            if taken == missing:
                break
            if not self.more():
                return False
        del bulk[-2:]
        self.work += self.bulk_size
        self.args.append(bytes(bulk))
        self.bulk = None
        return True

    def more(self) -> bool:
        """Join the reads that wait to what is left of `data`; False when none wait."""
        if self.later_size == 0:
            return False
        keep = self.start
        if not self.exact or self.size - keep > LINE_MAX:
            self.exact = False
            keep = self.pos
        self.dropped += keep - self.start
        if keep < self.size or len(self.later) > 1:
            rest = self.data[keep:]
            self.later.insert(0, rest)
            self.data = b"".join(self.later)
            self.work += len(self.data)
        else:
            self.data = self.later[0]
        self.later = []
        self.later_size = 0
        self.size = len(self.data)
        self.pos -= keep
        self.start = 0
        return True

    def fail(self, what: bytes) -> NoReturn:
        """Raise ProtocolError, at every further `next` too, and let go of all that is held."""
        self.failure = b"ERR Protocol error: " + what
        self.left = FAILED
        self.data = b""
        self.size = 0
        self.pos = 0
        self.start = 0
        self.args = []
        self.bulk = None
        self.later = []
        self.later_size = 0
        raise ProtocolError(self.failure)
