"""Asking peers over their RESP port: all at once, with limits, keeping what was last known."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from admin_ui import source
from admin_ui.source import PeerAccess, Survey
from tests.admin_ui.fakes import FakeMesh, FakePeer, FakeSource


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def survey(
    story: Callable[[Survey, FakePeer, Clock], Awaitable[None]],
    access: PeerAccess | None = None,
    peer_password: str = "",
) -> None:
    """Run `story` with a survey of node a and its peer b."""

    async def run() -> None:
        mesh = FakeMesh({"a": 6379, "b": 0})
        peer = FakePeer(mesh, "b", peer_password)
        await peer.start()
        clock = Clock()
        asked = Survey(FakeSource(mesh, "a"), access or PeerAccess(), clock)
        await story(asked, peer, clock)
        asked.close()
        await peer.stop()

    asyncio.run(run())


def test_peers_are_asked_over_one_connection_that_stays_open() -> None:
    async def story(asked: Survey, peer: FakePeer, clock: Clock) -> None:
        for _ in range(3):
            own, other = await asked.refresh()
            assert own.node is not None and own.node.name == "a"
            assert other.node is not None and other.node.name == "b"
            assert (other.stale, other.error, other.age_ms) == (False, "", 0.0)
        assert peer.connections == 1

    survey(story)


def test_a_peer_that_is_gone_keeps_its_last_numbers_and_becomes_stale() -> None:
    async def story(asked: Survey, peer: FakePeer, clock: Clock) -> None:
        await asked.refresh()
        await peer.stop()
        clock.now = 1
        _, other = await asked.refresh()
        assert (other.stale, other.age_ms) == (False, 1_000)
        clock.now = 2
        _, other = await asked.refresh()
        assert (other.stale, other.age_ms, other.error) == (True, 2_000, "connection refused")
        assert other.node is not None and other.node.keys == 1_200
        await peer.start()
        _, other = await asked.refresh()
        assert (other.stale, other.error) == (False, "")

    survey(story)


def test_a_peer_that_does_not_answer_costs_no_more_than_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(source, "ANSWER_SECONDS_MAX", 0.05)

    async def story(asked: Survey, peer: FakePeer, clock: Clock) -> None:
        peer.is_mute = True
        _, other = await asked.refresh()
        assert (other.stale, other.node, other.error) == (True, None, "no answer within 0.05 s")
        peer.is_mute = False
        _, other = await asked.refresh()
        assert other.node is not None and not other.stale

    survey(story)


def test_a_peer_with_a_password_is_logged_in_at() -> None:
    async def story(asked: Survey, peer: FakePeer, clock: Clock) -> None:
        _, other = await asked.refresh()
        assert other.error == ""

    survey(story, PeerAccess("mesh", "secret"), "secret")


@pytest.mark.parametrize(
    ("access", "error"),
    [
        (PeerAccess(), "MESH refused: NOAUTH Authentication required."),
        (PeerAccess("", "wrong"), "AUTH refused: WRONGPASS no"),
    ],
)
def test_a_refusal_is_told_in_the_peers_words(access: PeerAccess, error: str) -> None:
    async def story(asked: Survey, peer: FakePeer, clock: Clock) -> None:
        _, other = await asked.refresh()
        assert (other.error, other.stale) == (error, True)

    survey(story, access, "secret")


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b":1\r\n", "MESH STATUS answered int, not a string"),
        (b"$2\r\n{}\r\n", "NodeStatus: expected an object"),
        (b"$9999999\r\n", ""),
        (b"!?\r\n", ""),
        (b"", "closed the connection"),
    ],
)
def test_nonsense_from_a_peer_is_an_error_of_that_peer(reply: bytes, error: str) -> None:
    async def run() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(reply)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        mesh = FakeMesh({"a": 6379, "b": server.sockets[0].getsockname()[1]})
        asked = Survey(FakeSource(mesh, "a"), PeerAccess(), Clock())
        _, other = await asked.refresh()
        assert error in other.error and other.error and other.stale
        asked.close()
        server.close()

    asyncio.run(run())
