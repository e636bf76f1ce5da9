"""Free TCP ports on loopback for servers that tests start."""

import os
import random
import socket
from typing import Final

# Below the ports that systems give to outgoing connections (Linux: from 32768 on): the source port
# of some connection must not be the port that a server is about to bind, or binds again.
FIRST: Final = 20_000
LAST: Final = 32_000

_given: set[int] = set()  # by this process: two servers started at once must not get the same
_pick = random.Random(os.getpid())  # processes side by side begin at other places


def free_port() -> int:
    """A port on 127.0.0.1 that nobody uses now and that this process has not given out.

    Between this call and the server's bind somebody else can take it; the server then fails to
    start with its own message, which `tests/support/servers.py` shows.
    """
    while True:
        port = _pick.randrange(FIRST, LAST)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
