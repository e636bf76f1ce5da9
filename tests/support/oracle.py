"""What every node must show once a mesh has healed, worked out from the published units alone.

The oracle is a pure function of the set of units, slow and short on purpose, and shares no code
with the product: a dot (what one write added at one place) lives unless some removal in the log
clears it, by its scope and by what its origin had applied. What shows of the living dots follows
from a few rules, one method each. It knows strings, counters, sets, hashes and deadlines.

A path is (db, key, slot, element ...). Every prefix of a path is a scope: (db,) is what a flush
clears, (db, key) what a DEL clears, (db, key, "set", member) what an SREM clears.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Final, NamedTuple

Path = tuple[Any, ...]
KeyName = tuple[int, bytes]
Value = bytes | frozenset[bytes] | tuple[tuple[bytes, bytes], ...]
CounterName = tuple[int, bytes, bytes | None]
Visible = dict[KeyName, tuple[str, Any, int]]

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
INTEGER: Final = re.compile(rb"0|-?[1-9][0-9]*")
DECIMAL: Final = re.compile(rb"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")

CREATORS: Final = frozenset({"PUT", "INCR", "INCRF", "SADD", "HSET", "HINCR", "HINCRF"})
OPS: Final = CREATORS | {"DROP", "EXPIRE", "SREM", "HDEL", "FLUSH"}
STRING_REGISTER: Final = ("string", "register")
STRING_INCREMENT: Final = ("string", "increment")
# With no type claim left, the first of these that holds something is the key's type.
SLOTS: Final = ("string", "hash", "set")


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

    - PUT: (value, deadline_ms). The value is bytes (string), a frozenset of bytes (set) or a tuple
      of (field, value) pairs (hash), never an empty collection. It replaces the whole key.
    - DROP: (is_string,), of what was visible. The DEL of a string writes ABSENT, no other does.
    - EXPIRE: (deadline_ms,), 0 for PERSIST.
    - INCR: (delta,); INCRF: (decimal text,); HINCR: (field, delta); HINCRF: (field, decimal text).
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

    def clears(self, dot: Dot) -> bool:
        """Whether the act had seen that write, made it earlier in its unit, or overrules it."""
        if dot.stamp <= self.context.get(dot.stream, 0):
            return True
        if (dot.stream, dot.stamp) == (self.by.stream, self.by.stamp):
            return dot.position < self.by.position
        return self.newest_wins and dot < self.by


class Added(NamedTuple):
    """What one act added at one path."""

    dot: Dot
    path: Path
    payload: Any


@dataclass
class Entry:
    """The living dots of one key, by the place they stand at."""

    dots: dict[Path, list[tuple[Dot, Any]]] = field(default_factory=lambda: defaultdict(list))

    def at(self, *place: Any) -> list[tuple[Dot, Any]]:
        """The dots of one place with their payloads, oldest first."""
        return sorted(self.dots.get(place, ()), key=lambda item: item[0])

    def elements(self, slot: str) -> set[bytes]:
        """The members or fields that have a living dot."""
        return {place[1] for place in self.dots if place[0] == slot}

    def number(self, *place: Any) -> Fraction | None:
        """The exact, unclipped value of a counter; None if what shows is not a number."""
        register = winner(self.at(*place, "register"))
        base = Fraction(0) if register is None else as_number(register)
        if base is None:
            return None
        return base + sum(Fraction(delta) for _, delta in self.at(*place, "increment"))

    def register(self, *place: Any) -> bytes | None:
        """A string or a hash field as shown: the newest register and what counts on it."""
        register = winner(self.at(*place, "register"))
        deltas = [delta for _, delta in self.at(*place, "increment")]
        if not deltas:
            return register
        number = self.number(*place)
        if number is None:
            return register
        whole = all(isinstance(delta, int) for delta in deltas)
        if whole and (register is None or is_int64(register)):
            return b"%d" % max(INT64_MIN, min(INT64_MAX, int(number)))
        return decimal_text(number)

    def content(self, slot: str) -> Value | None:
        """The value of one slot; None if it is empty."""
        if slot == "string":
            return self.register("string")
        if slot == "set":
            return frozenset(self.elements("set")) or None
        values = [(name, self.register("hash", name)) for name in sorted(self.elements("hash"))]
        return tuple((name, value) for name, value in values if value is not None) or None

    def type(self) -> str | None:
        """The newest surviving claim, whose slot may be empty. A string's writes are its claims."""
        claims = self.at("type")
        claims += [(d, "string") for d, value in self.at(*STRING_REGISTER) if value is not ABSENT]
        claims += [(d, "string") for d, _ in self.at(*STRING_INCREMENT)]
        if claims:
            return str(max(claims)[1])
        return next((slot for slot in SLOTS if self.content(slot) is not None), None)

    def deadline_ms(self) -> int:
        """The latest surviving deadline; 0, none at all, is the latest of all."""
        deadlines = [deadline for _, deadline in self.at("ttl")]
        return 0 if 0 in deadlines else max(deadlines, default=0)


