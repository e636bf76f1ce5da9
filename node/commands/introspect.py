"""COMMAND: the command table as clients ask for it. Everything is worked out from the table."""

from __future__ import annotations

from collections.abc import Iterator

from node.commands.args import syntax_error
from node.commands.command import LOADING, STALE, TABLE, Command, KeySpec, find
from node.commands.context import Context
from node.commands.help import help_reply
from node.commands.reference import documentation
from node.commands.specs import (
    categories,
    flag_names,
    has_keys,
    key_places,
    legacy_range,
    shown_flags,
)
from node.resp.replies import NULL_ARRAY, Failure, Map, SetReply, Simple
from node.store.glob import matches

HELP = (
    "(no subcommand)",
    "    What COMMAND INFO says, for all commands.",
    "COUNT",
    "    The number of commands.",
    "LIST",
    "    The names of all commands and subcommands.",
    "INFO [<command-name> ...]",
    "    Arity, flags, keys and so on of each command, or of all.",
    "DOCS [<command-name> ...]",
    "    What each command does and takes, or all of them.",
    "GETKEYS <full-command>",
    "    The keys of a call.",
    "GETKEYSANDFLAGS <full-command>",
    "    The keys of a call, and how it would use them.",
)


def named(name: bytes) -> Command | None:
    """The command of a name such as `get` or `config|get`."""
    first, bar, second = name.lower().partition(b"|")
    command = find(0, first)
    if command is None or not bar:
        return command
    return (command.subcommands or {}).get(second)


def everything() -> Iterator[Command]:
    """All commands, each followed by its subcommands."""
    for command in TABLE.values():
        yield command
        yield from (command.subcommands or {}).values()


def description(command: Command) -> object:
    """What COMMAND INFO says of a command."""
    first, last, step, _ = legacy_range(command)
    subcommands = (command.subcommands or {}).values()
    return [
        command.fullname,
        int(command.shown_arity),
        SetReply([Simple(name.encode()) for name in flag_names(command)]),
        first,
        last,
        step,
        SetReply([Simple(b"@" + name.encode()) for name in categories(command)]),
        SetReply([tip.encode() for tip in command.tips]),
        SetReply([spec_reply(spec) for spec in command.keys]),
        SetReply([description(each) for each in subcommands]),
    ]


def spec_reply(spec: KeySpec) -> object:
    """One key spec: where the search begins and how keys are found from there."""
    flags: list[object] = [Simple(flag.encode()) for flag in shown_flags(spec.flags)]
    found: list[object] = [b"flags", SetReply(flags)]
    if spec.unknown:
        nowhere = Map([b"type", b"unknown", b"spec", Map([])])
        found = [b"notes", spec.unknown.encode(), *found]
        return Map([*found, b"begin_search", nowhere, b"find_keys", nowhere])
    found += [b"begin_search", search_reply(spec), b"find_keys", places_reply(spec)]
    return Map(found)


def search_reply(spec: KeySpec) -> object:
    """Where the search for keys begins."""
    if spec.keyword:
        where = Map([b"keyword", spec.keyword.encode(), b"startfrom", int(spec.first)])
        return Map([b"type", b"keyword", b"spec", where])
    begin = spec.first if spec.count_at < 0 else spec.count_at
    return Map([b"type", b"index", b"spec", Map([b"index", int(begin)])])


def places_reply(spec: KeySpec) -> object:
    """How keys are found from there."""
    if spec.count_at >= 0:
        first = int(spec.first - spec.count_at)
        counts = Map([b"keynumidx", 0, b"firstkey", first, b"keystep", int(spec.step)])
        return Map([b"type", b"keynum", b"spec", counts])
    relative = spec.last < 0 or spec.keyword
    last = int(spec.last if relative else spec.last - spec.first)
    found = Map([b"lastkey", last, b"keystep", int(spec.step), b"limit", int(spec.limit)])
    return Map([b"type", b"range", b"spec", found])


def command_all(ctx: Context, args: list[bytes]) -> object:
    """COMMAND alone."""
    return [description(command) for command in TABLE.values()]


def command_count(ctx: Context, args: list[bytes]) -> object:
    """COMMAND COUNT: subcommands are not counted."""
    return len(TABLE)


def command_info(ctx: Context, args: list[bytes]) -> object:
    """COMMAND INFO: null for a name that is no command's."""
    if len(args) == 2:
        return command_all(ctx, args)
    found = [named(arg) for arg in args[2:]]
    return [NULL_ARRAY if command is None else description(command) for command in found]


