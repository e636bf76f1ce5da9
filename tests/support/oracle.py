"""What every node must show once a mesh has healed, worked out from the published units alone.

The oracle is a pure function of the set of units, slow and short on purpose, and shares no code
with the product: a dot (what one write added at one place) lives unless some removal in the log
clears it, by its scope and by what its origin had applied. What shows of the living dots follows
from a few rules, one method each. It knows strings, counters, sets, hashes and deadlines.

A path is (db, key, slot, element ...). Every prefix of a path is a scope: (db,) is what a flush
clears, (db, key) what a DEL clears, (db, key, "set", member) what an SREM clears.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Final, NamedTuple

from tests.support.oracle_text import DECIMAL, as_number, counted, patched, score_text, text_of

Path = tuple[Any, ...]
KeyName = tuple[int, bytes]
Value = bytes | frozenset[bytes] | tuple[tuple[bytes, bytes], ...] | tuple[bytes, ...]
CounterName = tuple[int, bytes, bytes | None]
Visible = dict[KeyName, tuple[str, Any, int]]

CREATORS: Final = frozenset({"PUT", "INCR", "INCRF", "PATCH", "SADD", "HSET", "HINCR", "HINCRF",
                            "ZADD", "ZINCR"})  # fmt: skip
OPS: Final = CREATORS | {"DROP", "EXPIRE", "HEXPIRE", "SREM", "HDEL", "ZREM", "FLUSH"}
STRING_REGISTER: Final = ("string", "register")
STRING_INCREMENT: Final = ("string", "increment")
STRING_PATCH: Final = ("string", "patch")
# With no type claim left, the first of these that holds something is the key's type.
SLOTS: Final = ("string", "hash", "set", "zset")
REMOVALS: Final = {"SREM": "set", "HDEL": "hash", "ZREM": "zset"}
# What makes members or fields and leaves their deadlines alone.
MAKERS: Final = {"SADD": "set", "HINCR": "hash", "HINCRF": "hash", "ZADD": "zset", "ZINCR": "zset"}


class Absent:
    """The payload of a string register that says "deleted"."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()


class Dot(NamedTuple):
    """Names one write. Dots are ordered as tuples: stamp, then stream uuid, then place in unit."""

    stamp: int
    stream: bytes
    position: int


@dataclass(frozen=True)
class Act:
    """One effect of a unit, as the node that made it decided it.

    What `args` holds, by `op`:

    - PUT: (value, deadline_ms). The value is bytes (string), a frozenset of bytes (set), a tuple of
      (field, value) pairs (hash) or a dict of members to scores (sorted set), never an empty
      collection. It replaces the whole key.
    - DROP: (is_string,), of what was visible. The DEL of a string writes ABSENT, no other does.
    - EXPIRE: (deadline_ms,), 0 for PERSIST.
    - INCR: (delta,); INCRF: (decimal text,); HINCR: (field, delta); HINCRF: (field, decimal text).
    - PATCH: ("append", text), ("range", byte, text), ("bits", bit, width, value) or
      ("count", bit, width, signed, delta, overflow mode).
    - ZADD: ("set", "gt" or "lt", then (member, score) pairs), without those that GT or LT did not
      change; ZINCR: (member, amount); ZREM: the members. Scores and amounts are floats.
    - HEXPIRE: (slot, deadline_ms, then the fields or members).
    - SADD and SREM: the members; HSET: (field, value) pairs; HDEL: the fields; FLUSH: nothing.

    Deadlines are Unix milliseconds, 0 for none. `creation`: the origin saw no such key, so the act
    clears all it had observed under it and sets no deadline. `newest_wins`: whatever the act clears
    it also clears where it had not seen it, if that is older than the act.
    """

    op: str
    db: int
    key: bytes = b""
    args: tuple[Any, ...] = ()
    creation: bool = False
    newest_wins: bool = False


@dataclass(frozen=True)
class Unit:
    """What one command, transaction or script published.

    `context` is the highest stamp of each stream that the origin had applied just before, its own
    stream's previous unit included.
    """

    stream: bytes
    stamp: int
    context: Mapping[bytes, int]
    acts: tuple[Act, ...] = ()


