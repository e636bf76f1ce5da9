"""Configuration text -> Config, line by line, with errors that show the line.

An error is one block, whose first lines are those of Redis, because operators and scripts search
logs for them:

    *** FATAL CONFIG FILE ERROR (Plexis 0.1.0) ***
    Reading the configuration file, at line 3
    >>> 'prot 6379'
    Bad directive or wrong number of arguments
    Did you mean "port"?
    In /etc/plexis/plexis.conf

The order of lines does not matter: what depends on two directives (`active-replica` and
`replicaof`) is judged by `settle` when all lines are read.
"""

from __future__ import annotations

import glob
from dataclasses import replace
from typing import Final

from conf.config import Config, Place
from conf.directives import BY_ANY_NAME, PROTECTIVE, SENSITIVE, TABLE, find, is_module_setting
from conf.errors import ConfigError, suggestion
from conf.version import PLEXIS_VERSION
from conf.words import split_words

BAD_DIRECTIVE: Final = "Bad directive or wrong number of arguments"
INCLUDE_DEPTH_MAX: Final = 16
"""Files that include one another in a circle are found by this depth; no real set is as deep."""
_DAEMONIZE: Final = (
    "plexis-server stays in the foreground: use 'daemonize no' and let a supervisor"
    " (systemd, a container runtime) run it"
)


def read_text(config: Config, text: str, place: Place, depth: int = 0) -> None:
    """Take all lines of a text into the config; `place` tells where its line 1 stands."""
    for number, raw in enumerate(text.split("\n"), start=place.line or 1):
        line = raw.strip(" \t\r\n")
        if line and not line.startswith("#"):
            here = replace(place, line=number, text=line)
            try:
                words = split_words(line)
            except ConfigError as error:
                raise fatal(here, str(error)) from None
            read_line(config, words, here, depth)


def read_line(config: Config, words: list[str], place: Place, depth: int = 0) -> None:
    """Take one line, already split; raises the whole error block."""
    if not words:
        return
    name, values = words[0].lower(), words[1:]
    if name == "include" and len(values) == 1:
        _include(config, values[0], place, depth)
        return
    directive = find(name)
    if directive is None and is_module_setting(name):
        if not values:
            raise fatal(place, "Module config specified without value")
        config.module_settings.append(name)
        return
    if directive is None:
        close = "" if name == "include" else suggestion(name, [*BY_ANY_NAME, "include"])
        raise fatal(place, BAD_DIRECTIVE, f'Did you mean "{close}"?' if close else "")
    if directive.name == "sentinel":
        raise fatal(place, "sentinel directive while not in sentinel mode")
    try:
        config.assign(name, values, place)
    except ConfigError as error:
        raise fatal(place, str(error)) from None
    if directive.name == "daemonize" and config.yes("daemonize"):
        raise fatal(place, _DAEMONIZE)


def _include(config: Config, pattern: str, place: Place, depth: int) -> None:
    """Read the files a pattern names, in alphabetical order; a pattern may match none."""
    if depth >= INCLUDE_DEPTH_MAX:
        raise fatal(place, f"include is nested more than {INCLUDE_DEPTH_MAX} deep")
    wild = any(character in pattern for character in "*?[")
    for path in sorted(glob.glob(pattern)) if wild else [pattern]:
        try:
            text = read_file(path)
        except ConfigError as error:
            raise fatal(place, str(error)) from None
        read_text(config, text, Place("include", path), depth + 1)


def read_file(path: str) -> str:
    """The text of a configuration file; bytes that are not UTF-8 survive."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except OSError as error:
        raise ConfigError(
            f"Fatal error, can't open config file '{path}': {error.strerror}"
        ) from None


def fatal(place: Place, reason: str, hint: str = "") -> ConfigError:
    """The error block for one line; the value of a secret directive is not repeated in it."""
    shown = place.text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    directive = find(shown.split()[0].strip("\"'")) if shown.split() else None
    if directive is not None and directive.name in SENSITIVE:
        shown = f"{directive.name} (value not shown)"
    lines = [
        f"*** FATAL CONFIG FILE ERROR (Plexis {PLEXIS_VERSION}) ***",
        f"Reading the configuration file, at line {place.line}",
        f">>> '{shown}'",
        reason,
    ]
    lines += [hint] if hint else []
    lines += [f"In {place.file}"] if place.file else []
    lines += ["On the command line"] if place.origin == "option" else []
    lines += ["On standard input"] if place.origin == "stdin" else []
    return ConfigError("\n".join(lines))


def settle(config: Config) -> list[str]:
    """Judge what depends on several directives, when all lines are read; returns warnings."""
    warnings: list[str] = []
    if config.text("mesh-join"):
        for name in ("active-replica", "multi-master"):
            if config.place(name) is None:
                _derive(config, name, ["yes"])
    active = config.yes("active-replica")
    if config.yes("multi-master") and not active:
        place = config.place("multi-master") or Place("file")
        raise fatal(place, "multi-master needs 'active-replica yes'")
    peers = config.rows("replicaof")
    if len(peers) > 1 and not config.yes("multi-master"):
        kept = peers[-1]
        _derive(config, "replicaof", kept)
        dropped = ", ".join(":".join(peer) for peer in peers[:-1])
        warnings.append(
            f"replicaof is given {len(peers)} times without 'multi-master yes': only the last,"
            f" {':'.join(kept)}, is followed, not {dropped}"
        )
    if active and config.yes("replica-read-only"):
        given = config.place("replica-read-only") is not None
        _derive(config, "replica-read-only", ["no"])
        if given:
            warnings.append("'active-replica yes' implies 'replica-read-only no'")
    return warnings + _threads_warning(config) + _unbuilt_warning(config)


def _derive(config: Config, name: str, words: list[str]) -> None:
    """Replace a value by what follows from others; CONFIG REWRITE keeps the operator's lines."""
    config.reset(name)
    config.assign(name, words, Place("derived"))


def _threads_warning(config: Config) -> list[str]:
    asked = [name for name in ("server-threads", "io-threads") if config.number(name) > 1]
    if not asked:
        return []
    return [f"{' and '.join(asked)} accepted, but one core serves all clients"]


def _unbuilt_warning(config: Config) -> list[str]:
    """One sentence for all that was asked for and has no effect; one more if it guards access.

    A directive that is given with its default asks for nothing, so that the files Redis and
    KeyDB ship are read without a warning.
    """
    idle = [
        name
        for name, entry in TABLE.items()
        if not entry.built and config.place(name) is not None and config.changed(name)
    ]
    idle += sorted(set(config.module_settings))
    if not idle:
        return []
    sentence = f"accepted without effect in this release: {', '.join(idle)}"
    guards = [name for name in idle if name in PROTECTIVE]
    if guards:
        sentence += f". ATTENTION, this does not restrict access here: {', '.join(guards)}"
    return [sentence]
