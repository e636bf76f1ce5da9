"""Who may look: bind rule, password, sessions, and the rules against other people's web pages.

The page has one password and no users; any name does. A browser gets a session cookie from the
login form, a script sends HTTP basic. Without a password only loopback is served, and only to a
request that names a loopback host, so that a web page that points its own name at 127.0.0.1
(DNS rebinding) reads nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from admin_ui.source import split_address

SESSION_COOKIE: Final = "plexis_sid"
LOGIN_HINT_COOKIE: Final = "plexis_login"
SESSION_IDLE_SECONDS: Final = 30 * 60
SESSION_SECONDS_MAX: Final = 12 * 3600
# More sessions than people who look at one node; the oldest goes when a new one comes.
SESSIONS_MAX: Final = 1_000
FAILURES_MAX: Final = 5
FAILURES_WINDOW_SECONDS: Final = 300
# Addresses whose failures are remembered; beyond it the oldest is forgotten.
ADDRESSES_MAX: Final = 4_096
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

# The Referrer-Policy is same-origin and not no-referrer, because the latter makes browsers send
# `Origin: null` with the login form, and the rule against foreign origins would refuse it.
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class BindRefused(ValueError):
    """The admin page must not be served at this address like this; the text lists the choices."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`. Names other than localhost are not looked up."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check_bind(bind: str, password: str) -> tuple[str, int]:
    """Host and port of `bind`; `BindRefused` when others could read the page without password."""
    try:
        host, port = split_address(bind)
    except ValueError as error:
        raise BindRefused(f"admin page: {error}; write for example 127.0.0.1:8379") from error
    if host == "*":
        host = ""
    if is_loopback(host) or password:
        return host, port
    raise BindRefused(
        f'The admin page is not started: "{bind}" can be reached from other machines and no '
        f"password is set, so anybody there could look into this mesh. Choose one: "
        f"1) serve this machine only, and reach it through an SSH tunnel: "
        f"admin-bind 127.0.0.1:{port}  "
        f"2) set a password: admin-password <a long random word>  "
        f"3) bind to loopback and let a reverse proxy on this machine do TLS and login."
    )


def is_cross_site(method: str, path: str, headers: Mapping[str, str]) -> bool:
    """Whether another web site caused a request that it must not cause.

    Unsafe methods count, and all of the API. Browsers say so in Sec-Fetch-Site; where they do not
    (plain http to another machine), a foreign Origin says so. Requests with neither are scripts.
    """
    if method in _SAFE_METHODS and not path.startswith("/api/"):
        return False
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("Origin")
    if origin is None:
        return False
    return urlsplit(origin).netloc.lower() != headers.get("Host", "").lower()


def names_loopback(host_header: str) -> bool:
    """Whether the Host header of a request names this machine by a loopback name or address."""
    try:
        name = urlsplit(f"//{host_header}").hostname
    except ValueError:
        return False
    return name is not None and is_loopback(name)


class Login:
    """Checks passwords, keeps sessions, slows down guessing. Knows no HTTP."""

    def __init__(self, password: str, monotonic: Callable[[], float]) -> None:
        self._digest: Final = hashlib.sha256(password.encode()).digest()
        self.required: Final = bool(password)
        self._monotonic: Final = monotonic
        self._sessions: Final[dict[bytes, tuple[float, float]]] = {}
        self._failures: Final[dict[str, list[float]]] = {}

    def wait_seconds(self, address: str) -> int:
        """How long `address` must wait before its next guess is looked at; 0 is not at all."""
        now = self._monotonic()
        recent = [
            at for at in self._failures.get(address, ()) if now - at < FAILURES_WINDOW_SECONDS
        ]
        if len(recent) < FAILURES_MAX:
            return 0
        return max(1, int(recent[-FAILURES_MAX] + FAILURES_WINDOW_SECONDS - now) + 1)

    def check(self, password: str, address: str) -> bool:
        """Whether this is the password, in constant time; a wrong one counts against `address`."""
        given = hashlib.sha256(password.encode("utf-8", "surrogateescape")).digest()
        if hmac.compare_digest(given, self._digest):
            self._failures.pop(address, None)
            return True
        failures = self._failures.pop(address, [])[-FAILURES_MAX:]
        self._failures[address] = [*failures, self._monotonic()]
        if len(self._failures) > ADDRESSES_MAX:
            self._failures.pop(next(iter(self._failures)))
        return False

    def check_basic(self, header: str, address: str) -> bool:
        """The same for an Authorization header."""
        scheme, _, encoded = header.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8", "replace")
        except binascii.Error:
            return False
        return self.check(text.partition(":")[2], address)

    def open_session(self) -> str:
        """A new session's secret, 256 random bits; only its hash is kept."""
        secret = secrets.token_urlsafe(32)
        now = self._monotonic()
        self._sessions[_key(secret)] = (now, now)
        if len(self._sessions) > SESSIONS_MAX:
            self._sessions.pop(next(iter(self._sessions)))
        return secret

    def use_session(self, secret: str) -> bool:
        """Whether the session is valid; using it keeps it from becoming idle."""
        key = _key(secret)
        session = self._sessions.get(key)
        if session is None:
            return False
        opened_at, used_at = session
        now = self._monotonic()
        if now - used_at >= SESSION_IDLE_SECONDS or now - opened_at >= SESSION_SECONDS_MAX:
            del self._sessions[key]
            return False
        self._sessions[key] = (opened_at, now)
        return True

    def close_session(self, secret: str) -> None:
        """Log out."""
        self._sessions.pop(_key(secret), None)


def _key(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
