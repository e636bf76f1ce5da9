"""The oracle gives the promised outcome of every worked example, from units built by hand."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from tests.support.oracle import ABSENT, Act, Oracle, Unit
from tests.support.oracle_text import decimal_text

K = b"k"


class Origin:
    """Builds one stream's units and records them."""

    def __init__(self, oracle: Oracle, name: str) -> None:
        self.oracle = oracle
        self.stream = name.encode() * 16
        self.previous = 0

    def __call__(self, ms: int, *acts: Act, seen: tuple[Unit, ...] = ()) -> Unit:
        """Publish a unit at that time, by one who had applied `seen` and its own past."""
        context = {self.stream: self.previous} if self.previous else {}
        for unit in seen:
            context[unit.stream] = max(unit.stamp, context.get(unit.stream, 0))
        unit = Unit(self.stream, ms << 20, context, acts)
        self.previous = unit.stamp
        self.oracle.record(unit)
        return unit


class Trio:
    """Three origins and the oracle that hears of all they publish."""

    def __init__(self) -> None:
        self.oracle = Oracle()
        self.a, self.b, self.c = (Origin(self.oracle, name) for name in "abc")

    def value(self, key: bytes = K, now_ms: int | None = None) -> Any:
        """What shows of a key of database 0, without its deadline; None if absent."""
        return self.oracle.expected(now_ms).get((0, key), (None, None, 0))[1]

    def deadline(self) -> int:
        return self.oracle.expected()[0, K][2]


@pytest.fixture
def t() -> Trio:
    return Trio()


def put(value: Any, deadline: int = 0, key: bytes = K, creation: bool = False) -> Act:
    return Act("PUT", 0, key, (value, deadline), creation)


def new(op: str, *args: Any, key: bytes = K) -> Act:
    return Act(op, 0, key, args, creation=True)


def act(op: str, *args: Any, key: bytes = K) -> Act:
    return Act(op, 0, key, args)


DEL_STRING = act("DROP", True)
DEL = act("DROP", False)


# --- strings ---


def test_s1_the_later_of_two_concurrent_sets_shows(t: Trio) -> None:
    t.a(1000, put(b"a"))
    t.b(1001, put(b"b"))
    assert t.value() == b"b"


def test_the_uuid_decides_between_equal_stamps(t: Trio) -> None:
    t.b(1000, put(b"b"))
    t.a(1000, put(b"a"))
    assert t.value() == b"b"


@pytest.mark.parametrize(("del_ms", "set_ms", "shown"), [(1005, 1001, None), (1001, 1005, b"w")])
def test_s2_del_of_a_string_competes_by_stamp(
    t: Trio, del_ms: int, set_ms: int, shown: bytes | None
) -> None:
    base = t.a(1000, put(b"v"))
    t.a(del_ms, DEL_STRING)
    t.b(set_ms, put(b"w"), seen=(base,))
    assert t.value() == shown


def test_s3_a_del_beats_what_it_has_seen_whatever_the_clocks_say(t: Trio) -> None:
    base = t.a(2000, put(b"v"))
    t.b(1500, DEL_STRING, seen=(base,))
    assert t.value() is None


def test_setnx_on_both_sides_ends_with_the_higher_stamp(t: Trio) -> None:
    t.b(1001, put(b"b", creation=True))
    t.a(1000, put(b"a", creation=True))
    assert t.value() == b"b"


@pytest.mark.parametrize(("set_ms", "source"), [(1002, b"z"), (1000, None)])
def test_rename_against_set_of_its_source(t: Trio, set_ms: int, source: bytes | None) -> None:
    """The DEL inside RENAME writes ABSENT, which a SET with a smaller stamp does not survive."""
    base = t.a(999, put(b"old", key=b"a"))
    t.a(1001, act("DROP", True, key=b"a"), put(b"old", key=b"b"))
    t.b(set_ms, put(b"z", key=b"a"), seen=(base,))
    assert (t.value(b"a"), t.value(b"b")) == (source, b"old")


# --- counters ---


def test_c1_concurrent_increments_add_up(t: Trio) -> None:
    base = t.a(1000, put(b"10"))
    t.a(1001, act("INCR", 5))
    t.b(1001, act("INCR", 7), seen=(base,))
    assert t.value() == b"22"
    assert t.oracle.expected_counters() == {(0, K, None): 22}


