"""The command table says of every command what Redis 8.2.3 says: COMMAND INFO, field by field.

Clients and proxies route by it. Notes, which are prose, are left out of the comparison.
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

FIELDS = (
    "name", "arity", "flags", "first key", "last key", "step", "categories", "tips", "key specs",
)  # fmt: skip
SUBCOMMANDS = 9
KEYDB_ONLY = (
    b"expdel", b"expiremember", b"expirememberat", b"pexpirememberat", b"keydb.mexists",
    b"keydb.cron", b"keydb.hrename", b"keydb.mvccrestore", b"keydb.nhget", b"keydb.nhset",
    b"replping",
)  # fmt: skip
KEYDB_ONLY_SUBCOMMANDS = (b"object|lastmodified",)
# Redis does not say what these take.
WITHOUT_ARGUMENTS = (b"debug",)

# What Redis has and a node has not yet, by the reason; a container's subcommands go with it.
LATER = {
    "users and their rules": ("acl",),
    "scripts": (
        *("eval", "eval_ro", "evalsha", "evalsha_ro"),
        *("fcall", "fcall_ro", "function", "script"),
    ),
    "the append-only file": ("bgrewriteaof",),
    "invalidations for client caches": (
        *("client|caching", "client|getredir", "client|tracking", "client|trackinginfo"),
    ),
    "pauses and observation": ("client|pause", "client|unpause", "latency", "monitor", "slowlog"),
    "the allocator's own numbers": (
        *("memory|doctor", "memory|malloc-stats", "memory|purge", "memory|stats"),
    ),
    "shard channels": (
        *("pubsub|shardchannels", "pubsub|shardnumsub", "spublish", "ssubscribe", "sunsubscribe"),
    ),
    "cluster management and modules": ("asking", "cluster", "module", "readonly", "readwrite"),
    "moving to another server": ("failover", "migrate"),
    "vector sets": (
        *("vadd", "vcard", "vdim", "vemb", "vgetattr", "vinfo", "vismember", "vlinks"),
        *("vrandmember", "vrem", "vsetattr", "vsim"),
    ),
}
# The mesh agent brings these (tests/wire/test_mesh_*.py).
OF_THE_AGENT = ("psync", "replconf", "replicaof", "slaveof", "sync", "wait", "waitaof")

load()
NAMES = sorted({bytes(command.name) for commands in MODULES for command in commands})


@pytest.fixture(scope="module")
def redis() -> Iterator[Client]:
    with RealRedis() as server, server.client() as client:
        client.call("HELLO", "3")
        yield client


def ours(*argv: bytes) -> Shown:
    """What a node of ours would write in RESP3."""
    node = LocalNode()
    out = BytesWriter()
    encode(out, node.call(0, list(argv)), 3)
    return read_shown(io.BytesIO(out.getvalue()))


def without_notes(reply: Shown) -> Shown:
    """The reply, where maps have lost their notes."""
    items = [without_notes(item) for item in reply.items]
    if reply.kind == "map":
        pairs = zip(items[::2], items[1::2], strict=True)
        items = [each for pair in pairs if pair[0].text != b"notes" for each in pair]
    return Shown(reply.kind, reply.text, tuple(items))


def by_name(description: Shown) -> dict[bytes, Shown]:
    """The descriptions of a command's subcommands."""
    return {each.items[0].text: each for each in description.items[SUBCOMMANDS].items}


def differences(mine: Shown, theirs: Shown) -> list[str]:
    """What is said differently of a command and of the subcommands that are here."""
    name = theirs.items[0].text.decode()
    found = [
        f"{name}: {field}: {here} is not {there}"
        for field, here, there in zip(FIELDS, mine.items, theirs.items, strict=False)
        if here != there
    ]
    real = by_name(theirs)
    for subname, description in by_name(mine).items():
        if subname in KEYDB_ONLY_SUBCOMMANDS:
            continue
        assert subname in real, f"{subname!r} is no subcommand of Redis's"
        found += differences(description, real[subname])
    return found


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.decode())
def test_a_command_is_described_as_redis_describes_it(redis: Client, name: bytes) -> None:
    theirs = without_notes(redis.call("COMMAND", "INFO", name)).items[0]
    if name in KEYDB_ONLY:
        assert theirs.kind == "nil"
        return
    mine = without_notes(ours(b"COMMAND", b"INFO", name)).items[0]
    problems = differences(mine, theirs)
    assert not problems, "\n".join(problems)


def outline(docs: Shown) -> list[bytes]:
    """The types of the outermost arguments."""
    fields = dict(zip((key.text for key in docs.items[::2]), docs.items[1::2], strict=True))
    return [each.items[3].text for each in fields.get(b"arguments", Shown("array")).items]


@pytest.mark.parametrize(
    "name",
    [name for name in NAMES if name not in (*KEYDB_ONLY, *WITHOUT_ARGUMENTS)],
    ids=lambda name: name.decode(),
)
def test_arguments_are_found_in_the_syntax_line(redis: Client, name: bytes) -> None:
    """COMMAND DOCS is worked out from the syntax line; its arguments are those of Redis."""
    mine = ours(b"COMMAND", b"DOCS", name).items[1]
    assert outline(mine) == outline(redis.call("COMMAND", "DOCS", name).items[1])


def test_every_command_of_redis_is_here_or_named_as_later(redis: Client) -> None:
    here = {bytes(command.fullname) for commands in MODULES for command in commands}
    here |= {bytes(command.name) for commands in MODULES for command in commands}
    named = {name.encode() for names in LATER.values() for name in names}
    listed = {item.text.lower() for item in redis.call("COMMAND", "LIST").items}
    missing = {
        name
        for name in listed - here - {name.encode() for name in OF_THE_AGENT}
        if name not in named and name.split(b"|")[0] not in named
    }
    assert not missing, sorted(missing)
    assert not named & here, f"built and still named as later: {sorted(named & here)}"
