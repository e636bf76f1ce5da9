"""Pub/sub: who gets what, and what is left when a client goes. Replies are in tests/commands."""

from node.pubsub import PubSub
from node.resp.replies import Failure, Push
from node.session import SUBSCRIBED, Outlet
from tests.support.local import LocalNode


def pushed(node: LocalNode, client: int) -> list[list[object]]:
    """What the client was sent since the last call."""
    inbox = node.inbox(client)
    messages = []
    for push in inbox.pushed:
        assert isinstance(push, Push)
        messages.append(push.items)
    inbox.pushed.clear()
    return messages


def confirmed(reply: object) -> list[object]:
    """The last confirmation of a (un)subscription."""
    assert isinstance(reply, Push)
    return reply.items


def test_each_channel_is_confirmed_and_the_last_is_the_reply(node: LocalNode) -> None:
    assert confirmed(node("SUBSCRIBE a b a")) == [b"subscribe", b"a", 2]
    assert pushed(node, 0) == [[b"subscribe", b"a", 1], [b"subscribe", b"b", 2]]
    assert confirmed(node("PSUBSCRIBE p*")) == [b"psubscribe", b"p*", 3]
    assert confirmed(node("UNSUBSCRIBE")) == [b"unsubscribe", b"b", 1]
    assert pushed(node, 0) == [[b"unsubscribe", b"a", 2]]
    assert confirmed(node("UNSUBSCRIBE")) == [b"unsubscribe", None, 1]
    assert confirmed(node("PUNSUBSCRIBE")) == [b"punsubscribe", b"p*", 0]
    assert confirmed(node("PUNSUBSCRIBE x")) == [b"punsubscribe", b"x", 0]


def test_channels_come_before_patterns(node: LocalNode) -> None:
    other = node.session()
    node("PSUBSCRIBE n*")
    node("SUBSCRIBE news", client=other)
    node("PSUBSCRIBE *s", client=other)
    publisher = node.session()
    pushed(node, other)
    assert node("PUBLISH news hi", client=publisher) == 3
    assert pushed(node, other) == [
        [b"message", b"news", b"hi"],
        [b"pmessage", b"*s", b"news", b"hi"],
    ]
    assert pushed(node, 0) == [[b"pmessage", b"n*", b"news", b"hi"]]
    assert node("PUBLISH other hi", client=publisher) == 0


def test_a_resp2_subscriber_is_restricted_until_its_last_subscription_ends(
    node: LocalNode,
) -> None:
    session = node.sessions[0]
    node("SUBSCRIBE a")
    node("PSUBSCRIBE p")
    assert isinstance(node("GET k"), Failure)
    node("UNSUBSCRIBE a")
    assert isinstance(node("GET k"), Failure)
    node("PUNSUBSCRIBE p")
    assert node("GET k") is None
    assert session.flags & SUBSCRIBED == 0


def test_a_resp3_subscriber_is_not_restricted(node: LocalNode) -> None:
    node.sessions[0].resp = 3
    node("SUBSCRIBE a")
    assert node("GET k") is None


def test_a_client_that_goes_hears_nothing_and_leaves_nothing(node: LocalNode) -> None:
    other = node.session()
    node("SUBSCRIBE a b", client=other)
    node("PSUBSCRIBE p", client=other)
    pushed(node, other)
    node.engine.end(node.sessions[other])
    assert node("PUBLISH a x") == 0
    assert pushed(node, other) == []
    pubsub = node.engine.pubsub
    assert pubsub.channels == {}
    assert pubsub.patterns == {}
    assert node("PUBSUB CHANNELS") == []
    assert node("PUBSUB NUMPAT") == 0


def test_a_client_may_be_closed_by_a_message(node: LocalNode) -> None:
    """Goal: delivery goes on where a client that cannot follow is ended by its outlet."""

    class Full(Outlet):
        def push(self, reply: object) -> None:
            node.engine.end(node.sessions[1])

    node.session()
    third = node.session()
    for client in (1, third):
        node("SUBSCRIBE a", client=client)
        node("PSUBSCRIBE *", client=client)
    node.sessions[1].outlet = Full()
    pushed(node, third)
    node("PUBLISH a x")
    assert pushed(node, third) == [[b"message", b"a", b"x"], [b"pmessage", b"*", b"a", b"x"]]


def test_nobody_is_heard_at_first(node: LocalNode) -> None:
    pubsub = PubSub()
    assert not pubsub.is_heard()
    pubsub.subscribe(node.sessions[0], b"a")
    assert pubsub.is_heard()
    pubsub.leave(node.sessions[0])
    assert not pubsub.is_heard()


def test_help_is_a_list_of_lines(node: LocalNode) -> None:
    reply = node("PUBSUB HELP")
    assert isinstance(reply, list)
    assert len(reply) > 5
