"""Commands come out of the bytes, the same however those were cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.resp.client import command
from node.resp.parser import LINE_MAX, Parser, name_code
from tests.unit.resp.feeding import outcome


def code(name: bytes) -> int:
    return int.from_bytes(name.ljust(8, b"\0"), "little")


CASES: dict[str, tuple[bytes, list[list[bytes]]]] = {
    "ping": (b"*1\r\n$4\r\nPING\r\n", [[b"PING"]]),
    "shortest": (b"*1\r\n$1\r\nA\r\n", [[b"A"]]),
    "eight letter name": (b"*1\r\n$8\r\nFLUSHALL\r\n", [[b"FLUSHALL"]]),
    "seven letter name alone": (b"*1\r\n$7\r\nDISCARD\r\n", [[b"DISCARD"]]),
    "nine letter name": (b"*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n", [[b"SUBSCRIBE", b"c"]]),
    "set": (b"*3\r\n$3\r\nSet\r\n$1\r\nk\r\n$2\r\nvv\r\n", [[b"Set", b"k", b"vv"]]),
    "empty argument": (b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", [[b"GET", b""]]),
    "empty name": (b"*2\r\n$0\r\n\r\n$3\r\nGET\r\n", [[b"", b"GET"]]),
    "name with digits": (b"*2\r\n$4\r\nFT.1\r\n$1\r\nk\r\n", [[b"FT.1", b"k"]]),
    "name with a folded control byte": (b"*2\r\n$3\r\nG\x05T\r\n$1\r\nk\r\n", [[b"G\x05T", b"k"]]),
    "ten byte argument": (b"*2\r\n$3\r\nGET\r\n$10\r\n0123456789\r\n", [[b"GET", b"0123456789"]]),
    "crlf in an argument": (b"*2\r\n$3\r\nGET\r\n$5\r\n\r\n$1\r\r\n", [[b"GET", b"\r\n$1\r"]]),
    "all bytes": (command(b"GET", bytes(range(256))), [[b"GET", bytes(range(256))]]),
    "nine arguments": (command(b"DEL", *[b"k"] * 8), [[b"DEL", *[b"k"] * 8]]),
    "ten arguments": (command(b"DEL", *[b"k"] * 9), [[b"DEL", *[b"k"] * 9]]),
    "two hundred": (command(b"DEL", *[b"key"] * 200), [[b"DEL", *[b"key"] * 200]]),
    "argument of 1000": (command(b"GET", b"x" * 1000), [[b"GET", b"x" * 1000]]),
    "argument of 20000": (command(b"GET", b"x" * 20000, b"y"), [[b"GET", b"x" * 20000, b"y"]]),
    "pipeline": (command(b"GET", b"a") * 3, [[b"GET", b"a"]] * 3),
    "empty multibulk": (b"*0\r\n" + command(b"PING"), [[b"PING"]]),
    "negative multibulk": (b"*-1\r\n*-17\r\n" + command(b"PING"), [[b"PING"]]),
    "empty lines": (b"\r\n\n\r\n" + command(b"PING") + b"\r\n", [[b"PING"]]),
    "blank line": (b"  \t \r\n" + command(b"PING"), [[b"PING"]]),
    "inline": (b"SET k v\r\n", [[b"SET", b"k", b"v"]]),
    "inline with lf alone": (b"GET k\nGET l\n", [[b"GET", b"k"], [b"GET", b"l"]]),
    "inline between": (command(b"GET", b"a") + b"PING\r\n" + command(b"GET", b"b"),
                       [[b"GET", b"a"], [b"PING"], [b"GET", b"b"]]),
    "inline of the longest line": (b"GET " + b"x" * 2000 + b"\n", [[b"GET", b"x" * 2000]]),
    "other bytes for lf": (b"*2\rX$3\rYGETab$1\r\nkcd", [[b"GET", b"k"]]),
}  # fmt: skip


@pytest.mark.parametrize(("data", "commands"), CASES.values(), ids=CASES)
def test_commands_come_out(data: bytes, commands: list[list[bytes]]) -> None:
    assert outcome(data) == (commands, None)


@pytest.mark.parametrize("data", [case[0] for case in CASES.values()], ids=CASES)
def test_nothing_is_pending_after_the_last_command(data: bytes) -> None:
    parser = Parser()
    parser.feed(data)
    while parser.next() is not None:
        pass
    assert parser.pending() == 0


def test_the_bytes_of_a_command_are_told() -> None:
    first, second = command(b"SET", b"k", b"v"), command(b"SUBSCRIBE", b"c")
    parser = Parser()
    parser.feed(b"\r\n" + first + second)
    for expected in (first, second):
        assert parser.next() is not None
        assert parser.exact
        assert parser.data[parser.start : parser.pos] == expected


def test_the_bytes_of_a_command_in_two_reads_are_told() -> None:
    request = command(b"SET", b"k", b"v" * 100)
    for cut in range(1, len(request)):
        parser = Parser()
        parser.feed(command(b"PING") + request[:cut])
        assert parser.next() == [b""]
        assert parser.next() is None
        assert parser.pending() == cut
        parser.feed(request[cut:] + command(b"PING"))
        assert parser.next() is not None
        assert parser.exact
        assert parser.data[parser.start : parser.pos] == request


def test_an_inline_command_is_not_exact() -> None:
    parser = Parser()
    parser.feed(b"GET k\r\n")
    assert parser.next() == [b"GET", b"k"]
    assert not parser.exact
    assert parser.code == code(b"get")


def test_a_long_command_in_pieces_is_not_exact_and_the_next_one_is() -> None:
    parser = Parser()
    request = command(b"SET", b"k", b"v" * (2 * LINE_MAX))
    parser.feed(request[:70000])
    assert parser.next() is None
    parser.feed(request[70000:] + command(b"GET", b"k"))
    assert parser.next() == [b"SET", b"k", b"v" * (2 * LINE_MAX)]
    assert not parser.exact
    assert parser.next() == [b"", b"k"]
    assert parser.exact
    assert parser.data[parser.start : parser.pos] == command(b"GET", b"k")


def test_pending_counts_all_that_is_held() -> None:
    request = command(b"MSET", *[b"x" * 50000] * 6)
    parser = Parser()
    fed = 0
    for begin in range(0, len(request) - 1, 9999):
        piece = request[:-1][begin : begin + 9999]
        parser.feed(piece)
        fed += len(piece)
        assert parser.pending() == fed
        assert parser.next() is None
        assert parser.pending() == fed
    parser.feed(request[-1:])
    assert parser.next() == [b"MSET", *[b"x" * 50000] * 6]
    assert parser.pending() == 0


def test_reads_may_wait_while_commands_are_taken_one_by_one() -> None:
    parser = Parser()
    for i in range(100):
        parser.feed(command(b"GET", b"%d" % i) * 2)
    assert parser.pending() == sum(2 * len(command(b"GET", b"%d" % i)) for i in range(100))
    taken = [args[1] for args in iter(parser.next, None)]
    assert taken == [b"%d" % (i // 2) for i in range(200)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"GET", code(b"get")),
        (b"gEt", code(b"get")),
        (b"FLUSHALL", code(b"flushall")),
        (b"SORT_RO", code(b"sort_ro")),
        (b"a1-.Z@[", code(b"a1-.z@[")),
        (b"SUBSCRIBE", 0),
        (b"", 0),
        (b"GET\0", 0),
        (b"GE T", 0),
        (b"GET\x7f", 0),
        (b"G\xc5T", 0),
    ],
)
def test_name_code(name: bytes, expected: int) -> None:
    assert name_code(name) == expected
    parser = Parser()
    parser.feed(command(name, b"key", b"another key"))
    assert parser.next() is not None
    assert parser.code == expected
    assert parser.name() == name


def test_every_byte_in_a_name_has_the_same_code_on_both_paths() -> None:
    for size in (1, 2, 7, 8):
        for byte in range(256):
            for name in (bytes([byte]) * size, b"A" * (size - 1) + bytes([byte])):
                parser = Parser()
                parser.feed(command(name, b"a key of some length"))
                args = parser.next()
                assert args is not None
                assert parser.code == name_code(name)
                assert parser.name() == name
                assert args[1:] == [b"a key of some length"]


def test_a_huge_argument_in_many_pieces_is_copied_a_constant_number_of_times() -> None:
    def work(size: int) -> int:
        parser = Parser()
        request = command(b"SET", b"k", b"v" * size)
        for begin in range(0, len(request), 4096):
            assert parser.next() is None
            parser.feed(request[begin : begin + 4096])
        args = parser.next()
        assert args is not None and len(args[2]) == size
        return parser.work

    # A piece in front of the long argument is joined until it is LINE_MAX long: a fixed share.
    assert work(8 << 20) - work(4 << 20) <= 4 * (4 << 20)


def test_many_small_pieces_of_a_big_multibulk_are_linear_work() -> None:
    def work(count: int) -> int:
        parser = Parser()
        request = command(b"DEL", *[b"key:%06d" % i for i in range(count)])
        for begin in range(0, len(request), 700):
            assert parser.next() is None
            parser.feed(request[begin : begin + 700])
        args = parser.next()
        assert args is not None and len(args) == count + 1
        return parser.work

    small, large = work(20000), work(40000)
    bytes_more = 20000 * len(b"$10\r\nkey:000000\r\n")
    assert large - small <= 3 * bytes_more


def test_reads_that_wait_are_joined_once() -> None:
    parser = Parser()
    for _ in range(10000):
        parser.feed(b"*1\r\n$4\r\nPI")
        parser.feed(b"NG\r\n")
    assert sum(1 for _ in iter(parser.next, None)) == 10000
    # One join moves everything; then a header or two for each command that is not all there.
    assert parser.work <= 3 * 10000 * 14


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.binary(max_size=120), min_size=1, max_size=12), max_size=6),
    st.lists(st.integers(0, 2000), max_size=12),
)
def test_any_commands_cut_anywhere_come_out_again(
    commands: list[list[bytes]], cuts: list[int]
) -> None:
    data = b"".join(command(*args) for args in commands)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    parser = Parser()
    taken: list[list[bytes]] = []
    for begin, end in pairwise(edges):
        parser.feed(data[begin:end])
        while (args := parser.next()) is not None:
            taken.append([parser.name(), *args[1:]])
            assert parser.exact
            assert parser.data[parser.start : parser.pos] == command(*taken[-1])
    assert taken == commands
    assert parser.pending() == 0
