"""THE TABLE: every directive a configuration may hold, one line each.

It knows every directive of Redis 8.2's redis.conf and of KeyDB 6.3's keydb.conf, so that a file
written for either is accepted, and Plexis's own. A line reads

    sign name [alias ...] | kind | default | when | what it does

sign     + Plexis acts on it; - it is accepted, checked and shown, and has no effect
kind     see `kind_of`; ranges may say max (2^31-1), umax (2^32-1), long (2^63-1), and of a
         size any (2^63-1, stored unsigned); uint is a number that Redis stores unsigned
default  as in a configuration line; the one of Redis 8.2
when     runtime  CONFIG SET changes it
         guarded  CONFIG SET changes it if enable-protected-configs allows
         start    read once at start; CONFIG SET refuses it
         hidden   as runtime, and CONFIG GET shows it only when asked by its full name
         file     may stand in a file or on the command line only; CONFIG GET does not know it

To add a directive, add its line here and run `python -m conf.document`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from conf.kinds import (
    INT_MAX,
    LONG_MAX,
    UINT_MAX,
    Enum,
    Integer,
    Kind,
    Memory,
    MemoryOrPercent,
    Octal,
    Text,
    Value,
    YesNo,
    file_name_reason,
    listen_address_reason,
    memory_bytes,
    node_name_reason,
)
from conf.kinds_of_lists import (
    BufferLimits,
    EventClasses,
    KeyOwners,
    KeyPolicies,
    LineRows,
    Peers,
    Percentiles,
    SavePoints,
    ScoreAdjustments,
    SignalOptions,
    Words,
)
from conf.table_text import TABLE_TEXT
from conf.words import split_words

BIND_ADDRESSES_MAX: Final = 16
"""Redis's limit on addresses in one `bind`."""
ROW_WORDS_MAX: Final = 1024
"""Words in one `user`, `loadmodule` or TLS name list line; far above any real one."""
HZ_RANGE: Final = (1, 500)
"""Redis accepts any number for hz and uses one in this range."""
BACKLOG_BYTES_MIN: Final = 16 * 1024
"""Redis accepts a smaller repl-backlog-size and uses this."""
WHEN: Final = ("runtime", "guarded", "start", "hidden", "file")

SENSITIVE: Final = frozenset(
    {
        "admin-password",
        "masterauth",
        "masteruser",
        "requirepass",
        "tls-client-key-file-pass",
        "tls-key-file-pass",
        "user",
    }
)
"""Directives whose value is kept out of error messages, logs and the slow log."""

PROTECTIVE: Final = frozenset(
    {
        "aclfile",
        "rename-command",
        "tls-allowlist",
        "tls-auth-clients",
        "tls-cluster",
        "tls-replication",
        "user",
    }
)
"""Directives that restrict access or protect traffic: ignoring one deserves its own sentence."""

MODULE_PREFIXES: Final = ("bf-", "cf-", "search-", "ts-", "vset-")
"""Settings of the modules that come with Redis 8; accepted like an unbuilt directive."""


@dataclass(frozen=True, slots=True)
class Directive:
    """One line of the table. `default` is already a value of its kind."""

    name: str
    aliases: tuple[str, ...]
    kind: Kind
    default: Value
    when: str
    built: bool
    help: str
    group: str

    @property
    def listed(self) -> bool:
        """Whether CONFIG GET * shows it."""
        return self.when in ("runtime", "guarded", "start")

    @property
    def sensitive(self) -> bool:
        return self.name in SENSITIVE


def kind_of(spec: str) -> Kind:
    """The kind a table line names: a word, and for some a range or the permitted names."""
    name, *rest = spec.split()
    match name, rest:
        case "int" | "uint" | "memory" | "octal" | "size-or-percent", [span]:
            return _number_kind(name, span)
        case "enum", names:
            return Enum(names, {"relative": "yes"} if "relative" in names else None)
        case "file-name", [directive, noun]:
            return Text(file_name_reason(directive, noun, directive == "dbfilename"), "a file name")
        case "rows", [least, most]:
            return LineRows(int(least), int(most), "may be repeated")
        case _, []:
            return _PLAIN[name]
    raise ValueError(f"kind {spec!r} is not known")


