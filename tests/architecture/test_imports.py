"""Which package may import which: the arrows of ARCHITECTURE.md, kept by reading the sources.

Nothing is imported here; each file's syntax tree is read, so a module that is broken or never
loaded is checked as well.
"""

import ast
import sys

import pytest

from tests.architecture.tree import PRODUCT, Source, below, sources

# What everybody in the node may know: the vocabulary of a write and the texts of errors.
SHARED = ("node.ports", "node.journal", "node.errors", "node.build")
LEAVES = ("node.resp", "node.store", *SHARED)

# Package or module -> what of ours it may import beside the files under the same rule. The longest
# name that fits a file is its rule. A __main__ is imported by nobody.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "conf": (),
    "node.build": (),
    "node.status": (),
    "node.resp": (),
    "node.store": ("node.ports", "node.journal"),
    "node.persist": (*LEAVES, "conf"),
    "node.readers": (*LEAVES, "conf"),
    "node.acl": (*LEAVES, "conf"),
    "node.pubsub": (*LEAVES, "conf"),
    "node.script": (*LEAVES, "conf"),
    "node.commands": (
        *LEAVES,
        *("node.persist", "node.readers", "node.acl", "node.pubsub", "node.script"),
        *("node.session", "node.status", "node.info", "node.digest"),
        "conf",
    ),
    "node.net": (
        *("node.engine", "node.resp", "node.session", "node.stats", "node.log"),
        *SHARED,
        "conf",
    ),
    # The node's own modules (engine, gates, session ...) stand above its packages, below net.
    "node": (
        *("node.resp", "node.store", "node.persist", "node.readers", "node.acl"),
        *("node.commands", "node.script", "node.pubsub", "node.status", "node.build", "conf"),
    ),
    "node.__main__": PRODUCT,  # the composition root: nobody imports it
    "mesh": ("node", "conf", "mesh.status"),
    "mesh.status": ("node.status",),
    "admin_ui": ("conf", "node.status", "node.resp", "mesh.status"),
}

# Packages of others: each has one home, so that one file changes when the package does.
HOMES: dict[str, tuple[str, ...]] = {
    "sortedcontainers": ("node.store",),
    "lupa": ("node.script",),
    # Set up in node.log alone (test_tidy.py); whoever has something to log takes a logger.
    "structlog": ("node.log", "node.net", "node.persist", "node.__main__", "mesh", "admin_ui"),
    "uvloop": ("node.__main__",),
    "crdts": ("mesh.membership",),
    "aiohttp": ("admin_ui",),
    "librt": PRODUCT,  # run-time parts of compiled code
    "mypy_extensions": PRODUCT,
}


def rule_of(module: str) -> str:
    """The name in MAY_IMPORT that decides for this module: the longest that fits."""
    return max((name for name in MAY_IMPORT if below(module, name)), key=len)


def imported(source: Source) -> list[str]:
    """The modules that a file imports, submodules named in a `from` included."""
    modules = {each.module for each in sources(*PRODUCT)}
    found: list[str] = []
    for node in ast.walk(source.syntax()):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            submodules = [name for name in inner if name in modules]
            found += submodules
            if len(submodules) < len(inner):  # something of the package itself is taken too
                found.append(node.module)
    return found


def forbidden(source: Source) -> list[str]:
    """One line for each import that breaks an arrow or a home."""
    rule = rule_of(source.module)
    problems = []
    for module in imported(source):
        top = module.split(".")[0]
        if top in PRODUCT:
            allowed = rule_of(module) == rule or below(module, *MAY_IMPORT[rule])
            allowed = allowed and not module.endswith("__main__")
        elif top in sys.stdlib_module_names:
            allowed = True
        else:
            allowed = below(source.module, *HOMES.get(top, ()))
        if not allowed:
            problems.append(f"{source.path}: {rule} must not import {module}")
    return problems


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_a_package_imports_only_what_its_arrows_allow(package: str) -> None:
    mine = [each for each in sources(*PRODUCT) if rule_of(each.module) == package]
    problems = [line for each in mine for line in forbidden(each)]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("package", PRODUCT)
def test_imports_are_absolute_and_stand_at_the_top(package: str) -> None:
    problems = []
    for source in sources(package):
        for function in ast.walk(source.syntax()):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    problems.append(f"{source.path}:{node.lineno}: import inside a function")
        for node in ast.walk(source.syntax()):
            if isinstance(node, ast.ImportFrom) and node.level:
                problems.append(f"{source.path}:{node.lineno}: relative import")
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    ("path", "module", "line", "problem"),
    [
        (
            "admin_ui/app.py",
            "admin_ui.app",
            "from mesh.agent import Agent",
            "admin_ui/app.py: admin_ui must not import mesh.agent",
        ),
        (
            "node/engine.py",
            "node.engine",
            "import mesh.clock",
            "node/engine.py: node must not import mesh.clock",
        ),
        (
            "node/store/writer.py",
            "node.store.writer",
            "from node.resp.replies import OK",
            "node/store/writer.py: node.store must not import node.resp.replies",
        ),
        (
            "node/engine.py",
            "node.engine",
            "from node.net.server import Server",
            "node/engine.py: node must not import node.net.server",
        ),
        (
            "mesh/link.py",
            "mesh.link",
            "import aiohttp.web",
            "mesh/link.py: mesh must not import aiohttp.web",
        ),
    ],
)
def test_a_forbidden_import_is_named(path: str, module: str, line: str, problem: str) -> None:
    assert forbidden(Source(path, module, line)) == [problem]
