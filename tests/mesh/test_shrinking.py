"""A plan that fails is told as a short story that fails in the same way, and only there."""

from __future__ import annotations

import re

import pytest

from tests.support.plan import Plan, drawn, event_of
from tests.support.play import Stage, Violation, play, told
from tests.support.shrink import Shrinker, as_test, shortest

SECONDS = 20.0


def broken_judge(stage: Stage) -> None:
    """A mesh that is wrong as soon as two nodes have written and a link was cut."""
    writers = {unit.stream for unit in stage.log}
    writers |= {act.stream for act in stage.acts.lists}
    writers |= {act.stream for act in stage.acts.streams}
    assert len(writers) < 2 or stage.counts["cut"] == 0, f"wrong with {len(writers)} writers"


def failing(first: int) -> Violation:
    """The first plan from this seed on that fails."""
    for seed in range(first, first + 200):
        try:
            play(drawn(seed, forgets=""))
        except Violation as violation:
            return violation
    raise AssertionError("no plan fails")


def test_what_does_not_matter_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stage, "judge", broken_judge)
    violation = failing(0)
    found = Shrinker(violation, SECONDS).search()
    assert len(found.plan.events) == 3, [each.text() for each in found.plan.events]
    assert any(each.what in ("cut", "part") for each in found.plan.events)
    assert len(found.plan.skews) == 2
    assert found.violation.kind == violation.kind
    assert not any(found.plan.disks) and not found.plan.missing and not found.plan.backlog_bytes
    with pytest.raises(Violation, match="wrong with 2 writers"):
        play(found.plan)


def test_what_is_printed_is_a_test_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Stage, "judge", broken_judge)
        text = as_test(Shrinker(failing(0), SECONDS).search())
        names: dict[str, object] = {"Plan": Plan, "told": told}
        exec(text, names)
        story = names[re.findall(r"def (\w+)", text)[0]]
        assert callable(story)
        with pytest.raises(Violation):
            story()
    story()


def test_a_search_ends_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stage, "judge", broken_judge)
    violation = failing(0)
    seconds = iter(range(1000))
    found = Shrinker(violation, 10.0, lambda: float(next(seconds))).search()
    assert found.tried < 12
    assert found.violation.kind == violation.kind
    assert f"seed {violation.plan.seed}" in shortest(violation, seconds=0.0)


def test_an_event_is_a_line() -> None:
    for line in ("12 say 0 1 831 SET st0 v1", "3 heal 0 0 9", "7 clock 1 -10000 5"):
        assert event_of(line).text() == line
