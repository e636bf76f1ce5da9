"""Would the suite notice? Each rule is broken on purpose, and a seed or a story must fail.

Pure Python only (conftest.py): a mutant is a function's source with a few words changed, compiled
anew in its module. When the words are not found the rule was rewritten: bring the mutant after it.
"""

from __future__ import annotations
import __future__

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import FunctionType

import pytest

import mesh.backlog
import mesh.codec
import mesh.merge.rule
import mesh.merge.stand_in
import mesh.merge.totals
import mesh.merge.whole
import mesh.metadata
from mesh.backlog import Backlog
from mesh.dots import Streams
from mesh.inbox import Inbox
from mesh.member import Activation
from mesh.merge.elements import MemberRemovals
from mesh.merge.fields import FieldRemovals
from mesh.merge.increments import Ledger
from mesh.merge.registers import Deadlines, Registers
from mesh.merge.rule import Memory
from mesh.merge.stand_in import OpaqueChanges, StringPatches
from mesh.merge.state import KeyState
from mesh.metadata import MeshMetadata
from mesh.removals import Removals
from mesh.rreplay import Inner
from mesh.staging import MergeWalk, Staging
from node.persist.snapshot import SnapshotWalk
from node.ports import Clock
from tests.mesh import (
    test_collections,
    test_counters,
    test_delivery,
    test_expiry,
    test_stand_ins,
    test_strings,
    test_whole_values,
)
from tests.mesh.test_convergence import run

SEEDS = 400  # at most; nearly all are found by the first twenty


@dataclass(frozen=True)
class Mutant:
    """`change` in the source of `name` in `place`; `story` finds it, or, with None, a seed."""

    place: object
    name: str
    change: tuple[tuple[str, str], ...]
    story: Callable[[], None] | None = None


def mutant(
    place: object, name: str, *words: str, story: Callable[[], None] | None = None
) -> Mutant:
    """`words`: what is replaced and by what, in turn."""
    return Mutant(place, name, tuple(zip(words[::2], words[1::2], strict=True)), story)


