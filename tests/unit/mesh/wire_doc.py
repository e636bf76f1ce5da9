"""The test vectors of docs/wire.md, and what they say, built by the product."""

from __future__ import annotations

import re
from pathlib import Path

from mesh.dots import Streams, uuid_bytes
from mesh.merge.increments import base_of
from mesh.merge.rule import Memory
from mesh.merge.slots import ZSET_SLOT
from node.store.entry import ABSENT, COUNTED, NO_REGISTER, Claim, Dot, Dots, Entry, Field, Register
from node.store.values.hashes import HashValue
from node.store.values.list_moved import Moved
from node.store.values.lists import list_of
from node.store.values.order import Order, Ranks
from node.store.values.runs import Run
from node.store.values.sets import SetValue
from node.store.values.zsets import ZSetValue

DOCUMENT = Path(__file__).parents[3] / "docs" / "wire.md"
FIRST = uuid_bytes(b"b1c3f0ef-eb0e-4587-acb1-85aebfe087bb")
SECOND = bytes.fromhex("0f9d2c3e1a2b4c5d8e6f708192a3b4c5")
STAMP = 1882465291468800000
EARLIER = 1882465291461459968
HEXADECIMAL = re.compile(rb"\(([0-9a-f ]+)\)")


def frames() -> list[bytes]:
    """The frames of the document, in order."""
    text = DOCUMENT.read_text("utf-8").split("## Test vectors")[1]
    found = []
    for block in re.split(r"\n\*\*\d+\. ", text)[1:]:
        rows = [line.strip() for line in block.splitlines() if line.startswith("    ")]
        if rows[0].startswith("*9"):
            raw = "".join(rows).encode().replace(rb"\r\n", b"\r\n")
            found.append(HEXADECIMAL.sub(lambda match: bytes.fromhex(match[1].decode()), raw))
    return found


def fields() -> list[bytes]:
    """The `plexis-dots` fields of the document and the `plexis-hidden` one, in order."""
    text = DOCUMENT.read_text("utf-8").split("**8. ")[1]
    blocks = re.findall(r"(?:\n    [0-9a-f ]+)+", text)
    return [bytes.fromhex("".join(block.split())) for block in blocks]


def memory() -> Memory:
    """Streams in the document's order."""
    streams = Streams(FIRST)
    streams.of(SECOND)
    return Memory(streams)


def text_entry() -> Entry:
    """`SET k v` of stream 0."""
    return Entry(b"v", STAMP, 0)


def counter_entry(known: Memory) -> Entry:
    """10 of stream 1, then 5 and -2 of stream 0."""
    entry = Entry(13, EARLIER, 1)
    entry.flags = COUNTED
    log = known.ledger.strings.log(0, 0)
    over = base_of(EARLIER, 1)
    log.append(b"n", STAMP, 5, over)
    log.append(b"n", STAMP + 1, -2, over)
    return entry


def set_entry() -> Entry:
    """`x` and `y` by one unit of stream 0, `z` by stream 1; no deadline since it was made."""
    value = SetValue()
    value.do_place(b"z", Dot(EARLIER, 1))
    value.do_place(b"x", Dot(STAMP, 0))
    value.do_place(b"y", Dot(STAMP, 0))
    entry = Entry(value, STAMP, 0)
    entry.dots = Dots()
    entry.dots.ttls = [Claim(EARLIER, 1, 0)]
    return entry


def hash_entry(known: Memory) -> Entry:
    """`f` = v by stream 0; `n`, 3 by stream 1 and 4 by stream 0."""
    value = HashValue()
    counted = Field(7, EARLIER, 1)
    counted.flags = COUNTED | NO_REGISTER
    value.do_place(b"f", Field(b"v", STAMP, 0))
    value.do_place(b"n", counted)
    entry = Entry(value, STAMP, 0)
    entry.dots = Dots()
    entry.dots.ttls = [Claim(EARLIER, 1, 0)]
    over = base_of(EARLIER, 1)
    place = b"\x00\x00\x00\x01hn"
    known.ledger.fields.log(0, 1).append(place, EARLIER, 3, over)
    known.ledger.fields.log(0, 0).append(place, STAMP, 4, over)
    return entry


def list_entry() -> Entry:
    """Two elements of stream 1 and one of stream 0, which has removed another, 42. It had moved
    that one here, and stream 1 has assigned to it."""
    value = list_of([b"x", b"y", b"z"])
    value.do_set_runs([Run(1, 7, -1, 2), Run(0, 41, 1, 1)])
    order = Order(Ranks())
    order.of(1).note(6, EARLIER)
    order.put(1, 6, 2, 0, 0, True)
    order.of(0).note(41, STAMP)
    order.put(0, 41, 2, 1, 6, False)
    value.order = order
    value.registers = {(0, 41): [Register(STAMP, 1, b"z")]}
    value.moved = {(0, 41): Moved(1, 3, 0)}
    entry = Entry(value, STAMP, 0)
    entry.dots = Dots()
    entry.dots.ttls = [Claim(EARLIER, 1, 0)]
    return entry


def hiding_entry() -> Entry:
    """A string of stream 0 over a sorted set of stream 1."""
    hidden = ZSetValue()
    hidden.do_fill({b"m": 1.5, b"n": 2.0})
    hidden.do_give_dots(EARLIER, 1)
    hidden.do_count(b"n", 0.5, STAMP, 0)
    entry = Entry(b"v", STAMP, 0)
    entry.dots = Dots()
    entry.dots.hidden = [hidden]
    entry.dots.claims = [Claim(EARLIER, 1, ZSET_SLOT)]
    return entry


def deleted_entry() -> Entry:
    """A string that stream 0 has deleted."""
    entry = Entry(None, STAMP, 0)
    entry.flags = ABSENT
    return entry
