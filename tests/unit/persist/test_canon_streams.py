"""Every effect of a stream as a command, and that command read back."""

from __future__ import annotations

import pytest

from node.persist.canon import command_of, effect_of
from node.persist.canon_words import CanonError
from node.store.effect import XACK, XADD, XDEL, XDELIVER, XGROUP, XSETID, Effect
from node.store.values.groups import (
    CREATE,
    CREATE_CONSUMER,
    DELETE_CONSUMER,
    DESTROY,
    SETID,
    Acknowledged,
    Delivered,
    GroupChange,
)
from node.store.values.stream_ids import ID_MAX, id_of
from node.store.values.streams import Added, Deleted, Positions

TOP = b"18446744073709551615-18446744073709551615"
FIVE = id_of(5, 1)

CASES = [
    (XADD, Added(FIVE, [b"XADD", b"k", b"*", b"f", b"v"], 3), b"XADD s 5-1 f v"),
    (XADD, Added(ID_MAX, [b"f", b"v", b"f", b"w"], 0), b"XADD s " + TOP + b" f v f w"),
    (XDEL, Deleted([FIVE, ID_MAX]), b"XDEL s 5-1 " + TOP),
    (XDEL, Deleted([], FIVE, True), b"XTRIM s MINID = 5-1"),
    (XDEL, Deleted([FIVE], 0, True), b"MESH.XDEL s 0-0 5-1"),
    (XDEL, Deleted([FIVE], id_of(4, 0), True), b"MESH.XDEL s 4-0 5-1"),
    (XSETID, Positions(FIVE, -1, 0), b"XSETID s 5-1"),
    (XSETID, Positions(FIVE, 7, 3), b"XSETID s 5-1 ENTRIESADDED 7 MAXDELETEDID 0-3"),
    (XGROUP, GroupChange(CREATE, b"g", FIVE, 3), b"XGROUP CREATE s g 5-1 MKSTREAM ENTRIESREAD 3"),
    (XGROUP, GroupChange(CREATE, b"g", 0), b"XGROUP CREATE s g 0-0 MKSTREAM ENTRIESREAD -1"),
    (XGROUP, GroupChange(SETID, b"g", FIVE, -1), b"XGROUP SETID s g 5-1 ENTRIESREAD -1"),
    (XGROUP, GroupChange(DESTROY, b"g"), b"XGROUP DESTROY s g"),
    (XGROUP, GroupChange(CREATE_CONSUMER, b"g", 0, 0, b"c"), b"XGROUP CREATECONSUMER s g c"),
    (XGROUP, GroupChange(DELETE_CONSUMER, b"g", 0, 0, b"c"), b"XGROUP DELCONSUMER s g c"),
    (
        XDELIVER,
        Delivered(b"g", b"c", [(FIVE, 1700000000000, 2)], FIVE),
        b"XCLAIM s g c 0 5-1 TIME 1700000000000 RETRYCOUNT 2 FORCE JUSTID LASTID 5-1",
    ),
    (XDELIVER, Delivered(b"g", b"c", [], FIVE, 4), b"MESH.XDELIVER s g c 5-1 4"),
    (
        XDELIVER,
        Delivered(b"g", b"c", [(1, 9, 1), (2, 9, 3)], FIVE, 4),
        b"MESH.XDELIVER s g c 5-1 4 0-1 9 1 0-2 9 3",
    ),
    (XACK, Acknowledged(b"g", [FIVE, 1]), b"XACK s g 5-1 0-1"),
]


@pytest.mark.parametrize(("op", "payload", "expected"), CASES, ids=lambda case: str(case)[:60])
def test_an_effect_is_this_command_and_comes_back(
    op: int, payload: object, expected: bytes
) -> None:
    effect = Effect(op, 0, b"s", payload, 0, 9 << 20, 1, 2)
    words = command_of(effect)
    assert words is not None
    assert b" ".join(words) == expected
    back = effect_of(words, 0, 9 << 20, 1, 2)
    assert back is not None
    assert (back.op, back.key, back.stamp, back.origin, back.index) == (op, b"s", 9 << 20, 1, 2)
    assert command_of(back) == words
    assert str(back.value) == str(payload)


@pytest.mark.parametrize(
    "text",
    [
        b"XADD s 5-1 f", b"XADD s * f v", b"XADD s MAXLEN 5 f v", b"XDEL s", b"XDEL s x",
        b"XTRIM s MAXLEN = 5", b"XTRIM s MINID ~ 5", b"XTRIM s MINID = x", b"XSETID s",
        b"XSETID s 5 FOO 3", b"XSETID s 5 ENTRIESADDED x", b"XGROUP CREATE s g",
        b"XGROUP CREATE s g x", b"XGROUP CREATE s g 5 FOO", b"XGROUP FOO s g", b"XGROUP HELP",
        b"XCLAIM s g c 0 5-1", b"XACK s g", b"XACK s g x", b"MESH.XDEL s",
        b"MESH.XDELIVER s g c 5-1", b"MESH.XDELIVER s g c 5-1 4 0-1 9",
        b"MESH.XDELIVER s g c 5-1 x", b"XREADGROUP GROUP g c STREAMS s >",
    ],
)  # fmt: skip
def test_what_is_not_of_canons_form_is_refused(text: bytes) -> None:
    with pytest.raises(CanonError):
        effect_of(text.split(b" "), 0, 1, 1, 0)
