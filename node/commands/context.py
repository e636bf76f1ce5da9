"""Context: what a handler may touch.  [compiled]

Made once per session; nothing in it is set per command. A handler reads values, decides, and asks
for effects by `emit`; it never sees an Entry.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from mypy_extensions import i64, mypyc_attr

from conf import Config
from node.journal import Journal
from node.ports import Owners
from node.pubsub import PubSub
from node.readers.blocking import Blocking, Waiter
from node.readers.notify import Notify
from node.readers.watch import Watch
from node.resp.replies import Failure
from node.store.frequency import Frequency
from node.store.keyspace import Database
from node.store.values.hashes import HashValue
from node.store.values.lists import ListValue
from node.store.values.sets import SetValue
from node.store.values.stream_nodes import NodeLimits
from node.store.values.streams import StreamValue
from node.store.values.zsets import ZSetValue
from node.store.writer import Writer

if TYPE_CHECKING:
    from node.session import Session

WRONG_TYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"


@mypyc_attr(allow_interpreted_subclasses=True)
class Parked(Waiter):
    """A handler's reply that says: not yet. The client is parked until `until_ms` (0: for ever).

    Whoever can answer it keeps it and calls engine.resume(parked, reply); at the deadline the
    engine answers `timeout_reply()`.
    """

    def __init__(self, until_ms: i64) -> None:
        super().__init__()
        self.until_ms: i64 = until_ms
        self.session: Session | None = None
        self.done = False

    def timeout_reply(self) -> object:
        """What the client is told when its time is up."""
        return None

    def cancelled(self) -> None:
        """The client went away."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Shell:
    """What needs the outside: files, sockets, the loop. The composition root fills it in.

    The defaults are those of an engine alone, as tests use it.
    """

    def save(self, background: bool, schedule: bool = False) -> object:
        """SAVE and BGSAVE: the reply, or a Parked until it is written."""
        raise Failure(b"ERR saving is not configured on this engine")

    def last_save_s(self) -> int:
        """Unix time of the last good save (LASTSAVE)."""
        return 0

    def shutdown(self, save: bool | None, now: bool, force: bool) -> object:
        """SHUTDOWN: None where the process will end; else the error reply."""
        raise Failure(b"ERR Errors trying to SHUTDOWN. Check logs.")

    def apply(self, name: str) -> None:
        """A directive was changed by CONFIG SET: act on it. Failure where it cannot be applied."""

    def info(self, section: str) -> list[tuple[str, object]]:
        """Fields of INFO that only the outside knows, by section name in lower case.

        A field of Redis takes Redis's place in the section (node/info.py), whatever the order here,
        and wins over the engine's own value; others follow at the end. `replication` is taken as
        it is once it has fields. A section that Redis does not have is `mesh`.
        """
        return []

    def rewrite_config(self) -> None:
        """CONFIG REWRITE: brings `config.file` up to date. Failure where it cannot be written."""
        raise Failure(b"ERR The server is running without a config file")

    def reset_stats(self) -> None:
        """CONFIG RESETSTAT, for counters that only the outside has."""

    def role(self) -> list[object]:
        """ROLE's reply."""
        return [b"master", 0, []]

    def wake_at(self, ms: i64) -> None:
        """A parked client's time is up at this Unix time in ms: `engine.time_out` is due then."""

    def script_said(self, level: int, text: bytes) -> None:
        """redis.log: 0 debug, 1 verbose, 2 notice, 3 warning."""

    def job_failed(self, number: int, key: bytes, error: bytes) -> None:
        """A job of KEYDB.CRON in this database has ended with an error reply."""


