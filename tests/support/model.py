"""Executable model of the conflict rules: replicas that apply units, merge, hide and forget.

Where the oracle looks at the whole log at once, a replica meets units one by one, in whatever order
the network brings them, and must end where the oracle does. It shows how the rules can be kept:
with version vectors, pending removals, full-state merge, and a stable cut below which expired
content is freed. It has no sockets and keeps every other dot for ever.

`run(seed)` plays one random schedule of a small mesh and fails unless all replicas end alike and
as the oracle says. A rule that a mutant may break is a method of its own.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any, Final

from tests.support.oracle import Act, Dot, Oracle, Unit, Visible

Path = tuple[Any, ...]
Vector = dict[bytes, int]
Item = tuple[Dot, Path]
KeyName = tuple[int, bytes]

MS_SHIFT: Final = 20
NEVER: Final = 2**62
DBS: Final = (0, 1)
UNMODELLED: Final = ("hash-ttl", "set-ttl", "zset-ttl")  # deadlines of fields and members
WHOLE: Final = re.compile(rb"-?[0-9]+")
NUMBER: Final = re.compile(rb"-?[0-9]+(\.[0-9]+)?")
# More digits than any sum in a schedule has, so that decimals add up exactly in any order.
DIGITS: Final = 200


@dataclass(frozen=True)
class Removal:
    """What one act clears: these scopes, of the dots that its origin had applied."""

    scopes: tuple[Path, ...]
    context: Mapping[bytes, int]
    by: Dot
    newest_wins: bool

    def hits(self, dot: Dot, path: Path) -> bool:
        """Whether a dot at that path is cleared, be it here already or yet to come."""
        return any(path[: len(scope)] == scope for scope in self.scopes) and self.covers(dot)

    def covers(self, dot: Dot) -> bool:
        """Whether the origin had applied that write, or made it earlier in the same unit.

        The context names the own stream's previous unit, so that a removal which is kept does not
        hit the later acts of its own unit.
        """
        if dot.stamp <= self.context.get(dot.stream, 0) or (self.newest_wins and dot < self.by):
            return True
        return dot[:2] == self.by[:2] and dot.position < self.by.position

    def is_past(self, vv: Vector, members: tuple[bytes, ...]) -> bool:
        """Whether nothing it could hit can still come."""
        if self.newest_wins and any(vv.get(member, 0) < self.by.stamp for member in members):
            return False
        return covers(vv, self.context)


class Replica:
    """One member: its state, its clock and its log of published units."""

    def __init__(self, stream: bytes, members: tuple[bytes, ...], skew_ms: int = 0) -> None:
        self.stream = stream
        self.members = members
        self.skew_ms = skew_ms
        self.last = 0
        self.vv: Vector = {}
        self.rows: dict[bytes, Vector] = {}  # what each member had applied, as its units say
        self.live: dict[Item, Any] = {}
        self.pending: list[Removal] = []
        self.limbo: dict[KeyName, Vector] = {}  # expired key -> what was applied when it was found
        self.freed: set[Item] = set()
        self.log: list[Unit] = []

    def next_stamp(self, now_ms: int) -> int:
        """The hybrid clock: wall time, but above every stamp seen."""
        return max(self.last + 1, (now_ms + self.skew_ms) << MS_SHIFT)

    def do(
        self, now_ms: int, *commands: str, db: int = 0, newest_wins: bool = False
    ) -> Unit | None:
        """Run commands as one unit and publish it; None if they changed nothing.

        A key is looked at as of the stamp that the unit will get: what was written after a
        deadline, in the order of stamps, has not seen the key alive.
        """
        stamp = self.next_stamp(now_ms)
        context = dict(self.vv)
        acts: list[Act] = []
        for command in commands:
            words = [word.encode() for word in command.split()]
            for act in decide(self, words, db, stamp >> MS_SHIFT):
                acts.append(replace(act, newest_wins=newest_wins))
                self.effect(Dot(stamp, self.stream, len(acts) - 1), context, acts[-1])
        return self.publish(stamp, context, acts) if acts else None

    def beat(self, now_ms: int) -> Unit:
        """A heartbeat: a unit without effects, which says how far this replica is."""
        return self.publish(self.next_stamp(now_ms), dict(self.vv), [])

    def publish(self, stamp: int, context: Vector, acts: list[Act]) -> Unit:
        self.log.append(Unit(self.stream, stamp, context, tuple(acts)))
        self.settle(self.log[-1])
        return self.log[-1]

    def apply(self, unit: Unit) -> None:
        """Take in a unit of another stream; a known one changes nothing."""
        if unit.stamp <= self.vv.get(unit.stream, 0):
            return
        for position, act in enumerate(unit.acts):
            self.effect(Dot(unit.stamp, unit.stream, position), unit.context, act)
        self.settle(unit)

    def settle(self, unit: Unit) -> None:
        """Count a unit as applied, once all its acts are."""
        self.rows[unit.stream] = {**unit.context, unit.stream: unit.stamp}
        self.advance({unit.stream: unit.stamp}, unit.stamp)

    def advance(self, vv: Vector, last: int) -> None:
        self.last = max(self.last, last)
        self.vv = join(self.vv, vv)
        self.pending = [r for r in self.pending if not r.is_past(self.vv, self.members)]

    def effect(self, dot: Dot, context: Mapping[bytes, int], act: Act) -> None:
        """Clear what the act clears, remember what of that may be under way, add what it adds."""
        touched = (act.db,) if act.op == "FLUSH" else (act.db, act.key)
        self.limbo = {n: v for n, v in self.limbo.items() if n[: len(touched)] != touched}
        removal = self.removal(dot, context, act)
        self.clear(removal)
        if removal.scopes and not removal.is_past(self.vv, self.members):
            self.remember(removal)
        for path, payload in self.additions(act):
            if not any(waiting.hits(dot, path) for waiting in self.pending):
                self.live[dot, path] = payload

    def removal(self, dot: Dot, context: Mapping[bytes, int], act: Act) -> Removal:
        return Removal(tuple(scopes(act)), context, dot, act.newest_wins)

    def additions(self, act: Act) -> Iterator[tuple[Path, Any]]:
        return additions(act)

    def clear(self, removal: Removal) -> None:
        self.live = {item: x for item, x in self.live.items() if not removal.hits(*item)}

    def remember(self, removal: Removal) -> None:
        self.pending.append(removal)

    def merge(self, other: Replica) -> None:
        """Take in the whole state of another member at once.

        A dot that only one side has is new if the other side has not applied its write, else the
        other side has removed it. The pending removals' own units will not come again, so they
        must act on what the merge keeps.
        """
        self.live = self.merged(other)
        self.pending += [r for r in other.pending if r not in self.pending]
        self.clear_pending()
        self.freed |= other.freed
        self.limbo.clear()
        for member, row in other.rows.items():
            self.rows[member] = join(self.rows.get(member, {}), row)
        self.advance(other.vv, other.last)

    def merged(self, other: Replica) -> dict[Item, Any]:
        mine = {i: x for i, x in self.live.items() if i in other.live or is_new(i[0], other.vv)}
        theirs = {i: x for i, x in other.live.items() if i in self.live or is_new(i[0], self.vv)}
        return mine | theirs

    def clear_pending(self) -> None:
        for removal in self.pending:
            self.clear(removal)

    def sweep(self, now_ms: int) -> None:
        """Free the content of expired keys that no unit under way can show again.

        First the vector must have passed the deadline in every stream, so that no extension can
        come. What is applied then is noted. When every member has applied that too and the key
        has not been touched since, whoever writes to it next has seen it as it is here, hidden,
        so the write is a creation and clears all of it.
        """
        hybrid_ms = self.next_stamp(now_ms) >> MS_SHIFT
        passed_ms = min(self.vv.get(member, 0) for member in self.members) >> MS_SHIFT
        for name in {path[:2] for _, path in self.live} - self.limbo.keys():
            deadlines = [x or NEVER for (_, p), x in self.live.items() if p == (*name, "ttl")]
            if deadlines and max(deadlines) < min(hybrid_ms, passed_ms):
                self.limbo[name] = dict(self.vv)
        for name in [n for n, seen in self.limbo.items() if self.may_free(n, seen)]:
            del self.limbo[name]
            gone = {item for item in self.live if item[1][:2] == name}
            self.freed |= gone
            self.live = {item: x for item, x in self.live.items() if item not in gone}

    def may_free(self, name: KeyName, seen: Vector) -> bool:
        return covers(self.cut(), seen)

    def cut(self) -> Vector:
        """What every member has applied, as far as its own units say so."""
        rows = [self.rows.get(member, {}) for member in self.members if member != self.stream]
        return {s: min([stamp, *(r.get(s, 0) for r in rows)]) for s, stamp in self.vv.items()}

    def show(self, db: int, key: bytes, hybrid_ms: int | None) -> tuple[str, Any, int] | None:
        """(type, value, deadline) of a key at that time of the hybrid clock; None if absent."""
        texts: dict[bytes | None, bytes | None] = {}
        deltas: dict[bytes | None, list[bytes | int]] = defaultdict(list)
        members: set[bytes] = set()
        deadline = 0
        claim: str | None = None
        for place, payload in self.by_age(db, key):
            match place:
                case ("type",):
                    claim = payload
                case ("ttl",):
                    deadline = max(deadline, payload or NEVER)
                case ("set", member):
                    members.add(member)
                case (slot, *name, kind):
                    field = name[0] if name else None
                    if kind == "register":
                        texts[field] = payload
                    else:
                        deltas[field].append(payload)
                    if slot == "string" and payload is not None:
                        claim = "string"
        shown = {f: counted(texts.get(f), deltas[f]) for f in texts.keys() | deltas.keys()}
        string = shown.pop(None, None)
        slots: dict[str, Any] = {
            "string": string,
            "hash": tuple(sorted(shown.items())) or None,
            "set": frozenset(members) or None,
        }
        claim = claim or next((slot for slot, value in slots.items() if value is not None), None)
        expired = hybrid_ms is not None and 0 < deadline < hybrid_ms
        if claim is None or slots[claim] is None or expired:
            return None
        return claim, slots[claim], deadline % NEVER

    def by_age(self, db: int, key: bytes) -> Iterator[tuple[Path, Any]]:
        """A key's living dots in the order of their stamps, as place and payload."""
        mine = [(dot, p[2:], x) for (dot, p), x in self.live.items() if p[:2] == (db, key)]
        yield from ((place, x) for _, place, x in sorted(mine, key=lambda each: each[0]))

    def visible(self, hybrid_ms: int | None) -> Visible:
        """All keys that show something."""
        names = {(path[0], path[1]) for _, path in self.live}
        return {n: shown for n in names if (shown := self.show(*n, hybrid_ms)) is not None}


