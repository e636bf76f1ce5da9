"""LCS: the longest common subsequence of two strings."""

from __future__ import annotations

from node.commands.args import Options, integer, syntax_error
from node.commands.command import READONLY, Command, span
from node.commands.context import Context
from node.resp.replies import Failure, Map
from node.store.values.strings import lcs_length, lcs_matches, lcs_rows, shown

CELL_SIZE = 4  # bytes of the table for each pair of positions


def lcs(ctx: Context, args: list[bytes]) -> object:
    """LCS: the subsequence, its length (LEN), or where its runs stand in both strings (IDX)."""
    first = ctx.find(args[1])
    second = ctx.find(args[2])
    for value in (first, second):
        if value is not None and not isinstance(value, (bytes, int)):
            raise Failure(b"ERR The specified keys must contain string values")
    options = Options(args, 3)
    length_only = False
    indexes = False
    with_lengths = False
    shortest = 0
    while options.more():
        word = options.word()
        if word == b"IDX":
            indexes = True
        elif word == b"LEN":
            length_only = True
        elif word == b"WITHMATCHLEN":
            with_lengths = True
        elif word == b"MINMATCHLEN" and options.has_value():
            shortest = max(integer(options.value()), 0)
        else:
            raise syntax_error()
    if indexes and length_only:
        raise Failure(b"ERR If you want both the length and indexes, please just use IDX.")
    a = shown(first)
    b = shown(second)
    if CELL_SIZE * (len(a) + 1) * (len(b) + 1) > ctx.services.config.number("proto-max-bulk-len"):
        raise Failure(
            b"ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
        )
    rows = lcs_rows(a, b)
    if length_only:
        return lcs_length(a, b, rows)
    matches = lcs_matches(a, b, rows)
    if not indexes:
        return b"".join([a[at_a : at_a + size] for at_a, _, size in reversed(matches)])
    listed: list[object] = []
    for at_a, at_b, size in matches:
        if size >= shortest:
            match: list[object] = [[at_a, at_a + size - 1], [at_b, at_b + size - 1]]
            if with_lengths:
                match.append(size)
            listed.append(match)
    return Map([b"matches", listed, b"len", lcs_length(a, b, rows)])


COMMANDS: tuple[Command, ...] = (
    Command(
        "LCS key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]", lcs, READONLY,
        keys=(span(1, 2, 1, "RO", "ACCESS"),), group="string", since="7.0.0",
        cost="O(N*M) for the two lengths", about="The longest common subsequence of two strings.",
    ),
)  # fmt: skip
