"""The admin page's HTTP server: routes, rules for every request, start and stop.

Read-only: no route changes anything but the caller's own session. Started inside the node's event
loop by `start`, which refuses an unsafe address with `BindRefused`, and ended by `Handle.stop`,
which tells open event streams to end instead of waiting for browsers to leave.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web

from admin_ui import api, auth
from admin_ui.board import Board
from admin_ui.source import PeerAccess, StatusSource, Survey

# Longest wait at stop for requests that are being answered; event streams end by themselves.
STOP_SECONDS_MAX: Final = 0.5
# A login form is the largest body anybody may send.
BODY_BYTES_MAX: Final = 16_384
STATIC: Final = Path(str(files("admin_ui") / "static"))

# Health endpoints tell a state and no data; the login page needs its style sheet.
_OPEN_PATHS: Final = frozenset({"/livez", "/readyz", "/healthz", "/login"})

_log = structlog.get_logger("admin_ui")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class AdminSettings:
    """What the server needs to know besides where to listen.

    An empty `password` means that everybody who reaches the page may look, which is allowed for
    loopback only; then requests must name a loopback host. `interval_seconds` is how often
    statuses are compared while somebody watches.
    """

    password: str = ""
    peers: PeerAccess = field(default_factory=PeerAccess)
    interval_seconds: float = 1.0
    monotonic: Callable[[], float] = time.monotonic


class Handle:
    """A running admin page."""

    def __init__(self, runner: web.AppRunner, host: str, port: int, scheme: str) -> None:
        self._runner: Final = runner
        self.host: Final = host
        self.port: Final = port
        self.url: Final = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"

    async def stop(self) -> None:
        """Stop listening and end every request; done in well under a second."""
        await self._runner.cleanup()


async def start(
    source: StatusSource,
    bind: str,
    password: str = "",
    *,
    peers: PeerAccess | None = None,
    tls: ssl.SSLContext | None = None,
) -> Handle:
    """Serve the admin page of `source` at `bind` ("host:port", port 0 takes a free one).

    Raises `BindRefused` for an address that is not loopback without `password`, `OSError` when
    the address cannot be had. `peers` says how to log in at the other nodes for MESH STATUS.
    """
    host, port = auth.check_bind(bind, password)
    settings = AdminSettings(password=password, peers=peers or PeerAccess())
    runner = web.AppRunner(
        make_app(source, settings), access_log=None, shutdown_timeout=STOP_SECONDS_MAX
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host or None, port, ssl_context=tls).start()
    except BaseException:
        await runner.cleanup()
        raise
    bound_port = int(runner.addresses[0][1])
    handle = Handle(runner, host or "0.0.0.0", bound_port, "https" if tls else "http")
    _log.info("admin_page_started", url=handle.url, login=bool(password))
    return handle


def make_app(source: StatusSource, settings: AdminSettings) -> web.Application:
    """The application without a socket, as tests and `start` use it."""
    app = web.Application(
        middlewares=[_headers, _problems, _same_site, _login_needed],
        client_max_size=BODY_BYTES_MAX,
    )
    survey = Survey(source, settings.peers, settings.monotonic)
    app[api.SOURCE] = source
    app[api.BOARD] = Board(survey, settings.monotonic, settings.interval_seconds)
    app[api.LOGIN] = auth.Login(settings.password, settings.monotonic)
    app.on_shutdown.append(_end_streams)
    app.cleanup_ctx.append(_ticker)
    app.router.add_get("/", _index)
    app.router.add_get("/login", _login_page)
    app.router.add_static("/static/", STATIC)
    api.add_routes(app)
    return app


async def _index(request: web.Request) -> web.StreamResponse:
    return web.FileResponse(STATIC / "index.html")


async def _login_page(request: web.Request) -> web.StreamResponse:
    return web.FileResponse(STATIC / "login.html")


async def _end_streams(app: web.Application) -> None:
    app[api.BOARD].stop()


async def _ticker(app: web.Application) -> AsyncIterator[None]:
    task = asyncio.create_task(app[api.BOARD].run(), name="admin-ticker")
    yield
    app[api.BOARD].stop()
    task.cancel()  # it may be in the middle of asking peers
    with contextlib.suppress(asyncio.CancelledError):
        await task


@web.middleware
async def _headers(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Fixed headers on every answer; files may be kept but must be checked each time."""
    response = await handler(request)
    if not response.prepared:
        response.headers.update(auth.SECURITY_HEADERS)
        is_file = request.path == "/" or request.path.startswith("/static/")
        response.headers.setdefault("Cache-Control", "no-cache" if is_file else "no-store")
    return response


@web.middleware
async def _problems(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Errors as RFC 9457 problem details; a redirect is no error."""
    try:
        return await handler(request)
    except web.HTTPRedirection as redirect:
        return web.Response(
            status=redirect.status, headers={"Location": redirect.headers["Location"]}
        )
    except web.HTTPException as error:
        return api.problem(error.status, error.reason, error.reason, dict(error.headers))


@web.middleware
async def _same_site(request: web.Request, handler: _Handler) -> web.StreamResponse:
    if auth.is_cross_site(request.method, request.path, request.headers):
        text = "The request was caused by another web site. Open this page itself and try again."
        return api.problem(403, "Cross-site request", text)
    open_to_all = not request.app[api.LOGIN].required
    if open_to_all and request.path not in _OPEN_PATHS and not auth.names_loopback(request.host):
        text = (
            f'Without admin-password only requests to a loopback host are answered, not "'
            f'{request.host}". Use http://127.0.0.1 and the port, or set admin-password.'
        )
        return api.problem(403, "Host not allowed", text)
    return await handler(request)


@web.middleware
async def _login_needed(request: web.Request, handler: _Handler) -> web.StreamResponse:
    login = request.app[api.LOGIN]
    is_open = request.path in _OPEN_PATHS or request.path.startswith("/static/")
    if not login.required or is_open:
        return await handler(request)
    if login.use_session(request.cookies.get(auth.SESSION_COOKIE, "")):
        return await handler(request)
    header = request.headers.get("Authorization")
    if header is not None:
        address = request.remote or ""
        if (wait := login.wait_seconds(address)) > 0:
            return api.too_many_guesses(wait)
        if login.check_basic(header, address):
            return await handler(request)
    elif request.path == "/":
        raise web.HTTPSeeOther("/login")
    # A browser that fetches data must not open its own password window over the page.
    is_script = "Sec-Fetch-Site" not in request.headers
    challenge = {"WWW-Authenticate": 'Basic realm="plexis"'} if is_script else {}
    text = "Log in at /login, or send the admin password with HTTP basic and any user name."
    return api.problem(401, "Login needed", text, challenge)
