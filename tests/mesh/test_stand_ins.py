"""Stand-in rules: what was written one after another is equal everywhere; what was concurrent is
carried out all the same and counted. Elements of lists, strings in place, deadlines of fields."""

from __future__ import annotations

from tests.mesh.stories import identities, pair, stand_ins


def test_lists_written_in_turn_are_equal_and_nothing_is_counted() -> None:
    mesh, a, b = pair()
    a("RPUSH", "l", "x", "y", "z")
    mesh.heal()
    b("LPUSH", "l", "w")
    b("LINSERT", "l", "BEFORE", "y", "before y")
    mesh.heal()
    a("LREM", "l", "1", "y")
    a("LSET", "l", "0", "W")
    mesh.heal()
    assert b("LPOP", "l") == b"W"
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"x", b"before y", b"z"]
    assert identities(a, "l") == identities(b, "l")
    assert stand_ins(a, b) == 0


def test_every_element_has_a_name_of_its_own() -> None:
    mesh, a, b = pair()
    a("RPUSH", "l", "1", "2", "3")
    mesh.heal()
    b("LPUSH", "l", "4", "5")
    b("RPUSH", "m", "6")
    mesh.heal()
    a("RPUSH", "m", "7")
    mesh.heal()
    names = identities(a, "l") + identities(a, "m")
    assert len(set(names)) == len(names) == 7
    own = a.streams.own.uuid
    assert [name for name in names if name[0] == own] == [(own, 1), (own, 2), (own, 3), (own, 4)]


def test_a_removal_from_the_middle_hits_the_element_that_was_meant() -> None:
    mesh, a, b = pair()
    a("RPUSH", "l", "x", "y", "z")
    mesh.heal()
    mesh.cut_all()
    a("LREM", "l", "1", "y")
    b("LPUSH", "l", "v", "w")
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"w", b"v", b"x", b"z"]
    assert stand_ins(a) == stand_ins(b) == 1


def test_pops_from_both_ends() -> None:
    """L4."""
    mesh, a, b = pair()
    a("RPUSH", "l", "x", "y", "z")
    mesh.heal()
    mesh.cut_all()
    assert a("LPOP", "l") == b"x"
    assert b("RPOP", "l") == b"z"
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"y"]


def test_two_pops_of_one_element_take_it_once() -> None:
    """L5: both clients got it, the list has lost it and nothing else."""
    mesh, a, b = pair()
    a("RPUSH", "l", "x")
    mesh.heal()
    mesh.cut_all()
    assert a("LPOP", "l") == b("LPOP", "l") == b"x"
    mesh.heal()
    assert mesh.both("EXISTS", "l") == 0


def test_a_push_to_a_list_that_was_emptied_meanwhile() -> None:
    mesh, a, b = pair()
    a("RPUSH", "l", "x")
    mesh.heal()
    mesh.cut_all()
    a("LPOP", "l")
    b("RPUSH", "l", "y")
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"y"]


def test_a_trim_leaves_what_it_had_not_seen() -> None:
    """L6."""
    mesh, a, b = pair()
    a("RPUSH", "l", "x", "y", "z")
    mesh.heal()
    mesh.cut_all()
    a("LTRIM", "l", "0", "0")
    b("RPUSH", "l", "w")
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"x", b"w"]


def test_an_assignment_does_not_revive_what_was_popped() -> None:
    """L8."""
    mesh, a, b = pair()
    a("RPUSH", "l", "x", "y")
    mesh.heal()
    mesh.cut_all()
    a("LSET", "l", "0", "p")
    b("LPOP", "l")
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"y"]


def test_two_assignments_of_one_element_are_a_conflict() -> None:
    mesh, a, b = pair()
    a("RPUSH", "l", "x")
    mesh.heal()
    mesh.cut_all()
    a("LSET", "l", "0", "p")
    b("LSET", "l", "0", "q")
    mesh.heal_apart()
    assert stand_ins(a) == stand_ins(b) == 1
    a("LSET", "l", "0", "r")
    mesh.heal()
    assert mesh.ordered("LRANGE", "l", "0", "-1") == [b"r"]


def test_a_moved_element_keeps_its_identity() -> None:
    mesh, a, b = pair()
    a("RPUSH", "s", "x", "y")
    mesh.heal()
    names = identities(a, "s")
    b("LMOVE", "s", "d", "LEFT", "RIGHT")
    mesh.heal()
    assert identities(a, "d") == identities(b, "d") == names[:1]
    a("LMOVE", "d", "s", "LEFT", "LEFT")
    mesh.heal()
    assert identities(b, "s") == names
    assert mesh.ordered("LRANGE", "s", "0", "-1") == [b"x", b"y"]
    assert stand_ins(a, b) == 0


