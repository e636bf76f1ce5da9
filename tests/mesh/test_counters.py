"""Counters never lose an acknowledged increment to a SET or DEL that had not seen it."""

from __future__ import annotations

from tests.mesh.stories import conflicts, pair, trio

MOST = 2**63 - 1


def test_increments_of_two_nodes_add_up() -> None:
    """C1."""
    mesh, a, b = pair()
    a("SET", "n", "10")
    mesh.heal()
    mesh.cut_all()
    assert a("INCRBY", "n", "5") == 15
    assert b("INCRBY", "n", "7") == 17
    mesh.heal()
    assert mesh.both("GET", "n") == b"22"


def test_a_set_keeps_an_increment_it_had_not_seen() -> None:
    """C2."""
    mesh, a, b = pair()
    a("SET", "n", "10")
    mesh.heal()
    mesh.cut_all()
    a("SET", "n", "100")
    b("INCRBY", "n", "7")
    mesh.heal()
    assert mesh.both("GET", "n") == b"107"


def test_a_delete_keeps_an_increment_it_had_not_seen() -> None:
    """C3."""
    mesh, a, b = pair()
    a("SET", "n", "10")
    mesh.heal()
    mesh.cut_all()
    a("DEL", "n")
    b("INCRBY", "n", "7")
    mesh.heal()
    assert mesh.both("GET", "n") == b"7"


def test_an_increment_counts_on_the_register_that_wins() -> None:
    """C4."""
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(1000)
    a("SET", "n", "1")
    mesh.at(1001)
    b("SET", "n", "2")
    b("INCR", "n")
    mesh.heal()
    assert mesh.both("GET", "n") == b"3"


def test_a_crash_loses_no_increment_that_a_peer_has() -> None:
    """C5: the node comes back from a save without them, and counts none twice."""
    mesh, a, b = pair()
    a("SET", "n", "0")
    mesh.heal()
    a.save()
    for _ in range(1000):
        a("INCR", "n")
    mesh.flow()
    mesh.cut_all()
    for _ in range(1000):
        b("INCR", "n")
    mesh.crash(0, a.saves[-1])
    a.activate()
    assert a("GET", "n") == b"0"
    a("INCR", "n")
    mesh.heal()
    assert mesh.both("GET", "n") == b"2001"


def test_floats_give_the_same_bytes_in_any_order() -> None:
    """C6."""
    mesh, a, b = pair()
    mesh.cut_all()
    for _ in range(3):
        a("INCRBYFLOAT", "n", "0.1")
    b("INCRBYFLOAT", "n", "0.2")
    mesh.heal()
    assert mesh.both("GET", "n") == b"0.5"


def test_a_sum_beyond_64_bits_is_shown_clipped_and_kept_exactly() -> None:
    """C7."""
    mesh, a, b = pair()
    a("SET", "n", str(MOST - 1))
    mesh.heal()
    mesh.cut_all()
    a("INCR", "n")
    b("INCR", "n")
    mesh.heal()
    assert mesh.both("GET", "n") == b"%d" % MOST
    assert conflicts(a, "counter_overflow") == conflicts(b, "counter_overflow") == 1
    a("DECR", "n")
    a("DECR", "n")
    mesh.heal()
    assert mesh.both("GET", "n") == b"%d" % (MOST - 1)


def test_a_field_beyond_64_bits_is_shown_clipped_and_kept_exactly() -> None:
    mesh, a, b = pair()
    a("HSET", "h", "n", str(-MOST))
    mesh.heal()
    mesh.cut_all()
    a("HINCRBY", "h", "n", "-1")
    b("HINCRBY", "h", "n", "-1")
    mesh.heal()
    assert mesh.both("HGET", "h", "n") == b"%d" % (-MOST - 1)
    assert conflicts(a, "counter_overflow") == conflicts(b, "counter_overflow") == 1
    b("HINCRBY", "h", "n", "2")
    mesh.heal()
    assert mesh.both("HGET", "h", "n") == b"%d" % -MOST


def test_a_set_clears_half_of_a_nodes_increments_when_it_saw_half() -> None:
    """C8."""
    mesh, a, b = pair()
    a("SET", "n", "0")
    mesh.heal()
    a("INCR", "n")
    mesh.flow()
    mesh.cut_all()
    a("INCR", "n")
    b("SET", "n", "100")
    mesh.heal()
    assert mesh.both("GET", "n") == b"101"


def test_text_hides_increments_until_a_number_shows_again() -> None:
    mesh, a, b = pair()
    a("SET", "n", "3")
    mesh.heal()
    mesh.cut_all()
    a("SET", "n", "text")
    b("INCR", "n")
    mesh.heal()
    assert mesh.both("GET", "n") == b"text"
    assert b"not an integer" in str(a("INCR", "n")).encode()
    a("SET", "n", "7")
    mesh.heal()
    assert mesh.both("GET", "n") == b"7"


def test_an_increment_arrives_once_however_often_its_frame_does() -> None:
    mesh, a, b, c = trio()
    mesh.cut_all()
    a("SET", "n", "1")
    a("INCRBY", "n", "5")
    mesh.up(a, b)
    mesh.up(a, c)
    mesh.up(b, c)
    mesh.wires[1, 2].cut()  # asked again: b sends what it has of a's stream
    mesh.up(b, c)
    assert c("GET", "n") == b"6"
    mesh.heal()
    assert mesh.both("GET", "n") == b"6"


def test_a_unit_that_clears_and_counts_twice_counts_the_last_only() -> None:
    """Two registers of one stamp: increments on the first must not live again on the second."""
    mesh, a, _b = pair()
    a("MULTI")
    for words in (("SET", "n", "1"), ("INCR", "n"), ("SET", "n", "5"), ("INCRBY", "n", "2")):
        a(*words)
    a("EXEC")
    mesh.heal()
    assert mesh.both("GET", "n") == b"7"


def test_of_such_a_unit_only_the_living_increment_is_kept() -> None:
    mesh, a, b = pair()
    a("SET", "n", "0")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    a("MULTI")
    for words in (("SET", "n", "1"), ("INCR", "n"), ("SET", "n", "5"), ("INCRBY", "n", "2")):
        a(*words)
    a("EXEC")
    mesh.at(1001)
    b("SET", "n", "100")
    mesh.heal()
    assert mesh.both("GET", "n") == b"102"


def test_a_counter_of_text_form_keeps_its_text_for_those_who_cleared_the_increments() -> None:
    mesh, a, _b = pair()
    a("SET", "n", "10.50")
    mesh.heal()
    mesh.cut_all()
    a("INCRBYFLOAT", "n", "1")
    mesh.heal()
    assert mesh.both("GET", "n") == b"11.5"
