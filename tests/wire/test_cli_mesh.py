"""`plexis mesh` against real nodes: what it prints and how it exits."""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest

from admin_ui import cli, cli_mesh
from tests.support.ports import free_port
from tests.support.servers import wait_until
from tests.wire.test_mesh_members import states, two

pytestmark = pytest.mark.wire


def test_members_are_shown_expelled_and_awaited(capsys: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as stack:
        a, b = two(stack)
        at = ["mesh", "--port", str(a.port)]
        assert cli.main([*at, "--wait", "20", "ready"]) == cli_mesh.OK
        assert capsys.readouterr().out == "OK\n"
        # That b follows a is configured at b; a has called it back.
        status = ["status", "--port", str(a.port)]
        wait_until(lambda: cli.main(status) == cli.OK, "no problem", 20.0)
        assert "not in config" not in capsys.readouterr().out
        assert cli.main([*at, "peers"]) == cli_mesh.OK
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split() == ["NAME", "ADDRESS", "STATE", "LINK", "FEED", "SLOT", "ID"]
        assert {line.split()[0] for line in lines[1:]} == {"a*", "b"}
        assert cli.main([*at, "--output", "json", "topology"]) == cli_mesh.OK
        assert set(json.loads(capsys.readouterr().out)) == {"shape", "links", "ways"}
        assert cli.main([*at, "--output", "json", "conflicts"]) == cli_mesh.OK
        found = json.loads(capsys.readouterr().out)
        assert found["counts"]["overwrite"] == 0 and found["members"] == {}
        assert cli.main([*at, "pause", "peer", "b"]) == cli_mesh.OK
        assert cli.main([*at, "resume", "peer", "b"]) == cli_mesh.OK
        b.freeze()
        a.ask("SET", "k", "v")
        assert cli.main([*at, "forget", "nobody"]) == cli_mesh.PROBLEM
        assert "no member is called nobody" in capsys.readouterr().err
        assert cli.main([*at, "forget", "b"]) == cli_mesh.OK
        assert states(a)["b"] == "expelled"
        b.thaw()


def test_wrong_words_and_a_node_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["mesh", "frobnicate"]) == cli_mesh.USAGE
    assert "one of peers, topology" in capsys.readouterr().err
    assert cli.main(["mesh", "--port", str(free_port()), "peers"]) == cli_mesh.UNREACHABLE
