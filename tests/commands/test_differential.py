"""Generated commands, valid and invalid, on our engine and on a real Redis 8.2.3: no difference.

A hypothesis state machine sends acts to both servers (tests/support/differential.py) and compares
replies, RESP2 and RESP3, keyspace events, and at the end of a run everything that is stored. What
is meant to differ stands in `meant`, what cannot be compared in UNCOMPARED, each with its reason.
PLEXIS_COMMANDS says how many commands are generated at least (20,000 in `make test`, 200,000 in
`make soak`); the count is printed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from node.commands.command import TABLE
from node.commands.table import load
from tests.support.differential import Difference, Judge, Line, Pair, Script, words_of
from tests.support.grammar import Documented, read_docs
from tests.support.servers import RealRedis
from tests.support.transcript import Shown

pytestmark = pytest.mark.wire

USUAL: Final = 20_000
COMMANDS: Final = int(os.environ.get("PLEXIS_COMMANDS", str(USUAL)))
STEPS: Final = 60

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
}  # fmt: skip

# Replies in no defined order.
UNORDERED: Final = {
    "keys", "smembers", "sunion", "sinter", "sdiff", "hgetall", "hkeys", "hvals", "scan", "sscan",
    "hscan", "zscan",
}  # fmt: skip
# Replies that chance decides: only kind and length are compared.
CHANCE: Final = {"spop", "srandmember", "hrandfield", "zrandmember"}
# Replies with a time in them: numbers may differ by what a slow machine takes. REFCOUNT counts a
# reply that Redis has not sent yet.
TIMED: Final = {
    "ttl", "pttl", "expiretime", "pexpiretime", "httl", "hpttl", "hexpiretime", "hpexpiretime",
    "object|idletime", "object|refcount", "xpending", "xinfo|consumers", "xinfo|stream",
    "xinfo|groups",
}  # fmt: skip
CLOCK_MS: Final = 60_000
# Redis looks at timeouts as often as it can; DEBUG lets it expire only what is looked at.
QUIET: Final = ("--hz", "500", "--enable-debug-command", "yes")

FILLING: Final = words_of((
    "SET str1 hello", "SET str2 foobar EX 10000", "SET num 10", "SET bits1 foobar",
    "SET bits2 abc", "MSET w_a 3 w_b 1 w_c 2 w_1 5 w_17 4", "RPUSH list1 a b c d 1 2",
    "RPUSH list2 1 2 17", "SADD set1 a b c d", "SADD set2 b c 1 2", "SADD ints 1 2 17 -5",
    "HSET hash1 a 1 b 2 c x d 2.5", "HSET hash2 a 5 1 2", "HSET hash_a f 2", "HSET hash_b f 1",
    "HEXPIRE hash2 10000 FIELDS 1 a", "ZADD zset1 1 a 2 b 3 c 2.5 d",
    "ZADD zset2 1 a 1 b 1 c 5 1", "ZADD lex1 0 a 0 b 0 c 0 d 0 17", "PFADD hll1 a b c",
    "PFADD hll2 c d", "GEOADD geo1 13.361389 38.115556 a 15.087269 37.502669 b",
    "GEOADD geo2 2.3522 48.8566 c 13.361389 38.115556 a", "EXPIRE list2 10000",
    "XADD stream1 1-1 a 1", "XADD stream1 1-2 a 2 b 3", "XADD stream1 2-1 c 4",
    "XADD stream2 1-1 a 1", "XADD stream2 5-5 b 2", "XGROUP CREATE stream1 g1 0",
    "XGROUP CREATE stream1 g2 1-1", "XGROUP CREATE stream2 g1 0",
    "XREADGROUP GROUP g1 alice COUNT 2 STREAMS stream1 >",
))  # fmt: skip


def meant(words: list[bytes], ours: Shown, theirs: Shown) -> bool:
    """Is this difference meant? One line for each, with its reason."""
    name = words[0].lower()
    # Float counters are exact decimals here (totals do not depend on the order of increments);
    # Redis shows the noise of a long double.
    if name in (b"incrbyfloat", b"hincrbyfloat") and ours.kind == theirs.kind == "bulk":
        exact, noisy = Decimal(ours.text.decode()), Decimal(theirs.text.decode())
        return abs(exact - noisy) <= abs(noisy) * Decimal("1e-9")
    # A list that was longer and has not shrunk to half of what a node holds is a chain in Redis;
    # how long it was is not remembered here.
    if name == b"object" and ours.text == b"listpack" and theirs.text == b"quicklist":
        return True
    # Minus zero is a score of its own in a skip list of Redis, and zero in a listpack; here it is
    # zero.
    if name[:1] in (b"z", b"b") and without_sign(ours) == without_sign(theirs):
        return True
    # Elements that SORT finds equal come in the order that Redis's quicksort leaves them in, and
    # a set that is not to be sorted in that of its hash table. To ALPHA a name ends at a NUL.
    if name in (b"sort", b"sort_ro") and ours.kind == theirs.kind == "array":
        options = [word.upper() for word in words]
        if b"ALPHA" in options and texts(ours) == texts(theirs):
            return True
        return len(ours.items) == len(theirs.items) and b"BY" in options
    return False


def texts(shown: Shown) -> list[bytes]:
    """What strcoll sees of the elements of a reply."""
    return [item.text.partition(b"\0")[0] for item in shown.items]


def without_sign(shown: Shown) -> Shown:
    """The reply with zero for minus zero."""
    text = b"0" if shown.text == b"-0" else shown.text
    return Shown(shown.kind, text, tuple(without_sign(item) for item in shown.items))


def parts(words: list[bytes], kind: bytes) -> bool:
    """Has this command left the servers with other data, though both answered well? `kind` is the
    type of its first key, b"any" where the replies differed."""
    name = words[0].lower()
    if kind == b"any":
        return True
    # SPOP takes by chance. SORT turns a packed sorted set into a skip list by the way, where ours
    # changes nothing; its STORE keeps the order of equals.
    return name == b"spop" or (name in (b"sort", b"sort_ro") and kind == b"zset")


class Both:
    """The running Redis, the commands that both servers have, and what was sent."""

    def __init__(self, redis: RealRedis) -> None:
        load()
        self.redis = redis
        with redis.client() as client:
            client.call("HELLO", "3")
            documented = read_docs(client.call("COMMAND", "DOCS"))
        # In an order of their own: Redis's is another one each time it starts.
        self.commands = sorted(
            (each for each in documented if comparable(each)), key=lambda each: each.words
        )
        self.script = Script(self.commands, FILLING)
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


class Differential(RuleBasedStateMachine):
    """One run: both servers emptied and filled alike, then STEPS acts."""

    both: Both

    def __init__(self) -> None:
        super().__init__()
        self.pair: Pair | None = None
        self.step = 0

    @initialize(
        version=st.sampled_from([b"2", b"3"]), filled=st.sampled_from([True, True, False]),
        listens=st.booleans(), is_small=st.booleans(),
    )  # fmt: skip
    def begin(self, version: bytes, filled: bool, listens: bool, is_small: bool) -> None:
        self.pair = Pair(self.both.redis, JUDGE, version, listens, is_small)
        for words in FILLING if filled else []:
            self.send(Line(tuple(words)))

    @rule(number=st.integers(0, 2**31 - 1))
    def act(self, number: int) -> None:
        """An act made from one number."""
        self.step += 1
        for line in self.both.script.act(random.Random(number), self.step):
            self.both.sent += 1
            self.send(line)

    def send(self, line: Line) -> None:
        """One line to both; a difference fails with the run so far."""
        assert self.pair is not None
        try:
            self.pair.send(line)
        except Difference as difference:
            self.fail(difference)

    def fail(self, difference: Difference) -> None:
        assert self.pair is not None
        told = "\n".join(
            f"{line.client}{'w' if line.waits else ''} "
            + " ".join(repr(word)[1:] for word in line.words)
            for line in self.pair.history
        )
        pytest.fail(f"{difference}\nafter\n{told}")

    def teardown(self) -> None:
        if self.pair is None:
            return
        try:
            self.pair.compare_all()
        except Difference as difference:
            self.fail(difference)
        finally:
            self.pair.close()


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
    return False


JUDGE: Final = Judge(alike, meant, parts)


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
    with RealRedis(*QUIET) as server:
        yield server


def test_generated_commands_are_answered_as_redis_answers_them(
    redis: RealRedis, capsys: pytest.CaptureFixture[str]
) -> None:
    Differential.both = Both(redis)
    while Differential.both.sent < COMMANDS:
        examples = max(1, (COMMANDS - Differential.both.sent) // STEPS)
        run_state_machine_as_test(
            Differential,
            settings=settings(
                max_examples=examples, stateful_step_count=STEPS, deadline=None, database=None,
                report_multiple_bugs=False, derandomize=COMMANDS <= USUAL, print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )  # fmt: skip
    with capsys.disabled():
        both = Differential.both
        print(f"\ndifferential: {both.sent} generated commands of {len(both.commands)} kinds")