def join(a: Mapping[bytes, int], b: Mapping[bytes, int]) -> Vector:
    """The least vector that covers both."""
    return {stream: max(a.get(stream, 0), b.get(stream, 0)) for stream in a.keys() | b.keys()}


def is_new(dot: Dot, vv: Vector) -> bool:
    """Whether a replica at that vector has not applied the dot's unit."""
    return dot.stamp > vv.get(dot.stream, 0)


def covers(a: Vector, b: Mapping[bytes, int]) -> bool:
    """Whether all that `b` names is named by `a`."""
    return all(stamp <= a.get(stream, 0) for stream, stamp in b.items())


def counted(text: bytes | None, deltas: list[bytes | int]) -> bytes | None:
    """A register with the increments on it, as shown."""
    if not deltas:
        return text
    try:
        base = Decimal((text or b"0").decode())
    except InvalidOperation:
        return text
    with localcontext() as exact:
        exact.prec = DIGITS
        total = base + sum(Decimal(d if isinstance(d, int) else d.decode()) for d in deltas)
        if base.as_tuple().exponent == 0 and all(isinstance(delta, int) for delta in deltas):
            return str(min(max(int(total), -(2**63)), 2**63 - 1)).encode()
        return f"{total:.17f}".rstrip("0").rstrip(".").encode()


