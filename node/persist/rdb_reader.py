"""RDB bytes to records, fed piece by piece, from a file or a socket; no I/O of its own.  [compiled]

A record cut by the end of a piece goes on with the next one: the reader keeps its place inside a
value, after the last whole element (`rdb_input.py` has the marks). It keeps at most one element of
up to 1 GB beside the elements of one value; records belong to the caller.
"""

from __future__ import annotations

from typing import Final

from librt.strings import read_i16_le, read_i32_le, read_i64_le
from mypy_extensions import i64

from node.persist import rdb_codes as codes
from node.persist import rdb_values as values
from node.persist.rdb_codes import RdbError
from node.persist.rdb_input import DAMAGED, NeedMore, RdbInput
from node.persist.rdb_records import (
    Aux,
    Eof,
    Function,
    KeyRecord,
    ModuleAux,
    Opaque,
    Record,
    Resize,
    SelectDb,
)

_NEWER: Final = "load it with the server that wrote it and save for RDB version 12 or lower"
# KeyDB stores 2**63 - 1 as deadline of keys without one when a peer sent them (KEYDB.MVCCRESTORE).
_NEVER_MS: Final = 0x3FFF_FFFF_FFFF_FFFF
_KEY_AUX_MAX: Final = 4096  # fields before one key; writers use a handful
_DUMP_FOOTER_BYTES: Final = 10  # version and checksum

# What the next bytes are.
_MAGIC: Final = 0
_OPCODE: Final = 1
_ELEMENTS: Final = 2
_PROGRAM: Final = 3
_MODULE: Final = 4

_VALKEY_HASH: Final = 256  # type 22 of version 80, told apart from type 22 of Redis


