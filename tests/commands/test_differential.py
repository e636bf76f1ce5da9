"""Generated commands, valid and invalid, on our engine and on a real Redis 8.2.3: no difference.

A hypothesis state machine sends each command to both servers and compares the replies, RESP2 and
RESP3; at the end of a run it compares everything that is stored. What is meant to differ stands in
MEANT, what cannot be compared in UNCOMPARED, each with its reason. PLEXIS_COMMANDS says how many
commands are sent at least (20,000 in `make test`, 200,000 in `make soak`); the count is printed.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from node.commands.command import TABLE
from node.commands.context import Parked
from node.commands.table import load
from tests.support.grammar import EVERY_KEY, Documented, Maker, read_docs
from tests.support.servers import RealRedis
from tests.support.targets import EngineTarget, RedisTarget
from tests.support.transcript import Shown

pytestmark = pytest.mark.wire

COMMANDS: Final = int(os.environ.get("PLEXIS_COMMANDS", "20000"))
STEPS: Final = 50

# Commands whose replies are about the process, the connection or the clock, not about data.
UNCOMPARED: Final = {
    "acl": "users of the process",
    "bgrewriteaof": "files", "bgsave": "files", "save": "files", "lastsave": "files",
    "client": "connections of the process", "hello": "server name and connection number",
    "command": "compared field by field in tests/wire",
    "config": "of the process", "debug": "of the process", "info": "of the process",
    "latency": "of the process", "lolwut": "of the process", "memory": "of the process",
    "module": "not built", "monitor": "never ends", "slowlog": "of the process",
    "psync": "begins a feed", "sync": "begins a feed", "replconf": "of a feed",
    "replicaof": "replication", "slaveof": "replication", "failover": "replication",
    "role": "replication", "wait": "replication", "waitaof": "replication",
    "shutdown": "ends the process", "time": "the clock",
    "subscribe": "tests/commands/pubsub.txt", "psubscribe": "tests/commands/pubsub.txt",
    "ssubscribe": "not built", "unsubscribe": "tests/commands/pubsub.txt",
    "punsubscribe": "tests/commands/pubsub.txt", "sunsubscribe": "not built",
    "publish": "tests/commands/pubsub.txt", "spublish": "not built", "pubsub": "the process",
    "migrate": "another server", "auth": "users of the process", "quit": "ends the connection",
    "reset": "the connection, tests/commands/connection.txt",
    "object|freq": "a counter of chance", "randomkey": "chance", "pfselftest": "takes a second",
    "restore": "payloads: tests/wire/test_dump_restore.py", "restore-asking": "as RESTORE",
    "dump": "payloads: tests/wire/test_dump_restore.py",
    "swapdb": "the two database numbers of clients waiting elsewhere",
}  # fmt: skip

# Replies in no defined order.
UNORDERED: Final = {
    "keys", "smembers", "sunion", "sinter", "sdiff", "hgetall", "hkeys", "hvals", "scan", "sscan",
    "hscan", "zscan",
}  # fmt: skip
# Replies that chance decides: only kind and length are compared.
CHANCE: Final = {"spop", "srandmember", "hrandfield", "zrandmember"}
# Replies with a time in them: numbers may differ by what a slow machine takes.
TIMED: Final = {
    "ttl", "pttl", "expiretime", "pexpiretime", "httl", "hpttl", "hexpiretime", "hpexpiretime",
    "object|idletime", "xpending", "xinfo|consumers", "xinfo|stream", "xinfo|groups",
}  # fmt: skip
CLOCK_MS: Final = 60_000

FILLING: Final = (
    "SET str1 hello", "SET str2 foobar", "SET num 10", "SET bits1 foobar", "SET bits2 abc",
    "RPUSH list1 a b c d 1 2", "RPUSH list2 1 2 17", "SADD set1 a b c d", "SADD set2 b c 1 2",
    "SADD ints 1 2 17 -5", "HSET hash1 a 1 b 2 c x d 2.5", "HSET hash2 a 5 1 2",
    "ZADD zset1 1 a 2 b 3 c 2.5 d", "ZADD zset2 1 a 1 b 1 c 5 1", "PFADD hll1 a b c",
    "GEOADD geo1 13.361389 38.115556 a 15.087269 37.502669 b",
    "XADD stream1 1-1 a 1", "XADD stream1 1-2 a 2 b 3", "XADD stream1 2-1 c 4",
    "XGROUP CREATE stream1 g1 0", "XREADGROUP GROUP g1 alice COUNT 2 STREAMS stream1 >",
)  # fmt: skip


def meant(words: list[bytes], ours: Shown, theirs: Shown) -> bool:
    """Is this difference meant? One line for each, with its reason."""
    name = words[0].lower()
    # Float counters are exact decimals here (0002: totals do not depend on order); Redis shows the
    # noise of a long double.
    if name in (b"incrbyfloat", b"hincrbyfloat") and ours.kind == theirs.kind == "bulk":
        return abs(float(ours.text) - float(theirs.text)) <= 1e-9 * abs(float(theirs.text))
    # KeyDB's form with a member, which Redis refuses.
    if name in (b"ttl", b"pttl", b"persist") and len(words) == 3:
        return theirs.text.startswith(b"ERR wrong number of arguments")
    return False


class Both:
    """The two servers and what was counted; made once for all runs."""

    def __init__(self, redis: RealRedis) -> None:
        load()
        self.redis = redis
        with redis.client() as client:
            client.call("HELLO", "3")
            documented = read_docs(client.call("COMMAND", "DOCS"))
        self.commands = [each for each in documented if comparable(each)]
        self.sent = 0


def comparable(command: Documented) -> bool:
    """Is the command in our table, and may its replies be compared?"""
    name = command.words[0].decode()
    full = b"|".join(command.words).decode()
    if name in UNCOMPARED or full in UNCOMPARED or full.endswith("|help"):
        return False
    entry = TABLE.get(command.words[0])
    if entry is None:
        return False
    return len(command.words) == 1 or command.words[1] in (entry.subcommands or {})


class Patient(EngineTarget):
    """Our engine, where the time of a parked command is up at once."""

    def call(self, client: int, argv: list[bytes]) -> Shown:
        node = self.node
        reply = node.call(self.sessions[client], argv)
        if not isinstance(reply, Parked):
            return self.written(client, reply)[0]
        if not reply.done:
            node.time_s = float(reply.until_ms) / 1000.0
            node.engine.time_out(node.time_s)
        return self.receive(client)


class Differential(RuleBasedStateMachine):
    """One run: both servers emptied and filled alike, then STEPS commands."""

    both: Both

    def __init__(self) -> None:
        super().__init__()
        self.ours = Patient()
        self.theirs = RedisTarget(self.both.redis)
        self.history: list[list[bytes]] = []

    @initialize(version=st.sampled_from([b"2", b"3"]), filled=st.booleans())
    def begin(self, version: bytes, filled: bool) -> None:
        for target in (self.ours, self.theirs):
            target.call(1, [b"HELLO", version])
        if filled:
            for line in FILLING:
                self.send([word.encode() for word in line.split()])

    @rule(number=st.integers(0, 2**31 - 1))
    def command(self, number: int) -> None:
        """A command of the table, made from one number."""
        rng = random.Random(number)
        command = rng.choice(self.both.commands)
        self.send(Maker(rng, command).make())

    def send(self, words: list[bytes]) -> None:
        """Sends one command to both and compares."""
        self.history.append(words)
        self.both.sent += 1
        self.ours.node.time_s = time.time()
        theirs = self.theirs.call(1, words)
        ours = self.ours.call(1, words)
        name = words[0].lower().decode("latin-1")
        full = name
        entry = TABLE.get(words[0].lower())
        if len(words) > 1 and entry is not None and entry.subcommands is not None:
            full = f"{name}|{words[1].lower().decode('latin-1')}"
        is_meant = False
        if not alike(full, ours, theirs):
            is_meant = meant(words, ours, theirs)
            if not is_meant:
                self.fail(words, ours, theirs)
        if (is_meant or name == "spop") and len(words) > 1:
            for target in (self.ours, self.theirs):  # chance, or what was meant, has parted them
                target.call(1, [b"DEL", words[1]])

    def fail(self, words: list[bytes], ours: Shown, theirs: Shown) -> None:
        lines = [b" ".join(repr(word)[1:].encode() for word in each) for each in self.history]
        told = "\n".join(line.decode() for line in lines)
        pytest.fail(f"{words!r}\nours:  {ours}\nRedis: {theirs}\nafter\n{told}")

    def teardown(self) -> None:
        try:
            self.compare_all()
        finally:
            self.theirs.close()

    def compare_all(self) -> None:
        """Everything stored is equal, of every type."""
        for target in (self.ours, self.theirs):
            target.call(1, [b"DISCARD"])
            target.call(1, [b"SELECT", b"0"])
        for key in EVERY_KEY:
            kind = self.theirs.call(1, [b"TYPE", key]).text
            reading = {
                b"string": [b"GET", key], b"list": [b"LRANGE", key, b"0", b"-1"],
                b"set": [b"SMEMBERS", key], b"hash": [b"HGETALL", key],
                b"zset": [b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"],
                b"stream": [b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"],
                b"none": [b"EXISTS", key],
            }[kind]  # fmt: skip
            for words in ([b"TYPE", key], [b"OBJECT", b"ENCODING", key], reading):
                ours = self.ours.call(1, words)
                theirs = self.theirs.call(1, words)
                full = words[0].lower().decode()
                full = "xinfo|stream" if full == "xinfo" else full
                if not alike(full, ours, theirs):
                    self.fail(words, ours, theirs)


def alike(name: str, ours: Shown, theirs: Shown) -> bool:
    """Are the replies equal, as far as order, chance and the clock allow?"""
    if ours == theirs:
        return True
    if ours.kind != theirs.kind:
        return False
    if name in CHANCE:
        return len(ours.items) == len(theirs.items) and (ours.kind == "bulk" or not ours.text)
    if name in UNORDERED:
        return in_order(ours) == in_order(theirs)
    if name in TIMED:
        return near(ours, theirs)
    if name == "exec" and ours.kind == "array":
        return len(ours.items) == len(theirs.items) and all(
            alike("", mine, yours) or mine.kind == yours.kind
            for mine, yours in zip(ours.items, theirs.items, strict=True)
        )
    return False


def in_order(shown: Shown) -> object:
    """A reply with everything in it sorted; the fields of a map or of a flat pair list together."""
    items = [repr(in_order(item)) if item.items else repr(item) for item in shown.items]
    if shown.kind == "map":
        return sorted(zip(items[::2], items[1::2], strict=True))
    return (shown.kind, shown.text, sorted(items))


def near(ours: Shown, theirs: Shown) -> bool:
    """Equal but for numbers that a clock makes."""
    if ours.kind != theirs.kind or len(ours.items) != len(theirs.items):
        return False
    if ours.items:
        return all(map(near, ours.items, theirs.items))
    if ours.text == theirs.text:
        return True
    try:
        mine, yours = int(ours.text), int(theirs.text)
    except ValueError:
        return False
    return ours.kind == "integer" and min(mine, yours) >= 0 and abs(mine - yours) <= CLOCK_MS


@pytest.fixture(scope="module")
def redis() -> Iterator[RealRedis]:
    with RealRedis() as server:
        yield server


def test_generated_commands_are_answered_as_redis_answers_them(
    redis: RealRedis, capsys: pytest.CaptureFixture[str]
) -> None:
    Differential.both = Both(redis)
    runs = 0
    while Differential.both.sent < COMMANDS:
        examples = max(1, (COMMANDS - Differential.both.sent) // STEPS)
        runs += examples
        run_state_machine_as_test(
            Differential,
            settings=settings(
                max_examples=examples, stateful_step_count=STEPS, deadline=None,
                database=None, report_multiple_bugs=False, derandomize=COMMANDS <= 20000, print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )  # fmt: skip
    with capsys.disabled():
        both = Differential.both
        print(f"\ndifferential: {both.sent} generated commands of {len(both.commands)} kinds")
