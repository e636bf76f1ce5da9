"""Ways of feeding the same bytes, which must not make a difference."""

from __future__ import annotations

from collections.abc import Iterator

from node.resp.parser import Parser, ProtocolError

# The commands that came out, and the text of the protocol error that ended them, if one did.
Outcome = tuple[list[list[bytes]], bytes | None]

TRAILER = b"*2\r\n$4\r\nECHO\r\n$7\r\ntrailer\r\n"


def drain(parser: Parser) -> Iterator[list[bytes]]:
    """The commands that are complete, with the name in its place."""
    while (args := parser.next()) is not None:
        assert args[0] in (b"", parser.name())
        if args[0] != parser.name():
            assert parser.code != 0
        if parser.exact:
            again = Parser()
            again.feed(parser.data[parser.start : parser.pos])
            assert again.next() is not None
            assert again.pending() == 0
            assert (again.name(), again.code) == (parser.name(), parser.code)
        yield [parser.name(), *args[1:]]


def run(pieces: list[bytes], authenticated: bool = True, max_bulk: int | None = None) -> Outcome:
    """Feed the pieces one after another, reading all there is after each."""
    parser = Parser()
    parser.authenticated = authenticated
    if max_bulk is not None:
        parser.max_bulk = max_bulk
    commands: list[list[bytes]] = []
    try:
        for piece in pieces:
            parser.feed(piece)
            commands.extend(drain(parser))
    except ProtocolError as error:
        return commands, error.text
    return commands, None


def outcome(data: bytes, authenticated: bool = True, max_bulk: int | None = None) -> Outcome:
    """Feed bytes whole, byte by byte, and with a further command behind: one outcome."""
    whole = run([data], authenticated, max_bulk)
    single = [data[i : i + 1] for i in range(len(data))]
    assert run(single, authenticated, max_bulk) == whole
    commands, error = run([data + TRAILER], authenticated, max_bulk)
    if error is None:
        assert commands.pop() == [b"ECHO", b"trailer"]
    assert (commands, error) == whole
    return whole
