"""Places in sorted sets: GEOADD, GEOPOS, GEODIST, GEOHASH, GEOSEARCH and its ancestors.  [compiled]

A place is a score (node/store/values/geohash.py), so all other commands of sorted sets work on it.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from node.commands.args import syntax_error
from node.commands.command import DENYOOM, READONLY, WRITE, Command, at, behind
from node.commands.context import Context
from node.commands.geo_search import (
    MEMBER,
    MEMBER_RO,
    RADIUS,
    RADIUS_RO,
    SEARCH,
    SEARCH_STORE,
    coordinates,
    distance_text,
    place_from,
    searched,
    unit_m,
)
from node.commands.zsets import NX, OPTIONS, XX, add_some
from node.resp.replies import NULL_ARRAY
from node.store.effect import ZADD
from node.store.values.geohash import distance_m, geohash_of, place_of, score_at
from node.store.values.zsets import added_of

GEOADD_OPTIONS: Final = (b"NX", b"XX", b"CH")


def geoadd(ctx: Context, args: list[bytes]) -> object:
    """GEOADD: how many members are new; a ZADD of the places' scores."""
    first: i64 = 2
    options: i64 = 0
    n: i64 = len(args)
    while first < n and args[first].upper() in GEOADD_OPTIONS:
        options = options | OPTIONS[args[first].upper()]
        first += 1
    if (n - first) % 3 or (options & NX and options & XX):
        raise syntax_error()
    pairs: list[bytes] = []
    i = first
    while i < n:
        pairs.append(b"%d" % score_at(place_from(args, i)))
        pairs.append(args[i + 2])
        i += 3
    if not pairs:
        raise syntax_error()
    value = ctx.zset(args[1])
    ctx.reworded()
    if options == 0:
        return added_of(ctx.emit(ZADD, args[1], pairs, 0))
    return add_some(ctx, [args[0], args[1], *pairs], 2, options, value)


def geopos(ctx: Context, args: list[bytes]) -> object:
    """GEOPOS: where members are, the null array for those that are not there."""
    value = ctx.zset(args[1])
    replies: list[object] = []
    for member in args[2:]:
        score = None if value is None else value.score_of(member)
        replies.append(NULL_ARRAY if score is None else coordinates(place_of(score)))
    return replies


def geohash(ctx: Context, args: list[bytes]) -> object:
    """GEOHASH: where members are, as text."""
    value = ctx.zset(args[1])
    replies: list[object] = []
    for member in args[2:]:
        score = None if value is None else value.score_of(member)
        replies.append(None if score is None else geohash_of(place_of(score)))
    return replies


def geodist(ctx: Context, args: list[bytes]) -> object:
    """GEODIST: how far two members are from each other."""
    if len(args) > 5:
        raise syntax_error()
    unit = unit_m(args[4]) if len(args) == 5 else 1.0
    value = ctx.zset(args[1])
    if value is None:
        return None
    first = value.score_of(args[2])
    second = value.score_of(args[3])
    if first is None or second is None:
        return None
    return distance_text(distance_m(place_of(first), place_of(second)) / unit)


def geosearch(ctx: Context, args: list[bytes]) -> object:
    """GEOSEARCH: the members in a circle or box around a member or place."""
    return searched(ctx, args, SEARCH)


def geosearchstore(ctx: Context, args: list[bytes]) -> object:
    """GEOSEARCHSTORE: how many members there are, which are put under another key."""
    return searched(ctx, args, SEARCH_STORE)


def georadius(ctx: Context, args: list[bytes]) -> object:
    """GEORADIUS: the members in a circle around a place, shown or put under another key."""
    return searched(ctx, args, RADIUS)


def georadius_ro(ctx: Context, args: list[bytes]) -> object:
    """GEORADIUS_RO: as GEORADIUS without STORE."""
    return searched(ctx, args, RADIUS_RO)


def georadiusbymember(ctx: Context, args: list[bytes]) -> object:
    """GEORADIUSBYMEMBER: the members in a circle around a member."""
    return searched(ctx, args, MEMBER)


