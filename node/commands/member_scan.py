"""SSCAN, HSCAN and ZSCAN: one call of an iteration over the members of one value.

Values up to the size that Redis keeps packed are returned in one go, as Redis does; larger ones by
a cursor that holds whatever else changes (node/store/values/places.py).
"""

from __future__ import annotations

from typing import Final

from node.commands.args import Options, integer, syntax_error
from node.commands.context import Context
from node.resp.replies import Failure
from node.store.glob import matches
from node.store.values.container import Container

# Members looked at in one call, whatever COUNT asks for: about 10 ms.
COUNT_MAX: Final = 100_000


class ScanOptions:
    """MATCH, COUNT and NOVALUES of one call."""

    def __init__(self) -> None:
        self.pattern: bytes | None = None
        self.count = 10
        self.with_values = True


def scan_options(args: list[bytes], begin: int, of_hash: bool) -> ScanOptions:
    """The options from `begin` on; the last of each kind counts, as in Redis."""
    found = ScanOptions()
    options = Options(args, begin)
    while options.more():
        word = options.word()
        if word == b"COUNT" and options.has_value():
            found.count = integer(options.value())
            if found.count < 1:
                raise syntax_error()
        elif word == b"MATCH" and options.has_value():
            found.pattern = options.value()
        elif word == b"NOVALUES":
            if not of_hash:
                raise Failure(b"ERR NOVALUES option can only be used in HSCAN")
            found.with_values = False
        else:
            raise syntax_error()
    return found


def scan_members(
    ctx: Context, value: Container, cursor: int, options: ScanOptions, packed_max: int
) -> tuple[bytes, list[bytes]]:
    """The next cursor as text, and the members of this call that fit the pattern."""
    if value.size() <= packed_max:
        after = 0
        found = value.names()
    else:
        after, found = value.scan(cursor, min(options.count, COUNT_MAX))
    pattern = options.pattern
    if pattern is not None and pattern != b"*":
        found = [member for member in found if matches(pattern, member)]
    return b"%d" % after, found
