"""Geohash: a place on Earth as a number of 52 bits, cells around a place, distances.  [compiled]

26 bits of longitude and 26 of latitude in turn, so that near places often have near numbers. The
range of latitudes is that of web maps (EPSG:3857), and all of the arithmetic is Redis's, in its
order, because the scores that clients see must be equal to the last bit.
"""

from __future__ import annotations

import math
from typing import Final

from mypy_extensions import i64

LONGITUDE_MAX: Final = 180.0
LATITUDE_MAX: Final = 85.05112878
# Of geohashes as text, which know the poles.
POLE: Final = 90.0
STEP_MAX: Final[i64] = 26  # bits of each coordinate in a score
EARTH_RADIUS_M: Final = 6372797.560856
# Half of the map's width; what reaches farther needs the largest cells.
MAP_HALF_M: Final = 20037726.37
RADIANS: Final = math.pi / 180.0
ALPHABET: Final = b"0123456789bcdefghjkmnpqrstuvwxyz"
# A score counts up to here as it is; beyond, as what C makes of it when it becomes an integer.
SCORE_MAX: Final = 4503599627370496.0
TOP_BIT: Final = 1 << 63
ALL_BITS: Final = (1 << 64) - 1


class Place:
    """A longitude and a latitude in degrees."""

    def __init__(self, longitude: float, latitude: float) -> None:
        self.longitude: Final = longitude
        self.latitude: Final = latitude


class Area:
    """What a cell covers, in degrees."""

    def __init__(self, west: float, south: float, east: float, north: float) -> None:
        self.west: Final = west
        self.south: Final = south
        self.east: Final = east
        self.north: Final = north


class Cell:
    """The first `step` bits of both coordinates."""

    def __init__(self, column: i64, row: i64, step: i64) -> None:
        self.column: i64 = column
        self.row: i64 = row
        self.step: i64 = step

    def moved(self, east: i64, north: i64) -> Cell:
        """A neighbour; beyond the edge of the map is its other side.

        A place on the very edge has a column or row too many; it stays unless it is moved from.
        """
        mask = cells_across(self.step) - 1
        column = self.column if east == 0 else (self.column + east) & mask
        row = self.row if north == 0 else (self.row + north) & mask
        return Cell(column, row, self.step)

    def area(self) -> Area:
        """What it covers."""
        width = float(cells_across(self.step))
        across = LONGITUDE_MAX - -LONGITUDE_MAX
        up = LATITUDE_MAX - -LATITUDE_MAX
        return Area(
            -LONGITUDE_MAX + (float(self.column) / width) * across,
            -LATITUDE_MAX + (float(self.row) / width) * up,
            -LONGITUDE_MAX + (float(self.column + 1) / width) * across,
            -LATITUDE_MAX + (float(self.row + 1) / width) * up,
        )

    def first_score(self) -> i64:
        """The lowest score of a place in the cell."""
        return interleaved(self.row, self.column) << (52 - 2 * self.step)

    def end_score(self) -> i64:
        """The lowest score behind those of the cell."""
        return (interleaved(self.row, self.column) + 1) << (52 - 2 * self.step)

    def is_same(self, other: Cell) -> bool:
        """Are they one cell?"""
        return self.column == other.column and self.row == other.row and self.step == other.step


def cells_across(step: i64) -> i64:
    """How many cells of this step there are beside each other."""
    one: i64 = 1
    return one << step


def interleaved(even: i64, odd: i64) -> i64:
    """The bits of two numbers of up to 26 bits in turn, those of `even` at the even places."""
    return spread(even) | (spread(odd) << 1)


def spread(bits: i64) -> i64:
    """A zero bit before each bit of a number of up to 30 bits."""
    bits = (bits | (bits << 16)) & 0x0000FFFF0000FFFF
    bits = (bits | (bits << 8)) & 0x00FF00FF00FF00FF
    bits = (bits | (bits << 4)) & 0x0F0F0F0F0F0F0F0F
    bits = (bits | (bits << 2)) & 0x3333333333333333
    return (bits | (bits << 1)) & 0x1555555555555555


