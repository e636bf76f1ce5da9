"""Leases: who holds a seat, in virtual time: never two at once, whatever is lost or late."""

from __future__ import annotations

import random
from collections import deque

import pytest

from mesh.lease_words import LeaseError, LeaseWords, unpack
from mesh.leases import Leases

LEASE_S = 5.0
QUIET_S = LEASE_S * 1.1


class Room:
    """Members that speak once a second, each by a clock of its own, over links that may fail."""

    def __init__(self, count: int, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.now_s = 1000.0
        self.starts = 0
        self.names = [f"{number:032x}" for number in range(count)]
        self.rates = {name: self.random.uniform(0.96, 1.04) for name in self.names}
        self.down: set[tuple[str, str]] = set()
        self.flight: dict[tuple[str, str], deque[tuple[float, str, bytes]]] = {}
        self.members: dict[str, Leases] = {}
        self.lacks: set[str] = set()  # who has not what others have seen
        for name in self.names:
            self.start(name)

    def start(self, name: str) -> None:
        self.starts += 1
        stream = f"{self.starts:032x}"
        self.members[name] = Leases(
            name, stream, LEASE_S, lambda row, name=name: name not in self.lacks,  # type: ignore[misc]
            lambda: 0,
        )  # fmt: skip
        self.members[name].know(self.names, "rules")

    def clock_s(self, name: str) -> float:
        return self.now_s * self.rates[name]

    def holders(self, seat: str) -> list[str]:
        return [
            name for name, each in self.members.items() if each.holds(seat, self.clock_s(name))
        ]

    def beat(self, name: str, delay_s: float = 0.0) -> None:
        member = self.members[name]
        data = member.beat(self.clock_s(name)).pack()
        for other in self.members:
            if other != name:
                line = self.flight.setdefault((name, other), deque())
                line.append((self.now_s + delay_s, member.stream, data))

    def deliver(self) -> None:
        for (name, other), line in self.flight.items():
            while line and line[0][0] <= self.now_s and (name, other) not in self.down:
                _, stream, data = line.popleft()
                self.members[other].hear(name, stream, unpack(data), {}, self.clock_s(other))

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.now_s += 1.0
            for name in list(self.members):
                self.beat(name)
            self.deliver()

    def run_finely(self, seconds: float) -> None:
        """As `run`, but each beats at a moment of its own, and somebody looks all the time."""
        due = {name: self.now_s + self.random.random() for name in self.names}
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += 0.1
            for name in self.names:
                if due[name] <= self.now_s:
                    due[name] += 1.0
                    self.beat(name)
            self.deliver()
            self.check()

    def cut(self, *names: str) -> None:
        """These are on one side, the others on the other."""
        for one in self.names:
            for other in self.names:
                if (one in names) != (other in names):
                    self.down.add((one, other))

    def check(self) -> None:
        for seat in self.names:
            assert len(self.holders(seat)) <= 1, f"two hold the seat {seat}: {self.holders(seat)}"


def test_everybody_comes_to_hold_its_own_seat_once_old_promises_have_ended() -> None:
    room = Room(3)
    room.run(5)
    assert all(room.holders(seat) == [] for seat in room.names)
    room.run(5)
    assert all(room.holders(seat) == [seat] for seat in room.names)


def test_a_key_has_one_seat_everywhere_and_each_member_a_share() -> None:
    room = Room(3)
    room.run(8)
    seats = [{m.seat_of(b"key:%d" % at) for m in room.members.values()} for at in range(300)]
    assert all(len(found) == 1 for found in seats)
    shares = [sum(1 for found in seats if found == {name}) for name in room.names]
    assert all(share > 60 for share in shares)


def test_the_majority_takes_a_silent_members_seat_and_gives_it_back() -> None:
    room = Room(3)
    room.run(10)
    lost = room.names[0]
    room.cut(lost)
    room.run(4)
    assert room.holders(lost) == [lost] or room.holders(lost) == []
    room.run(2)
    assert not any(room.members[lost].holds(seat, room.clock_s(lost)) for seat in room.names)
    room.run(15)
    assert len(room.holders(lost)) == 1 and room.holders(lost) != [lost]
    room.down.clear()
    room.flight.clear()
    room.run(6)
    assert room.holders(lost) == [lost]


def test_of_two_members_neither_holds_anything_alone() -> None:
    room = Room(2)
    room.run(10)
    room.cut(room.names[0])
    room.run(30)
    assert all(room.holders(seat) == [] for seat in room.names)


@pytest.mark.parametrize("seed", range(10))
def test_a_holder_with_a_slow_clock_stops_before_others_with_fast_ones_take_over(seed: int) -> None:
    room = Room(3, seed)
    a = room.names[0]
    room.rates = {name: 0.955 if name == a else 1.045 for name in room.names}
    room.run_finely(12)
    assert room.holders(a) == [a]
    room.cut(a)
    room.run_finely(15)
    assert len(room.holders(a)) == 1 and room.holders(a) != [a]


@pytest.mark.parametrize("seed", range(10))
def test_a_stand_in_with_a_slow_clock_has_stopped_when_the_seats_member_has_it_again(
    seed: int,
) -> None:
    """It hears the voter, which hears it no more: the last promise is as long as one can be."""
    room = Room(3, seed)
    a, b, c = room.names
    stand_in = room.members[a]._first(a.encode(), (b, c))
    room.rates = {name: 0.955 if name == stand_in else 1.045 for name in room.names}
    room.run_finely(10)
    room.cut(a)
    room.run_finely(20)
    assert room.holders(a) == [stand_in]
    room.flight.clear()
    room.down = {(stand_in, other) for other in room.names} | {(a, stand_in)}
    room.run_finely(15)
    assert room.holders(a) == [a]


@pytest.mark.parametrize("seed", range(10))
def test_who_begins_anew_promises_nothing_while_what_it_promised_may_run(seed: int) -> None:
    """The holder of another's seat is cut off with it, while who let it in forgets that it did."""
    room = Room(3, seed)
    room.run_finely(10)
    a = room.names[0]
    room.cut(a)
    room.run_finely(20)
    held = room.holders(a)[0]
    voter = next(name for name in room.names if name not in (a, held))
    room.down.clear()
    room.flight.clear()
    room.cut(held)
    room.start(voter)
    room.run_finely(20)
    assert room.holders(a) == [a]


def test_a_lease_that_ended_is_another_one_when_it_comes_back() -> None:
    room = Room(2)
    room.run(10)
    a = room.names[0]
    before = room.members[a].epoch(a)
    room.cut(a)
    room.run(4)  # its promises have ended, nobody has claimed the seat yet
    assert room.holders(a) == []
    room.down.clear()
    room.flight.clear()
    room.lacks = set(room.names)
    room.run(5)
    assert room.holders(a) == [] and room.members[a].epoch(a) > before
    room.lacks = set()
    assert room.holders(a) == [a]


def test_what_those_had_seen_who_let_it_in_must_be_here_first() -> None:
    room = Room(3)
    room.lacks = set(room.names)
    room.run(12)
    assert all(room.holders(seat) == [] for seat in room.names)
    room.lacks = set()
    assert all(room.holders(seat) == [seat] for seat in room.names)


def test_who_has_begun_waits_for_what_the_others_have_of_it() -> None:
    room = Room(2)
    a, _ = room.names
    room.run(1)
    assert not room.members[a].caught_up(room.clock_s(a))
    room.run(3)
    assert room.members[a].caught_up(room.clock_s(a))
    room.start(a)
    room.lacks = {a}
    room.run(20)
    assert not room.members[a].caught_up(room.clock_s(a))
    room.lacks = set()
    assert room.members[a].caught_up(room.clock_s(a))


def test_who_reaches_nobody_waits_as_long_as_a_promise() -> None:
    room = Room(2)
    a = room.names[0]
    room.cut(a)
    room.run(5)
    assert not room.members[a].caught_up(room.clock_s(a))
    room.run(2)
    assert room.members[a].caught_up(room.clock_s(a))


def test_a_minority_that_takes_in_newcomers_is_no_majority() -> None:
    """Two members are let in on the side of one of three: the other two do not know of them."""
    room = Room(3)
    room.run(10)
    room.cut(room.names[0])
    newcomers = [f"{number:032x}" for number in (8, 9)]
    room.names += newcomers
    for name in newcomers:
        room.rates[name] = 1.0
    known = [*room.names]
    for name in newcomers:
        room.start(name)
    room.members[room.names[0]].know(known, "rules")
    for one in newcomers:
        for other in room.names[1:3]:
            room.down |= {(one, other), (other, one)}
    for _ in range(40):
        room.run(1)
        room.check()
    assert len(room.holders(room.names[1])) == 1
    assert room.holders(newcomers[0]) == []


def test_who_has_other_rules_than_most_holds_nothing() -> None:
    room = Room(2)
    room.run(10)
    a, b = room.names
    room.members[a].know(room.names, "other rules")
    room.run(12)
    assert room.holders(a) != [a]
    room.members[b].know(room.names, "other rules")
    room.run(12)
    assert all(room.holders(seat) == [seat] for seat in room.names)


@pytest.mark.parametrize("seed", range(60))
def test_no_two_hold_a_seat_at_once(seed: int) -> None:
    """Cuts in one direction, delays and restarts, at clocks that differ by a few percent."""
    room = Room(3 + seed % 3, seed)
    chance = room.random
    held = 0
    room.run(8)
    for _ in range(400):
        room.now_s += chance.uniform(0.0, 0.8)
        event = chance.random()
        name = chance.choice(room.names)
        if event < 0.75:
            room.beat(name, chance.choice((0.0, 0.0, 0.3, 4.0)))
            room.deliver()
        elif event < 0.85:
            room.down.add((name, chance.choice(room.names)))
        elif event < 0.95:
            room.down = set() if chance.random() < 0.5 else room.down
        elif event < 0.97:
            room.start(name)
            for pair, line in room.flight.items():
                if name in pair:
                    line.clear()
        room.check()
        held += sum(len(room.holders(seat)) for seat in room.names)
    assert held > 0


def test_words_travel() -> None:
    said = LeaseWords(
        "a", "b", 3, {"m": 7}, frozenset(("m",)), {"n": ("s", 1, 2)}, frozenset(("s",))
    )
    assert unpack(said.pack()) == said


@pytest.mark.parametrize("data", [
    b"", b"[]", b"{}", b'{"sees":1}', b'{"sees":"","plan":"","round":-1}',
    b'{"sees":"","plan":"","round":1,"claims":{"a":"b"},"holds":[],"grants":{},"heard":[]}',
    b'{"sees":"","plan":"","round":1,"claims":[],"holds":[],"grants":{},"heard":[]}',
    b'{"sees":"","plan":"","round":1,"claims":{},"holds":[],"grants":{"a":[1]},"heard":[]}',
])  # fmt: skip
def test_damaged_words_are_refused(data: bytes) -> None:
    with pytest.raises(LeaseError):
        unpack(data)
