"""Where the page may listen, who may look, and what other web sites may not cause."""

from __future__ import annotations

import base64

import pytest

from admin_ui import auth


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    "bind", ["127.0.0.1:8379", "localhost:0", "[::1]:8379", "127.9.9.9:1", "::1:8379"]
)
def test_loopback_needs_no_password(bind: str) -> None:
    host, port = auth.check_bind(bind, "")
    assert bind.endswith(str(port))
    assert auth.is_loopback(host)


@pytest.mark.parametrize(
    "bind", ["0.0.0.0:8379", "*:8379", ":8379", "10.0.0.1:1", "[::]:1", "db:1"]
)
def test_other_addresses_are_refused_without_password_and_the_text_lists_choices(bind: str) -> None:
    with pytest.raises(auth.BindRefused) as refused:
        auth.check_bind(bind, "")
    text = str(refused.value)
    assert bind in text
    for choice in ("admin-bind 127.0.0.1", "admin-password", "reverse proxy", "SSH tunnel"):
        assert choice in text
    assert auth.check_bind(bind, "secret")


@pytest.mark.parametrize("bind", ["127.0.0.1", "127.0.0.1:http", "127.0.0.1:70000", ""])
def test_an_address_that_is_none_is_refused_with_an_example(bind: str) -> None:
    with pytest.raises(auth.BindRefused, match=r"127\.0\.0\.1:8379"):
        auth.check_bind(bind, "secret")


@pytest.mark.parametrize(
    ("method", "path", "headers", "refused"),
    [
        ("POST", "/login", {}, False),
        ("POST", "/login", {"Sec-Fetch-Site": "same-origin"}, False),
        ("POST", "/login", {"Sec-Fetch-Site": "none"}, False),
        ("POST", "/login", {"Sec-Fetch-Site": "same-site"}, True),
        ("POST", "/login", {"Sec-Fetch-Site": "cross-site"}, True),
        ("POST", "/login", {"Origin": "http://n:8379", "Host": "n:8379"}, False),
        ("POST", "/login", {"Origin": "http://evil", "Host": "n:8379"}, True),
        ("POST", "/login", {"Origin": "null", "Host": "n:8379"}, True),
        ("GET", "/", {"Sec-Fetch-Site": "cross-site"}, False),
        ("GET", "/api/v1/events", {"Sec-Fetch-Site": "cross-site"}, True),
    ],
)
def test_cross_site(method: str, path: str, headers: dict[str, str], refused: bool) -> None:
    assert auth.is_cross_site(method, path, headers) is refused


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1:8379", True),
        ("localhost", True),
        ("[::1]:8379", True),
        ("rebound.example:8379", False),
        ("10.0.0.1", False),
        ("[", False),
        ("", False),
    ],
)
def test_names_loopback(host: str, is_ours: bool) -> None:
    assert auth.names_loopback(host) is is_ours


def test_sessions_end_when_idle_and_at_the_latest_after_twelve_hours() -> None:
    clock = Clock()
    login = auth.Login("secret", clock)
    idle = login.open_session()
    clock.now += auth.SESSION_IDLE_SECONDS
    assert not login.use_session(idle)
    used = login.open_session()
    for _ in range(24):
        clock.now += auth.SESSION_IDLE_SECONDS - 1
        assert login.use_session(used)
    clock.now += auth.SESSION_IDLE_SECONDS - 1
    assert not login.use_session(used)


def test_a_closed_or_unknown_session_is_none() -> None:
    login = auth.Login("secret", Clock())
    session = login.open_session()
    login.close_session(session)
    assert not login.use_session(session)
    assert not login.use_session("")


def test_five_wrong_passwords_make_an_address_wait_and_others_not() -> None:
    clock = Clock()
    login = auth.Login("secret", clock)
    for _ in range(auth.FAILURES_MAX):
        assert login.wait_seconds("a") == 0
        assert not login.check("guess", "a")
    assert 0 < login.wait_seconds("a") <= auth.FAILURES_WINDOW_SECONDS + 1
    assert login.wait_seconds("b") == 0
    clock.now += auth.FAILURES_WINDOW_SECONDS + 1
    assert login.wait_seconds("a") == 0
    assert login.check("secret", "a")


@pytest.mark.parametrize(
    ("header", "ok"),
    [
        ("Basic " + base64.b64encode(b"any:se:cret").decode(), True),
        ("basic " + base64.b64encode(b":se:cret").decode(), True),
        ("Basic " + base64.b64encode(b"se:cret").decode(), False),
        ("Basic ???", False),
        ("Bearer se:cret", False),
        ("", False),
    ],
)
def test_basic(header: str, ok: bool) -> None:
    assert auth.Login("se:cret", Clock()).check_basic(header, "a") is ok
