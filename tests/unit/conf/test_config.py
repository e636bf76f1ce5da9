"""Config: typed access, changes at run time, and what may be changed."""

from __future__ import annotations

import pytest

from conf.config import Config, Place
from conf.errors import ConfigError

FILE = Place("file", "plexis.conf", 1)


def test_values_are_read_by_their_type() -> None:
    config = Config()
    assert config.yes("protected-mode") is True
    assert config.number("port") == 6379
    assert config.text("dbfilename") == "dump.rdb"
    assert config.words("bind") == ["*", "-::*"]
    assert config.words("shutdown-on-sigint") == ["default"]
    assert config.rows("replicaof") == []
    assert config.rows("save") == [["3600", "1"], ["300", "100"], ["60", "10000"]]


def test_asking_with_the_wrong_type_or_name_is_a_mistake_of_ours() -> None:
    config = Config()
    with pytest.raises(AssertionError, match="port is not a yes/no directive"):
        config.yes("port")
    with pytest.raises(AssertionError, match="yes or no, not a number"):
        config.number("appendonly")
    with pytest.raises(AssertionError, match="port is not one word"):
        config.text("port")
    with pytest.raises(KeyError):
        config.number("prot")


def test_names_are_known_in_any_case_and_by_alias() -> None:
    config = Config()
    config.set("Slave-Read-Only", ["no"])
    assert config.yes("replica-read-only") is False
    assert config.printed("SLAVE-READ-ONLY") == "no"
    config.set("hash-max-ziplist-value", ["32"])
    assert config.number("hash-max-listpack-value") == 32


def test_a_bad_value_changes_nothing_and_gives_redis_reason() -> None:
    config = Config()
    with pytest.raises(ConfigError, match=r"^argument must be between 0 and 65535 inclusive$"):
        config.set("port", ["70000"])
    assert config.number("port") == 6379
    with pytest.raises(ConfigError, match=r"^wrong number of arguments$"):
        config.set("timeout", ["1", "2"])


def test_set_replaces_save_points_while_lines_of_a_file_add_up() -> None:
    config = Config()
    config.assign("save", ["900", "1"], FILE)
    config.assign("save", ["60", "5"], FILE)
    assert config.printed("save") == "900 1 60 5"
    config.set("save", ["10 1"])
    assert config.printed("save") == "10 1"
    config.set("save", [""])
    assert config.rows("save") == []


def test_buffer_limits_of_one_class_leave_the_others_alone() -> None:
    config = Config()
    config.set("client-output-buffer-limit", ["pubsub 1mb 0 0"])
    assert config.rows("client-output-buffer-limit") == [
        ["normal", "0", "0", "0"],
        ["slave", "268435456", "67108864", "60"],
        ["pubsub", "1048576", "0", "0"],
    ]


def test_replicaof_adds_once_and_no_one_clears() -> None:
    config = Config()
    config.set("replicaof", ["a", "1"])
    config.set("replicaof", ["b 2"])
    config.set("slaveof", ["a", "1"])
    assert config.rows("replicaof") == [["a", "1"], ["b", "2"]]
    assert config.printed("replicaof") == "a 1 b 2"
    config.set("replicaof", ["NO", "ONE"])
    assert config.rows("replicaof") == []
    config.set_rows("replicaof", [["c", "3"], ["d", "4"]])
    assert config.rows("replicaof") == [["c", "3"], ["d", "4"]]


def test_changed_and_reset_compare_with_the_default() -> None:
    config = Config()
    assert not config.changed("timeout")
    config.set("timeout", ["5"])
    assert config.changed("timeout")
    config.reset("timeout")
    assert not config.changed("timeout")
    config.assign("timeout", ["0"], FILE)
    assert not config.changed("timeout")


def test_only_what_is_read_at_run_time_can_be_set() -> None:
    config = Config()
    assert config.can_set("timeout") and config.can_set("slave-read-only")
    for name in ("databases", "port", "multi-master", "replicaof", "user", "no-such-thing"):
        assert not config.can_set(name), name


@pytest.mark.parametrize(
    ("setting", "remote", "local"),
    [("no", False, False), ("local", False, True), ("yes", True, True)],
)
def test_dir_and_dbfilename_are_guarded(setting: str, remote: bool, local: bool) -> None:
    config = Config()
    config.set("enable-protected-configs", [setting])
    for name in ("dir", "dbfilename"):
        assert config.can_set(name) is remote
        assert config.can_set(name, local=True) is local


def test_hidden_directives_are_known_but_not_listed() -> None:
    config = Config()
    names = config.names()
    assert "replicaof" in names and "slaveof" in names
    assert "rdb-key-save-delay" not in names and config.known("rdb-key-save-delay")
    assert "user" not in names and not config.known("user")


def test_several_values_can_be_put_back() -> None:
    config = Config()
    config.assign("timeout", ["7"], FILE)
    saved = config.saved(["timeout", "Slave-Priority"])
    config.set("timeout", ["8"])
    config.set("replica-priority", ["1"])
    assert config.place("timeout") is None
    config.put_back(saved)
    assert config.number("timeout") == 7 and config.number("replica-priority") == 100
    assert config.place("timeout") == FILE


def test_two_configs_do_not_share_values() -> None:
    one, other = Config(), Config()
    one.set("replicaof", ["a", "1"])
    assert other.rows("replicaof") == []
