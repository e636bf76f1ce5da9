"""Lists: which effects and events the commands make, and identities through a move.

What the replies look like is in tests/commands/lists.txt and list_moves.txt.
"""

from __future__ import annotations

import pytest

from node.journal import Commit
from node.persist.canon import command_of
from node.ports import Reader, Resolver
from node.readers.notify import codes
from node.resp.replies import Failure
from node.store.effect import INSERT, PUSH, Effect
from node.store.entry import Entry
from node.store.events import EVENTS
from node.store.values.lists import Inserted, ListValue, Pushed, Removed, Run
from node.store.values.order import Ranks
from tests.support.local import LocalNode

PLACE = 98


def units(node: LocalNode) -> list[list[Effect]]:
    """The units since the last call."""
    found = node.recorder.units.copy()
    node.recorder.units.clear()
    return found


def said(node: LocalNode) -> list[str]:
    """The effects since the last call as the commands that replay them."""
    lines = []
    for unit in units(node):
        for effect in unit:
            words = command_of(effect)
            assert words is not None
            lines.append(b" ".join(words).decode())
    return lines


def told(node: LocalNode) -> list[str]:
    """The keyspace events since the last call: name and key."""
    return [
        f"{EVENTS[code][1].decode()} {effect.key.decode()}"
        for unit in units(node)
        for effect in unit
        for code in codes(effect)
    ]


class Ends(Reader):
    """Notes of each unit whether the client's own bytes say it exactly."""

    def __init__(self) -> None:
        self.replayable: list[bool] = []

    def read(self, commit: Commit) -> None:
        self.replayable.append(commit.end != 0)


def replayable(node: LocalNode, text: str) -> list[bool]:
    """For each unit that a command makes: may its own bytes be sent to a peer?"""
    ends = Ends()
    node.engine.journal.wake(PLACE, ends)
    args = [word.encode() for word in text.split()]
    node.engine.execute(node.sessions[0], 0, args, b"the client's bytes", 0, 18)
    node.engine.journal.rest(PLACE)
    return ends.replayable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("LPUSH l x y", ["LPUSH l x y"]),
        ("RPUSH l x", ["RPUSH l x"]),
        ("LPUSHX l x", ["LPUSH l x"]),
        ("RPUSHX none x", []),
        ("LPOP l", ["LPOP l"]),
        ("RPOP l", ["RPOP l"]),
        ("LPOP l 2", ["LPOP l 2"]),
        ("RPOP l 2", ["RPOP l 2"]),
        ("LPOP l 9", ["LPOP l 5"]),
        ("RPOP l 9", ["LPOP l 5"]),
        ("LPOP l 0", []),
        ("LPOP none", []),
        ("LSET l -1 x", ["LSET l 4 x"]),
        ("LINSERT l BEFORE c x", ["MESH.LINSERT l 2 x"]),
        ("LINSERT l AFTER e x", ["MESH.LINSERT l 5 x"]),
        ("LINSERT l AFTER none x", []),
        ("LREM l 0 c", ["MESH.LREMOVE l 2 1"]),
        ("LREM l 0 a", ["LPOP l"]),
        ("LREM l 0 none", []),
        ("LTRIM l 1 3", ["LTRIM l 1 -2"]),
        ("LTRIM l 2 -1", ["LPOP l 2"]),
        ("LTRIM l 0 0", ["RPOP l 4"]),
        ("LTRIM l 9 0", ["LPOP l 5"]),
        ("LTRIM l 0 -1", ["LTRIM l 0 -1"]),
        ("LTRIM none 0 0", []),
        ("LMOVE l m LEFT RIGHT", ["RPUSH m a", "LPOP l"]),
        ("LMOVE l m RIGHT LEFT", ["LPUSH m e", "RPOP l"]),
        ("RPOPLPUSH l l", ["RPOP l", "LPUSH l e"]),
        ("LMOVE l l LEFT LEFT", ["LTRIM l 0 -1"]),
        ("LMPOP 2 none l RIGHT COUNT 3", ["RPOP l 3"]),
        ("LMPOP 1 none LEFT", []),
        ("BLPOP none l 0", ["LPOP l"]),
        ("BRPOP l 0", ["RPOP l"]),
        ("BLMOVE l m LEFT LEFT 0", ["LPUSH m a", "LPOP l"]),
        ("BLMPOP 0 1 l LEFT COUNT 2", ["LPOP l 2"]),
        ("LRANGE l 0 -1", []),
        ("LPOS l a", []),
    ],
)
def test_each_command_is_one_unit_of_these_effects(
    node: LocalNode, text: str, expected: list[str]
) -> None:
    node("RPUSH l a b c d e")
    units(node)
    node(text)
    assert len(node.recorder.units) == (1 if expected else 0)
    assert said(node) == expected


