"""The admin page over HTTP: API, events, health, metrics, login, rules, stop."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import CookieJar
from aiohttp.client import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from admin_ui import app as admin_app
from admin_ui import auth, board
from admin_ui.app import AdminSettings, make_app, start
from mesh.status import MeshStatus
from node.status import NodeStatus
from tests.admin_ui.fakes import FakeMesh, FakePeer, FakeSource

Client = TestClient[Any, Any]


def visit(
    story: Callable[[Client, FakeMesh], Awaitable[None]],
    password: str = "",
    interval_seconds: float = 0.05,
) -> None:
    """Run `story` with a client of a page of two nodes, whose peer answers MESH STATUS."""

    async def run() -> None:
        mesh = FakeMesh({"a": 6379, "b": 0})
        peer = FakePeer(mesh, "b")
        await peer.start()
        settings = AdminSettings(password=password, interval_seconds=interval_seconds)
        server = TestServer(make_app(FakeSource(mesh, "a"), settings))
        async with TestClient(server, cookie_jar=CookieJar(unsafe=True)) as client:
            await story(client, mesh)
        await peer.stop()

    asyncio.run(run())


async def next_event(response: ClientResponse) -> tuple[str, dict[str, Any]]:
    """The next event of a stream: its kind and its data."""
    kind = ""
    async with asyncio.timeout(5):
        while True:
            line = (await response.content.readline()).decode().rstrip("\n")
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                return kind, json.loads(line.removeprefix("data: "))
            elif not line and response.content.at_eof():
                raise EOFError


def test_the_mesh_as_json_has_all_nodes_and_links() -> None:
    async def story(client: Client, mesh: FakeMesh) -> None:
        answer = await client.get("/api/v1/mesh")
        view = await answer.json()
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
        assert [node["state"] for node in view["nodes"]] == ["healthy", "healthy"]
        assert [link["id"] for link in view["links"]] == ["a>b", "b>a"]

    visit(story)


def test_events_begin_with_all_and_go_on_with_what_changed() -> None:
    async def story(client: Client, mesh: FakeMesh) -> None:
        stream = await client.get("/api/v1/events")
        assert stream.headers["Content-Type"] == "text/event-stream"
        assert stream.headers["Content-Security-Policy"].startswith("default-src 'none'")
        kind, view = await next_event(stream)
        assert (kind, len(view["links"])) == ("snapshot", 2)
        mesh.cut("a", "b")
        changes: dict[str, Any] = {}
        while "links" not in changes:
            kind, changes = await next_event(stream)
        assert kind == "patch"
        assert {link["state"] for link in changes["links"]} == {"down"}
        assert changes["summary"]["state"] == "DEGRADED"
        # Quiet seconds are told, too: they are the sign of life.
        assert await next_event(stream) == ("patch", {})
        stream.close()

    visit(story)


def test_events_start_anew_when_a_node_appears() -> None:
    async def story(client: Client, mesh: FakeMesh) -> None:
        stream = await client.get("/api/v1/events")
        await next_event(stream)
        mesh.ports["c"] = 1  # nothing listens there
        kind = ""
        while kind != "snapshot":
            kind, view = await next_event(stream)
        assert [node["state"] for node in view["nodes"]] == ["healthy", "healthy", "unreachable"]
        stream.close()

    visit(story)


def test_browsers_share_one_survey_and_there_are_not_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("admin_ui.api.STREAMS_MAX", 2)

    async def story(client: Client, mesh: FakeMesh) -> None:
        streams = [await client.get("/api/v1/events") for _ in range(2)]
        seqs = [[(await next_event(stream))[0] for _ in range(3)] for stream in streams]
        assert seqs[0][0] == seqs[1][0] == "snapshot"
        third = await client.get("/api/v1/events")
        assert (third.status, third.headers["Retry-After"]) == (503, "10")
        for stream in streams:
            stream.close()

    visit(story)


def test_a_browser_that_does_not_read_is_closed() -> None:
    survey: Any = None
    newest = board.Published(1, None, {}, 0.0)  # type: ignore[arg-type]
    aborted: list[bool] = []

    async def run() -> None:
        keeper = board.Board(survey, time.monotonic, 1)
        keeper.open_stream(newest, lambda: aborted.append(True))
        for _ in range(board.EVENTS_QUEUED_MAX):
            keeper._send(b"")
        assert (aborted, keeper.stream_count) == ([True], 0)

    asyncio.run(run())


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/readyz?verbose"])
def test_health_needs_no_login_and_no_peer(path: str) -> None:
    async def story(client: Client, mesh: FakeMesh) -> None:
        answer = await client.get(path)
        assert answer.status == 200

    visit(story, password="secret")


def test_not_ready_while_syncing_but_alive() -> None:
    async def story(client: Client, mesh: FakeMesh) -> None:
        node = mesh.nodes["a"]
        mesh.nodes["a"] = NodeStatus.from_json({**node.to_json(), "state": "syncing"})
        ready = await client.get("/readyz?verbose")
        assert (ready.status, "[-]sync" in await ready.text()) == (503, True)
        assert (await client.get("/livez")).status == 200
        assert (await client.get("/readyz?max_lag=soon")).status == 400

    visit(story)


def test_metrics_are_served_as_prometheus_text() -> None:
    async def story(client: Client, mesh: FakeMesh) -> None:
        answer = await client.get("/metrics")
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        families = {family.name for family in text_string_to_metric_families(await answer.text())}
        assert {"redis_up", "mesh_link_up", "redis_commands_processed"} <= families

    visit(story)


def test_strict_headers_on_every_answer_and_errors_as_problem_details() -> None:
    async def story(client: Client, mesh: FakeMesh) -> None:
        for path in ("/", "/static/app.js", "/api/v1/mesh", "/nowhere", "/metrics"):
            answer = await client.get(path)
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'"), path
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        missing = await client.get("/nowhere")
        assert missing.status == 404
        assert missing.content_type == "application/problem+json"
        assert (await missing.json())["status"] == 404
        assert (await client.post("/api/v1/mesh")).status == 405

    visit(story)


def test_every_file_the_page_names_exists_and_nothing_is_inline() -> None:
    async def story(client: Client, mesh: FakeMesh) -> None:
        for page in ("index.html", "login.html"):
            text = (admin_app.STATIC / page).read_text(encoding="utf-8")
            assert "style=" not in text and "<style" not in text and "onclick" not in text
            for part in text.split('"'):
                if part.startswith("/static/"):
                    assert (await client.get(part)).status == 200, part

    visit(story)


def test_with_a_password_nothing_is_shown_before_login() -> None:
    async def story(client: Client, mesh: FakeMesh) -> None:
        for path in ("/api/v1/mesh", "/api/v1/events", "/metrics"):
            answer = await client.get(path)
            assert (answer.status, answer.headers["WWW-Authenticate"][:5]) == (401, "Basic")
        from_page = await client.get("/api/v1/mesh", headers={"Sec-Fetch-Site": "same-origin"})
        assert "WWW-Authenticate" not in from_page.headers
        page = await client.get("/", allow_redirects=False)
        assert (page.status, page.headers["Location"]) == (303, "/login")

    visit(story, password="secret")


def test_basic_login() -> None:
    async def story(client: Client, mesh: FakeMesh) -> None:
        for password, status in (("secret", 200), ("wrong", 401)):
            encoded = base64.b64encode(f"ops:{password}".encode()).decode()
            headers = {"Authorization": f"Basic {encoded}"}
            assert (await client.get("/metrics", headers=headers)).status == status

    visit(story, password="secret")


def test_form_login_gives_a_strict_cookie_and_logout_ends_it() -> None:
    async def story(client: Client, mesh: FakeMesh) -> None:
        wrong = await client.post("/login", data={"password": "x"}, allow_redirects=False)
        assert wrong.headers["Location"] == "/login?wrong"
        right = await client.post("/login", data={"password": "secret"}, allow_redirects=False)
        assert (right.status, right.headers["Location"]) == (303, "/")
        cookie = right.cookies[auth.SESSION_COOKIE]
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
        assert (await client.get("/api/v1/mesh")).status == 200
        await client.post("/logout", allow_redirects=False)
        assert (await client.get("/api/v1/mesh")).status == 401

    visit(story, password="secret")


def test_guessing_is_slowed_down() -> None:
    async def story(client: Client, mesh: FakeMesh) -> None:
        encoded = base64.b64encode(b"ops:wrong").decode()
        headers = {"Authorization": f"Basic {encoded}"}
        statuses = [(await client.get("/metrics", headers=headers)).status for _ in range(6)]
        assert statuses == [401] * 5 + [429]
        form = await client.post("/login", data={"password": "secret"}, allow_redirects=False)
        assert form.headers["Location"] == "/login?wait"

    visit(story, password="secret")


def test_other_web_sites_can_neither_post_nor_read() -> None:
    async def story(client: Client, mesh: FakeMesh) -> None:
        foreign = {"Sec-Fetch-Site": "cross-site"}
        data = {"password": "secret"}
        assert (await client.post("/login", data=data, headers=foreign)).status == 403
        origin = {"Origin": "http://evil.example"}
        assert (await client.post("/login", data=data, headers=origin)).status == 403
        assert (await client.get("/api/v1/events", headers=foreign)).status == 403

    visit(story, password="secret")


def test_without_password_only_loopback_names_are_answered() -> None:
    async def story(client: Client, mesh: FakeMesh) -> None:
        rebound = {"Host": "rebound.example"}
        assert (await client.get("/api/v1/mesh", headers=rebound)).status == 403
        assert (await client.get("/livez", headers=rebound)).status == 200

    visit(story)


def test_starting_on_all_addresses_without_password_is_refused() -> None:
    async def run() -> None:
        source = FakeSource(FakeMesh({"a": 6379}), "a")
        with pytest.raises(auth.BindRefused, match="admin-password"):
            await start(source, "0.0.0.0:0")
        handle = await start(source, "0.0.0.0:0", "secret")
        await handle.stop()

    asyncio.run(run())


def test_stop_with_open_streams_takes_well_under_a_second() -> None:
    async def run() -> None:
        mesh = FakeMesh({"a": 6379, "b": 0})
        peer = FakePeer(mesh, "b")
        await peer.start()
        handle = await start(FakeSource(mesh, "a"), "127.0.0.1:0")
        # One browser reads, the other never does.
        reader, writer = await asyncio.open_connection("127.0.0.1", handle.port)
        request = f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{handle.port}\r\n\r\n".encode()
        writer.write(request)
        _, idle_writer = await asyncio.open_connection("127.0.0.1", handle.port)
        idle_writer.write(request)
        await reader.readuntil(b"event: snapshot")
        began = time.monotonic()
        await handle.stop()
        assert time.monotonic() - began < 0.9
        async with asyncio.timeout(2):
            await reader.read()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", handle.port)
        writer.close()
        idle_writer.close()
        await peer.stop()

    asyncio.run(run())


def test_a_source_that_fails_once_does_not_end_the_page() -> None:
    async def story(client: Client, mesh: FakeMesh) -> None:
        stream = await client.get("/api/v1/events")
        await next_event(stream)
        links = mesh.links
        mesh.links = None  # type: ignore[assignment]
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                while True:
                    await next_event(stream)
        mesh.links = links
        assert (await next_event(stream))[0] == "patch"
        stream.close()

    visit(story)


def test_an_empty_status_is_shown_and_not_an_error() -> None:
    async def run() -> None:
        class Bare(FakeSource):
            def snapshot(self) -> tuple[NodeStatus, MeshStatus]:
                return NodeStatus(), MeshStatus()

        app = make_app(Bare(FakeMesh({"a": 1}), "a"), AdminSettings())
        async with TestClient(TestServer(app)) as client:
            assert (await client.get("/api/v1/mesh")).status == 200
            assert (await client.get("/metrics")).status == 200

    asyncio.run(run())
