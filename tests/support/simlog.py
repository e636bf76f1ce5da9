"""SimLog: the append-only file of a simulated node, in a folder, with the product's own code.

What mesh/aof.py and node/persist/aof_store.py do is done at once or when the node works; what a
crash takes is known: everything behind the last flush may be lost, cut anywhere.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mesh.aof import AppendOnly
from mesh.aof_load import LogLoader
from node.net.connection import Connection, Hub
from node.net.gate import ReplyGate
from node.persist.aof_store import AofStore, Owner
from tests.support.jobs import StepWorker, carry_out

if TYPE_CHECKING:
    from tests.support.simnode import SimNode

# In memory where the machine has such a place: thousands of stories write files.
FOLDER = "/dev/shm" if os.path.isdir("/dev/shm") and os.access("/dev/shm", os.W_OK) else None
REWRITE_BYTES = 6_000  # auto-aof-rewrite-min-size


class Watched(Owner):
    """AppendOnly, and beside it how many bytes of the file a crash cannot take."""

    def __init__(self, aof: AppendOnly) -> None:
        self.aof = aof
        self.sealed_bytes = 0
        self.durable_bytes = 0

    def collect(self) -> None:
        self.aof.collect()

    def sealed(self) -> None:
        log = self.aof.store.log
        self.sealed_bytes = log.size + log.buffered_bytes - log.pending_bytes
        self.aof.sealed()

    def durable(self) -> None:
        self.durable_bytes = self.sealed_bytes
        self.aof.durable()

    def failed(self, error: OSError) -> None:
        self.aof.failed(error)

    def healed(self) -> None:
        self.aof.healed()

    def switched(self) -> None:
        self.durable_bytes = self.sealed_bytes = 0
        self.aof.switched()

    def based(self) -> None:
        self.aof.based()

    def rewrite_failed(self, error: str) -> None:
        self.aof.rewrite_failed(error)


class SimLog:
    """One node's folder through all its process starts."""

    def __init__(self, node: SimNode, policy: str) -> None:
        self.node = node
        self.policy = policy
        self.folder = tempfile.TemporaryDirectory(prefix="plexis-simulation-", dir=FOLDER)
        self.aof: AppendOnly | None = None
        self.owner: Watched | None = None
        self.worker = StepWorker(False)

    def directives(self) -> list[str]:
        """What the node's configuration says of it."""
        return [
            "--appendonly", "yes", "--dir", self.folder.name, "--appendfsync", self.policy,
            "--auto-aof-rewrite-min-size", str(REWRITE_BYTES),
        ]  # fmt: skip

    def boot(self) -> None:
        """A process start: the folder's files are loaded, and the log goes on at their end."""
        node = self.node
        engine, config = node.engine, node.engine.config
        clock: Callable[[], float] = lambda: node.world.time_s  # noqa: E731
        soon = node.queue.append
        self.worker = StepWorker(self.policy != "always")
        hub = Hub(engine, soon, welcome, ignore, ignore)
        aof = AppendOnly(
            config, engine, node.member, ReplyGate(hub), soon,
            lambda seconds, callback: soon(callback), clock,
        )  # fmt: skip
        self.aof = aof
        self.owner = Watched(aof)
        aof.store = AofStore(
            config, node.snapshots, self.worker, carry_out, clock, self.owner, pid=1
        )
        manifest = aof.store.folder.read()
        if manifest is not None:
            LogLoader(
                config, engine, node.member, aof.store.folder, list, ignore
            ).load(manifest)
        node.member.loaded()
        aof.start(manifest)
        if aof.store.log.file is not None:
            self.owner.durable_bytes = aof.store.log.size

    def started(self) -> None:
        """The node serves clients."""
        assert self.aof is not None
        self.aof.started()

    def held(self) -> dict[bytes, int]:
        """What is on the disk."""
        assert self.aof is not None
        return self.aof.held_vector() or {}

    def tick(self) -> None:
        """Several times a second."""
        assert self.aof is not None
        self.aof.tick()

    def save(self) -> None:
        """All that the node has is on the disk: what came by a transfer, with a new file."""
        assert self.aof is not None
        store = self.aof.store
        if not store.on:
            return
        store.settle()
        self.aof.tick()
        while store.rewriting and self.node.work():
            pass

    def work(self) -> bool:
        """One job of the other threads. False: there was none."""
        if not self.worker.jobs:
            return False
        self.worker.step()
        return True

    def crash(self, kept_permille: int) -> None:
        """The process dies; of what was written but not flushed so much of the beginning stays."""
        aof, owner = self.aof, self.owner
        if aof is None or owner is None:
            return
        self.worker.jobs.clear()
        log = aof.store.log
        file, whole = log.file, log.size
        aof.store.cancel()
        log.file = None
        if file is None:
            return
        file.close()
        kept = owner.durable_bytes + (whole - owner.durable_bytes) * kept_permille // 1000
        os.truncate(file.path, max(kept, 0))

    def wipe(self) -> None:
        """The disk is empty."""
        self.crash(0)
        for each in sorted(Path(self.folder.name).rglob("*"), reverse=True):
            if each.is_dir():
                each.rmdir()
            else:
                each.unlink()

    def close(self) -> None:
        """Nothing of it is needed any more."""
        self.crash(0)
        self.folder.cleanup()


def welcome(connection: Connection) -> bytes:
    """Everybody may connect."""
    return b""


def ignore(*_: object) -> None:
    """Nothing is logged, nobody is told."""


