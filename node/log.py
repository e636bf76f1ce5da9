"""Logging: lines of key=value on standard output or in a file, with Redis's levels.

Everybody takes a logger by `structlog.get_logger("area")`; this is the one place that says what
becomes of it. An event is a short text, its details are fields: `log.info("link lost", peer=...)`.
Here `debug` is what Redis calls verbose (there is nothing chattier, so the directives debug and
verbose show the same), `info` is notice, and `error` is above warning.
"""

from __future__ import annotations

import sys
from typing import Any, Final, TextIO

import structlog

# The directive loglevel: what is printed from there on up.
LEVELS: Final = {"debug": 1, "verbose": 1, "notice": 2, "warning": 3, "nothing": 9}


class Threshold:
    """What is printed now; CONFIG SET loglevel changes it while loggers are in use."""

    level = LEVELS["notice"]


class Log(structlog.BoundLoggerBase):
    """A logger with Redis's levels."""

    def _say(self, level: int, name: str, event: str, fields: dict[str, Any]) -> None:
        if level >= Threshold.level:
            self._proxy_to_logger(name, event, level=name, **fields)

    def debug(self, event: str, **fields: Any) -> None:
        """What happens often, such as a client that connects."""
        self._say(1, "debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """What an operator wants to see in a healthy server."""
        self._say(2, "notice", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """What an operator should look at."""
        self._say(3, "warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Something failed."""
        self._say(4, "error", event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """An error with the stack of the exception that is being handled."""
        self._say(4, "error", event, {"exc_info": True, **fields})


class LineWriter:
    """Writes finished lines; one method per level name, as structlog calls them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def line(self, text: str) -> None:
        """One line, at once: a log is read when something has just gone wrong."""
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except OSError:
            pass  # a full disk or a closed pipe must not stop the server

    debug = notice = warning = error = line


def set_level(name: str) -> None:
    """The directive loglevel."""
    Threshold.level = LEVELS[name]


def set_up(level: str, path: str = "") -> None:
    """Logs to standard output, or appends to a file. OSError: the file cannot be opened."""
    set_level(level)
    stream = open(path, "a", encoding="utf-8") if path else sys.stdout  # noqa: SIM115 stays open
    structlog.configure(
        wrapper_class=Log,
        logger_factory=lambda *args: LineWriter(stream),
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(
                key_order=["time", "level", "event"], bool_as_flag=False
            ),
        ],
        cache_logger_on_first_use=False,
    )


def logger(area: str) -> Any:
    """A logger for a module that has no business with structlog itself."""
    return structlog.get_logger(area)
