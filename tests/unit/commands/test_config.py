"""CONFIG SET: all or nothing, and who acts on it. Replies and errors are in tests/commands."""

import pytest

from conf import ConfigError
from node.commands.command import TABLE
from node.commands.context import Shell
from node.resp.replies import OK, Failure, Map
from node.session import NOAUTH
from tests.support.local import LocalNode


class Recording(Shell):
    """Notes what it is asked; refuses one directive."""

    def __init__(self, refused: str = "") -> None:
        self.refused = refused
        self.applied: list[str] = []
        self.rewritten = 0
        self.resets = 0

    def apply(self, name: str) -> None:
        self.applied.append(name)
        if name == self.refused:
            raise ConfigError("the port is taken")

    def rewrite_config(self) -> None:
        self.rewritten += 1

    def reset_stats(self) -> None:
        self.resets += 1


@pytest.fixture
def shell(node: LocalNode) -> Recording:
    node.engine.shell = Recording()
    return node.engine.shell


def value(node: LocalNode, name: str) -> object:
    """CONFIG GET of one name."""
    reply = node(f"CONFIG GET {name}")
    assert isinstance(reply, Map)
    return reply.items[1]


def text(reply: object) -> bytes:
    """The text of an error."""
    assert isinstance(reply, Failure)
    return reply.text


def test_each_directive_is_applied_by_its_own_name(node: LocalNode, shell: Recording) -> None:
    assert node("CONFIG SET TIMEOUT 5 slave-priority 7") is OK
    assert shell.applied == ["timeout", "replica-priority"]
    assert value(node, "replica-priority") == b"7"


def test_a_value_that_cannot_be_read_changes_nothing(node: LocalNode, shell: Recording) -> None:
    assert isinstance(node("CONFIG SET timeout 5 hz abc"), Failure)
    assert (value(node, "timeout"), shell.applied) == (b"0", [])


def test_a_directive_that_cannot_be_applied_undoes_those_before(node: LocalNode) -> None:
    shell = Recording(refused="hz")
    node.engine.shell = shell
    assert text(node("CONFIG SET timeout 5 hz 50 maxclients 7")) == (
        b"ERR CONFIG SET failed (possibly related to argument 'hz') - the port is taken"
    )
    assert (value(node, "timeout"), value(node, "hz")) == (b"0", b"10")
    assert value(node, "maxclients") == b"10000"
    assert "maxclients" not in shell.applied


def test_taking_the_password_away_lets_everybody_in(node: LocalNode) -> None:
    assert node("CONFIG SET requirepass secret") is OK
    late = node.session()
    assert node.sessions[late].flags & NOAUTH
    assert node("GET k") is None  # who was there before stays
    assert node('CONFIG SET requirepass ""') is OK
    assert node.sessions[late].flags == 0


def test_keyspace_events_begin_and_end_at_once(node: LocalNode) -> None:
    listener = node.session()
    node("PSUBSCRIBE *", client=listener)
    node.inbox(listener).pushed.clear()
    node("CONFIG SET notify-keyspace-events KEA")
    node("SET k v")
    assert len(node.inbox(listener).pushed) == 2
    node('CONFIG SET notify-keyspace-events ""')
    node("SET k v")
    assert len(node.inbox(listener).pushed) == 2


def test_guarded_directives_follow_enable_protected_configs() -> None:
    node = LocalNode(directives=("--enable-protected-configs", "local"))
    assert node("CONFIG SET dbfilename other.rdb") is OK
    node = LocalNode(directives=("--enable-protected-configs", "yes"))
    assert node("CONFIG SET dbfilename other.rdb") is OK
    assert text(LocalNode()("CONFIG SET dbfilename other.rdb")).endswith(b"protected config")


def test_resetstat_sets_every_counter_to_nothing(node: LocalNode, shell: Recording) -> None:
    node("SET k v")
    node("GET k")
    node("GET none")
    node("HSET k f v")
    node("NOSUCH")
    assert TABLE[b"get"].calls >= 2
    node("CONFIG RESETSTAT")
    assert (TABLE[b"get"].calls, TABLE[b"hset"].failed) == (0, 0)
    assert (node.engine.errors, node.engine.processed) == ({}, 1)
    assert (node.engine.databases[0].hits, node.engine.databases[0].misses) == (0, 0)
    assert shell.resets == 1


def test_rewrite_needs_a_file(node: LocalNode, shell: Recording) -> None:
    assert text(node("CONFIG REWRITE")) == b"ERR The server is running without a config file"
    node.engine.config.file = "node.conf"
    assert node("CONFIG REWRITE") is OK
    assert shell.rewritten == 1
