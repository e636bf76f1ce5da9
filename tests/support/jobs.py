"""A job of the append-only file's threads, carried out at once: for stories in one thread."""

from __future__ import annotations

from node.persist.aof_worker import Then, Work


def carry_out(work: Work, then: Then) -> None:
    """Does `work` and tells `then` the error of the system it met, or None."""
    problem: OSError | None = None
    try:
        work()
    except OSError as error:
        problem = error
    then(problem)
