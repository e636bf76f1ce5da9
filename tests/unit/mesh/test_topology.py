"""Routes: which streams come over which link, decided without sockets."""

from __future__ import annotations

import pytest

from mesh.membership import Entry
from mesh.topology import (
    RELAY_AFTER_S,
    Routes,
    Taker,
    Way,
    pack_offers,
    read_relay,
    relay_command,
    routes_at,
    routes_command,
    shape_of,
    unpack_offers,
)
from node.resp.parser import Parser

S1, S2, S3 = (bytes([n]) * 16 for n in (1, 2, 3))
OWN = b"\x09" * 16


def routes() -> Routes:
    return Routes(b"me", OWN)


def way(found: Routes, member: bytes, stream: bytes) -> tuple[Way, list[frozenset[bytes]]]:
    """A live link; what is asked there is in the list."""
    asked: list[frozenset[bytes]] = []
    made = Way(member, stream, asked.append)
    found.add_way(made)
    return made, asked


def test_a_stream_that_has_its_own_link_is_asked_for_nowhere() -> None:
    found = routes()
    _, asked1 = way(found, b"m1", S1)
    second, asked2 = way(found, b"m2", S2)
    second.offers = {S1: (b"m1",)}
    found.settle(0.0)
    assert asked1 == asked2 == []
    assert found.gets(S1) and found.gets(S2) and not found.gets(S3)


def test_the_shortest_path_is_taken_and_kept_and_the_next_one_when_it_ends() -> None:
    found = routes()
    first, asked1 = way(found, b"m1", S1)
    second, asked2 = way(found, b"m2", S2)
    first.offers = {S3: (b"m5", b"m3")}
    found.settle(0.0)
    assert asked1 == [frozenset({S3})]
    second.offers = {S3: (b"m6", b"m3")}
    found.settle(0.0)
    assert asked2 == [], "as short as the one that is used: no reason to change"
    second.offers = {S3: (b"m3",)}
    found.settle(0.0)
    assert (asked1[-1], asked2[-1]) == (frozenset(), frozenset({S3}))
    found.remove_way(second)
    found.settle(0.0)
    assert asked1[-1] == frozenset({S3})


def test_a_path_through_ourselves_is_no_path() -> None:
    found = routes()
    first, asked = way(found, b"m1", S1)
    first.offers = {S3: (b"me", b"m3"), OWN: (b"me",)}
    found.settle(0.0)
    assert asked == []


def test_an_old_stream_of_a_member_next_to_us_is_not_asked_for() -> None:
    found = routes()
    way(found, b"m1", S1)
    second, asked = way(found, b"m2", S2)
    second.offers = {S3: (b"m1",)}
    found.settle(0.0)
    assert asked == []


def test_a_stream_whose_own_link_may_come_up_waits_for_it() -> None:
    found = routes()
    found.hope = lambda member: member == b"m3"
    first, asked = way(found, b"m1", S1)
    first.offers = {S3: (b"m3",)}
    found.settle(5.0)
    found.settle(5.0 + RELAY_AFTER_S / 2)
    assert asked == []
    found.settle(5.0 + RELAY_AFTER_S)
    assert asked == [frozenset({S3})]


def test_a_follower_is_offered_what_does_not_come_through_itself() -> None:
    found = routes()
    told: list[bytes] = []
    found.add_taker(Taker(b"m1", S1, told.append))
    first, _ = way(found, b"m1", S1)
    way(found, b"m2", S2)
    first.offers = {S3: (b"m3",)}
    found.settle(0.0)
    assert [unpack_offers(each) for each in told] == [{S2: (b"m2",)}]
    found.settle(0.0)
    assert len(told) == 1, "nothing has changed: nothing is told"


def test_offers_and_requests_travel_whole() -> None:
    paths = {S1: (b"a" * 32, b"b" * 32), S2: (b"c" * 32,)}
    data = routes_command(pack_offers(paths))
    for cut in range(len(data)):
        assert routes_at(b"xx" + data[:cut], 2) is None
    found = routes_at(b"xx" + data + b"yy", 2)
    assert found is not None
    assert unpack_offers(found[0]) == paths and found[1] == 2 + len(data)
    parser = Parser()
    parser.feed(relay_command(frozenset({S1, S2}), {S3: 7}))
    words = parser.next()
    assert words is not None
    assert read_relay(words) == (frozenset({S1, S2}), {S3: 7})


@pytest.mark.parametrize(
    "data", [b"*3\r\n$8\r\nREPLCONF\r\n$11\r\nMESH-ROUTES\r\n$x\r\n", b"+OK\r\n",
             b"*3\r\n$8\r\nREPLCONF\r\n$11\r\nMESH-ROUTES\r\n$99999999999\r\n"]
)  # fmt: skip
def test_what_is_no_offer_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        routes_at(data, 0)
    packed = pack_offers({S1: (b"a",)})
    for cut in range(1, len(packed)):
        with pytest.raises(ValueError):
            unpack_offers(packed[:cut])


@pytest.mark.parametrize(
    ("links", "shape"),
    [
        ({"a": "b", "b": "a"}, "full"),
        ({"a": "bc", "b": "ac", "c": "ab"}, "full"),
        ({"a": "bd", "b": "ac", "c": "bd", "d": "ac"}, "ring"),
        ({"a": "bcd", "b": "a", "c": "a", "d": "a"}, "hub"),
        ({"a": "bcd", "b": "acd", "c": "ab", "d": "ab"}, "hub"),
        ({"a": "b", "b": "c", "c": "a"}, "custom"),
        ({"a": "b", "b": "ac", "c": "bd", "d": "c"}, "custom"),
        ({"a": "bc", "b": "ac", "c": "ab", "d": "ef", "e": "df", "f": "de"}, "custom"),
    ],
)
def test_the_shape_is_told_from_the_links(links: dict[str, str], shape: str) -> None:
    entries = [
        Entry(name.encode(), links=tuple(each.encode() for each in others))
        for name, others in links.items()
    ]
    assert shape_of(entries) == shape
