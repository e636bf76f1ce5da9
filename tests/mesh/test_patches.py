"""Strings in place: APPEND, SETRANGE, SETBIT, BITFIELD and what meets them (semantics.md 3)."""

from __future__ import annotations

import random
from itertools import permutations

import pytest

from node.digest import digest_of
from tests.mesh.commands import Client
from tests.mesh.stories import conflicts, pair, trio
from tests.support.seeds import seeds
from tests.support.simnode import SimNode
from tests.support.simulation import World

SEEDS = seeds(25)
SHARDS = 4


def test_chunks_of_two_nodes_are_appended_in_the_order_of_their_stamps() -> None:
    for first, second in ((1000, 1001), (1001, 1000)):
        mesh, a, b = pair()
        a("SET", "k", "x")
        mesh.heal()
        mesh.cut_all()
        mesh.at(first)
        a("APPEND", "k", "a")
        mesh.at(second)
        b("APPEND", "k", "b")
        mesh.heal()
        assert mesh.both("GET", "k") == (b"xab" if first < second else b"xba")


def test_bits_of_two_nodes_are_both_set() -> None:
    mesh, a, b = pair()
    a("SET", "k", "\x00")
    mesh.heal()
    mesh.cut_all()
    a("SETBIT", "k", "0", "1")
    b("SETBIT", "k", "7", "1")
    mesh.heal()
    assert mesh.both("GET", "k") == b"\x81"


def test_bits_of_two_nodes_that_both_made_the_string() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    a("SETBIT", "k", "0", "1")
    b("SETBIT", "k", "7", "1")
    mesh.heal()
    assert mesh.both("GET", "k") == b"\x81"


def test_increments_of_a_field_add_up_and_saturate() -> None:
    mesh, a, b = pair()
    a("BITFIELD", "k", "SET", "u8", "0", "10")
    a("BITFIELD", "full", "SET", "u8", "0", "250")
    mesh.heal()
    mesh.cut_all()
    a("BITFIELD", "k", "INCRBY", "u8", "0", "5")
    b("BITFIELD", "k", "INCRBY", "u8", "0", "7")
    a("BITFIELD", "full", "OVERFLOW", "SAT", "INCRBY", "u8", "0", "4")
    b("BITFIELD", "full", "OVERFLOW", "SAT", "INCRBY", "u8", "0", "3")
    mesh.heal()
    assert mesh.ordered("BITFIELD", "k", "GET", "u8", "0") == [22]
    assert mesh.ordered("BITFIELD", "full", "GET", "u8", "0") == [255]


def test_ranges_of_two_nodes_are_both_written_the_later_over_the_earlier() -> None:
    mesh, a, b = pair()
    a("SET", "k", "........")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    a("SETRANGE", "k", "0", "aaaa")
    mesh.at(1001)
    b("SETRANGE", "k", "2", "bbbb")
    mesh.heal()
    assert mesh.both("GET", "k") == b"aabbbb.."


def test_mixed_patches_of_one_string_go_by_their_stamps() -> None:
    mesh, a, b, c = trio()
    a("SET", "k", "abc")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1002)
    a("SETRANGE", "k", "4", "Z")
    mesh.at(1001)
    b("APPEND", "k", "1")
    mesh.at(1003)
    c("APPEND", "k", "2")
    mesh.at(1004)
    b("SETBIT", "k", "2", "0")
    mesh.heal()
    assert mesh.both("GET", "k") == b"Abc1Z2"


def test_patches_come_in_any_order() -> None:
    """All orders of three streams, each of several patches."""
    texts: set[object] = set()
    for order in permutations(range(3)):
        mesh, a, b, c = trio()
        a("SET", "k", "0123456789")
        mesh.heal()
        mesh.cut_all()
        nodes = (a, b, c)
        for step in range(4):
            for number, node in enumerate(nodes):
                mesh.at(1000 + step * 10 + (number * 7) % 5)
                words = (("APPEND", "k", node.name), ("SETRANGE", "k", str(number), node.name * 2))
                node(*words[(step + number) % 2])
        late = mesh.add("late")
        mesh.cut_all()
        for number in order:
            mesh.up(nodes[number], late)
        seen = late("GET", "k")
        mesh.heal()
        assert mesh.both("GET", "k") == seen
        texts.add(seen)
    assert len(texts) == 1


def test_a_set_clears_the_patches_that_it_had_seen() -> None:
    mesh, a, b = pair()
    a("SET", "k", "x")
    a("APPEND", "k", "a")
    mesh.heal()
    b("SET", "k", "y")
    mesh.heal()
    assert mesh.both("GET", "k") == b"y"
    a("APPEND", "k", "z")
    mesh.heal()
    assert mesh.both("GET", "k") == b"yz"


