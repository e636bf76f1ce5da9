"""`plexis up`: nodes that replicate to each other, ended together."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers import ROOT, Client, wait_until

pytestmark = pytest.mark.wire


class Up:
    """A running `plexis up`, and what it printed."""

    def __init__(self, folder: Path) -> None:
        self.output = folder / "printed"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "admin_ui.cli", "up", "-n", "2", "--dir", str(folder / "d")],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        wait_until(self.is_up, "plexis up to tell what to try", 30.0)
        found = re.search(r"on ports (\d+), (\d+)\.", self.printed())
        assert found is not None, self.printed()
        self.ports = [int(found[1]), int(found[2])]

    def printed(self) -> str:
        return self.output.read_text()

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.printed()
        return "data and logs" in self.printed()

    def node_pid(self, number: int) -> int:
        """The process id of a node."""
        with Client(self.ports[number]) as client:
            found = re.search(rb"process_id:(\d+)", client.call("INFO", "server").text)
        assert found is not None
        return int(found[1])


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    running = Up(tmp_path)
    yield running
    if running.process.poll() is None:
        running.process.terminate()
        running.process.wait(15.0)


def is_gone(pid: int) -> bool:
    """Has this process ended?"""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_what_is_written_on_one_node_is_read_on_the_other(up: Up) -> None:
    assert len(up.printed().splitlines()) == 5
    with Client(up.ports[0]) as first, Client(up.ports[1]) as second:
        assert first.call("SET", "greeting", "hello").text == b"OK"
        wait_until(lambda: second.call("GET", "greeting").text == b"hello", "the write to arrive")


def test_ctrl_c_ends_every_node_and_their_data_is_kept(up: Up) -> None:
    pids = [up.node_pid(0), up.node_pid(1)]
    with Client(up.ports[0]) as client:
        client.call("SET", "k", "v")
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(15.0) == 0
    assert all(is_gone(pid) for pid in pids)
    assert (up.output.parent / "d" / "node-1" / "dump.rdb").exists()


def test_a_node_that_dies_is_named_and_ends_the_rest(up: Up) -> None:
    victim, other = up.node_pid(1), up.node_pid(0)
    os.kill(victim, signal.SIGKILL)
    assert up.process.wait(15.0) == 1
    assert f"node-2 (port {up.ports[1]}) was ended by SIGKILL" in up.printed()
    assert is_gone(other)
