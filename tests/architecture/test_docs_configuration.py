"""docs/configuration.md and conf/examples/full.conf are made from the directive table; they must
be current. `python -m conf.document` writes them."""

from __future__ import annotations

from conf.directives import TABLE
from conf.document import FULL_CONF_PATH, MARKDOWN_PATH, full_conf, markdown

STALE = "is stale: run `python -m conf.document`"


def test_configuration_md_is_current() -> None:
    assert MARKDOWN_PATH.read_text(encoding="utf-8") == markdown(), f"{MARKDOWN_PATH} {STALE}"


def test_full_conf_is_current() -> None:
    assert FULL_CONF_PATH.read_text(encoding="utf-8") == full_conf(), f"{FULL_CONF_PATH} {STALE}"


def test_every_directive_and_alias_is_documented() -> None:
    text = markdown()
    for directive in TABLE.values():
        for name in (directive.name, *directive.aliases):
            assert f"`{name}`" in text, name