def test_c2_c3_set_and_del_clear_only_the_increments_they_saw(t: Trio) -> None:
    base = t.a(1000, put(b"10"))
    t.a(1001, put(b"100"))
    t.b(1001, act("INCR", 7), seen=(base,))
    assert t.value() == b"107"
    other = Trio()
    base = other.a(1000, put(b"10"))
    other.a(1001, DEL_STRING)
    other.b(1001, act("INCR", 7), seen=(base,))
    assert other.value() == b"7"


@pytest.mark.parametrize(("t1", "t2", "shown"), [(1000, 1001, b"3"), (1005, 1001, b"2")])
def test_c4_an_increment_counts_on_whichever_set_wins(
    t: Trio, t1: int, t2: int, shown: bytes
) -> None:
    t.a(t1, put(b"1"))
    t.b(t2, put(b"2"))
    t.b(t2 + 1, act("INCR", 1))
    assert t.value() == shown


def test_c5_no_increment_is_lost_or_counted_twice(t: Trio) -> None:
    base = t.a(1, put(b"0"))
    for ms in range(2, 1002):
        t.a(ms, act("INCR", 1))
        t.b(ms, act("INCR", 1), seen=(base,))
    assert t.value() == b"2000"


def test_c6_floats_are_exact_decimals(t: Trio) -> None:
    base = t.a(1000, put(b"0"))
    for ms in (1001, 1002, 1003):
        t.a(ms, act("INCRF", "0.1"))
    t.b(1001, act("INCRF", b"0.2"), seen=(base,))
    assert t.value() == b"0.5"
    assert t.oracle.expected_counters() == {(0, K, None): Fraction(1, 2)}


def test_c7_a_sum_is_clipped_when_shown_and_exact_inside(t: Trio) -> None:
    base = t.a(1000, put(b"%d" % (2**63 - 2)))
    t.a(1001, act("INCR", 1))
    b = t.b(1001, act("INCR", 1), seen=(base,))
    assert t.value() == b"%d" % (2**63 - 1)
    assert t.oracle.expected_counters() == {(0, K, None): 2**63}
    t.a(1002, act("INCR", -1), seen=(b,))
    t.a(1003, act("INCR", -1), seen=(b,))
    assert t.value() == b"%d" % (2**63 - 2)


def test_c8_set_that_saw_half_of_the_increments(t: Trio) -> None:
    base = t.a(1000, put(b"0"))
    first = t.a(1001, act("INCR", 1))
    t.a(1002, act("INCR", 1))
    t.b(1003, put(b"100"), seen=(base, first))
    assert t.value() == b"101"


def test_increments_stay_hidden_under_a_text_and_count_again_on_a_number(t: Trio) -> None:
    base = t.a(1000, put(b"1"))
    text = t.a(1001, put(b"abc"))
    t.b(1001, act("INCR", 2), seen=(base,))
    assert t.value() == b"abc"
    assert t.oracle.expected_counters() == {}
    t.c(1002, put(b"5"), seen=(base, text))
    assert t.value() == b"7"


def test_an_integer_and_a_float_increment_on_one_register(t: Trio) -> None:
    base = t.a(1000, put(b"10"))
    t.a(1001, act("INCR", 5))
    t.b(1001, act("INCRF", "0.25"), seen=(base,))
    assert t.value() == b"15.25"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("3.0e3", b"3000"),
        ("-1.50", b"-1.5"),
        ("-1e-20", b"0"),
        ("1e-17", b"0.00000000000000001"),
        ("0.000000000000000005", b"0"),
        ("0.000000000000000015", b"0.00000000000000002"),
        ("100", b"100"),
        ("123456789012345678901234567890.5", b"123456789012345678901234567890.5"),
    ],
)
def test_decimals_are_printed_with_17_places_half_to_even(number: str, text: bytes) -> None:
    assert decimal_text(Fraction(number)) == text


# --- sets ---


def test_se1_srem_takes_what_it_saw(t: Trio) -> None:
    base = t.a(1, new("SADD", b"a", b"b"))
    t.a(3, act("SREM", b"a"))
    t.b(3, act("SADD", b"c"), seen=(base,))
    t.a(4, act("SREM", b"c"))
    assert t.value() == {b"b", b"c"}
    assert t.oracle.expected_elements() == {(0, K): {b"b", b"c"}}


def test_se2_a_concurrent_re_add_survives(t: Trio) -> None:
    base = t.a(1, new("SADD", b"a"))
    t.a(2, act("SREM", b"a"))
    t.b(2, act("SADD", b"a"), seen=(base,))
    assert t.value() == {b"a"}


