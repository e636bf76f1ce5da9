"""HyperLogLog: which effects the commands leave, and that a peer makes equal bytes of them.

What the replies look like is in tests/commands/hyperloglog.txt.
"""

from __future__ import annotations

import pytest

from node.persist import canon
from node.ports import Seen
from node.resp.replies import NULL_ARRAY, Failure
from node.store.effect import PFMERGE, Effect
from node.store.events import NO_EVENT
from node.store.mutate_strings import COUNTED, TO_DENSE, merge_number
from tests.support.local import LocalNode


def copied(node: LocalNode) -> LocalNode:
    """A peer that gets every unit as canon writes it."""
    peer = LocalNode()
    for unit in node.recorder.units:
        effects: list[Effect] = []
        for effect in unit:
            words = canon.command_of(effect)
            assert words is not None
            again = canon.effect_of(words, effect.db, effect.stamp, 1, effect.index)
            assert again is not None
            effects.append(again)
        peer.engine.replay(0, effects, Seen())
    return peer


def ops(node: LocalNode) -> list[tuple[int, int]]:
    """Op and event of each effect."""
    return [(int(effect.op), int(effect.events)) for unit in node.recorder.units for effect in unit]


def test_what_raises_no_register_has_no_effect(node: LocalNode) -> None:
    assert node("PFADD h a b") == 1
    assert node.effects() == ["PFMERGE h a b"]
    assert node("PFADD h b a") == 0
    assert node("PFADD h") == 0
    assert node.effects() == []
    assert node("PFADD empty") == 1
    assert node.effects() == ["PFMERGE empty"]


def test_pfcount_of_one_key_caches_and_tells_no_event(node: LocalNode) -> None:
    node("PFADD h a b c")
    node.recorder.units.clear()
    assert node("PFCOUNT h") == 3
    assert ops(node) == [(PFMERGE, NO_EVENT)]
    node.recorder.units.clear()
    assert node("PFCOUNT h") == 3
    assert node("PFCOUNT h none") == 3
    assert ops(node) == []


def test_pfcount_spoils_a_watch_as_in_redis(node: LocalNode) -> None:
    node("PFADD h a")
    node("WATCH h")
    node("PFCOUNT h", client=node.session())
    node("MULTI")
    node("PING")
    assert node("EXEC") is NULL_ARRAY


def test_pfmerge_says_which_registers_rise(node: LocalNode) -> None:
    node("PFADD a one two")
    node("PFADD b two three")
    node.recorder.units.clear()
    node("PFMERGE a b")
    (effect,) = node.recorder.units[0]
    assert isinstance(effect.value, bytes)
    assert len(effect.value) == 3
    node.recorder.units.clear()
    node("PFMERGE a b")
    (effect,) = node.recorder.units[0]
    assert effect.value == b""


def test_a_peer_makes_equal_bytes_of_the_same_commands() -> None:
    """Sparse, cached, merged, and dense by its size, by a source and by PFDEBUG."""
    node = LocalNode()
    for number in range(40):
        node(f"PFADD h{number % 3} " + " ".join(str(number * 7 + each) for each in range(30)))
        if number % 5 == 0:
            node("PFCOUNT h1")
            node(f"PFMERGE m{number % 2} h0 h1")
    node.call(0, [b"PFADD", b"large", *[b"%d" % each for each in range(3000)]])
    node("PFMERGE m1 large")
    node("PFDEBUG TODENSE h2")
    node("PFCOUNT m0")
    peer = copied(node)
    for key in (b"h0", b"h1", b"h2", b"m0", b"m1", b"large"):
        held = node.call(0, [b"GET", key])
        assert isinstance(held, bytes)
        assert peer.call(0, [b"GET", key]) == held
    assert node("STRLEN large") == node("STRLEN h2") == node("STRLEN m1") == 12304


def test_a_peer_with_another_limit_makes_equal_bytes_too() -> None:
    node = LocalNode()
    node("CONFIG SET hll-sparse-max-bytes 100")
    for number in range(60):
        node(f"PFADD h{number % 2} {number} {number + 1}")
    node("PFADD empty")
    node("PFMERGE m h0")
    peer = copied(node)
    for key in ("h0", "h1", "m", "empty"):
        assert peer(f"GET {key}") == node(f"GET {key}")
    assert node("PFDEBUG ENCODING h0") is not None
    assert node("STRLEN h0") == 12304


def test_a_key_without_a_sketch_gets_one_from_a_peer(node: LocalNode) -> None:
    node("SADD h member")
    node.engine.replay(0, [Effect(PFMERGE, 0, b"h", b"\x00\x05\x03", 0, 5, 1, 0)], Seen())
    assert node("PFCOUNT h") == 1


def test_a_text_that_is_no_sketch_is_left_by_a_peers_elements(node: LocalNode) -> None:
    """It had not seen the text."""
    node("SET other text")
    node.engine.replay(0, [Effect(PFMERGE, 0, b"other", [b"a"], 0, 6, 1, 0)], Seen())
    assert node("GET other") == b"text"


@pytest.mark.parametrize("flags", [COUNTED, TO_DENSE | 4])
def test_what_only_changes_the_form_makes_no_key(node: LocalNode, flags: int) -> None:
    effect = Effect(PFMERGE, 0, b"h", b"", merge_number(flags, 3000), 5, 1, 0)
    node.engine.replay(0, [effect], Seen())
    assert node("EXISTS h") == 0


def test_getreg_makes_dense(node: LocalNode) -> None:
    node("PFADD h a")
    registers = node("PFDEBUG GETREG h")
    assert isinstance(registers, list)
    assert len(registers) == 16384
    assert [place for place, rank in enumerate(registers) if rank] == [12711]
    assert node("STRLEN h") == 12304


def test_a_damaged_sketch_is_refused_and_left_alone(node: LocalNode) -> None:
    node.call(0, [b"SET", b"h", b"HYLL\x01" + bytes(10) + b"\x80\x00"])
    node.effects()
    for line in ("PFADD h a b", "PFCOUNT h", "PFCOUNT h h", "PFMERGE m h", "PFDEBUG GETREG h"):
        reply = node(line)
        assert isinstance(reply, Failure)
        assert reply.text == b"INVALIDOBJ Corrupted HLL object detected"
    assert node.effects() == []