MUTANTS = {
    "no removal waits": mutant(
        Removals, "add", "self.by_key.setdefault((int(db), key), []).append(pending)", "return"
    ),
    "no flush waits": mutant(
        Removals, "add_flush", "self.flushes.setdefault(int(db), []).append(pending)", "return"
    ),
    "a transfer unites without looking at the vectors": mutant(
        mesh.merge.whole, "join_registers",
        "if among(each, there) or not theirs.has(each.stamp, each.origin)", "if True",
        "and not mine.has(each.stamp, each.origin)", "",
    ),
    "a transfer keeps every deadline": mutant(
        mesh.merge.whole, "join_claims",
        "or not theirs.has(each.stamp, each.origin)", "or True",
    ),
    "a transfer counts increments twice": mutant(
        mesh.merge.whole, "join_increments",
        "if (each.stamp, each.origin) in ours or mine.has(each.stamp, each.origin):", "if False:",
    ),
    "marks are not added": mutant(
        Streams, "add_marks", "if stamp > numbers[other.number]:", "if False:"
    ),
    "a whole-key write ignores its context": mutant(
        KeyState, "clear_key",
        "self.clear_string(cover)", "cover = type('All', (), {'has': lambda *_: True})()",
    ),
    "a deletion forgets the string": mutant(
        Registers, "change",
        "state.registers.append(Register(effect.stamp, effect.origin, None))", "pass",
    ),
    "SREM removes what it had not seen": mutant(
        MemberRemovals, "remote",
        "if dot is None or saw(row, effect.origin, dot.stamp, dot.origin):", "if True:",
    ),
    "HDEL removes what it had not seen": mutant(
        FieldRemovals, "remote",
        "elif saw(seen.row, effect.origin, slot.stamp, i64(slot.origin)):", "elif True:",
    ),
    "a type does not go by the newest claim": mutant(
        KeyState, "visible_slot",
        "if best.number >= 0:", "if best.number >= 0 and not (self.members and self.fields):",
    ),
    "increments count again when their frame comes again": mutant(
        Inbox, "_read",
        "or frame.stamp <= stream.seen", "",
        "if frame.previous != stream.seen:", "if frame.previous > stream.seen:",
    ),
    "the vector moves before the switch": mutant(
        Staging, "_add_field", "self.headed = True", "self.headed = True; self._take_vector()"
    ),
    "rows are not copied": mutant(
        Staging, "_take_vector", "streams.join_row(streams.of(uuid), row)", "pass"
    ),
    "rows are not loaded": mutant(
        MeshMetadata, "load_end", "streams.join_row(streams.of(uuid), row)", "pass"
    ),
    "a transfer leaves no hole": mutant(
        Staging, "_take_vector", "self.backlog.hole(stream.number, stamp)", "pass"
    ),
    "what the backlog dropped is not missed": mutant(
        Backlog, "_trim", "self.floors[int(chunk.origin)] = int(chunk.last)", "pass"
    ),
    "frames go back to their origin": mutant(
        Backlog, "resume", "int(each.seen) if each.uuid == follower else ", "",
        story=test_delivery.test_what_a_follower_wrote_since_it_asked_is_not_sent_back,
    ),
    "a gap goes unnoticed": mutant(
        Inbox, "_read", "if frame.previous != stream.seen:", "if False:",
        story=test_delivery.test_a_missing_frame_is_a_gap_and_nothing_behind_it_is_applied,
    ),
    "a creation does not clear": mutant(
        Inner, "_flag", "effect.flags |= CREATION", "pass"
    ),
    "the shortest deadline wins": mutant(
        KeyState, "_show_deadline",
        "elif each.number > deadline:", "elif deadline == 0 or each.number < deadline:",
    ),
    "a deadline leaves those it had seen": mutant(
        Deadlines, "change", "state.clear_ttls(cover)", "pass"
    ),
    "ties go by the stream's number": mutant(
        Streams, "newer",
        "self.all[origin].uuid > self.all[than_origin].uuid", "origin > than_origin",
        story=test_strings.test_two_sets_in_one_millisecond_go_by_the_streams_uuid,
    ),
    "the clock does not observe": mutant(
        Clock, "observe", "if stamp > self.last:", "if False:",
        story=test_delivery.test_a_write_is_stamped_above_all_that_its_node_has_seen,
    ),
    "a stamp that comes again revives increments": mutant(
        Ledger, "bury_string", "each.move(DEAD)", "pass",
        story=test_counters.test_of_such_a_unit_only_the_living_increment_is_kept,
    ),
    "removals do not travel with a snapshot": mutant(
        mesh.metadata, "take_removals", "for db, key, pending in incoming.removals:",
        "for db, key, pending in ():",
        story=test_collections.test_a_waiting_removal_travels_with_a_transfer,
    ),
    "removals that waited are not applied to what is merged": mutant(
        MergeWalk, "_merge", "self.waiting.of(number, key)", "()",
        story=test_collections.test_a_waiting_removal_hits_what_a_transfer_brings,
    ),
    "what is hidden is not saved": mutant(
        MeshMetadata, "hidden_field", "if not self.resolver.active:", "if True:",
        story=test_expiry.test_what_is_in_limbo_is_saved,
    ),
    "a stand-in does not look at the last change": mutant(
        OpaqueChanges, "remote", "if not saw_all(entry, effect, seen.row):", "if False:",
        story=test_stand_ins.test_two_assignments_of_one_element_are_a_conflict,
    ),
    "a removal from a list claims its type": mutant(
        mesh.merge.stand_in, "touch_here",
        "mine = Claim(effect.stamp, 0, TOUCH)", "mine = Claim(effect.stamp, 0, 3)",
        story=test_whole_values.test_deleting_a_list_takes_what_a_concurrent_pop_left,
    ),
    "identities of elements do not travel": mutant(
        mesh.backlog, "letters", "if has_tag(effect):", "if False:",
        story=test_stand_ins.test_every_element_has_a_name_of_its_own,
    ),
    "numbers of elements come again": mutant(
        Memory, "number_inserts", "self.list_inserts += count", "pass",
        story=test_stand_ins.test_every_element_has_a_name_of_its_own,
    ),
    "a hidden list is not saved": mutant(
        mesh.key_reader, "read_opaque", "peer.opaque[slot] = found", "pass",
        story=test_whole_values.test_a_list_that_is_hidden_survives_a_restart,
    ),
    "a value outlives the claims of its type": mutant(
        KeyState, "shed", "del self.opaque[slot]", "pass",
        story=test_whole_values.test_deleting_a_list_takes_what_a_concurrent_pop_left,
    ),
    "a patch drops increments it had not seen": mutant(
        StringPatches, "change", "state.clear_string(cover)",
        "state.clear_string(cover); state.increments = []",
        story=test_stand_ins
        .test_an_increment_that_an_append_had_not_seen_counts_on_what_it_made,
    ),
    "a patch takes the deadline along": mutant(
        StringPatches, "local", "keep_deadline(entry)", "pass",
        story=test_stand_ins.test_a_patch_leaves_the_deadline_to_concurrent_claims,
    ),
    "a snapshot takes keys after their change": mutant(
        SnapshotWalk, "before", "if entry.flags & HELD == self.phase:", "if True:"
    ),
    "activation gives no dots to what changes first": mutant(
        Activation, "before", "if entry.flags & HELD == self.phase:", "if True:"
    ),
}  # fmt: skip


def mutated(found: Mutant) -> FunctionType:
    """The function with its words changed."""
    function = getattr(found.place, found.name)
    source = textwrap.dedent(inspect.getsource(function))
    for old, new in found.change:
        times = source.count(old)
        assert times == 1, f"{function.__qualname__} says {times} times: {old}"
        source = source.replace(old, new)
    names: dict[str, FunctionType] = {}
    flags = __future__.annotations.compiler_flag
    code = compile(source, function.__code__.co_filename, "exec", flags)
    exec(code, function.__globals__, names)
    return names[found.name]


def finds(story: Callable[[], object]) -> bool:
    """Does it fail?"""
    try:
        story()
    except Exception:  # any end but a good one is a find
        return True
    return False


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_rule_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = MUTANTS[name]
    monkeypatch.setattr(found.place, found.name, mutated(found))
    if found.story is not None:
        assert finds(found.story), f"the story does not notice: {name}"
        return
    assert any(finds(partial(run, seed)) for seed in range(SEEDS)), f"not noticed: {name}"
