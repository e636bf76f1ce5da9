"""The connection: who may speak, and in what state it is. Replies are in tests/commands."""

import pytest

from node.resp.replies import OK, Failure, Map, Simple
from node.session import CLOSING, MULTI, NOAUTH
from tests.support.local import LocalNode


@pytest.fixture
def guarded() -> LocalNode:
    """A node with a password; its first client has not given it."""
    return LocalNode(directives=("--requirepass", "secret"))


def text(reply: object) -> bytes:
    """The text of an error or status."""
    assert isinstance(reply, Failure | Simple)
    return reply.text


def greeting(reply: object) -> dict[object, object]:
    """HELLO's reply."""
    assert isinstance(reply, Map)
    return dict(zip(reply.items[::2], reply.items[1::2], strict=True))


def test_nothing_runs_before_the_password_and_everything_after(guarded: LocalNode) -> None:
    assert text(guarded("SET k v")) == b"NOAUTH Authentication required."
    assert text(guarded("AUTH wrong")).startswith(b"WRONGPASS")
    assert guarded.engine.auth_denied == 1
    assert guarded("AUTH secret") is OK
    assert guarded("SET k v") is OK
    assert text(guarded("RESET")) == b"RESET"
    assert guarded.sessions[0].flags & NOAUTH


def test_hello_changes_nothing_where_it_fails(guarded: LocalNode) -> None:
    session = guarded.sessions[0]
    for line in (
        *("HELLO 3", "HELLO 3 AUTH default wrong SETNAME me"),
        *("HELLO 3 AUTH default secret X", "HELLO 4 AUTH default secret"),
    ):
        assert isinstance(guarded(line), Failure)
        assert (session.resp, session.name) == (2, b"")
        assert session.flags & NOAUTH
    assert greeting(guarded("HELLO 3 AUTH default secret SETNAME me"))[b"proto"] == 3
    assert (session.resp, session.name, session.flags) == (3, b"me", 0)


def test_hello_says_what_libraries_read_and_nothing_else(node: LocalNode) -> None:
    assert greeting(node("HELLO")) == {
        b"server": b"redis",
        b"version": b"8.2.3",
        b"proto": 2,
        b"id": 1,
        b"mode": b"standalone",
        b"role": b"master",
        b"modules": [],
    }


def test_reset_leaves_nothing_of_the_session_but_its_library(node: LocalNode) -> None:
    session = node.sessions[0]
    for line in (
        *("HELLO 3 SETNAME me", "CLIENT SETINFO LIB-NAME redis-py", "SELECT 3", "WATCH k"),
        *("CLIENT NO-EVICT ON", "CLIENT NO-TOUCH ON", "CLIENT REPLY OFF", "SUBSCRIBE news"),
        *("PSUBSCRIBE n*", "MULTI", "SET k v"),
    ):
        node(line)
    node("RESET")
    assert (session.resp, session.name, session.ctx.db.number) == (2, b"", 0)
    assert (session.watched, session.queued, session.flags) == ([], [], 0)
    assert (session.channels, session.patterns) == ({}, {})
    assert (session.replies, session.keeps_memory, session.keeps_clocks) == (True, False, False)
    assert session.library_name == b"redis-py"
    assert not node.engine.pubsub.is_heard()


def test_quit_ends_a_transaction_too(node: LocalNode) -> None:
    node("MULTI")
    assert node("QUIT") is OK
    assert node.sessions[0].flags == MULTI | CLOSING