@dataclass(frozen=True)
class Removal:
    """What one act clears in each of its scopes."""

    by: Dot
    context: Mapping[bytes, int]
    newest_wins: bool
    known: frozenset[bytes] | None = None  # whose writes it overrules; None: everybody's

    def clears(self, dot: Dot) -> bool:
        """Whether the act had seen that write, made it earlier in its unit, or overrules it."""
        if dot.stamp <= self.context.get(dot.stream, 0):
            return True
        if (dot.stream, dot.stamp) == (self.by.stream, self.by.stamp):
            return dot.position < self.by.position
        overruled = self.known is None or dot.stream in self.known
        return self.newest_wins and dot < self.by and overruled


class Added(NamedTuple):
    """What one act added at one path."""

    dot: Dot
    path: Path
    payload: Any


@dataclass
class Entry:
    """The living dots of one key, by the place they stand at."""

    dots: dict[Path, list[tuple[Dot, Any]]] = field(default_factory=lambda: defaultdict(list))
    now_ms: int = 0  # fields and members that are past their deadline then are out of sight

    def at(self, *place: Any) -> list[tuple[Dot, Any]]:
        """The dots of one place with their payloads, oldest first."""
        return sorted(self.dots.get(place, ()), key=lambda item: item[0])

    def elements(self, slot: str) -> set[bytes]:
        """The members or fields that have a living dot, and a deadline that has not passed."""
        named = {place[1] for place in self.dots if place[0] == slot}
        return {name for name in named if not 0 < self.place_deadline_ms(slot, name) < self.now_ms}

    def place_deadline_ms(self, slot: str, name: bytes) -> int:
        """The latest surviving deadline of a field or member; 0, none at all, is the latest."""
        deadlines = [deadline for _, deadline in self.at(f"{slot}-ttl", name)]
        return 0 if 0 in deadlines else max(deadlines, default=0)

    def number(self, *place: Any) -> Fraction | None:
        """The exact, unclipped value of a counter; None if what shows is not a number."""
        register = winner(self.at(*place, "register"))
        base = Fraction(0) if register is None else as_number(register)
        if base is None:
            return None
        return base + sum(Fraction(delta) for _, delta in self.at(*place, "increment"))

    def register(self, *place: Any) -> bytes | None:
        """A string or a hash field as shown: the newest register and what counts on it."""
        shown = winner(self.at(*place, "register"))
        steps = [*self.at(*place, "increment"), *self.at(*place, "patch")]
        deltas: list[Any] = []
        for _, step in sorted(steps, key=lambda item: item[0]):
            if isinstance(step, tuple):
                shown = patched(counted(shown, deltas) or b"", *step)
                deltas = []
            else:
                deltas.append(step)
        return counted(shown, deltas)

    def content(self, slot: str) -> Value | None:
        """The value of one slot; None if it is empty."""
        if slot == "string":
            return self.register("string")
        if slot == "set":
            return frozenset(self.elements("set")) or None
        if slot == "zset":
            return self.ranked()
        values = [(name, self.register("hash", name)) for name in sorted(self.elements("hash"))]
        return tuple((name, value) for name, value in values if value is not None) or None

    def ranked(self) -> tuple[bytes, ...] | None:
        """A sorted set's members, each with its score behind it, the lowest score first."""
        pairs = [(self.score(member), member) for member in self.elements("zset")]
        words = [word for score, member in sorted(pairs) for word in (member, score_text(score))]
        return tuple(words) or None

    def score(self, member: bytes) -> float:
        """The register that shows and every living increment, added exactly and rounded once."""
        registers = [payload for _, payload in self.at("zset", member, "register")]
        parts = [amount for _, amount in self.at("zset", member, "increment")]
        kinds = {how for how, _ in registers}
        if kinds == {"gt"}:
            parts.append(max(score for _, score in registers))
        elif kinds == {"lt"}:
            parts.append(min(score for _, score in registers))
        elif registers:
            parts.append(registers[-1][1])
        endless = {part for part in parts if part in (float("inf"), float("-inf"))}
        if endless:
            return float(endless.pop()) if len(endless) == 1 else 0.0
        total = sum((Fraction(part) for part in parts), Fraction(0))
        try:
            return float(total)
        except OverflowError:
            return float("inf") if total > 0 else float("-inf")

    def type(self) -> str | None:
        """The newest surviving claim, whose slot may be empty. A string's writes are its claims."""
        claims = self.at("type")
        claims += [(d, "string") for d, value in self.at(*STRING_REGISTER) if value is not ABSENT]
        claims += [(d, "string") for d, _ in self.at(*STRING_INCREMENT)]
        claims += [(d, "string") for d, _ in self.at(*STRING_PATCH)]
        if claims:
            return str(max(claims)[1])
        return next((slot for slot in SLOTS if self.content(slot) is not None), None)

    def deadline_ms(self) -> int:
        """The latest surviving deadline; 0, none at all, is the latest of all."""
        deadlines = [deadline for _, deadline in self.at("ttl")]
        return 0 if 0 in deadlines else max(deadlines, default=0)


