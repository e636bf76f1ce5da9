"""`plexis status`: the same views on a terminal, with exit codes for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from admin_ui import cli
from tests.admin_ui.fakes import AdminThread, FakeMesh


@pytest.fixture
def admin() -> Iterator[AdminThread]:
    """Page and RESP port of node a, with peer b."""
    thread = AdminThread(FakeMesh({"a": 0, "b": 0}), "a", has_own_port=True)
    yield thread
    thread.close()


def port(admin: AdminThread) -> str:
    return str(admin.mesh.ports["a"])


def test_a_node_is_asked_and_its_peers(
    admin: AdminThread, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["status", "--port", port(admin)]) == cli.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "shop: OK - All 2 links carry writes"
    assert lines[2].split()[:4] == ["NODE", "STATE", "KEYS", "OPS/S"]
    assert lines[3].split()[:4] == ["a*", "healthy", "1,200", "6,100"]
    assert lines[4].split()[0] == "b"
    assert ["a", "b", "in", "sync"] in [line.split()[:4] for line in lines]


def test_a_problem_is_listed_and_is_exit_code_1(
    admin: AdminThread, capsys: pytest.CaptureFixture[str]
) -> None:
    admin.mesh.cut("a", "b")
    assert cli.main(["status", "--port", port(admin)]) == cli.PROBLEM
    assert "critical: Link a → b is down 2.0 s: connection timed out" in capsys.readouterr().out


def test_the_admin_page_gives_the_same_view(
    admin: AdminThread, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = admin.start(password="secret")
    assert cli.main(["status", "--admin", url]) == cli.UNREACHABLE
    assert "PLEXIS_ADMIN_PASSWORD" in capsys.readouterr().err
    (tmp_path / "password").write_text("secret\n")
    words = ["--password-file", str(tmp_path / "password"), "--output", "json"]
    assert cli.main(["status", "--admin", url, *words]) == cli.OK
    by_page = json.loads(capsys.readouterr().out)
    assert cli.main(["status", "--port", port(admin), "--output", "json"]) == cli.OK
    assert json.loads(capsys.readouterr().out) == by_page


def test_nobody_there_is_exit_code_3_and_wrong_usage_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["status", "--port", "1"]) == cli.UNREACHABLE
    assert "127.0.0.1:1" in capsys.readouterr().err
    assert cli.main(["status", "--port", "70000"]) == cli.USAGE
    assert cli.main(["status", "--password-file", str(tmp_path / "none")]) == cli.USAGE
    with pytest.raises(SystemExit, match="2"):
        cli.main(["status", "--output", "xml"])