def gathered(bits: i64) -> i64:
    """Every second bit of a number of up to 60 bits."""
    bits = bits & 0x1555555555555555
    bits = (bits | (bits >> 1)) & 0x3333333333333333
    bits = (bits | (bits >> 2)) & 0x0F0F0F0F0F0F0F0F
    bits = (bits | (bits >> 4)) & 0x00FF00FF00FF00FF
    bits = (bits | (bits >> 8)) & 0x0000FFFF0000FFFF
    return (bits | (bits >> 16)) & 0x00000000FFFFFFFF


def cell_at(place: Place, step: i64) -> Cell:
    """The cell of a size in which a place lies."""
    width = float(cells_across(step))
    row = (place.latitude - -LATITUDE_MAX) / (LATITUDE_MAX - -LATITUDE_MAX) * width
    column = (place.longitude - -LONGITUDE_MAX) / (LONGITUDE_MAX - -LONGITUDE_MAX) * width
    return Cell(i64(int(column)), i64(int(row)), step)


def is_on_map(place: Place) -> bool:
    """Has the place a score?"""
    return (
        -LONGITUDE_MAX <= place.longitude <= LONGITUDE_MAX
        and -LATITUDE_MAX <= place.latitude <= LATITUDE_MAX
    )


def score_at(place: Place) -> int:
    """The score of a place on the map."""
    return int(cell_at(place, STEP_MAX).first_score())


def place_of(score: float) -> Place:
    """The middle of a score's cell; of a score that no place has, what Redis makes of it."""
    if 0.0 <= score < SCORE_MAX:
        bits = i64(int(score))
        cell = Cell(gathered(bits >> 1), gathered(bits), STEP_MAX)
    else:
        cell = odd_cell(score)
    area = cell.area()
    return Place(
        within((area.west + area.east) / 2, LONGITUDE_MAX),
        within((area.south + area.north) / 2, LATITUDE_MAX),
    )


def within(degrees: float, most: float) -> float:
    """A coordinate that does not leave the map."""
    if degrees > most:
        return most
    return -most if degrees < -most else degrees


def odd_cell(score: float) -> Cell:
    """The cell of a score that is negative or has more than 52 bits."""
    bits = unsigned(score)
    column = 0
    row = 0
    for place in range(32):
        row |= ((bits >> (2 * place)) & 1) << place
        column |= ((bits >> (2 * place + 1)) & 1) << place
    return Cell(column, row, STEP_MAX)


def unsigned(score: float) -> int:
    """What converting a double to an unsigned integer of 64 bits gives on x86-64."""
    if score >= 2.0 * TOP_BIT:
        return 0
    if score < -1.0 * TOP_BIT:
        return TOP_BIT
    return int(score) & ALL_BITS


def geohash_of(place: Place) -> bytes:
    """The geohash that others understand: 11 letters, of which the last says nothing."""
    width = float(cells_across(STEP_MAX))
    column = (place.longitude - -LONGITUDE_MAX) / (LONGITUDE_MAX - -LONGITUDE_MAX) * width
    row = (place.latitude - -POLE) / (POLE - -POLE) * width
    bits = int(interleaved(i64(int(row)), i64(int(column))))
    letters = [ALPHABET[(bits >> (52 - 5 * (i + 1))) & 31] for i in range(10)]
    return bytes([*letters, ALPHABET[0]])


def latitude_distance_m(first: float, second: float) -> float:
    """Along a meridian."""
    return EARTH_RADIUS_M * abs(second * RADIANS - first * RADIANS)


def distance_m(first: Place, second: Place) -> float:
    """Along a great circle, by the haversine formula on a sphere."""
    v = math.sin((second.longitude * RADIANS - first.longitude * RADIANS) / 2)
    if v == 0.0:
        return latitude_distance_m(first.latitude, second.latitude)
    south = first.latitude * RADIANS
    north = second.latitude * RADIANS
    u = math.sin((north - south) / 2)
    a = u * u + math.cos(south) * math.cos(north) * v * v
    return 2.0 * EARTH_RADIUS_M * math.asin(min(math.sqrt(a), 1.0))


class Shape:
    """What is searched: a circle or a rectangle around a place, in a unit of so many metres."""

    def __init__(self, unit_m: float) -> None:
        self.center = Place(0.0, 0.0)
        self.unit_m = unit_m

    def distance(self, place: Place) -> float:
        """In metres from the middle; negative where the place is outside."""
        return -1.0

    def radius_m(self) -> float:
        """How far it reaches at most."""
        return 0.0

    def half_width_m(self) -> float:
        """How far it reaches to the east."""
        return 0.0

    def half_height_m(self) -> float:
        """How far it reaches to the north."""
        return 0.0


