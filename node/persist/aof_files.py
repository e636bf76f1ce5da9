"""The append-only file's names: a folder with a base (RDB), increments (frames), and a manifest.

The manifest is the truth: it is replaced as a whole, and what it does not name is not there. Its
lines are Redis's, below a first line that says whose frames they are:

    # plexis frames 1 mesh
    file appendonly.aof.4.base.rdb seq 4 type b
    file appendonly.aof.4.incr.aof seq 4 type i

`mesh` frames are those of members with dots and context, `alone` those of a node without a mesh.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MESH: Final = "mesh"
ALONE: Final = "alone"
HEAD: Final = "# plexis frames 1 "
# A manifest of a base and a few increments; more is none of ours.
MANIFEST_BYTES_MAX: Final = 65_536


class AofError(Exception):
    """The append-only file cannot be used; the text names file, place and remedy."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One state of the folder: `increments` in the order in which they are replayed."""

    kind: str
    base: str
    increments: tuple[str, ...]
    sequence: int

    def text(self) -> str:
        """As it stands in the file."""
        lines = [HEAD + self.kind, f"file {self.base} seq {number_in(self.base)} type b"]
        lines += [f"file {each} seq {number_in(each)} type i" for each in self.increments]
        return "\n".join(lines) + "\n"


def number_in(name: str) -> int:
    """The number of a file's name: behind the base name's last dot but two."""
    return int(name.rsplit(".", 3)[1])


class Folder:
    """The folder of the directives dir, appenddirname and appendfilename."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self.manifest_path = path / f"{name}.manifest"

    def base(self, number: int) -> str:
        """The name of a base."""
        return f"{self.name}.{number}.base.rdb"

    def increment(self, number: int) -> str:
        """The name of an increment."""
        return f"{self.name}.{number}.incr.aof"

    def make(self) -> None:
        """Makes the folder if there is none. OSError."""
        self.path.mkdir(mode=0o755, exist_ok=True)

    def read(self) -> Manifest | None:
        """What the manifest says; None where there is none. AofError."""
        path = self.manifest_path
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AofError(f"{path}: {str(error.strerror).lower()}") from error
        lines = data[:MANIFEST_BYTES_MAX].decode("utf-8", "replace").splitlines()
        if not lines or not lines[0].startswith(HEAD):
            raise AofError(
                f"{path}: not written by Plexis, which reads only its own append-only file: load"
                " the data with the server that wrote it, save an RDB file, and move this folder"
                " away"
            )
        kind = lines[0].removeprefix(HEAD)
        bases: list[str] = []
        increments: list[str] = []
        for number, line in enumerate(lines[1:], 2):
            found = re.fullmatch(r"file (\S+)\.(\d+)\.(base\.rdb|incr\.aof) seq (\d+) type ([bi])",
                                 line)  # fmt: skip
            if found is None or found[2] != found[4] or found[1] != self.name:
                raise AofError(f"{path}: line {number} is damaged: {line[:80]!r}")
            (bases if found[5] == "b" else increments).append(line.split()[1])
        if kind not in (MESH, ALONE) or len(bases) != 1 or not increments:
            raise AofError(f"{path}: damaged: it names no base or no increment")
        highest = max(number_in(each) for each in [*bases, *increments])
        return Manifest(kind, bases[0], tuple(increments), highest)

    def write(self, manifest: Manifest) -> None:
        """Replaces the manifest; when it returns, a crash does not bring the old one back.

        Blocks; OSError.
        """
        temporary = self.manifest_path.with_name(f"temp-{self.name}.manifest")
        with temporary.open("w") as file:
            file.write(manifest.text())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.manifest_path)
        self.flush_names()

    def flush_names(self) -> None:
        """Makes names that were made or replaced last. Blocks; OSError."""
        handle = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def sweep(self, manifest: Manifest) -> None:
        """Deletes bases and increments that the manifest does not name, and unfinished files."""
        kept = {manifest.base, *manifest.increments}
        own = re.compile(re.escape(self.name) + r"\.\d+\.(base\.rdb|incr\.aof)")
        for each in self.path.iterdir():
            unfinished = each.name.startswith("temp-") and self.name in each.name
            if unfinished or (own.fullmatch(each.name) and each.name not in kept):
                each.unlink(missing_ok=True)

    def size(self, name: str) -> int:
        """A file's length; 0 where there is none."""
        try:
            return (self.path / name).stat().st_size
        except FileNotFoundError:
            return 0


def cut(path: Path, size: int) -> None:
    """Takes the file's end away for good. Blocks; OSError."""
    handle = os.open(path, os.O_WRONLY)
    try:
        os.ftruncate(handle, size)
        os.fsync(handle)
    finally:
        os.close(handle)
