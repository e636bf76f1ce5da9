"""Worked examples that are stories of their own, and the list of all: none is without a test."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Final

from mesh.inbox import MORE
from mesh.member import Member
from mesh.rreplay import stamps_of
from node.resp.replies import Failure
from tests.mesh.stories import pair
from tests.mesh.worked_rows import EXAMPLES
from tests.support.lognode import LogNode

INCREMENTS: Final = 1000
PUSHES: Final = 17_786
RESENDS: Final = 4

# The examples of the rules by their names there; those without one by what they show.
IDS: Final = frozenset({
    "S1", "S2", "S2b", "S3", "SET3", "S:APPEND", "S:SETBIT", "S:BITFIELD", "S:SAT", "S:SETNX",
    "S:RENAME", "C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "SE1", "SE2", "SE3", "SE4", "SE5",
    "SE6", "H:HSET", "H:HDEL", "H:HINCRBY", "H:DEL", "H:text", "Z1", "Z2", "Z3", "Z4", "Z5", "Z6",
    "Z7", "Z8", "L1", "L2", "L3", "L4", "L5", "L6", "L7", "L8", "L9", "L10", "L11", "L12", "K1",
    "K1:explained", "K2", "X:XADD", "X:DEL", "X:groups", "X:group-after-DEL", "X:XACK",
    "X:two-reads", "X:stable-reads", "P:DEL", "T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8",
    "T9", "T10", "E:evict", "F:FLUSHALL", "F:MOVE", "F:SWAPDB", "W2:1", "W2:2",
})  # fmt: skip

# Where a test of its own shows it.
SHOWN_BY: Final = {
    "C5": "tests.mesh.test_worked_stories.test_a_crash_loses_no_acknowledged_increment",
    "K1:explained": "tests.mesh.test_explain.test_explain_tells_what_a_type_hides",
    "SE6": "tests.mesh.test_collections.test_a_removal_waits_while_only_its_own_stream_flows",
    "L10": "tests.mesh.test_worked_stories.test_a_stream_that_is_sent_again_adds_nothing",
    "T3": "tests.mesh.test_expiry."
          "test_a_key_that_has_expired_here_lives_where_it_was_extended_in_time",
    "T4": "tests.mesh.test_expiry.test_expiry_sends_nothing",
    "T5": "tests.mesh.test_expiry.test_a_write_after_the_deadline_sees_an_empty_key",
    "T8": "tests.mesh.test_expiry.test_what_expired_does_not_come_back_with_a_restart",
    "T9": "tests.mesh.test_expiry."
          "test_a_deadline_that_the_creator_had_not_seen_does_not_hit_the_new_key",
    "E:evict": "tests.mesh.test_eviction.test_an_eviction_leaves_what_it_had_not_seen",
    "X:stable-reads": "tests.mesh.test_stable_reads.test_a_late_entry_is_read_before_later_ones",
    "F:SWAPDB": "tests.mesh.test_worked_stories.test_swapdb_is_refused_with_a_reason",
    "W2:1": "tests.unit.mesh.test_rreplay.test_a_frame_is_read_only_when_it_is_whole",
    "W2:2": "tests.unit.mesh.test_wire_document.test_a_frame_of_the_document_is_read_as_it_says",
}  # fmt: skip


def test_no_example_is_without_a_test() -> None:
    rows = {short(name) for name in EXAMPLES}
    assert rows | set(SHOWN_BY) == IDS
    for name, test in SHOWN_BY.items():
        module, function = test.rsplit(".", 1)
        assert callable(getattr(importlib.import_module(module), function)), name


def short(name: str) -> str:
    """A row's name as IDS has it: without its variants."""
    for variant in (" the other later", " by DEL", " then a creation"):
        name = name.removesuffix(variant)
    return name.replace("S BITFIELD SAT", "S SAT").replace("P", "P:DEL", name == "P").replace(
        " ", ":", 1).replace(" ", "-")  # fmt: skip


def test_a_crash_loses_no_acknowledged_increment(tmp_path: Path) -> None:
    """C5: a node with its append-only file dies after its last reply; frames go both ways then."""
    _, _, b = pair()
    log = ("--active-replica", "yes", "--appendfsync", "always")
    node = LogNode(tmp_path, *log)
    give(node.member, b.member)  # they were linked once
    for _ in range(INCREMENTS):
        node("INCR", "c")
        b("INCR", "c")
    again = LogNode(tmp_path, *log)
    assert again("GET", "c") == b"1000"
    give(b.member, again.member)
    give(again.member, b.member)
    assert again("GET", "c") == b("GET", "c") == b"2000"


def give(source: Member, target: Member) -> None:
    """The frames that the target lacks."""
    source.backlog.flush()
    frames = source.backlog.resume(target.vector(), b"")
    assert frames is not None
    assert target.inbox().take(b"".join(frames), 0) == MORE
    target.backlog.flush()


def test_a_stream_that_is_sent_again_adds_nothing() -> None:
    """L10: the whole stream comes again and again, cut anywhere, while it grows."""
    mesh, a, b = pair()
    mesh.cut_all()
    inbox = b.member.inbox()
    for turn in range(RESENDS):
        for _ in range(PUSHES * turn // RESENDS, PUSHES * (turn + 1) // RESENDS):
            a("LPUSH", "l", "x")
        parts = a.member.backlog.resume({}, b"")
        assert parts is not None
        data = b"".join(parts)
        begin = stamps_of(data)[-1][1] if turn % 2 else 0
        assert inbox.take(data[: begin + 40 if turn % 2 else len(data)], 0) == MORE
    b.member.backlog.flush()
    mesh.heal()
    assert inbox.duplicates > PUSHES
    assert mesh.both("LLEN", "l") == PUSHES


def test_swapdb_is_refused_with_a_reason() -> None:
    _, a, _ = pair()
    reply = a("SWAPDB", "0", "1")
    assert isinstance(reply, Failure)
    assert b"mesh" in reply.text or b"active" in reply.text
