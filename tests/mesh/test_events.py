"""Keyspace events at a peer: of every write command those that were told where a client sent it.

A frame says what happened to a key, not which command did it; where Redis has a word of its own
for the command, a peer tells the plain one. These stand in TOLD_AS, and nothing else does.
"""

import pytest

from node.ports import Publisher
from node.readers.notify import Notify
from tests.mesh.stories import pair
from tests.support.simnode import SimNode
from tests.support.write_examples import EXAMPLES, Lines, words_of

EACH = [(name, lines) for name, all_ in EXAMPLES.items() for lines in all_]
NAMES = [f"{name}-{number}" for name, all_ in EXAMPLES.items() for number in range(len(all_))]

PUT = "put"  # as if its content had been added: set, rpush, sadd, hset, zadd or xadd
PUT_WORDS = {
    b"string": "set", b"list": "rpush", b"set": "sadd", b"hash": "hset", b"zset": "zadd",
    b"stream": "xadd",
}  # fmt: skip

# What the origin tells, and what its peers tell instead.
TOLD_AS: dict[str, tuple[str, ...]] = {
    # a whole value, wherever it came from
    "copy_to": (PUT,), "rename_to": (PUT,), "move_to": (PUT,), "sortstore": (PUT,),
    "sinterstore": (PUT,), "sunionstore": (PUT,), "sdiffstore": (PUT,), "zrangestore": (PUT,),
    "zunionstore": (PUT,), "zinterstore": (PUT,), "zdiffstore": (PUT,), "geosearchstore": (PUT,),
    "georadiusstore": (PUT,), "restore": (PUT,),
    # a key that goes, whatever its name is afterwards
    "rename_from": ("del",), "move_from": ("del",),
    # members that go, whoever chose them
    "spop": ("srem",), "zpopmin": ("zrem",), "zpopmax": ("zrem",), "zremrangebyrank": ("zrem",),
    "zremrangebyscore": ("zrem",), "zremrangebylex": ("zrem",),
}  # fmt: skip
# The same for one example.
ONCE: dict[str, dict[str, tuple[str, ...]]] = {
    "restore-asking-0": {"restore": (PUT, "expire")},  # as SET with a deadline
    "persist-1": {"persist": ("hpersist",)},  # KeyDB's PERSIST of a field is HPERSIST
    "ltrim-1": {"ltrim": ("lpop",)},  # all of the list, from its head
    "bitfield-0": {"setbit": ("setbit", "setbit", "setbit")},  # one for each field that changed
    "lmove-1": {"rpush": ("lpop",), "lpop": ("rpush",)},  # in one list: the pop comes first
}


class Heard(Publisher):
    """Every event as (word, key), but keymiss: what a client did not find concerns it alone."""

    def __init__(self, node: SimNode) -> None:
        self.events: list[tuple[str, bytes]] = []
        engine = node.engine
        Notify(engine.journal, self).configure("EAnoc", engine.databases)

    def publish(self, channel: bytes, message: bytes) -> int:
        self.events.append((channel.partition(b":")[2].decode(), message))
        return 1

    def is_heard(self) -> bool:
        return True


def put_word(node: SimNode, key: bytes) -> str:
    """As what a peer tells a PUT of the value that this key has."""
    for db in node.engine.databases:
        entry = db.keys.get(key)
        if entry is not None:
            value = entry.value
            return PUT_WORDS[value.kind() if hasattr(value, "kind") else b"string"]
    raise AssertionError(f"{key!r} is not there")


def in_order(events: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """A key that RENAME or MOVE makes is told as new before the old one goes, as Redis does it; a
    peer is told of two effects one after the other."""
    if len(events) > 1 and events[0][0] == "new" and events[1][0] in ("rename_from", "move_from"):
        return [events[1], events[0], *events[2:]]
    return events


@pytest.mark.parametrize(
    ("example", "lines"), [(each, lines) for each, (_, lines) in zip(NAMES, EACH, strict=True)],
    ids=NAMES,
)  # fmt: skip
def test_a_peer_tells_the_events_that_the_origin_told(example: str, lines: Lines) -> None:
    mesh, a, b = pair()
    for line in lines[:-1]:
        a(*words_of(line, example))
    mesh.heal()
    here = Heard(a)
    there = Heard(b)
    a(*words_of(lines[-1], example))
    mesh.heal()
    words = TOLD_AS | ONCE.get(example, {})
    expected = [
        (put_word(b, key) if each == PUT else each, key)
        for word, key in in_order(here.events)
        for each in words.get(word, (word,))
    ]
    assert there.events == expected
