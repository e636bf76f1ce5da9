"""Kinds of values: what is read, what CONFIG GET shows, what goes back into a file, what is
refused and in which words. The texts are those of Redis 8.2.3."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.config import Config
from conf.directives import TABLE, kind_of
from conf.errors import ConfigError
from conf.kinds import memory_bytes, memory_text
from conf.kinds_of_lists import LineRows


def set_and_print(name: str, text: str) -> str:
    config = Config()
    config.set(name, [text])
    return config.printed(name)


def refusal(name: str, text: str) -> str:
    config = Config()
    before = config.value(name)
    with pytest.raises(ConfigError) as caught:
        config.set(name, [text])
    assert config.value(name) == before, "a refused value changes nothing"
    return str(caught.value)


PRINTED = [
    ("repl-diskless-sync", "YES", "yes"),
    ("timeout", "300", "300"),
    ("hz", "1000", "500"),
    ("hz", "0", "1"),
    ("maxmemory", "64mb", "67108864"),
    ("maxmemory", "1k", "1000"),
    ("maxmemory", "1kb", "1024"),
    ("maxmemory", "1M", "1000000"),
    ("maxmemory", "1Gb", "1073741824"),
    ("maxmemory", "1g", "1000000000"),
    ("maxmemory", "7b", "7"),
    ("maxmemory", "007", "7"),
    ("maxmemory", "", "0"),
    ("repl-backlog-size", "1", "16384"),
    ("maxmemory-clients", "5%", "5%"),
    ("maxmemory-clients", "1mb", "1048576"),
    ("unixsocketperm", "700", "700"),
    ("unixsocketperm", "0755", "755"),
    ("loglevel", "WARNING", "warning"),
    ("oom-score-adj", "relative", "yes"),
    ("bind", "127.0.0.1 -::1", "127.0.0.1 -::1"),
    ("bind", "", ""),
    ("save", "", ""),
    ("save", "900 1 60 10000", "900 1 60 10000"),
    ("shutdown-on-sigterm", "force NOW", "now force"),
    ("shutdown-on-sigterm", "default now", "now"),
    ("notify-keyspace-events", "KEA", "AKE"),
    ("notify-keyspace-events", "$gK", "g$K"),
    ("notify-keyspace-events", "Elg$shzxetd", "AE"),
    ("notify-keyspace-events", "gxn", "gxn"),
    ("notify-keyspace-events", "AKEmnoc", "AKEm"),
    ("notify-keyspace-events", "", ""),
    ("latency-tracking-info-percentiles", "50 99.90 100.0", "50 99.9 100"),
    (
        "client-output-buffer-limit",
        "replica 1mb 0 9",
        "normal 0 0 0 slave 1048576 0 9 pubsub 33554432 8388608 60",
    ),
    (
        "client-output-buffer-limit",
        "normal 1k 2k 3 pubsub 0 0 0",
        "normal 1000 2000 3 slave 268435456 67108864 60 pubsub 0 0 0",
    ),
    ("oom-score-adj-values", "0 100 -5", "0 100 -5"),
    ("dbfilename", "a b.rdb", "a b.rdb"),
    ("admin-bind", "[::1]:8379", "[::1]:8379"),
    ("admin-bind", "", ""),
]


@pytest.mark.parametrize(("name", "text", "printed"), PRINTED)
def test_a_value_is_read_and_shown_as_redis_shows_it(name: str, text: str, printed: str) -> None:
    assert set_and_print(name, text) == printed


LEVELS = "debug, verbose, notice, warning, nothing"
REFUSED = [
    ("appendonly", "maybe", "argument must be 'yes' or 'no'"),
    ("port", "65536", "argument must be between 0 and 65535 inclusive"),
    ("port", "-1", "argument must be between 0 and 65535 inclusive"),
    ("port", "abc", "argument couldn't be parsed into an integer"),
    ("port", "01", "argument couldn't be parsed into an integer"),
    ("port", "-0", "argument couldn't be parsed into an integer"),
    ("port", "1_0", "argument couldn't be parsed into an integer"),
    ("port", "٣", "argument couldn't be parsed into an integer"),
    ("timeout", "1mb", "argument couldn't be parsed into an integer"),
    ("timeout", "9" * 30, "argument couldn't be parsed into an integer"),
    ("databases", "0", "argument must be between 1 and 2147483647 inclusive"),
    ("maxclients", "99999999999", "argument must be between 1 and 4294967295 inclusive"),
    ("set-max-intset-entries", "-1", "argument must be greater or equal to 0"),
    (
        "slowlog-log-slower-than",
        "-2",
        "argument must be between -1 and 9223372036854775807 inclusive",
    ),
    ("maxmemory", "1.5gb", "argument must be a memory value"),
    ("maxmemory", "1zb", "argument must be a memory value"),
    ("maxmemory", "-1", "argument must be a memory value"),
    ("maxmemory", "9" * 30, "argument must be greater or equal to 0"),
    (
        "proto-max-bulk-len",
        "1kb",
        "argument must be between 1048576 and 9223372036854775807 inclusive",
    ),
    ("maxmemory-clients", "200%", "percentage argument must be less or equal to 100"),
    ("maxmemory-clients", "x", "argument must be a memory or percent value"),
    ("unixsocketperm", "999", "argument couldn't be parsed as an octal number"),
    ("unixsocketperm", "1000", "argument must be between 0 and 777 inclusive"),
    ("loglevel", "loud", f"argument(s) must be one of the following: {LEVELS}"),
    ("save", "60", "Invalid save parameters"),
    ("save", "0 1", "Invalid save parameters"),
    ("save", "a b", "Invalid save parameters"),
    ("bind", " ".join(["1"] * 17), "Too many bind addresses specified."),
    ("dbfilename", "a/b", "dbfilename can't be a path, just a filename"),
    ("appendfilename", "", "appendfilename can't be empty"),
    ("appenddirname", "a/b", "appenddirname can't be a path, just a dirname"),
    (
        "shutdown-on-sigint",
        "save nosave",
        "shutdown options SAVE and NOSAVE can't be used simultaneously",
    ),
    (
        "shutdown-on-sigint",
        "soon",
        "argument(s) must be one of the following: default, save, nosave, now, force",
    ),
    (
        "notify-keyspace-events",
        "q",
        "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.",
    ),
    (
        "client-output-buffer-limit",
        "normal 1",
        "Wrong number of arguments in buffer limit configuration.",
    ),
    (
        "client-output-buffer-limit",
        "master 0 0 0",
        "Invalid client class specified in buffer limit configuration.",
    ),
    (
        "client-output-buffer-limit",
        "normal x 0 0",
        "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
    ),
    (
        "latency-tracking-info-percentiles",
        "101",
        "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
    ),
    (
        "latency-tracking-info-percentiles",
        "x",
        "Invalid latency-tracking-info-percentiles parameters",
    ),
    ("oom-score-adj-values", "1 2", "wrong number of arguments"),
    (
        "oom-score-adj-values",
        "0 0 2001",
        "Invalid oom-score-adj-values, elements must be between -2000 and 2000.",
    ),
    ("replicaof", "host 70000", "Invalid master port"),
    ("replicaof", "host", "wrong number of arguments"),
    (
        "admin-bind",
        "8379",
        'argument must be host:port, such as 127.0.0.1:8379 or [::1]:8379, or "" for off',
    ),
    (
        "admin-bind",
        "::1:8379",
        'argument must be host:port, such as 127.0.0.1:8379 or [::1]:8379, or "" for off',
    ),
    ("admin-bind", "h:99999", "the port in the argument must be between 0 and 65535 inclusive"),
    (
        "node-name",
        "a b",
        "argument must be 1 to 63 letters, digits, dots, dashes or underscores",
    ),
]


@pytest.mark.parametrize(("name", "text", "reason"), REFUSED)
def test_a_bad_value_is_refused_in_the_words_of_redis(name: str, text: str, reason: str) -> None:
    assert refusal(name, text) == reason


FILE_LINES = [
    ("maxmemory", "67108864", [["64mb"]]),
    ("maxmemory", "1000", [["1000"]]),
    ("maxmemory", "0", [["0"]]),
    ("maxmemory-clients", "5%", [["5%"]]),
    ("maxmemory-clients", "1024", [["1kb"]]),
    ("save", "900 1 60 2", [["900", "1"], ["60", "2"]]),
    ("save", "", [[""]]),
    ("bind", "", [[""]]),
    ("unixsocketperm", "700", [["700"]]),
    ("notify-keyspace-events", "AKEn", [["AnKE"]]),
]


@pytest.mark.parametrize(("name", "text", "lines"), FILE_LINES)
def test_a_value_goes_into_a_file_in_its_short_form(
    name: str, text: str, lines: list[list[str]]
) -> None:
    config = Config()
    config.set(name, [text])
    assert TABLE[name].kind.lines(config.value(name)) == lines


def test_buffer_limits_go_into_a_file_one_class_a_line() -> None:
    directive = TABLE["client-output-buffer-limit"]
    assert directive.kind.lines(directive.default) == [
        ["normal", "0", "0", "0"],
        ["replica", "256mb", "64mb", "60"],
        ["pubsub", "32mb", "8mb", "60"],
    ]


@pytest.mark.parametrize("name", [name for name, d in TABLE.items() if d.when != "file"])
def test_every_default_survives_being_shown_and_written(name: str) -> None:
    directive = TABLE[name]
    kind = directive.kind
    value = None
    for words in kind.lines(directive.default):
        value = kind.parse(words, value)
    if not isinstance(kind, LineRows):
        assert value == directive.default
        config = Config()
        config.set(name, [kind.printed(directive.default)])
        assert config.value(name) == directive.default


@given(st.integers(0, 2**63 - 1))
def test_any_size_survives_its_short_form(size_bytes: int) -> None:
    assert memory_bytes(memory_text(size_bytes)) == size_bytes


@given(st.text("Ag$lshzxetdnocKEm", max_size=20))
def test_event_classes_survive_a_file(letters: str) -> None:
    kind = kind_of("event-classes")
    value = kind.parse([letters])
    assert kind.parse(kind.lines(value)[0]) == value


@given(st.text(max_size=12))
def test_any_text_is_a_value_or_refused_by_every_kind(text: str) -> None:
    for directive in TABLE.values():
        try:
            value = directive.kind.parse([text], directive.default)
        except ConfigError as error:
            assert str(error)
        else:
            assert isinstance(directive.kind.printed(value), str)