def test_equal_elements_are_removed_in_one_effect(node: LocalNode) -> None:
    node("RPUSH l x a x x b x")
    units(node)
    assert node("LREM l -3 x") == 3
    assert said(node) == ["MESH.LREMOVE l 2 2 5 1"]
    assert node("LRANGE l 0 -1") == [b"x", b"a", b"b"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("LPUSH l x y", ["lpush l"]),
        ("LPUSH new x", ["new new", "lpush new"]),
        ("RPUSHX l x", ["rpush l"]),
        ("LPOP l", ["lpop l"]),
        ("RPOP l 3", ["rpop l", "del l"]),
        ("LPOP l 0", []),
        ("LSET l 0 a", ["lset l"]),
        ("LINSERT l BEFORE a x", ["linsert l"]),
        ("LREM l 1 a", ["lrem l"]),
        ("LREM l 1 none", []),
        ("LTRIM l 0 0", ["ltrim l"]),
        ("LTRIM l 0 -1", ["ltrim l"]),
        ("LTRIM l 1 0", ["ltrim l", "del l"]),
        ("LMOVE l m LEFT RIGHT", ["new m", "rpush m", "lpop l"]),
        ("LMOVE l l LEFT RIGHT", ["rpush l", "lpop l"]),
        ("LMOVE l l LEFT LEFT", ["lpush l", "lpop l"]),
        ("LMOVE one m LEFT RIGHT", ["new m", "rpush m", "lpop one", "del one"]),
        ("RPOPLPUSH one one", ["lpush one", "rpop one"]),
        ("LMPOP 1 l LEFT COUNT 2", ["lpop l"]),
        ("BRPOP one 0", ["rpop one", "del one"]),
    ],
)
def test_events(node: LocalNode, text: str, expected: list[str]) -> None:
    node("RPUSH l a b c")
    node("RPUSH one a")
    units(node)
    node(text)
    assert told(node) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("LPUSH l x", [True]),
        ("RPUSH l x y", [True]),
        ("LPUSHX l x", [False]),
        ("RPUSHX l x", [False]),
        ("LPOP l", [True]),
        ("RPOP l 2", [True]),
        ("RPOP l 4", [False]),
        ("LSET l -1 x", [True]),
        ("LSET l 4294967295 x", [False]),
        ("LINSERT l BEFORE a x", [False]),
        ("LREM l 0 a", [False]),
        ("LTRIM l 0 0", [False]),
        ("LMOVE l m LEFT LEFT", [False]),
        ("LMPOP 1 l LEFT", [False]),
        ("BLPOP l 0", [False]),
        ("BLMOVE l l LEFT LEFT 0", [False]),
    ],
)
def test_own_bytes_are_kept_only_where_they_say_it_all(
    node: LocalNode, text: str, expected: list[bool]
) -> None:
    node("RPUSH l a b c")
    assert replayable(node, text) == expected


def test_errors_come_before_any_effect(node: LocalNode) -> None:
    node("SET str v")
    node("RPUSH l a")
    units(node)
    for text in (
        "LPUSH str a",
        "LMOVE l str LEFT LEFT",
        "RPOPLPUSH str l",
        "LSET l 5 x",
        "LPOP l -1",
        "LMPOP 2 str l LEFT",
        "BLPOP str l 0",
        "BLMOVE l str LEFT LEFT 0",
    ):
        assert isinstance(node(text), Failure), text
    assert units(node) == []
    assert node("LRANGE l 0 -1") == [b"a"]


