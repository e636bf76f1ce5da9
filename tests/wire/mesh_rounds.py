"""Clients that write every type on a mesh that breaks, and a ledger of what they were told is done.

Every element written is written once, by a name of its own, so what must show needs no model of the
rules: what was acknowledged is there, unless its removal was; what was removed is not; sums are
exact. A write whose reply never came (its node was killed) may be there or not.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from tests.support.servers import Client, wait_until
from tests.support.transcript import Shown
from tests.wire.mesh_support import CATCH_UP_S, Node, encoded

KEYS = 4  # of each type: few, so that the nodes' writes meet
BATCH = 20  # commands sent before their replies are read
EARLIER = 40  # a removal takes what was written so many rounds of kinds before


class Ledger:
    """What clients were told; shared by all writers, each of which fills it under the lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.acknowledged = 0
        # By key: names that are there for sure, names that are gone for sure, names that may be.
        self.there: dict[bytes, set[bytes]] = defaultdict(set)
        self.gone: dict[bytes, set[bytes]] = defaultdict(set)
        self.perhaps: dict[bytes, set[bytes]] = defaultdict(set)
        # Sums by (key, field): what was acknowledged, and what else may have been added.
        self.sums: Counter[tuple[bytes, bytes]] = Counter()
        self.more: dict[tuple[bytes, bytes], list[int]] = defaultdict(list)
        self.unheard_pops: Counter[bytes] = Counter()

    def added(self, key: bytes, name: bytes, heard: bool) -> None:
        """A name was added; perhaps its removal by another client was heard of before."""
        if name not in self.gone[key]:
            (self.there if heard else self.perhaps)[key].add(name)

    def removed(self, key: bytes, name: bytes, heard: bool) -> None:
        """A name was removed by somebody who had seen it."""
        self.there[key].discard(name)
        (self.gone if heard else self.perhaps)[key].add(name)

    def counted(self, key: bytes, field: bytes, step: int, heard: bool) -> None:
        """A sum grew."""
        if heard:
            self.sums[key, field] += step
        else:
            self.more[key, field].append(step)

    def check_names(self, key: bytes, shown: Sequence[bytes]) -> None:
        """The names under a key are those that must be, and perhaps those that may be."""
        seen = set(shown)
        assert len(seen) == len(shown), f"{key!r}: twice: {twice(shown)[:5]}"
        lost = self.there[key] - seen
        allowed = self.unheard_pops[key]
        assert len(lost) <= allowed, f"{key!r} lost {len(lost)}: {sorted(lost)[:5]}"
        back = seen & self.gone[key]
        assert not back, f"{key!r}: removed and back: {sorted(back)[:5]}"
        strange = seen - self.there[key] - self.perhaps[key]
        assert not strange, f"{key!r}: never written: {sorted(strange)[:5]}"

    def check_sum(self, key: bytes, field: bytes, shown: int) -> None:
        """The sum is exact but for increments that nobody heard of."""
        wanted = self.sums[key, field]
        reachable = {wanted}
        for step in self.more[key, field]:
            reachable |= {each + step for each in reachable}
        assert shown in reachable, f"{key!r} {field!r} is {shown}, not {wanted}"


def twice(names: Sequence[bytes]) -> list[bytes]:
    """Names that occur more than once."""
    return [name for name, count in Counter(names).items() if count > 1]


Told = Callable[[Shown | None], None]
Step = tuple[list[bytes], Told]


