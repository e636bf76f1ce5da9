"""Commands run for another member's clients: what goes between the two, without sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.agent import Agent
from mesh.asking import ANSWER_HEAD, ASKS_MOST, Answering, Waiting, answer, answer_at
from mesh.link import Link
from node.resp.replies import Failure, Fixed
from node.session import Outlet, Session
from tests.unit.mesh.test_agent import agent

PEER = b"peer"


class Live(Link):
    """A link that is up, and keeps what is sent over it."""

    def __init__(self, owner: Agent) -> None:
        super().__init__(owner, "10.0.0.2", 6379, True)
        self.peer_member = PEER
        self.sent: list[bytes] = []
        self.is_up = True

    @property
    def live(self) -> bool:
        return self.is_up

    def send(self, data: bytes) -> None:
        self.sent.append(data)


class Told(Outlet):
    """Keeps the reply of a parked client."""

    def __init__(self) -> None:
        self.replies: list[object] = []

    def resume(self, reply: object) -> None:
        self.replies.append(reply)


@pytest.fixture
def ours(tmp_path: Path) -> Agent:
    """A node that has a link to the owner."""
    found = agent(tmp_path)
    found.links.append(Live(found))
    return found


def link_of(ours: Agent) -> Live:
    link = ours.links[0]
    assert isinstance(link, Live)
    return link


def asked(ours: Agent, *words: bytes) -> tuple[Session, Waiting]:
    """A client whose command is on its way."""
    session = ours.engine.session()
    session.outlet = Told()
    parked = ours.asking.ask(session, PEER, list(words))
    assert isinstance(parked, Waiting)
    ours.engine._park(session, parked)
    return session, parked


def told(session: Session) -> list[object]:
    outlet = session.outlet
    assert isinstance(outlet, Told)
    return outlet.replies


def test_an_answer_travels_whole_or_is_waited_for() -> None:
    data = answer(7, b"$1\r\nx\r\n")
    assert answer_at(b"zz" + data, 2) == (7, b"$1\r\nx\r\n", 2 + len(data))
    for end in range(len(data)):
        assert answer_at(data[:end], 0) == (0, b"", 0)
    assert answer_at(b"*9\r\n$7\r\nRREPLAY\r\n", 0) is None


@pytest.mark.parametrize("rest", [b"x" * 16 + b"\r\n$1\r\nx\r\n", b"0" * 16 + b"\r\n$-1\r\nx\r\n",
                                  b"0" * 16 + b"\r\n$" + b"1" * 20])  # fmt: skip
def test_a_damaged_answer_is_refused(rest: bytes) -> None:
    with pytest.raises(ValueError, match="MESH-ANSWER"):
        answer_at(ANSWER_HEAD + rest, 0)


def test_the_reply_of_the_owner_is_the_clients(ours: Agent) -> None:
    session, parked = asked(ours, b"LPOP", b"q")
    assert b"MESH-ASK" in link_of(ours).sent[0] and link_of(ours).sent[0].endswith(b"q\r\n")
    data = answer(parked.number, b"$1\r\nx\r\n")
    assert ours.asking.answered(data, 0) == len(data)
    reply = told(session)[0]
    assert isinstance(reply, Fixed) and reply.resp2 == reply.resp3 == b"$1\r\nx\r\n"
    assert not ours.asking.waiting
    assert ours.asking.answered(data, 0) == len(data)  # nobody waits for it any more
    assert len(told(session)) == 1


def test_who_goes_away_or_waits_too_long_is_cancelled_at_the_owner(ours: Agent) -> None:
    session, _ = asked(ours, b"BLPOP", b"q", b"0")
    ours.engine.end(session)
    assert b"MESH-CANCEL" in link_of(ours).sent[-1]
    session, parked = asked(ours, b"LPOP", b"q")
    assert parked.until_ms > 0
    ours.engine.time_out(int(parked.until_ms) / 1000.0 + 1.0)
    assert b"MESH-CANCEL" in link_of(ours).sent[-1]
    reply = told(session)[0]
    assert isinstance(reply, Failure) and reply.text.startswith(b"NOOWNER 10.0.0.2:6379 ")
    assert not ours.asking.waiting


def test_a_lost_link_fails_what_was_on_it(ours: Agent) -> None:
    sessions = [asked(ours, b"BLPOP", b"q", b"0")[0] for _ in range(3)]
    link_of(ours).is_up = False
    ours.asking.lost(ours.links[0])
    for session in sessions:
        reply = told(session)[0]
        assert isinstance(reply, Failure) and b"may have been done" in reply.text
    assert "no link to it is up" in str(ours.asking.ask(sessions[0], PEER, [b"LPOP", b"q"]))


def test_so_many_wait_at_one_owner_and_no_more(ours: Agent) -> None:
    session = ours.engine.session()
    for _ in range(ASKS_MOST):
        assert isinstance(ours.asking.ask(session, PEER, [b"BLPOP", b"q", b"0"]), Waiting)
    assert isinstance(ours.asking.ask(session, PEER, [b"BLPOP", b"q", b"0"]), str)
    ours.asking.lost(ours.links[0])
    assert isinstance(ours.asking.ask(session, PEER, [b"BLPOP", b"q", b"0"]), Waiting)


def ask(number: int, *words: bytes, db: int = 0, resp: int = 2) -> list[bytes]:
    return [b"REPLCONF", b"MESH-ASK", b"%d" % number, b"%d" % db, b"%d" % resp, *words]


def test_the_owner_answers_at_once_or_when_there_is_something(tmp_path: Path) -> None:
    owner = agent(tmp_path)
    written: list[bytes] = []
    answering = Answering(owner, written.append)
    answering.take(ask(1, b"RPUSH", b"q", b"x"))
    answering.take(ask(2, b"BLPOP", b"q", b"0"))
    answering.take(ask(3, b"BLPOP", b"q", b"0"))
    answering.take(ask(4, b"BLPOP", b"q", b"0"))
    answering.take(ask(5, b"NOSUCH"))
    assert [answer_at(each, 0)[:2] for each in written] == [  # type: ignore[index]
        (1, b":1\r\n"), (2, b"*2\r\n$1\r\nq\r\n$1\r\nx\r\n"),
        (5, b"-ERR unknown command 'NOSUCH', with args beginning with: \r\n"),
    ]  # fmt: skip
    answering.cancel(3)
    session = owner.engine.session()
    owner.engine.execute(session, 0, [b"RPUSH", b"q", b"y"], b"", 0, 0)
    assert answer_at(written[-1], 0)[:2] == (4, b"*2\r\n$1\r\nq\r\n$1\r\ny\r\n")  # type: ignore[index]
    assert not answering.sessions and len(owner.engine.sessions) == 1


def test_who_waits_for_a_member_that_is_gone_waits_no_more(tmp_path: Path) -> None:
    owner = agent(tmp_path)
    written: list[bytes] = []
    answering = Answering(owner, written.append)
    answering.take(ask(1, b"BLPOP", b"q", b"0"))
    answering.close()
    session = owner.engine.session()
    assert owner.engine.execute(session, 0, [b"RPUSH", b"q", b"y"], b"", 0, 0) == 1
    assert owner.engine.execute(session, 0, [b"LLEN", b"q"], b"", 0, 0) == 1
    assert not written and not owner.engine.parked


@pytest.mark.parametrize("words", [
    [b"REPLCONF", b"MESH-ASK", b"1", b"0", b"2"], ask(1, b"GET", b"k", db=1),
    ask(1, b"GET", b"k", resp=4), [b"REPLCONF", b"MESH-ASK", b"one", b"0", b"2", b"PING"],
])  # fmt: skip
def test_what_is_no_question_is_refused(tmp_path: Path, words: list[bytes]) -> None:
    with pytest.raises(ValueError):
        Answering(agent(tmp_path), lambda data: None).take(words)