def test_se3_del_of_a_set_spares_what_it_had_not_seen(t: Trio) -> None:
    base = t.a(1, new("SADD", b"a"))
    t.a(9, DEL)
    t.b(2, act("SADD", b"z"), seen=(base,))
    assert t.value() == {b"z"}


def test_se4_the_same_member_popped_twice(t: Trio) -> None:
    base = t.a(1, new("SADD", b"a", b"b"))
    t.a(2, act("SREM", b"a"))
    t.b(2, act("SREM", b"a"), seen=(base,))
    assert t.value() == {b"b"}


def test_se5_a_member_moved_to_two_places(t: Trio) -> None:
    base = t.a(1, new("SADD", b"m", b"n"))
    t.a(2, act("SREM", b"m"), new("SADD", b"m", key=b"x"))
    t.b(2, act("SREM", b"m"), new("SADD", b"m", key=b"y"), seen=(base,))
    assert [t.value(key) for key in (K, b"x", b"y")] == [{b"n"}, {b"m"}, {b"m"}]


def test_se6_a_removal_needs_no_order_of_arrival(t: Trio) -> None:
    oracle = Oracle()
    add = Unit(b"a" * 16, 1, {}, (new("SADD", b"a"),))
    oracle.record(Unit(b"b" * 16, 2, {b"a" * 16: 1}, (act("SREM", b"a"),)))
    oracle.record(add)
    assert oracle.expected() == {}


def test_a_stored_result_replaces_the_key(t: Trio) -> None:
    base = t.a(1, new("SADD", b"a"))
    t.a(2, put(frozenset({b"r"}), 5000))
    t.b(2, act("SADD", b"z"), seen=(base,))
    assert t.oracle.expected() == {(0, K): ("set", {b"r", b"z"}, 5000)}


# --- hashes ---


def hash_of(**fields: str) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.encode(), value.encode()) for name, value in sorted(fields.items()))


@pytest.mark.parametrize(
    ("base", "at_a", "at_b", "shown"),
    [
        ("1", act("HSET", (b"g", b"2")), act("HSET", (b"h", b"3")), hash_of(f="1", g="2", h="3")),
        ("1", act("HDEL", b"f"), act("HSET", (b"f", b"v2")), hash_of(f="v2")),
        ("5", act("HDEL", b"f"), act("HINCR", b"f", 2), hash_of(f="2")),
        ("1", DEL, act("HSET", (b"g", b"1")), hash_of(g="1")),
        ("3", act("HSET", (b"f", b"a")), act("HINCR", b"f", 1), hash_of(f="a")),
        ("3", act("HSET", (b"f", b"8")), act("HINCR", b"f", 1), hash_of(f="9")),
        ("3", act("HINCRF", b"f", "0.5"), act("HINCR", b"f", 1), hash_of(f="4.5")),
    ],
)
def test_hash_examples(t: Trio, base: str, at_a: Act, at_b: Act, shown: object) -> None:
    start = t.a(1, new("HSET", (b"f", base.encode())))
    t.a(2, at_a)
    t.b(3, at_b, seen=(start,))
    assert t.value() == shown


def test_hset_absorbs_the_increments_it_saw(t: Trio) -> None:
    t.a(1, new("HINCR", b"f", 5))
    t.a(2, act("HSET", (b"f", b"1")))
    t.a(3, act("HINCR", b"f", 1))
    assert t.value() == hash_of(f="2")
    assert t.oracle.expected_counters() == {(0, K, b"f"): 2}


# --- types ---


def test_k1_k2_the_newest_claim_is_the_type_even_when_its_slot_is_empty(t: Trio) -> None:
    add = t.a(1, new("SADD", b"a"))
    made = t.b(2, new("HSET", (b"f", b"v")))
    assert t.oracle.expected() == {(0, K): ("hash", hash_of(f="v"), 0)}
    emptied = t.c(5, act("HDEL", b"f"), seen=(add, made))
    assert t.oracle.expected() == {}
    t.c(6, new("SADD", b"z"), seen=(add, made, emptied))
    assert t.value() == {b"z"}, "the creation cleared the hidden set"


def test_del_after_a_clash_clears_both_slots(t: Trio) -> None:
    add = t.a(1, new("SADD", b"a"))
    t.b(2, new("HSET", (b"f", b"v")))
    t.b(5, DEL, seen=(add,))
    assert t.oracle.live() == []


