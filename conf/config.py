"""Config: the values of all directives, typed access to them, and where each was written.

A fresh Config holds the defaults. Loading fills it line by line (`assign`), CONFIG SET changes it
(`set`), and whoever needs a value asks by the directive's name: `config.number("port")`.
Asking for a directive that is not in the table, or with the wrong type, is an error in our code
and raises at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from conf.directives import BY_ANY_NAME, TABLE, Directive, find
from conf.errors import ConfigError
from conf.kinds import Value
from conf.kinds_of_lists import rows_of, words_of

OTHERS: Final = ("include", "mesh", "implied", "derived")
"""Origins whose values CONFIG REWRITE leaves where they are: they are made anew at each start."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line stands: `origin` is file, include, stdin, option, mesh, implied or derived."""

    origin: str
    file: str = ""
    line: int = 0
    text: str = ""

    def describe(self) -> str:
        """The place in words, with its preposition, for messages that name two of them."""
        if self.origin == "option":
            return "on the command line"
        if self.origin == "stdin":
            return f"on standard input, line {self.line}"
        return f"in {self.file}:{self.line}" if self.line else f"in {self.file}"


Saved: TypeAlias = dict[str, tuple[Value, Place | None]]


class Config:
    """All settings of one node.

    `file` is the path of the main configuration file, "" when there was none. `module_settings`
    names settings of Redis modules that were accepted unread.
    """

    def __init__(self) -> None:
        self.file = ""
        self.module_settings: list[str] = []
        self._values: dict[str, Value] = {name: entry.default for name, entry in TABLE.items()}
        self._places: dict[str, Place] = {}

    # ---- reading -----------------------------------------------------------------------------

    def yes(self, name: str) -> bool:
        """The value of a yes/no directive."""
        value = self.value(name)
        assert isinstance(value, bool), f"{name} is not a yes/no directive"
        return value

    def number(self, name: str) -> int:
        """The value of a number or size; a size in bytes, a percentage as its negative."""
        value = self.value(name)
        assert isinstance(value, int), f"{name} is not a number"
        assert not isinstance(value, bool), f"{name} is yes or no, not a number"
        return value

    def text(self, name: str) -> str:
        """The value of a directive of one word: text, a path, or one of a few names."""
        value = self.value(name)
        assert isinstance(value, str), f"{name} is not one word"
        return value

    def words(self, name: str) -> list[str]:
        """The value of a directive of several words, flat: bind, shutdown-on-sigterm, save."""
        return list(words_of(self.value(name)))

    def rows(self, name: str) -> list[list[str]]:
        """The value of a directive of several lines: replicaof, save, client-output-buffer-limit.

        Each row is one line: [host, port], [seconds, changes], [class, hard, soft, seconds].
        """
        return [list(row) for row in rows_of(self.value(name))]

    def value(self, name: str) -> Value:
        """The value as its kind holds it; raises KeyError for a name not in the table."""
        return self._values[BY_ANY_NAME[name.lower()].name]

    def printed(self, name: str) -> str:
        """What CONFIG GET shows for this name or alias: sizes in plain bytes, as Redis 8.2."""
        directive = BY_ANY_NAME[name.lower()]
        return directive.kind.printed(self._values[directive.name])

    def names(self) -> list[str]:
        """The names that CONFIG GET * lists, aliases included, in the order of the table."""
        listed = (entry for entry in TABLE.values() if entry.listed)
        return [name for entry in listed for name in (entry.name, *entry.aliases)]

    def known(self, name: str) -> bool:
        """Whether CONFIG GET and CONFIG SET know this name: a listed or a hidden directive."""
        directive = find(name)
        return directive is not None and directive.when != "file"

    def can_set(self, name: str, local: bool = False) -> bool:
        """Whether CONFIG SET may change it; `local` tells that the client is on this host.

        False for what is read at start only, and for dir and dbfilename unless
        enable-protected-configs is yes, or local and the client is.
        """
        directive = find(name)
        if directive is None or directive.when == "start" or directive.when == "file":
            return False
        if directive.when != "guarded":
            return True
        allowed = self.text("enable-protected-configs")
        return allowed == "yes" or (allowed == "local" and local)

    def changed(self, name: str) -> bool:
        """Whether the value differs from the default."""
        directive = BY_ANY_NAME[name.lower()]
        return self._values[directive.name] != directive.default

    def place(self, name: str) -> Place | None:
        """Where the value was last written; None for a default or a value set at run time."""
        return self._places.get(BY_ANY_NAME[name.lower()].name)

    # ---- changing ----------------------------------------------------------------------------

    def set(self, name: str, words: Sequence[str]) -> None:
        """Change a value at run time; raises ConfigError with Redis's reason and changes nothing.

        `words` is CONFIG SET's one argument, or its words. The caller asks `can_set` first: a
        part of the server may change what a client may not (REPLICAOF changes replicaof). A
        replicaof row is added; `no one` clears them; `set_rows` replaces them.
        """
        directive = self._directive(name)
        before = None if directive.kind.restarts else self._values[directive.name]
        self._values[directive.name] = parse_words(directive, words, before)
        self._places.pop(directive.name, None)

    def set_rows(self, name: str, rows: Sequence[Sequence[str]]) -> None:
        """Replace all lines of a directive that may be repeated, such as replicaof."""
        directive = self._directive(name)
        value: Value = ()
        for row in rows:
            value = parse_words(directive, row, value)
        self._values[directive.name] = value
        self._places.pop(directive.name, None)

    def reset(self, name: str) -> None:
        """Go back to the default."""
        directive = self._directive(name)
        self._values[directive.name] = directive.default
        self._places.pop(directive.name, None)

    def assign(self, name: str, words: Sequence[str], place: Place) -> None:
        """Take one line while loading; like `set`, but lines of one load add up (`save`)."""
        directive = self._directive(name)
        first = directive.name not in self._places
        before = None if directive.kind.restarts and first else self._values[directive.name]
        self._values[directive.name] = parse_words(directive, words, before)
        self._places[directive.name] = place

    def saved(self, names: Iterable[str]) -> Saved:
        """The present values, to be given to `put_back` if a CONFIG SET of several fails."""
        return {name: (self.value(name), self.place(name)) for name in names}

    def put_back(self, saved: Saved) -> None:
        """Restore what `saved` returned."""
        for any_name, (value, place) in saved.items():
            name = BY_ANY_NAME[any_name.lower()].name
            self._values[name] = value
            self._places.pop(name, None)
            if place is not None:
                self._places[name] = place

    def _directive(self, name: str) -> Directive:
        directive = find(name)
        if directive is None:
            raise ConfigError("Bad directive or wrong number of arguments")
        return directive


def parse_words(directive: Directive, words: Sequence[str], before: Value | None) -> Value:
    """The value of these words; one word with blanks in it is split where words are expected."""
    if directive.kind.many and len(words) == 1:
        words = words[0].split() or words
    return directive.kind.parse(words, before)
