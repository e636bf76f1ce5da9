"""mesh-owner: pairs of a pattern and an owner, on lines that add up."""

from __future__ import annotations

import pytest

from conf import Config, ConfigError
from conf.config import Place

FILE = Place("file", "plexis.conf", 1)


def test_lines_of_a_file_add_up() -> None:
    config = Config()
    assert config.rows("mesh-owner") == []
    config.assign("mesh-owner", ["q:*", "HASH"], FILE)
    config.assign("mesh-owner", ["locks:*", "fra-1"], FILE)
    assert config.rows("mesh-owner") == [["q:*", "hash"], ["locks:*", "fra-1"]]
    assert config.printed("mesh-owner") == "q:* hash locks:* fra-1"


def test_config_set_says_all_of_it_at_once() -> None:
    config = Config()
    config.set("mesh-owner", ["q:* hash locks:* fra-1"])
    config.set("mesh-owner", ["q:* fra-1"])
    assert config.rows("mesh-owner") == [["q:*", "fra-1"]]
    config.set("mesh-owner", [""])
    assert config.rows("mesh-owner") == []


@pytest.mark.parametrize(("value", "reason"), [
    ("q:*", "must be pairs"),
    ("q:* hash locks:*", "must be pairs"),
    ("q:* first-writer", "first-writer is no owner"),
])  # fmt: skip
def test_what_names_no_owner_is_refused(value: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Config().set("mesh-owner", [value])