def test_what_changes_nothing_spoils_a_watch_where_it_does_in_redis(node: LocalNode) -> None:
    other = node.session()
    node("RPUSH l a")
    for text, spoils in (
        ("LTRIM l 0 -1", True),
        ("LMOVE l l LEFT RIGHT", True),
        ("LSET l 0 a", True),
        ("LREM l 0 none", False),
        ("LPOP l 0", False),
    ):
        node("WATCH l")
        node(text, other)
        assert node.sessions[0].spoiled is spoils, text
        node("UNWATCH")


def test_a_list_turned_in_place_keeps_its_deadline(node: LocalNode) -> None:
    node("RPUSH l a")
    node("EXPIRE l 100")
    assert node("LMOVE l l LEFT RIGHT") == b"a"
    assert node("TTL l") == 100


def test_a_large_reply_is_cut_out_of_many_chunks(node: LocalNode) -> None:
    items = [b"%d" % i for i in range(5000)]
    node.call(0, [b"RPUSH", b"l", *items])
    assert node("LRANGE l 0 599") == items[:600]
    assert node("LRANGE l 1000 -1000") == items[1000:4001]
    assert node("LINDEX l -2500") == items[2500]
    assert node("LPOP l 1000") == items[:1000]
    assert node("RPOP l 1000") == items[:-1001:-1]
    assert node("LLEN l") == 3000


class Numbering(Resolver):
    """Numbers what is inserted into lists, as a mesh does."""

    def __init__(self) -> None:
        self.next = 1

    def local(self, effect: Effect, entry: Entry, fresh: bool) -> None:
        super().local(effect, entry, fresh)
        value = effect.value
        if effect.op == PUSH and isinstance(value, Pushed):
            value.first = self.next
            value.ranks = Ranks()
            self.next += len(value.items) - value.begin
        elif effect.op == INSERT and isinstance(value, Inserted):
            value.first = self.next
            value.ranks = Ranks()
            self.next += 1


def numbers(node: LocalNode, key: bytes) -> list[int]:
    """The numbers of a list's elements."""
    value = node.sessions[0].ctx.list(key)
    assert isinstance(value, ListValue)
    return [run.first + run.step * i for run in value.runs() for i in range(run.count)]


@pytest.fixture
def numbering() -> LocalNode:
    return LocalNode(resolver=Numbering())


def test_elements_keep_their_identities(numbering: LocalNode) -> None:
    node = numbering
    node("RPUSH l a b c")
    node("LPUSH l d e")
    node("LINSERT l AFTER a f")
    assert node("LRANGE l 0 -1") == [b"e", b"d", b"a", b"f", b"b", b"c"]
    assert numbers(node, b"l") == [5, 4, 1, 6, 2, 3]
    node("LSET l 0 g")
    node("LREM l 0 f")
    node("LTRIM l 1 -2")
    assert numbers(node, b"l") == [4, 1, 2]


def test_a_moved_element_says_which_it_was_before_its_first_move(numbering: LocalNode) -> None:
    node = numbering
    node("RPUSH l a b c")
    node("RPUSH m x")
    units(node)
    node("LMOVE l m RIGHT LEFT")
    ((pushed, removed),) = units(node)
    assert isinstance(removed.value, Removed)
    assert isinstance(pushed.value, Pushed)
    assert isinstance(pushed.value.kept, Run)
    assert pushed.value.kept.first == removed.value.runs[0].first == 3
    assert pushed.value.beside is not None
    assert pushed.value.beside.first == 4
    node("LMOVE l l LEFT RIGHT")
    node("LMOVE m l LEFT LEFT")
    *_, (again, _) = units(node)
    assert isinstance(again.value, Pushed)
    assert isinstance(again.value.kept, Run)
    assert again.value.kept.first == 3
    assert numbers(node, b"l") == [7, 2, 6]
    assert numbers(node, b"m") == [4]


def test_a_removal_names_what_went(numbering: LocalNode) -> None:
    node = numbering
    node("RPUSH l a b c d e")
    units(node)
    for text, gone in (("LPOP l", [1]), ("RPOP l", [5]), ("LREM l 0 c", [3]), ("LPOP l 9", [2, 4])):
        node(text)
        ((removed,),) = units(node)
        assert isinstance(removed.value, Removed)
        named = [run.first + i for run in removed.value.runs for i in range(run.count)]
        assert named == gone
