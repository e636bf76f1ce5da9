"""As test_mutants.py, for what the nodes of a mesh do with each other: comparisons by digest, who
departs, what an append-only file brings back, clients that wait. A plan of the main schedule with
the right troubles finds them, or a story."""

from __future__ import annotations

from functools import partial

import pytest

from mesh.aof_load import MeshReplay
from mesh.cap import Cap
from mesh.departures import Departures
from mesh.forget_counters import CounterForgetter
from mesh.inbox import Inbox
from mesh.noting import Noting
from mesh.put_off import PuttingOff
from mesh.range_follower import RangeFollower
from mesh.range_server import NotedCommits, RangeServer
from mesh.reissue import Source
from mesh.removals import Pending
from mesh.rreplay import Inner
from mesh.usage import Meter
from node.persist.partial import PartialWalk
from node.ports import Clock
from tests.mesh import (
    test_bounded,
    test_departures,
    test_digest_resync,
    test_forgetting_counters,
    test_forgetting_in_slices,
    test_found_stories,
    test_rejoin,
    test_small_collections,
    test_usage,
)  # fmt: skip
from tests.mesh.test_mutants import finds, mutant, mutated
from tests.support.plan import TROUBLES, drawn
from tests.support.play import Violation, play
from tests.support.shrink import Shrinker, as_test

PLANS = 300  # at most, of those with the trouble


def plans(*troubles: str) -> None:
    """Plays plans that have all of these troubles until one fails."""
    assert set(troubles) <= set(TROUBLES)
    played = 0
    for seed in range(20_000):
        plan = drawn(seed, forgets="")
        if set(troubles) <= set(plan.troubles):
            play(plan)
            played += 1
            if played == PLANS:
                return