def scopes(act: Act) -> list[Path]:
    """What an act clears as observed."""
    key = (act.db, act.key)
    if act.creation:
        return [key]
    match act.op:
        case "FLUSH":
            return [(act.db,)]
        case "PUT" | "DROP":
            return [key]
        case "EXPIRE":
            return [(*key, "ttl")]
        case "SREM":
            return [(*key, "set", member) for member in act.args]
        case "HDEL":
            return [(*key, "hash", name) for name in act.args]
        case "SADD":
            return [(*key, "type"), *((*key, "set", member) for member in act.args)]
        case "HSET":
            return [(*key, "type"), *((*key, "hash", name) for name, _ in act.args)]
    return [(*key, "type")]


def additions(act: Act) -> Iterator[tuple[Path, Any]]:
    """What an act adds. A string's dots are its claim of the type."""
    key = (act.db, act.key)
    match act.op, act.args:
        case "PUT", (bytes() as text, deadline):
            yield (*key, "string", "register"), text
            yield (*key, "ttl"), deadline
        case "PUT", (value, deadline):
            slot = "SADD" if isinstance(value, frozenset) else "HSET"
            yield from additions(Act(slot, act.db, act.key, tuple(value)))
            yield (*key, "ttl"), deadline
        case "DROP", (True,):
            yield (*key, "string", "register"), None
        case "EXPIRE", (deadline,):
            yield (*key, "ttl"), deadline
        case "INCR" | "INCRF", (delta,):
            yield (*key, "string", "increment"), delta
        case "HINCR" | "HINCRF", (name, delta):
            yield (*key, "hash", name, "increment"), delta
            yield (*key, "type"), "hash"
        case "SADD", members:
            yield from (((*key, "set", member), True) for member in members)
            yield (*key, "type"), "set"
        case "HSET", pairs:
            yield from (((*key, "hash", name, "register"), text) for name, text in pairs)
            yield (*key, "type"), "hash"
    if act.creation and act.op != "PUT":
        yield (*key, "ttl"), 0