def command_docs(ctx: Context, args: list[bytes]) -> object:
    """COMMAND DOCS: names that are no command's are left out."""
    wanted = list(TABLE.values()) if len(args) == 2 else [named(arg) for arg in args[2:]]
    items: list[object] = []
    for command in wanted:
        if command is not None:
            items.append(command.fullname)
            items.append(documentation(command))
    return Map(items)


def command_list(ctx: Context, args: list[bytes]) -> object:
    """COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern]."""
    if len(args) == 2:
        return [command.fullname for command in everything()]
    if len(args) != 5 or args[2].upper() != b"FILTERBY":
        raise syntax_error()
    kind = args[3].upper()
    if kind == b"MODULE":
        return []
    if kind == b"ACLCAT":
        category = args[4].lower().decode("latin-1")
        return [each.fullname for each in everything() if category in categories(each)]
    if kind == b"PATTERN":
        pattern = args[4].lower()
        return [each.fullname for each in everything() if matches(pattern, each.fullname)]
    raise syntax_error()


def keys_of_call(call: list[bytes]) -> list[tuple[bytes, tuple[str, ...]]]:
    """The keys of a complete command, each with its flags; else the error that says why not."""
    command = find(0, call[0])
    if command is not None and command.subcommands is not None and len(call) > 1:
        command = command.subcommands.get(call[1].lower())
    if command is None:
        raise Failure(b"ERR Invalid command specified")
    if not has_keys(command):
        raise Failure(b"ERR The command has no key arguments")
    if len(call) != command.arity and (command.arity > 0 or len(call) < -command.arity):
        raise Failure(b"ERR Invalid number of arguments specified for command")
    places = key_places(command, call)
    if not places:
        raise Failure(b"ERR Invalid arguments specified for command")
    return [(call[place], flags) for place, flags in places]


def command_getkeys(ctx: Context, args: list[bytes]) -> object:
    """COMMAND GETKEYS."""
    return [key for key, _ in keys_of_call(args[2:])]


def command_getkeysandflags(ctx: Context, args: list[bytes]) -> object:
    """COMMAND GETKEYSANDFLAGS."""
    return [
        [key, SetReply([Simple(flag.encode()) for flag in shown_flags(flags)])]
        for key, flags in keys_of_call(args[2:])
    ]


def command_help(ctx: Context, args: list[bytes]) -> object:
    """COMMAND HELP."""
    return help_reply("COMMAND", HELP)


ANYTIME = LOADING | STALE
ANY_ORDER = ("nondeterministic_output_order",)
OF_CONNECTION = ("connection",)
EACH = "O(N) with N the number of names"

COMMANDS: tuple[Command, ...] = (
    Command(
        "COMMAND", command_all, ANYTIME, group="server", since="2.8.13", arity=-1,
        cost="O(N) with N the number of commands", about="Describes all commands.",
        categories=OF_CONNECTION, tips=ANY_ORDER,
    ),
    Command(
        "COMMAND COUNT", command_count, ANYTIME, group="server", since="2.8.13",
        about="Counts the commands.", categories=OF_CONNECTION,
    ),
    Command(
        "COMMAND INFO [command-name [command-name ...]]", command_info, ANYTIME, group="server",
        since="2.8.13", cost=EACH, about="Describes commands.", categories=OF_CONNECTION,
        tips=ANY_ORDER,
    ),
    Command(
        "COMMAND DOCS [command-name [command-name ...]]", command_docs, ANYTIME, group="server",
        since="7.0.0", cost=EACH, about="Tells what commands do and take.",
        categories=OF_CONNECTION, tips=ANY_ORDER,
    ),
    Command(
        "COMMAND LIST [FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
        command_list, ANYTIME, group="server", since="7.0.0",
        cost="O(N) with N the number of commands", about="Lists the names of commands.",
        categories=OF_CONNECTION, tips=ANY_ORDER,
    ),
    Command(
        "COMMAND GETKEYS command [arg [arg ...]]", command_getkeys, ANYTIME, group="server",
        since="2.8.13", cost="O(N) with N the number of arguments",
        about="Finds the keys in a call.", categories=OF_CONNECTION,
    ),
    Command(
        "COMMAND GETKEYSANDFLAGS command [arg [arg ...]]", command_getkeysandflags, ANYTIME,
        group="server", since="7.0.0", cost="O(N) with N the number of arguments",
        about="Finds the keys in a call and tells what it does to them.",
        categories=OF_CONNECTION,
    ),
    Command(
        "COMMAND HELP", command_help, ANYTIME, group="server", since="5.0.0",
        about="Describes the subcommands.", categories=OF_CONNECTION,
    ),
)  # fmt: skip
