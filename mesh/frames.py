"""Frames of the usual form, which nearly all have, read by words.  [compiled]

mesh/rreplay.py reads every form and says what is wrong with one; here a frame is understood at a
glance or left alone. One effect in a database of one digit, of 10 to 999 bytes, without marks, with
one flag at most: everything behind the command lies at fixed places, and of the numbers only the
low digits of the stamp are new.
"""

from __future__ import annotations

from typing import Final

from librt.strings import read_i16_le, read_i32_le, read_i64_le
from mypy_extensions import i64

FRAME_HEAD: Final = b"*9\r\n$7\r\nRREPLAY\r\n$36\r\n"
HEAD_BYTES: Final[i64] = 22
# A number up to this may have one more digit and still fit 63 bits.
TENTH_MAX: Final[i64] = 922337203685477579
CRLF: Final = 0x0A0D

# What a frame of the usual form has between its parts, as little-endian words.
HEAD_A: Final[i64] = 0x0A0D3724_0A0D392A  # "*9\r\n$7\r\n"
HEAD_B: Final[i64] = 0x0D59414C_50455252  # "RREPLAY\r"
HEAD_C: Final[i64] = 0x0A0D3633_240A0D59  # "Y\r\n$36\r\n"
SIZE_MASK: Final[i64] = 0x00F0F0FF  # "$dd", a size of two digits at least
SIZE: Final[i64] = 0x00303024
DB_WORD: Final[i64] = 0x31240A0D  # "\r\n$1": a database of one digit
STAMP_WORD: Final[i64] = 0x000A0D39_31240A0D  # "\r\n$19\r\n"
VERSION_WORD: Final[i64] = 0x31760A0D_32240A0D  # "\r\n$2\r\nv1"
PREVIOUS_WORD: Final[i64] = 0x0A0D3931_240A0D31  # "1\r\n$19\r\n"
NO_MARKS: Final[i64] = 0x0A0D0A0D_30240A0D  # "\r\n$0\r\n\r\n"
NO_FLAGS: Final[i64] = 0x0A0D3024  # "$0\r\n"
ONE_FLAG: Final[i64] = 0x0A0D3124  # "$1\r\n"
# From the inner command's end to the frame's, without flags.
TAIL_BYTES: Final[i64] = 81
LOW_DIGITS: Final[i64] = 0x0F0F0F0F_0F0F0F0F
HIGH_DIGITS: Final[i64] = 0x03030303_03030303
PAST_NINE: Final[i64] = 0x06060606_06060606
CARRIES: Final[i64] = 0x10101010_10101010
PAIRS: Final[i64] = 0x00FF00FF_00FF00FF
FOURS: Final[i64] = 0x0000FFFF_0000FFFF
EIGHT: Final[i64] = 0x00000000_FFFFFFFF
UNIT: Final[i64] = 100_000_000
# Stamps above leave it to `next` to see whether they fit 63 bits.
QUICK_MAX: Final[i64] = 4_611_686_018_400_000_000


class Frame:
    """One frame where it lies: data[start:end]; inner[...] is the command or MULTI block."""

    def __init__(self) -> None:
        self.uuid_text = b""
        self.inner_start: i64 = 0
        self.inner_end: i64 = 0
        self.db: i64 = 0
        self.stamp: i64 = 0
        self.previous: i64 = 0
        self.marks = b""
        self.flags = b""
        self.start: i64 = 0
        self.end: i64 = 0


