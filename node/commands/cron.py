"""KEYDB.CRON: scripts that run by the node's clock; and Jobs, which runs them.

A job is a key: DEL ends it, RENAME and COPY take it along, it runs in the database where its key
is. Its next time is KeyDB's: start and delay together are the first, then every delay; what was
missed is run once, at once. A script's effects are one unit, with the end of a single job in it. It
is run by the node that took the command, told from others by its member id in the value; everybody
else holds it and does nothing (docs/decisions/0015).
"""

from __future__ import annotations

from functools import partial
from typing import Final

from node.commands.args import integer, invalid_expire
from node.commands.command import DENYOOM, WRITE, Command, at
from node.commands.context import Context, Services
from node.resp.numbers import string_to_i64
from node.resp.replies import OK, Failure
from node.script.lua import Lua
from node.session import Session
from node.store.effect import DROP, PUT
from node.store.events import CRON_EXECUTED, NO_EVENT
from node.store.jobs import reschedule
from node.store.keyspace import Database
from node.store.values.cron import CronValue
from node.store.values.strings import I64_MAX
from node.store.writer import Writer

# Between two of as many, clients are served: each may take as long as a script may.
RUNS_PER_TICK: Final = 20


def cron(ctx: Context, args: list[bytes]) -> object:
    """KEYDB.CRON. A number where the script would stand says that a start was given."""
    how = args[2].lower()
    if how not in (b"single", b"repeat"):
        raise Failure(b"ERR syntax error")
    start_ms = int(ctx.now_ms())
    interval_ms = integer(args[3], b"ERR missing expire time")
    script_at = 4
    second = string_to_i64(args[4])
    if second is not None:
        start_ms, interval_ms = interval_ms, int(second)
        script_at = 5
    if interval_ms <= 0:
        raise Failure(b"ERR interval must be positive")
    if script_at >= len(args):
        raise Failure(b"ERR wrong number of arguments for 'keydb.cron' command")
    if start_ms > I64_MAX - interval_ms:
        raise invalid_expire(b"keydb.cron")
    keys_at = script_at + 2
    count = integer(args[script_at + 1]) if len(args) > script_at + 1 else 0
    if count < 0:
        raise Failure(b"ERR Number of keys can't be negative")
    if count > max(0, len(args) - keys_at):
        raise Failure(b"ERR Missing arguments or numkeys is too big")
    keys = args[keys_at : keys_at + count]
    job = CronValue(args[script_at], keys, args[keys_at + count :], start_ms, interval_ms)
    job.is_single = how == b"single"
    job.author = ctx.services.member
    ctx.reworded()
    ctx.emit(PUT, args[1], job, 0, NO_EVENT)
    return OK


def lua_of(services: Services) -> Lua:
    """The engine's one Lua, made when it is first needed."""
    lua = services.lua
    if not isinstance(lua, Lua):
        lua = Lua(services.shell.script_said, services.now_s)
        services.lua = lua
    return lua


class Jobs:
    """Runs what is due; the engine asks at every tick."""

    def __init__(self, services: Services, writer: Writer) -> None:
        self._services = services
        self._writer = writer
        self._session: Session | None = None

    def run_due(self) -> bool:
        """Runs up to RUNS_PER_TICK jobs; True: there may be more to do at once."""
        left = RUNS_PER_TICK
        for db in self._services.databases:
            now_ms = int(db.now.ms)
            if db.jobs.first_ms > now_ms or left <= 0:
                continue
            waiting: list[tuple[bytes, int]] = []
            for key in db.jobs.due(now_ms, left):
                left -= 1
                job = db.glance(key)
                if not isinstance(job, CronValue) or job.author != self._services.member:
                    continue
                if job.due_ms > now_ms:
                    waiting.append((key, int(job.due_ms)))
                else:
                    self._run(db, key, job)
            for key, due_ms in waiting:
                db.jobs.note(key, due_ms)
        return left <= 0

    def _run(self, db: Database, key: bytes, job: CronValue) -> None:
        services = self._services
        session = self._own_session()
        session.ctx.db = db
        perform = partial(services.scripted, session)
        services.cron_runs += 1
        try:
            reply = lua_of(services).run(perform, job.script, job.keys, job.args)
        finally:
            self._settle(db, key, job)
        if isinstance(reply, Failure):
            services.cron_failures += 1
            services.shell.job_failed(int(db.number), key, reply.text)
        services.notify.fire(int(db.number), CRON_EXECUTED, key)

    def _settle(self, db: Database, key: bytes, job: CronValue) -> None:
        """Ends the unit: a single job goes, another waits for its next time.

        Not where the script has removed or replaced its own job; where it has moved it to another
        database, there.
        """
        for each in (db, *self._services.databases):
            if each.glance(key) is not job:
                continue
            if job.is_single:
                Context(each, self._writer, self._services).emit(DROP, key, None, 0, NO_EVENT)
            else:
                reschedule(self._writer, each, key, job.after(each.now.ms))
            break
        self._services.publish()
        if self._services.blocking.pending:
            self._services.blocking.serve()

    def _own_session(self) -> Session:
        """Nobody's client: not listed, allowed everything, as a job has no user."""
        session = self._session
        if session is None:
            ctx = Context(self._services.databases[0], self._writer, self._services)
            session = Session(0, ctx)
            ctx.session = session
            self._session = session
        return session


COMMANDS: tuple[Command, ...] = (
    Command(
        "KEYDB.CRON name <SINGLE | REPEAT> [start-milliseconds] delay-milliseconds script"
        " [numkeys [key [key ...]] [arg [arg ...]]]",
        cron, WRITE | DENYOOM, keys=(at(1, "OW", "UPDATE"),),
        cost="O(1) to make the job; when it runs, that of its script",
        about=(
            "Lets a script run once or again and again, by the clock of the node that was asked;"
            " others hold the job and do not run it."
        ),
    ),
)
