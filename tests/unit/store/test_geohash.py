"""Geohash: scores and places are each other's inverse, distances, and cells that leave nothing
out."""

from __future__ import annotations

import math
import random

import pytest

from node.store.values.geohash import (
    LATITUDE_MAX,
    Box,
    Circle,
    Place,
    Shape,
    bounding_box,
    cells_around,
    distance_m,
    geohash_of,
    interleaved,
    place_of,
    score_at,
    step_for,
)

PALERMO = Place(13.361389, 38.115556)
CATANIA = Place(15.087269, 37.502669)
CELL_M = 0.7  # a cell of 52 bits is that large at the equator


def anywhere(rng: random.Random) -> Place:
    return Place(rng.uniform(-180, 180), rng.uniform(-LATITUDE_MAX, LATITUDE_MAX))


def test_the_places_that_redis_documents() -> None:
    assert score_at(PALERMO) == 3479099956230698
    assert score_at(CATANIA) == 3479447370796909
    assert geohash_of(place_of(3479099956230698.0)) == b"sqc8b49rny0"
    assert distance_m(place_of(3479099956230698.0), place_of(3479447370796909.0)) == pytest.approx(
        166274.1516, abs=1e-4
    )


def test_a_score_says_where() -> None:
    rng = random.Random(1)
    for _ in range(300):
        place = anywhere(rng)
        score = score_at(place)
        assert 0 <= score < 1 << 52
        assert distance_m(place, place_of(float(score))) < CELL_M
        assert score_at(place_of(float(score))) == score


def test_bits_are_taken_in_turn() -> None:
    assert interleaved(0b101, 0b010) == 0b011001
    assert interleaved((1 << 26) - 1, 0) == 0x5555555555555


def test_distances_are_symmetric_and_none_to_oneself() -> None:
    rng = random.Random(2)
    for _ in range(100):
        one, other = anywhere(rng), anywhere(rng)
        assert distance_m(one, other) == pytest.approx(distance_m(other, one))
        assert distance_m(one, one) == 0.0
    assert distance_m(Place(0, 0), Place(180, 0)) == pytest.approx(math.pi * 6372797.560856)
    assert distance_m(Place(10, 1), Place(10, 2)) == pytest.approx(
        distance_m(Place(0, 1), Place(0, 2))
    )


@pytest.mark.parametrize("radius_m", [1.0, 500.0, 20_000.0, 300_000.0, 2_000_000.0])
def test_no_place_near_the_middle_is_outside_all_cells(radius_m: float) -> None:
    """Near the poles and across the date line Redis leaves places out, so these are not asked."""
    rng = random.Random(3)
    for _ in range(60):
        center = Place(rng.uniform(-120, 120), rng.uniform(-50, 50))
        shape: Shape = Circle(radius_m, 1.0)
        if rng.random() < 0.5:
            shape = Box(radius_m * 1.2, radius_m * 1.2, 1.0)
        shape.center = center
        cells = cells_around(shape)
        assert 1 <= len(cells) <= 9
        box = bounding_box(shape)
        for _ in range(40):
            place = Place(rng.uniform(box.west, box.east), rng.uniform(box.south, box.north))
            if shape.distance(place) < 0:
                continue
            score = score_at(place)
            assert any(cell.first_score() <= score < cell.end_score() for cell in cells)


def test_a_wider_circle_has_larger_cells() -> None:
    steps = [step_for(10.0**n, 0.0) for n in range(9)]
    assert steps == sorted(steps, reverse=True)
    assert step_for(0, 0.0) == 26
    assert step_for(math.inf, 0.0) == 1
    assert step_for(1000, 85.0) == step_for(1000, 0.0) - 2


def test_a_shape_without_end_takes_in_everything() -> None:
    shape = Circle(math.inf, 1000.0)
    shape.center = PALERMO
    assert len(cells_around(shape)) == 4
    assert shape.distance(Place(-170, -80)) > 0


@pytest.mark.parametrize("score", [-1.0, -1.5, math.inf, -math.inf, 1e19, 1e20, 2.0**53, 2.0**62])
def test_a_score_that_no_place_has_is_on_the_map_all_the_same(score: float) -> None:
    place = place_of(score)
    assert -180 <= place.longitude <= 180
    assert -LATITUDE_MAX <= place.latitude <= LATITUDE_MAX
