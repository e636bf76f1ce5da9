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
import mesh.merge.bare
import mesh.merge.kinds.zset_join
import mesh.merge.kinds.zset_members
import mesh.merge.patches
import mesh.merge.place_deadlines
import mesh.merge.rule
import mesh.merge.totals
import mesh.merge.whole
import mesh.metadata
import mesh.stability
import node.store.values.scored
from mesh.activation import Activation
from mesh.backlog import Backlog
from mesh.dots import Streams
from mesh.holding import Holding
from mesh.inbox import Inbox
from mesh.merge.covers import Cut
from mesh.merge.elements import MemberRemovals
from mesh.merge.fields import FieldRemovals
from mesh.merge.ledger import Book
from mesh.merge.list_moves import Locations
from mesh.merge.lists import Assignments
from mesh.merge.registers import Deadlines, Registers
from mesh.merge.resolver import StampResolver
from mesh.merge.rule import Memory, Rule
from mesh.merge.state import KeyState
from mesh.merge_walk import MergeWalk
from mesh.metadata import MeshMetadata
from mesh.removals import Pending, Removals
from mesh.rreplay import Inner
from mesh.stability import Stability
from mesh.staging import Staging
from node.persist.snapshot import SnapshotWalk
from node.ports import Clock
from node.store.values.member_deadlines import MemberDeadlines
from tests.mesh import (
    test_collections,
    test_counters,
    test_delivery,
    test_ended,
    test_eviction,
    test_expiry,
    test_field_deadlines,
    test_lists,
    test_patches,
    test_policies,
    test_stability,
    test_stable_reads,
    test_strings,
    test_whole_values,
    test_zsets,
)
from tests.mesh.test_convergence import run
from tests.mesh.worked import A_LATER
from tests.unit.mesh import test_zset_kind

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
        Removals, "add", "waiting.append(pending)", "return"
    ),
    "a newest-wins removal clears only what it saw": mutant(
        Rule, "cover_of", "if effect.flags & NEWEST_WINS:", "if False:",
        story=partial(test_policies.policed, range(40)),
    ),
    "a newest-wins removal overrules what is newer": mutant(
        Pending, "overrules", "return ranks.newer(self.stamp, self.origin, stamp, origin)",
        "return True", story=partial(test_policies.policed, range(40)),
    ),
    "a newest-wins removal overrules streams it never heard of": mutant(
        Pending, "overrules", "or (origin != self.origin and self._row_at(origin) == 0)", "",
        story=partial(test_policies.policed, range(60)),
    ),
    "a newest-wins removal is forgotten at once": mutant(
        Pending, "waits_for", "stamp = self.stamp", "pass",
        story=partial(test_policies.policed, range(40)),
    ),
    "a newest-wins removal does not wait where it was made": mutant(
        StampResolver, "_overrule",
        "memory.removals.add(effect.db, effect.key, pending)", "pass",
        story=partial(test_policies.policed, range(40)),
    ),
    "an eviction competes with what was written meanwhile": mutant(
        Registers, "local", "effect.events != EVICTED and ", "",
        story=partial(
            test_eviction.test_an_eviction_leaves_what_it_had_not_seen, "string", A_LATER, "frames"
        ),
    ),
    "a reader may pass an entry on its way": mutant(
        StampResolver, "settled_ms", "at_ms = stream.seen >> 20", "at_ms = i64(1 << 40)",
        story=partial(
            test_stable_reads.test_a_late_entry_is_read_before_later_ones,
            ("XREAD", "STREAMS", "x", "0"),
        ),
    ),
    "no flush waits": mutant(
        Removals, "add_flush", "self.flushes.setdefault(int(db), []).append(pending)", "return"
    ),
    "a transfer unites without looking at the vectors": mutant(
        mesh.merge.whole, "join_registers",
        "among(each, there) or not theirs.has(each.stamp, each.origin)", "True",
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
        Backlog, "_trim", "self.floors[int(chunk.origin)] = max(floor, int(chunk.last))", "pass"
    ),
    "frames go back to their origin": mutant(
        Backlog, "resume", "each.uuid == follower or ", "",
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
        Book, "bury", "each.move(DEAD)", "pass",
        story=test_counters.test_of_such_a_unit_only_the_living_increment_is_kept,
    ),
    "removals do not travel with a snapshot": mutant(
        mesh.metadata, "take_removals", "for db, key, pending in incoming.removals:",
        "for db, key, pending in ():",
        story=test_collections.test_a_waiting_removal_travels_with_a_transfer,
    ),
    "removals that waited are not applied to what is merged": mutant(
        MergeWalk, "_settle_removals", "self.waiting.of(number, key)", "()",
        story=test_collections.test_a_waiting_removal_hits_what_a_transfer_brings,
    ),
    "what is hidden is not saved": mutant(
        MeshMetadata, "hidden_field", "if not self.resolver.active:", "if True:",
        story=test_expiry.test_what_is_in_limbo_is_saved,
    ),
    "siblings in a list stand by a node's own numbers": mutant(
        Streams, "precedes",
        "return self.all[one].uuid < self.all[other].uuid", "return one < other",
        story=test_lists.test_concurrent_pushes_stay_whole,
    ),
    "of a deleted list nothing is kept": mutant(
        Registers, "local", "hide_anchors(entry, shell)", "pass",
        story=test_lists.test_what_is_left_of_a_list_keeps_its_order_through_every_way_to_clear_it,
    ),
    "an older move takes an element back": mutant(
        Locations, "move", "if not self._is_newer(location, last):", "if False:",
        story=test_lists.test_of_two_moves_of_one_element_the_newest_counts,
    ),
    "an assignment to a list forgets its rivals": mutant(
        Assignments, "_assign", "shows = at == len(left)", "shows = True",
        story=test_lists.test_of_two_assignments_the_newest_shows,
    ),
    "identities of elements do not travel": mutant(
        mesh.backlog, "letters", "if has_tag(effect):", "if False:",
        story=test_lists.test_lists_written_in_turn_are_equal,
    ),
    "numbers of elements come again": mutant(
        Memory, "number_inserts", "self.list_inserts += count", "pass",
        story=test_lists.test_every_element_has_a_name_of_its_own,
    ),
    "a hidden list is not saved": mutant(
        mesh.key_reader, "read_in_slices", "peer.opaque[slot] = found", "pass",
        story=test_whole_values.test_a_list_that_is_hidden_survives_a_restart,
    ),
    "a score takes increments it had not seen": mutant(
        mesh.merge.kinds.zset_members, "clear_steps",
        "if not cover.has(step.stamp, each.origin):", "if False:",
        story=partial(test_zsets.test_two_concurrent_writes, "Z3", False),
    ),
    "a removal of a member takes what it had not seen": mutant(
        mesh.merge.kinds.zset_members, "unseen_registers",
        "[each for each in registers_of(slot) if not cover.has(each.stamp, each.origin)]", "[]",
        story=test_zsets.test_conflicts_are_counted,
    ),
    "GT is a score like any other": mutant(
        node.store.values.scored, "shown_register", "if how == SET or len(registers) == 1:",
        "if True:", story=partial(test_zsets.test_two_concurrent_writes, "Z5 lower last", False),
    ),
    "a transfer revives members": mutant(
        mesh.merge.kinds.zset_join.ZSetJoin, "_take",
        "if is_covered(other.slot(member), self.mine):", "if False:",
        story=test_zset_kind.test_a_join_keeps_what_both_have_and_what_is_new_to_the_other,
    ),
    "sums of scores are rounded at each step": mutant(
        node.store.values.scored.SpelledScore, "_total",
        "return rounded(top, bits)",
        "return sum([s.amount for each in self.streams for s in each.steps], base)",
        story=test_zsets.test_sums_do_not_depend_on_the_order_of_arrival,
    ),
    "patches go in the order in which they come": mutant(
        mesh.merge.patches, "follows",
        "return streams.newer(one.stamp, one.origin, other.stamp, other.origin)", "return True",
        story=test_patches.test_chunks_of_two_nodes_are_appended_in_the_order_of_their_stamps,
    ),
    "a deletion takes patches it had not seen": mutant(
        KeyState, "clear_string",
        "self.patches = [each for each in self.patches if not cover.has(each.stamp, each.origin)]",
        "self.patches = []",
        story=test_patches.test_a_set_that_had_not_seen_a_chunk_competes_and_the_chunk_counts_on_it,
    ),
    "a deadline of a field clears what it had not seen": mutant(
        mesh.merge.place_deadlines, "saw_deadlines",
        "if not saw(row, origin, each.stamp, each.origin):", "if False:",
        story=partial(
            test_field_deadlines.test_the_longest_of_concurrent_deadlines_wins, "set", 1002
        ),
    ),
    "what has passed is dropped": mutant(
        MemberDeadlines, "do_park", "self.parked[place] = slot", "pass",
        story=partial(
            test_field_deadlines
            .test_a_longer_deadline_brings_back_what_has_passed_elsewhere, "hash", "m",
        ),
    ),
    "a transfer brings patches twice": mutant(
        mesh.merge.whole, "join_patches",
        "if (each.stamp, each.origin, each.index) not in ours", "if True",
        "and not mine.has(each.stamp, each.origin)", "",
        story=test_patches.test_patches_travel_with_a_transfer_and_are_joined,
    ),
    "a snapshot takes keys after their change": mutant(
        SnapshotWalk, "before", "if entry.flags & HELD == self.phase:", "if True:"
    ),
    "what is applied counts as held": mutant(
        Holding, "reportable", "held = self.holds()",
        "held = {each.uuid: int(each.seen) for each in self.streams.all if each.seen}",
        story=test_stability.test_what_was_only_applied_is_not_stable,
    ),
    "the cut is the most that any member holds": mutant(
        mesh.stability, "least", "min(row.get(uuid, 0) for row in rows)",
        "max(row.get(uuid, 0) for row in rows)",
        story=test_stability.test_what_was_only_applied_is_not_stable,
    ),
    "a dot is forgotten one stamp too early": mutant(
        Cut, "has", "return stamp <= read_i64_le(self.row, place)",
        "return stamp <= read_i64_le(self.row, place) + 1",
        story=test_stability.test_the_cut_covers_its_stamp_and_none_above,
    ),
    "what has no dot survives every transfer": mutant(
        mesh.merge.bare, "whose",
        "return HERE if not theirs.has(0, 0) or forgotten(others, ours, mine) else GONE",
        "return HERE",
        story=test_stability.test_what_the_other_removed_before_it_forgot_goes,
    ),
    "what has no dot is never what the other has one of": mutant(
        mesh.merge.bare, "forgotten", "return any", "return False and any",
        story=test_stability.test_what_one_side_has_forgotten_and_the_other_not_is_the_same,
    ),
    "a restart says at once all that it holds": mutant(
        Holding, "reportable", "if self.open:", "if False:",
        story=test_ended
        .test_a_restart_says_no_more_than_it_started_with_while_its_old_stream_is_open,
    ),
    "frames of an ended process come from memory": mutant(
        Stability, "may_take", "return self.held_by(member).get(stream.uuid, 0) >= stamp",
        "return True",
        story=test_ended
        .test_what_one_has_in_memory_alone_of_an_ended_process_is_not_handed_on,
    ),
    "an old stream is ended without asking": mutant(
        Stability, "_end_older",
        "if answer is None or answer.get(self.streams.own.uuid, 0) < self.begun:", "if False:",
        story=test_ended.test_a_process_that_ended_holds_nothing_up_once_all_have_answered,
    ),
    "the lemma is not looked at": mutant(
        Streams, "covers_cut", "return False", "return True",
        story=test_stability.test_a_frame_that_had_not_seen_what_is_stable_is_refused,
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
