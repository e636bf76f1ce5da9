"""Engine: the core without I/O. execute() for clients, replay() for peers, tick() for time.
[compiled]

No sockets, no files, no loop: whoever holds it gives it the time (`wake`) and carries its
replies. All that a command did is one Commit, published when the command, transaction or frame
ends, also when a handler failed after an effect: what was done is told, never rolled back.
"""

from __future__ import annotations

import random

from librt.time import time as now_s
from mypy_extensions import i32, i64

from conf import Config
from node.commands.args import echoed
from node.commands.command import CODES, NOSCRIPT, WRITE, Command, find, place_of
from node.commands.context import Context, Parked, Services
from node.commands.cron import Jobs
from node.eviction import Eviction
from node.gates import (
    ABORTED,
    CLOCK_AHEAD,
    HAS_OWNERS,
    IS_FENCED,
    IS_LOADING,
    IS_OVER_CAP,
    IS_READONLY,
    OVER_CAP,
    check,
    lost_by,
    not_ours,
    refused,
)  # fmt: skip
from node.journal import Commit
from node.ports import Clock, Resolver, Seen
from node.resp.replies import OK, Failure
from node.session import BLOCKED, MULTI, NOAUTH, Session
from node.store.effect import Effect
from node.store.keyspace import Database, Now
from node.store.writer import Writer

# Expired keys taken out in one tick: bounds the time a tick takes (about 1 us each).
EXPIRE_PER_TICK = 2000
FREE_PER_TICK = 2000


