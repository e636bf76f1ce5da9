"""Two servers side by side: our engine and a real Redis get the same lines, and must answer alike.

A run is a list of acts, an act a list of lines: a client's command, or one that may wait while
another client writes. Replies are compared line by line, keyspace events where they are listened
to, and at the end everything stored. tests/commands/test_differential.py says what is not compared
and what is meant to differ.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from node.commands.command import TABLE
from node.commands.context import Parked
from node.store.values.value import Value
from node.store.values.zsets import ZSetValue
from tests.support.grammar import Documented, Maker
from tests.support.grammar_values import KEYS
from tests.support.servers import RealRedis, wait_until
from tests.support.targets import EngineTarget, RedisTarget
from tests.support.transcript import Shown

CLIENT, OTHER, LISTENER, CONTROL = 1, 2, 3, 4
DATABASES = 3
# Directives that say when a value is held in another way, as they are and so that few elements do.
LIMITS = [
    (b"hash-max-listpack-entries", b"512", b"4"), (b"hash-max-listpack-value", b"64", b"10"),
    (b"set-max-intset-entries", b"512", b"5"), (b"set-max-listpack-entries", b"128", b"4"),
    (b"set-max-listpack-value", b"64", b"10"), (b"zset-max-listpack-entries", b"128", b"4"),
    (b"zset-max-listpack-value", b"64", b"10"), (b"list-max-listpack-size", b"-2", b"4"),
    (b"stream-node-max-entries", b"100", b"2"), (b"hll-sparse-max-bytes", b"3000", b"40"),
]  # fmt: skip
# Every class; who looks for a key in vain is told too.
EVENTS = b"AEnocm"


@dataclass(frozen=True)
class Line:
    """One command. `waits`: of the other client, which may have to wait for its reply; a line
    without words then ends the wait."""

    words: tuple[bytes, ...]
    client: int = CLIENT
    waits: bool = False


@dataclass
class Judge:
    """What counts as equal: `alike` by the command's name, `meant` for known differences, `parts`
    where a command has left the servers with other data, so that its key has to go."""

    alike: Callable[[str, Shown, Shown], bool]
    meant: Callable[[list[bytes], Shown, Shown], bool]
    parts: Callable[[list[bytes], bytes], bool]


class Difference(Exception):
    """The servers do not answer alike."""

    def __init__(self, words: list[bytes], ours: object, theirs: object) -> None:
        super().__init__(f"{words!r}\nours:  {ours}\nRedis: {theirs}")
        self.words = words


class Patient(EngineTarget):
    """Our engine, where the time of a parked command is up at once."""

    def call(self, client: int, argv: list[bytes]) -> Shown:
        node = self.node
        reply = node.call(self.session_of(client), argv)
        if not isinstance(reply, Parked):
            self.collect()
            return self.written(client, reply)[0]
        if not reply.done:
            node.time_s = float(reply.until_ms) / 1000.0
            node.engine.time_out(node.time_s)
        return self.receive(client)

    def session_of(self, client: int) -> int:
        """The number of the client's session."""
        if client not in self.sessions:
            self.sessions[client] = self.node.session()
        return self.sessions[client]

    def begin(self, client: int, argv: list[bytes]) -> bool:
        """Sends a command that may wait. True: it does."""
        reply = self.node.call(self.session_of(client), argv)
        if isinstance(reply, Parked):
            return not reply.done
        self.unread.setdefault(client, []).extend(self.written(client, reply))
        return False

    def heard(self) -> list[bytes]:
        """The events that the listener was pushed since the last call."""
        self.collect()
        pushed = self.unread.get(LISTENER, [])
        self.unread[LISTENER] = []
        return [event_of(shown) for shown in pushed]


def event_of(shown: Shown) -> bytes:
    """A keyspace event: database, name and key."""
    _, _, channel, key = shown.items
    return channel.text.removeprefix(b"__keyevent@") + b" " + key.text


