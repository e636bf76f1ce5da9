"""Places: the effects of GEOADD and of storing searches, and searches against plain distances.

What the replies look like is in tests/commands/geo.txt.
"""

from __future__ import annotations

import random

import pytest

from node.commands.geo_search import distance_text
from node.store.values.geohash import Place, distance_m, place_of
from node.store.values.zsets import ZSetValue
from tests.support.local import LocalNode


def zset(node: LocalNode, key: bytes) -> ZSetValue:
    value = node.sessions[0].ctx.zset(key)
    assert value is not None
    return value


def crowd(node: LocalNode, count: int, seed: int) -> dict[bytes, Place]:
    """So many members around 10 east and 45 north, with the places they have after rounding."""
    rng = random.Random(seed)
    words: list[bytes] = [b"GEOADD", b"g"]
    for i in range(count):
        words += [b"%f" % rng.uniform(5, 15), b"%f" % rng.uniform(40, 50), b"m%d" % i]
    node.call(0, words)
    value = zset(node, b"g")
    return {member: place_of(value.score(member)) for member in value.names()}


@pytest.mark.parametrize(
    ("text", "reply", "effects"),
    [
        ("GEOADD g 0 0 a", 0, ["ZADD g 3377699720527872 a"]),
        ("GEOADD g 13.361389 38.115556 p", 1, ["ZADD g 3479099956230698 p"]),
        ("GEOADD g NX 13.361389 38.115556 a 0 0 n", 1, ["ZADD g 3377699720527872 n"]),
        ("GEOADD g XX CH 13.361389 38.115556 a 0 0 n", 1, ["ZADD g 3479099956230698 a"]),
        ("GEOADD g NX 13.361389 38.115556 a", 0, []),
    ],
)
def test_a_place_is_a_score(node: LocalNode, text: str, reply: int, effects: list[str]) -> None:
    node("GEOADD g 0 0 a")
    node.effects()
    assert node(text) == reply
    assert node.effects() == effects


def test_a_stored_search_is_put_or_drops_what_was_there(node: LocalNode) -> None:
    node("GEOADD g 0 0 a 1 1 b 50 50 c")
    node("SET d text")
    node.recorder.units.clear()
    assert node("GEOSEARCHSTORE d g FROMLONLAT 0 0 BYRADIUS 500 km") == 2
    (put,) = node.recorder.units[0]
    assert isinstance(put.value, ZSetValue)
    assert sorted(put.value.names()) == [b"a", b"b"]
    node.effects()
    assert node("GEORADIUS g 20 20 1 km STORE d") == 0
    assert node.effects() == ["DROP d"]
    assert node("GEORADIUS g 20 20 1 km STORE d") == 0
    assert node.effects() == []


def test_stored_distances_are_in_the_unit_asked_for(node: LocalNode) -> None:
    node("GEOADD g 0 0 a 1 1 b")
    node("GEOSEARCHSTORE d g FROMLONLAT 0 0 BYRADIUS 500 km STOREDIST")
    far = distance_m(place_of(zset(node, b"g").score(b"a")), place_of(zset(node, b"g").score(b"b")))
    assert zset(node, b"d").score(b"b") == pytest.approx(far / 1000, abs=0.001)


@pytest.mark.parametrize("radius_km", [1, 30, 200, 700, 3000])
def test_a_circle_has_all_members_that_are_near(node: LocalNode, radius_km: int) -> None:
    places = crowd(node, 700, radius_km)
    center = Place(11.5, 44.5)
    near = {m: distance_m(center, p) for m, p in places.items()}
    expected = sorted((m for m in near if near[m] <= radius_km * 1000), key=near.__getitem__)
    query = f"GEOSEARCH g FROMLONLAT 11.5 44.5 BYRADIUS {radius_km} km"
    assert node(f"{query} ASC") == expected
    assert node(f"{query} DESC") == expected[::-1]
    assert node(f"{query} COUNT 3") == expected[:3]
    assert node(f"{query} COUNT 3 DESC") == expected[::-1][:3]
    some = node(f"{query} COUNT 5 ANY")
    assert isinstance(some, list)
    assert len(some) == min(5, len(expected))
    assert set(some) <= set(expected)


def test_a_box_has_all_members_inside(node: LocalNode) -> None:
    places = crowd(node, 700, 9)
    center = Place(10.0, 45.0)
    expected = {
        member
        for member, place in places.items()
        if distance_m(place, Place(place.longitude, 45.0)) <= 150_000
        and distance_m(place, Place(10.0, place.latitude)) <= 100_000
    }
    found = node("GEOSEARCH g FROMLONLAT 10 45 BYBOX 200 300 km ASC")
    assert isinstance(found, list)
    assert set(found) == expected
    assert found == sorted(found, key=lambda member: distance_m(center, places[member]))


@pytest.mark.parametrize(
    ("distance", "text"),
    [(0.0, b"0.0000"), (0.00005, b"0.0000"), (0.00015, b"0.0001"), (190.44242, b"190.4424"),
     (166274.15155, b"166274.1516"), (12.3, b"12.3000")],
)  # fmt: skip
def test_distances_have_four_places(distance: float, text: bytes) -> None:
    assert distance_text(distance) == text
