"""What GEOSEARCH and its ancestors share: reading what is asked for, finding it, answering.
[compiled]

One Search serves GEORADIUS, GEORADIUSBYMEMBER, GEOSEARCH and their storing and read-only forms;
which options a command has is said by `Form`.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.commands.args import Options, integer, syntax_error
from node.commands.context import Context
from node.commands.zsets import score_of, stored
from node.resp.replies import Double, Failure
from node.store.events import GEORADIUSSTORE, GEOSEARCHSTORE
from node.store.values.geohash import Box, Circle, Place, Shape, cells_around, is_on_map, place_of
from node.store.values.zsets import ZSetValue

UNITS: Final[dict[bytes, float]] = {b"M": 1.0, b"KM": 1000.0, b"FT": 0.3048, b"MI": 1609.34}
NO_UNIT: Final = b"ERR unsupported unit provided. please use M, KM, FT, MI"
NO_PLACE: Final = b"ERR could not decode requested zset member"
NO_COUNT: Final = b"ERR COUNT must be > 0"
ANY_WITHOUT_COUNT: Final = b"ERR the ANY argument requires COUNT argument"
I64_LIMIT: Final = 9223372036854775808.0


class Form:
    """What a command takes: where its source stands, where its options begin.

    `searches`: GEOSEARCH and GEOSEARCHSTORE, which name the place and shape by options.
    """

    def __init__(
        self, source: int, options: int, searches: bool, stores: bool, writes: bool
    ) -> None:
        self.source = source
        self.options = options
        self.searches = searches
        self.stores = stores
        self.writes = writes


RADIUS: Final = Form(1, 6, False, True, True)
RADIUS_RO: Final = Form(1, 6, False, False, False)
MEMBER: Final = Form(1, 5, False, True, True)
MEMBER_RO: Final = Form(1, 5, False, False, False)
SEARCH: Final = Form(1, 2, True, False, False)
SEARCH_STORE: Final = Form(2, 3, True, False, True)


class Point:
    """A member that was found."""

    def __init__(self, member: bytes, score: float, place: Place, away_m: float) -> None:
        self.member: Final = member
        self.score: Final = score
        self.place: Final = place
        self.away_m: Final = away_m

    def away(self) -> float:
        """The distance in metres: what is sorted by."""
        return self.away_m


class Search:
    """Everything a command says."""

    def __init__(self) -> None:
        self.shape: Shape | None = None
        self.place: Place | None = None
        self.from_member = False  # also where there is no source to look the member up in
        self.order = 0  # 1 nearest first, -1 farthest first
        self.count = 0
        self.any = False
        self.with_distance = False
        self.with_score = False
        self.with_place = False
        self.target: bytes | None = None
        self.keeps_distance = False


def place_from(args: list[bytes], first: i64) -> Place:
    """A longitude and a latitude; Failure where they are none or not on the map."""
    longitude = score_of(args[first])
    latitude = score_of(args[first + 1])
    place = Place(longitude, latitude)
    if not is_on_map(place):
        text = f"ERR invalid longitude,latitude pair {longitude:f},{latitude:f}"
        raise Failure(text.encode())
    return place


def unit_m(word: bytes) -> float:
    """A unit in metres."""
    unit = UNITS.get(word.upper())
    if unit is None:
        raise Failure(NO_UNIT)
    return unit


def circle_from(radius: bytes, unit: bytes) -> Circle:
    """A radius and its unit."""
    length = score_of(radius, b"ERR need numeric radius")
    if length < 0:
        raise Failure(b"ERR radius cannot be negative")
    return Circle(length, unit_m(unit))


def box_from(width: bytes, height: bytes, unit: bytes) -> Box:
    """A width, a height and their unit."""
    across = score_of(width, b"ERR need numeric width")
    up = score_of(height, b"ERR need numeric height")
    if across < 0 or up < 0:
        raise Failure(b"ERR height or width cannot be negative")
    return Box(across, up, unit_m(unit))


def member_place(value: ZSetValue, member: bytes) -> Place:
    """Where a member is; Failure where it is none."""
    score = value.score_of(member)
    if score is None:
        raise Failure(NO_PLACE)
    return place_of(score)


def read_options(search: Search, args: list[bytes], form: Form, value: ZSetValue | None) -> None:
    """The options of a form, `value` being its source; Failures in Redis's order."""
    options = Options(args, form.options)
    while options.more():
        word = options.word()
        if word == b"WITHDIST":
            search.with_distance = True
        elif word == b"WITHHASH":
            search.with_score = True
        elif word == b"WITHCOORD":
            search.with_place = True
        elif word == b"ANY":
            search.any = True
        elif word == b"ASC":
            search.order = 1
        elif word == b"DESC":
            search.order = -1
        elif word == b"COUNT" and options.has_value():
            search.count = integer(options.value())
            if search.count <= 0:
                raise Failure(NO_COUNT)
        elif form.searches:
            read_search_option(search, word, options, form, value)
        elif word in (b"STORE", b"STOREDIST") and form.stores and options.has_value():
            search.target = options.value()
            search.keeps_distance = word == b"STOREDIST"
        else:
            raise syntax_error()
    check_options(search, args, form)


