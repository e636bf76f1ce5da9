"""Every worked example of the conflict rules on real engines: both orders of delivery, with a whole
transfer each way, after restarts, and at a node that joins late."""

from __future__ import annotations

import pytest

from tests.mesh.worked import WAYS, play
from tests.mesh.worked_rows import EXAMPLES

PLAYS = [
    pytest.param(name, way, times, id=f"{name}, {way}, {times[0]} and {times[1]} ms")
    for name, example in EXAMPLES.items() for way in WAYS
    for times in (example.times if way == "frames" else example.times[:1])
]


@pytest.mark.parametrize(("name", "way", "times"), PLAYS)
def test_a_worked_example(name: str, way: str, times: tuple[int, int]) -> None:
    play(EXAMPLES[name], way, times)
