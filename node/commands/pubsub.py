"""SUBSCRIBE, PSUBSCRIBE, their opposites, PUBLISH and PUBSUB.

Each channel is confirmed by a push message of its own: the last is the command's reply, those
before it go through the client's outlet.
"""

from __future__ import annotations

from node.commands.command import FAST, LOADING, NOSCRIPT, PUBSUB, STALE, SUBSCRIBER, Command
from node.commands.context import Context
from node.resp.replies import Push, Simple
from node.session import Session

HELP = (
    b"PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    b"CHANNELS [<pattern>]",
    b"    List the channels that somebody is subscribed to, or those that fit the pattern.",
    b"NUMPAT",
    b"    Count the patterns that somebody is subscribed to.",
    b"NUMSUB [<channel> ...]",
    b"    Count the subscribers of each channel; subscribers of patterns are left out.",
    b"HELP",
    b"    Show this text.",
)


def confirm(session: Session, confirmations: list[Push]) -> object:
    """Sends all but the last, which is the reply."""
    for push in confirmations[:-1]:
        session.outlet.push(push)
    return confirmations[-1]


def confirmation(session: Session, kind: bytes, name: bytes | None) -> Push:
    """What was done, to which channel or pattern, and how many subscriptions the client has."""
    return Push([kind, name, len(session.channels) + len(session.patterns)])


def subscribe(ctx: Context, args: list[bytes]) -> object:
    """SUBSCRIBE."""
    session = ctx.client()
    confirmations: list[Push] = []
    for channel in args[1:]:
        ctx.services.pubsub.subscribe(session, channel)
        confirmations.append(confirmation(session, b"subscribe", channel))
    return confirm(session, confirmations)


def psubscribe(ctx: Context, args: list[bytes]) -> object:
    """PSUBSCRIBE."""
    session = ctx.client()
    confirmations: list[Push] = []
    for pattern in args[1:]:
        ctx.services.pubsub.subscribe_pattern(session, pattern)
        confirmations.append(confirmation(session, b"psubscribe", pattern))
    return confirm(session, confirmations)


def unsubscribe(ctx: Context, args: list[bytes]) -> object:
    """UNSUBSCRIBE: from the channels named, or from all."""
    session = ctx.client()
    confirmations: list[Push] = []
    for channel in args[1:] if len(args) > 1 else list(session.channels):
        ctx.services.pubsub.unsubscribe(session, channel)
        confirmations.append(confirmation(session, b"unsubscribe", channel))
    if not confirmations:
        return confirmation(session, b"unsubscribe", None)
    return confirm(session, confirmations)


def punsubscribe(ctx: Context, args: list[bytes]) -> object:
    """PUNSUBSCRIBE: from the patterns named, or from all."""
    session = ctx.client()
    confirmations: list[Push] = []
    for pattern in args[1:] if len(args) > 1 else list(session.patterns):
        ctx.services.pubsub.unsubscribe_pattern(session, pattern)
        confirmations.append(confirmation(session, b"punsubscribe", pattern))
    if not confirmations:
        return confirmation(session, b"punsubscribe", None)
    return confirm(session, confirmations)


def publish(ctx: Context, args: list[bytes]) -> object:
    """PUBLISH: to how many subscribers of this node the message went."""
    return ctx.services.pubsub.publish(args[1], args[2])


def pubsub_channels(ctx: Context, args: list[bytes]) -> object:
    """PUBSUB CHANNELS."""
    return ctx.services.pubsub.active(args[2] if len(args) > 2 else None)


def pubsub_numsub(ctx: Context, args: list[bytes]) -> object:
    """PUBSUB NUMSUB."""
    replies: list[object] = []
    for channel in args[2:]:
        replies.append(channel)
        replies.append(ctx.services.pubsub.subscribers(channel))
    return replies


def pubsub_numpat(ctx: Context, args: list[bytes]) -> object:
    """PUBSUB NUMPAT: different patterns, however many subscribers each has."""
    return len(ctx.services.pubsub.patterns)


def pubsub_help(ctx: Context, args: list[bytes]) -> object:
    """PUBSUB HELP."""
    return [Simple(line) for line in HELP]


COMMANDS: tuple[Command, ...] = (
    Command(
        "SUBSCRIBE channel [channel ...]", subscribe,
        PUBSUB | NOSCRIPT | LOADING | STALE | SUBSCRIBER,
        group="pubsub", since="2.0.0", cost="O(1) for each channel",
        about="Listens to channels.",
    ),
    Command(
        "PSUBSCRIBE pattern [pattern ...]", psubscribe,
        PUBSUB | NOSCRIPT | LOADING | STALE | SUBSCRIBER,
        group="pubsub", since="2.0.0", cost="O(1) for each pattern",
        about="Listens to all channels whose names fit a pattern.",
    ),
    Command(
        "UNSUBSCRIBE [channel [channel ...]]", unsubscribe,
        PUBSUB | NOSCRIPT | LOADING | STALE | SUBSCRIBER,
        group="pubsub", since="2.0.0", cost="O(1) for each channel",
        about="Listens to channels no longer.",
    ),
    Command(
        "PUNSUBSCRIBE [pattern [pattern ...]]", punsubscribe,
        PUBSUB | NOSCRIPT | LOADING | STALE | SUBSCRIBER,
        group="pubsub", since="2.0.0", cost="O(1) for each pattern",
        about="Listens to patterns no longer.",
    ),
    Command(
        "PUBLISH channel message", publish, PUBSUB | LOADING | STALE | FAST,
        group="pubsub", since="2.0.0",
        cost="O(N+M) with N the channel's subscribers and M all patterns",
        about="Sends a message to everybody who listens.",
    ),
    Command(
        "PUBSUB CHANNELS [pattern]", pubsub_channels, PUBSUB | LOADING | STALE,
        group="pubsub", since="2.8.0", cost="O(N) with N the active channels",
        about="Lists the channels that somebody listens to.",
    ),
    Command(
        "PUBSUB NUMSUB [channel [channel ...]]", pubsub_numsub, PUBSUB | LOADING | STALE,
        group="pubsub", since="2.8.0", cost="O(1) for each channel",
        about="Counts who listens to each channel.",
    ),
    Command(
        "PUBSUB NUMPAT", pubsub_numpat, PUBSUB | LOADING | STALE,
        group="pubsub", since="2.8.0", about="Counts the patterns that somebody listens to.",
    ),
    Command(
        "PUBSUB HELP", pubsub_help, LOADING | STALE,
        group="pubsub", since="6.2.0", about="Describes the subcommands.",
    ),
)  # fmt: skip
