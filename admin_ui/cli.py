"""`plexis`, the command for people: `status` shows the admin page's views on a terminal, `mesh`
speaks the MESH commands.

Exit codes: 0 all is well, 1 the mesh has a problem, 2 wrong usage, 3 nobody answered. Passwords
come from a file or the environment, never from the command line, where `ps` would show them.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import importlib
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from admin_ui import cli_mesh, words
from admin_ui.identity import seen_from
from admin_ui.source import (
    PeerAccess,
    PeerConnection,
    PeerProblem,
    StatusSource,
    Survey,
    reason_of,
    split_address,
)
from admin_ui.views import MeshView, mesh_view
from mesh.status import MeshStatus
from node.resp.parser import ProtocolError
from node.status import NodeStatus

OK: Final = 0
PROBLEM: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
ANSWER_SECONDS_MAX: Final = 5.0
# A view of a thousand nodes is far smaller.
ANSWER_BYTES_MAX: Final = 64_000_000


class Unreachable(Exception):
    """The node that was asked gave no status; the text says why."""


class RemoteSource(StatusSource):
    """The statuses of the node that was asked, as the centre of a survey."""

    def __init__(self, node: NodeStatus, mesh: MeshStatus, address: str) -> None:
        peers = [replace(peer, address=seen_from(peer.address, address)) for peer in mesh.nodes]
        self._node: Final = node
        self._mesh: Final = replace(mesh, nodes=tuple(peers))

    def snapshot(self) -> tuple[NodeStatus, MeshStatus]:
        return self._node, self._mesh


async def ask_mesh(address: str, access: PeerAccess) -> MeshView:
    """The view from the node at `address`, which is asked and then its peers; `Unreachable`."""
    connection = PeerConnection(address, access)
    try:
        node, mesh = await connection.status()
    except TimeoutError as error:
        raise Unreachable(f"{address}: no answer in time") from error
    except (OSError, PeerProblem, ProtocolError, ValueError) as error:
        raise Unreachable(f"{address}: {reason_of(error)}") from error
    finally:
        connection.close()
    survey = Survey(RemoteSource(node, mesh, address), access, time.monotonic)
    try:
        return mesh_view(await survey.refresh())
    finally:
        survey.close()


def ask_admin(url: str, password: str) -> MeshView:
    """The view that the admin page at `url` serves; `Unreachable`."""
    request = urllib.request.Request(url.rstrip("/") + "/api/v1/mesh")
    if password:
        credentials = base64.b64encode(f"admin:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {credentials}")
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS_MAX) as answer:
            return MeshView.from_json(json.loads(answer.read(ANSWER_BYTES_MAX)))
    except urllib.error.HTTPError as error:
        hint = "; set PLEXIS_ADMIN_PASSWORD or --password-file" if error.code == 401 else ""
        raise Unreachable(f"{url}: {error.code} {error.reason}{hint}") from error
    except (OSError, ValueError) as error:
        raise Unreachable(f"{url}: {error}") from error


def render_table(view: MeshView) -> str:
    """The Overview as text: state, nodes, links, problems."""
    nodes = [
        [
            node.id + ("*" if node.is_self else ""),
            node.state,
            words.count(node.keys),
            words.count(node.ops_per_second),
            f"{node.links_up}/{node.links_total}",
            words.duration(node.heartbeat_age_ms),
            words.duration(node.apply_lag_ms),
            words.size(node.backlog_bytes),
            words.skew(node.clock_skew_ms),
            words.size(node.memory_used_bytes),
            words.duration(node.uptime_seconds * 1000 if node.uptime_seconds else None),
            node.plexis_version or words.UNKNOWN,
        ]
        for node in view.nodes
    ]
    node_heads = "NODE STATE KEYS OPS/S LINKS HEARTBEAT LAG BACKLOG SKEW MEMORY UPTIME VERSION"
    links = [
        [
            link.source,
            link.target,
            link.text,
            words.duration(link.heartbeat_age_ms),
            words.duration(link.apply_lag_ms),
            words.size(link.backlog_bytes),
            words.skew(link.clock_skew_ms),
            f"{link.resync_full}/{link.resync_partial}",
            link.last_error or words.UNKNOWN,
        ]
        for link in view.links
    ]
    link_heads = "FROM TO STATE HEARTBEAT LAG BACKLOG SKEW SYNCS ERROR"
    title = f"{view.name or 'mesh'}: {view.summary.state} - {view.summary.sentence}"
    parts = [title, _columns(node_heads.split(), nodes)]
    if links:
        parts.append(_columns(link_heads.split(), links))
    if view.problems:
        lines = [f"  {problem.severity}: {problem.text}" for problem in view.problems]
        parts.append("\n".join(["Problems:", *lines]))
    return "\n\n".join(parts) + "\n"


def _columns(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    texts = []
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        texts.append("  ".join(cells).rstrip())
    return "\n".join(texts)


def build_parser() -> argparse.ArgumentParser:
    """All subcommands; each sets `run`, a function of the parsed arguments to the exit code."""
    parser = argparse.ArgumentParser(prog="plexis", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    status = commands.add_parser("status", help="show nodes, links and problems")
    status.add_argument("--host", default="127.0.0.1", help="a node's address")
    status.add_argument("--port", type=int, default=6379, help="its RESP port")
    status.add_argument("--user", default="", help="ACL user, else the default one")
    status.add_argument("--admin", metavar="URL", help="ask an admin page instead of a node")
    status.add_argument("--password-file", type=Path, help="file with the password")
    status.add_argument("--output", choices=("table", "json"), default="table")
    status.add_argument(
        "--watch",
        type=float,
        nargs="?",
        const=1.0,
        metavar="SECONDS",
        help="repeat until interrupted",
    )
    status.set_defaults(run=run_status)
    cli_mesh.add_to(commands)
    up = commands.add_parser("up", help="start a mesh of nodes on this machine", add_help=False)
    up.add_argument("args", nargs=argparse.REMAINDER, help="see plexis up --help")
    up.set_defaults(run=run_up)
    return parser


def run_up(args: argparse.Namespace) -> int:
    """`plexis up`: everything behind the word `up` belongs to `admin_ui.up.main`."""
    return int(importlib.import_module("admin_ui.up").main(args.args))


def run_status(args: argparse.Namespace) -> int:
    """`plexis status`: once, or again and again with --watch."""
    try:
        password = _password(args)
        split_address(f"{args.host}:{args.port}")
    except (OSError, ValueError) as error:
        print(f"plexis status: {error}", file=sys.stderr)
        return USAGE
    while True:
        code = _show_status(args, password)
        if args.watch is None:
            return code
        time.sleep(max(args.watch, 0.1))


def _show_status(args: argparse.Namespace, password: str) -> int:
    try:
        if args.admin:
            view = ask_admin(args.admin, password)
        else:
            access = PeerAccess(args.user, password)
            view = asyncio.run(ask_mesh(f"{args.host}:{args.port}", access))
    except Unreachable as error:
        print(f"plexis status: {error}", file=sys.stderr)
        return UNREACHABLE
    if args.output == "json":
        text = json.dumps(view.to_json(), indent=None if args.watch else 2) + "\n"
    else:
        clear = "\x1b[H\x1b[2J" if args.watch is not None and sys.stdout.isatty() else ""
        text = clear + render_table(view)
    sys.stdout.write(text)
    sys.stdout.flush()
    return PROBLEM if view.problems else OK


def _password(args: argparse.Namespace) -> str:
    if args.password_file is not None:
        return str(args.password_file.read_text(encoding="utf-8")).rstrip("\n")
    return os.environ.get("PLEXIS_ADMIN_PASSWORD" if args.admin else "PLEXIS_PASSWORD", "")


def main(argv: Sequence[str] | None = None) -> int:
    """The `plexis` command; returns the exit code."""
    words_given = list(sys.argv[1:] if argv is None else argv)
    if words_given[:1] == ["up"]:
        # argparse would take an option right behind `up` for one of its own.
        args = argparse.Namespace(run=run_up, args=words_given[1:])
    else:
        args = build_parser().parse_args(words_given)
    try:
        return int(args.run(args))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of a pipe left, which is no error; keep the interpreter from flushing to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


if __name__ == "__main__":
    sys.exit(main())
