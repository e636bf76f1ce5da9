"""As test_mutants.py, for owners of keys: who may hold a lease, and who acts by mesh-owner."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from mesh.leases import Leases
from mesh.ownership import Ownership
from tests.mesh import test_ownership
from tests.mesh.test_mutants import finds, mutant, mutated
from tests.unit.mesh import test_leases


def seeds(test: Callable[[int], None], count: int) -> None:
    """Plays a test with so many seeds."""
    for seed in range(count):
        test(seed)


MUTANTS = {
    "half of the members are enough": mutant(
        Leases, "_held_until_s", "len(self.members) // 2 + 1", "len(self.members) // 2",
        story=partial(seeds, test_leases.test_no_two_hold_a_seat_at_once, 20),
    ),
    "a lease lasts longer than its promises": mutant(
        Leases, "_held_until_s", "self.lease_s - self.margin_s", "self.lease_s + self.margin_s",
        story=partial(
            seeds,
            test_leases
            .test_a_stand_in_with_a_slow_clock_has_stopped_when_the_seats_member_has_it_again,
            10,
        ),
    ),
    "who begins anew promises at once": mutant(
        Leases, "_settle_plan", "now_s + self.lease_s + self.margin_s", "now_s",
        story=partial(
            seeds,
            test_leases.test_who_begins_anew_promises_nothing_while_what_it_promised_may_run, 10,
        ),
    ),
    "a seat is promised to everybody who asks": mutant(
        Leases, "_may_promise",
        "(held.member, held.stream) == (member, stream) and epoch >= held.epoch", "True",
        story=partial(seeds, test_leases.test_no_two_hold_a_seat_at_once, 20),
    ),
    "a new holder does not wait for what was done before it": mutant(
        Leases, "holds",
        "not all(self.covers(row) for row in self._rows.get(seat, {}).values())", "False",
        story=test_leases.test_what_those_had_seen_who_let_it_in_must_be_here_first,
    ),
    "a lease that has ended goes on": mutant(
        Leases, "_lapse", "if seat in self._ready:", "if False:",
        story=test_leases.test_a_lease_that_ended_is_another_one_when_it_comes_back,
    ),
    "the smaller side of a cut counts its newcomers": mutant(
        Leases, "_settle_plan", "if 2 * agreed <= len(base):", "if False:",
        story=test_leases.test_a_minority_that_takes_in_newcomers_is_no_majority,
    ),
    "who begins anew asks nobody what it has done": mutant(
        Ownership, "_place", "if not self.leases.caught_up(now_s):", "if False:",
        story=test_ownership
        .test_a_named_owner_that_lost_its_tail_hears_first_what_it_has_popped,
    ),
    "members may have different rules": mutant(
        Ownership, "_fault", "if others:", "if False:",
        story=test_ownership.test_nobody_acts_while_members_have_different_rules,
    ),
    "a command takes from keys of two owners": mutant(
        Ownership, "place", "if any(place[0] != places[0][0] for place in places):", "if False:",
        story=test_ownership.test_one_command_takes_from_keys_of_one_owner,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_rule_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = MUTANTS[name]
    assert found.story is not None
    monkeypatch.setattr(found.place, found.name, mutated(found))
    assert finds(found.story), f"not noticed: {name}"