class Writer(threading.Thread):
    """One client of one node: writes `count` commands, comes back when the node does."""

    def __init__(self, node: Node, number: int, ledger: Ledger, first: int, count: int) -> None:
        super().__init__(name=f"writer-{number}")
        self.node = node
        self.number = number
        self.ledger = ledger
        self.first = first
        self.count = count
        self.entries: dict[int, bytes] = {}
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            at = self.first
            while at < self.first + self.count:
                size = min(BATCH, self.first + self.count - at)
                self.batch([self.step(number) for number in range(at, at + size)])
                at += size
        except BaseException as error:
            self.error = error

    def batch(self, steps: list[Step]) -> None:
        """Sends some commands at once; what was not answered is not known to have happened."""
        answers: list[Shown | None] = []
        try:
            with Client(self.node.port, CATCH_UP_S) as client:
                client.socket.sendall(b"".join(encoded(words) for words, _ in steps))
                for words, _ in steps:
                    reply = client.receive()
                    refused = reply.text.startswith(b"MISCONF")  # the disk is full: not done
                    assert refused or reply.kind != "error", f"{words}: {reply.text!r}"
                    answers.append(reply)
        except (OSError, EOFError):
            wait_until(self.node.is_ready, "the node to come back", CATCH_UP_S)
        answers += [None] * (len(steps) - len(answers))
        with self.ledger.lock:
            for (_, told), answer in zip(steps, answers, strict=True):
                if answer is None or answer.kind != "error":
                    self.ledger.acknowledged += answer is not None
                    told(answer)

    def step(self, number: int) -> Step:
        """One command, and what its reply means for the ledger."""
        kinds = (
            self.string, self.counter, self.member, self.field, self.tally, self.push, self.pop,
            self.score, self.score_sum, self.entry, self.chunk, self.bit, self.removal,
        )  # fmt: skip
        return kinds[number % len(kinds)](number)

    def own(self, number: int) -> bytes:
        """A name that nobody else writes."""
        return b"%d:%d" % (self.number, number)

    def key(self, kind: bytes, number: int) -> bytes:
        """One of the few keys of a type."""
        return b"%b:%d" % (kind, number // 13 % KEYS)

    def adds(self, words: list[bytes], key: bytes, name: bytes) -> Step:
        return words, lambda reply: self.ledger.added(key, name, reply is not None)

    def counts(self, words: list[bytes], key: bytes, field: bytes, step: int) -> Step:
        return words, lambda reply: self.ledger.counted(key, field, step, reply is not None)

    def string(self, number: int) -> Step:
        name = self.own(number)
        return self.adds([b"SET", b"str:" + name, name], b"strings", name)

    def counter(self, number: int) -> Step:
        key = self.key(b"count", number)
        step = number % 7 - 2
        return self.counts([b"INCRBY", key, b"%d" % step], key, b"", step)

    def member(self, number: int) -> Step:
        key, name = self.key(b"set", number), self.own(number)
        return self.adds([b"SADD", key, name], key, name)

    def field(self, number: int) -> Step:
        key, name = self.key(b"hash", number), self.own(number)
        return self.adds([b"HSET", key, name, name], key, name)

    def tally(self, number: int) -> Step:
        key, field = self.key(b"tally", number), b"f%d" % (number % 3)
        step = number % 5
        return self.counts([b"HINCRBY", key, field, b"%d" % step], key, field, step)

    def push(self, number: int) -> Step:
        key, name = self.key(b"list", number), self.own(number)
        command = b"RPUSH" if number % 2 else b"LPUSH"
        return self.adds([command, key, name], key, name)

    def pop(self, number: int) -> Step:
        """A pop whose reply nobody heard may have taken any element."""
        key = self.key(b"list", number)

        def told(reply: Shown | None) -> None:
            if reply is None:
                self.ledger.unheard_pops[key] += 1
            elif reply.text and reply.kind == "bulk":
                self.ledger.removed(key, reply.text, True)

        return [b"LPOP" if number % 3 else b"RPOP", key], told

    def score(self, number: int) -> Step:
        key, name = self.key(b"zset", number), self.own(number)
        return self.adds([b"ZADD", key, b"%d" % (number % 1000), name], key, name)

    def score_sum(self, number: int) -> Step:
        key, member = self.key(b"scores", number), b"m%d" % (number % 3)
        step = number % 9 - 3
        return self.counts([b"ZINCRBY", key, b"%d" % step, member], key, member, step)

    def entry(self, number: int) -> Step:
        key, name = self.key(b"stream", number), self.own(number)

        def told(reply: Shown | None) -> None:
            self.ledger.added(key, name, reply is not None)
            if reply is not None:
                self.entries[number] = reply.text

        return [b"XADD", key, b"*", b"name", name], told

    def chunk(self, number: int) -> Step:
        key, name = self.key(b"text", number), self.own(number)
        return self.adds([b"APPEND", key, b"<" + name + b">"], key, name)

    def bit(self, number: int) -> Step:
        key = self.key(b"bits", number)
        offset = b"%d" % (number // 13 * 8 + self.number)
        return self.adds([b"SETBIT", key, offset, b"1"], key, offset)

    def removal(self, number: int) -> Step:
        """Takes away what this client wrote a while ago."""
        earlier = number - 13 * EARLIER
        kind = (b"set", b"hash", b"zset", b"str", b"stream")[number // 13 % 5]
        at = earlier // 13 * 13 + {b"set": 2, b"hash": 3, b"zset": 7, b"str": 0, b"stream": 9}[kind]
        name, key = self.own(at), self.key(kind, at)
        entry = self.entries.get(at)
        if at < self.first or (kind == b"stream" and entry is None):
            return [b"PING"], lambda reply: None
        words = {
            b"set": [b"SREM", key, name], b"hash": [b"HDEL", key, name],
            b"zset": [b"ZREM", key, name], b"str": [b"DEL", b"str:" + name],
            b"stream": [b"XDEL", key, entry or b""],
        }[kind]  # fmt: skip
        place = b"strings" if kind == b"str" else key
        return words, lambda reply: self.ledger.removed(place, name, reply is not None)


def check(node: Node, ledger: Ledger) -> None:
    """The node shows what the ledger says."""
    with node.client() as client:
        names = [each.text[4:] for each in client.call("KEYS", "str:*").items]
        ledger.check_names(b"strings", names)
        for key in [*ledger.there, *ledger.perhaps]:
            kind = key.split(b":")[0]
            if kind != b"strings":
                ledger.check_names(key, shown_names(client, kind, key))
        for key, field in [*ledger.sums, *ledger.more]:
            ledger.check_sum(key, field, shown_sum(client, key, field))


def shown_names(client: Client, kind: bytes, key: bytes) -> list[bytes]:
    """The names under a key."""
    if kind == b"set":
        return [each.text for each in client.call("SMEMBERS", key).items]
    if kind == b"hash":
        return [each.text for each in client.call("HKEYS", key).items]
    if kind == b"list":
        return [each.text for each in client.call("LRANGE", key, "0", "-1").items]
    if kind == b"zset":
        return [each.text for each in client.call("ZRANGE", key, "0", "-1").items]
    if kind == b"stream":
        return [each.items[1].items[1].text for each in client.call("XRANGE", key, "-", "+").items]
    text = client.call("GET", key).text
    if kind == b"text":
        return [each.rstrip(b">") for each in text.split(b"<") if each]
    assert kind == b"bits", kind
    bits = int.from_bytes(text, "big")
    size = len(text) * 8
    return [b"%d" % at for at in range(size) if bits >> (size - 1 - at) & 1]


def shown_sum(client: Client, key: bytes, field: bytes) -> int:
    """A sum's value, 0 where there is none yet."""
    if key.startswith(b"count"):
        text = client.call("GET", key).text
    elif key.startswith(b"tally"):
        text = client.call("HGET", key, field).text
    else:
        text = client.call("ZSCORE", key, field).text
    return int(float(text)) if text else 0