def georadiusbymember_ro(ctx: Context, args: list[bytes]) -> object:
    """GEORADIUSBYMEMBER_RO: as GEORADIUSBYMEMBER without STORE."""
    return searched(ctx, args, MEMBER_RO)


EACH: Final = "O(1) for each member"
SEARCHED: Final = "O(N + M * log M) with N the members in the cells searched and M those found"
UNIT: Final = "<M | KM | FT | MI>"
SHAPE: Final = (
    "<FROMMEMBER member | FROMLONLAT longitude latitude> "
    f"<BYRADIUS radius {UNIT} | BYBOX width height {UNIT}> [ASC | DESC] [COUNT count [ANY]]"
)
SHOWS: Final = "[WITHCOORD] [WITHDIST] [WITHHASH]"
RADIUS_OPTIONS: Final = f"{SHOWS} [COUNT count [ANY]] [ASC | DESC]"
KEEPS: Final = "[STORE key | STOREDIST key]"

COMMANDS: tuple[Command, ...] = (
    Command(
        "GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]",
        geoadd, WRITE | DENYOOM,
        keys=(at(1, "RW", "UPDATE"),), group="geo", since="3.2.0",
        cost="O(log N) for each member",
        about="Puts members at places, which are kept as scores of a sorted set.",
    ),
    Command(
        "GEOPOS key [member [member ...]]", geopos, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="geo", since="3.2.0", cost=EACH,
        about="Shows where members are.",
    ),
    Command(
        "GEODIST key member1 member2 [M | KM | FT | MI]", geodist, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="geo", since="3.2.0", cost="O(1)",
        about="Shows how far two members are from each other.",
    ),
    Command(
        "GEOHASH key [member [member ...]]", geohash, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="geo", since="3.2.0", cost=EACH,
        about="Shows where members are, as geohashes.",
    ),
    Command(
        f"GEOSEARCH key {SHAPE} {SHOWS}", geosearch, READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="geo", since="6.2.0", cost=SEARCHED,
        about="Shows the members in a circle or a box.",
    ),
    Command(
        f"GEOSEARCHSTORE destination source {SHAPE} [STOREDIST]", geosearchstore,
        WRITE | DENYOOM,
        keys=(at(1, "OW", "UPDATE"), at(2, "RO", "ACCESS")), group="geo", since="6.2.0",
        cost=SEARCHED, about="Keeps the members in a circle or a box under another key.",
    ),
    Command(
        f"GEORADIUS key longitude latitude radius {UNIT} {RADIUS_OPTIONS} {KEEPS}", georadius,
        WRITE | DENYOOM,
        keys=(
            at(1, "RO", "ACCESS"), behind("STORE", 6, 0, 0, "OW", "UPDATE"),
            behind("STOREDIST", 6, 0, 0, "OW", "UPDATE"),
        ),
        group="geo", since="3.2.0", cost=SEARCHED,
        about="Shows the members in a circle around a place, or keeps them; see GEOSEARCH.",
    ),
    Command(
        f"GEORADIUS_RO key longitude latitude radius {UNIT} {RADIUS_OPTIONS}", georadius_ro,
        READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="geo", since="3.2.10", cost=SEARCHED,
        about="Shows the members in a circle around a place; see GEOSEARCH.",
    ),
    Command(
        f"GEORADIUSBYMEMBER key member radius {UNIT} {RADIUS_OPTIONS} {KEEPS}",
        georadiusbymember, WRITE | DENYOOM,
        keys=(
            at(1, "RO", "ACCESS"), behind("STORE", 5, 0, 0, "OW", "UPDATE"),
            behind("STOREDIST", 5, 0, 0, "OW", "UPDATE"),
        ),
        group="geo", since="3.2.0", cost=SEARCHED,
        about="Shows the members in a circle around a member, or keeps them; see GEOSEARCH.",
    ),
    Command(
        f"GEORADIUSBYMEMBER_RO key member radius {UNIT} {RADIUS_OPTIONS}", georadiusbymember_ro,
        READONLY,
        keys=(at(1, "RO", "ACCESS"),), group="geo", since="3.2.10", cost=SEARCHED,
        about="Shows the members in a circle around a member; see GEOSEARCH.",
    ),
)  # fmt: skip
