"""The composition root: configuration, engine, mesh agent, admin page, loop; and the end of it all.

    python -m node conf/examples/minimal.conf --port 7000

Reads like `redis-server redis.conf`. Exit status 0 after SHUTDOWN or a signal, 1 when the start failed.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

import conf
from mesh.clock import HybridClock
from mesh.dots import Streams
from mesh.merge.resolver import StampResolver
from node import log
from node.commands.table import load
from node.engine import Engine
from node.net.cron import Cron, settle_memory
from node.net.server import CannotListen, Server


async def serve(config: conf.Config) -> int:
    load()
    engine = Engine(config, HybridClock(), StampResolver(Streams(bytes(16))))
    server = Server(config, engine)
    try:
        server.bind()
    except CannotListen as error:
        print(error, file=sys.stderr)
        return 1
    cron = Cron(engine, server, lambda: None)
    settle_memory()
    await server.listen()
    cron.start()
    await asyncio.Event().wait()
    return 0


def main(argv: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    try:
        loaded = conf.load(arguments)
    except conf.ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    log.set_up(loaded.config.text("loglevel"), loaded.config.text("logfile"))
    return uvloop.run(serve(loaded.config))


if __name__ == "__main__":
    sys.exit(main())
