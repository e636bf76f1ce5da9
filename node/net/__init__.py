"""Sockets and timers: the only place in the node that knows asyncio."""
