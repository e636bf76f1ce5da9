"""`python -m bench [part ...]`: runs measurements one after another and prints what they found.

Without a part all of them run. Exit status 1 where one could not be made on this machine.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import Final

import pytest

from bench.tables import BenchError

# Imported one by one when it is their turn: a part may lack something that the others do not need.
PARTS: Final = {
    "ratios": "requests/s and CPU per command beside Redis 8.2.3",
    "commands": "every test of redis-benchmark beside Redis 8.2.3",
    "visibility": "time from a write on one node until the other shows it",
    "pauses": "longest time another client waits, while a node grows and in transfers",
    "instructions": "instructions per command, and where they go",
    "forgetting": "CPU per write with forgetting beside the same without it",
    "forgetting_pairs": "the same on real nodes, two of each",
    "memory": "resident bytes per key",
    "metadata": "what the mesh remembers while a member is away",
    "resync": "bytes and time of a resync by digest beside a whole snapshot",
    "resp": "parser and encoder alone",
}
ROUNDS: Final = 5


def main(argv: list[str]) -> int:
    """Runs the parts that `argv` names; the exit status."""
    listed = "\n".join(f"  {name:18}{about}" for name, about in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench", epilog=f"parts:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("parts", nargs="*", metavar="part", help="what to measure; all by default")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="measured rounds of ratios")
    parser.add_argument("--members", type=int, default=1_000_000, help="metadata: size of the set")
    parser.add_argument("--rate", type=int, default=1_000_000, help="metadata: pushes a minute")
    parser.add_argument("--churn", type=int, default=500, help="metadata: members a second")
    parser.add_argument("--down", type=float, default=60.0, help="metadata: seconds of absence")
    parser.add_argument("--cap", type=int, default=0, help="metadata: bytes, 0 for the default")
    parser.add_argument("--keys", type=int, default=200_000, help="resync: keys on both sides")
    parser.add_argument("--writes", type=int, default=20_000, help="resync: a second, while cut")
    parser.add_argument("--cut", type=float, default=60.0, help="resync: seconds without a link")
    parser.add_argument("--quick", action="store_true", help="less of everything, for a first look")
    options = parser.parse_args(argv)
    unknown = [name for name in options.parts if name not in PARTS]
    if unknown or options.rounds < 1:
        parser.error(f"no such part: {unknown[0]}" if unknown else "--rounds is at least 1")
    status = 0
    for name in options.parts or PARTS:
        print(f"== {name}: {PARTS[name]}\n", flush=True)
        try:
            part = importlib.import_module(f"bench.{name}")
            if name == "metadata":
                wanted = part.Wanted(
                    options.members, options.rate, options.churn, options.down, options.cap
                )
                part.run(options.rounds, options.quick, wanted)
            elif name == "resync":
                wanted = part.Wanted(options.keys, options.writes, options.cut)
                part.run(options.rounds, options.quick, wanted)
            else:
                part.run(options.rounds, options.quick)
        except (BenchError, pytest.fail.Exception) as error:  # the latter: waited in vain
            print(f"not measured: {error}", flush=True)
            status = 1
        print(flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
