"""Free TCP ports on loopback for servers that tests start."""

import socket

_given: set[int] = set()  # by this process: two servers started at once must not get the same


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on now and that this process has not given out.

    Between this call and the server's bind somebody else can take it; the server then fails to
    start with its own message, which `tests/support/servers.py` shows.
    """
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in _given:
            _given.add(port)
            return port
