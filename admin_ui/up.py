"""`plexis up`: a mesh of nodes on this machine, to try things with, until Ctrl-C.

Each node is a process of its own with a data directory and a log file. All follow each other; the
first one shows the admin page. When one ends by itself, all end, and its last words are shown.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final, TextIO

from node.resp.client import INCOMPLETE, ReplyParser, command

FIRST_PORT: Final = 6379
ADMIN_PORT: Final = 8379
# A demonstration on one machine: more nodes than this show nothing new and need n * n links.
NODES_MAX: Final = 16
# Ports looked at before giving up.
PORTS_TRIED: Final = 1000
START_SECONDS_MAX: Final = 30.0
STOP_SECONDS_MAX: Final = 10.0
POLL_SECONDS: Final = 0.02
LAST_WORDS: Final = 15
SOURCE: Final = Path(__file__).resolve().parent.parent

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2


class Stop(Exception):
    """A signal asked for the end."""


class Trouble(Exception):
    """The mesh cannot start, or a node has ended; the text is for the user."""


class Child:
    """One node: its ports, its directory, its process."""

    def __init__(self, number: int, port: int, admin: str, folder: Path) -> None:
        self.number = number
        self.port = port
        self.admin = admin
        self.folder = folder
        self.log = folder / "node.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """The node's name in the mesh."""
        return f"node-{self.number}"

    def start(self, others: Sequence[int], keeps_data: bool) -> None:
        """Starts the process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-m", "node", "--port", str(self.port), "--bind", "127.0.0.1"]
        words += ["--dir", str(self.folder), "--node-name", self.name, "--admin-bind", self.admin]
        words += ["--active-replica", "yes", "--multi-master", "yes"]
        if not keeps_data:
            words += ["--save", ""]
        for port in others:
            words += ["--replicaof", "127.0.0.1", str(port)]
        paths = [str(SOURCE), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
        with self.log.open("wb") as output:
            # A session of its own: Ctrl-C reaches this process alone, which then ends all in order.
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env=environment, start_new_session=True,
            )  # fmt: skip

    def check(self) -> None:
        """Trouble, with the end of its log, when the process has ended."""
        assert self.process is not None
        code = self.process.poll()
        if code is None:
            return
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        lines = self.log.read_text("utf-8", "replace").splitlines()[-LAST_WORDS:]
        said = "\n".join(f"    {line}" for line in lines)
        raise Trouble(f"{self.name} (port {self.port}) {how}; its last words:\n{said}")

    def ask(self, *words: str) -> bytes:
        """A node's answer as text, b"" where there is none yet."""
        parser = ReplyParser()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as line:
                line.sendall(command(*(word.encode() for word in words)))
                while (reply := parser.next()) is INCOMPLETE:
                    data = line.recv(65536)
                    if not data:
                        return b""
                    parser.feed(data)
        except OSError:
            return b""
        return reply if isinstance(reply, bytes) else b""

    def is_linked(self) -> bool:
        """Does it follow all the others now?"""
        return b"master_global_link_status:up" in self.ask("INFO", "replication")


def free_port(wanted: int, taken: set[int]) -> int:
    """`wanted`, or the next port on loopback that nobody has. Trouble: there is none near."""
    for port in range(wanted, min(wanted + PORTS_TRIED, 65536)):
        if port in taken:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        taken.add(port)
        return port
    raise Trouble(f"no port from {wanted} on is free")


def plan(count: int, folder: Path) -> list[Child]:
    """The nodes with the ports they will have."""
    taken: set[int] = set()
    children = []
    for number in range(1, count + 1):
        port = free_port(FIRST_PORT, taken)
        admin = f"127.0.0.1:{free_port(ADMIN_PORT, taken)}" if number == 1 else ""
        children.append(Child(number, port, admin, folder / f"node-{number}"))
    return children


def wait_until_linked(children: Sequence[Child]) -> None:
    """Returns when every node follows all others. Trouble: one has ended, or it takes too long."""
    deadline = time.monotonic() + START_SECONDS_MAX
    waiting = list(children) if len(children) > 1 else []
    while waiting:
        for child in children:
            child.check()
        waiting = [child for child in waiting if not child.is_linked()]
        if waiting and time.monotonic() > deadline:
            names = ", ".join(child.name for child in waiting)
            raise Trouble(f"not linked after {START_SECONDS_MAX:g} s: {names}; see the logs")
        if waiting:
            time.sleep(POLL_SECONDS)


def end(children: Sequence[Child]) -> None:
    """Asks all to end, waits, and kills what does not."""
    running = [each.process for each in children if each.process is not None]
    for process in running:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + STOP_SECONDS_MAX
    for process in running:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def describe(children: Sequence[Child], folder: Path, keeps_data: bool) -> str:
    """Five lines: what runs, and what to try."""
    first, last = children[0], children[-1]
    ports = ", ".join(str(child.port) for child in children)
    kept = "kept" if keeps_data else "removed at the end"
    return (
        f"{len(children)} nodes replicate to each other on ports {ports}. Ctrl-C ends them.\n"
        f"  write here:    redis-cli -p {first.port} set greeting hello\n"
        f"  read there:    redis-cli -p {last.port} get greeting\n"
        f"  watch:         http://{first.admin}/  or  plexis status --port {first.port}\n"
        f"  data and logs: {shlex.quote(str(folder))} ({kept})\n"
    )


def run(count: int, folder: Path, keeps_data: bool, out: TextIO) -> int:
    """Starts the nodes, tells about them, and stays until the end."""
    children = plan(count, folder)
    try:
        for child in children:
            child.start([each.port for each in children if each is not child], keeps_data)
        wait_until_linked(children)
        out.write(describe(children, folder, keeps_data))
        out.flush()
        while True:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            for child in children:
                child.check()
    except Stop:
        return OK
    finally:
        # From here on a second Ctrl-C must not leave processes behind.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        end(children)


def on_signal(number: int, frame: FrameType | None) -> None:
    """Ends `run` wherever it is."""
    raise Stop


def main(argv: Sequence[str] | None = None) -> int:
    """`plexis up`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="plexis up", description=__doc__)
    parser.add_argument("-n", "--nodes", type=int, default=2, help="how many (default 2)")
    parser.add_argument("--dir", type=Path, help="keep data and logs here")
    args = parser.parse_args(argv)
    if not 1 <= args.nodes <= NODES_MAX:
        sys.stderr.write(f"plexis up: --nodes is 1 to {NODES_MAX}\n")
        return USAGE
    before = {each: signal.signal(each, on_signal) for each in (signal.SIGINT, signal.SIGTERM)}
    keeps_data = args.dir is not None
    folder = args.dir.resolve() if keeps_data else Path(tempfile.mkdtemp(prefix="plexis-up-"))
    try:
        return run(args.nodes, folder, keeps_data, sys.stdout)
    except Stop:
        return OK
    except Trouble as trouble:
        sys.stderr.write(f"plexis up: {trouble}\n")
        return FAILED
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        if not keeps_data:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
