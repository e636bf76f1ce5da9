"""LogNode: an engine with its append-only file in a folder, without loop, threads or sockets.

It is what node/__main__.py makes of AppendOnly, AofStore and LogLoader. Thread jobs run when they
are given, or where `steps` is set one by one; what is to happen soon waits in `queue`.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable
from pathlib import Path

import conf
from mesh.aof import AppendOnly
from mesh.aof_load import LogLoader
from mesh.clock import HybridClock
from mesh.dots import Streams
from mesh.member import Member
from mesh.merge.resolver import StampResolver
from node.commands.table import load
from node.digest import digest_of
from node.engine import Engine
from node.net.connection import Connection, Hub
from node.net.gate import ReplyGate
from node.persist.aof_store import AofStore
from node.persist.snapshot import Snapshots
from node.resp.client import command
from node.resp.parser import Parser
from tests.support.jobs import StepWorker, carry_out

START_S = 1_700_000_000.0
WALK_KEYS = 2


class LogNode:
    """One process start on a folder, which stays when the node is dropped (a crash)."""

    def __init__(
        self, folder: Path, *directives: str, steps: bool = False, time_s: float = START_S
    ) -> None:
        load()
        config = conf.load(["--appendonly", "yes", "--dir", str(folder), *directives]).config
        self.config = config
        self.queue: deque[Callable[[], None]] = deque()
        self.now_s = 1000.0
        self.streams = Streams(uuid.uuid4().bytes)
        resolver = StampResolver(self.streams)
        self.engine = Engine(config, HybridClock(), resolver)
        self.time_s = time_s
        self.engine.wake(time_s)
        self.member = Member(config, self.engine, resolver, b"a" * 32)
        self.snapshots = Snapshots(
            self.engine.writer, self.engine.databases, self.member.metadata, list,
            self.queue.append, WALK_KEYS,
        )  # fmt: skip
        self.worker = StepWorker(steps)
        self.hub = Hub(self.engine, self.queue.append, welcome, ignore, ignore)
        self.gate = ReplyGate(self.hub)
        self.aof = AppendOnly(
            config, self.engine, self.member, self.gate, self.queue.append,
            lambda seconds, callback: self.queue.append(callback), lambda: self.now_s,
        )  # fmt: skip
        self.store = AofStore(
            config, self.snapshots, self.worker, carry_out, lambda: self.now_s, self.aof, 1
        )
        self.aof.store = self.store
        self.session = self.engine.session()
        self.parser = Parser()
        self.frames = 0
        if config.yes("appendonly"):
            self._load()

    def _load(self) -> None:
        manifest = self.store.folder.read()
        if manifest is not None:
            loader = LogLoader(
                self.config, self.engine, self.member, self.store.folder, list, self.progress
            )
            loader.load(manifest)
            self.frames = loader.frames
        self.aof.start(manifest)
        if self.config.yes("active-replica"):
            self.activate()
        self.aof.started()

    def activate(self) -> None:
        """The node becomes a member of a mesh."""
        self.member.activate()
        while not self.member.activation_step(1 << 30):
            pass

    def progress(self, file: str, done: int) -> None:
        """A load says how far it is."""

    def __call__(self, *words: bytes | str) -> object:
        """One command, and what is due soon after it."""
        reply = self.tell(*words)
        self.turn()
        return reply

    def tell(self, *words: bytes | str) -> object:
        """One command; what is due soon stays due."""
        data = command(*(word.encode() if isinstance(word, str) else word for word in words))
        self.parser.feed(data)
        args = self.parser.next()
        assert args is not None
        if not args[0]:
            args[0] = self.parser.name()
        self.engine.wake(self.time_s)
        parser = self.parser
        return self.engine.execute(
            self.session, parser.code, args, parser.data, parser.start, parser.pos
        )

    def turn(self) -> None:
        """All that is due soon, and what that makes due."""
        while self.queue:
            self.queue.popleft()()

    def later(self, seconds: float) -> None:
        """Time passes."""
        self.now_s += seconds
        self.time_s += seconds
        self.engine.wake(self.time_s)
        self.aof.tick()
        self.turn()

    def digest(self) -> bytes:
        """What the node shows."""
        return digest_of(self.engine.databases)

    def increment(self) -> Path:
        """The file that is written now."""
        assert self.store.log.file is not None
        return self.store.log.file.path


def welcome(connection: Connection) -> bytes:
    """Everybody may connect."""
    return b""


def ignore(*_: object) -> None:
    """Nothing is logged."""
