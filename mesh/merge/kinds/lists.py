"""ListKind: the identities of a list's elements, to bytes and back.  [compiled]"""

from __future__ import annotations

from typing import cast

from librt.strings import BytesWriter, write_i32_le
from mypy_extensions import i32, i64

from mesh.merge.kinds.kind import Kind
from mesh.packing import Source, put_dot
from node.store.values.lists import ListValue
from node.store.values.runs import Run, nameless
from node.store.values.value import Value


class ListKind(Kind):
    """Lists: one value whose elements have identities."""

    def put(self, out: BytesWriter, value: Value) -> None:
        runs = cast(ListValue, value).runs()
        write_i32_le(out, i32(len(runs)))
        for run in runs:
            put_dot(out, run.first, run.origin)
            write_i32_le(out, i32(run.count if run.step >= 0 else -run.count))

    def read(self, source: Source, value: Value) -> None:
        runs: list[Run] = []
        for _ in range(int(source.count())):
            source.dot()
            count = source.count()
            step: i64 = 1 if count >= 0 else -1
            if source.stamp == 0:
                runs.append(nameless(count * step))
            else:
                runs.append(Run(source.origin, source.stamp, step, count * step))
        cast(ListValue, value).do_set_runs(runs)

    def give_dots(self, value: Value, stamp: i64, origin: i64, first: i64) -> i64:
        return cast(ListValue, value).do_identify(origin, first)