def _number_kind(name: str, span: str) -> Kind:
    low_word, high_word = span.split("..")
    base = 8 if name == "octal" else 10
    low = _bound(low_word, base)
    high = _bound(high_word, base)
    if name == "memory":
        return Memory(low, high, unsigned=high_word == "any")
    if name == "octal":
        return Octal(low, high)
    if name == "size-or-percent":
        return MemoryOrPercent(low, high)
    return Integer(low, high, unsigned=name == "uint")


def _bound(word: str, base: int) -> int:
    named = {"max": INT_MAX, "min": -INT_MAX - 1, "umax": UINT_MAX}
    named |= {"long": LONG_MAX, "any": LONG_MAX}
    if word in named:
        return named[word]
    size_bytes = memory_bytes(word) if base == 10 else None
    return int(word, base) if size_bytes is None else size_bytes


_PLAIN: Final[dict[str, Kind]] = {
    "yes-no": YesNo(),
    "text": Text(),
    "path": Text(what="a path"),
    "listen-address": Text(listen_address_reason, 'host:port, or `""` for off'),
    "node-name": Text(node_name_reason, "a name"),
    "frequency": Integer(0, INT_MAX, clamp=HZ_RANGE),
    "backlog-size": Memory(1, LONG_MAX, clamp=(BACKLOG_BYTES_MIN, LONG_MAX)),
    "addresses": Words(
        BIND_ADDRESSES_MAX, "Too many bind addresses specified.", "up to 16 addresses"
    ),
    "names": Words(ROW_WORDS_MAX, "wrong number of arguments", "names"),
    "save-points": SavePoints(),
    "buffer-limits": BufferLimits(),
    "event-classes": EventClasses(),
    "percentiles": Percentiles(),
    "score-adjustments": ScoreAdjustments(),
    "signal-options": SignalOptions(),
    "peers": Peers(),
    "key-policies": KeyPolicies(("observed-remove", "newest-wins"), ROW_WORDS_MAX),
    "key-owners": KeyOwners(ROW_WORDS_MAX),
}


def _parsed(line: str, group: str) -> Directive:
    head, spec, default_text, when, help_text = (part.strip() for part in line.split(" | "))
    sign, name, *aliases = head.split()
    assert sign in "+-" and when in WHEN, line
    kind = kind_of(spec)
    default: Value = ()
    if not isinstance(kind, LineRows) and default_text != "-":
        default = kind.parse(split_words(default_text))
    return Directive(name, tuple(aliases), kind, default, when, sign == "+", help_text, group)


def _read_table() -> dict[str, Directive]:
    table: dict[str, Directive] = {}
    group = ""
    for line in TABLE_TEXT.splitlines():
        if line.startswith("## "):
            group = line[3:]
        elif line:
            directive = _parsed(line, group)
            assert directive.name not in table, f"{directive.name} stands twice in the table"
            table[directive.name] = directive
    return table


TABLE: Final[dict[str, Directive]] = _read_table()
"""Every directive by its own name, in the order of the table."""

BY_ANY_NAME: Final[dict[str, Directive]] = TABLE | {
    alias: directive for directive in TABLE.values() for alias in directive.aliases
}
"""Every directive by its name and by each of its aliases."""


def find(name: str) -> Directive | None:
    """The directive of this name or alias, in any case; None if there is none."""
    return BY_ANY_NAME.get(name.lower())


def is_module_setting(name: str) -> bool:
    """Whether the name belongs to a Redis module, whose settings are accepted unread."""
    return name.lower().startswith(MODULE_PREFIXES) or "." in name
