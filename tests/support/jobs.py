"""Jobs of the append-only file's threads, carried out at once or step by step: for stories in one
thread.
"""

from __future__ import annotations

from collections import deque

from node.persist.aof_worker import Then, Work, Worker


def carry_out(work: Work, then: Then) -> None:
    """Does `work` and tells `then` the error of the system it met, or None."""
    problem: OSError | None = None
    try:
        work()
    except OSError as error:
        problem = error
    then(problem)


class StepWorker(Worker):
    """Carries out each job when it is given, or, with `steps`, when `step` is called."""

    def __init__(self, steps: bool) -> None:
        super().__init__(nowhere)
        self.steps = steps
        self.jobs: deque[tuple[Work, Then]] = deque()

    def submit(self, work: Work, then: Then) -> None:
        self.jobs.append((work, then))
        if not self.steps:
            self.wait()

    def step(self) -> None:
        """Carries out the oldest job. IndexError where there is none."""
        work, then = self.jobs.popleft()
        carry_out(work, then)

    def wait(self) -> None:
        while self.jobs:
            self.step()

    def close(self) -> None:
        self.wait()


def nowhere(callback: Work) -> None:
    """There is no loop, and no thread that would have to reach it."""
