"""A link asks for its host name anew at each attempt, tries all addresses it is given, and says in
the log once what is wrong."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, cast

import pytest

import mesh.link
from mesh.link import Link
from mesh.status import CONNECTING, DOWN

Found = list[tuple[Any, Any, int, str, tuple[str, int]]]


class Names:
    """A name service whose answer changes."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked = 0

    async def getaddrinfo(self, host: str, port: int, **_: object) -> Found:
        self.asked += 1
        assert host == "member.example"
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in self.addresses
        ]


class Nobody:
    """An agent as far as a link that only connects needs one."""

    timeout_s = 2.0

    def now_ms(self) -> int:
        return 0

    @property
    def member(self) -> Nobody:
        return self

    @property
    def config(self) -> Nobody:
        return self

    def inbox(self) -> None:
        return None

    def text(self, name: str) -> str:
        return ""


class Dialing(Link):
    """Notes where it came out."""

    reached: str = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.reached = str(transport.get_extra_info("peername")[0])
        transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        pass


def test_a_name_is_resolved_anew_and_every_address_is_tried() -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        first = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        port = int(first.sockets[0].getsockname()[1])
        second = await asyncio.start_server(lambda reader, writer: None, "127.0.0.2", port)
        names = Names("127.0.0.1")
        cast(Any, loop).getaddrinfo = names.getaddrinfo
        link = Dialing(cast(Any, Nobody()), "member.example", port, True)
        await link._connect()
        assert link.reached == "127.0.0.1"
        names.addresses = ("127.0.0.2",)
        await link._connect()
        assert link.reached == "127.0.0.2"
        first.close()
        names.addresses = ("127.0.0.1", "127.0.0.2")
        await link._connect()
        assert link.reached == "127.0.0.2", "the first address does not answer any more"
        assert names.asked == 3
        second.close()

    asyncio.run(story())


class Heard:
    """What a log was told."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def warning(self, event: str, **fields: str) -> None:
        assert event == "link_lost"
        self.reasons.append(fields["reason"])


def test_a_peer_that_stays_away_is_logged_once_and_not_at_each_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard = Heard()
    monkeypatch.setattr(mesh.link, "LOG", heard)
    link = Link(cast(Any, Nobody()), "member.example", 7000, True)
    for text in ("closed", "refused", "refused", "refused", "another reason", "refused"):
        link.become(CONNECTING)
        link.failed(text, DOWN)
    assert heard.reasons == ["closed", "refused", "another reason", "refused"]
    assert link.last_error == "refused" and link.state == DOWN
