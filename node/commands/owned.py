"""What one node alone should do of a key in a mesh: pops, other reads that take away, and locks.
[compiled]

`mesh-owner` names keys and their node (mesh/ownership.py). Here stands which commands it concerns,
and which of their keys: only what takes something. The destination of LMOVE is a push, which any
node may do. Locks count where `mesh-nx-policy` is `owner`.
"""

from __future__ import annotations

from typing import Final

from conf import Config
from node.commands.exclusive import NX_POLICY, OWNER

FIRST: Final = 0  # the first argument is the key
TO_TIMEOUT: Final = 1  # all arguments but the last
COUNTED: Final = 2  # behind their number, which is the first argument
COUNTED_LATER: Final = 3  # behind their number, the second
UNDELIVERED: Final = 4  # XREADGROUP's keys whose id is `>`
LOCK: Final = 5  # the first argument, of a lock
SET_LOCK: Final = 6  # likewise, where NX or XX is among the options
PAIRS_LOCK: Final = 7  # every other argument

OWNED: Final[dict[bytes, int]] = {
    b"lpop": FIRST, b"rpop": FIRST, b"lmove": FIRST, b"rpoplpush": FIRST,
    b"blmove": FIRST, b"brpoplpush": FIRST, b"lmpop": COUNTED, b"blmpop": COUNTED_LATER,
    b"blpop": TO_TIMEOUT, b"brpop": TO_TIMEOUT,
    b"spop": FIRST, b"zpopmin": FIRST, b"zpopmax": FIRST, b"zmpop": COUNTED,
    b"bzpopmin": TO_TIMEOUT, b"bzpopmax": TO_TIMEOUT, b"bzmpop": COUNTED_LATER,
    b"getdel": FIRST, b"hgetdel": FIRST,
    b"xreadgroup": UNDELIVERED, b"xclaim": FIRST, b"xautoclaim": FIRST,
    b"setnx": LOCK, b"hsetnx": LOCK, b"getset": LOCK, b"set": SET_LOCK, b"msetnx": PAIRS_LOCK,
}  # fmt: skip


def owned_keys(name: bytes, args: list[bytes], config: Config) -> list[bytes]:
    """The keys of which this command takes something; none where it takes nothing, or where its
    arguments are wrong, which its handler will say."""
    kind = OWNED.get(name, -1)
    if kind < 0 or len(args) < 2:
        return []
    if kind == FIRST:
        return args[1:2]
    if kind == TO_TIMEOUT:
        return args[1:-1]
    if kind == COUNTED:
        return counted(args, 1)
    if kind == COUNTED_LATER:
        return counted(args, 2)
    if kind == UNDELIVERED:
        return undelivered(args)
    if config.text(NX_POLICY) != OWNER:
        return []
    if kind == PAIRS_LOCK:
        return args[1::2]
    if kind == SET_LOCK and not is_conditional(args):
        return []
    return args[1:2]


def counted(args: list[bytes], at: int) -> list[bytes]:
    """The keys behind their number."""
    if len(args) <= at or not args[at].isdigit() or len(args[at]) > 6:
        return []
    return args[at + 1 : at + 1 + int(args[at])]


def undelivered(args: list[bytes]) -> list[bytes]:
    """The keys of XREADGROUP whose new entries are wanted."""
    for at in range(4, len(args)):
        if args[at].upper() == b"STREAMS":
            rest = args[at + 1 :]
            half = len(rest) // 2
            pairs = zip(rest[:half], rest[half:], strict=False)
            return [key for key, last in pairs if last == b">"]
    return []


def is_conditional(args: list[bytes]) -> bool:
    """Has this SET an NX or XX?"""
    return any(len(arg) == 2 and arg.upper() in (b"NX", b"XX") for arg in args[3:])
