"""Who a node is: the member id, on disk for life."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.identity import IdentityError, member_id, stream_uuid


def test_the_member_id_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "member-id"
    first = member_id(str(path))
    assert len(first) == 32 and int(first, 16) >= 0
    assert member_id(str(path)) == first
    assert path.read_bytes() == first + b"\n"
    assert [each.name for each in tmp_path.iterdir()] == ["member-id"]


def test_another_folder_is_another_member(tmp_path: Path) -> None:
    assert member_id(str(tmp_path / "a")) != member_id(str(tmp_path / "b"))


@pytest.mark.parametrize("content", [b"", b"abc", b"G" * 32, b"0" * 33, b"A" * 32, b"\xff" * 32])
def test_a_damaged_file_is_refused_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "member-id"
    path.write_bytes(content)
    with pytest.raises(IdentityError, match="member-id"):
        member_id(str(path))
    assert path.read_bytes() == content, "the file is left as it is"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="writable"):
        member_id(str(tmp_path / "nowhere" / "member-id"))


def test_each_start_has_a_stream_of_its_own() -> None:
    assert len(stream_uuid()) == 16
    assert stream_uuid() != stream_uuid()