class RdbReader:
    """Reads one RDB file: feed it pieces until `done`; then `rest` is what followed the file.

    Takes RDB versions 1 to 12 (Redis 8.2), KeyDB's 9 and Valkey's 80. A checksum of 0 means that
    the writer made none. With `verify_checksum` off a wrong one is told by `checksum_ok` alone.
    """

    def __init__(self, verify_checksum: bool = True) -> None:
        self.version: i64 = 0
        self.done = False
        self.rest = b""
        self.checksum_ok = False
        self.empty_keys: i64 = 0  # collections without an element, left out as Redis does
        self._in = RdbInput()
        self._verify = verify_checksum
        self._failed = False
        self._state: i64 = _MAGIC
        self._records: list[Record] = []
        # The key that is being read, and the one that may still get fields.
        self._db: i64 = 0
        self._key = b""
        self._deadline_ms: i64 = 0
        self._idle: i64 = -1
        self._freq: i64 = -1
        self._stamp: tuple[bytes, bytes] | None = None
        self._key_aux: list[tuple[bytes, bytes]] = []
        self._more: list[bytes] = []  # further parts of the last of these
        self._held: KeyRecord | None = None
        # The value that is being read.
        self._type: i64 = 0
        self._items: list[object] = []
        self._left: i64 = 0
        self._deadline_min_ms: i64 = 1
        self._walker = values.Walker(b"")
        self._module_aux: ModuleAux | None = None

    @property
    def offset(self) -> int:
        """Bytes of the file understood so far."""
        return int(self._in.base + self._in.mark)

    def feed(self, piece: bytes) -> list[Record]:
        """Takes the next bytes and gives the records they complete, in the file's order.

        RdbError: damage, an unknown type or version, a wrong checksum; with the byte's offset.
        Then the reader is of no further use.
        """
        if self._failed or self.done:
            raise RdbError(f"RDB byte {self.offset}: reading ended here, use another reader")
        source = self._in
        if not source.give(piece):
            return []
        records: list[Record] = []
        self._records = records
        try:
            while not self.done:
                self._step()
                source.mark = source.pos
        except NeedMore:
            pass
        except RdbError:
            self._failed = True
            raise
        if self.done:
            self.rest = source.buf[source.pos :]
            source.base += source.pos
            source.open(b"")
        else:
            source.release()
        self._records = []
        return records

    def finish(self) -> None:
        """Says that no more bytes come. RdbError: the file is cut short."""
        if self.done:
            return
        self._failed = True
        raise RdbError(
            f"RDB byte {self._in.received()}: the data ends inside what begins at byte "
            f"{self.offset}; {DAMAGED}"
        )

    # --- the file ----------------------------------------------------------------------------

    def _step(self) -> None:
        """Reads one unit. When the bytes end inside it nothing but the place has changed."""
        state = self._state
        if state == _OPCODE:
            op = self._in.byte()
            if op <= codes.TYPE_LAST:
                key = self._in.string()
                self._begin_value(op, key)
            else:
                self._opcode(op)
        elif state == _ELEMENTS:
            self._elements()
        elif state == _PROGRAM:
            self._walk()
        elif state == _MODULE:
            self._module()
        else:
            self._magic()

    def _magic(self) -> None:
        head = self._in.buf[:9]
        redis = head[:5] == b"REDIS"[: len(head)]
        if not redis and head[:6] != b"VALKEY"[: len(head)]:
            raise self._in.error(f"an RDB file does not begin with {head!r}", "give the right file")
        self._in.skip(9)
        digits = head[5:] if redis else head[6:]
        version = int(digits) if digits.isdigit() else 0
        _check_version(version, "RDB byte 5: the file")
        self.version = version
        self._state = _OPCODE

    def _opcode(self, op: i64) -> None:
        source = self._in
        if op == codes.OP_AUX:
            name = source.string()
            self._aux(name, source.string())
        elif op == codes.OP_EXPIRE_MS:
            deadline_ms = _deadline(source.ms())
            self._let_go()
            self._deadline_ms = deadline_ms
        elif op == codes.OP_EXPIRE_S:
            seconds = i64(read_i32_le(source.buf, source.skip(4)))
            self._let_go()
            self._deadline_ms = _deadline(-1 if seconds == -1 else seconds * 1000)
        elif op == codes.OP_IDLE:
            idle = source.length()
            self._let_go()
            self._idle = idle
        elif op == codes.OP_FREQ:
            freq = source.byte()
            self._let_go()
            self._freq = freq
        elif op == codes.OP_SELECT:
            number = source.length()
            if number > 0x7FFF_FFFF:
                raise source.error(f"the database number {number}")
            self._db = number
            self._emit(SelectDb(number))
        elif op == codes.OP_RESIZE:
            keys = source.length()
            self._emit(Resize(keys, source.length()))
        elif op == codes.OP_SLOT_INFO:  # slot, keys, keys with a deadline: hints for a cluster
            source.length()
            source.length()
            source.length()
        elif op == codes.OP_FUNCTION2:
            self._emit(Function(source.string()))
        elif op == codes.OP_MODULE_AUX:
            self._begin_module_aux()
        elif op == codes.OP_EOF:
            self._eof()
        elif op == codes.OP_FUNCTION_PRE_GA:
            raise source.error("functions of a Redis 7.0 release candidate", _NEWER)
        else:
            raise source.error(f"the unknown opcode {op}", _NEWER)

    def _eof(self) -> None:
        source = self._in
        stop = source.pos
        checksum: i64 = source.ms() if self.version >= codes.VERSION_CHECKSUM else 0
        crc = codes.crc64_update(source.buf, source.counted, stop, source.crc)
        self.checksum_ok = checksum == 0 or checksum == crc
        if self._verify and not self.checksum_ok:
            raise source.error(
                f"the checksum is {int(crc) & codes.MASK_64:016x}, "
                f"the file says {int(checksum) & codes.MASK_64:016x}"
            )
        self._emit(Eof())
        self.done = True

    def _emit(self, record: Record) -> None:
        """Gives out a record that is no key, after what was held back for a key."""
        self._let_go()
        self._join_parts()
        for name, value in self._key_aux:
            self._records.append(Aux(name, value))
        self._key_aux = []
        self._records.append(record)

    def _let_go(self) -> None:
        """The key that was held can get no more fields."""
        held = self._held
        if held is not None:
            self._records.append(held)
            self._held = None

    def _aux(self, name: bytes, value: bytes) -> None:
        """Decides whose field it is: the key before, the key after, or nobody's.

        Fields of ours that turn out to have no key after them become Aux records (`_emit`).
        """
        held = self._held
        if name == codes.AUX_MEMBER or name == codes.AUX_MEMBER_DEADLINE:
            if held is not None:
                held.aux.append((name, value))
            else:
                self._records.append(Aux(name, value))
            return
        self._let_go()
        if name == codes.AUX_STAMP:
            self._stamp = (name, value)
        elif name.startswith(codes.AUX_OURS) and name not in codes.AUX_ALONE:
            if len(self._key_aux) + len(self._more) >= _KEY_AUX_MAX:
                raise self._in.error(f"more than {_KEY_AUX_MAX} fields before one key")
            if self._key_aux and self._key_aux[-1][0] == name:
                self._more.append(value)
            else:
                self._join_parts()
                self._key_aux.append((name, value))
        else:
            self._records.append(Aux(name, value))

    def _join_parts(self) -> None:
        """A long field comes in parts, one after another under its name."""
        if self._more:
            name, first = self._key_aux.pop()
            self._key_aux.append((name, b"".join([first, *self._more])))
            self._more = []

    # --- keys and their values ---------------------------------------------------------------

    def _begin_value(self, type_number: i64, key: bytes) -> None:
        """Reads the value behind a key, or as much of its beginning as is one unit."""
        source = self._in
        if type_number == codes.TYPE_STRING:
            value = source.string()
            self._key = key
            self._finish(codes.KIND_STRING, value)
            return
        if values.is_packed(type_number):
            if type_number == codes.TYPE_HASH_LISTPACK_EX:
                source.skip(8)  # the least deadline; those inside are absolute
            blob = source.string()
            try:
                unpacked = values.unpack(type_number, blob)
            except RdbError as error:
                raise source.error(str(error)) from None
            self._key = key
            self._finish(values.kind_of(type_number), unpacked)
            return
        program = values.program_of(type_number)
        if program:
            source.begin_raw(source.pos)
            self._walker = values.Walker(program)
            self._state = _PROGRAM
        elif type_number == codes.TYPE_MODULE_2:
            start = source.pos
            source.number()  # the module's id
            source.begin_raw(start)
            self._state = _MODULE
        else:
            type_number = self._begin_elements(type_number)
        self._type = type_number
        self._key = key

    def _finish(self, kind: bytes, value: object) -> None:
        """The key is whole but for fields that may follow it."""
        self._let_go()
        self._join_parts()
        self._state = _OPCODE
        aux = self._key_aux
        stamp = self._stamp
        if stamp is not None:
            aux.insert(0, stamp)
        if isinstance(value, list) and len(value) == 0:
            self.empty_keys += 1
        else:
            self._held = KeyRecord(
                self._db, self._key, kind, value, self._deadline_ms, self._idle, self._freq, aux
            )
        self._key_aux = []
        self._deadline_ms = 0
        self._idle = -1
        self._freq = -1

    def _begin_elements(self, type_number: i64) -> i64:
        """Reads how many elements a collection has; gives its type, Valkey's hash told apart."""
        source = self._in
        if type_number == codes.TYPE_VALKEY_HASH_2 and self.version >= codes.VERSION_VALKEY:
            type_number = _VALKEY_HASH
        elif type_number == codes.TYPE_MODULE_PRE_GA or type_number == 8 or (
            type_number > codes.TYPE_HASH_LISTPACK_EX
        ):  # fmt: skip
            raise source.error(f"the unknown value type {type_number}", _NEWER)
        least: i64 = 1
        if type_number == codes.TYPE_HASH_METADATA:
            least = source.ms()
            if least < 0 or least > codes.FIELD_DEADLINE_MAX_MS:
                raise source.error(f"the least field deadline {least} is out of range")
        self._left = source.length()
        self._deadline_min_ms = least
        self._items = []
        self._state = _ELEMENTS
        return type_number

    def _elements(self) -> None:
        """As many elements of a collection as are here; the mark moves behind each."""
        source = self._in
        kind = self._type
        items = self._items
        while self._left > 0:
            if kind == codes.TYPE_SET or kind == codes.TYPE_LIST:
                items.append(source.string())
            elif kind == codes.TYPE_HASH:
                field = source.string()
                items.append((field, source.string()))
            elif kind == codes.TYPE_ZSET_2 or kind == codes.TYPE_ZSET:
                member = source.string()
                items.append((member, values.read_score(source, kind)))
            elif kind == codes.TYPE_LIST_QUICKLIST or kind == codes.TYPE_LIST_QUICKLIST_2:
                items.extend(values.read_node(source, kind))
            else:
                items.append(self._field_with_ttl(kind))
            self._left -= 1
            source.mark = source.pos
        self._items = []
        self._finish(values.kind_of(kind), items)

    def _field_with_ttl(self, kind: i64) -> tuple[bytes, bytes, int]:
        source = self._in
        deadline_ms: i64 = 0
        if kind == _VALKEY_HASH:
            field = source.string()
            value = source.string()
            deadline_ms = _deadline(source.ms())
        else:
            deadline_ms = source.number()
            if deadline_ms < 0 or deadline_ms > codes.FIELD_DEADLINE_MAX_MS + 1:
                raise source.error(f"the field deadline {deadline_ms} is out of range")
            if deadline_ms > 0:  # one above its distance from the least; in candidates absolute
                deadline_ms += self._deadline_min_ms - 1
            field = source.string()
            value = source.string()
        return field, value, int(deadline_ms)

    def _walk(self) -> None:
        source = self._in
        self._walker.follow(source)
        data = source.end_raw()
        if self._type != codes.TYPE_KEYDB_CRON:
            self._finish(codes.KIND_STREAM, Opaque(self._type, data))
            return
        try:
            job = values.read_cron(data)
        except RdbError as error:
            raise source.error(f"in the cron job before it: {error}") from None
        self._finish(codes.KIND_CRON, job)

    def _begin_module_aux(self) -> None:
        source = self._in
        module_id = int(source.number()) & codes.MASK_64
        if source.number() != codes.MODULE_UINT:
            raise source.error("a module's data does not begin with its time")
        self._module_aux = ModuleAux(module_id, source.number(), b"")
        source.begin_raw(source.pos)
        self._state = _MODULE

    def _module(self) -> None:
        """A module's parts up to the closing one; they say their sizes themselves."""
        source = self._in
        while True:
            op = source.number()
            if op == codes.MODULE_EOF:
                break
            if op == codes.MODULE_SINT or op == codes.MODULE_UINT:
                source.number()
            elif op == codes.MODULE_FLOAT:
                source.skip(4)
            elif op == codes.MODULE_DOUBLE:
                source.skip(8)
            elif op == codes.MODULE_STRING:
                source.skip_string()
            else:
                raise source.error(f"the unknown opcode {op} in a module's value")
            source.mark = source.pos
        data = source.end_raw()
        aux = self._module_aux
        if aux is None:
            self._finish(codes.KIND_MODULE, Opaque(codes.TYPE_MODULE_2, data))
        else:
            self._module_aux = None
            self._state = _OPCODE
            self._emit(ModuleAux(aux.module_id, aux.when, data))

    def load_dump(self, body: bytes, version: i64) -> KeyRecord:
        """The value in a DUMP payload without its footer: the inside of `read_dump`."""
        source = self._in
        self.version = version
        source.open(body)
        try:
            self._begin_value(source.byte(), b"")
            while self._state != _OPCODE:
                self._step()
            while source.pos < source.end:  # KeyDB puts the stamp behind the value
                if source.byte() != codes.OP_AUX:
                    raise source.error("something follows the value")
                name = source.string()
                value = source.string()
                if self._held is not None:
                    self._held.aux.append((name, value))
        except NeedMore:
            raise source.error("the payload ends inside the value") from None
        if self._held is None:
            raise source.error("the payload holds an empty collection")
        return self._held