def test_a_set_that_had_not_seen_a_chunk_competes_and_the_chunk_counts_on_it() -> None:
    """As an increment does (C2): whichever of the two has the higher stamp."""
    for first, second in ((1000, 1001), (1001, 1000)):
        mesh, a, b = pair()
        a("SET", "k", "x")
        mesh.heal()
        mesh.cut_all()
        mesh.at(first)
        a("SET", "k", "new")
        mesh.at(second)
        b("APPEND", "k", "+")
        b("SETRANGE", "k", "0", "N")
        mesh.heal()
        assert mesh.both("GET", "k") == b"New+"


def test_of_two_concurrent_sets_the_newer_shows_with_all_patches() -> None:
    """As C4: the chunk was made on the loser."""
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(1001)
    a("SET", "k", "a")
    mesh.at(1000)
    b("SET", "k", "b")
    b("APPEND", "k", "+")
    mesh.heal()
    assert mesh.both("GET", "k") == b"a+"


def test_a_deletion_clears_only_the_patches_that_it_had_seen() -> None:
    """As C3, whatever the stamps."""
    for first, second in ((1000, 1001), (1001, 1000)):
        mesh, a, b = pair()
        a("SET", "k", "v")
        a("APPEND", "k", "seen")
        mesh.heal()
        mesh.cut_all()
        mesh.at(first)
        a("APPEND", "k", "w")
        mesh.at(second)
        b("DEL", "k")
        mesh.heal()
        assert mesh.both("GET", "k") == b"w"
        a("DEL", "k")
        mesh.heal()
        assert mesh.both("EXISTS", "k") == 0
        b("APPEND", "k", "anew")
        mesh.heal()
        assert mesh.both("GET", "k") == b"anew"


def test_an_increment_and_a_chunk_that_had_not_seen_each_other() -> None:
    """Both are carried out, in the order of their stamps."""
    for first, second, text in ((1000, 1001, b"60"), (1001, 1000, b"51")):
        mesh, a, b = pair()
        a("SET", "n", "5")
        mesh.heal()
        mesh.cut_all()
        mesh.at(first)
        a("INCR", "n")
        mesh.at(second)
        b("APPEND", "n", "0")
        mesh.heal()
        assert mesh.both("GET", "n") == text


def test_a_chunk_stands_behind_the_increments_it_had_seen() -> None:
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


def test_an_increment_of_a_text_that_a_concurrent_chunk_made_stays_hidden() -> None:
    mesh, a, b = pair()
    a("SET", "n", "5")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    b("APPEND", "n", "x")
    mesh.at(1001)
    a("INCR", "n")
    mesh.heal()
    assert mesh.both("GET", "n") == b"5x"
    b("SETRANGE", "n", "1", "1")
    mesh.heal()
    assert mesh.both("GET", "n") == b"51"


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
    b.save()
    mesh.crash(1, b.saves[-1])
    b.activate()
    b("INCR", "m")
    mesh.heal()
    assert mesh.both("MGET", "n", "m") == frozenset({b"27", b"24"})


def test_a_float_counter_that_was_written_in_place_keeps_its_exact_sum() -> None:
    mesh, a, b = pair()
    a("SET", "f", "10.50")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    a("INCRBYFLOAT", "f", "0.1")
    mesh.at(1001)
    b("APPEND", "f", "1")
    mesh.at(1002)
    a("INCRBYFLOAT", "f", "0.2")
    mesh.heal()
    assert mesh.both("GET", "f") == b"10.81"


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


def test_a_string_made_in_place_has_no_deadline_of_before() -> None:
    mesh, a, b = pair()
    a("SET", "k", "v", "PXAT", mesh.deadline(50_000))
    mesh.heal()
    a("DEL", "k")
    a("APPEND", "k", "w")
    mesh.heal()
    assert mesh.both("PTTL", "k") == -1
    mesh.cut_all()
    a("DEL", "k")
    b("PEXPIREAT", "k", mesh.deadline(60_000))
    a("APPEND", "k", "x")
    mesh.heal()
    assert mesh.both("GET", "k") == b"x"
    assert mesh.both("PTTL", "k") == -1


def test_patches_travel_with_a_transfer_and_are_joined() -> None:
    """Each side has patches that the other lacks, and has lost the frames; one was cleared."""
    mesh, a, b = pair()
    a("SET", "k", "x")
    a("SET", "gone", "x")
    a("APPEND", "gone", "+")
    mesh.heal()
    mesh.cut_all()
    mesh.at(1000)
    a("APPEND", "k", "1")
    a("SET", "gone", "new")
    mesh.at(1001)
    b("APPEND", "k", "2")
    b("APPEND", "gone", "-")
    mesh.at(1002)
    a("SETRANGE", "k", "0", "X")
    for number, node in enumerate((a, b)):
        node.save()
        mesh.crash(number, node.saves[-1])
        node.activate()
    mesh.heal()
    assert mesh.counts["resync"] > 0
    assert mesh.both("GET", "k") == b"X12"
    assert mesh.both("GET", "gone") == b"new-"
    late = mesh.add("late")
    mesh.heal()
    assert late("GET", "k") == b"X12"
    late("APPEND", "k", "3")
    mesh.heal()
    assert mesh.both("GET", "k") == b"X123"