class Services:
    """What lies behind commands that are about the node, not about keys; Engine is the one
    subclass."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.shell = Shell()
        self.journal = Journal()
        self.random = random.Random(0)
        self.sessions: dict[int, Session] = {}
        self.databases: list[Database] = []
        self.errors: dict[bytes, int] = {}
        self.processed: i64 = 0
        self.closed: i64 = 0
        self.password = b""
        self.time_s: float = 0.0
        self.active_expire = True
        self.parked: dict[int, Parked] = {}
        self.nested: i64 = 0  # inside EXEC: nothing may park
        self.pubsub = PubSub()
        self.watch = Watch(self.journal)
        self.blocking = Blocking(self.journal)
        self.notify = Notify(self.journal, self.pubsub)
        self.stream_limits = stream_limits(config)
        self.auth_denied: i64 = 0
        self.log_error = b""  # why the append-only file cannot be written
        self.member = b""  # this node's member id; b"" for an engine that stands for itself
        self.lua: object = None  # node.script.lua.Lua, made by the first script
        self.cron_runs: i64 = 0
        self.cron_failures: i64 = 0
        self.evicted_keys: i64 = 0
        self.owners = Owners()
        self.decided_here: i64 = 0  # locks and their kin that this node alone decided, told of

    def call(self, session: Session, args: list[bytes]) -> object:
        """Runs a command inside the current unit, without gates: EXEC."""
        return None

    def scripted(self, session: Session, args: list[bytes]) -> object:
        """Runs a command of a script inside the current unit: redis.call."""
        return None

    def refusal(self, session: Session) -> Failure | None:
        """Why a parked client may not be served now, as its command would write."""
        return None

    def now_s(self) -> float:
        """A clock to measure by, not to date by."""
        return 0.0

    def changed(self, name: str) -> None:
        """A directive has another value (CONFIG SET): the engine's own parts act on it."""
        if name == "notify-keyspace-events":
            self.notify.configure(self.config.text(name), self.databases)
        elif name == "maxmemory-policy" or name.startswith("lfu-"):
            self.count_uses()
        if name.startswith("stream-node-"):
            self.stream_limits = stream_limits(self.config)

    def count_uses(self) -> None:
        """Begins or ends counting how often keys are used, as the eviction policy asks."""
        config = self.config
        frequency: Frequency | None = None
        if "lfu" in config.text("maxmemory-policy"):
            frequency = Frequency(config.number("lfu-log-factor"), config.number("lfu-decay-time"))
        for db in self.databases:
            db.frequency = frequency

    def discard(self, session: Session) -> None:
        """Ends the client's transaction without running it, and its watches (DISCARD, RESET)."""
        session.leave_multi()
        self.forget_watches(session)

    def forget_watches(self, session: Session) -> None:
        """UNWATCH: also forgets that a key was touched."""
        self.watch.release(session)
        session.spoiled = False

    def resume(self, parked: Parked, reply: object) -> None:
        """A parked client has its reply."""

    def publish(self) -> None:
        """Ends a unit that was made outside a command (eviction, a served waiter)."""