def decide(node: Replica, words: list[bytes], db: int, hybrid_ms: int) -> Iterator[Act]:
    """The acts of one command where the client is; none where it would change nothing or fail.

    Deadlines are absolute. A command may ask for its next act only when the last one is applied.
    """
    name, key, args = words[0].decode(), b"".join(words[1:2]), words[2:]
    shown = node.show(db, key, hybrid_ms)
    new = shown is None
    kind: str
    value: Any
    kind, value, deadline = shown or ("", None, 0)
    fields = dict(value) if kind == "hash" else {}
    pairs = tuple(zip(args[::2], args[1::2], strict=False))
    match name:
        case "SET" | "SETNX":
            if name == "SET" or new:
                yield Act("PUT", db, key, (args[0], int(args[-1]) if args[1:] else 0), new)
        case "DEL" if not new:
            yield Act("DROP", db, key, (kind == "string",))
        case "PEXPIREAT" | "PERSIST" if not new and (args or deadline):
            yield Act("EXPIRE", db, key, (int(args[0]) if args else 0,))
        case "INCRBY" if new or (kind == "string" and WHOLE.fullmatch(value)):
            yield Act("INCR", db, key, (int(args[0]),), new)
        case "INCRBYFLOAT" if new or (kind == "string" and NUMBER.fullmatch(value)):
            yield Act("INCRF", db, key, (args[0],), new)
        case "SADD" if new or kind == "set":
            yield Act("SADD", db, key, tuple(args), new)
        case "SREM" if kind == "set" and value & set(args):
            yield Act("SREM", db, key, tuple(m for m in args if m in value))
        case "SPOP" if kind == "set":
            yield Act("SREM", db, key, (min(value),))
        case "SMOVE" if kind == "set" and args[1] in value:
            yield Act("SREM", db, key, (args[1],))
            yield Act("SADD", db, args[0], (args[1],), node.show(db, args[0], hybrid_ms) is None)
        case "HSET" if new or kind == "hash":
            yield Act("HSET", db, key, pairs, new)
        case "HDEL" if kind == "hash" and fields.keys() & set(args):
            yield Act("HDEL", db, key, tuple(f for f in args if f in fields))
        case "HINCRBY" if new or (kind == "hash" and WHOLE.fullmatch(fields.get(args[0], b"0"))):
            yield Act("HINCR", db, key, (args[0], int(args[1])), new)
        case "HINCRBYFLOAT" if new or (
            kind == "hash" and NUMBER.fullmatch(fields.get(args[0], b"0"))
        ):
            yield Act("HINCRF", db, key, (args[0], args[1]), new)
        case "RENAME" | "COPY" if not new and args[0] != key:
            if name == "RENAME":
                yield Act("DROP", db, key, (kind == "string",))
            yield Act("PUT", db, args[0], (value, deadline))
        case "FLUSHDB":
            yield Act("FLUSH", db)
        case "FLUSHALL":
            yield from (Act("FLUSH", each) for each in DBS)


# --- random schedules ---

KEYS: Final = ("k", "l")
COMMANDS: Final = (
    "SET {k} {n}", "SET {k} s{u}", "SET {k} {n}.5", "SET {k} {n} PXAT {t}", "SETNX {k} {n}",
    "DEL {k}", "DEL {k}", "INCRBY {k} {d}", "INCRBY {k} {d}", "INCRBYFLOAT {k} {d}.25",
    "SADD {k} {m} {o}", "SADD {k} {m}", "SREM {k} {m} {o}", "SPOP {k}", "SMOVE {k} {j} {m}",
    "HSET {k} {m} {n}", "HSET {k} {m} s{u} {o} {n}", "HDEL {k} {m}", "HINCRBY {k} {m} {d}",
    "HINCRBY {k} {m} {d}", "HINCRBYFLOAT {k} {m} {d}.1", "PEXPIREAT {k} {t}", "PEXPIREAT {k} {t}",
    "PERSIST {k}", "RENAME {k} {j}", "COPY {k} {j}", "FLUSHDB", "FLUSHALL",
)  # fmt: skip


