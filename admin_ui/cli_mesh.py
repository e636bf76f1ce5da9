"""`plexis mesh`: the MESH commands for people and scripts, spoken to one node.

Exit codes: 0 done, 1 the node answered with an error or a no (NOTREADY, a wait that ended without
success), 2 wrong usage, 3 nobody answered.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from node.resp.client import INCOMPLETE, ReplyParser, command
from node.resp.parser import ProtocolError
from node.resp.replies import Boolean, Double, Failure, Map, SetReply, Simple, Verbatim

OK: Final = 0
PROBLEM: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
ANSWER_S: Final = 5.0
POLL_S: Final = 0.2
PIECE: Final = 65_536
WORDS: Final = {
    "peers": "every member, its address, state and links",
    "topology": "the shape, who follows whom, and each stream's way",
    "ready": "is the node ready for clients? --wait SECONDS to wait for it",
    "forget": "MEMBER: expel one that will not come back",
    "leave": "take the node out of its mesh",
    "rejoin": "prepare one that was expelled or has left to come back at its next start",
    "import": "FILE: write the keys of an RDB file in the node's dir anew",
    "pause": "link ADDRESS | peer MEMBER: close links until resume",
    "resume": "link ADDRESS | peer MEMBER",
    "wait": "all | majority | MEMBER ... MS: until they have what was written through this call",
    "conflicts": "counts and the last conflicts",
    "explain": "KEY: why a key shows what it shows",
}


class Node:
    """One connection. OSError, ProtocolError."""

    def __init__(self, host: str, port: int, user: str, password: str) -> None:
        self._socket = socket.create_connection((host, port), ANSWER_S)
        self._replies = ReplyParser()
        words = ["HELLO", "3"]  # maps come as maps, numbers as numbers
        if password:
            words += ["AUTH", user or "default", password]
        reply = self.ask(*words)
        if password and isinstance(reply, Failure):
            raise OSError(text_of(reply))

    def ask(self, *words: str, wait_s: float = ANSWER_S) -> object:
        """One command and its reply."""
        self._socket.settimeout(wait_s)
        self._socket.sendall(command(*[os.fsencode(word) for word in words]))
        while True:
            reply = self._replies.next()
            if reply is not INCOMPLETE:
                return reply
            data = self._socket.recv(PIECE)
            if not data:
                raise OSError("the node closed the connection")
            self._replies.feed(data)

    def close(self) -> None:
        """Ends the connection."""
        self._socket.close()


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`plexis mesh ...` among the other subcommands."""
    lines = "\n".join(f"  {name:10} {about}" for name, about in WORDS.items())
    mesh = commands.add_parser(
        "mesh", help="members, links and readiness of a node's mesh", epilog=lines,
        description="Asks a node, and changes its mesh.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    mesh.add_argument("--host", default="127.0.0.1", help="a node's address")
    mesh.add_argument("--port", type=int, default=6379, help="its RESP port")
    mesh.add_argument("--user", default="", help="ACL user, else the default one")
    mesh.add_argument("--password-file", type=Path, help="file with the password")
    mesh.add_argument("--output", choices=("text", "json"), default="text")
    mesh.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="for ready")
    mesh.add_argument("words", nargs="+", metavar="WORD", help="a word of the list below")
    mesh.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """One command; `ready --wait` asks until the node is ready."""
    words = [str(word) for word in args.words]
    if words[0] not in WORDS:
        known = ", ".join(WORDS)
        sys.stderr.write(f"plexis mesh: unknown word {words[0]}; one of {known}\n")
        return USAGE
    try:
        password = os.environ.get("PLEXIS_PASSWORD", "")
        if args.password_file is not None:
            password = args.password_file.read_text(encoding="utf-8").rstrip("\n")
    except (OSError, ValueError) as error:
        sys.stderr.write(f"plexis mesh: {error}\n")
        return USAGE
    until_s = time.monotonic() + float(args.wait)
    while True:
        code, reply, problem = attempt(args, words, password)
        if code == OK or words[0] != "ready" or time.monotonic() >= until_s:
            break
        time.sleep(POLL_S)
    if problem:
        sys.stderr.write(f"plexis mesh: {problem}\n")
        return code
    shape: Callable[[object], str] = SHAPES.get(words[0], as_text)
    sys.stdout.write(json.dumps(reply, indent=2) if args.output == "json" else shape(reply))
    sys.stdout.write("\n")
    return code


def attempt(
    args: argparse.Namespace, words: list[str], password: str
) -> tuple[int, object, str]:
    """Exit code, plain reply, and what went wrong."""
    wait_s = ANSWER_S
    if words[0] == "wait" and words[-1].isdigit():
        wait_s += int(words[-1]) / 1000.0
    try:
        node = Node(args.host, args.port, args.user, password)
        try:
            reply = node.ask("MESH", *words, wait_s=wait_s)
        finally:
            node.close()
    except (OSError, ProtocolError) as error:
        return UNREACHABLE, None, f"{args.host}:{args.port}: {error}"
    if isinstance(reply, Failure):
        return PROBLEM, None, text_of(reply)
    code = PROBLEM if words[0] == "wait" and reply == 0 else OK
    return code, plain(reply), ""


# --- replies ------------------------------------------------------------------------------------


def plain(reply: object) -> object:
    """A reply as JSON takes it."""
    if isinstance(reply, bytes):
        return reply.decode("utf-8", "replace")
    if isinstance(reply, Simple | Failure | Verbatim):
        return text_of(reply)
    if isinstance(reply, Map):
        return pairs([plain(each) for each in reply.items])
    if isinstance(reply, SetReply):
        return [plain(each) for each in reply.items]
    if isinstance(reply, list):
        return [plain(each) for each in reply]
    if isinstance(reply, Boolean | Double):
        return reply.value
    return reply


def pairs(items: Sequence[object]) -> dict[str, object]:
    """Names and values in turn."""
    return {str(items[at]): items[at + 1] for at in range(0, len(items) - 1, 2)}


def text_of(reply: object) -> str:
    """A line."""
    return bytes(getattr(reply, "text", b"")).decode("utf-8", "replace")


def as_text(reply: object) -> str:
    """Anything: what is nested stands indented."""
    if isinstance(reply, dict | list):
        return json.dumps(reply, indent=2, ensure_ascii=False)
    return "" if reply is None else str(reply)


def peers_text(reply: object) -> str:
    """MESH PEERS as a table."""
    heads = ["NAME", "ADDRESS", "STATE", "LINK", "FEED", "SLOT", "ID"]
    rows = [heads]
    for each in reply if isinstance(reply, list) else []:
        if isinstance(each, dict):
            mark = "*" if each.get("self") else ""
            names = ("address", "state", "link", "feed", "slot", "id")
            rows.append([str(each.get("name") or "-") + mark,
                         *[str(each.get(name) or "-") for name in names]])  # fmt: skip
    widths = [max(len(row[at]) for row in rows) for at in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


SHAPES: Final[dict[str, Callable[[object], str]]] = {"peers": peers_text}
