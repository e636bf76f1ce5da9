"""Sockets and timers: where the node meets the event loop.

`connection.py` is one client, `server.py` all of them, `cron.py` what happens by the clock.
"""
