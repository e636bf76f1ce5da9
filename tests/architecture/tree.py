"""The source tree as the architecture tests see it: files, module names, syntax trees."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("conf", "node", "mesh", "admin_ui")


@dataclass(frozen=True)
class Source:
    """One Python file: its path from the root with slashes, its module name, its text."""

    path: str
    module: str
    text: str

    def syntax(self) -> ast.Module:
        """Its syntax tree, parsed once."""
        return parsed(self)


@cache
def parsed(source: Source) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(source.text, source.path)


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Every Python file below these folders of the root, in order of their paths."""
    found = []
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*.py")):
            path = file.relative_to(ROOT)
            parts = path.with_suffix("").parts
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found.append(Source(path.as_posix(), module, file.read_text(encoding="utf-8")))
    return tuple(found)


def below(module: str, *prefixes: str) -> bool:
    """Whether a module is one of these or lies inside one of them."""
    return any(module == prefix or module.startswith(prefix + ".") for prefix in prefixes)
