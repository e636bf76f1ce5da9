"""Free TCP ports on loopback for servers that tests start."""

import os
import random
import socket
from typing import Final

# Below the ports that systems give to outgoing connections (Linux: from 32768 on): the source port
# of some connection must not be the port that a server is about to bind, or binds again.
FIRST: Final = 20_000
LAST: Final = 32_000



def share(worker: str, workers: int) -> range:
    """The ports of one of the processes among which pytest-xdist divides the tests.

    Each has its own: the port of a server that restarts is free for a while, and must not be given
    to another's. `worker` is its name, `gw0` and so on; a process of its own has all.
    """
    if not worker:
        return range(FIRST, LAST)
    size = (LAST - FIRST) // workers
    first = FIRST + int(worker.removeprefix("gw")) % workers * size
    return range(first, first + size)


_ours: Final = share(
    os.environ.get("PYTEST_XDIST_WORKER", ""), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
)
_given: set[int] = set()  # by this process: two servers started at once must not get the same
_pick = random.Random(os.getpid())  # two runs side by side begin at other places


def free_port() -> int:
    """A port on 127.0.0.1 that nobody uses now and that this process has not given out.

    Between this call and the server's bind somebody else can take it; the server then fails to
    start with its own message, which `tests/support/servers.py` shows.
    """
    while True:
        port = _pick.choice(_ours)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
