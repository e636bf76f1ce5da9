"""What an RDB file says, one class for each kind of record; plain data.  [compiled]"""

from __future__ import annotations

from mypy_extensions import i64, mypyc_attr


@mypyc_attr(acyclic=True)
class Record:
    """One thing read; the kinds are the classes below."""

    __slots__ = ()


@mypyc_attr(acyclic=True)
class Aux(Record):
    """A field about the file, or one that no key claims."""

    __slots__ = ("name", "value")

    def __init__(self, name: bytes, value: bytes) -> None:
        self.name = name
        self.value = value


@mypyc_attr(acyclic=True)
class SelectDb(Record):
    """The keys that follow are in this database."""

    __slots__ = ("number",)

    def __init__(self, number: i64) -> None:
        self.number: i64 = number


@mypyc_attr(acyclic=True)
class Resize(Record):
    """How many keys the database has, and how many of them a deadline: hints."""

    __slots__ = ("expires", "keys")

    def __init__(self, keys: i64, expires: i64) -> None:
        self.keys: i64 = keys
        self.expires: i64 = expires


@mypyc_attr(acyclic=True)
class Function(Record):
    """The source of one function library."""

    __slots__ = ("code",)

    def __init__(self, code: bytes) -> None:
        self.code = code


@mypyc_attr(acyclic=True)
class ModuleAux(Record):
    """A module's own data: `data` as in the file, with the closing opcode; `when` 1 or 2."""

    __slots__ = ("data", "module_id", "when")

    def __init__(self, module_id: int, when: i64, data: bytes) -> None:
        self.module_id = module_id
        self.when: i64 = when
        self.data = data


@mypyc_attr(acyclic=True)
class Eof(Record):
    """The last record: the file is whole and, if it has a checksum, that is right."""

    __slots__ = ()


@mypyc_attr(acyclic=True)
class Opaque:
    """The value of a stream or a module, as it stands in the file after the key."""

    __slots__ = ("data", "type_number")

    def __init__(self, type_number: i64, data: bytes) -> None:
        self.type_number: i64 = type_number
        self.data = data


@mypyc_attr(acyclic=True)
class CronJob:
    """The value of KEYDB.CRON; its due time is the TTL of the member named like the key."""

    __slots__ = ("args", "interval_ms", "keys", "script", "start_ms")

    def __init__(
        self, script: bytes, start_ms: i64, interval_ms: i64, keys: list[bytes], args: list[bytes]
    ) -> None:
        self.script = script
        self.start_ms: i64 = start_ms
        self.interval_ms: i64 = interval_ms
        self.keys = keys
        self.args = args


@mypyc_attr(acyclic=True)
class KeyRecord(Record):
    """One key with its value.

    `value` by `kind`: string bytes; list and set list[bytes]; zset list[tuple[bytes, float]]; hash
    list[tuple[bytes, bytes]]; hash_ttl list[tuple[bytes, bytes, int]], deadline in ms or 0; stream
    and module Opaque; cron CronJob. `deadline_ms` is absolute, 0 none. `idle` (seconds) and `freq`
    are -1 when not given. `aux` has, in order, the key's stamp (KeyDB's holds until the next one),
    our own fields before the key, and KeyDB's member TTL pairs after it.
    """

    __slots__ = ("aux", "db", "deadline_ms", "freq", "idle", "key", "kind", "value")

    def __init__(
        self, db: i64, key: bytes, kind: bytes, value: object, deadline_ms: i64, idle: i64,
        freq: i64, aux: list[tuple[bytes, bytes]],
    ) -> None:  # fmt: skip
        self.db: i64 = db
        self.key = key
        self.kind = kind
        self.value = value
        self.deadline_ms: i64 = deadline_ms
        self.idle: i64 = idle
        self.freq: i64 = freq
        self.aux = aux
