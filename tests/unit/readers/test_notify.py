"""Keyspace events: which are told, in which order, to which channels. Orders are Redis 8.2.3's."""

import pytest

from node.ports import Seen
from node.resp.replies import Push
from node.store.effect import (
    DROP,
    EXPIRE,
    HINCR,
    HSET,
    INCR,
    PUT,
    QUIET,
    SADD,
    SREM,
    Effect,
)
from node.store.events import APPEND, NO_EVENT, RENAME_TO
from node.store.values.sets import SetValue
from tests.support.local import LocalNode

EVERYTHING = "EAnocm"


class Listener:
    """A node with events on, and a client that is subscribed to all of them."""

    def __init__(self, letters: str) -> None:
        self.node = LocalNode(directives=("--notify-keyspace-events", letters))
        self.client = self.node.session()
        self.node("PSUBSCRIBE __key*", client=self.client)

    def heard(self) -> list[str]:
        """The messages since the last call: channel without its prefix, and text."""
        inbox = self.node.inbox(self.client)
        lines = []
        for push in inbox.pushed:
            assert isinstance(push, Push)
            _, _, channel, text = push.items
            assert isinstance(channel, bytes)
            assert isinstance(text, bytes)
            lines.append(f"{channel.decode().partition('@')[2]} {text.decode()}")
        inbox.pushed.clear()
        return lines

    def events(self, *commands: str) -> list[str]:
        """Each event as `name key`, of database 0."""
        for text in commands:
            self.node(text)
        return [line.removeprefix("0__:") for line in self.heard()]

    def peer(
        self, op: int, key: bytes, value: object, number: int = 0, flags: int = 0
    ) -> list[str]:
        """The events of a peer's unit of one effect."""
        stamp = self.node.engine.clock.last + 1
        effect = Effect(op, 0, key, value, number, stamp, 1, 0)
        effect.flags = flags
        self.node.engine.replay(0, [effect], Seen())
        return self.events()


@pytest.fixture
def all_events() -> Listener:
    return Listener(EVERYTHING)


def test_each_event_goes_to_the_key_first_and_then_to_the_event() -> None:
    listener = Listener("KEA")
    listener.node("SADD s a")
    assert listener.heard() == ["0__:s sadd", "0__:sadd s"]
    listener.node.sessions[0].ctx.db = listener.node.engine.databases[3]
    listener.node("HSET h f v")
    assert listener.heard() == ["3__:h hset", "3__:hset h"]


@pytest.mark.parametrize(
    ("before", "command", "expected"),
    [
        ("", "SADD s a", ["new s", "sadd s"]),
        ("SADD s a", "SADD s b", ["sadd s"]),
        ("SADD s a", "SADD s a", []),
        ("SADD s a b", "SREM s a", ["srem s"]),
        ("SADD s a b", "SREM s a b", ["srem s", "del s"]),
        ("SADD s a b", "SREM s z", []),
        ("SADD s a", "SPOP s", ["spop s", "del s"]),
        ("SADD s a b", "SPOP s 1", ["spop s"]),
        ("SADD s a", "SMOVE s t a", ["srem s", "del s", "new t", "sadd t"]),
        ("SADD s a", "SMOVE s s a", []),
        ("SADD s a", "SUNIONSTORE d s", ["new d", "sunionstore d"]),
        ("SADD s a", "SINTERSTORE s s", ["overwritten s", "sinterstore s"]),
        ("SADD s a", "SDIFFSTORE s s s", ["del s"]),
        ("SADD s a", "SDIFFSTORE d s s", []),
        ("SADD s a", "SUNIONSTORE d s none", ["keymiss none", "new d", "sunionstore d"]),
        ("SET k v", "SUNIONSTORE k s", ["keymiss s", "del k"]),
        ("", "HSET h f v", ["new h", "hset h"]),
        ("HSET h f v", "HSET h f v", ["hset h"]),
        ("HSET h f v", "HMSET h f v", ["hset h"]),
        ("HSET h f v", "HSETNX h f v", []),
        ("HSET h f v", "HSETNX h g v", ["hset h"]),
        ("HSET h f v g w", "HDEL h f", ["hdel h"]),
        ("HSET h f v", "HDEL h f", ["hdel h", "del h"]),
        ("HSET h f v", "HGETDEL h FIELDS 1 f", ["hdel h", "del h"]),
        ("HSET h f v", "HGETDEL h FIELDS 1 z", []),
        ("", "HINCRBY h n 1", ["new h", "hincrby h"]),
        ("HSET h f v", "HINCRBYFLOAT h n 1", ["hincrbyfloat h"]),
        ("", "SET k v", ["new k", "set k"]),
        ("SET k v", "SET k w", ["overwritten k", "set k"]),
        ("SET k v", "SET k w EX 10", ["overwritten k", "set k", "expire k"]),
        ("SADD k a", "SET k v", ["overwritten k", "type_changed k", "set k"]),
        ("", "SET k v GET", ["keymiss k", "new k", "set k"]),
        ("", "SET k v XX GET", ["keymiss k"]),
        ("SET k v", "APPEND k w", ["append k"]),
        ("", "BITFIELD k SET u8 0 1", ["new k", "setbit k"]),
        ("", "BITFIELD k OVERFLOW FAIL INCRBY u8 0 300", ["new k"]),
        ("SET k v", "BITFIELD k OVERFLOW FAIL INCRBY u8 80 300", []),
        ("RPUSH a x y", "LMOVE a b LEFT RIGHT", ["new b", "rpush b", "lpop a"]),
        ("RPUSH a x", "RPOPLPUSH a b", ["new b", "lpush b", "rpop a", "del a"]),
        ("RPUSH a x", "BLMOVE a b LEFT LEFT 0", ["new b", "lpush b", "lpop a", "del a"]),
        ("RPUSH a x y", "LMOVE a a LEFT RIGHT", ["rpush a", "lpop a"]),
        ("", "GET none", ["keymiss none"]),
        ("", "SMEMBERS none", ["keymiss none"]),
        ("", "SREM none a", []),
        ("", "WATCH none", []),
        ("SADD s a", "EXPIRE s 10", ["expire s"]),
        ("SADD s a", "EXPIRE s -1", ["del s"]),
    ],
)
def test_events_of_commands(
    all_events: Listener, before: str, command: str, expected: list[str]
) -> None:
    if before:
        all_events.events(before)
    assert all_events.events(command) == expected