def test_a_copied_or_renamed_list_has_names_that_all_nodes_know() -> None:
    mesh, a, b = pair()
    a("RPUSH", "l", "x", "y", "z")
    mesh.heal()
    b("COPY", "l", "copy")
    b("RENAME", "l", "other")
    mesh.heal()
    assert identities(a, "copy") == identities(b, "copy")
    assert identities(a, "other") == identities(b, "other")
    assert not set(identities(a, "copy")) & set(identities(a, "other"))
    mesh.cut_all()
    a("LREM", "other", "1", "y")
    b("LPUSH", "other", "w")
    mesh.heal()
    assert mesh.ordered("LRANGE", "other", "0", "-1") == [b"w", b"x", b"z"]


def test_bits_of_two_nodes_are_both_set() -> None:
    mesh, a, b = pair()
    a("SET", "k", "\x00")
    mesh.heal()
    mesh.cut_all()
    a("SETBIT", "k", "0", "1")
    b("SETBIT", "k", "7", "1")
    mesh.heal()
    assert mesh.both("GET", "k") == b"\x81"
    assert stand_ins(a) == stand_ins(b) == 1


def test_bits_of_two_nodes_that_both_made_the_string() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    a("SETBIT", "k", "0", "1")
    b("SETBIT", "k", "7", "1")
    mesh.heal()
    assert mesh.both("GET", "k") == b"\x81"


def test_elements_of_two_nodes_are_both_counted() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    a("PFADD", "h", "e1")
    b("PFADD", "h", "e2")
    mesh.heal_apart()
    assert mesh.both("PFCOUNT", "h") == 2


def test_an_increment_that_an_append_had_not_seen_counts_on_what_it_made() -> None:
    mesh, a, b = pair()
    a("SET", "n", "5")
    mesh.heal()
    mesh.cut_all()
    a("INCR", "n")
    b("APPEND", "n", "0")
    mesh.heal()
    assert mesh.both("GET", "n") == b"51"


def test_an_append_folds_the_increments_it_had_seen() -> None:
    mesh, a, b = pair()
    a("SET", "n", "5")
    a("INCR", "n")
    mesh.heal()
    b("INCR", "n")
    b("APPEND", "n", "0")
    mesh.heal()
    a("INCR", "n")
    mesh.heal()
    assert mesh.both("GET", "n") == b"71"
    assert stand_ins(a, b) == 0


def test_increments_and_patches_of_one_unit_stay_in_order() -> None:
    mesh, a, b = pair()
    a("MULTI")
    for words in (("INCR", "n"), ("APPEND", "n", "0"), ("INCR", "n"), ("SETRANGE", "n", "0", "2"),
                  ("INCRBY", "n", "5"), ("SET", "m", "1"), ("INCR", "m"), ("APPEND", "m", "2"),
                  ("INCR", "m")):  # fmt: skip
        a(*words)
    a("EXEC")
    mesh.heal()
    assert mesh.both("MGET", "n", "m") == frozenset({b"26", b"23"})
    b("INCR", "n")
    mesh.heal()
    assert mesh.both("GET", "n") == b"27"


def test_a_patch_leaves_the_deadline_to_concurrent_claims() -> None:
    mesh, a, b = pair()
    a("SET", "k", "v", "PXAT", mesh.deadline(50_000))
    a("SET", "endless", "v")
    mesh.heal()
    mesh.cut_all()
    a("APPEND", "k", "w")
    a("APPEND", "endless", "w")
    b("PEXPIREAT", "k", mesh.deadline(20_000))
    b("PEXPIREAT", "endless", mesh.deadline(20_000))
    mesh.heal()
    assert mesh.both("GET", "k") == mesh.both("GET", "endless") == b"vw"
    assert mesh.both("PEXPIRETIME", "k") == int(mesh.deadline(20_000))
    assert mesh.both("PEXPIRETIME", "endless") == int(mesh.deadline(20_000))


def test_a_deletion_that_is_newer_beats_a_patch() -> None:
    mesh, a, b = pair()
    a("SET", "k", "v")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    a("APPEND", "k", "w")
    mesh.at(1001)
    b("DEL", "k")
    mesh.heal()
    assert mesh.both("EXISTS", "k") == 0


