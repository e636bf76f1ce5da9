"""Anti-entropy between two simulated nodes: a round driven step by step, in virtual time."""

from __future__ import annotations

from collections.abc import Callable

from mesh.anti_entropy import Ground, Totals
from mesh.anti_entropy_answers import Answers
from mesh.anti_entropy_rounds import Ask, CompareError, Comparison, Pause
from node.resp.replies import Failure
from tests.support.simnode import SimNode

STEPS_MOST = 2_000_000  # a round that does not end is an error
# Slices that the other node has in the time of one of ours, and in a pause.
SLICES = 3
SLICES_OF_PAUSE = 2000


class Pair:
    """One node compares with another; rounds may be run again and again."""

    def __init__(self, node: SimNode, other: SimNode) -> None:
        self.node = node
        self.other = other
        self.totals = Totals()
        salt = node.world.new_uuid()
        self.comparison = Comparison(Ground(node.member), self.totals, other.member_id, salt)
        self.answers = Answers(Ground(other.member), lambda: node.world.time_s)
        self.answered = 0  # keys that the other node wrote anew
        self.answers.repaired = self._repaired

    def _repaired(self, db: object, key: bytes) -> None:
        self.answered += 1

    def round(self, meanwhile: Callable[[], None] | None = None) -> bool:
        """One round; `meanwhile` runs in its pauses. False: it could not be ended."""
        world = self.node.world
        steps = self.comparison.compare()
        try:
            step = next(steps)
            for _ in range(STEPS_MOST):
                reply: object = None
                if isinstance(step, Ask):
                    try:
                        reply = self.answers.answer(list(step.words))
                    except Failure as failure:
                        step = steps.throw(CompareError(failure.text.decode()))
                        continue
                elif isinstance(step, Pause):
                    world.time_s += step.seconds
                    self.node.member.backlog.flush()
                    self.other.member.backlog.flush()
                    if meanwhile is not None:
                        meanwhile()
                    for _ in range(SLICES_OF_PAUSE):
                        if not self.answers.is_busy():
                            break
                        self.answers.step()
                else:
                    for _ in range(SLICES):
                        self.answers.step()
                step = steps.send(reply)
        except StopIteration:
            return True
        except CompareError as error:
            self.totals.last_error = str(error)
            return False
        raise AssertionError("a round does not end")

    @property
    def repaired(self) -> int:
        """Keys that were written anew, here or there."""
        return self.totals.repaired + self.answered
