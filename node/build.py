"""Which build runs: hot modules compiled by mypyc, or the same files as pure Python.

`python setup.py build_ext --inplace` leaves an extension beside each hot source file, and
Python's import system prefers the extension. PLEXIS_PURE=1 turns that round: the packages `node`
and `mesh` call `prefer_source()` before any of their modules is imported, and from then on the
.py files are taken though the extensions lie beside them. This file is never compiled and
imports nothing of ours.
"""

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import Final

PACKAGES: Final = ("node.", "mesh.")

# mypyc keeps the code of all compiled modules in one shared module, named after the group in
# setup.py. Pure Python must never load it: half of the classes would exist twice.
GROUP_MODULE: Final = "plexis__mypyc"

# Any hot module tells for all: they are compiled as one group, or not at all.
WITNESS: Final = "node.store.effect"


class SourceOnly:
    """An entry of `sys.meta_path` that finds our modules as source files only."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of the source file, or None for what is not ours.

        Raises ImportError when somebody asks for mypyc's shared module.
        """
        if name == GROUP_MODULE:
            raise ImportError(f"{name} was asked for under PLEXIS_PURE=1, which runs source only")
        if path is None or not name.startswith(PACKAGES):
            return None
        for folder in path:
            spec = FileFinder(folder, (SourceFileLoader, SOURCE_SUFFIXES)).find_spec(name)
            if spec is not None:
                return spec
        return None


def prefer_source() -> None:
    """Under PLEXIS_PURE=1, makes every later import of ours take the source file. Idempotent."""
    if os.environ.get("PLEXIS_PURE") == "1" and SourceOnly not in sys.meta_path:
        sys.meta_path.insert(0, SourceOnly)


def compiled() -> bool:
    """Whether the hot modules of this process come from extensions (else: pure Python)."""
    spec = importlib.util.find_spec(WITNESS)
    origin = spec.origin if spec is not None else None
    return origin is not None and not origin.endswith(".py")