def test_with_no_claim_left_the_first_slot_that_holds_something_shows(t: Trio) -> None:
    """b clears a's claim; c has b's write before a's, and deletes what it sees."""
    first = t.a(1, new("SADD", b"a"))
    second = t.b(2, act("SADD", b"b"), seen=(first,))
    t.c(3, DEL, seen=(second,))
    assert t.oracle.expected() == {(0, K): ("set", {b"a"}, 0)}


def test_a_register_that_lost_still_claims_the_type(t: Trio) -> None:
    """SET at 1003 loses to the DEL at 1005, yet is newer than the set: the key is absent."""
    base = t.a(1000, put(b"v"))
    t.a(1005, DEL_STRING)
    t.b(1003, put(b"w"), seen=(base,))
    t.c(1001, act("DROP", True), new("SADD", b"x"), seen=(base,))
    assert t.oracle.expected() == {}


# --- deadlines ---


@pytest.mark.parametrize(
    ("at_a", "at_b", "deadline"),
    [
        (act("EXPIRE", 10_010), act("EXPIRE", 10_050), 10_050),
        (act("EXPIRE", 0), act("EXPIRE", 10_010), 0),
        (put(b"w"), act("EXPIRE", 10_050), 0),
        (put(b"w", 10_010), act("EXPIRE", 10_050), 10_050),
    ],
    ids=["T1", "T7", "T2", "T10"],
)
def test_the_longest_deadline_wins(t: Trio, at_a: Act, at_b: Act, deadline: int) -> None:
    base = t.a(1, put(b"v", 10_005))
    t.a(2, at_a)
    t.b(3, at_b, seen=(base,))
    assert t.deadline() == deadline


def test_a_later_deadline_write_clears_the_ones_it_saw(t: Trio) -> None:
    t.a(1, put(b"v", 9000))
    t.a(2, act("EXPIRE", 5000))
    assert t.deadline() == 5000


def test_t3_t4_a_key_is_absent_once_the_clock_has_passed_its_longest_deadline(t: Trio) -> None:
    base = t.a(1, put(b"v", 100))
    assert t.value(now_ms=100) == b"v"
    assert t.value(now_ms=101) is None
    t.b(99, act("EXPIRE", 1100), seen=(base,))
    assert t.value(now_ms=1100) == b"v"
    assert t.value(now_ms=1101) is None


def test_t5_a_write_to_an_expired_key_creates_it(t: Trio) -> None:
    t.a(1, new("SADD", b"old"), act("EXPIRE", 100))
    t.a(200, new("SADD", b"x"))
    assert t.oracle.expected(300) == {(0, K): ("set", {b"x"}, 0)}


def test_t6_t9_no_orphan_deadline_hits_a_new_key(t: Trio) -> None:
    base = t.a(1, new("SADD", b"a"))
    gone = t.a(2, DEL)
    orphan = t.b(2, act("EXPIRE", 10), seen=(base,))
    t.c(3, new("SADD", b"y"), seen=(gone,))  # T9: has not seen the EXPIRE
    assert t.oracle.expected(20) == {(0, K): ("set", {b"y"}, 0)}
    t.c(4, act("SREM", b"y"))
    t.c(5, new("SADD", b"z"), seen=(orphan,))  # T6: has seen it
    assert t.oracle.expected(20) == {(0, K): ("set", {b"z"}, 0)}


@pytest.mark.parametrize(
    ("slot", "make", "again", "shown"),
    [
        ("hash", new("HINCR", b"f", 5), act("HINCR", b"f", 1), ((b"f", b"1"),)),
        ("hash", new("HSET", (b"f", b"5")), act("HINCRF", b"f", "0.5"), ((b"f", b"0.5"),)),
        ("set", new("SADD", b"f"), act("SADD", b"f"), {b"f"}),
        ("zset", new("ZADD", "set", (b"f", 5.0)), act("ZINCR", b"f", 1.0), (b"f", b"1")),
        ("zset", new("ZADD", "set", (b"f", 5.0)), act("ZADD", "set", (b"f", 1.0)), (b"f", b"1")),
    ],
)
def test_a_place_past_its_deadline_is_made_anew(
    t: Trio, slot: str, make: Act, again: Act, shown: object
) -> None:
    base = t.a(1, make, act("HEXPIRE", slot, 100, b"f"))
    in_time = t.c(100, again, seen=(base,))  # it is the old one still
    assert t.value(now_ms=200) is None
    t.b(200, again, seen=(base, in_time))
    assert t.value(now_ms=300) == shown