class Oracle:
    """The log of all units, and what follows from it.

    `named_only`: what is newest-wins overrules only writes of streams that its context names.
    """

    def __init__(self, named_only: bool = False) -> None:
        self._named_only = named_only
        self._units: dict[tuple[bytes, int], Unit] = {}
        self._living: list[Added] | None = None

    def record(self, unit: Unit) -> None:
        """Enter a published unit, in any order; ValueError if it cannot be one, or is known."""
        name = f"unit {unit.stamp} of stream {unit.stream.hex()}"
        if (unit.stream, unit.stamp) in self._units:
            raise ValueError(f"{name} is recorded twice: stamps must be unique in a stream")
        if unit.context.get(unit.stream, 0) >= unit.stamp:
            raise ValueError(f"{name} has seen itself: its context must name the previous unit")
        for act in unit.acts:
            check(act, name)
        # A copy: callers hand in their version vector, which moves on.
        self._units[unit.stream, unit.stamp] = replace(unit, context=dict(unit.context))
        self._living = None

    def live(self) -> list[Added]:
        """All added dots but those which some removal in the log clears."""
        if self._living is None:
            added, removals = self._log()
            self._living = [a for a in added if not any(clearing(a, removals))]
        return self._living

    def expected(self, now_ms: int | None = None) -> Visible:
        """What each node shows: (db, key) -> (type, value, deadline).

        The type is Redis's word. A string is bytes, a set a frozenset of bytes, a hash a tuple of
        (field, value) pairs in order of field; the deadline is in Unix milliseconds, 0 for none.
        Keys whose deadline the hybrid clock `now_ms` has passed are left out; with None, none are.
        """
        visible: Visible = {}
        for name, entry in self._visible_entries(now_ms):
            slot = str(entry.type())
            visible[name] = (slot, entry.content(slot), entry.deadline_ms())
        return visible

    def expected_counters(self, now_ms: int | None = None) -> dict[CounterName, Fraction]:
        """(db, key, field or None) -> exact value of each visible number with living increments.

        It is the register that shows, 0 if there is none, plus every acknowledged increment that
        no clearing write had seen; not clipped to 64 bits, not rounded.
        """
        counters: dict[CounterName, Fraction] = {}
        for (db, key), entry in self._visible_entries(now_ms):
            slot = entry.type()
            if slot == "zset":
                continue
            for place in [p for p in entry.dots if p[0] == slot and p[-1] == "increment"]:
                number = entry.number(*place[:-1])
                if slot == "hash" and place[1] not in entry.elements("hash"):
                    continue
                if number is not None and not entry.at(*place[:-1], "patch"):
                    counters[db, key, place[1] if slot == "hash" else None] = number
        return counters

    def expected_elements(self, now_ms: int | None = None) -> dict[KeyName, frozenset[bytes]]:
        """(db, key) -> members or fields that no removal cleared, of each visible set and hash."""
        return {
            name: frozenset(entry.elements(str(entry.type())))
            for name, entry in self._visible_entries(now_ms)
            if entry.type() in ("set", "hash")
        }

    def expected_deadlines(self, now_ms: int) -> dict[tuple[int, bytes, bytes], int]:
        """(db, key, field or member) -> its deadline, of each visible one that has any."""
        return {
            (*name, element): deadline_ms
            for name, entry in self._visible_entries(now_ms)
            for element in entry.elements(str(entry.type()))
            if (deadline_ms := entry.place_deadline_ms(str(entry.type()), element))
        }

    def explain(self, db: int, key: bytes) -> list[str]:
        """One line for each dot ever added to a key: who added what, and who cleared it."""
        added, removals = self._log()
        lines = []
        for one in sorted((a for a in added if a.path[:2] == (db, key)), key=lambda a: a.dot):
            by = [spell(removal.by) for removal in clearing(one, removals)]
            fate = "cleared by " + ", ".join(by) if by else "lives"
            lines.append(f"{spell(one.dot)} {one.path[2:]} = {one.payload!r}: {fate}")
        return lines

    def _log(self) -> tuple[list[Added], Mapping[Path, list[Removal]]]:
        """Everything that was ever added, and every removal by its scope."""
        added: list[Added] = []
        removals: dict[Path, list[Removal]] = defaultdict(list)
        deadlines: dict[Path, list[Added]] = defaultdict(list)
        for unit in sorted(self._units.values(), key=lambda unit: (unit.stamp, unit.stream)):
            known = frozenset((unit.stream, *unit.context)) if self._named_only else None
            for index, act in enumerate(unit.acts):
                dot = Dot(unit.stamp, unit.stream, index)
                removal = Removal(dot, unit.context, act.newest_wins, known)
                anew = [
                    place for place in places_made(act)
                    if is_past(removal, deadlines[deadline_path(place)], removals)
                ]  # fmt: skip
                for scope in [*scopes_of(act), *anew, *map(deadline_path, anew)]:
                    removals[scope].append(removal)
                for path, payload in adds_of(act).items():
                    added.append(Added(dot, path, payload))
                    if path[2].endswith("-ttl"):
                        deadlines[path].append(added[-1])
        return added, removals

    def _visible_entries(self, now_ms: int | None) -> list[tuple[KeyName, Entry]]:
        entries: dict[KeyName, Entry] = defaultdict(Entry)
        for dot, path, payload in self.live():
            entries[path[0], path[1]].dots[path[2:]].append((dot, payload))
        for entry in entries.values():
            entry.now_ms = now_ms or 0
        return [(name, e) for name, e in entries.items() if not is_absent(e, now_ms)]


