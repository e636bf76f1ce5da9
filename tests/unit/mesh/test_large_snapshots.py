"""A large key in a snapshot: its dots are written in slices, and are those of one moment."""

from __future__ import annotations

import pytest

from node.persist.rdb_reader import RdbReader
from tests.support.simnode import SimNode
from tests.support.simulation import World

SIZE = 10_500  # more than one dict of a value (node/store/values/places.py)
SHORT = 2_500  # more than is written at once
UNIT = 500


def grown(node: SimNode, kind: str) -> None:
    """A large key, in many units."""
    for begin in range(0, SHORT if kind in ("RPUSH", "XADD") else SIZE, UNIT):
        names = [b"member %d" % number for number in range(begin, begin + UNIT)]
        if kind == "SADD":
            node("SADD", "k", *names)
        elif kind == "HSET":
            node("HSET", "k", *[word for name in names for word in (name, b"v")])
        elif kind == "ZADD":
            node("ZADD", "k", *[word for name in names for word in (b"1", name)])
        elif kind == "RPUSH":
            node("RPUSH", "k", *names)
        else:
            for number, name in enumerate(names, begin + 1):
                node("XADD", "k", f"{number}-1", "f", name)


CHANGES = {
    "SADD": [("SREM", "k", "member 7"), ("SADD", "k", "new", "member 9")],
    "HSET": [("HDEL", "k", "member 7"), ("HSET", "k", "member 9", "w"), ("HINCRBY", "k", "n", "1")],
    "ZADD": [("ZREM", "k", "member 7"), ("ZADD", "k", "5", "new")],
    "RPUSH": [("LPOP", "k"), ("LSET", "k", "3", "w"), ("RPUSH", "k", "new")],
    "XADD": [("XDEL", "k", "7-1"), ("XTRIM", "k", "MINID", "300-1"), ("XADD", "k", "*", "f", "v")],
}
WHOLE = [("DEL", "k"), ("RENAME", "k", "other"), ("FLUSHALL",)]


@pytest.mark.parametrize("kind", list(CHANGES))
@pytest.mark.parametrize(
    ("steps", "ends"), [(1, None), (3, None), (50, None), *[(2, each) for each in WHOLE]]
)
def test_what_is_changed_meanwhile_is_in_it_as_it_was(
    kind: str, steps: int, ends: tuple[str, ...] | None
) -> None:
    world = World(1, nodes=2)
    source, target = world.nodes
    grown(source, kind)
    before = source.shown()
    source.begin_save()
    for _ in range(steps):
        source.work()
    for change in [ends] if ends is not None else CHANGES[kind]:
        source(*change)
    source.engine.tick(world.time_s)
    while source.work():
        pass
    after = source.shown()
    staging = target.member.stage()
    reader = RdbReader()
    data = source.saves[-1]
    for at in range(0, len(data), 50_000):
        for record in reader.feed(data[at : at + 50_000]):
            staging.add(record)
    target.member.large = 5000
    target.member.slice_places = 1000
    target.member.switch()
    target.member.finish_merging()
    assert target.shown() == before
    assert after != before


@pytest.mark.parametrize("kind", list(CHANGES))
def test_the_dots_are_those_of_each_member(kind: str) -> None:
    """What came by transfer is cleared by a removal that had seen it, and by no other."""
    world = World(1, nodes=2, backlog_bytes=20_000)
    source, target = world.nodes
    for node in world.nodes:
        node.member.large = 5000
        node.member.slice_places = 1000
    world.part(0, 1)
    grown(source, kind)
    for change in CHANGES[kind]:
        source(*change)
    world.settle()
    world.check()
    target("DEL", "k")
    world.settle()
    assert source("EXISTS", "k") == 0
    world.check()
