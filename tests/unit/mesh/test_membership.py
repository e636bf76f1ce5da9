"""The membership: a map in which the last writer wins, whatever the order of arrival."""

from __future__ import annotations

import itertools
import json

import pytest

from mesh.membership import (
    END,
    EXPELLED,
    JOIN,
    LEFT,
    SLOTS,
    WHO,
    Entry,
    Membership,
    MembershipError,
    StampClock,
    rows_of,
    slots_of,
)

A, B, C = (letter * 32 for letter in (b"a", b"b", b"c"))
S1, S2 = b"\x01" * 16, b"\x02" * 16


def who(name: str = "", host: str = "", port: int = 0, since: int = 0, slot: int = 0) -> bytes:
    fields = {"name": name, "host": host, "port": port, "since": since, "slot": slot, "links": []}
    return json.dumps(fields).encode()


def test_a_node_alone_is_its_own_mesh() -> None:
    assert Membership(A).ids() == {A}


def test_who_joined_counts_until_it_ends() -> None:
    found = Membership(A)
    found.apply([A + WHO, who("fra")], 1, S1)
    found.apply([B + JOIN, b'{"host":"h","port":7,"by":"x"}'], 2, S1)
    assert found.ids() == {A, B}
    entry = found.entry(B)
    assert entry is not None and (entry.address, entry.announced) == ("h:7", False)
    found.apply([B + END, b'{"state":"expelled","why":"MESH FORGET"}'], 3, S1)
    assert found.ids() == {A}
    assert "was expelled (MESH FORGET)" in found.refusal(B)
    assert found.refusal(A) == found.refusal(C) == ""


def test_an_expelled_member_is_not_revived_by_what_it_says_of_itself() -> None:
    found = Membership(A)
    found.apply([B + END, b'{"state":"expelled"}'], 3, S1)
    found.apply([B + WHO, who("iad")], 9, S2)
    assert found.ids() == {A}


def test_every_order_of_arrival_gives_the_same_map() -> None:
    ops = [
        ([A + WHO, who("one", "h", 1)], 5, S1),
        ([A + WHO, who("two", "h", 2)], 6, S2),
        ([A + WHO, who("tie", "h", 3)], 6, S1),
        ([B + JOIN, b'{"host":"h","port":4}'], 4, S1),
        ([B + END, b'{"state":"left"}', A + JOIN, b"{}"], 7, S2),
    ]
    seen = set()
    for order in itertools.permutations(ops):
        found = Membership(A)
        for words, stamp, stream in order:
            found.apply(words, stamp, stream)
        seen.add(json.dumps(found.rows()))
        entry = found.entry(A)
        assert entry is not None and entry.address == "h:2", "of one stamp the higher stream wins"
    assert len(seen) == 1


def test_the_map_travels_in_snapshots() -> None:
    one, other = Membership(A), Membership(B)
    one.apply([A + WHO, who("fra", "h", 1)], 5, S1)
    other.apply([A + WHO, who("old", "h", 9), B + WHO, who("iad")], 4, S2)
    other.join(rows_of(json.loads(json.dumps(one.rows()))))
    assert [(each.name, each.port) for each in other.entries()] == [("iad", 0), ("fra", 1)]
    assert other.ids() == {A, B}


@pytest.mark.parametrize(
    "words",
    [[], [A + WHO], [A + b".what", b"{}"], [WHO, b"{}"], [A + WHO, b"x"], [A + WHO, b"[]"],
     [b"x" * 65 + WHO, b"{}"], [A + WHO, b'"' + b"x" * 70_000 + b'"'], [b"\xff" + WHO, b"{}"]],
)  # fmt: skip
def test_what_is_no_change_is_refused_whole(words: list[bytes]) -> None:
    found = Membership(A)
    with pytest.raises(MembershipError):
        found.apply([B + JOIN, b"{}", *words] if words else words, 1, S1)
    assert found.ids() == {A}


def test_fields_of_a_wrong_type_count_as_missing() -> None:
    found = Membership(A)
    found.apply([B + WHO, b'{"name":5,"port":"x","links":7,"slot":[],"host":"h"}'], 1, S1)
    assert found.entry(B) == Entry(B, since=1)


def test_damaged_rows_are_refused() -> None:
    for rows in ([["x", "y", "z", "{}"]], [[A.decode() + ".who", 1, "zz", "{}"]], [["x", 1]]):
        with pytest.raises(ValueError):
            rows_of(rows)  # type: ignore[arg-type]


def test_a_member_is_found_by_id_name_or_address() -> None:
    found = Membership(A)
    found.apply([B + WHO, who("fra", "h", 1), C + WHO, who("iad", "h", 2)], 1, S1)
    for word in (B, b"bbbb", b"fra", b"h:1"):
        assert found.find(word).member_id == B
    with pytest.raises(MembershipError, match="no member is called nobody"):
        found.find(b"nobody")
    found.apply([C + WHO, who("fra", "h", 2)], 2, S1)
    with pytest.raises(MembershipError, match="more than one member is called fra"):
        found.find(b"fra")


def test_of_two_equal_claims_the_older_keeps_the_slot() -> None:
    old = Entry(A, since=5, claim=1)
    young = Entry(B, since=9, claim=1)
    third = Entry(C, since=7, claim=2)
    assert slots_of([young, old, third]) == {A: 1, C: 2, B: 3}
    gone = Entry(C, state=LEFT, since=1, claim=1)
    assert slots_of([old, gone]) == {A: 2}, "ids with the slot of one that left still exist"


def test_slots_of_ended_members_are_given_again_when_there_is_no_other() -> None:
    ended = [Entry(b"x%d" % n, state=EXPELLED, claim=n) for n in range(1, SLOTS)]
    assert slots_of([Entry(A, since=1), *ended]) == {A: 1}


def test_who_was_at_an_address_before_is_found() -> None:
    found = Membership(A)
    found.apply([B + WHO, who("fra", "h", 1), A + WHO, who("own", "h", 1)], 1, S1)
    assert [each.member_id for each in found.predecessors(C, "h", 1)] == [B]
    assert found.predecessors(C, "", 0) == []


def test_the_clock_is_the_stamp() -> None:
    clock = StampClock()
    assert clock.update(1 << 62) == clock.read() == 1 << 62
    assert clock.update(5) == 1 << 62
    assert StampClock.unpack(clock.pack()).read() == 1 << 62
    assert [StampClock.compare(*pair) for pair in ((1, 2), (2, 2), (3, 2))] == [-1, 0, 1]
