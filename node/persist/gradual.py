"""Gradual: a collection made from a record's content part by part, so that nobody waits for a
million elements.  [compiled]"""

from __future__ import annotations

from typing import Final, cast

from mypy_extensions import i64

from node.persist import rdb_codes as codes
from node.persist.contents import take_member_deadlines, twice
from node.store.values.container import Container
from node.store.values.hashes import HashValue
from node.store.values.lists import ListValue
from node.store.values.sets import SetValue
from node.store.values.value import Value
from node.store.values.zsets import ZSetValue

# The kinds whose content is a list of elements.
KINDS: Final = (
    codes.KIND_LIST, codes.KIND_SET, codes.KIND_ZSET, codes.KIND_HASH, codes.KIND_HASH_TTL,
)  # fmt: skip


class Gradual:
    """As `contents.value_of`, for one of KINDS; `aux` are the record's fields.

    A sorted set is put in order on the way, so that the first who asks for a rank need not wait.
    """

    def __init__(self, kind: bytes, aux: list[tuple[bytes, bytes]]) -> None:
        self.kind = kind
        self.aux = aux
        self.count: i64 = 0
        self._list = ListValue()
        self._set = SetValue()
        self._zset = ZSetValue()
        self._hash = HashValue()

    def take(self, part: list[object]) -> None:
        """The next elements, in the record's order."""
        self.count += len(part)
        kind = self.kind
        if kind == codes.KIND_LIST:
            self._list.do_push(cast(list[bytes], part), 0, False, None)
        elif kind == codes.KIND_SET:
            for each in part:
                self._set.do_place(cast(bytes, each), None)
        elif kind == codes.KIND_ZSET:
            for each in part:
                member, score = cast(tuple[bytes, float], each)
                self._zset.do_put(member, score)
        elif kind == codes.KIND_HASH:
            for each in part:
                field, text = cast(tuple[bytes, bytes], each)
                self._hash.do_place(field, text)
        else:
            for each in part:
                field, text, deadline_ms = cast(tuple[bytes, bytes, int], each)
                self._hash.do_place(field, text)
                if deadline_ms != 0:
                    self._hash.do_set_deadline(field, deadline_ms)

    def finish(self) -> Value:
        """The value. RdbError: a member twice, a damaged deadline."""
        kind = self.kind
        if kind == codes.KIND_LIST:
            return self._list
        found: Container = self._hash
        if kind == codes.KIND_SET:
            found = self._set
        elif kind == codes.KIND_ZSET:
            found = self._zset
        if found.size() != self.count:
            raise twice(kind.decode())
        take_member_deadlines(found, self.aux)
        return found