class Schedule:
    """A small mesh with skewed clocks, links that break, and full-state merges in between."""

    def __init__(self, seed: int, replica: type[Replica] = Replica) -> None:
        self.rng = random.Random(seed)
        streams = tuple(bytes([65 + i]) * 16 for i in range(self.rng.choice((2, 3, 4))))
        self.nodes = [replica(s, streams, self.rng.randrange(-20, 20)) for s in streams]
        self.taken: dict[tuple[int, int], int] = defaultdict(int)
        self.down: set[tuple[int, int]] = set()
        self.now_ms = 10**6
        self.serial = 0

    def command(self) -> str:
        rng = self.rng
        self.serial += 1
        k, j = rng.sample(KEYS, 2)
        m, o = (f"m{rng.randrange(3)}" for _ in range(2))
        d, n, t = rng.choice((1, 2, -3)), rng.randrange(50), self.now_ms + rng.randrange(1, 90)
        return rng.choice(COMMANDS).format(k=k, j=j, m=m, o=o, d=d, n=n, t=t, u=self.serial)

    def pull(self, i: int, j: int, units: int) -> None:
        """Node i takes in the next units of node j's stream."""
        for unit in self.nodes[j].log[self.taken[i, j] :][:units]:
            self.nodes[i].apply(unit)
            self.taken[i, j] += 1

    def step(self) -> None:
        rng = self.rng
        self.now_ms += rng.randrange(3)
        chance, node = rng.random(), rng.choice(self.nodes)
        i, j = rng.sample(range(len(self.nodes)), 2)
        if chance < 0.42:
            commands = [self.command() for _ in range(rng.choice((1, 1, 2, 3)))]
            db = int(rng.random() < 0.1)
            node.do(self.now_ms, *commands, db=db, newest_wins=rng.random() < 0.1)
        elif chance < 0.8 and (i, j) not in self.down:
            self.pull(i, j, rng.choice((1, 1, 2, 5)))
        elif chance < 0.85:
            self.down ^= {(i, j)}  # one direction only: i may hear j, and j not i
        elif chance < 0.88:
            self.nodes[i].merge(self.nodes[j])
        elif chance < 0.93:
            node.beat(self.now_ms)
        else:
            node.sweep(self.now_ms)

    def heal(self) -> None:
        """Bring everything everywhere, heartbeats and what they tell included."""
        for _ in range(3):
            for node in self.nodes:
                node.beat(self.now_ms)
            for i in range(len(self.nodes)):
                for j in range(len(self.nodes)):
                    if i != j:
                        self.pull(i, j, len(self.nodes[j].log))

    def check(self) -> None:
        """All replicas show what the oracle says, and remember no more than they must."""
        oracle = Oracle()
        for unit in [unit for node in self.nodes for unit in node.log]:
            oracle.record(unit)
        living = {(dot, path) for dot, path, _ in oracle.live() if path[2] not in UNMODELLED}
        end_ms = max(node.next_stamp(self.now_ms) for node in self.nodes) >> MS_SHIFT
        expected = oracle.expected(end_ms)
        for node in self.nodes:
            assert node.vv == self.nodes[0].vv, "not everything arrived"
            assert node.visible(end_ms) == expected, (node.visible(end_ms), expected)
            assert node.live.keys() <= living, node.live.keys() - living
            assert living - node.live.keys() <= node.freed, living - node.live.keys()
            assert not node.pending, node.pending


def run(seed: int, replica: type[Replica] = Replica, steps: int = 120) -> None:
    """Play one schedule; AssertionError if the replicas do not end as the oracle says."""
    schedule = Schedule(seed, replica)
    for _ in range(steps):
        schedule.step()
    schedule.heal()
    schedule.check()
    schedule.now_ms += 1000  # past every deadline
    schedule.heal()
    for _ in range(2):  # the first sweep notes, the second frees
        for node in schedule.nodes:
            node.sweep(schedule.now_ms)
        schedule.heal()
    schedule.check()
    for node in schedule.nodes:
        kept = {name: shown for name, shown in node.visible(None).items() if shown[2]}
        assert not kept, f"expired keys are still in memory: {kept}"
