"""conflict-policy: a policy and the patterns of its keys, on lines that add up."""

from __future__ import annotations

import pytest

from conf import Config, ConfigError
from conf.config import Place

FILE = Place("file", "plexis.conf", 1)


def test_lines_of_a_file_add_up_and_replace_the_default() -> None:
    config = Config()
    assert config.rows("conflict-policy") == [["observed-remove"]]
    config.assign("conflict-policy", ["newest-wins"], FILE)
    config.assign("conflict-policy", ["observed-remove", "q:*", "r:*"], FILE)
    assert config.rows("conflict-policy") == [["newest-wins"], ["observed-remove", "q:*", "r:*"]]
    assert config.printed("conflict-policy") == "newest-wins observed-remove q:* r:*"


def test_config_set_says_all_of_it_at_once() -> None:
    config = Config()
    config.set("conflict-policy", ["newest-wins observed-remove q:*"])
    assert config.rows("conflict-policy") == [["newest-wins"], ["observed-remove", "q:*"]]
    config.set("conflict-policy", ["newest-wins cache:*"])
    assert config.rows("conflict-policy") == [["newest-wins", "cache:*"]]
    config.set("conflict-policy", [""])
    assert config.rows("conflict-policy") == []


def test_patterns_without_a_policy_are_refused() -> None:
    config = Config()
    with pytest.raises(ConfigError, match="must begin with one of: observed-remove, newest-wins"):
        config.set("conflict-policy", ["cache:* newest-wins"])
