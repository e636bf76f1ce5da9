"""Trimming and deleting: the options of XADD and XTRIM, those of XDELEX and XACKDEL, and which
entries they take out.  [compiled]

It is decided here, once, where the client is: the effects name what goes.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.commands.args import in_range, integer, syntax_error
from node.commands.context import Context
from node.commands.stream_args import INVALID_ID, stream_id
from node.resp.replies import Failure
from node.store.effect import XACK, XDEL
from node.store.events import NO_EVENT, XTRIM
from node.store.values.groups import Acknowledged, Group
from node.store.values.stream_ids import ID_MAX, unsigned
from node.store.values.stream_nodes import DELETED
from node.store.values.streams import NO_LIMIT, Deleted, StreamValue
from node.store.values.strings import I64_MAX

NO_TRIM: Final = 0
MAXLEN: Final = 1
MINID: Final = 2

# What becomes of the references that groups hold to an entry.
KEEP: Final = 0
DROP: Final = 1
ACKED: Final = 2  # the entry stays as long as there is one
REFERENCES: Final = {b"KEEPREF": KEEP, b"DELREF": DROP, b"ACKED": ACKED}

# Without LIMIT an approximate trim takes at most as many entries as a hundred nodes hold.
NODES_OF_TRIM: Final = 100
LIMIT_UNSAID: Final = 10_000
LIMIT_MOST: Final = 1_000_000

BOTH: Final = b"ERR syntax error, MAXLEN and MINID options at the same time are not compatible"


class TrimOptions:
    """What stands between the key and the ID of XADD, and behind the key of XTRIM.

    `number` is XADD's ID, -1 for *; `at` is where it stands. `asks_sequence`: it was `ms-*`;
    `lacks_sequence`: it was `ms` alone.
    """

    def __init__(self) -> None:
        self.strategy = NO_TRIM
        self.maxlen: i64 = 0
        self.minid = 0
        self.approximate = False
        self.limit: i64 = 0
        self.has_limit = False
        self.references = -1
        self.no_stream = False
        self.number = -1
        self.asks_sequence = False
        self.lacks_sequence = False
        self.at = 2

    def read(self, args: list[bytes], is_add: bool, node_entries: i64) -> None:
        """Reads them; Failure with Redis's texts."""
        n = len(args)
        at = 2
        while at < n:
            word = args[at].upper()
            more = n - 1 - at
            if is_add and word == b"*":
                break
            if (word == b"MAXLEN" or word == b"MINID") and more:
                at = self._read_threshold(args, at)
            elif word == b"LIMIT" and more:
                self.limit = integer(args[at + 1])
                if self.limit < 0:
                    raise Failure(b"ERR The LIMIT argument must be >= 0.")
                self.has_limit = True
                at += 1
            elif word in REFERENCES and self.references < 0:
                self.references = REFERENCES[word]
            elif is_add and word == b"NOMKSTREAM":
                self.no_stream = True
            elif is_add:
                self._read_number(args[at])
                break
            else:
                raise syntax_error()
            at += 1
        self.at = at
        self._check(is_add, node_entries)

    def _read_threshold(self, args: list[bytes], at: int) -> int:
        """MAXLEN or MINID with what follows; returns where the threshold stands."""
        if self.strategy != NO_TRIM:
            raise Failure(BOTH)
        is_length = args[at].upper() == b"MAXLEN"
        self.approximate = False
        at += 1
        if at + 1 < len(args) and args[at] in (b"~", b"="):
            self.approximate = args[at] == b"~"
            at += 1
        if is_length:
            self.maxlen = integer(args[at])
            if self.maxlen < 0:
                raise Failure(b"ERR The MAXLEN argument must be >= 0.")
            self.strategy = MAXLEN
        else:
            self.minid = stream_id(args[at])
            self.strategy = MINID
        return at

    def _read_number(self, arg: bytes) -> None:
        dash = arg.find(b"-")
        if dash >= 0 and arg[dash + 1 :] == b"*":
            ms = unsigned(arg[:dash])
            if ms is None:
                raise Failure(INVALID_ID)
            self.number = ms << 64
            self.asks_sequence = True
        else:
            self.number = stream_id(arg)
            self.lacks_sequence = dash < 0

    def _check(self, is_add: bool, node_entries: i64) -> None:
        if self.limit and self.strategy == NO_TRIM:
            raise Failure(
                b"ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"
            )
        if not is_add and self.strategy == NO_TRIM:
            raise Failure(b"ERR syntax error, XTRIM must be called with a trimming strategy")
        if self.has_limit:
            if not self.approximate:
                raise Failure(
                    b"ERR syntax error, LIMIT cannot be used without the special ~ option"
                )
        elif self.approximate:
            limit = NODES_OF_TRIM * node_entries
            self.limit = LIMIT_UNSAID if limit <= 0 else min(limit, LIMIT_MOST)
        if self.references < 0:
            self.references = KEEP


