"""What must not appear, and where it may: each ban keeps a promise that no type checker sees."""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tree import PRODUCT, ROOT, Source, below, sources

# Where the outside world is: sockets, timers, the process. Everything else is told the time, given
# its random numbers and handed its configuration, so that a test can repeat it.
SHELLS = (
    *("node.__main__", "node.net", "node.build", "node.log"),
    *("mesh.agent", "mesh.link", "mesh.feed", "mesh.identity"),
    "mesh.anti_entropy_task",
    "admin_ui",
)
ASYNCIO = ("node.net", "node.__main__", "mesh.link", "mesh.feed", "mesh.agent",
           "mesh.anti_entropy_task", "admin_ui")  # fmt: skip
CHANGES_VALUES = (
    *(f"node.store.mutate{kind}" for kind in ("", "_fields", "_lists", "_streams", "_strings")),
    *("node.store.mutate_zsets", "node.store.values", "node.persist", "mesh.key_reader"),
    # What is remembered of a place stands in its slot: rules, forgetting and files write that.
    *("mesh.merge", "mesh.forget", "mesh.codec"), "node.store.parking",
)
COMMAND_LINES = ("node.__main__", "admin_ui.cli")

# Reads a clock to measure how long a command took, for the slow log; never what time it is.
MEASURES = ("node.engine",)

OUTSIDE_MODULES = ("time", "secrets", "librt.time", "librt.random")
OUTSIDE_NAMES = (
    *("os.environ", "os.getenv", "os.urandom", "os.getpid"),
    *("uuid.uuid1", "uuid.uuid4", "datetime.now", "datetime.utcnow", "datetime.today"),
)
# random.Random is seeded by whoever makes it; the module's own functions are not.
UNSEEDED = re.compile(r"^random\.(?!Random$)")

# Tests await a condition; this file holds the one loop that looks and sleeps, and the one place
# that skips what is not installed.
WAITING = "tests/support/servers.py"

TEXT_SUFFIXES = {
    *(".py", ".md", ".toml", ".txt", ".conf", ".acl", ".html", ".css", ".js", ".cfg", ".sh", ""),
}
NOT_OURS = {".git", ".venv", ".hypothesis", "build", "dist", "__pycache__"}

# Written in pieces, so that this file does not break its own rules.
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:work|home|root|Users|tmp|mnt)" + r"/\w")
REGISTRY_HOST = re.compile(
    r"pypi\." + r"org|python" + r"hosted\.org|registry\.npm" + r"js|proxy\.go" + r"lang|"
    r"crates\." + r"io|deb\.deb" + r"ian\.org"
)


def places(source: Source, nodes: Iterator[ast.AST], what: str) -> list[str]:
    """One line per node: where it is and what is wrong there."""
    return [f"{source.path}:{getattr(node, 'lineno', 1)}: {what}" for node in nodes]


def dotted(node: ast.AST) -> str:
    """`a.b.c` for an attribute of an attribute of a name, else an empty string or its end."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}".lstrip(".")
    return node.id if isinstance(node, ast.Name) else ""


def calls(source: Source, *names: str) -> Iterator[ast.Call]:
    """Calls of functions or methods whose dotted name is, or ends in, one of these."""
    for node in ast.walk(source.syntax()):
        if isinstance(node, ast.Call):
            called = dotted(node.func)
            if any(called == name or called.endswith("." + name) for name in names):
                yield node


def imports(source: Source, *modules: str) -> Iterator[ast.AST]:
    """Imports of one of these modules or of what is inside."""
    for node in ast.walk(source.syntax()):
        if isinstance(node, ast.Import):
            if any(below(alias.name, *modules) for alias in node.names):
                yield node
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            if any(below(name, *modules) for name in inner):
                yield node


def product_outside(*allowed: str) -> list[Source]:
    """The product's files that are not inside one of these modules."""
    return [each for each in sources(*PRODUCT) if not below(each.module, *allowed)]


