"""Clients that wait for a list: who is served with what, by whom, and who goes on waiting.

The replies and their order are what Redis 8.2.3 gives in the same situations.
"""

from __future__ import annotations

import pytest

from node.commands.context import Parked
from node.ports import Seen
from node.resp.replies import NULL_ARRAY, Failure
from node.store.effect import PUSH, Effect
from node.store.values.lists import Pushed
from tests.support.local import LocalNode


class Crowd:
    """A node with clients that are told apart by number; 0 never waits."""

    def __init__(self) -> None:
        self.node = LocalNode()

    def waits(self, text: str) -> int:
        """A new client sends this, and waits."""
        client = self.node.session()
        reply = self.node(text, client)
        assert isinstance(reply, Parked), text
        return client

    def told(self, client: int) -> list[object]:
        """What a client that waited was answered since the last call."""
        inbox = self.node.inbox(client)
        found = inbox.resumed.copy()
        inbox.resumed.clear()
        return found

    def waiting(self) -> int:
        """How many clients wait."""
        return len(self.node.engine.parked)


@pytest.fixture
def crowd() -> Crowd:
    return Crowd()


@pytest.mark.parametrize(
    ("text", "reply", "left"),
    [
        ("BLPOP q 0", [b"q", b"1"], [b"2", b"3"]),
        ("BRPOP q 0", [b"q", b"3"], [b"1", b"2"]),
        ("BLMOVE q r LEFT LEFT 0", b"1", [b"2", b"3"]),
        ("BRPOPLPUSH q r 0", b"3", [b"1", b"2"]),
        ("BLMPOP 0 1 q RIGHT COUNT 2", [b"q", [b"3", b"2"]], [b"1"]),
    ],
)
def test_a_client_gets_what_it_waited_for(
    crowd: Crowd, text: str, reply: object, left: list[bytes]
) -> None:
    client = crowd.waits(text)
    assert crowd.node("RPUSH q 1 2 3") == 3
    assert crowd.told(client) == [reply]
    assert crowd.node("LRANGE q 0 -1") == left
    assert crowd.waiting() == 0
    assert crowd.node.engine.blocking.waiters() == 0


def test_served_in_order_of_arrival(crowd: Crowd) -> None:
    clients = [crowd.waits("BLPOP q 0") for _ in range(4)]
    crowd.node("RPUSH q a b")
    assert [crowd.told(client) for client in clients] == [[[b"q", b"a"]], [[b"q", b"b"]], [], []]
    crowd.node("RPUSH q c")
    assert crowd.told(clients[2]) == [[b"q", b"c"]]
    assert crowd.waiting() == 1


def test_who_waits_for_several_keys_takes_its_first(crowd: Crowd) -> None:
    client = crowd.waits("BLPOP b a 0")
    crowd.node("MULTI")
    crowd.node("RPUSH a 1")
    crowd.node("RPUSH b 2")
    crowd.node("EXEC")
    assert crowd.told(client) == [[b"b", b"2"]]
    assert crowd.node("LRANGE a 0 -1") == [b"1"]


def test_what_was_gone_again_at_the_end_of_its_unit_serves_nobody(crowd: Crowd) -> None:
    client = crowd.waits("BLPOP q 0")
    crowd.node("MULTI")
    crowd.node("RPUSH q 1")
    crowd.node("DEL q")
    crowd.node("EXEC")
    assert crowd.told(client) == []
    crowd.node("RPUSH q 2")
    assert crowd.told(client) == [[b"q", b"2"]]


def test_a_served_move_serves_who_waits_for_its_target(crowd: Crowd) -> None:
    last = crowd.waits("BRPOP c 0")
    second = crowd.waits("BLMOVE b c LEFT RIGHT 0")
    first = crowd.waits("BLMOVE a b LEFT RIGHT 0")
    crowd.node("RPUSH a x")
    assert [crowd.told(client) for client in (first, second, last)] == [
        [b"x"],
        [b"x"],
        [[b"c", b"x"]],
    ]
    assert crowd.node("EXISTS a b c") == 0


def test_a_move_in_a_circle_ends(crowd: Crowd) -> None:
    there = crowd.waits("BLMOVE a b LEFT LEFT 0")
    back = crowd.waits("BLMOVE b a LEFT LEFT 0")
    crowd.node("RPUSH a x")
    assert crowd.told(there) == [b"x"]
    assert crowd.told(back) == [b"x"]
    assert crowd.node("LRANGE a 0 -1") == [b"x"]


def test_moves_renames_and_copies_make_a_list_too(crowd: Crowd) -> None:
    for text in ("LMOVE s q LEFT LEFT", "RENAME s q", "COPY s q"):
        client = crowd.waits("BLPOP q 0")
        crowd.node("RPUSH s x")
        crowd.node(text)
        assert crowd.told(client) == [[b"q", b"x"]], text


def test_each_served_client_is_a_unit_of_its_own(crowd: Crowd) -> None:
    crowd.waits("BLPOP q 0")
    crowd.waits("BLMOVE q r LEFT LEFT 0")
    crowd.node.recorder.units.clear()
    crowd.node("RPUSH q 1 2")
    assert [len(unit) for unit in crowd.node.recorder.units] == [1, 1, 2]


