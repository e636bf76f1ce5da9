"""PubSub: who subscribed to which channel or pattern on this node, and delivery.

Messages are not stored: who is not there when one is published does not get it. A message goes to
the subscribers of its channel first, then to those of each pattern that fits, so that a client may
get it more than once, as in Redis.
"""

from __future__ import annotations

from node.ports import Client, Publisher
from node.resp.replies import Push
from node.store.glob import matches


class PubSub(Publisher):
    """Channels and patterns, each with its subscribers by client id, in the order they came."""

    def __init__(self) -> None:
        self.channels: dict[bytes, dict[int, Client]] = {}
        self.patterns: dict[bytes, dict[int, Client]] = {}
        self.published = 0

    def is_heard(self) -> bool:
        """Is anybody subscribed to anything?"""
        return bool(self.channels or self.patterns)

    def subscribe(self, client: Client, channel: bytes) -> None:
        """SUBSCRIBE to one channel; harmless where it is subscribed already."""
        self.channels.setdefault(channel, {})[int(client.id)] = client
        client.channels[channel] = True
        client.note_subscriptions()

    def unsubscribe(self, client: Client, channel: bytes) -> None:
        """UNSUBSCRIBE from one channel; harmless where it is not subscribed."""
        if client.channels.pop(channel, False):
            remove(self.channels, channel, client)
            client.note_subscriptions()

    def subscribe_pattern(self, client: Client, pattern: bytes) -> None:
        """PSUBSCRIBE to one pattern."""
        self.patterns.setdefault(pattern, {})[int(client.id)] = client
        client.patterns[pattern] = True
        client.note_subscriptions()

    def unsubscribe_pattern(self, client: Client, pattern: bytes) -> None:
        """PUNSUBSCRIBE from one pattern."""
        if client.patterns.pop(pattern, False):
            remove(self.patterns, pattern, client)
            client.note_subscriptions()

    def leave(self, client: Client) -> None:
        """The client has no subscription any more, and is not told (it is gone, or RESET)."""
        for channel in client.channels:
            remove(self.channels, channel, client)
        for pattern in client.patterns:
            remove(self.patterns, pattern, client)
        client.channels = {}
        client.patterns = {}
        client.note_subscriptions()

    def publish(self, channel: bytes, message: bytes) -> int:
        """Delivers a message; to how many it went. O(subscribers + patterns)."""
        delivered = 0
        subscribers = self.channels.get(channel)
        if subscribers is not None:
            push = Push([b"message", channel, message])
            # A copy: a client that cannot follow is closed by its outlet, and leaves.
            for client in list(subscribers.values()):
                client.deliver(push)
                delivered += 1
        if self.patterns:
            for pattern, fitting in list(self.patterns.items()):
                if matches(pattern, channel):
                    push = Push([b"pmessage", pattern, channel, message])
                    for client in list(fitting.values()):
                        client.deliver(push)
                        delivered += 1
        self.published += 1
        return delivered

    def active(self, pattern: bytes | None) -> list[bytes]:
        """PUBSUB CHANNELS: the channels with subscribers, of those that fit."""
        if pattern is None:
            return list(self.channels)
        return [channel for channel in self.channels if matches(pattern, channel)]

    def subscribers(self, channel: bytes) -> int:
        """PUBSUB NUMSUB of one channel: those of patterns are not counted."""
        found = self.channels.get(channel)
        return 0 if found is None else len(found)


def remove(holders: dict[bytes, dict[int, Client]], name: bytes, client: Client) -> None:
    """The client is no subscriber of `name` any more; a name without any goes."""
    subscribers = holders[name]
    del subscribers[int(client.id)]
    if not subscribers:
        del holders[name]
