"""The handlers behind the routes: the view as JSON and as events, health, metrics, login."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from admin_ui import auth, health
from admin_ui.board import STREAMS_MAX, Board
from admin_ui.metrics import CONTENT_TYPE, metrics_text
from admin_ui.source import StatusSource

SOURCE: Final = web.AppKey("source", StatusSource)
BOARD: Final = web.AppKey("board", Board)
LOGIN: Final = web.AppKey("login", auth.Login)


def add_routes(app: web.Application) -> None:
    """All routes but the page's files."""
    app.router.add_get("/api/v1/mesh", mesh)
    app.router.add_get("/api/v1/events", events, allow_head=False)
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/healthz", readyz)
    app.router.add_get("/metrics", metrics)
    app.router.add_post("/login", log_in)
    app.router.add_post("/logout", log_out)


def problem(
    status: int, title: str, detail: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    """An error as RFC 9457 has it."""
    kept = {
        name: value
        for name, value in (headers or {}).items()
        if name.lower() not in ("content-type", "content-length")
    }
    plain = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return web.Response(
        status=status,
        text=json.dumps(plain),
        content_type="application/problem+json",
        headers=kept,
    )


def too_many_guesses(wait_seconds: int) -> web.Response:
    """The answer to a password that comes too soon after several wrong ones."""
    text = f"Several wrong passwords came from this address. Try again in {wait_seconds} s."
    return problem(429, "Too many attempts", text, {"Retry-After": str(wait_seconds)})


async def mesh(request: web.Request) -> web.StreamResponse:
    """GET /api/v1/mesh: the whole view, at most one interval old."""
    newest = await request.app[BOARD].current()
    return web.json_response({"seq": newest.seq, **newest.plain})


async def events(request: web.Request) -> web.StreamResponse:
    """GET /api/v1/events: a `snapshot` event, then a `patch` each second with what changed."""
    board = request.app[BOARD]
    newest = await board.current()
    if board.is_stopping:
        return problem(503, "Stopping", "This node is being stopped.", {"Retry-After": "2"})
    if board.stream_count >= STREAMS_MAX:
        text = f"{STREAMS_MAX} event streams are open, which is the limit. Close a page."
        return problem(503, "Too many streams", text, {"Retry-After": "10"})
    task = asyncio.current_task()
    assert task is not None
    stream = board.open_stream(newest, task.cancel)
    response = web.StreamResponse(
        headers={
            **auth.SECURITY_HEADERS,
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
    )
    session = request.cookies.get(auth.SESSION_COOKIE)
    try:
        await response.prepare(request)
        await response.write(b"retry: 1000\n\n")
        while (event := await stream.queue.get()) is not None:
            await response.write(event)
            if session is not None and not _may_go_on(request, session):
                break
    except ConnectionResetError:  # the browser left
        return response
    finally:
        board.close_stream(stream)
    return response


def _may_go_on(request: web.Request, session: str) -> bool:
    """A stream ends with the session that opened it; an open page counts as using it."""
    login = request.app[LOGIN]
    return not login.required or "Authorization" in request.headers or login.use_session(session)


async def livez(request: web.Request) -> web.StreamResponse:
    """200 whenever the event loop turns: answering is the proof. No peer, no data is looked at."""
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.StreamResponse:
    """200 when this node may get traffic, else 503 with the reasons; `?verbose` lists all."""
    node, mesh_status = request.app[SOURCE].snapshot()
    try:
        checks = health.readiness(node, mesh_status, request.query)
    except ValueError as error:
        return problem(400, "Bad option", str(error))
    status, text = health.render(checks, "verbose" in request.query)
    return web.Response(status=status, text=text)


async def metrics(request: web.Request) -> web.StreamResponse:
    """This node's numbers for Prometheus; peers are scraped at their own address."""
    node, mesh_status = request.app[SOURCE].snapshot()
    text = metrics_text(node, mesh_status, request.app[BOARD].stream_count)
    return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})


async def log_in(request: web.Request) -> web.StreamResponse:
    """POST /login with a form: sets the session cookie and leads to the page."""
    login = request.app[LOGIN]
    address = request.remote or ""
    if not login.required:
        raise web.HTTPSeeOther("/")
    if login.wait_seconds(address) > 0:
        raise web.HTTPSeeOther("/login?wait")
    form = await request.post()
    password = form.get("password", "")
    if not isinstance(password, str) or not login.check(password, address):
        raise web.HTTPSeeOther("/login?wrong")
    response = web.Response(status=303, headers={"Location": "/"})
    response.set_cookie(
        auth.SESSION_COOKIE,
        login.open_session(),
        path="/",
        httponly=True,
        samesite="Strict",
        secure=request.secure,
    )
    # Tells the page's script that there is a session to log out of; it is no secret.
    response.set_cookie(auth.LOGIN_HINT_COOKIE, "1", path="/", samesite="Strict")
    return response


async def log_out(request: web.Request) -> web.StreamResponse:
    """POST /logout: ends the session."""
    request.app[LOGIN].close_session(request.cookies.get(auth.SESSION_COOKIE, ""))
    response = web.Response(status=303, headers={"Location": "/login"})
    response.del_cookie(auth.SESSION_COOKIE, path="/")
    response.del_cookie(auth.LOGIN_HINT_COOKIE, path="/")
    return response