def test_a_transaction_tells_its_events_at_its_end(all_events: Listener) -> None:
    assert all_events.events("MULTI", "SADD s a", "SET k v") == []
    assert all_events.events("EXEC") == ["new s", "sadd s", "new k", "set k"]


def test_expired_keys_are_told(all_events: Listener) -> None:
    all_events.events("SET k v PX 100", "SADD s a", "EXPIRE s 1")
    all_events.node.advance(0.5)
    assert all_events.events() == ["expired k"]
    all_events.node.time_s += 1
    assert all_events.events("SCARD s") == ["expired s", "keymiss s"]


def test_persist_is_an_expire_without_a_deadline(all_events: Listener) -> None:
    all_events.events("SET k v EX 10")
    ctx = all_events.node.sessions[0].ctx
    ctx.emit(EXPIRE, b"k", None, 0)
    all_events.node.engine.publish()
    assert all_events.events() == ["persist k"]


def test_a_renamed_key_is_new_and_then_overwritten(all_events: Listener) -> None:
    all_events.events("SET k v", "SADD s a")
    ctx = all_events.node.sessions[0].ctx
    ctx.emit(PUT, b"s", b"v", 0, RENAME_TO)
    all_events.node.engine.publish()
    assert all_events.events() == ["new s", "rename_to s", "overwritten s", "type_changed s"]


def test_a_handler_may_ask_for_several_events_or_none(all_events: Listener) -> None:
    ctx = all_events.node.sessions[0].ctx
    all_events.events("SET k v")
    ctx.emit(PUT, b"k", b"w", 0, APPEND)
    ctx.emit(PUT, b"k", b"x", 0, NO_EVENT)
    ctx.emit(PUT, b"k", b"y", 0, APPEND | (APPEND << 8))
    all_events.node.engine.publish()
    assert all_events.events() == ["append k", "append k", "append k"]


def test_peers_writes_are_told_as_clients_are(all_events: Listener) -> None:
    assert all_events.peer(SADD, b"s", [b"a"]) == ["new s", "sadd s"]
    assert all_events.peer(SADD, b"s", [b"a"]) == []
    assert all_events.peer(SADD, b"s", [b"b"]) == ["sadd s"]
    assert all_events.peer(SREM, b"s", [b"a", b"b"]) == ["srem s", "del s"]
    assert all_events.peer(HSET, b"h", [b"f", b"v"]) == ["new h", "hset h"]
    assert all_events.peer(HINCR, b"h", b"n", 5) == ["hincrby h"]
    assert all_events.peer(HINCR, b"h", [b"n", b"0.5"]) == ["hincrbyfloat h"]
    assert all_events.peer(PUT, b"k", b"1") == ["new k", "set k"]
    deadline_ms = 1_700_000_100_000
    assert all_events.peer(PUT, b"k", b"1", deadline_ms) == ["overwritten k", "set k", "expire k"]
    assert all_events.peer(INCR, b"k", None, 5) == ["incrby k"]
    assert all_events.peer(INCR, b"k", b"0.5") == ["incrbyfloat k"]
    assert all_events.peer(EXPIRE, b"k", None, 0) == ["persist k"]
    assert all_events.peer(DROP, b"k", None) == ["del k"]
    value = SetValue()
    value.do_place(b"a", None)
    assert all_events.peer(PUT, b"s", value) == ["new s", "sadd s"]


def test_a_merge_is_quiet(all_events: Listener) -> None:
    assert all_events.peer(SADD, b"s", [b"a"], flags=QUIET) == []


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("Es", ["sadd s", "srem s"]),
        ("Eg", ["del s"]),
        ("Esg", ["sadd s", "srem s", "del s"]),
        ("En", ["new s"]),
        ("EA", ["sadd s", "srem s", "del s"]),
        ("E$", []),
        ("E", []),
        ("A", []),
        ("", []),
    ],
)
def test_only_classes_that_were_asked_for_are_told(letters: str, expected: list[str]) -> None:
    listener = Listener(letters)
    assert listener.events("SADD s a", "SREM s a") == expected


def test_the_reader_sleeps_while_nothing_is_asked_for() -> None:
    node = LocalNode()
    notify, journal = node.engine.notify, node.engine.journal
    config = node.engine.config
    assert notify not in journal.awake
    config.set("notify-keyspace-events", ["Em"])
    node.engine.changed("notify-keyspace-events")
    assert notify in journal.awake
    assert node.engine.databases[5].missed is not None
    config.set("notify-keyspace-events", ["m"])
    node.engine.changed("notify-keyspace-events")
    assert notify not in journal.awake
    assert node.engine.databases[5].missed is None
