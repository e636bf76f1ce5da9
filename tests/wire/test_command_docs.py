"""COMMAND DOCS has the form of Redis 8.2.3's, and says the same of what are facts.

Summaries and costs are our own words, the names of groups of arguments too; since, group, types,
tokens, flags, key specs and nesting of the arguments are compared.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from librt.strings import BytesWriter

from node.commands.table import MODULES, load
from node.resp.encoder import encode
from tests.support.local import LocalNode
from tests.support.servers import Client, RealRedis
from tests.support.transcript import Shown, read_shown

pytestmark = pytest.mark.wire

Fields = dict[bytes, Shown]
# What a syntax line cannot say: filters of which each may come again and one has an old name; and
# Redis does not tell what DEBUG takes.
OTHER_ARGUMENTS = (b"client|kill", b"debug")
# History and deprecations are not told.
LEFT_OUT = {b"history", b"doc_flags", b"deprecated_since", b"replaced_by"}

load()
NAMES = sorted({bytes(command.name) for commands in MODULES for command in commands})


@pytest.fixture(scope="module")
def redis() -> Iterator[Client]:
    with RealRedis() as server, server.client() as client:
        client.call("HELLO", "3")
        yield client


def ours(name: bytes) -> Shown:
    """What a node of ours would write in RESP3."""
    out = BytesWriter()
    encode(out, LocalNode().call(0, [b"COMMAND", b"DOCS", name]), 3)
    return read_shown(io.BytesIO(out.getvalue()))


def fields_of(shown: Shown) -> Fields:
    """A map by its keys."""
    assert shown.kind == "map", shown
    return dict(zip((key.text for key in shown.items[::2]), shown.items[1::2], strict=True))


def tree(arguments: Shown) -> list[object]:
    """Arguments without their names: type, token, flags, key spec, and those inside."""
    found: list[object] = []
    for each in arguments.items:
        fields = fields_of(each)
        assert fields[b"name"].text, "an argument has no name"
        found.append((
            fields[b"type"].text,
            fields.get(b"token", Shown("nil")).text,
            sorted(flag.text for flag in fields.get(b"flags", Shown("set")).items),
            fields.get(b"key_spec_index", Shown("nil")).text,
            b"display_text" in fields,
            tree(fields.get(b"arguments", Shown("array"))),
        ))  # fmt: skip
    return found


def compare(name: bytes, mine: Fields, theirs: Fields) -> None:
    """One command, then its subcommands that are here."""
    for fact in (b"since", b"group"):
        assert mine[fact] == theirs[fact], (name, fact)
    assert mine[b"summary"].text and mine[b"complexity"].text, name
    if name not in OTHER_ARGUMENTS:
        assert set(theirs) - set(mine) <= LEFT_OUT, name
        none = Shown("array")
        assert tree(mine.get(b"arguments", none)) == tree(theirs.get(b"arguments", none)), name
    inner = fields_of(mine.get(b"subcommands", Shown("map")))
    real = fields_of(theirs.get(b"subcommands", Shown("map")))
    for subname, shown in inner.items():
        if subname in real:  # else it is KeyDB's
            compare(subname, fields_of(shown), fields_of(real[subname]))


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.decode())
def test_a_command_is_documented_in_the_form_of_redis(redis: Client, name: bytes) -> None:
    mine = fields_of(ours(name))
    assert list(mine) == [name]
    theirs = fields_of(redis.call("COMMAND", "DOCS", name))
    if theirs:  # else it is KeyDB's
        compare(name, fields_of(mine[name]), fields_of(theirs[name]))