class Pair:
    """The two servers, emptied; each line goes to both."""

    def __init__(
        self, redis: RealRedis, judge: Judge, version: bytes, listens: bool, is_small: bool
    ) -> None:
        self.judge = judge
        self.ours = Patient()
        self.theirs = RedisTarget(redis)
        self.listens = listens
        self.history: list[Line] = []
        self.queued: list[list[bytes]] = []
        self.waits = False
        self.ids: list[bytes] = []
        for target in (self.ours, self.theirs):
            target.call(CONTROL, [b"DEBUG", b"SET-ACTIVE-EXPIRE", b"0"])
            target.call(CLIENT, [b"HELLO", version])
            target.call(OTHER, [b"HELLO", version])
            self.ids.append(target.call(OTHER, [b"CLIENT", b"ID"]).text)
            for name, usual, small in LIMITS:
                limit = small if is_small else usual
                target.call(CONTROL, [b"CONFIG", b"SET", name, limit])
            events = EVENTS if listens else b""
            target.call(CONTROL, [b"CONFIG", b"SET", b"notify-keyspace-events", events])
            if listens:
                target.call(LISTENER, [b"HELLO", b"3"])
                target.call(LISTENER, [b"PSUBSCRIBE", b"__keyevent@*"])

    def close(self) -> None:
        """Ends the connections."""
        self.theirs.close()

    def send(self, line: Line) -> None:
        """One line to both. Difference where they do not answer alike."""
        self.history.append(line)
        if self.is_uneven(line):
            return
        self.ours.node.time_s = time.time()
        words = list(line.words)
        if not line.waits:
            self.command(line.client, words)
        elif words:
            self.begin(words)
        else:
            self.end()
        self.compare_events(words)

    def is_uneven(self, line: Line) -> bool:
        """A range by names of members with different scores: Redis says it is unspecified."""
        name = line.words[0].lower() if line.words else b""
        if b"lex" not in name and b"BYLEX" not in [word.upper() for word in line.words]:
            return False
        db = self.ours.node.sessions[self.ours.session_of(line.client)].ctx.db
        for key in line.words[1:3]:
            value = db.glance(key)
            if isinstance(value, ZSetValue) and len(set(value.scores(0, value.size()))) > 1:
                return True
        return False

    def command(self, client: int, words: list[bytes]) -> None:
        """A command that answers at once."""
        self.theirs.clients[client].send(words)  # Redis works while we do
        ours = self.ours.call(client, words)
        theirs = self.theirs.receive(client)
        self.compare(words, ours, theirs)
        if ours.text == b"QUEUED":
            self.queued.append(words)
        elif words[0].lower() in (b"exec", b"discard"):
            for each in self.queued:
                self.part(client, each, False)
            self.queued = []
        else:
            self.part(client, words, ours != theirs)

    def compare(self, words: list[bytes], ours: Shown, theirs: Shown) -> None:
        """Difference where the replies are not alike and not meant to differ."""
        if ours == theirs:
            return
        count = len(self.queued)
        if words[0].lower() == b"exec" and len(ours.items) == len(theirs.items) == count > 0:
            for each, mine, yours in zip(self.queued, ours.items, theirs.items, strict=True):
                self.compare(each, mine, yours)
            return
        if not self.judge.alike(full_name(words), ours, theirs) and not self.judge.meant(
            words, ours, theirs
        ):
            raise Difference(words, ours, theirs)

    def part(self, client: int, words: list[bytes], differ: bool) -> None:
        """Deletes what the two cannot have alike after this command, in its client's database."""
        if len(words) < 2:
            return
        db = self.ours.node.sessions[self.ours.session_of(client)].ctx.db
        value = db.glance(words[1])
        kind = value.kind() if isinstance(value, Value) else b""
        if self.judge.parts(words, b"any" if differ else kind):
            for target in (self.ours, self.theirs):
                target.call(client, [b"DEL", words[1]])

    def begin(self, words: list[bytes]) -> None:
        """The other client sends what may wait."""
        self.waits = self.ours.begin(OTHER, words)
        self.theirs.call(OTHER, [b"PING"])
        self.theirs.clients[OTHER].send(words)
        if self.waits:
            wait_until(self.redis_waits, f"{words!r} waits on Redis, as it does on ours")
        else:
            self.compare(words, self.ours.receive(OTHER), self.theirs.receive(OTHER))

    def redis_waits(self) -> bool:
        """Has Redis a blocked client?"""
        return b"blocked_clients:1" in self.theirs.call(CONTROL, [b"INFO", b"clients"]).text

    def end(self) -> None:
        """The other client has its reply now, or its wait is ended."""
        if not self.waits:
            return
        self.waits = False
        replies = []
        for target, number in ((self.ours, self.ids[0]), (self.theirs, self.ids[1])):
            target.call(CONTROL, [b"CLIENT", b"UNBLOCK", number])
            replies.append(target.receive(OTHER))
        self.compare([b"(waited)"], *replies)

    def compare_events(self, words: list[bytes]) -> None:
        """The keyspace events of the last line."""
        if not self.listens:
            return
        self.theirs.call(LISTENER, [b"PING"])
        delivered = self.theirs.clients[LISTENER].delivered
        theirs = [event_of(shown) for shown in delivered]
        delivered.clear()
        ours = self.ours.heard()
        if ours != theirs and not self.meant_events(words, ours, theirs):
            raise Difference([b"(events of)", *words], ours, theirs)

    def meant_events(self, words: list[bytes], ours: list[bytes], theirs: list[bytes]) -> bool:
        """A unit tells its events at its end, and a miss at once: in a transaction others come
        between in Redis. SORT looks for keys in the order of Redis's hash table."""
        name = words[0].lower() if words else b""
        if without_misses(ours) != without_misses(theirs):
            return False
        # Who waits looks at all its keys again, we at what was written.
        if self.waits or not words or name in (b"sort", b"sort_ro"):
            return True
        return name == b"exec" and sorted(ours) == sorted(theirs)

    def compare_all(self) -> None:
        """Everything stored is equal: keys, types, encodings, deadlines, content."""
        for target in (self.ours, self.theirs):
            target.call(CLIENT, [b"DISCARD"])
        for number in range(DATABASES):
            self.command(CLIENT, [b"SELECT", b"%d" % number])
            [names] = self.ask([[b"KEYS", b"*"]])
            keys = [shown.text for shown in names.items]
            kinds = [shown.text for shown in self.ask([[b"TYPE", key] for key in keys])]
            self.ask([words for key in keys for words in self.common_questions(key)])
            for key, kind in zip(keys, kinds, strict=True):
                self.compare_content(key, kind)

    def common_questions(self, key: bytes) -> list[list[bytes]]:
        """What is asked about any key."""
        return [[b"OBJECT", b"ENCODING", key], [b"PEXPIRETIME", key]]

    def compare_content(self, key: bytes, kind: bytes) -> None:
        """The value of one key of the selected database."""
        words = {
            b"string": [b"GET", key], b"list": [b"LRANGE", key, b"0", b"-1"],
            b"set": [b"SMEMBERS", key], b"hash": [b"HGETALL", key],
            b"zset": [b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"],
            b"stream": [b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"],
        }[kind]  # fmt: skip
        questions = [words]
        if kind == b"hash":
            fields = sorted(shown.text for shown in self.ask([[b"HKEYS", key]])[0].items)
            questions.append([b"HPEXPIRETIME", key, b"FIELDS", b"%d" % len(fields), *fields])
        self.ask(questions)

    def ask(self, questions: list[list[bytes]]) -> list[Shown]:
        """Compares the answers to all of these, sent at once; returns Redis's."""
        socket = self.theirs.clients[CLIENT]
        for words in questions:
            socket.send(words)
        answers = [socket.receive() for _ in questions]
        for words, theirs in zip(questions, answers, strict=True):
            self.compare(words, self.ours.call(CLIENT, words), theirs)
        return answers


def without_misses(events: list[bytes]) -> list[bytes]:
    """All events but keymiss."""
    return [event for event in events if b":keymiss " not in event]


def full_name(words: list[bytes]) -> str:
    """A command's name, a subcommand's behind `|`."""
    name = words[0].lower()
    entry = TABLE.get(name)
    if len(words) > 1 and entry is not None and entry.subcommands is not None:
        name += b"|" + words[1].lower()
    return name.decode("latin-1")


# --- acts --------------------------------------------------------------------------------------


@dataclass
class Script:
    """Makes acts from the commands that may be sent."""

    commands: list[Documented]
    filling: list[list[bytes]]
    by_group: dict[str, list[Documented]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.commands = [each for each in self.commands if each.words != (b"multi",)]
        for each in self.commands:
            self.by_group.setdefault(each.group, []).append(each)

    def act(self, rng: random.Random, step: int) -> list[Line]:
        """A command, a transaction, or a wait with what may end it."""
        chance = rng.random()
        if chance < 0.08:
            return [Line(tuple(rng.choice(self.filling)))]
        if chance < 0.92:
            command = rng.choice(self.commands)
            if command.words[0] in CLEARING and rng.random() < 0.8:
                command = rng.choice(self.commands)
            line = self.line(rng, command, step)
            return [] if cannot_compare(line.words) else [line]
        if chance < 0.97:
            return self.transaction(rng, step)
        return self.wait(rng, step)

    def line(self, rng: random.Random, command: Documented, step: int) -> Line:
        """One command of the first client."""
        return Line(tuple(Maker(rng, command, step).make()))

    def several(self, rng: random.Random, group: str, step: int, most: int) -> list[Line]:
        """Commands, most of them of a group."""
        lines = []
        for _ in range(rng.randint(1, most)):
            source = self.by_group.get(group) if rng.random() < 0.8 else None
            command = rng.choice(source or self.commands)
            line = self.line(rng, command, step)
            is_lexical = b"LEX" in b" ".join(line.words).upper()
            if command.words[0] in NOT_QUEUED or is_lexical or cannot_compare(line.words):
                continue
            lines.append(line)
        return lines

    def transaction(self, rng: random.Random, step: int) -> list[Line]:
        """MULTI to EXEC, sometimes with a watched key that another client writes to."""
        group = rng.choice(list(self.by_group))
        lines: list[Line] = []
        if rng.random() < 0.5:
            key = rng.choice(KEYS.get(group, [b"str1"]))
            lines.append(Line((b"WATCH", key)))
            if rng.random() < 0.5:
                source = self.by_group.get(group, self.commands)
                words = tuple(Maker(rng, rng.choice(source), step).make())
                if words[0].lower() not in NOT_FOR_OTHERS and not cannot_compare(words):
                    lines.append(Line(words, OTHER))
        lines.append(Line((b"MULTI",)))
        lines += self.several(rng, group, step, 4)
        return [*lines, Line((b"EXEC",) if rng.random() < 0.9 else (b"DISCARD",))]

    def wait(self, rng: random.Random, step: int) -> list[Line]:
        """The other client waits for keys that are mostly not there, and something is written."""
        group = rng.choice(["list", "sorted-set", "stream", "list"])
        keys = KEYS[group][:2]
        lines = [Line((b"DEL", *keys))] if rng.random() < 0.8 else []
        if group == "stream":
            lines.append(Line((b"XGROUP", b"CREATE", keys[0], b"g1", b"$", b"MKSTREAM")))
        lines.append(Line(tuple(rng.choice(WAITS[group])), OTHER, True))
        lines += self.several(rng, group, step, 3)
        return [*lines, Line((), OTHER, True)]


# Other words than EXEC's own end a transaction badly; by chance both would hold other data.
NOT_QUEUED = (
    b"spop", b"multi", b"watch", b"incrbyfloat", b"hincrbyfloat", b"sort", b"sort_ro",
)  # fmt: skip
NOT_FOR_OTHERS = (b"multi", b"exec", b"watch", b"select", b"spop", b"discard", b"unwatch")


TIMES = (b"expire", b"pexpire", b"setex", b"psetex", b"hexpire", b"hpexpire")
UNITS = (b"EX", b"PX")
# These leave little to work on: fewer of them.
CLEARING = (
    b"flushall", b"flushdb", b"select", b"swapdb", b"del", b"unlink", b"rename", b"move",
    b"renamenx",
)  # fmt: skip


def cannot_compare(words: tuple[bytes, ...]) -> bool:
    """KeyDB's form with a member, which Redis refuses; an ID of the clock; a deadline that comes
    while the run lasts; a cursor, which is our
    own; billions of random members; a list of elements that SORT found equal."""
    name = words[0].lower()
    if name == b"sort" and {b"BY", b"STORE"}.issubset(word.upper() for word in words):
        return True
    if name == b"xadd" and b"*" in words:
        return True
    if is_brief(name, words):
        return True
    if name.endswith(b"scan"):
        cursor = words[1 if name == b"scan" else 2 :][:1]
        return cursor != (b"0",) and cursor != () and cursor[0].strip(b" +-").isdigit()
    if name.endswith((b"randfield", b"randmember")) and b"-2147483649" in words:
        return True
    return name in (b"ttl", b"pttl", b"persist") and len(words) == 3


def is_brief(name: bytes, words: tuple[bytes, ...]) -> bool:
    """A time to live that may end within the run, or be another by a millisecond's chance."""
    times = list(words[2:3]) if name in TIMES else []
    if name in (b"set", b"getex", b"hgetex", b"hsetex"):
        times += [words[at + 1] for at in range(len(words) - 1) if words[at].upper() in UNITS]
    return any(word.isdigit() and 0 < int(word) < 9_999 for word in times)


def words_of(lines: Iterable[str]) -> list[list[bytes]]:
    """Commands in text as words."""
    return [line.encode().split() for line in lines]


WAITS = {
    "list": words_of((
        "BLPOP list1 list2 0", "BRPOP list2 list1 list2 0", "BLMOVE list1 list2 LEFT RIGHT 0",
        "BRPOPLPUSH list1 list1 0", "BLMPOP 0 2 list1 list2 RIGHT COUNT 2",
    )),
    "sorted-set": words_of((
        "BZPOPMIN zset1 zset2 0", "BZPOPMAX zset2 0", "BZMPOP 0 2 zset2 zset1 MIN COUNT 3",
    )),
    "stream": words_of((
        "XREAD BLOCK 0 STREAMS stream1 stream2 $ $", "XREAD COUNT 1 BLOCK 0 STREAMS stream1 0",
        "XREADGROUP GROUP g1 bob BLOCK 0 STREAMS stream1 >",
        "XREADGROUP GROUP g1 bob COUNT 1 BLOCK 0 NOACK STREAMS stream1 >",
    )),
}  # fmt: skip
