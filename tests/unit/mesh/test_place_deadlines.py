"""Claims of places' deadlines become one without a dot once every member has them."""

from __future__ import annotations

import pytest

from mesh.merge.covers import Cover
from mesh.merge.place_deadlines import fold_claims
from node.store.entry import Claim, Dot, Field
from node.store.values.hashes import HashValue
from node.store.values.sets import SetValue


def cut(stamp: int) -> Cover:
    """Everything of stream 1 up to this stamp is stable."""
    return Cover(bytes(8) + stamp.to_bytes(8, "little"), -1)


def test_the_longest_stays_as_the_values_own_deadline() -> None:
    value = SetValue()
    value.do_place(b"m", Dot(3, 1))
    value.do_claim(b"m", [Claim(5, 1, 100), Claim(6, 1, 200)])
    assert not fold_claims(value, b"m", cut(5))
    assert fold_claims(value, b"m", cut(6))
    assert value.deadline_of(b"m") == 200 and not value.remembers()
    assert not fold_claims(value, b"m", cut(6))


@pytest.mark.parametrize("stable", [False, True])
def test_none_at_all_waits_for_the_fields_register(stable: bool) -> None:
    value = HashValue()
    value.do_place(b"f", Field(b"1", 6 if stable else 9, 1))
    value.do_claim(b"f", [Claim(5, 1, 100), Claim(6, 1, 0)])
    assert fold_claims(value, b"f", cut(6)) == stable
    assert (value.deadlines is None) == stable


def test_what_is_not_there_keeps_its_claims() -> None:
    value = SetValue()
    value.do_claim(b"m", [Claim(5, 1, 100)])
    assert not fold_claims(value, b"m", cut(9))
    assert value.remembers()