class Context:
    """The database, the writer and the session of one client."""

    def __init__(self, db: Database, writer: Writer, services: Services) -> None:
        self.db = db
        self.writer = writer
        self.services = services
        self.session: Session | None = None

    def now_ms(self) -> i64:
        """Hybrid time in ms, one value for all commands of a read."""
        return self.db.now.ms

    def emit(
        self, op: i64, key: bytes, value: object = None, number: i64 = 0, events: i64 = 0
    ) -> i64:
        """Makes an effect happen; returns the op's number (how many were new, the new total)."""
        return self.writer.emit(self.db, op, key, value, number, events)

    def reworded(self) -> None:
        """The client's own bytes do not say exactly the effect (relative time, options)."""
        self.writer.commit.end = 0

    def client(self) -> Session:
        """The session whose command runs."""
        session = self.session
        assert session is not None
        return session

    def find(self, key: bytes) -> object:
        """The key's value of any type, None where it is absent."""
        entry = self.db.find(key)
        if entry is None:
            return None
        return entry.value

    def touch(self, key: bytes) -> bool:
        """TOUCH: the key counts as used, whoever asks. Is it there?"""
        return self.db.find(key) is not None

    def peek(self, key: bytes) -> object:
        """As `find`, but the key does not count as used: TYPE, EXISTS, OBJECT."""
        entry = self.db.peek(key)
        if entry is None:
            return None
        return entry.value

    def deadline(self, key: bytes) -> i64:
        """The key's deadline in ms: 0 none, -1 where the key is absent. Does not count as use."""
        entry = self.db.peek(key)
        if entry is None:
            return -1
        return entry.deadline

    def stamp(self, key: bytes) -> i64:
        """The stamp of the key's newest write (ms << 20), -1 where absent. Does not count as use.

        An increment and a removal leave a stamp as it is while the mesh is on.
        """
        entry = self.db.peek(key)
        if entry is None:
            return -1
        return entry.stamp

    def idle_s(self, key: bytes) -> i64:
        """Seconds since the key was last used, -1 where it is absent. Does not count as use."""
        entry = self.db.peek(key)
        if entry is None:
            return -1
        idle = i64(self.db.now.seconds) - i64(entry.clock)
        return idle if idle > 0 else 0

    def string(self, key: bytes) -> object:
        """A string's value (bytes, or int for a counter), None where absent; else WRONGTYPE."""
        entry = self.db.find(key)
        if entry is None:
            return None
        value = entry.value
        if isinstance(value, bytes) or isinstance(value, int):
            return value
        raise wrong_type()

    def set(self, key: bytes) -> SetValue | None:
        """A set, None where absent; else WRONGTYPE."""
        entry = self.db.find(key)
        if entry is None:
            return None
        value = entry.value
        if isinstance(value, SetValue):
            return value
        raise wrong_type()

    def hash(self, key: bytes) -> HashValue | None:
        """A hash, None where absent; else WRONGTYPE."""
        entry = self.db.find(key)
        if entry is None:
            return None
        value = entry.value
        if isinstance(value, HashValue):
            return value
        raise wrong_type()

    def list(self, key: bytes) -> ListValue | None:
        """A list, None where absent; else WRONGTYPE."""
        entry = self.db.find(key)
        if entry is None:
            return None
        value = entry.value
        if isinstance(value, ListValue):
            return value
        raise wrong_type()

    def zset(self, key: bytes) -> ZSetValue | None:
        """A sorted set, None where absent; else WRONGTYPE."""
        entry = self.db.find(key)
        if entry is None:
            return None
        value = entry.value
        if isinstance(value, ZSetValue):
            return value
        raise wrong_type()

    def stream(self, key: bytes) -> StreamValue | None:
        """A stream, None where absent; else WRONGTYPE."""
        entry = self.db.find(key)
        if entry is None:
            return None
        value = entry.value
        if isinstance(value, StreamValue):
            return value
        raise wrong_type()


class QuietContext(Context):
    """The context of a client that has asked for CLIENT NO-TOUCH: what it reads stays unused.

    A member or field it adds to a key counts as use, as a new value does in Redis.
    """

    def find(self, key: bytes) -> object:
        return self.peek(key)

    def string(self, key: bytes) -> object:
        value = self.peek(key)
        if value is None or isinstance(value, (bytes, int)):
            return value
        raise wrong_type()

    def set(self, key: bytes) -> SetValue | None:
        value = self.peek(key)
        if value is None or isinstance(value, SetValue):
            return value
        raise wrong_type()

    def hash(self, key: bytes) -> HashValue | None:
        value = self.peek(key)
        if value is None or isinstance(value, HashValue):
            return value
        raise wrong_type()

    def list(self, key: bytes) -> ListValue | None:
        value = self.peek(key)
        if value is None or isinstance(value, ListValue):
            return value
        raise wrong_type()

    def zset(self, key: bytes) -> ZSetValue | None:
        value = self.peek(key)
        if value is None or isinstance(value, ZSetValue):
            return value
        raise wrong_type()

    def stream(self, key: bytes) -> StreamValue | None:
        value = self.peek(key)
        if value is None or isinstance(value, StreamValue):
            return value
        raise wrong_type()


def wrong_type() -> Failure:
    """The error for a key of another type."""
    return Failure(WRONG_TYPE)


def stream_limits(config: Config) -> NodeLimits:
    """When a node of a stream is full."""
    return NodeLimits(
        config.number("stream-node-max-entries"), config.number("stream-node-max-bytes")
    )
