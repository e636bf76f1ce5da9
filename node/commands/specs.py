"""What follows from a Command's flags, group and key specs: names, categories, where keys stand.

Redis keeps these as tables of their own; here they are worked out, as COMMAND INFO shows them.
"""

from __future__ import annotations

from typing import Final

from node.commands.command import (
    ADMIN,
    ALLOW_BUSY,
    ASKING,
    BLOCKING,
    DENYOOM,
    FAST,
    LOADING,
    NO_ASYNC_LOADING,
    NO_AUTH,
    NO_MANDATORY_KEYS,
    NO_MULTI,
    NOSCRIPT,
    PUBSUB,
    READONLY,
    SKIP_MONITOR,
    SKIP_SLOWLOG,
    STALE,
    WRITE,
    Command,
    KeySpec,
)  # fmt: skip

# In Redis's order. What is not here is for the server's own use and never shown.
FLAG_NAMES: Final = (
    (WRITE, "write"),
    (READONLY, "readonly"),
    (DENYOOM, "denyoom"),
    (ADMIN, "admin"),
    (PUBSUB, "pubsub"),
    (NOSCRIPT, "noscript"),
    (BLOCKING, "blocking"),
    (LOADING, "loading"),
    (STALE, "stale"),
    (SKIP_MONITOR, "skip_monitor"),
    (SKIP_SLOWLOG, "skip_slowlog"),
    (ASKING, "asking"),
    (FAST, "fast"),
    (NO_AUTH, "no_auth"),
    (NO_MANDATORY_KEYS, "no_mandatory_keys"),
    (NO_ASYNC_LOADING, "no_async_loading"),
    (NO_MULTI, "no_multi"),
    (ALLOW_BUSY, "allow_busy"),
)

# The ACL categories in Redis's order.
CATEGORIES: Final = (
    "keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap",
    "hyperloglog", "geo", "stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous",
    "connection", "transaction", "scripting",
)  # fmt: skip

CATEGORY_OF_GROUP: Final = {
    "generic": "keyspace",
    "string": "string",
    "set": "set",
    "hash": "hash",
    "list": "list",
    "sorted-set": "sortedset",
    "bitmap": "bitmap",
    "hyperloglog": "hyperloglog",
    "geo": "geo",
    "stream": "stream",
    "transactions": "transaction",
    "connection": "connection",
    "scripting": "scripting",
}

NOT_KEY: Final = "NOT_KEY"
VARIABLE_FLAGS: Final = "VARIABLE_FLAGS"


def is_container(command: Command) -> bool:
    """Only there for its subcommands, as CONFIG is; COMMAND does something itself."""
    return command.subcommands is not None and command.flags == 0


def flag_names(command: Command) -> list[str]:
    """The flags as COMMAND INFO shows them."""
    names = [name for flag, name in FLAG_NAMES if command.flags & flag]
    if legacy_range(command)[3]:
        names.append("movablekeys")
    return names


def categories(command: Command) -> list[str]:
    """The ACL categories, without their @: by flags, by group, and those named in the table."""
    found = set(command.categories)
    flags = command.flags
    found.add("fast" if flags & FAST else "slow")
    if flags & WRITE:
        found.add("write")
    if flags & READONLY and "scripting" not in found:
        found.add("read")
    if flags & ADMIN:
        found |= {"admin", "dangerous"}
    if flags & PUBSUB:
        found.add("pubsub")
    if flags & BLOCKING:
        found.add("blocking")
    # WAIT is generic and yet about the connection, SORT about collections.
    about_keys = command.group != "generic" or not found & {"connection", "sortedset"}
    if about_keys and not is_container(command):
        found.add(CATEGORY_OF_GROUP.get(command.group, ""))
    return [name for name in CATEGORIES if name in found]