def read_search_option(
    search: Search, word: bytes, options: Options, form: Form, value: ZSetValue | None
) -> None:
    """The options that only GEOSEARCH and GEOSEARCHSTORE have."""
    at_place = search.place is not None and not search.from_member
    if word == b"STOREDIST" and form.writes:
        search.keeps_distance = True
    elif word == b"FROMMEMBER" and options.has_value() and not at_place:
        member = options.value()
        search.from_member = True
        if value is not None:
            search.place = member_place(value, member)
    elif word == b"FROMLONLAT" and options.has_value(2) and not search.from_member:
        search.place = place_from([options.value(), options.value()], 0)
    elif word == b"BYRADIUS" and options.has_value(2) and not isinstance(search.shape, Box):
        radius = options.value()
        search.shape = circle_from(radius, options.value())
    elif word == b"BYBOX" and options.has_value(3) and not isinstance(search.shape, Circle):
        width = options.value()
        height = options.value()
        search.shape = box_from(width, height, options.value())
    else:
        raise syntax_error()


def check_options(search: Search, args: list[bytes], form: Form) -> None:
    """Do the options go together?"""
    if search.target is not None and (
        search.with_distance or search.with_score or search.with_place
    ):
        name = b"GEOSEARCHSTORE" if form.searches else b"STORE option in GEORADIUS"
        raise Failure(
            b"ERR %b is not compatible with WITHDIST, WITHHASH and WITHCOORD options" % name
        )
    if form.searches and search.place is None and not search.from_member:
        raise Failure(
            b"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %b" % args[0]
        )
    if form.searches and search.shape is None:
        raise Failure(b"ERR exactly one of BYRADIUS and BYBOX can be specified for %b" % args[0])
    if search.any and search.count == 0:
        raise Failure(ANY_WITHOUT_COUNT)


def searched(ctx: Context, args: list[bytes], form: Form) -> object:
    """Carries out a command of this form."""
    value = ctx.zset(args[form.source])
    if value is None and form.writes:
        ctx.services.notify.read_missed(int(ctx.db.number), args[form.source])
    search = Search()
    if form.options == 6:
        search.place = place_from(args, 2)
        search.shape = circle_from(args[4], args[5])
    elif form.options == 5 and value is not None:
        search.place = member_place(value, args[2])
        search.shape = circle_from(args[3], args[4])
    if form.options == 3:
        search.target = args[1]
    read_options(search, args, form, value)
    found: list[Point] = []
    if value is not None:
        found = points(search, value)
    if search.target is None:
        return answer(search, found)
    unit = 1.0 if search.shape is None else search.shape.unit_m
    pairs: dict[bytes, float] = {}
    for point in found:
        pairs[point.member] = point.away_m / unit if search.keeps_distance else point.score
    event = GEOSEARCHSTORE if form.searches else GEORADIUSSTORE
    return stored(ctx, search.target, pairs, event)


def points(search: Search, value: ZSetValue) -> list[Point]:
    """The members in the shape, sorted and counted as the search asks for."""
    shape = search.shape
    place = search.place
    assert shape is not None and place is not None, "a search without a place or a shape"
    shape.center = place
    limit: i64 = search.count if search.any else 0
    found: list[Point] = []
    for cell in cells_around(shape):
        start = value.below(float(cell.first_score()))
        stop = value.below(float(cell.end_score()))
        scores = value.scores(start, stop)
        members = value.members(start, stop)
        for i in range(len(members)):
            there = place_of(scores[i])
            away_m = shape.distance(there)
            if away_m >= 0:
                found.append(Point(members[i], scores[i], there, away_m))
                if limit > 0 and len(found) >= limit:
                    break
        if limit > 0 and len(found) >= limit:
            break
    order = search.order
    if order == 0 and search.count != 0 and not search.any:
        order = 1
    if order != 0:
        found.sort(key=Point.away, reverse=order < 0)
    return found[: search.count] if search.count != 0 else found


def answer(search: Search, found: list[Point]) -> list[object]:
    """The members, each with what was asked for."""
    replies: list[object] = []
    plain = not (search.with_distance or search.with_score or search.with_place)
    unit = 1.0 if search.shape is None else search.shape.unit_m
    for point in found:
        if plain:
            replies.append(point.member)
            continue
        parts: list[object] = [point.member]
        if search.with_distance:
            parts.append(distance_text(point.away_m / unit))
        if search.with_score:
            parts.append(whole(point.score))
        if search.with_place:
            parts.append(coordinates(point.place))
        replies.append(parts)
    return replies


def coordinates(place: Place) -> list[object]:
    """Longitude and latitude."""
    return [Double(place.longitude), Double(place.latitude)]


def distance_text(distance: float) -> bytes:
    """A distance with four places, rounded to the nearest, to an even one in the middle."""
    whole_part, fraction = divmod(round(distance * 10000.0), 10000)
    return b"%d.%04d" % (whole_part, fraction)


def whole(score: float) -> int:
    """A score without its fraction, as C converts it to 64 bits."""
    return int(score) if -I64_LIMIT <= score < I64_LIMIT else -(1 << 63)
