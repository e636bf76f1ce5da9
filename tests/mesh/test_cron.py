"""Jobs in a mesh: every node holds them, the one that took the command runs them."""

from __future__ import annotations

from node.store.values.cron import CronValue
from tests.mesh.stories import Mesh, pair
from tests.support.simnode import SimNode

COUNTS = 'redis.call("incr", "n")'


def tick(mesh: Mesh, ms: int) -> None:
    """It is so many ms after the start, on all nodes."""
    mesh.at(ms)
    for node in mesh.nodes:
        node.engine.tick(mesh.time_s)
        node.member.backlog.flush()
    mesh.heal()


def job_of(node: SimNode, key: bytes) -> CronValue:
    """The job under a key."""
    job = node.engine.databases[0].glance(key)
    assert isinstance(job, CronValue)
    return job


def test_a_job_runs_once_in_the_mesh() -> None:
    mesh, a, b = pair()
    a("KEYDB.CRON", "job", "REPEAT", "10000", COUNTS)
    mesh.heal()
    assert mesh.both("EXISTS", "job") == 1
    tick(mesh, 10_500)
    tick(mesh, 20_500)
    assert mesh.both("GET", "n") == b"2"
    assert (a.engine.cron_runs, b.engine.cron_runs) == (2, 0)
    assert job_of(b, b"job").author == a.member.member_id


def test_any_node_ends_a_job_or_gives_it_another_name() -> None:
    mesh, a, b = pair()
    for name in ("one", "two"):
        a("KEYDB.CRON", name, "REPEAT", "10000", COUNTS)
    mesh.heal()
    b("DEL", "one")
    b("RENAME", "two", "three")
    mesh.heal()
    tick(mesh, 10_500)
    assert mesh.both("GET", "n") == b"1"
    assert (a.engine.cron_runs, b.engine.cron_runs) == (1, 0)


def test_a_single_job_goes_everywhere_when_it_has_run() -> None:
    mesh, a, _ = pair()
    a("KEYDB.CRON", "job", "SINGLE", "10000", COUNTS)
    mesh.heal()
    tick(mesh, 10_500)
    assert mesh.both("GET", "n") == b"1" and mesh.both("EXISTS", "job") == 0


def test_of_two_concurrent_jobs_of_one_name_the_later_stays() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(5000)
    a("KEYDB.CRON", "job", "REPEAT", "10000", COUNTS)
    mesh.at(5010)
    b("KEYDB.CRON", "job", "REPEAT", "20000", COUNTS)
    mesh.heal()
    assert job_of(a, b"job").interval_ms == job_of(b, b"job").interval_ms == 20_000
    tick(mesh, 25_500)
    assert (a.engine.cron_runs, b.engine.cron_runs) == (0, 1)


def test_a_node_that_comes_later_holds_the_job_and_does_not_run_it() -> None:
    mesh = Mesh("a")
    (a,) = mesh.nodes
    a("KEYDB.CRON", "job", "REPEAT", "10000", COUNTS)
    b = mesh.add("b")
    mesh.heal()
    assert job_of(b, b"job").author == a.member.member_id
    tick(mesh, 10_500)
    assert (a.engine.cron_runs, b.engine.cron_runs) == (1, 0)
    assert mesh.both("GET", "n") == b"1"


def test_a_restart_keeps_whose_a_job_is() -> None:
    mesh, a, b = pair()
    a("KEYDB.CRON", "job", "REPEAT", "10000", COUNTS)
    mesh.heal()
    for at, node in enumerate(mesh.nodes):
        node.save()
        mesh.crash(at, node.saves[-1])
    mesh.heal()
    a, b = mesh.nodes
    tick(mesh, 10_500)
    assert (a.engine.cron_runs, b.engine.cron_runs) == (1, 0)
