"""Worker: one thread that carries out file jobs in the order in which they were given.

The loop never waits for a disk: a job runs here, and what follows from it is called in the loop by
`post`. Only `wait` blocks, for the few moments at which files are exchanged or the process ends.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable

Work = Callable[[], None]
Then = Callable[[OSError | None], None]


class Worker:
    """`post` calls a function in the loop, from any thread. The thread starts with the first job.

    Jobs are bounded by who gives them: the log has one of its own under way at a time.
    """

    def __init__(self, post: Callable[[Work], object]) -> None:
        self._post = post
        self._jobs: queue.SimpleQueue[tuple[Work, Then] | threading.Event | None] = (
            queue.SimpleQueue()
        )
        self._done: deque[tuple[Then, Exception | None]] = deque()
        self._thread: threading.Thread | None = None

    def submit(self, work: Work, then: Then) -> None:
        """Runs `work` in the thread, behind what was given before; then `then` in the loop."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="append-only", daemon=True)
            self._thread.start()
        self._jobs.put((work, then))

    def wait(self) -> None:
        """Blocks until every job is done, and calls what follows from them."""
        if self._thread is not None:
            reached = threading.Event()
            self._jobs.put(reached)
            reached.wait()
            self._reap()

    def close(self) -> None:
        """The last job is done; the thread ends."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None
            self._reap()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if isinstance(job, threading.Event):
                job.set()
                continue
            work, then = job
            problem: Exception | None = None
            try:
                work()
            except Exception as error:  # told in the loop, where it is handled or logged
                problem = error
            self._done.append((then, problem))
            self._post(self._reap)

    def _reap(self) -> None:
        while self._done:
            then, problem = self._done.popleft()
            if problem is not None and not isinstance(problem, OSError):
                raise problem
            then(problem)