class UsualFrames:
    """Reads frames of the usual form and remembers the digits of the last one's stamp."""

    def __init__(self) -> None:
        self.known = b""  # the uuid that most frames have: theirs is this very object
        self._known_a: i64 = 0
        self._known_b: i64 = 0
        self._known_c: i64 = 0
        self._known_d: i64 = 0
        self._known_e: i64 = 0
        self._stamp: i64 = -1  # of the last frame, -1 before there is one
        self._upper: i64 = 0  # the same without its low digits
        self._digits_a: i64 = 0  # its 19 digits, as three words that overlap
        self._digits_b: i64 = 0
        self._digits_c: i64 = 0

    def expect(self, text: bytes) -> None:
        """Frames with this uuid, 36 characters, get this object as `uuid_text`."""
        self.known = text
        self._known_a = read_i64_le(text, 0)
        self._known_b = read_i64_le(text, 8)
        self._known_c = read_i64_le(text, 16)
        self._known_d = read_i64_le(text, 24)
        self._known_e = read_i64_le(text, 28)

    def uuid(self, data: bytes, at: i64) -> bytes:
        """The uuid text at this place."""
        if (
            read_i64_le(data, at + 28) == self._known_e
            and read_i64_le(data, at + 24) == self._known_d
            and read_i64_le(data, at + 16) == self._known_c
            and read_i64_le(data, at + 8) == self._known_b
            and read_i64_le(data, at) == self._known_a
        ):
            return self.known
        return data[at : at + 36]

    def read(self, data: bytes, start: i64, frame: Frame) -> i64:
        """Fills `frame` and returns where it ends; -1, and nothing is changed, for another form."""
        n: i64 = len(data)
        at = start + HEAD_BYTES
        if (
            at + 50 > n
            or read_i64_le(data, start) != HEAD_A
            or read_i64_le(data, start + 8) != HEAD_B
            or read_i64_le(data, start + 14) != HEAD_C
            or read_i16_le(data, at + 36) != CRLF
        ):
            return -1
        head = i64(read_i32_le(data, at + 38))
        tens = (head >> 8) & 15
        ones = (head >> 16) & 15
        if (head & SIZE_MASK) != SIZE or tens > 9 or ones > 9:
            return -1
        size = tens * 10 + ones
        inner = at + 43
        last = head >> 24
        if last != 13:
            if last < 48 or last > 57:
                return -1
            size = size * 10 + last - 48
            inner += 1
        end = inner + size
        if end + TAIL_BYTES > n or read_i16_le(data, inner - 2) != CRLF:
            return -1
        behind = flags_end(data, end, n)
        if behind < 0 or not self._numbers(data, end, frame):
            return -1
        frame.uuid_text = self.uuid(data, at)
        frame.inner_start = inner
        frame.inner_end = end
        frame.marks = b""
        frame.flags = data[end + 79 : end + 80] if behind > end + TAIL_BYTES else b""
        frame.start = start
        frame.end = behind
        return behind

    def _numbers(self, data: bytes, end: i64, frame: Frame) -> bool:
        """Reads database, stamp and previous stamp behind the command; False: of another form."""
        database = read_i64_le(data, end + 6)
        number = (database & 255) - 48
        digits_a = read_i64_le(data, end + 14)
        digits_b = read_i64_le(data, end + 17)
        digits_c = read_i64_le(data, end + 25)
        low = digits_c & LOW_DIGITS
        if (
            (database >> 8) != STAMP_WORD
            or number < 0
            or number > 9
            or ((digits_c >> 4) & LOW_DIGITS) != HIGH_DIGITS
            or ((low + PAST_NINE) & CARRIES) != 0
        ):
            return False
        # The previous stamp is nearly always the last frame's, and the upper digits always are.
        previous = self._stamp
        if (
            read_i64_le(data, end + 59) != self._digits_c
            or read_i64_le(data, end + 51) != self._digits_b
            or read_i64_le(data, end + 48) != self._digits_a
        ):
            previous = decimal19(data, end + 48)
        if previous < 0:
            return False
        upper = self._upper
        if digits_a != self._digits_a or digits_b != self._digits_b or self._stamp < 0:
            stamp = decimal19(data, end + 14)
            if stamp < 0 or stamp > QUICK_MAX:
                return False
            upper = stamp - stamp % UNIT
        stamp = upper + number_of(low)
        self._upper = upper
        self._digits_a = digits_a
        self._digits_b = digits_b
        self._digits_c = digits_c
        self._stamp = stamp
        frame.db = number
        frame.stamp = stamp
        frame.previous = previous
        return True


def flags_end(data: bytes, end: i64, n: i64) -> i64:
    """Where a frame ends whose command ends at `end`; -1 unless all between is of the usual form.

    The caller has seen that it could end before `n`.
    """
    if (
        i64(read_i32_le(data, end)) != DB_WORD
        or read_i16_le(data, end + 4) != CRLF
        or read_i64_le(data, end + 33) != VERSION_WORD
        or read_i64_le(data, end + 40) != PREVIOUS_WORD
        or read_i64_le(data, end + 67) != NO_MARKS
    ):
        return -1
    word = i64(read_i32_le(data, end + 75))
    behind = end + TAIL_BYTES
    if word == ONE_FLAG:
        behind += 1
        if behind > n:
            return -1
    elif word != NO_FLAGS:
        return -1
    return behind if read_i16_le(data, behind - 2) == CRLF else -1


def number_of(digits: i64) -> i64:
    """The number that eight digits mean, the first in the lowest byte, each as 0 to 9."""
    digits = ((digits * 2561) >> 8) & PAIRS
    digits = ((digits * 6553601) >> 16) & FOURS
    return ((digits * 42949672960001) >> 32) & EIGHT


def decimal19(data: bytes, at: i64) -> i64:
    """The number of 19 digits at this place; -1 where it is none or beyond 63 bits."""
    value: i64 = 0
    end = at + 19
    while at < end:
        digit: i64 = data[at]
        if digit < 48 or digit > 57 or value > TENTH_MAX:
            return -1
        value = value * 10 + (digit - 48)
        at += 1
    return value
