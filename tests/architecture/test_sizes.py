"""Files and functions stay short enough to be read in one go.

Above 500 lines a file is listed in the test's output; above 600 it fails. A function has at most
70 lines, the docstring counted.
"""

import ast

import pytest

from tests.architecture.tree import PRODUCT, sources

FILE_LINES_SOFT = 500
FILE_LINES_HARD = 600
FUNCTION_LINES = 70

FOLDERS = (*PRODUCT, "tests", "bench")

# "path:function" -> why it is one piece. An entry that is no longer needed fails the test.
LONGER_FUNCTIONS: dict[str, str] = {}


@pytest.mark.parametrize("folder", FOLDERS)
def test_files_are_short(folder: str) -> None:
    lengths = {each.path: len(each.text.splitlines()) for each in sources(folder)}
    for path, lines in lengths.items():
        if lines > FILE_LINES_SOFT:
            print(f"{path}: {lines} lines, above {FILE_LINES_SOFT}")
    too_long = [f"{path}: {n} lines" for path, n in lengths.items() if n > FILE_LINES_HARD]
    assert not too_long, "\n".join(too_long)


def long_functions(*folders: str) -> dict[str, int]:
    """The functions above the limit as "path:name", with their lines."""
    found: dict[str, int] = {}
    for source in sources(*folders):
        for node in ast.walk(source.syntax()):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    found[f"{source.path}:{node.name}"] = lines
    return found


def test_functions_are_short() -> None:
    found = long_functions(*FOLDERS)
    problems = [f"{name}: {n} lines" for name, n in found.items() if name not in LONGER_FUNCTIONS]
    assert not problems, "\n".join(problems)


def test_no_exception_is_left_over() -> None:
    assert sorted(LONGER_FUNCTIONS) == sorted(set(LONGER_FUNCTIONS) & set(long_functions(*FOLDERS)))