class Oracle:
    """The log of all units, and what follows from it."""

    def __init__(self) -> None:
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
            for place in [p for p in entry.dots if p[0] == slot and p[-1] == "increment"]:
                number = entry.number(*place[:-1])
                if number is not None:
                    counters[db, key, place[1] if slot == "hash" else None] = number
        return counters

    def expected_elements(self, now_ms: int | None = None) -> dict[KeyName, frozenset[bytes]]:
        """(db, key) -> members or fields that no removal cleared, of each visible set and hash."""
        return {
            name: frozenset(entry.elements(str(entry.type())))
            for name, entry in self._visible_entries(now_ms)
            if entry.type() in ("set", "hash")
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
        for unit in self._units.values():
            for index, act in enumerate(unit.acts):
                dot = Dot(unit.stamp, unit.stream, index)
                for scope in scopes_of(act):
                    removals[scope].append(Removal(dot, unit.context, act.newest_wins))
                added += [Added(dot, path, x) for path, x in adds_of(act).items()]
        return added, removals

    def _visible_entries(self, now_ms: int | None) -> list[tuple[KeyName, Entry]]:
        entries: dict[KeyName, Entry] = defaultdict(Entry)
        for dot, path, payload in self.live():
            entries[path[0], path[1]].dots[path[2:]].append((dot, payload))
        return [(name, e) for name, e in entries.items() if not is_absent(e, now_ms)]


def clearing(one: Added, removals: Mapping[Path, list[Removal]]) -> Iterator[Removal]:
    """The removals that clear what was added: their scope is a prefix of its path."""
    for length in range(1, len(one.path) + 1):
        for removal in removals.get(one.path[:length], ()):
            if removal.clears(one.dot):
                yield removal


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
    if act.op == "SREM":
        return [(*key, "set", member) for member in act.args]
    if act.op == "HDEL":
        return [(*key, "hash", name) for name in act.args]
    scopes: list[Path] = [(*key, "type")]
    if act.op == "SADD":
        scopes += [(*key, "set", member) for member in act.args]
    if act.op == "HSET":
        scopes += [(*key, "hash", name) for name, _ in act.args]
    return scopes


def adds_of(act: Act) -> dict[Path, Any]:
    """What an act adds: path -> payload. All of it gets the act's one dot."""
    key: Path = (act.db, act.key)
    adds: dict[Path, Any] = {(*key, *place): x for place, x in content_of(act).items()}
    slots = {path[2] for path in adds} - {"string", "ttl"}
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
    if act.op == "INCR":
        return {STRING_INCREMENT: act.args[0]}
    if act.op == "INCRF":
        return {STRING_INCREMENT: Fraction(text_of(act.args[0]))}
    if act.op == "HINCR":
        return {("hash", act.args[0], "increment"): act.args[1]}
    if act.op == "HINCRF":
        return {("hash", act.args[0], "increment"): Fraction(text_of(act.args[1]))}
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
    return {("hash", name, "register"): text for name, text in value}


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


def text_of(decimal: str | bytes) -> str:
    """A decimal as text, however the recorder kept it."""
    return decimal.decode() if isinstance(decimal, bytes) else decimal


def is_int64(text: bytes) -> bool:
    """Whether INCR would count on this text (Redis's string2ll)."""
    return bool(INTEGER.fullmatch(text)) and INT64_MIN <= int(text) <= INT64_MAX


def as_number(text: bytes) -> Fraction | None:
    """The number a register holds, exactly; None if it holds none."""
    return Fraction(text.decode()) if DECIMAL.fullmatch(text) else None


def decimal_text(number: Fraction) -> bytes:
    """A number as Redis prints a long double: 17 places, rounded half to even, zeros trimmed."""
    digits = str(abs(round(number * 10**17))).rjust(18, "0")
    text = f"{digits[:-17]}.{digits[-17:]}".rstrip("0").rstrip(".")
    return ("-" + text if number < 0 and text != "0" else text).encode()


def spell(dot: Dot) -> str:
    """A dot for people: milliseconds and count of the stamp, start of the stream, place in unit."""
    return f"{dot.stamp >> 20}.{dot.stamp & 0xFFFFF}@{dot.stream[:4].hex()}#{dot.position}"