def text_files() -> list[Path]:
    """Every text file of the repository, without what tools make."""
    found = []
    for folder, inner, names in os.walk(ROOT):
        inner[:] = [name for name in inner if name not in NOT_OURS and not name.endswith("_cache")]
        found += [Path(folder, name) for name in names if Path(name).suffix in TEXT_SUFFIXES]
    return sorted(found)


def matches(pattern: re.Pattern[str]) -> list[str]:
    """Every line of the repository in which the pattern is found."""
    found = []
    for file in text_files():
        for number, line in enumerate(file.read_text("utf-8", "replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()}")
    return found


def test_only_mutate_and_persistence_change_values() -> None:
    problems = []
    for source in product_outside(*CHANGES_VALUES):
        changing = (
            node
            for node in ast.walk(source.syntax())
            if isinstance(node, ast.Attribute) and node.attr.startswith("do_")
        )
        problems += places(source, changing, "changes a value outside node/store/mutate.py")
    assert not problems, "\n".join(problems)


def test_time_chance_and_environment_stay_in_the_shells() -> None:
    problems = []
    for source in product_outside(*SHELLS):
        clocks = imports(source, *OUTSIDE_MODULES)
        if source.module not in MEASURES:
            problems += places(source, clocks, "reads a clock, but is no shell")
        named = (
            node
            for node in ast.walk(source.syntax())
            if isinstance(node, ast.Attribute)
            and (dotted(node).endswith(OUTSIDE_NAMES) or UNSEEDED.match(dotted(node)))
        )
        problems += places(source, named, "reads the outside world, but is no shell")
    assert not problems, "\n".join(problems)


def test_asyncio_is_known_only_where_sockets_are() -> None:
    problems = []
    for source in product_outside(*ASYNCIO):
        problems += places(source, imports(source, "asyncio"), "asyncio has no place here")
    assert not problems, "\n".join(problems)


def test_only_command_lines_print() -> None:
    problems = []
    for source in product_outside(*COMMAND_LINES):
        problems += places(source, calls(source, "print"), "print: log it, or return it")
    assert not problems, "\n".join(problems)


def test_logging_is_set_up_in_one_place() -> None:
    problems = []
    for source in product_outside("node.log"):
        problems += places(
            source, calls(source, "structlog.configure"), "node/log.py sets logging up"
        )
    assert not problems, "\n".join(problems)


def test_nothing_is_left_unimplemented() -> None:
    problems = matches(UNFINISHED)
    for source in sources(*PRODUCT):
        raised = (
            node
            for node in ast.walk(source.syntax())
            if isinstance(node, ast.Name) and node.id == "NotImplementedError"
        )
        problems += places(source, raised, "not implemented")
    assert not problems, "\n".join(problems)


def test_a_type_error_is_ignored_by_its_code_only() -> None:
    problems = matches(re.compile(r"#\s*type:\s*ignore" + r"(?!\[)"))
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("folder", ["tests", "bench"])
def test_tests_wait_for_conditions_and_skip_nothing(folder: str) -> None:
    problems = []
    for source in sources(folder):
        if source.path == WAITING:
            continue
        slept = (
            call
            for call in calls(source, "sleep")
            # asyncio.sleep(0) lets others run; it waits for no time.
            if not (call.args and isinstance(call.args[0], ast.Constant) and not call.args[0].value)
        )
        problems += places(source, slept, "sleeps: use wait_until of tests/support/servers.py")
        marks = (
            node
            for node in ast.walk(source.syntax())
            if isinstance(node, ast.Attribute)
            and dotted(node).startswith("pytest.")
            and node.attr in ("skip", "skipif", "xfail", "importorskip")
        )
        problems += places(source, marks, "skips a test, or expects it to fail")
    assert not problems, "\n".join(problems)


def test_no_path_of_one_machine_is_named() -> None:
    assert not (found := matches(MACHINE_PATH)), "\n".join(found)


def test_no_package_registry_is_named() -> None:
    assert not (found := matches(REGISTRY_HOST)), "\n".join(found)