def clearing(one: Added, removals: Mapping[Path, list[Removal]]) -> Iterator[Removal]:
    """The removals that clear what was added: their scope is a prefix of its path."""
    for length in range(1, len(one.path) + 1):
        for removal in removals.get(one.path[:length], ()):
            if removal.clears(one.dot):
                yield removal


def places_made(act: Act) -> list[Path]:
    """The members or fields that an act makes if they are not there, without a deadline."""
    if act.op not in MAKERS:
        return []
    names = act.args if act.op == "SADD" else act.args[:1]
    if act.op == "ZADD":
        names = tuple(member for member, _ in act.args[1:])
    return [(act.db, act.key, MAKERS[act.op], name) for name in names]


def deadline_path(place: Path) -> Path:
    """Where the deadlines of a member or field stand."""
    return (*place[:2], f"{place[2]}-ttl", place[3])


def is_past(act: Removal, claims: list[Added], removals: Mapping[Path, list[Removal]]) -> bool:
    """Whether a member or field was past its deadline for who wrote that act: it makes it anew
    then, and clears what it had seen of it, as a creation does of a key."""
    seen = replace(act, newest_wins=False)
    found = [
        one.payload for one in claims
        if seen.clears(one.dot) and not any(seen.clears(by.by) for by in clearing(one, removals))
    ]  # fmt: skip
    return 0 not in found and 0 < max(found, default=0) < act.by.stamp >> 20


def is_absent(entry: Entry, now_ms: int | None) -> bool:
    """Whether a key shows nothing: its type's slot is empty, or its deadline has passed."""
    slot = entry.type()
    if slot is None or entry.content(slot) is None:
        return True
    return now_ms is not None and 0 < entry.deadline_ms() < now_ms


def scopes_of(act: Act) -> list[Path]:
    """The scopes an act clears.

    Whatever adds something also clears the type claims, unless it clears the whole key anyway.
    """
    key: Path = (act.db, act.key)
    if act.op == "FLUSH":
        return [(act.db,)]
    if act.op in ("PUT", "DROP") or act.creation:
        return [key]
    if act.op == "EXPIRE":
        return [(*key, "ttl")]
    if act.op == "HEXPIRE":
        return [(*key, f"{act.args[0]}-ttl", name) for name in act.args[2:]]
    if act.op in REMOVALS:
        slot = REMOVALS[act.op]
        return [(*key, each, name) for name in act.args for each in (slot, f"{slot}-ttl")]
    scopes: list[Path] = [(*key, "type")]
    if act.op == "SADD":
        scopes += [(*key, "set", member) for member in act.args]
    if act.op == "HSET":
        scopes += [(*key, each, name) for name, _ in act.args for each in ("hash", "hash-ttl")]
    if act.op == "ZADD":
        scopes += [(*key, "zset", member) for member, _ in act.args[1:]]
    return scopes