MUTANTS = {
    "a waiting client is served before what serves it counts as seen": mutant(
        Inbox, "_apply", "    stream.seen = stamp\n",
        "    engine.blocking.serve()\n    stream.seen = stamp\n",
        story=test_found_stories.test_a_client_that_waited_has_seen_what_it_is_served,
    ),
    "the same, found by plans": mutant(
        Inbox, "_apply", "    stream.seen = stamp\n",
        "    engine.blocking.serve()\n    stream.seen = stamp\n", story=partial(plans, "waits"),
    ),
    "what changes at the server while two compare is not sent": mutant(
        RangeServer, "chosen", "chosen = self.noted.names", "chosen = set()",
        story=partial(test_digest_resync.test_writes_between_all_phases_are_kept, "a", False),
    ),
    "what is made at the server while two compare is not sent": mutant(
        NotedCommits, "read", "self.noted.note((int(effect.db), effect.key))", "pass",
        story=partial(test_digest_resync.test_writes_between_all_phases_are_kept, "a", False),
    ),
    "what was removed at the server stays at the follower": mutant(
        RangeFollower, "_leave", "self.lone.update(left.values())", "pass",
        story=partial(plans, "overflow"),
    ),
    "a key that is equal in name only is not asked for": mutant(
        RangeFollower, "_compare", "self._asked.append(head + name)", "pass",
        story=partial(plans, "overflow"),
    ),
    "chosen keys that are absent are not named": mutant(
        PartialWalk, "_walk", "absent.append(name + key)", "pass",
        story=test_found_stories
        .test_a_set_that_is_equal_and_then_removed_while_two_compare_is_gone,
    ),
    "what is newest takes what is newer": mutant(
        Pending, "overrules", "return ranks.newer(self.stamp, self.origin, stamp, origin)",
        "return True", story=partial(plans, "newest wins"),
    ),
    "frames behind a gap of the log are waited for": mutant(
        MeshReplay, "take", "start = self._skip(data, start)", "return len(data)",
        story=partial(plans, "logs"),
    ),
    "a closer asks nobody for what the departed wrote": mutant(
        Departures, "_has_all", "if stream.member in (b\"\", gone) and stream.lacks(stamp):",
        "if False:",
        story=test_departures.test_what_is_slow_to_reach_the_closer_bounds_the_end_and_the_cut,
    ),
    "who is expelled bounds the cut no more": mutant(
        Departures, "holding",
        "if not departure.closed or b\"\" in lacking or member in lacking", "if False",
        story=test_departures.test_what_is_slow_to_reach_the_closer_bounds_the_end_and_the_cut,
    ),
    "who rejoins writes everything anew": mutant(
        Source, "is_new", "return stamp != 0 and origin in self.own and not"
        " self.known.has(stamp, origin)", "return True",
        story=test_rejoin.test_an_expelled_member_comes_back_with_its_own_new_writes,
    ),
    "a small collection that was written again waits for nothing": mutant(
        PuttingOff, "_is_due", "later.small.append(small)", "pass", story=test_small_collections
        .test_what_was_written_for_long_is_forgotten_as_soon_as_what_was_written_once,
    ),
    "that it was written again is not noted": mutant(
        Noting, "_note_collection", "mark.number = now.number",
        "mark.number = mark.number if waits else now.number", story=test_small_collections
        .test_what_was_written_for_long_is_forgotten_as_soon_as_what_was_written_once,
    ),
    "it is never looked at while it is written": mutant(
        PuttingOff, "_is_due", "small.put_off > PUT_OFF_MOST", "False",
        story=test_small_collections
        .test_a_field_that_is_written_no_more_keeps_its_dot_for_some_heartbeats,
    ),
    "a large collection is never looked at while it is written": mutant(
        PuttingOff, "_put_off", "return since", "return 0",
        story=test_forgetting_in_slices
        .test_a_set_that_is_always_written_is_looked_at_once_in_some_heartbeats,
    ),
    "what is written again in each heartbeat is forgotten again and again": mutant(
        PuttingOff, "_put_off", "return since", "return EVERY_STAMP",
        story=test_forgetting_in_slices
        .test_what_is_written_again_in_each_heartbeat_is_left_alone,
    ),
    "a collection that was once written in bursts is remembered for ever": mutant(
        PuttingOff, "_comes_again", " and value.noted == epoch.number", "",
        story=test_forgetting_in_slices.test_so_it_is_where_it_is_written_in_bursts,
    ),
    "fields that were left to the next generation are not looked at with it": mutant(
        CounterForgetter, "_retire",
        "in rest_of(sealed):", "in [(*each, None) for each in sealed.odd]:",
        story=test_forgetting_counters
        .test_fields_that_are_counted_again_and_again_go_on_to_be_counters,
    ),
    "a member is expelled for places that were only noted": mutant(
        Cap, "standing", "used - self.uncounted_bytes <", "used <",
        story=test_bounded.test_one_place_that_is_written_all_the_time_expels_nobody,
    ),
    "what was counted before a snapshot was merged counts after it": mutant(
        Meter, "brought", "self._counted = -1", "pass",
        story=test_usage
        .test_what_was_counted_and_is_forgotten_is_not_there_when_a_snapshot_is_merged,
    ),
    "notes that were dropped are taken for such that wait": mutant(
        Noting, "_collapse", "self.collapsed = self._now.number", "pass",
        story=partial(test_small_collections.test_where_too_much_waits_all_keys_are_looked_at, 10),
    ),
}  # fmt: skip


# Broken rules, and how many events the story that is told of each has at most.
TOLD = {
    "a creation does not clear": (
        mutant(Inner, "_flag", "effect.flags |= CREATION", "pass"), 12,
    ),
    "a waiting client is served too early": (
        MUTANTS["a waiting client is served before what serves it counts as seen"], 12,
    ),
    "the clock does not observe": (
        mutant(Clock, "observe", "if stamp > self.last:", "if False:"), 12,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_rule_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = MUTANTS[name]
    monkeypatch.setattr(found.place, found.name, mutated(found))
    assert found.story is not None
    assert finds(found.story), f"not noticed: {name}"


@pytest.mark.parametrize("name", TOLD)
def test_a_broken_rule_is_told_as_a_short_story(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, longest = TOLD[name]
    with monkeypatch.context() as patch:
        patch.setattr(broken.place, broken.name, mutated(broken))
        for seed in range(400):
            try:
                play(drawn(seed, forgets=""))
            except Violation as violation:
                found = Shrinker(violation, seconds=20.0).search()
                break
        else:
            raise AssertionError("no plan notices")
        with pytest.raises(Violation):
            play(found.plan)
    with capsys.disabled():
        print(f" [{name}: {len(found.plan.events)} events]", end="")
    assert len(found.plan.events) <= longest, as_test(found)
    play(found.plan)
