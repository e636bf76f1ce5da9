"""LocalNode: an Engine without sockets, spoken to in text, with a clock that stands still until
told."""

from __future__ import annotations

import shlex

import conf
from mesh.clock import HybridClock
from node.commands.context import Parked
from node.commands.table import load
from node.engine import Engine
from node.journal import Commit
from node.ports import Clock, Reader, Resolver
from node.session import Outlet, Session
from node.store.effect import OP_NAMES, Effect

START_S = 1_700_000_000.0
EFFECTS_PLACE = 99


class Recorder(Reader):
    """Keeps the effects of every unit."""

    def __init__(self) -> None:
        self.units: list[list[Effect]] = []

    def read(self, commit: Commit) -> None:
        self.units.append(commit.effects())


class Inbox(Outlet):
    """What a client was sent outside its own commands."""

    def __init__(self) -> None:
        self.pushed: list[object] = []
        self.resumed: list[object] = []
        self.closed = ""

    def push(self, reply: object) -> None:
        self.pushed.append(reply)

    def resume(self, reply: object) -> None:
        self.resumed.append(reply)

    def close(self, reason: str) -> None:
        self.closed = reason

    def address(self) -> tuple[str, str]:
        return "127.0.0.1:50000", "127.0.0.1:6379"


class LocalNode:
    """One engine with as many clients as asked for; node("SET k v") speaks as the first."""

    def __init__(
        self,
        clock: Clock | None = None,
        resolver: Resolver | None = None,
        seed: int = 0,
        directives: tuple[str, ...] = (),
    ) -> None:
        load()
        config = conf.load([*directives]).config
        self.engine = Engine(config, clock or HybridClock(), resolver or Resolver(), seed=seed)
        self.time_s = START_S
        self.engine.wake(self.time_s)
        self.recorder = Recorder()
        self.engine.journal.wake(EFFECTS_PLACE, self.recorder)
        self.sessions: list[Session] = []
        self.session()

    def session(self) -> int:
        """A new client; returns its index."""
        session = self.engine.session()
        session.outlet = Inbox()
        self.sessions.append(session)
        return len(self.sessions) - 1

    def inbox(self, index: int = 0) -> Inbox:
        """What that client was pushed."""
        outlet = self.sessions[index].outlet
        assert isinstance(outlet, Inbox)
        return outlet

    def call(self, index: int, args: list[bytes]) -> object:
        """One command of one client; the reply object (a Parked while it waits)."""
        self.engine.wake(self.time_s)
        return self.engine.execute(self.sessions[index], 0, list(args), b"", 0, 0)

    def __call__(self, text: str, client: int = 0) -> object:
        reply = self.call(client, [word.encode() for word in shlex.split(text)])
        assert not isinstance(reply, Parked) or not reply.done
        return reply

    def advance(self, seconds: float) -> None:
        """Time passes, and the engine ticks once."""
        self.time_s += seconds
        self.engine.tick(self.time_s)

    def effects(self) -> list[str]:
        """The effects since the last call, as text: op, key, value."""
        lines = [describe(effect) for unit in self.recorder.units for effect in unit]
        self.recorder.units.clear()
        return lines


def describe(effect: Effect) -> str:
    """An effect as a line: `SADD s 1 2`."""
    words = [OP_NAMES[int(effect.op)], effect.key.decode("latin-1")]
    value = effect.value
    if isinstance(value, list):
        words += [item.decode("latin-1") for item in value[int(effect.number) :]]
    else:
        if isinstance(value, bytes):
            words.append(value.decode("latin-1"))
        elif value is not None:
            words.append(str(value))
        if effect.number:
            words.append(str(effect.number))
    return " ".join(words)
