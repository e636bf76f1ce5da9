"""One table of mesh.toml: typed access to its keys, which notes every error and goes on.

A key that is asked for is known; `finish` reports the others, with the known key most like them.
A wrong value is reported and the default returned, so that one run shows all that is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from conf.errors import suggestion
from conf.kinds import memory_bytes
from conf.toml_lines import Path, Problems

LATER: Final = "comes in a later release"
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)\Z", re.ASCII)
_UNIT_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^\[\]:\s/]+)):(\d+)\Z", re.ASCII)


class MeshTable:
    """A table at `path`; `label` is how messages call it: [mesh], [[node]] "fra-1"."""

    def __init__(self, data: Mapping[str, Any], path: Path, label: str, problems: Problems) -> None:
        self.data = data
        self.path = path
        self.label = label
        self.problems = problems
        self._known: set[str] = set()

    def has(self, key: str) -> bool:
        return key in self.data

    def error(self, key: str, message: str) -> None:
        """Note an error at the value of a key of this table, or at its header if key is ""."""
        path = (*self.path, key) if key in self.data else self.path
        self.problems.error(path, f"{self.label}: {message}" if self.label else message)

    def warning(self, key: str, message: str) -> None:
        path = (*self.path, key) if key in self.data else self.path
        self.problems.warning(path, f"{self.label}: {message}" if self.label else message)

    def _typed(self, key: str, kind: type, what: str) -> Any:
        """The value if it is there and of this type, else None."""
        self._known.add(key)
        value = self.data.get(key)
        if value is None or (isinstance(value, kind) and isinstance(value, bool) == (kind is bool)):
            return value
        self.error(key, f"{key} must be {what}")
        return None

    def text(self, key: str, default: str = "") -> str:
        value = self._typed(key, str, 'text in quotes, such as "fra-1"')
        return default if value is None else str(value)

    def needed_text(self, key: str) -> str:
        """A text that must be there and not be empty."""
        value = self.text(key)
        if key not in self.data:
            self.error("", f"{key} is missing")
        elif value == "" and self.data[key] == "":
            self.error(key, f"{key} is empty")
        return value

    def yes(self, key: str, default: bool) -> bool:
        value = self._typed(key, bool, "true or false")
        return default if value is None else bool(value)

    def number(self, key: str, default: int, low: int, high: int) -> int:
        value = self._typed(key, int, "a whole number")
        if value is None:
            return default
        if not low <= value <= high:
            self.error(key, f"{key} {value} is out of range {low}..{high}")
            return default
        return int(value)

    def choice(self, key: str, built: Sequence[str], later: Sequence[str] = ()) -> str:
        """One of a few words; the first of `built` is the default, `later` ones are refused."""
        word = self.text(key, built[0])
        if word in built:
            return word
        if word in later:
            only = " or ".join(f'"{name}"' for name in built)
            self.error(key, f'{key} "{word}" {LATER}; use {only}')
        else:
            close = suggestion(word, [*built, *later])
            hint = f'; did you mean "{close}"?' if close else ""
            choices = ", ".join([*built, *later])
            self.error(key, f'{key} "{word}" is not one of {choices}{hint}')
        return built[0]

    def duration_ms(self, key: str, default: int) -> int:
        """Milliseconds in a text such as "500ms", "1s", "5m", "2h", "1d"."""
        word = self._typed(key, str, 'a duration in quotes, such as "500ms" or "10s"')
        if word is None:
            return default
        match = _DURATION.match(word)
        if match is None:
            self.error(key, f'{key} "{word}" is not a duration such as "500ms", "10s" or "5m"')
            return default
        return round(float(match[1]) * _UNIT_MS[match[2]])

    def size_bytes(self, key: str, default: int) -> int:
        """Bytes in a text such as "256mb", by the units of redis.conf."""
        word = self._typed(key, str, 'a size in quotes, such as "256mb"')
        if word is None:
            return default
        size = memory_bytes(word)
        if size is None:
            self.error(key, f'{key} "{word}" is not a size such as "64kb", "256mb" or "2gb"')
            return default
        return size

    def address(self, key: str, default: tuple[str, int]) -> tuple[str, int]:
        """Host and port of "host:port" or "[ipv6]:port"; "" gives ("", 0)."""
        word = self.text(key)
        if key not in self.data or word == "":
            return default if key not in self.data else ("", 0)
        match = _HOST.match(word)
        if match is None:
            self.error(key, f'{key} "{word}" is not host:port; write IPv6 as [::1]:6379')
            return default
        if not 1 <= int(match[3]) <= 65535:
            self.error(key, f"{key} port {match[3]} is out of range 1..65535")
            return default
        return match[1] or match[2], int(match[3])

    def later(self, *keys: str) -> None:
        """Keys of the format that this release does not act on: refused, not ignored."""
        for key in keys:
            self._known.add(key)
            if key in self.data:
                self.error(key, f"{key} {LATER}; remove it")

    def known(self, *keys: str) -> None:
        """Keys that are read elsewhere."""
        self._known.update(keys)

    def finish(self) -> None:
        """Report every key that nobody asked for."""
        for key in self.data:
            if key not in self._known:
                close = suggestion(key, sorted(self._known))
                hint = f'; did you mean "{close}"?' if close else ""
                inside = f" in {self.label}" if self.label else ""
                self.problems.error(
                    (*self.path, key), f'unknown key "{key}"{inside}{hint}', at_key=True
                )
