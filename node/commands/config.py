"""CONFIG: reads and changes directives while the node runs. What they mean is conf's concern."""

from __future__ import annotations

from conf import ConfigError, find
from node.commands.args import echoed, syntax_error
from node.commands.command import ADMIN, LOADING, NOSCRIPT, STALE, TABLE, Command
from node.commands.context import Context, Services
from node.commands.help import help_reply
from node.resp.replies import OK, Failure, Map
from node.session import NOAUTH
from node.store.glob import matches

NO_FILE = b"ERR The server is running without a config file"

HELP = (
    "GET <pattern> [<pattern> ...]",
    "    The directives that fit one of the patterns, with their values.",
    "SET <directive> <value> [<directive> <value> ...]",
    "    Change directives: all of them or, if one cannot be, none.",
    "RESETSTAT",
    "    Set the counters that INFO shows to nothing.",
    "REWRITE",
    "    Bring the configuration file up to date.",
)


def text_of(arg: bytes) -> str:
    """An argument as conf reads it; bytes that are no UTF-8 come out again as they were."""
    return arg.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """The other way round."""
    return text.encode("utf-8", "surrogateescape")


def config_get(ctx: Context, args: list[bytes]) -> object:
    """CONFIG GET: a name as it was typed, hidden ones too; a pattern stands for what is listed."""
    config = ctx.services.config
    found: dict[str, str] = {}  # lower-cased name -> name as shown
    for arg in args[2:]:
        name = text_of(arg)
        lower = name.lower()
        if not any(mark in name for mark in "*?["):
            if config.known(lower):
                found.setdefault(lower, name)
            continue
        pattern = bytes_of(lower)
        for listed in config.names():
            if matches(pattern, listed.encode()):
                found.setdefault(listed, listed)
    items: list[object] = []
    for lower, name in found.items():
        items.append(bytes_of(name))
        items.append(bytes_of(config.printed(lower)))
    return Map(items)


def config_set(ctx: Context, args: list[bytes]) -> object:
    """CONFIG SET: all pairs or none. What was set is put back where a later one fails."""
    if len(args) % 2:
        raise syntax_error()
    services = ctx.services
    config = services.config
    pairs = [(text_of(args[at]), text_of(args[at + 1])) for at in range(2, len(args), 2)]
    check_names(ctx, pairs)
    saved = config.saved([name for name, _ in pairs])
    applied: list[str] = []
    for name, value in pairs:
        try:
            config.set(name, [value])
        except ConfigError as problem:
            config.put_back(saved)
            raise refusal(name, str(problem)) from problem
    for name, _ in pairs:
        directive = own_name(name)
        try:
            apply(services, directive)
            applied.append(directive)
        except (ConfigError, Failure) as problem:
            config.put_back(saved)
            for earlier in applied:
                apply(services, earlier)
            raise refusal(name, str(problem).removeprefix("ERR ")) from problem
    return OK


def check_names(ctx: Context, pairs: list[tuple[str, str]]) -> None:
    """Raises what is wrong with the first name that may not be set, before anything is."""
    config = ctx.services.config
    seen: set[str] = set()
    for name, _ in pairs:
        if not config.known(name):
            raise Failure(
                b"ERR Unknown option or number of arguments for CONFIG SET - '%s'"
                % echoed(bytes_of(name))
            )
        if not config.can_set(name, ctx.client().is_local()):
            raise refusal(name, f"can't set {kind_of_guard(name)} config")
        if name.lower() in seen:  # by an alias it may be given twice
            raise refusal(name, "duplicate parameter")
        seen.add(name.lower())


def kind_of_guard(name: str) -> str:
    """Redis's word for why a directive may not be set: fixed at the start, or protected."""
    directive = find(name)
    return "protected" if directive is not None and directive.when == "guarded" else "immutable"


def own_name(name: str) -> str:
    """The name in the table of what may be an alias in any case."""
    directive = find(name)
    assert directive is not None, f"{name} was checked before"
    return directive.name


def refusal(name: str, reason: str) -> Failure:
    """CONFIG SET's error for one directive."""
    text = f"ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}"
    return Failure(bytes_of(text))


def apply(services: Services, name: str) -> None:
    """Acts on a directive's new value: what the engine holds itself, then what is outside."""
    config = services.config
    if name == "requirepass":
        services.password = bytes_of(config.text(name))
        if not services.password:
            for session in services.sessions.values():
                session.flags &= ~NOAUTH
    services.changed(name)
    services.shell.apply(name)


def config_resetstat(ctx: Context, args: list[bytes]) -> object:
    """CONFIG RESETSTAT."""
    services = ctx.services
    for command in TABLE.values():
        for each in (command, *(command.subcommands or {}).values()):
            each.calls = 0
            each.seconds = 0.0
            each.rejected = 0
            each.failed = 0
    services.errors.clear()
    services.processed = 0
    ctx.writer.expired_keys = 0
    ctx.writer.expired_places = 0
    for db in services.databases:
        db.hits = 0
        db.misses = 0
    services.auth_denied = 0
    services.cron_runs = 0
    services.cron_failures = 0
    services.shell.reset_stats()
    return OK


def config_rewrite(ctx: Context, args: list[bytes]) -> object:
    """CONFIG REWRITE."""
    if not ctx.services.config.file:
        raise Failure(NO_FILE)
    ctx.services.shell.rewrite_config()
    return OK


def config_help(ctx: Context, args: list[bytes]) -> object:
    """CONFIG HELP."""
    return help_reply("CONFIG", HELP)


POWERS = ADMIN | NOSCRIPT | LOADING | STALE
ALL_NODES = ("request_policy:all_nodes", "response_policy:all_succeeded")

COMMANDS: tuple[Command, ...] = (
    Command(
        "CONFIG GET parameter [parameter ...]", config_get, POWERS, group="server", since="2.0.0",
        cost="O(N) with N the number of directives", about="Shows values of directives.",
    ),
    Command(
        "CONFIG SET parameter value [parameter value ...]", config_set, POWERS, group="server",
        since="2.0.0", cost="O(N) with N the directives given",
        about="Changes directives, all of them or none.", tips=ALL_NODES,
    ),
    Command(
        "CONFIG RESETSTAT", config_resetstat, POWERS, group="server", since="2.0.0",
        cost="O(N) with N the number of commands", about="Sets the counters of INFO to nothing.",
        tips=ALL_NODES,
    ),
    Command(
        "CONFIG REWRITE", config_rewrite, POWERS, group="server", since="2.8.0",
        cost="O(N) with N the lines of the file", about="Brings the configuration file up to date.",
        tips=ALL_NODES,
    ),
    Command(
        "CONFIG HELP", config_help, LOADING | STALE, group="server", since="5.0.0",
        about="Describes the subcommands.",
    ),
)  # fmt: skip
