"""Transcripts: commands and the replies they must get, as redis-cli --no-raw prints them.

    # A comment. Empty lines are for reading only.
    > SADD s a b
    (integer) 2
    sorted
    > SMEMBERS s
    1) "a"
    2) "b"
    @2 > GET nothing
    (nil)

`> ` begins a command, quoted as for redis-cli; `@2 > ` sends it on a second connection. The lines
up to the next command are its reply. Lines that stand by themselves before a command:

    resp2, resp3   HELLO with that version on the connection of the next command
    sorted         arrays, sets and maps of the next reply come in any order
    any            the next reply is not compared (a time, a random choice)
    ours REASON    once, at the top: the file is about what Redis does not have

`@2 <` begins a message that is delivered without a command (pub/sub). A file runs unchanged
on an engine in this process and, over a socket, on a real Redis: that makes it trustworthy.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

SHOWN_MISMATCHES = 20  # of one file: more of them help nobody

COMMAND = re.compile(r"^(?:@(?P<client>\d+)\s*)?(?P<way>[><])(?:\s+(?P<text>.*))?$")
ITEM = re.compile(r"^ *\d+[)~#>] ")
MARKS = ("sorted", "any", "resp2", "resp3")
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "a": "\a"}
NUMBER_SEPARATORS = {"array": ")", "map": "#", "set": "~", "push": ">"}
EMPTY_NAMES = {"array": "array", "map": "hash", "set": "set", "push": "push"}


@dataclass(frozen=True)
class Shown:
    """A reply as it came over the wire: its RESP kind with text or with elements, never both.

    The elements of a map are its keys and values in turn.
    """

    kind: str
    text: bytes = b""
    items: tuple["Shown", ...] = ()


class Target(Protocol):
    """What a transcript runs against. Connections are numbered from 1 and opened at first use."""

    def call(self, client: int, argv: list[bytes]) -> Shown:
        """The reply to one command."""

    def receive(self, client: int) -> Shown:
        """The next message that was delivered to this connection without a command."""


# --- the wire ---------------------------------------------------------------------------------

LINE_KINDS = {
    b"+": "simple",
    b"-": "error",
    b":": "integer",
    b",": "double",
    b"(": "big number",
}
SIZED_KINDS = {b"$": "bulk", b"=": "verbatim", b"!": "error"}
NESTED_KINDS = {b"*": "array", b"%": "map", b"~": "set", b">": "push"}


def read_shown(stream: BinaryIO) -> Shown:
    """Reads one reply of RESP2 or RESP3. Raises EOFError when the stream ends before it does."""
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise EOFError(f"the connection ended inside a reply, after {line!r}")
    mark, rest = line[:1], line[1:-2]
    if mark == b"_" or (mark in (b"$", b"*") and rest == b"-1"):
        return Shown("nil")
    if mark == b"#":
        return Shown("boolean", rest)
    if mark in LINE_KINDS:
        return Shown(LINE_KINDS[mark], rest)
    if mark in SIZED_KINDS:
        text = stream.read(int(rest) + 2)
        if len(text) != int(rest) + 2:
            raise EOFError(f"the connection ended inside a string of {int(rest)} bytes")
        return Shown(SIZED_KINDS[mark], text[4:-2] if mark == b"=" else text[:-2])
    if mark in NESTED_KINDS:
        kind = NESTED_KINDS[mark]
        count = int(rest) * (2 if kind == "map" else 1)
        return Shown(kind, items=tuple(read_shown(stream) for _ in range(count)))
    raise ValueError(f"not a RESP reply: {line!r}")


# --- text -------------------------------------------------------------------------------------


def quoted(text: bytes) -> str:
    """A string in redis-cli's quotes: printable ASCII as it is, the rest escaped."""
    named = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 92: "\\\\"}
    body = "".join(
        named.get(byte, chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in text
    )
    return f'"{body}"'


def render(reply: Shown) -> list[str]:
    """The reply as redis-cli --no-raw prints it, line by line, without spaces at their ends.

    Those cannot be seen in a transcript and are lost in editors, so they are not compared.
    """
    return [line.rstrip() for line in render_exactly(reply)]


def render_exactly(reply: Shown) -> list[str]:
    """The reply as redis-cli --no-raw prints it, line by line."""
    text = reply.text.decode("utf-8", "backslashreplace")
    match reply.kind:
        case "simple":
            return [text]
        case "verbatim":
            return text.split("\n")
        case "bulk":
            return [quoted(reply.text)]
        case "nil":
            return ["(nil)"]
        case "boolean":
            return ["(true)" if reply.text == b"t" else "(false)"]
        case "array" | "map" | "set" | "push":
            return render_items(reply)
        case kind:
            return [f"({kind}) {text}"]


def render_items(reply: Shown) -> list[str]:
    """An array, set, push or map: a number before each item, further lines indented below it."""
    if not reply.items:
        return [f"(empty {EMPTY_NAMES[reply.kind]})"]
    entries = [render_exactly(item) for item in reply.items]
    if reply.kind == "map":
        values = zip(entries[1::2], reply.items[1::2], strict=True)
        entries = [
            # What has items of its own begins on the next line, where its numbers line up.
            [*key[:-1], f"{key[-1]} =>", *value]
            if what.items
            else [*key[:-1], f"{key[-1]} => {value[0]}", *value[1:]]
            for key, (value, what) in zip(entries[::2], values, strict=True)
        ]
    width = len(str(len(entries)))
    separator = NUMBER_SEPARATORS[reply.kind]
    lines: list[str] = []
    for number, (first, *others) in enumerate(entries, 1):
        lines.append(f"{number:>{width}}{separator} {first}")
        lines += [" " * (width + 2) + other for other in others]
    return lines


def unordered(lines: list[str]) -> list[str]:
    """The items of a printed reply without their numbers, sorted, at every level."""
    if not lines or ITEM.match(lines[0]) is None:
        return lines
    items: list[list[str]] = []
    width = 0
    for line in lines:
        found = ITEM.match(line)
        # An inner item stands deeper than the number of the item it is in.
        if found is not None and (not items or len(line) - len(line.lstrip()) < width):
            width = found.end()
            items.append([line[width:]])
        else:
            items[-1].append(line[width:])
    return sorted("\n".join(unordered(item)) for item in items)


def split_command(text: str) -> list[bytes]:
    """Splits a command line as redis-cli does. Raises ValueError for a quote that never ends."""
    argv: list[bytes] = []
    at = 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return argv
        word = bytearray()
        while at < len(text) and not text[at].isspace():
            if text[at] in "\"'":
                at = read_quoted(text, at, word)
            else:
                word += text[at].encode()
                at += 1
        argv.append(bytes(word))


def read_quoted(text: str, start: int, word: bytearray) -> int:
    """Appends the quoted part that begins at `start` to `word`; returns where it ends."""
    quote, at = text[start], start + 1
    while at < len(text):
        char = text[at]
        if char == quote:
            return at + 1
        if char == "\\" and quote == '"' and (code := re.match(r"\\x([0-9a-fA-F]{2})", text[at:])):
            word.append(int(code[1], 16))
            at += 4
        elif char == "\\" and at + 1 < len(text) and (quote == '"' or text[at + 1] == "'"):
            word += ESCAPES.get(text[at + 1], text[at + 1]).encode()
            at += 2
        else:
            word += char.encode()
            at += 1
    raise ValueError(f"a quote is opened and never closed: {text}")


# --- the file ---------------------------------------------------------------------------------


@dataclass
class Step:
    """One command with the reply it must get, or one message that must arrive."""

    line: int
    client: int
    argv: list[bytes]  # empty: a message is awaited
    marks: tuple[str, ...] = ()
    expected: list[str] = field(default_factory=list)
    last_line: int = 0  # of the expected reply, for rewriting


@dataclass
class Transcript:
    """A parsed file. `ours` is the reason why it is not run on Redis, empty when it is."""

    path: Path
    lines: list[str]
    steps: list[Step]
    ours: str = ""


def read_transcript(path: Path) -> Transcript:
    """Parses a file. Raises ValueError with file and line for what is not understood."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = Transcript(path, lines, [])
    marks: list[str] = []
    step: Step | None = None
    for number, line in enumerate(lines, 1):
        start = COMMAND.match(line)
        if start is not None:
            step = begin_step(path, number, start, tuple(marks))
            found.steps.append(step)
            marks = []
        elif line.strip() in MARKS:
            marks.append(line.strip())
            step = None
        elif line.startswith("ours "):
            found.ours = line[5:].strip()
        elif not line.strip() or line.startswith("#"):
            step = None
        elif step is not None:
            step.expected.append(line.rstrip())
            step.last_line = number
        else:
            raise ValueError(f"{path.name}:{number}: belongs to no command: {line}")
    if marks:
        raise ValueError(f"{path.name}: no command follows the last {' and '.join(marks)}")
    return found


def begin_step(path: Path, number: int, start: re.Match[str], marks: tuple[str, ...]) -> Step:
    """The step that a `>` or `<` line begins."""
    text = start["text"] or ""
    if (start["way"] == ">") != bool(text.strip()):
        raise ValueError(f"{path.name}:{number}: '>' needs a command and '<' takes none")
    try:
        argv = split_command(text)
    except ValueError as problem:
        raise ValueError(f"{path.name}:{number}: {problem}") from problem
    return Step(number, int(start["client"] or 1), argv, marks, last_line=number)


# --- running ----------------------------------------------------------------------------------


def play(step: Step, target: Target) -> list[str]:
    """Runs one step and returns its reply in text."""
    for mark in step.marks:
        if mark.startswith("resp"):
            greeting = target.call(step.client, [b"HELLO", mark[4:].encode()])
            if greeting.kind == "error":
                return [f"HELLO was refused: {greeting.text!r}"]
    if not step.argv:
        return render(target.receive(step.client))
    return render(target.call(step.client, step.argv))


def agrees(step: Step, actual: list[str]) -> bool:
    """Whether the reply is the one the file expects, under the step's marks."""
    if "any" in step.marks:
        return True
    if "sorted" in step.marks:
        return unordered(step.expected) == unordered(actual)
    return step.expected == actual


def mismatches(transcript: Transcript, target: Target) -> list[tuple[Step, list[str]]]:
    """Runs the whole file; the steps that got another reply than expected, with that reply."""
    wrong: list[tuple[Step, list[str]]] = []
    for step in transcript.steps:
        actual = play(step, target)
        if not agrees(step, actual):
            wrong.append((step, actual))
    return wrong


def report(transcript: Transcript, wrong: list[tuple[Step, list[str]]]) -> str:
    """What to print when a transcript fails: place, command, both replies."""
    parts: list[str] = []
    for step, actual in wrong[:SHOWN_MISMATCHES]:
        place = f"{transcript.path.name}:{step.line}"
        parts += [f"{place}: {transcript.lines[step.line - 1]}"]
        parts += indented("expected", step.expected) + indented("got", actual)
    if len(wrong) > SHOWN_MISMATCHES:
        parts.append(f"... and {len(wrong) - SHOWN_MISMATCHES} more")
    return "\n".join(parts)


def indented(title: str, lines: Iterable[str]) -> list[str]:
    """A titled block of a report."""
    return [f"    {title}:", *(f"        {line}" for line in lines)]


def rewritten(transcript: Transcript, wrong: list[tuple[Step, list[str]]]) -> str:
    """A unified diff from the file to what the target said. Nothing is written."""
    lines = list(transcript.lines)
    for step, actual in reversed(wrong):
        lines[step.line : step.last_line] = actual
    name = transcript.path.name
    return "\n".join(difflib.unified_diff(transcript.lines, lines, name, name, lineterm="", n=2))
