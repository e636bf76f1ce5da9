"""Which keys a command takes something of, for `mesh-owner`."""

from __future__ import annotations

import pytest

from conf import Config
from node.commands.command import TABLE
from node.commands.owned import OWNED, owned_keys
from node.commands.table import load

TAKES = {
    "LPOP k 2": "k",
    "LMOVE k d LEFT LEFT": "k",
    "BLMOVE k d LEFT LEFT 0": "k",
    "BLPOP k l 0": "k l",
    "LMPOP 2 k l LEFT": "k l",
    "BLMPOP 0 2 k l LEFT COUNT 3": "k l",
    "ZMPOP 1 z MIN": "z",
    "BZMPOP 1 1 z MIN": "z",
    "XREADGROUP GROUP g c STREAMS x y > 0": "x",
    "XREADGROUP GROUP streams c COUNT 1 STREAMS x >": "x",
    "XREADGROUP GROUP g c STREAMS x 0": "",
    "XCLAIM x g c 0 1-1": "x",
    "GETDEL k": "k",
    "LMPOP many k LEFT": "",
    "XREADGROUP GROUP g c": "",
    "GET k": "",
    "RPUSH k a": "",
}
LOCKS = {
    "SETNX k v": "k",
    "SET k v EX 5 nx": "k",
    "SET k v XX": "k",
    "SET k NX": "",
    "SET k v EX 5": "",
    "MSETNX a 1 b 2": "a b",
    "HSETNX h f v": "h",
    "GETSET k v": "k",
}


def taken(line: str, nx_policy: str = "allow") -> str:
    config = Config()
    config.set("mesh-nx-policy", [nx_policy])
    args = [word.encode() for word in line.split()]
    return b" ".join(owned_keys(args[0].lower(), args, config)).decode()


@pytest.mark.parametrize("line", TAKES)
def test_the_keys_that_something_is_taken_from(line: str) -> None:
    assert taken(line) == TAKES[line]


@pytest.mark.parametrize("line", LOCKS)
def test_locks_count_only_where_the_owner_is_to_decide(line: str) -> None:
    assert taken(line, "owner") == LOCKS[line]
    assert taken(line, "warn") == ""


def test_the_names_are_those_of_writing_commands() -> None:
    """HGETDEL among them: the day it is here it is owned."""
    load()
    missing = [name for name in OWNED if name not in TABLE]
    assert missing in ([], [b"hgetdel"])