def test_a_patch_that_a_waiting_removal_had_seen_is_dropped() -> None:
    mesh, a, b, c = trio()
    a("SET", "k", "x")
    mesh.heal()
    mesh.cut_all()
    a("APPEND", "k", "a")
    mesh.up(a, b)
    b("DEL", "k")
    mesh.up(b, c)
    c("APPEND", "k", "c")
    mesh.heal()
    assert mesh.both("GET", "k") == b"c"


def test_a_string_that_is_hidden_keeps_its_patches() -> None:
    mesh, a, b = pair()
    mesh.cut_all()
    mesh.at(1000)
    a("SET", "k", "x")
    a("APPEND", "k", "y")
    mesh.at(1001)
    b("SADD", "k", "m")
    mesh.heal()
    assert mesh.both("SMEMBERS", "k") == {b"m"}
    assert conflicts(a, "type_clash") + conflicts(b, "type_clash") > 0
    a.save()
    mesh.crash(0, a.saves[-1])
    a.activate()
    mesh.cut_all()
    b("DEL", "k")
    a("SREM", "k", "m")
    mesh.heal()
    assert mesh.both("EXISTS", "k") == 0


def test_a_big_log_that_both_sides_append_to_is_the_same_everywhere() -> None:
    """And nothing is replayed for each chunk: a second is far more than it needs."""
    mesh, a, b = pair()
    a("SET", "log", "." * 1000)
    mesh.heal()
    mesh.cut_all()
    for number in range(300):
        mesh.at(1000 + number)
        a("APPEND", "log", f"a{number} ")
        b("APPEND", "log", f"b{number} ")
    mesh.heal()
    text = mesh.both("GET", "log")
    assert isinstance(text, bytes)
    assert text.count(b" ") == 600


def words(rng: random.Random, client: Client, node: SimNode) -> tuple[str, ...]:
    """One random command on a few strings."""
    key = rng.choice("kl")
    return rng.choice([
        ("APPEND", key, rng.choice(["x", "7", "yz"])),
        ("APPEND", key, rng.choice(["x", "7", "yz"])),
        ("SETRANGE", key, str(rng.randrange(6)), rng.choice(["A", "BC", "5"])),
        ("SETBIT", key, str(rng.randrange(40)), str(rng.randrange(2))),
        ("BITFIELD", key, "SET", "u5", str(rng.randrange(30)), str(rng.randrange(32))),
        ("BITFIELD", key, "OVERFLOW", rng.choice(["WRAP", "SAT", "FAIL"]), "INCRBY",
         rng.choice(["u4", "i9", "i64"]), str(rng.randrange(30)), str(rng.randrange(-9, 99))),
        ("SET", key, client.number()),
        ("SET", key, "text", "PXAT", client.soon(node)),
        ("INCRBY", key, client.number()),
        ("INCRBYFLOAT", key, "0.5"),
        ("DEL", key),
        ("PERSIST", key),
        ("RENAME", key, rng.choice("kl")),
        ("SADD", key, "m"),
    ])  # fmt: skip


def scenario(seed: int) -> World:
    """Writes everywhere on links that break, restarts and transfers; equal nodes after each."""
    world = World(seed, nodes=2 + seed % 2, backlog_bytes=(0, 3_000)[seed % 2])
    rng = world.random
    client = Client(rng, seed)
    pairs = list(world.wires)
    for _ in range(3):
        for _ in range(70):
            node = rng.choice(world.nodes)
            event = rng.random()
            if event < 0.55:
                if rng.random() < 0.1:
                    node("MULTI")
                    for _ in range(rng.randrange(2, 5)):
                        node(*words(rng, client, node))
                    node("EXEC")
                else:
                    node(*words(rng, client, node))
            else:
                world.shake(event, node, pairs)
            world.time_s += rng.randrange(3) / 1000.0
        if rng.random() < 0.4:
            world.restart(rng.randrange(len(world.nodes)))
        world.settle()
        world.check()
        assert len({digest_of(node.engine.databases) for node in world.nodes}) == 1
        for key in "kl":
            dumps = {bytes(dump) if isinstance(dump := node("DUMP", key), bytes) else b""
                     for node in world.nodes}  # fmt: skip
            assert len(dumps) == 1
    return world


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_writes_in_place_end_equal_and_as_the_oracle_says(shard: int) -> None:
    for seed in range(shard, SEEDS, SHARDS):
        try:
            scenario(seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
