"""The follower's half of the handshake: what is said when, and whom it refuses."""

from __future__ import annotations

import pytest

from mesh.dots import pack_marks
from mesh.handshake import Handshake, HandshakeError, Identity
from node.resp.client import command
from node.resp.replies import OK, PONG, Failure, Simple

OWN = b"b1c3f0ef-eb0e-4587-acb1-85aebfe087bb"
PEER = b"0f9d2c3e-1a2b-4c5d-8e6f-708192a3b4c5"
VECTOR = {b"\x01" * 16: 7}
MESH = Simple(b"OK active-replica mesh1")


def handshake(password: bytes = b"", user: bytes = b"", ip: bytes = b"") -> Handshake:
    """One attempt by a node with a member id of ones."""
    return Handshake(Identity(OWN, b"1" * 32, ip, 6379, user, password), lambda: VECTOR)


def up_to_member(found: Handshake) -> None:
    """Everything went well so far."""
    found.begin()
    for reply in (PONG, OK, MESH, Simple(PEER), Simple(b"2" * 32)):
        found.reply(reply)


def test_it_speaks_as_keydb_does_and_says_mesh1() -> None:
    found = handshake()
    assert found.begin() == command(b"REPLPING")
    assert found.reply(PONG) == (
        command(b"REPLCONF", b"listening-port", b"6379")
        + command(
            *(b"REPLCONF", b"capa", b"eof", b"capa", b"psync2", b"capa", b"activeExpire"),
            *(b"capa", b"mesh1"),
        )
        + command(b"REPLCONF", b"uuid", OWN)
    )
    assert found.reply(OK) == b""
    assert found.reply(MESH) == b""
    assert found.reply(Simple(PEER)) == command(b"REPLCONF", b"mesh-member", b"1" * 32)
    assert found.reply(Simple(b"2" * 32)) == b""
    assert found.peer_member == b"2" * 32
    assert not found.waiting and not found.done
    assert found.psync() == command(b"PSYNC", b"mesh1", pack_marks(VECTOR))
    assert found.reply(Simple(b"CONTINUE")) == b""
    assert found.done and not found.full


def test_a_snapshot_is_announced() -> None:
    found = handshake()
    up_to_member(found)
    found.psync()
    found.reply(Simple(b"FULLRESYNC " + b"a" * 40 + b" 10"))
    assert found.done and found.full


def test_who_has_data_says_that_it_compares_and_hears_the_salt() -> None:
    found = handshake()
    found.compares = True
    found.begin()
    assert found.reply(PONG).count(b"mesh-ranges") == 1
    for reply in (OK, MESH, Simple(PEER), Simple(b"2" * 32)):
        found.reply(reply)
    found.psync()
    found.reply(Simple(b"RANGES " + b"a" * 40 + b" 10 " + b"0f" * 16 + b" 256"))
    assert found.done and found.full
    assert (found.salt, found.leaves) == (b"\x0f" * 16, 256)


@pytest.mark.parametrize("rest", [b"", b" zz 256", b" 0f many", b" 0f 256 more"])
def test_an_answer_of_digests_that_makes_no_sense_ends_the_attempt(rest: bytes) -> None:
    found = handshake()
    found.compares = True
    up_to_member(found)
    found.psync()
    with pytest.raises(HandshakeError):
        found.reply(Simple(b"RANGES " + b"a" * 40 + b" 10" + rest))


def test_password_user_and_address_are_sent_where_they_are_set() -> None:
    found = handshake(b"secret", b"mesh", b"10.0.0.1")
    found.begin()
    said = found.reply(PONG)
    assert said.startswith(command(b"AUTH", b"mesh", b"secret"))
    assert command(b"REPLCONF", b"ip-address", b"10.0.0.1") in said
    found = handshake(b"secret")
    found.begin()
    assert found.reply(Failure(b"NOAUTH Authentication required.")).startswith(
        command(b"AUTH", b"secret")
    )


def test_a_server_without_replping_is_asked_with_ping() -> None:
    found = handshake()
    found.begin()
    assert found.reply(Failure(b"ERR unknown command 'REPLPING'")) == command(b"PING")
    assert found.reply(PONG).startswith(command(b"REPLCONF", b"listening-port", b"6379"))


@pytest.mark.parametrize(
    ("replies", "reason", "final"),
    [
        ([Failure(b"LOADING wait")], "answered REPLPING", False),
        ([PONG, Failure(b"NOAUTH no")], "set masterauth", True),
        ([PONG, OK, Simple(b"OK active-replica"), Simple(PEER)], "no Plexis node", True),
        ([PONG, OK, Failure(b"ERR no"), Simple(PEER)], "no Plexis node", True),
        ([PONG, OK, MESH, Failure(b"ERR no")], "no Plexis node", True),
        ([PONG, OK, MESH, Simple(b"nonsense")], "answered REPLCONF uuid", False),
        ([PONG, OK, MESH, Simple(OWN)], "is this very node", True),
        ([PONG, OK, MESH, Simple(PEER), Failure(b"ERR that is my own")], "my own", True),
        ([PONG, OK, MESH, Simple(PEER), Simple(b"1" * 32)], "has our member id", True),
    ],
)
def test_whom_it_refuses(replies: list[object], reason: str, final: bool) -> None:
    found = handshake()
    found.begin()
    for reply in replies[:-1]:
        found.reply(reply)
    with pytest.raises(HandshakeError, match=reason) as problem:
        found.reply(replies[-1])
    assert problem.value.final is final


def test_a_wrong_password_is_final() -> None:
    found = handshake(b"wrong")
    found.begin()
    found.reply(PONG)
    with pytest.raises(HandshakeError, match="requirepass") as problem:
        found.reply(Failure(b"WRONGPASS no"))
    assert problem.value.final


@pytest.mark.parametrize("reply", [Failure(b"LOADING wait"), Simple(b"WHAT"), b"bulk"])
def test_an_answer_to_psync_that_is_none_is_not_final(reply: object) -> None:
    found = handshake()
    up_to_member(found)
    found.psync()
    with pytest.raises(HandshakeError, match="PSYNC") as problem:
        found.reply(reply)
    assert not problem.value.final


def test_a_reply_to_nothing_is_refused() -> None:
    found = handshake()
    up_to_member(found)
    with pytest.raises(HandshakeError, match="reply to nothing"):
        found.reply(OK)


@pytest.mark.parametrize(("code", "state"), [("EXPELLED", "expelled"), ("LEFT", "left")])
def test_who_is_refused_hears_what_it_is_to_the_peer(code: str, state: str) -> None:
    found = handshake()
    found.begin()
    for reply in (PONG, OK, MESH, Simple(PEER)):
        found.reply(reply)
    with pytest.raises(HandshakeError, match=r"refused this member: member b was so$") as caught:
        found.reply(Failure(code.encode() + b" member b was so"))
    assert caught.value.state == state and caught.value.final