class Engine(Services):
    """One data set and the commands on it."""

    def __init__(self, config: Config, clock: Clock, resolver: Resolver, seed: int = 0) -> None:
        super().__init__(config)
        self.clock = clock
        self.now = Now()
        self.commit = Commit()
        self.writer = Writer(clock, resolver, self.commit, self.journal)
        self.databases = [
            Database(number, self.writer, self.now) for number in range(config.number("databases"))
        ]
        self.writer.databases = self.databases
        self.watch.databases = self.databases
        self.random = random.Random(seed)
        self.password = config.text("requirepass").encode("utf-8", "surrogateescape")
        self.changed("notify-keyspace-events")
        self.changed("maxmemory-policy")
        self.jobs = Jobs(self, self.writer)
        self.eviction = Eviction(self)
        self._next_session: i64 = 0
        self._began_s: float = 0.0

    def session(self) -> Session:
        """A new client."""
        self._next_session += 1
        ctx = Context(self.databases[0], self.writer, self)
        session = Session(self._next_session, ctx)
        session.created_s = self.time_s
        session.active_s = self.time_s
        ctx.session = session
        if self.password:
            session.flags |= NOAUTH
        self.sessions[int(session.id)] = session
        return session

    def end(self, session: Session) -> None:
        """The client is gone."""
        self.sessions.pop(int(session.id), None)
        self.watch.release(session)
        self.pubsub.leave(session)
        parked = self.parked.pop(int(session.id), None)
        if parked is not None:
            parked.done = True
            parked.cancelled()

    def wake(self, seconds: float) -> None:
        """The time now, once per read: all commands of the read see it."""
        self.time_s = seconds
        self._began_s = seconds
        ms = i64(seconds * 1000.0)
        clock = self.clock
        clock.now_ms = ms
        hybrid = clock.last >> 20
        if hybrid > ms:
            ms = hybrid
        now = self.now
        if ms > now.ms:
            now.ms = ms
        now.seconds = i32((ms // 1000) & 0x7FFFFFFF)

    def quick(self, code: i64) -> Command | None:
        """The command of the parser's number, where no more is needed than that.

        None where `execute` needs the name as sent: a container's error names it, and of two names
        with one place only the first stands there.
        """
        command = CODES[place_of(code)]
        if command.code == code and command.subcommands is None:
            return command
        return None

    def execute(
        self, session: Session, code: i64, args: list[bytes], data: bytes, start: i64, end: i64
    ) -> object:
        """Runs one command of a client; `data[start:end]` are its own bytes (end 0: not known).

        Returns the reply, or a Parked, which is answered later through the session's outlet.
        """
        command = find(code, args[0])
        if command is not None and command.subcommands is not None and len(args) > 1:
            command = command.subcommands.get(args[1].lower())
        if command is None:
            return self._unknown(session, args)
        return self.perform(session, command, args, data, start, end)

    def perform(
        self,
        session: Session,
        command: Command,
        args: list[bytes],
        data: bytes,
        start: i64,
        end: i64,
    ) -> object:
        """As `execute`, for a command that was looked up."""
        n: i64 = len(args)
        arity = command.arity
        if n != arity and (arity > 0 or n < -arity):
            return self._wrong_arity(session, command)
        if (session.flags | self.closed) != 0:
            refusal = check(self.closed, session, command, args)
            if refusal is not None:
                return self._instead(session, command, refusal)
        reply: object
        if command.flags & WRITE:
            commit = self.commit
            commit.data = data
            commit.start = start
            commit.end = end
            db = session.ctx.db
            hits = db.hits
            misses = db.misses
            self.notify.writing = True
            try:
                reply = command.run(session.ctx, args)
            except Failure as failure:
                reply = failure
                command.failed += 1
                self._count_error(failure)
            self.notify.writing = False
            db.hits = hits
            db.misses = misses
            if commit.count != 0:
                session.last_write = commit.stamp
                self.journal.publish(commit)
                if self.blocking.pending:
                    self.blocking.serve()
        else:
            try:
                reply = command.run(session.ctx, args)
            except Failure as failure:
                reply = failure
                command.failed += 1
                self._count_error(failure)
            if self.commit.count != 0:
                session.last_write = self.commit.stamp
                self.journal.publish(self.commit)
                if self.blocking.pending:
                    self.blocking.serve()
        command.calls += 1
        finished = now_s()
        # What came in one read is timed from command to command.
        if finished > self._began_s:
            command.seconds += finished - self._began_s
            self._began_s = finished
        if session.last_command is not command.fullname:
            session.last_command = command.fullname
        session.commands += 1
        self.processed += 1
        if reply is not OK and not isinstance(reply, bytes) and isinstance(reply, Parked):
            self._park(session, reply)
        return reply

    def _instead(self, session: Session, command: Command, reply: object) -> object:
        """A gate has answered, or another node will."""
        if isinstance(reply, Failure):
            command.rejected += 1
            self._count_error(reply)
        elif isinstance(reply, Parked):
            session.last_command = command.fullname
            self._park(session, reply)
        return reply

    def call(self, session: Session, args: list[bytes]) -> object:
        """Runs a queued command inside the current unit (EXEC): gates were passed when it
        queued."""
        command = find(0, args[0])
        if command is not None and command.subcommands is not None and len(args) > 1:
            command = command.subcommands.get(args[1].lower())
        if command is None:
            return Failure(b"ERR unknown command")
        self.commit.end = 0
        self.nested += 1
        db = session.ctx.db
        hits = db.hits
        misses = db.misses
        self.notify.writing = (command.flags & WRITE) != 0
        try:
            reply = command.run(session.ctx, args)
        except Failure as failure:
            reply = failure
            command.failed += 1
            self._count_error(failure)
        if command.flags & WRITE:
            db.hits = hits
            db.misses = misses
            self.notify.writing = False
        self.nested -= 1
        command.calls += 1
        return reply

    def scripted(self, session: Session, args: list[bytes]) -> object:
        command = find(0, args[0])
        n: i64 = len(args)
        if command is not None and command.subcommands is not None and n > 1:
            command = command.subcommands.get(args[1].lower())
        refusal: Failure | None = None
        if command is None:
            refusal = Failure(b"ERR Unknown Redis command called from script")
        elif n != command.arity and (command.arity > 0 or n < -command.arity):
            refusal = Failure(b"ERR Wrong number of args calling Redis command from script")
        elif command.flags & NOSCRIPT:
            refusal = Failure(b"ERR This Redis command is not allowed from script")
        elif self.closed != 0 and self.commit.count == 0:  # who has begun to write goes on
            refusal = refused(self.closed, session, command, command.flags)
        if refusal is None and command is not None and self.closed & HAS_OWNERS:
            refusal = not_ours(session, command, args)
        if refusal is None:
            return self.call(session, args)
        if command is not None:
            command.rejected += 1
        self._count_error(refusal)
        return refusal

    def refusal(self, session: Session) -> Failure | None:
        if self.closed & (IS_FENCED | IS_OVER_CAP):
            command = find(0, session.last_command)
            if command is not None and command.flags & WRITE:
                return CLOCK_AHEAD if self.closed & IS_FENCED else OVER_CAP
        if self.closed & HAS_OWNERS:
            parked = self.parked.get(int(session.id))
            if parked is not None:
                return lost_by(session, parked.keys)
        return None

    def now_s(self) -> float:
        return now_s()

    def replay(self, number: i64, effects: list[Effect], seen: Seen) -> None:
        """A peer's unit: applied as one, published as one, also where nothing of it shows.

        Who waits for what it wrote is not served before the caller counts the unit as seen, and
        calls `blocking.serve`: else a pop would not know of the push that it takes from.
        """
        commit = self.commit
        commit.end = 0
        db = self.databases[number]
        for effect in effects:
            if effect.db != db.number:
                db = self.databases[effect.db]
            self.writer.replay(db, effect, seen)
        if commit.count != 0:
            commit.stamp = effects[0].stamp
            commit.origin = effects[0].origin
            self.journal.publish(commit)

    def replay_one(self, number: i64, effect: Effect, seen: Seen) -> None:
        """As `replay`, for a unit of one effect."""
        commit = self.commit
        commit.end = 0
        self.writer.replay(self.databases[number], effect, seen)
        if commit.count != 0:
            commit.stamp = effect.stamp
            commit.origin = effect.origin
            self.journal.publish(commit)

    def publish(self) -> None:
        """Ends a unit that was made outside a command (eviction, a served waiter)."""
        if self.commit.count != 0:
            self.journal.publish(self.commit)

    def tick(self, seconds: float) -> bool:
        """Time passes: expiry, timeouts, freeing. True: there is more to do at once."""
        self.wake(seconds)
        self.commit.end = 0  # a refused command may have left its bytes; no unit of ours says them
        if self.blocking.pending:  # written by a merge walk
            self.blocking.serve()
        more = self.eviction.step()
        more = self.writer.free(FREE_PER_TICK) or more
        if self.active_expire and self.writer.may_expire:
            more = self._expire() or more
            if not self.closed & (IS_LOADING | IS_READONLY | IS_FENCED | IS_OVER_CAP):
                more = self.jobs.run_due() or more
        self._time_out()
        return more

    def time_out(self, seconds: float) -> None:
        """A parked client's time may be up; see Shell.wake_at."""
        self.wake(seconds)
        self._time_out()

    def _time_out(self) -> None:
        for parked in list(self.parked.values()):
            if parked.until_ms != 0 and parked.until_ms <= self.clock.now_ms:
                self.resume(parked, parked.timeout_reply())

    def _expire(self) -> bool:
        left = EXPIRE_PER_TICK
        for db in self.databases:
            if db.merging is not None:
                continue  # a peer may know a later deadline; who looks at a key merges it first
            if db.timed.size() != 0 and left > 0:
                left -= int(self.writer.lapse_due(db, left))
            if db.expires == 0:
                continue
            for key in db.deadlines.due(int(self.now.ms), left):
                left -= 1
                entry = db.keys.get(key)
                if entry is None or entry.deadline == 0:
                    continue
                if entry.deadline < self.now.ms:
                    self.writer.lapse(db, key, entry)
                else:
                    db.deadlines.add(key, int(entry.deadline))
        return left <= 0

    def _park(self, session: Session, parked: Parked) -> None:
        parked.session = session
        session.flags |= BLOCKED
        self.parked[int(session.id)] = parked
        if parked.until_ms != 0:
            self.shell.wake_at(parked.until_ms)

    def resume(self, parked: Parked, reply: object) -> None:
        """A parked client has its reply."""
        session = parked.session
        if parked.done or session is None:
            return
        parked.done = True
        if parked.keys:
            self.blocking.release(parked)
        session.flags &= ~BLOCKED
        self.parked.pop(int(session.id), None)
        session.outlet.resume(reply)

    def _unknown(self, session: Session, args: list[bytes]) -> Failure:
        if session.flags & MULTI:
            session.queue_failed = True
        command = find(0, args[0])
        if command is not None:
            failure = Failure(
                b"ERR unknown subcommand '%s'. Try %s HELP."
                % (echoed(args[1], 128), command.name.upper())
            )
        else:
            listed = b""
            for arg in args[1:]:
                if len(listed) >= 128:
                    break
                listed += b"'%s' " % echoed(arg, 128 - len(listed))
            failure = Failure(
                b"ERR unknown command '%s', with args beginning with: %s"
                % (echoed(args[0], 128), listed)
            )
        self._count_error(failure)
        return failure

    def _wrong_arity(self, session: Session, command: Command) -> Failure:
        if session.flags & MULTI:
            session.queue_failed = True
        command.rejected += 1
        text = b"wrong number of arguments for '%s' command" % command.fullname
        if command.name == b"exec":
            self.discard(session)
            failure = Failure(ABORTED % text)
        else:
            failure = Failure(b"ERR " + text)
        self._count_error(failure)
        return failure

    def _count_error(self, failure: Failure) -> None:
        code = failure.text.split(b" ", 1)[0]
        if code in self.errors:
            self.errors[code] += 1
        elif len(self.errors) < 128:  # as Redis: no more kinds than this are told apart
            self.errors[code] = 1
