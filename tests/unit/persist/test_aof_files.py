"""The append-only file's folder: the manifest, what it refuses, what is swept away."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.persist.aof_files import ALONE, MESH, AofError, Folder, Manifest, cut

NAME = "append only.aof"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "logs", "appendonly.aof")
    made.make()
    return made


def manifest_of(folder: Folder, kind: str, base: int, *increments: int) -> Manifest:
    names = tuple(folder.increment(each) for each in increments)
    return Manifest(kind, folder.base(base), names, max(base, *increments))


@pytest.mark.parametrize("kind", [MESH, ALONE])
def test_what_was_written_is_read(folder: Folder, kind: str) -> None:
    assert folder.read() is None
    manifest = manifest_of(folder, kind, 3, 3, 4, 5)
    folder.write(manifest)
    assert folder.read() == manifest
    assert manifest.text().splitlines()[:2] == [
        f"# plexis frames 1 {kind}", "file appendonly.aof.3.base.rdb seq 3 type b",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("file appendonly.aof.1.base.rdb seq 1 type b\n", "not written by Plexis"),
        ("", "not written by Plexis"),
        ("# plexis frames 2 mesh\n", "not written by Plexis"),
        ("# plexis frames 1 mesh\n", "no base or no increment"),
        ("# plexis frames 1 odd\nfile a.1.base.rdb seq 1 type b\n", "line 2 is damaged"),
        ("# plexis frames 1 mesh\nfile appendonly.aof.1.base.rdb seq 2 type b\n", "line 2"),
        ("# plexis frames 1 mesh\nfile ../appendonly.aof.1.base.rdb seq 1 type b\n", "line 2"),
        ("# plexis frames 1 mesh\nnonsense\n", "line 2 is damaged"),
    ],
)
def test_another_or_a_damaged_manifest_is_refused_with_words(
    folder: Folder, text: str, problem: str
) -> None:
    folder.manifest_path.write_text(text)
    with pytest.raises(AofError, match=problem):
        folder.read()


def test_only_what_belongs_to_the_file_and_is_not_named_is_swept(folder: Folder) -> None:
    manifest = manifest_of(folder, MESH, 2, 2)
    folder.write(manifest)
    kept = [*manifest.increments, manifest.base, "notes.txt", "other.aof.1.incr.aof"]
    gone = [folder.base(1), folder.increment(1), "temp-appendonly.aof.77.3.rdb"]
    for name in [*kept, *gone]:
        (folder.path / name).write_bytes(b"x")
    folder.sweep(manifest)
    assert {each.name for each in folder.path.iterdir()} == {*kept, folder.manifest_path.name}


def test_a_file_is_cut(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(b"0123456789")
    cut(path, 4)
    assert path.read_bytes() == b"0123"