def adds_of(act: Act) -> dict[Path, Any]:
    """What an act adds: path -> payload. All of it gets the act's one dot."""
    key: Path = (act.db, act.key)
    adds: dict[Path, Any] = {(*key, *place): x for place, x in content_of(act).items()}
    slots = {path[2] for path in adds if not path[2].endswith("ttl")} - {"string"}
    adds.update({(*key, "type"): slot for slot in slots})
    if act.creation:
        adds.setdefault((*key, "ttl"), 0)
    return adds


def content_of(act: Act) -> dict[Path, Any]:
    """What an act adds, by place in its key, its type claim and its creation's claim left out."""
    if act.op == "PUT":
        value, deadline_ms = act.args
        return {**value_of(value), ("ttl",): deadline_ms}
    if act.op == "DROP":
        return {STRING_REGISTER: ABSENT} if act.args[0] else {}
    if act.op == "EXPIRE":
        return {("ttl",): act.args[0]}
    if act.op == "HEXPIRE":
        return {(f"{act.args[0]}-ttl", name): act.args[1] for name in act.args[2:]}
    if act.op == "INCR":
        return {STRING_INCREMENT: act.args[0]}
    if act.op == "INCRF":
        return {STRING_INCREMENT: Fraction(text_of(act.args[0]))}
    if act.op == "PATCH":
        return {STRING_PATCH: act.args}
    if act.op == "HINCR":
        return {("hash", act.args[0], "increment"): act.args[1]}
    if act.op == "HINCRF":
        return {("hash", act.args[0], "increment"): Fraction(text_of(act.args[1]))}
    if act.op == "ZINCR":
        return {("zset", act.args[0], "increment"): act.args[1]}
    if act.op == "ZADD":
        how, pairs = act.args[0], act.args[1:]
        return {("zset", member, "register"): (how, score) for member, score in pairs}
    if act.op == "SADD":
        return value_of(frozenset(act.args))
    if act.op == "HSET":
        return value_of(act.args)
    return {}


def value_of(value: Any) -> dict[Path, Any]:
    """A whole value, by place in its key."""
    if isinstance(value, bytes):
        return {STRING_REGISTER: value}
    if isinstance(value, frozenset):
        return {("set", member): True for member in value}
    if isinstance(value, dict):
        return {("zset", member, "register"): ("set", score) for member, score in value.items()}
    fields: dict[Path, Any] = {("hash", name, "register"): text for name, text in value}
    fields.update({("hash-ttl", name): 0 for name, _ in value})
    return fields


def check(act: Act, where: str) -> None:
    """Refuse an act that no node can have published, with a ValueError that says why."""
    if act.op not in OPS:
        raise ValueError(f"{where}: unknown op {act.op!r}; known are {', '.join(sorted(OPS))}")
    if act.creation and act.op not in CREATORS:
        raise ValueError(f"{where}: {act.op} cannot create the key {act.key!r}")
    sizes = {"PUT": 2, "DROP": 1, "EXPIRE": 1, "INCR": 1, "INCRF": 1, "HINCR": 2, "HINCRF": 2}
    if len(act.args) != sizes.get(act.op, len(act.args)):
        raise ValueError(f"{where}: {act.op} takes {sizes[act.op]} arguments, not {act.args!r}")
    empty = act.args[0] in (frozenset(), ()) if act.op == "PUT" else not act.args
    if empty and act.op != "FLUSH":
        raise ValueError(f"{where}: {act.op} of {act.key!r} carries nothing")
    if act.op in ("INCRF", "HINCRF") and not DECIMAL.fullmatch(text_of(act.args[-1]).encode()):
        raise ValueError(f"{where}: {act.op} by {act.args[-1]!r}, which is not a decimal")


def winner(registers: list[tuple[Dot, Any]]) -> bytes | None:
    """The newest register of one place; None if there is none or it says "deleted"."""
    if not registers or registers[-1][1] is ABSENT:
        return None
    return bytes(registers[-1][1])


def spell(dot: Dot) -> str:
    """A dot for people: milliseconds and count of the stamp, start of the stream, place in unit."""
    return f"{dot.stamp >> 20}.{dot.stamp & 0xFFFFF}@{dot.stream[:4].hex()}#{dot.position}"