def dump_version(payload: bytes) -> i64:
    """The RDB version of a whole DUMP payload. RdbError: too short, unknown, checksum wrong."""
    size: i64 = len(payload)
    if size <= _DUMP_FOOTER_BYTES:
        raise RdbError(f"a DUMP payload of {size} bytes is cut short: send all that DUMP gave")
    version = i64(read_i16_le(payload, size - 10)) & 0xFFFF
    _check_version(version, "the DUMP payload")
    if codes.crc64_update(payload, 0, size - 8, 0) != read_i64_le(payload, size - 8):
        raise RdbError("the checksum of the DUMP payload is wrong: send exactly what DUMP gave")
    return version


def read_body(payload: bytes, version: i64) -> KeyRecord:
    """The value in a DUMP payload whose footer was read by `dump_version`. RdbError: damage."""
    return RdbReader().load_dump(payload[: len(payload) - _DUMP_FOOTER_BYTES], version)


def read_dump(payload: bytes) -> KeyRecord:
    """The value in a DUMP payload, as a KeyRecord without key and deadline.

    Takes the payloads of Redis, Valkey and KeyDB, whose stamp comes in `aux`. RdbError: too short,
    version unknown, checksum wrong, damage inside.
    """
    return read_body(payload, dump_version(payload))


def _check_version(version: i64, what: str) -> None:
    if version == codes.VERSION_VALKEY or codes.VERSION_MIN <= version <= codes.VERSION_MAX:
        return
    raise RdbError(
        f"{what} has RDB version {version}, and 1 to {codes.VERSION_MAX} and "
        f"{codes.VERSION_VALKEY} are known; {_NEWER}"
    )


def _deadline(ms: i64) -> i64:
    """A deadline of a file as ours, where 0 is none: -1 and KeyDB's greatest number are none."""
    if ms == -1 or ms > _NEVER_MS:
        return 0
    return ms if ms > 0 else 1  # long past
