"""Where things stand in a TOML text, and errors that point at them.

tomllib forgets all positions once a text is parsed, so `find_spans` walks the text a second time
and notes where each table, key and value begins. `Problems` collects what is wrong with a file,
all of it, and prints each problem with its line and carets below the place:

    mesh.toml:31: error: [[node]] "iad-1": addr port 99999 is out of range 1..65535
          31 | addr = "10.1.0.2:99999"
             |        ^^^^^^^^^^^^^^^^
    mesh.toml: 1 error
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, TypeAlias

Path: TypeAlias = tuple[str | int, ...]

_KEY: Final = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_DOTTED: Final = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_HEADER: Final = re.compile(rf"(\[\[?)[ \t]*({_DOTTED})[ \t]*\]\]?")
_ASSIGNMENT: Final = re.compile(rf"({_DOTTED})[ \t]*=[ \t]*")
_SECRET: Final = re.compile(r"(\s*password\s*=).*")
_AT: Final = re.compile(r"\(at line (\d+), column (\d+)\)\Z")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one line: line and column count from 1."""

    line: int
    column: int
    length: int


@dataclass(slots=True)
class Spans:
    """The places of all keys (or table headers) and of all values, by path."""

    keys: dict[Path, Span] = field(default_factory=dict)
    values: dict[Path, Span] = field(default_factory=dict)


def find_spans(text: str) -> Spans:
    """Walk a text that tomllib has accepted. Inside an inline table or array nothing is noted."""
    spans = Spans()
    counts: dict[Path, int] = {}
    table: Path = ()
    at = 0
    while at < len(text):
        if text[at] in " \t\r\n":
            at += 1
        elif text[at] == "#":
            at = _line_end(text, at)
        elif header := _HEADER.match(text, at):
            table = _table_path(header[1] == "[[", _parts(header[2]), counts)
            spans.keys[table] = _span(text, at, header.end())
            at = _line_end(text, header.end())
        elif assignment := _ASSIGNMENT.match(text, at):
            path = (*table, *_parts(assignment[1]))
            end = _value_end(text, assignment.end())
            spans.keys[path] = _span(text, at, assignment.end(1))
            spans.values[path] = _span(text, assignment.end(), end)
            at = _line_end(text, end)
        else:
            at = _line_end(text, at)
    return spans


def _parts(dotted: str) -> list[str]:
    found: list[str] = re.findall(_KEY, dotted)
    return [part[1:-1] if part[0] in "\"'" else part for part in found]


def _table_path(repeated: bool, parts: list[str], counts: dict[Path, int]) -> Path:
    """The path of a header; each [[array]] in it, in front or at the end, gets its number."""
    path: Path = ()
    for index, part in enumerate(parts):
        path = (*path, part)
        if repeated and index == len(parts) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _value_end(text: str, at: int) -> int:
    """Just after the value that begins at `at`: strings and brackets may hold line ends."""
    depth = 0
    end = at
    while at < len(text):
        char = text[at]
        if char in "\"'":
            at = end = _string_end(text, at)
            continue
        if char == "#":
            if depth == 0:
                break
            at = _line_end(text, at)
            continue
        if char == "\n" and depth == 0:
            break
        depth += (char in "[{") - (char in "]}")
        at += 1
        end = end if char in " \t\r\n" else at
    return end


def _string_end(text: str, at: int) -> int:
    quote = text[at]
    delimiter = quote * 3 if text.startswith(quote * 3, at) else quote
    at += len(delimiter)
    while at < len(text) and not text.startswith(delimiter, at):
        at += 2 if text[at] == "\\" and quote == '"' else 1
    at += len(delimiter)
    while len(delimiter) == 3 and text.startswith(quote, at):
        at += 1  # a text block may end with up to two quotes of its own
    return min(at, len(text))


def _span(text: str, start: int, end: int) -> Span:
    line_start = text.rfind("\n", 0, start) + 1
    end = min(end, _line_end(text, start))
    return Span(text.count("\n", 0, start) + 1, start - line_start + 1, max(1, end - start))


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong (error) or doubtful (warning) at a place; without place: in the file."""

    severity: str
    message: str
    span: Span | None


class Problems:
    """All problems of one file."""

    def __init__(self, file: str, text: str, spans: Spans) -> None:
        self.file = file
        self._lines = text.split("\n")
        self._spans = spans
        self._found: list[Problem] = []

    def error(self, path: Path, message: str, at_key: bool = False) -> None:
        """Note an error at the value of `path`, or at its key or table header."""
        self._found.append(Problem("error", message, self._span(path, at_key)))

    def warning(self, path: Path, message: str, at_key: bool = False) -> None:
        """Note a warning, likewise."""
        self._found.append(Problem("warning", message, self._span(path, at_key)))

    def syntax_error(self, message: str) -> None:
        """Note what tomllib said; it names the place in its text only (Python 3.11)."""
        match = _AT.search(message)
        span = Span(int(match[1]), int(match[2]), 1) if match else None
        if message.endswith("(at end of document)"):
            span = Span(len(self._lines), max(1, len(self._lines[-1])), 1)
        self._found.append(Problem("error", re.sub(r" \(at .*\)\Z", "", message), span))

    def has_errors(self) -> bool:
        return any(problem.severity == "error" for problem in self._found)

    def warnings(self) -> list[str]:
        """The warnings, one line each, for the log."""
        return [self._headline(p) for p in self._sorted() if p.severity == "warning"]

    def report(self) -> str:
        """Everything that was found, in the order of the file, and a line that counts it."""
        blocks = [self._block(problem) for problem in self._sorted()]
        warnings = sum(problem.severity == "warning" for problem in self._found)
        counts = [_count(warnings, "warning")] if warnings else []
        counts.append(_count(len(self._found) - warnings, "error"))
        return "\n".join([*blocks, f"{self.file}: {', '.join(counts)}"])

    def _span(self, path: Path, at_key: bool) -> Span | None:
        """The place of the path, or of the nearest table around it that has one."""
        if not at_key and path in self._spans.values:
            return self._spans.values[path]
        while path and path not in self._spans.keys:
            path = path[:-1]
        return self._spans.keys.get(path)

    def _sorted(self) -> list[Problem]:
        def order(problem: Problem) -> tuple[int, int]:
            return (problem.span.line, problem.span.column) if problem.span else (0, 0)

        return sorted(self._found, key=order)

    def _headline(self, problem: Problem) -> str:
        where = f"{self.file}:{problem.span.line}" if problem.span else self.file
        return f"{where}: {problem.severity}: {problem.message}"

    def _block(self, problem: Problem) -> str:
        if problem.span is None:
            return self._headline(problem)
        line = self._lines[problem.span.line - 1].rstrip("\r").replace("\t", " ")
        line = _SECRET.sub(r"\1 (not shown)", line)
        carets = " " * (problem.span.column - 1) + "^" * problem.span.length
        carets = carets[: max(len(line), problem.span.column)]
        return f"{self._headline(problem)}\n{problem.span.line:>8} | {line}\n{'':>8} | {carets}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