def test_a_place_is_made_anew_only_if_all_deadlines_that_were_seen_are_past(t: Trio) -> None:
    base = t.a(1, new("HINCR", b"f", 5), act("HEXPIRE", "hash", 100, b"f"))
    longer = t.b(90, act("HEXPIRE", "hash", 1000, b"f"), seen=(base,))
    t.b(200, act("HINCR", b"f", 1))
    assert t.value(now_ms=300) == ((b"f", b"6"),)
    t.c(201, act("HINCR", b"f", 1), seen=(base,))  # the longer one is of what c has not seen
    assert t.value(now_ms=300) == ((b"f", b"2"),)
    assert longer.stamp in {one.dot.stamp for one in t.oracle.live()}


# --- flush, units, policy ---


def test_flush_clears_what_it_saw_in_its_database(t: Trio) -> None:
    base = t.a(1, put(b"1", key=b"p"), Act("SADD", 1, b"s", (b"m",), creation=True))
    t.b(3, Act("FLUSH", 0), seen=(base,))
    t.a(2, put(b"v"))
    assert t.oracle.expected() == {
        (0, K): ("string", b"v", 0),
        (1, b"s"): ("set", {b"m"}, 0),
    }


def test_a_removal_clears_what_earlier_acts_of_its_unit_added_and_nothing_later(t: Trio) -> None:
    t.a(1, new("SADD", b"x", b"y"), act("SREM", b"x"), act("SADD", b"z"))
    assert t.value() == {b"y", b"z"}
    t.a(2, act("SADD", b"q"), Act("FLUSH", 0), put(b"1"), act("INCR", 1))
    assert t.oracle.expected() == {(0, K): ("string", b"2", 0)}


def test_the_last_act_of_a_unit_wins(t: Trio) -> None:
    t.a(1, put(b"1"), put(b"2"))
    assert t.value() == b"2"


@pytest.mark.parametrize(("ms", "shown"), [(9, None), (5, {b"z"})])
def test_newest_wins_clears_older_writes_it_had_not_seen(
    t: Trio, ms: int, shown: set[bytes] | None
) -> None:
    base = t.a(1, new("SADD", b"a"))
    t.a(ms, Act("DROP", 0, K, (False,), newest_wins=True))
    t.b(7, act("SADD", b"z"), seen=(base,))
    assert t.value() == shown


# --- the log ---


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (Act("GET", 0, K), "unknown op 'GET'"),
        (Act("SREM", 0, K, (b"m",), creation=True), "cannot create"),
        (Act("PUT", 0, K, (frozenset(), 0)), "carries nothing"),
        (Act("SADD", 0, K), "carries nothing"),
        (Act("EXPIRE", 0, K, (1, 2)), "takes 1 arguments"),
        (Act("INCRF", 0, K, ("0.1 ",)), "not a decimal"),
    ],
)
def test_what_no_node_can_have_published_is_refused(wrong: Act, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Oracle().record(Unit(b"a" * 16, 1, {}, (wrong,)))


def test_a_stamp_is_used_once_and_never_seen_by_its_own_unit() -> None:
    oracle = Oracle()
    oracle.record(Unit(b"a" * 16, 1, {}))
    with pytest.raises(ValueError, match="twice"):
        oracle.record(Unit(b"a" * 16, 1, {}))
    with pytest.raises(ValueError, match="seen itself"):
        oracle.record(Unit(b"a" * 16, 2, {b"a" * 16: 2}))


def test_a_context_is_copied_when_it_is_recorded(t: Trio) -> None:
    moving: dict[bytes, int] = {}
    t.oracle.record(Unit(b"z" * 16, 2, moving, (DEL,)))
    moving[b"a" * 16] = 99 << 20
    t.a(1, new("SADD", b"a"))
    assert t.value() == {b"a"}


def test_explain_tells_who_cleared_what(t: Trio) -> None:
    base = t.a(1, put(b"v"))
    t.b(2, DEL_STRING, seen=(base,))
    assert t.oracle.explain(0, K) == [
        "1.0@61616161#0 ('string', 'register') = b'v': cleared by 2.0@62626262#0",
        "1.0@61616161#0 ('ttl',) = 0: cleared by 2.0@62626262#0",
        f"2.0@62626262#0 ('string', 'register') = {ABSENT!r}: lives",
    ]