class Circle(Shape):
    """All that is not farther away than the radius."""

    def __init__(self, radius: float, unit_m: float) -> None:
        super().__init__(unit_m)
        self.radius = radius

    def distance(self, place: Place) -> float:
        away = distance_m(self.center, place)
        return -1.0 if away > self.radius * self.unit_m else away

    def radius_m(self) -> float:
        return self.radius * self.unit_m

    def half_width_m(self) -> float:
        return self.unit_m * self.radius

    def half_height_m(self) -> float:
        return self.unit_m * self.radius


class Box(Shape):
    """A rectangle along the parallels."""

    def __init__(self, width: float, height: float, unit_m: float) -> None:
        super().__init__(unit_m)
        self.width = width
        self.height = height

    def distance(self, place: Place) -> float:
        center = self.center
        up = latitude_distance_m(place.latitude, center.latitude)
        if up > self.height * self.unit_m / 2:
            return -1.0
        if distance_m(place, Place(center.longitude, place.latitude)) > (
            self.width * self.unit_m / 2
        ):
            return -1.0
        return distance_m(center, place)

    def radius_m(self) -> float:
        half_width = self.width / 2
        half_height = self.height / 2
        return math.sqrt(half_width * half_width + half_height * half_height) * self.unit_m

    def half_width_m(self) -> float:
        return self.unit_m * (self.width / 2)

    def half_height_m(self) -> float:
        return self.unit_m * (self.height / 2)


def bounding_box(shape: Shape) -> Area:
    """What a shape covers; the side that is nearer to the equator decides how wide."""
    center = shape.center
    up = shape.half_height_m() / EARTH_RADIUS_M / RADIANS
    width = shape.half_width_m() / EARTH_RADIUS_M
    side = center.latitude - up if center.latitude < 0 else center.latitude + up
    # Without end there is no side: nan, which no comparison finds outside.
    across = width / math.cos(side * RADIANS) / RADIANS if math.isfinite(side) else math.nan
    return Area(
        center.longitude - across, center.latitude - up,
        center.longitude + across, center.latitude + up,
    )  # fmt: skip


def step_for(range_m: float, latitude: float) -> i64:
    """How fine cells may be so that nine of them cover a circle of this radius."""
    if range_m == 0:
        return STEP_MAX
    step: i64 = 1
    while range_m < MAP_HALF_M:
        range_m *= 2
        step += 1
    step -= 2
    if latitude > 66 or latitude < -66:
        step -= 1
        if latitude > 80 or latitude < -80:
            step -= 1
    return min(max(step, 1), STEP_MAX)


def cells_around(shape: Shape) -> list[Cell]:
    """The cells to be searched, in Redis's order: the middle, its sides, its corners.

    Those that the shape does not reach are left out, and one that is the same as the one before.
    """
    center = shape.center
    box = bounding_box(shape)
    step = step_for(shape.radius_m(), center.latitude)
    cell = cell_at(center, step)
    if step > 1 and leaves_gaps(cell, box):
        step -= 1
        cell = cell_at(center, step)
    area = cell.area()
    south = north = east = west = True
    if step >= 2:
        south = not area.south < box.south
        north = not area.north > box.north
        west = not area.west < box.west
        east = not area.east > box.east
    found = [cell]
    for wanted, column, row in (
        (north, 0, 1), (south, 0, -1), (east, 1, 0), (west, -1, 0), (north and east, 1, 1),
        (north and west, -1, 1), (south and east, 1, -1), (south and west, -1, -1),
    ):  # fmt: skip
        if wanted:
            found.append(cell.moved(column, row))
    return [
        each
        for i, each in enumerate(found)
        # The middle is compared with nothing that follows it, as in Redis.
        if i < 2 or not each.is_same(found[i - 1])
    ]


def leaves_gaps(cell: Cell, box: Area) -> bool:
    """Does the shape reach beyond the cell's neighbours?"""
    return (
        cell.moved(0, 1).area().north < box.north
        or cell.moved(0, -1).area().south > box.south
        or cell.moved(1, 0).area().east < box.east
        or cell.moved(-1, 0).area().west > box.west
    )
