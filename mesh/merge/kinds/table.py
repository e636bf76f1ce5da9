"""KINDS[slot]: what the content of each type means to the mesh.  [compiled]"""

from __future__ import annotations

from typing import Final

from mesh.merge.kinds.kind import Kind
from mesh.merge.kinds.lists import ListKind
from mesh.merge.kinds.streams import StreamKind
from mesh.merge.kinds.zsets import ZSetKind

# In the order of mesh/merge/slots.py. Strings, hashes and sets are spelled out in state.py.
KINDS: Final[list[Kind]] = [Kind(), Kind(), Kind(), ListKind(), ZSetKind(), StreamKind(), Kind()]