def test_a_key_of_another_type_is_waited_out(crowd: Crowd) -> None:
    client = crowd.waits("BLPOP q 0")
    crowd.node("SET q text")
    crowd.node("APPEND q more")
    assert crowd.told(client) == []
    crowd.node("DEL q")
    crowd.node("RPUSH q 1")
    assert crowd.told(client) == [[b"q", b"1"]]


def test_an_earlier_key_of_another_type_is_an_error_when_a_later_one_is_there(
    crowd: Crowd,
) -> None:
    client = crowd.waits("BLPOP p q 0")
    crowd.node("SET p text")
    assert crowd.told(client) == []
    crowd.node("RPUSH q 1")
    (reply,) = crowd.told(client)
    assert isinstance(reply, Failure)
    assert reply.text.startswith(b"WRONGTYPE")
    assert crowd.node("LRANGE q 0 -1") == [b"1"]


def test_a_target_of_another_type_is_an_error_and_the_element_stays(crowd: Crowd) -> None:
    client = crowd.waits("BLMOVE s t LEFT LEFT 0")
    crowd.node("SET t text")
    crowd.node("RPUSH s 1")
    (reply,) = crowd.told(client)
    assert isinstance(reply, Failure)
    assert reply.text.startswith(b"WRONGTYPE")
    assert crowd.node("LRANGE s 0 -1") == [b"1"]


@pytest.mark.parametrize(
    "text",
    [
        "BLPOP q 0.25",
        "BRPOP q 0.25",
        "BLMOVE q r LEFT LEFT 0.25",
        "BRPOPLPUSH q r 0.25",
        "BLMPOP 0.25 2 q r LEFT",
    ],
)
def test_time_is_up_exactly_and_the_reply_is_the_null_array(crowd: Crowd, text: str) -> None:
    client = crowd.waits(text)
    crowd.node.advance(0.249)
    assert crowd.told(client) == []
    crowd.node.advance(0.001)
    assert crowd.told(client) == [NULL_ARRAY]
    crowd.node("RPUSH q 1")
    assert crowd.told(client) == []
    assert crowd.node("LLEN q") == 1


def test_a_part_of_a_millisecond_is_waited_for(crowd: Crowd) -> None:
    client = crowd.waits("BLPOP q 0.0001")
    crowd.node.advance(0.002)
    assert crowd.told(client) == [NULL_ARRAY]


def test_a_client_that_goes_away_takes_nothing(crowd: Crowd) -> None:
    gone = crowd.waits("BLPOP q 0")
    stays = crowd.waits("BLPOP q 0")
    crowd.node.engine.end(crowd.node.sessions[gone])
    crowd.node("RPUSH q 1")
    assert crowd.told(gone) == []
    assert crowd.told(stays) == [[b"q", b"1"]]


def test_client_unblock(crowd: Crowd) -> None:
    client = crowd.waits("BLMOVE q r LEFT LEFT 0")
    number = crowd.node.sessions[client].id
    assert crowd.node(f"CLIENT UNBLOCK {number}") == 1
    assert crowd.told(client) == [NULL_ARRAY]
    assert crowd.node(f"CLIENT UNBLOCK {number}") == 0
    client = crowd.waits("BLPOP q 0")
    assert crowd.node(f"CLIENT UNBLOCK {crowd.node.sessions[client].id} ERROR") == 1
    (reply,) = crowd.told(client)
    assert isinstance(reply, Failure)
    assert reply.text.startswith(b"UNBLOCKED")
    crowd.node("RPUSH q 1")
    assert crowd.node("LLEN q") == 1


def test_databases_are_apart(crowd: Crowd) -> None:
    client = crowd.waits("BLPOP q 0")
    crowd.node("SELECT 1")
    crowd.node("RPUSH q 1")
    assert crowd.told(client) == []
    assert crowd.node("LLEN q") == 1


def test_nothing_waits_inside_multi(crowd: Crowd) -> None:
    node = crowd.node
    node("MULTI")
    for text in ("BLPOP q 0", "BLMPOP 0 1 q LEFT", "BLMOVE q r LEFT LEFT 0", "BRPOPLPUSH q r 0"):
        node(text)
    assert node("EXEC") == [NULL_ARRAY, NULL_ARRAY, None, None]
    assert crowd.waiting() == 0


def test_a_peers_push_serves_too(crowd: Crowd) -> None:
    client = crowd.waits("BLPOP q 0")
    effect = Effect(PUSH, 0, b"q", Pushed([b"x"], 0, False), 0, 1 << 60, 5, 0)
    crowd.node.engine.replay(0, [effect], Seen())
    crowd.node.engine.blocking.serve()
    assert crowd.told(client) == [[b"q", b"x"]]
    assert crowd.node("EXISTS q") == 0


def test_two_keys_that_are_one_serve_once(crowd: Crowd) -> None:
    client = crowd.waits("BLPOP q q 0")
    crowd.node("RPUSH q 1 2")
    assert crowd.told(client) == [[b"q", b"1"]]
    assert crowd.node("LLEN q") == 1