class Trim:
    """Decides what a trim takes out, node by node as Redis does."""

    def __init__(self, value: StreamValue, options: TrimOptions) -> None:
        self.value = value
        self.options = options
        self.left: i64 = value.length
        self.deleted: i64 = 0
        self.below = 0
        self.ids: list[int] = []

    def decide(self) -> None:
        """Fills `deleted`, and `below` or `ids`."""
        value = self.value
        options = self.options
        keep = options.references == KEEP
        place = value.head
        while place < len(value.nodes):
            if options.strategy == MAXLEN and self.left <= options.maxlen:
                return
            node = value.nodes[place]
            entries = node.live
            if options.limit and self.deleted + entries > options.limit:
                return
            whole = (
                self.left - entries >= options.maxlen
                if options.strategy == MAXLEN
                else node.last < options.minid
            )
            if whole and keep:
                self.left -= entries
                self.deleted += entries
                self.below = node.last + 1
            else:
                if options.approximate:  # with another choice than KEEPREF it takes out nothing
                    return
                self._walk(place)
                if not whole:
                    return
            place += 1

    def _walk(self, place: i64) -> None:
        """Entries within a node."""
        value = self.value
        options = self.options
        node = value.opened(value.nodes[place])
        at: i64 = 0
        n: i64 = len(node.ids)
        while at < n:
            number = node.ids[at]
            if options.strategy == MAXLEN:
                if self.left <= options.maxlen:
                    return
            elif number >= options.minid:
                return
            if node.flags[at] & DELETED == 0 and not (
                options.references == ACKED and is_referenced(value, number, None)
            ):
                self.left -= 1
                self.deleted += 1
                if options.references == KEEP:
                    self.below = number + 1
                else:
                    self.ids.append(number)
            at += 1


def trimmed(ctx: Context, key: bytes, value: StreamValue, options: TrimOptions) -> i64:
    """Trims the stream; how many entries went."""
    trim = Trim(value, options)
    trim.decide()
    if trim.deleted == 0:
        return 0
    ids = trim.ids
    below = trim.below
    if below > ID_MAX:  # it cannot be said: the last possible ID goes too
        below = 0
        value.collect(0, ID_MAX, 0, ids, [])
    limit = options.minid if options.strategy == MINID else NO_LIMIT
    ctx.emit(XDEL, key, Deleted(ids, below, True, limit), 0, XTRIM)
    if options.references == DROP:
        unreferenced(ctx, key, value, ids)
    return trim.deleted


def is_referenced(value: StreamValue, number: int, apart: Group | None) -> bool:
    """Is there a group that has yet to deliver the entry, or (but `apart`) has it pending?"""
    for group in value.groups.values():
        if number > group.last_id:
            return True
        if group is not apart and number in group.pending:
            return True
    return False


def unreferenced(ctx: Context, key: bytes, value: StreamValue, ids: list[int]) -> None:
    """These entries are pending in no group any more (DELREF)."""
    for name, group in list(value.groups.items()):
        pending = group.pending
        held = [number for number in ids if number in pending]
        if held:
            ctx.emit(XACK, key, Acknowledged(name, held), 0, NO_EVENT)


class DeleteOptions:
    """[KEEPREF | DELREF | ACKED] IDS numids id ..., from argument `begin` on."""

    def __init__(self, args: list[bytes], begin: int) -> None:
        self.references = -1
        self.begin = -1
        self.count = 0
        at = begin
        while at < len(args):
            word = args[at].upper()
            if word in REFERENCES and self.references < 0:
                self.references = REFERENCES[word]
                at += 1
            elif word == b"IDS" and at + 1 < len(args):
                text = b"ERR Number of IDs must be a positive integer"
                self.count = in_range(args[at + 1], 1, I64_MAX, text)
                if self.count > len(args) - at - 2:
                    raise Failure(b"ERR The `numids` parameter must match the number of arguments")
                self.begin = at + 2
                at = self.begin + self.count
            else:
                raise syntax_error()
        if self.begin < 0:
            raise Failure(b"ERR IDS option is required")
        if self.references < 0:
            self.references = KEEP

    def ids(self, args: list[bytes]) -> list[int]:
        """The IDs; Failure where one is none."""
        return [stream_id(arg) for arg in args[self.begin : self.begin + self.count]]
