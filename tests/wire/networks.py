"""A mesh in a network namespace of its own: the kernel loses packets, one direction at a time.

Each node has an address on the namespace's loopback and binds its outgoing links to it, so a rule
of the kernel's routing can lose what one node sends to one other. Nobody is told: connections stay
open and TCP tries again, as with a broken switch. Works for whoever may make a user namespace;
`is_possible` says whether this machine lets us. Elsewhere the proxies of Mesh do the same.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from tests.wire.mesh_support import Mesh

# Set for the tests that `inside` runs.
INSIDE = "PLEXIS_NAMESPACE"
ENTER = ("unshare", "--map-root-user", "--net", "--")
# Addresses of loopback are looked up in a table that stands before all rules, and has to stand
# behind ours.
PREPARE = "ip link set lo up && ip rule add pref 100 lookup local && ip rule del pref 0"
LOSE_PREF = "10"


def is_inside() -> bool:
    """Does this process run in a namespace that `inside` made?"""
    return os.environ.get(INSIDE) == "yes"


def is_possible() -> bool:
    """May this user make a network namespace here, and change its rules?"""
    try:
        return inside(["true"], 10.0).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def inside(words: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Runs a command in a new namespace and returns what it said, errors included.

    OSError: there is no `unshare`; subprocess.TimeoutExpired.
    """
    script = f'{PREPARE} && exec "$@"'
    return subprocess.run(
        [*ENTER, "sh", "-c", script, "sh", *words],
        env={**os.environ, INSIDE: "yes"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def address(at: int) -> str:
    """The address of a node."""
    return f"127.0.1.{at + 1}"


def rule(*words: str) -> None:
    """Changes the rules of the namespace's routing."""
    subprocess.run(["ip", "rule", *words], check=True)


class NamespaceMesh(Mesh):
    """Nodes that reach each other directly; `lose` is the kernel's work."""

    def __init__(self, count: int, *args: str) -> None:
        self.lost: list[tuple[int, int]] = []
        super().__init__(count, *args)

    def reach(self, at: int, ports: Sequence[int]) -> list[str]:
        options = ["--bind", "127.0.0.1", address(at), "--bind-source-addr", address(at)]
        for other, port in enumerate(ports):
            if other != at:
                options += ["--replicaof", address(other), str(port)]
        return options

    def lose(self, a: int, b: int) -> None:
        self.lost.append((a, b))
        rule("add", "pref", LOSE_PREF, "from", address(a), "to", address(b), "blackhole")

    def flow(self) -> None:
        while self.lost:
            a, b = self.lost.pop()
            rule("del", "pref", LOSE_PREF, "from", address(a), "to", address(b), "blackhole")