def legacy_range(command: Command) -> tuple[int, int, int, bool]:
    """First key, last key, step, and whether keys stand elsewhere too (movablekeys).

    One plain spec says it all. Of several, those of step 1 that follow one another are joined.
    """
    specs = command.keys
    if len(specs) == 1 and is_plain(specs[0]):
        return int(specs[0].first), int(specs[0].last), int(specs[0].step), False
    first = last = 0
    is_movable = False
    for spec in specs:
        follows = first == 0 or (last > 0 and spec.first == last + 1)
        if not is_plain(spec) or spec.step != 1 or not follows:
            is_movable = True
            continue
        first = first or spec.first
        last = spec.last
    return first, last, 1 if first else 0, is_movable


def is_plain(spec: KeySpec) -> bool:
    """Do its keys stand at fixed places?"""
    return spec.count_at < 0 and not spec.keyword and not spec.unknown


def has_keys(command: Command) -> bool:
    """Does it take keys at all? Channels, which stand in specs too, are none."""
    return any(NOT_KEY not in spec.flags for spec in command.keys)


def key_places(command: Command, args: list[bytes]) -> list[tuple[int, tuple[str, ...]]] | None:
    """Where the keys of a call stand, each with its flags; None where the call makes no sense.

    The arity has been checked.
    """
    found: list[tuple[int, tuple[str, ...]]] = []
    for spec in command.keys:
        if NOT_KEY in spec.flags:
            continue
        if spec.unknown:
            if "OW" in spec.flags:
                found += stored_by_sort(spec, args)
            continue
        places = places_of(spec, args)
        if places is None:
            return None
        flags = spec.flags
        if VARIABLE_FLAGS in flags:
            flags = flags_of_call(command, args)
        found += [(place, flags) for place in places]
    return found


def places_of(spec: KeySpec, args: list[bytes]) -> range | None:
    """The indexes of one spec's keys; None where there are not so many arguments."""
    first = int(spec.first)
    if spec.keyword:
        return places_behind(spec, args)
    if spec.count_at >= 0:
        count = args[spec.count_at]
        if not count.isdigit() or len(count) > 9 or int(count) == 0:
            return None
        last = first + (int(count) - 1) * int(spec.step)
    else:
        last = int(spec.last) if spec.last >= 0 else len(args) + int(spec.last)
    if last >= len(args) or last < first:
        return None
    return range(first, last + 1, int(spec.step))


def places_behind(spec: KeySpec, args: list[bytes]) -> range:
    """The indexes of keys behind a keyword; none where it does not stand there."""
    keyword = spec.keyword.encode()
    for place in range(int(spec.first), len(args)):
        if args[place].upper() == keyword:
            first = place + 1
            following = len(args) - first
            if spec.limit:
                return range(first, first + following // int(spec.limit))
            return range(first, first + min(following, 1))
    return range(0)


def stored_by_sort(spec: KeySpec, args: list[bytes]) -> list[tuple[int, tuple[str, ...]]]:
    """SORT's target: behind the last STORE, wherever it stands among the options."""
    found: list[tuple[int, tuple[str, ...]]] = []
    place = 2
    while place < len(args):
        word = args[place].upper()
        if word == b"STORE" and place + 1 < len(args):
            found = [(place + 1, spec.flags)]
        place += {b"LIMIT": 3, b"GET": 2, b"BY": 2, b"STORE": 2}.get(word, 1)
    return found


def flags_of_call(command: Command, args: list[bytes]) -> tuple[str, ...]:
    """SET reads the key only where GET asks for the old value; BITFIELD may do nothing else."""
    if command.name == b"bitfield":
        reads = all(
            args[place].upper() != name
            for place in range(2, len(args))
            for name in (b"SET", b"INCRBY")
        )
        return ("RO", "ACCESS") if reads else ("RW", "ACCESS", "UPDATE")
    if any(arg.upper() == b"GET" for arg in args[3:]):
        return ("RW", "ACCESS", "UPDATE")
    return ("OW", "UPDATE")


def shown_flags(flags: tuple[str, ...]) -> list[str]:
    """Key spec flags as Redis writes them: the kind of access in capitals, the rest not."""
    return [flag if len(flag) == 2 else flag.lower() for flag in flags]
