"""What a member has let others rely on is known to its next process, whatever its file has."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.identity import IdentityError, earlier_streams, member_id, note_void, noted_void, renew
from mesh.promises import LENT_MOST, WAS_MOST, Promises, begin, promises_path, read_promises


def test_what_is_promised_is_read_back(tmp_path: Path) -> None:
    path = str(tmp_path / "id")
    promises = read_promises(path)
    assert not promises.told and not promises.memory and not promises.lent and not promises.was
    promises.tell(memory=False)
    promises.lend(b"one")
    promises.lend(b"one")
    promises.lend(b"two")
    promises.lend(b"three")
    promises.lend(b"two", departed=[b"three"])
    promises.lend(b"four", departed=[b"three"])
    again = read_promises(path)
    assert (again.told, again.memory, again.lent) == (True, False, [b"one", b"two", b"four"])
    again.tell(memory=True)
    assert read_promises(path).memory
    again.redeem()
    again.take_back()
    assert read_promises(path).text() == "told\n"
    assert [each.name for each in tmp_path.iterdir()] == ["id.said"]


def test_who_has_promised_what_is_in_its_memory_starts_as_a_new_member(tmp_path: Path) -> None:
    path = str(tmp_path / "id")
    first, promises = begin(path, True)
    earlier_streams(f"{path}.streams", b"s" * 16)
    note_void(path, "own")
    promises.tell(memory=True)
    promises.lend(b"peer")
    assert begin(path, False)[0] == first  # who forgets nothing was never relied on
    second, promises = begin(path, True)
    assert second != first == promises.was[0] and member_id(path) == second
    assert not promises.told and not promises.memory and not promises.lent
    assert earlier_streams(f"{path}.streams", b"t" * 16) == [] and not noted_void(path)
    assert begin(path, True)[0] == second
    promises.spend({b"s" * 16: 7, b"t" * 16: 8})
    promises.spend({b"s" * 16: 5})
    assert begin(path, True)[1].spent == {b"s" * 16: 7}
    promises.is_gone(first)
    assert begin(path, True)[1].was == []


def test_who_ends_while_it_becomes_a_new_member_begins_there_again(tmp_path: Path) -> None:
    path = str(tmp_path / "id")
    first, promises = begin(path, True)
    promises.tell(memory=True)
    promises.become_another(first)  # and then the process ends
    second, promises = begin(path, True)
    assert second != first and promises.was == [first]


def test_a_rejoin_leaves_nothing_promised(tmp_path: Path) -> None:
    path = str(tmp_path / "id")
    first, promises = begin(path, True)
    promises.tell(memory=True)
    promises.close()
    made = renew(path)
    promises.lend(b"peer")
    second, promises = begin(path, True)
    assert made == second != first and promises.text() == ""


def test_the_lists_are_bounded(tmp_path: Path) -> None:
    promises = Promises()
    for number in range(2 * LENT_MOST):
        promises.lend(b"%d" % number)
        promises.become_another(b"%d" % number)
    assert len(promises.lent) == LENT_MOST
    assert len(promises.was) == min(WAS_MOST, 2 * LENT_MOST) and promises.was[-1] == b"127"


def test_nothing_is_said_where_it_cannot_be_noted(tmp_path: Path) -> None:
    path = str(tmp_path / "id")
    Path(promises_path(path)).mkdir()
    with pytest.raises(IdentityError, match="cannot read"):
        read_promises(path)
    gone = str(tmp_path / "none" / "id")
    promises = read_promises(gone)
    with pytest.raises(IdentityError, match="must be writable"):
        promises.tell(memory=True)
    assert not promises.told and not promises.memory
