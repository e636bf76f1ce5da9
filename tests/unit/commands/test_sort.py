"""SORT: its effect, and orders that Redis leaves open.

What the replies look like is in tests/commands/sort.txt.
"""

from __future__ import annotations

import pytest

from node.resp.replies import Failure
from node.store.events import SORTSTORE
from node.store.values.lists import ListValue
from tests.support.local import LocalNode


def test_sort_store_is_a_put_of_a_list(node: LocalNode) -> None:
    node("SADD s 3 1 2")
    node.recorder.units.clear()
    assert node("SORT s STORE d") == 3
    (effect,) = node.recorder.units[0]
    assert isinstance(effect.value, ListValue)
    assert effect.value.content() == [b"1", b"2", b"3"]
    assert int(effect.events) == SORTSTORE
    assert node("LRANGE d 0 -1") == [b"1", b"2", b"3"]
    node("RPUSH d 4")
    assert effect.value.content() == [b"1", b"2", b"3"]


def test_nothing_to_keep_deletes_the_target(node: LocalNode) -> None:
    node("SET d old")
    node.effects()
    assert node("SORT none STORE d") == 0
    assert node("SORT none STORE d") == 0
    assert node.effects() == ["DROP d"]


def test_the_deadline_of_the_target_goes(node: LocalNode) -> None:
    node("RPUSH l 2 1")
    node("SET d old EX 100")
    node("SORT l STORE d")
    assert node("TTL d") == -1


def test_reading_has_no_effect(node: LocalNode) -> None:
    node("RPUSH l 2 1")
    node.effects()
    node("SORT l")
    node("SORT_RO l BY w_* GET #")
    node("SORT l BY")
    assert node.effects() == []


def test_what_compares_equal_stays_in_its_order(node: LocalNode) -> None:
    node("RPUSH l c a b")
    node("MSET w_a 1 w_b 1 w_c 1")
    assert node("SORT l BY w_* ALPHA") == [b"c", b"a", b"b"]
    assert node("SORT l BY none_* ALPHA DESC") == [b"c", b"a", b"b"]
    assert node("SORT l BY w_*") == [b"a", b"b", b"c"]
    assert node("SORT l BY w_* DESC") == [b"c", b"b", b"a"]


def test_elements_without_a_text_come_before_those_with_an_empty_one(node: LocalNode) -> None:
    node("RPUSH l a b c")
    node.call(0, [b"MSET", b"w_a", b"x", b"w_b", b""])
    assert node("SORT l BY w_* ALPHA") == [b"c", b"b", b"a"]


def test_an_unsorted_set_keeps_its_order_and_its_limit(node: LocalNode) -> None:
    node("SADD s c a b")
    assert node("SORT s BY nosort") == [b"c", b"a", b"b"]
    assert node("SORT s BY nosort LIMIT 1 1") == [b"a"]


@pytest.mark.parametrize("element", [" 1", "0x1", "1_000", "nan", "1 ", "+", ".", "1e", "--1"])
def test_what_is_no_weight(node: LocalNode, element: str) -> None:
    node.call(0, [b"RPUSH", b"l", element.encode(), b"1"])
    reply = node("SORT l LIMIT 0 0")
    assert isinstance(reply, Failure)
    assert reply.text == b"ERR One or more scores can't be converted into double"
