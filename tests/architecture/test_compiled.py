"""What a file may hold that is compiled by mypyc (docs/decisions/0004).

Each ban is a trap that no type checker sees: the code is right as pure Python and, when compiled,
wrong or slow or a danger to memory.
"""

import ast
from pathlib import Path

from tests.architecture.test_imports import imported
from tests.architecture.tree import PRODUCT, ROOT, Source, below, sources

INTERPRETED_ONLY = ("asyncio", "aiohttp", "lupa", "uvloop", "structlog")


def hot_paths() -> list[str]:
    """The list HOT of setup.py, read without running it."""
    tree = ast.parse(Path(ROOT, "setup.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "HOT":
            paths: list[str] = ast.literal_eval(node.value)
            return paths
    raise AssertionError("setup.py has no list HOT")


def hot() -> list[Source]:
    """The hot files."""
    named = set(hot_paths())
    return [each for each in sources(*PRODUCT) if each.path in named]


def test_the_list_names_files_that_exist_and_each_once() -> None:
    paths = hot_paths()
    assert [path for path in paths if not (ROOT / path).is_file()] == []
    assert len(paths) == len(set(paths))


def test_a_file_that_says_it_is_compiled_is_in_the_list() -> None:
    marked = [each.path for each in sources(*PRODUCT) if "[compiled]" in each.text[:1500]]
    assert sorted(set(marked) - set(hot_paths())) == []


def test_packages_and_the_choice_of_the_build_are_never_compiled() -> None:
    # They must run before it is known which build is wanted.
    never = [path for path in hot_paths() if path.endswith(("__init__.py", "node/build.py"))]
    assert never == []


def test_exceptions_are_not_native_classes() -> None:
    # mypyc 2.4.1 visits and clears the list of weak references of a native exception as if it
    # owned it; a weak reference to one then breaks the garbage collector.
    problems = []
    for source in hot():
        for node in ast.walk(source.syntax()):
            if not isinstance(node, ast.ClassDef):
                continue
            bases = [ast.unparse(base) for base in node.bases]
            raised = any(base.endswith(("Exception", "Error", "Failure")) for base in bases)
            marks = [ast.unparse(mark) for mark in node.decorator_list]
            if raised and "mypyc_attr(native_class=False)" not in marks:
                problems.append(f"{source.path}:{node.lineno}: {node.name} is a native exception")
    assert not problems, "\n".join(problems)


def test_no_number_is_shifted_from_a_literal() -> None:
    # `1 << n` with an i64 n is computed as a C int: wrong from n = 31. Tables that a module makes
    # while it is loaded count in Python's own integers and are right.
    problems = []
    for source in hot():
        functions = [
            node for node in ast.walk(source.syntax()) if isinstance(node, ast.FunctionDef)
        ]
        for node in (inner for function in functions for inner in ast.walk(function)):
            if (
                isinstance(node, ast.BinOp)
                and isinstance(node.op, ast.LShift)
                and is_literal(node.left)
                and not is_literal(node.right)
            ):
                problems.append(f"{source.path}:{node.lineno}: {ast.unparse(node)}")
    assert not problems, "\n".join(problems)


def is_literal(node: ast.expr) -> bool:
    """A number, also inside a conversion such as i64(1)."""
    if isinstance(node, ast.Call) and len(node.args) == 1:
        return is_literal(node.args[0])
    return isinstance(node, ast.Constant)


def test_nothing_is_awaited_and_nothing_interpreted_is_used() -> None:
    problems = []
    for source in hot():
        for node in ast.walk(source.syntax()):
            if isinstance(node, ast.Await):
                problems.append(f"{source.path}:{node.lineno}: awaits")
        for module in imported(source):
            if below(module, *INTERPRETED_ONLY) and source.path != "node/net/connection.py":
                problems.append(f"{source.path}: imports {module}")
    assert not problems, "\n".join(problems)
