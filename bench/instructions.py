"""Instructions per command, counted by callgrind in process, and the functions they go to.

Counted is `Connection.data_received` of the compiled build with all it calls: parsing, execution,
encoding, frames for the backlog; not the event loop and the kernel. `applied` is what a follower
spends on the frame of such a command: everything from its link's `data_received` on, the
interpreted part too. Unlike times the counts are the same on any quiet or busy machine, within half
a percent; they depend on the C compiler and on the Python that runs (bench/inprocess.py is what
runs).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.inprocess import APPLIED, END_MARK, MARK, MEASURED, MODES
from bench.tables import BenchError, table
from node.build import GROUP_MODULE, compiled

ROOT: Final = Path(__file__).resolve().parents[1]
COMMANDS: Final = ("PING", "GET", "SET", "INCR", "SADD", "HSET")
# What a prototype of the write path needed, alone and active: what the design was priced with.
GOALS: Final = {
    ("PING", "alone"): 1027,
    ("GET", "alone"): 1673,
    ("SET", "alone"): 2220,
    ("INCR", "alone"): 2195,
    ("SADD", "alone"): 2811,
    ("HSET", "alone"): 3105,
    ("SET", "active"): 3054,
    ("INCR", "active"): 3175,
    ("SADD", "active"): 3886,
    ("HSET", "active"): 4375,
}
# Of these the functions are listed too.
SHOWN: Final = (
    ("PING", "alone"),
    ("GET", "alone"),
    ("SET", "alone"),
    ("SET", "active"),
    ("INCR", "active"),
    ("SADD", "active"),
    ("HSET", "active"),
    ("SET", APPLIED),
    ("INCR", APPLIED),
    ("SADD", APPLIED),
    ("HSET", APPLIED),
)
WRITES: Final = ("SET", "INCR", "SADD", "HSET")
TOTALS: Final = "PROGRAM TOTALS"
# Of an applied frame the functions below this one are shown: what is above is the interpreter's.
TAKEN: Final = "CPyPy_inbox___Inbox___take"
TOP: Final = 25
# A run takes 10 s; one that takes this long hangs.
RUN_TIMEOUT_S: Final = 300.0
# A line of callgrind_annotate: count, share, file:function, object file.
LINE: Final = re.compile(r"^\s*([\d,]+) \(\s*[\d.]+%\)\s+(.+?)(?: \[[^\]]*\])?$")


def measured_symbol() -> str:
    """The C name of Connection.data_received as Python calls it. BenchError where it is not."""
    if not compiled():
        raise BenchError("instructions are counted in the compiled build: run `make build` first")
    for library in ROOT.glob(f"{GROUP_MODULE}.*.so"):
        symbols = subprocess.run(["nm", str(library)], capture_output=True, text=True, check=True)
        found = re.search(r"CPyPy_\w*Connection___data_received$", symbols.stdout, re.MULTILINE)
        if found:
            return found.group()
    raise BenchError(f"no symbol of Connection.data_received in {ROOT}/{GROUP_MODULE}.*.so")


def profile(name: str, mode: str, symbol: str, folder: Path) -> Path:
    """Runs one command under callgrind; the profile's path."""
    output = folder / f"{name}-{mode}.callgrind"
    counted = ["--collect-atstart=no", f"--toggle-collect={symbol}"]
    if mode == APPLIED:  # no C function has it all
        counted = [f"--dump-before={END_MARK}"]
    done = subprocess.run(
        [
            "valgrind", "--tool=callgrind", *counted, f"--zero-before={MARK}",
            f"--callgrind-out-file={output}", sys.executable, "-m", "bench.inprocess", name, mode,
        ],
        cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "0"}, timeout=RUN_TIMEOUT_S,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise BenchError(f"callgrind of {name} {mode} failed:\n{done.stderr[-2000:]}")
    return output.with_name(f"{output.name}.1") if mode == APPLIED else output


def functions(path: Path, inclusive: bool) -> Iterator[tuple[str, float]]:
    """Functions and their instructions per command, the dearest first."""
    flag = "yes" if inclusive else "no"
    text = subprocess.run(
        ["callgrind_annotate", f"--inclusive={flag}", "--auto=no", "--threshold=100", str(path)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for line in text.splitlines():
        found = LINE.match(line)
        if found:
            function = found.group(2).rpartition(":")[2].removeprefix("CPyDef_")
            yield function, int(found.group(1).replace(",", "")) / MEASURED


def shown_functions(path: Path, symbol: str) -> str:
    """The dearest functions, by themselves and with what they call, side by side."""
    under = list(functions(path, inclusive=True))
    most = next(count for function, count in under if function == symbol) - 0.5
    # The interpreter's frames above it are given its count, in both listings.
    own = [row for row in functions(path, inclusive=False) if row[1] < most][:TOP]
    inner = [row for row in under if row[1] < most][:TOP]
    rows = [("by itself", "", "with what it calls", "")]
    for (name_a, count_a), (name_b, count_b) in zip(own, inner, strict=False):
        rows.append((name_a[:48], f"{count_a:.0f}", name_b[:56], f"{count_b:.0f}"))
    return table(rows)


def total(path: Path, symbol: str) -> float:
    """Instructions per command in all."""
    return next(count for function, count in functions(path, True) if function == symbol)


def run(rounds: int, quick: bool) -> None:
    """Prints the counts beside the prototype's, then where they go (`quick`: the counts alone).

    `rounds` is not used: counts repeat themselves.
    """
    for tool in ("valgrind", "callgrind_annotate", "nm"):
        if shutil.which(tool) is None:
            raise BenchError(f"{tool} is not installed: apt-get install valgrind binutils")
    symbol = measured_symbol()
    rows: list[tuple[str, ...]] = [("", "alone", "goal", "", "active", "goal", "", APPLIED)]
    details: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory(prefix="plexis-bench-") as temporary:
        for name in COMMANDS:
            row = [name]
            for mode in MODES:
                if mode == APPLIED and name not in WRITES:
                    row.append("")
                    continue
                path = profile(name, mode, symbol, Path(temporary))
                top = TOTALS if mode == APPLIED else symbol
                count = total(path, top)
                row.append(f"{count:.0f}")
                if mode != APPLIED:
                    goal = GOALS.get((name, mode))
                    row += [str(goal or ""), f"{count / goal - 1:+.1%}" if goal else ""]
                if (name, mode) in SHOWN and not quick:
                    below = TAKEN if mode == APPLIED else symbol
                    details.append((f"{name} {mode}", shown_functions(path, below)))
            rows.append(tuple(row))
    print(f"instructions per command, pipelines of 16, 160 keys\n\n{table(rows)}")
    for title, text in details:
        print(f"\n{title}: instructions per command of its dearest functions\n\n{text}")