def test_a_deletion_that_is_older_lets_a_patch_make_the_string() -> None:
    mesh, a, b = pair()
    a("SET", "k", "v")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    a("DEL", "k")
    mesh.at(1001)
    b("APPEND", "k", "w")
    mesh.heal_apart()
    assert a("GET", "k") == b"w"
    assert stand_ins(a) == 1
    b("SET", "k", "anew")
    mesh.heal()
    assert mesh.both("GET", "k") == b"anew"


def test_a_patched_string_is_saved_with_its_deadline() -> None:
    mesh, a, _b = pair()
    a("SET", "k", "v", "PXAT", mesh.deadline(50_000))
    a("APPEND", "k", "w")
    mesh.heal()
    a.save()
    mesh.crash(0, a.saves[-1])
    a.activate()
    mesh.heal()
    assert mesh.both("GET", "k") == b"vw"
    assert mesh.both("PEXPIRETIME", "k") == int(mesh.deadline(50_000))


def test_deadlines_of_fields_are_equal_and_go_with_a_new_value() -> None:
    mesh, a, b = pair()
    a("HSET", "h", "f", "1", "g", "2")
    mesh.heal()
    b("HPEXPIREAT", "h", mesh.deadline(50_000), "FIELDS", "2", "f", "g")
    mesh.heal()
    a("HSET", "h", "g", "3")
    mesh.heal()
    deadlines = [int(mesh.deadline(50_000)), -1]
    assert mesh.ordered("HPEXPIRETIME", "h", "FIELDS", "2", "f", "g") == deadlines
    assert stand_ins(a, b) == 0


def test_a_deadline_does_not_touch_the_fields_own_dots() -> None:
    """A removal that had seen the value takes it, whatever deadline it got meanwhile."""
    mesh, a, b = pair()
    a("HSET", "h", "f", "1", "g", "2")
    mesh.heal()
    mesh.cut_all()
    a("HDEL", "h", "f")
    b("HPEXPIREAT", "h", mesh.deadline(50_000), "FIELDS", "1", "f")
    mesh.heal()
    assert mesh.both("HGETALL", "h") == {b"g": b"2"}
    mesh.cut_all()
    a("DEL", "h")
    b("HPEXPIREAT", "h", mesh.deadline(50_000), "FIELDS", "1", "g")
    mesh.heal()
    assert mesh.both("EXISTS", "h") == 0


def test_two_deadlines_of_one_hash_are_a_conflict() -> None:
    mesh, a, b = pair()
    a("HSET", "h", "f", "1")
    mesh.heal()
    mesh.cut_all()
    a("HPEXPIREAT", "h", mesh.deadline(50_000), "FIELDS", "1", "f")
    b("HPEXPIREAT", "h", mesh.deadline(60_000), "FIELDS", "1", "f")
    mesh.heal_apart()
    assert stand_ins(a) == stand_ins(b) == 1


def test_fields_past_their_deadline_go_on_every_node_and_the_type_stays_claimed() -> None:
    mesh, a, b = pair()
    a("HSET", "h", "f", "1", "g", "2")
    a("HPEXPIREAT", "h", mesh.deadline(2_000), "FIELDS", "1", "f")
    mesh.heal()
    mesh.at(3_000)
    assert mesh.both("HGETALL", "h") == {b"g": b"2"}
    a("HPEXPIREAT", "h", mesh.deadline(4_000), "FIELDS", "1", "g")
    mesh.heal()
    mesh.at(5_000)
    assert mesh.both("EXISTS", "h") == 0
    b("SADD", "h", "m")
    mesh.heal()
    assert mesh.both("SMEMBERS", "h") == {b"m"}


def test_deadlines_of_fields_survive_a_restart_and_copies() -> None:
    mesh, a, b = pair()
    a("HSET", "h", "f", "1", "g", "2", "e", "3")
    a("HPEXPIREAT", "h", mesh.deadline(90_000), "FIELDS", "1", "g")
    a("HPEXPIREAT", "h", mesh.deadline(50_000), "FIELDS", "1", "e")
    mesh.heal()
    b("COPY", "h", "copy")
    mesh.heal()
    a.save()
    mesh.crash(0, a.saves[-1])
    a.activate()
    mesh.heal()
    deadlines = [-1, int(mesh.deadline(90_000)), int(mesh.deadline(50_000))]
    for key in ("h", "copy"):
        assert mesh.ordered("HPEXPIRETIME", key, "FIELDS", "3", "f", "g", "e") == deadlines
        assert mesh.both("HGETALL", key) == {b"f": b"1", b"g": b"2", b"e": b"3"}
    b("HSET", "h", "g", "4")
    mesh.heal()
    assert mesh.both("HGETALL", "h") == {b"f": b"1", b"g": b"4", b"e": b"3"}
