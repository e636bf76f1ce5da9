"""CLIENT: the line of a connection, who is ended, who is woken. Errors are in tests/commands."""

import re

from mypy_extensions import i64

from node.commands.context import Parked
from node.resp.replies import NO_REPLY, OK, Failure, Verbatim
from node.session import BLOCKED, CLOSING
from tests.support.local import LocalNode

FIELDS: list[str] = re.findall(
    r"\S+",
    "id addr laddr fd name age idle flags db sub psub ssub multi watch qbuf qbuf-free argv-mem"
    " multi-mem rbs rbp obl oll omem tot-mem events cmd user redir resp lib-name lib-ver io-thread"
    " tot-net-in tot-net-out tot-cmds",
)


def lines(reply: object) -> list[dict[str, str]]:
    """The lines of CLIENT LIST as field and value."""
    assert isinstance(reply, Verbatim)
    assert reply.kind == b"txt"
    found = []
    for line in reply.text.decode().splitlines():
        pairs = [pair.partition("=")[::2] for pair in line.split(" ")]
        assert [name for name, _ in pairs] == FIELDS
        found.append(dict(pairs))
    return found


def test_a_line_has_redis_fields_in_redis_order(node: LocalNode) -> None:
    node("CLIENT SETNAME me")
    node("CLIENT SETINFO LIB-NAME redis-py")
    node("CLIENT SETINFO LIB-VER 5.0")
    node("SELECT 3")
    node.advance(7)
    (line,) = lines(node("CLIENT INFO"))
    assert (line["id"], line["addr"], line["laddr"]) == ("1", "127.0.0.1:50000", "127.0.0.1:6379")
    assert (line["name"], line["db"], line["age"], line["flags"]) == ("me", "3", "7", "N")
    assert (line["lib-name"], line["lib-ver"], line["resp"]) == ("redis-py", "5.0", "2")
    assert (line["cmd"], line["user"], line["redir"]) == ("client|info", "default", "-1")
    assert (line["multi"], line["tot-cmds"], line["events"]) == ("-1", "4", "r")


def test_flags_say_what_a_client_does(node: LocalNode) -> None:
    watcher, waiter, listener = node.session(), node.session(), node.session()
    node("WATCH k", client=watcher)
    node("MULTI", client=watcher)
    node("GET k", client=watcher)
    node("SET k v")
    node("WATCH a b")
    node.engine.config.set("enable-debug-command", ["yes"])
    node("DEBUG SLEEP 5", client=waiter)
    node("SUBSCRIBE a b", client=listener)
    node("PSUBSCRIBE c*", client=listener)
    node("CLIENT NO-EVICT ON")
    node("CLIENT NO-TOUCH ON")
    found = {line["id"]: line for line in lines(node("CLIENT LIST"))}
    assert [found[str(number)]["flags"] for number in (1, 2, 3, 4)] == ["eT", "xd", "b", "P"]
    assert (found["2"]["multi"], found["1"]["watch"]) == ("1", "2")
    assert (found["4"]["sub"], found["4"]["psub"]) == ("2", "1")
    assert found["3"]["cmd"] == "debug"


def test_a_list_may_be_narrowed(node: LocalNode) -> None:
    listener = node.session()
    node("SUBSCRIBE news", client=listener)
    ids = {
        kind: [line["id"] for line in lines(node(f"CLIENT LIST {kind}"))]
        for kind in ("", "TYPE normal", "TYPE PubSub", "TYPE replica", "ID 2 9 1 1")
    }
    assert ids == {
        "": ["1", "2"],
        "TYPE normal": ["1"],
        "TYPE PubSub": ["2"],
        "TYPE replica": [],
        "ID 2 9 1 1": ["2", "1", "1"],
    }


def test_kill_ends_those_who_fit_all_options_and_spares_the_caller(node: LocalNode) -> None:
    others = [node.session() for _ in range(3)]
    node("SUBSCRIBE news", client=others[0])
    node.advance(10)
    young = node.session()
    assert node("CLIENT KILL TYPE pubsub MAXAGE 5") == 1
    closed = [node.inbox(each).closed != "" for each in (*others, young)]
    assert closed == [True, False, False, False]
    assert node("CLIENT KILL ID 3 USER default") == 1
    assert node.inbox(others[1]).closed
    assert node("CLIENT KILL ADDR 127.0.0.1:50000 MAXAGE 11") == 0
    assert node("CLIENT KILL ID 1") == 0
    assert not node.sessions[0].flags & CLOSING
    assert node("CLIENT KILL ID 1 SKIPME no") == 1
    assert node.sessions[0].flags & CLOSING


def test_the_old_form_ends_an_address_the_caller_too(node: LocalNode) -> None:
    assert node("CLIENT KILL 127.0.0.1:50000") is OK
    assert node.sessions[0].flags & CLOSING


def test_replies_can_be_switched_off_and_skipped(node: LocalNode) -> None:
    session = node.sessions[0]
    assert node("CLIENT REPLY SKIP") is NO_REPLY
    assert session.skip_reply
    assert node("CLIENT REPLY OFF") is NO_REPLY
    assert not session.replies
    assert node("CLIENT REPLY ON") is OK
    assert (session.replies, session.skip_reply) == (True, False)


def test_what_a_quiet_client_reads_stays_unused_but_for_touch(node: LocalNode) -> None:
    quiet = node.session()
    node("SET k v")
    node("SADD s a")
    node("HSET h f v")
    node("SELECT 3", client=quiet)
    node("CLIENT NO-TOUCH ON", client=quiet)
    node("SELECT 0", client=quiet)
    node.advance(10)
    for line in ("GET k", "SMEMBERS s", "HGETALL h", "APPEND none x"):
        node(line, client=quiet)
    assert [node(f"OBJECT IDLETIME {key}") for key in "ksh"] == [10, 10, 10]
    node("TOUCH k", client=quiet)
    node("CLIENT NO-TOUCH OFF", client=quiet)
    node("SMEMBERS s", client=quiet)
    assert [node(f"OBJECT IDLETIME {key}") for key in "ksh"] == [0, 0, 10]


def test_a_waiting_client_is_woken_by_time_or_by_error(node: LocalNode) -> None:
    waiter = node.session()
    node.engine.config.set("enable-debug-command", ["yes"])
    assert node("CLIENT UNBLOCK 2") == 0
    assert isinstance(node("DEBUG SLEEP 5", client=waiter), Parked)
    assert node("CLIENT UNBLOCK 2 TIMEOUT") == 1
    assert node.inbox(waiter).resumed == [OK]
    assert not node.sessions[waiter].flags & BLOCKED
    node("DEBUG SLEEP 5", client=waiter)
    assert node("CLIENT UNBLOCK 2 ERROR") == 1
    reply = node.inbox(waiter).resumed[-1]
    assert isinstance(reply, Failure)
    assert reply.text == b"UNBLOCKED client unblocked via CLIENT UNBLOCK"
    assert node("CLIENT UNBLOCK 2") == 0


def test_whoever_parked_a_client_is_told_that_it_was_woken(node: LocalNode) -> None:
    class Waiting(Parked):
        def __init__(self) -> None:
            super().__init__(i64(0))
            self.was_cancelled = False

        def cancelled(self) -> None:
            self.was_cancelled = True

    parked = Waiting()
    parked.session = node.sessions[0]
    node.engine.parked[1] = parked
    node.session()
    assert node("CLIENT UNBLOCK 1", client=1) == 1
    assert parked.was_cancelled
