"""MESH CONFLICTS, EXPLAIN, OWNER, DIGEST, TOKEN, WAITFOR, WAIT and HELP: what they answer.

They look and change nothing, MESH CONFLICTS RESET apart. Those that show data or stop the node for
long are for administrators (ACL category @admin); tokens and waits are for every client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mesh.conflicts import KINDS, NAME_BYTES
from mesh.digest import range_digests
from mesh.explain import Explainer, conflict_map, pairs
from node.commands.args import DB_OUT_OF_RANGE, Options, integer, positive, syntax_error
from node.commands.command import ADMIN, BLOCKING, FAST, LOADING, STALE, Command
from node.commands.context import Context
from node.commands.help import help_reply
from node.digest import digest_of, hexadecimal
from node.resp.replies import Failure
from node.store.keyspace import Database

if TYPE_CHECKING:
    from mesh.agent import Agent

# Conflicts told where no COUNT is given: a screenful.
LISTED: Final = 10


class MeshCommands:
    """The handlers; one object per agent."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        waits = agent.waits
        self.commands: tuple[Command, ...] = (
            Command("MESH CONFLICTS [COUNT count] [KIND kind] [KEY key] [RESET]", self.conflicts,
                    ADMIN | LOADING | STALE, group="server", since="8.2.0",
                    cost="O(N) in the conflicts that are remembered",
                    about="Concurrent writes that met: counts by kind and by member, and the last"
                    " ones with winner, loser, stamps and rule."),
            Command("MESH EXPLAIN key [db] [PLACE place]", self.explain, ADMIN | STALE,
                    group="server", since="8.2.0",
                    cost="O(N) in what is contested in the key",
                    about="All that this node remembers of a key, and why it shows what it shows."),
            Command("MESH OWNER key", self.owner, LOADING | STALE, group="server", since="8.2.0",
                    cost="O(N) in the members of the mesh",
                    about="Which node pops and locks the key by mesh-owner, as this node sees it,"
                    " and why this node does not."),
            Command("MESH DIGEST [db] [RANGES]", self.digest, ADMIN | STALE, group="server",
                    since="8.2.0", cost="O(N log N) in all keys, members and fields",
                    about="The digest of what clients can see, of one database or all, or of each"
                    " of 256 ranges of keys: equal where two nodes show the same."),
            Command("MESH TOKEN", waits.token, LOADING | STALE | FAST, group="server",
                    since="8.2.0", cost="O(N) in the streams of the mesh",
                    about="All that was written and applied here so far, as a token for WAITFOR on"
                    " another node."),
            Command("MESH WAITFOR token timeout", waits.wait_for, BLOCKING, group="server",
                    since="8.2.0", cost="O(N) in the streams that the token names",
                    about="Waits until this node has applied all that a token names: 1, or 0 after"
                    " so many milliseconds."),
            Command("MESH WAIT <all | majority | peer [peer ...]> timeout", waits.mesh_wait,
                    BLOCKING, group="server", since="8.2.0", arity=-4,
                    cost="O(N) in the members of the mesh",
                    about="Waits until these members have applied the client's last write: 1, or 0"
                    " after so many milliseconds."),
            Command("MESH HELP", self.help, LOADING | STALE, group="server", since="8.2.0",
                    cost="O(1)", about="Describes the subcommands."),
        )  # fmt: skip

    def help(self, ctx: Context, args: list[bytes]) -> object:
        """MESH HELP: each subcommand and what it is for."""
        lines: list[str] = []
        for command in sorted(self.agent.commands, key=lambda each: bytes(each.fullname)):
            if command.subname and command.subname != b"help":
                lines += [command.syntax.removeprefix("MESH "), "    " + command.about]
        return help_reply("MESH", lines)

    # --- conflicts ------------------------------------------------------------------------------

    def conflicts(self, ctx: Context, args: list[bytes]) -> object:
        """MESH CONFLICTS: the newest first. RESET forgets them all, after they were told."""
        conflicts = self.agent.member.memory.conflicts
        count = LISTED
        kind = ""
        key: bytes | None = None
        reset = False
        options = Options(args, 2)
        while options.more():
            word = options.word()
            if word == b"COUNT":
                count = positive(options.value(), b"ERR COUNT must be greater than 0")
            elif word == b"KIND":
                kind = options.value().decode("latin-1").lower()
                if kind not in conflicts.counts:
                    raise Failure(b"ERR unknown kind: one of " + ", ".join(KINDS).encode())
            elif word == b"KEY":
                key = options.value()[:NAME_BYTES]
            elif word == b"RESET":
                reset = True
            else:
                raise syntax_error()
        streams = self.agent.streams
        last: list[object] = []
        for each in reversed(conflicts.last):
            if len(last) >= count:
                break
            if (not kind or each.kind == kind) and (key is None or each.key == key):
                last.append(conflict_map(each, conflicts, streams))
        reply = pairs({
            "counts": pairs(dict(conflicts.counts)),
            "members": pairs({
                member: pairs(dict(counts)) for member, counts in self.by_member().items()
            }),
            "remembered": len(conflicts.last),
            "last": last,
        })  # fmt: skip
        if reset:
            conflicts.reset()
        return reply

    def by_member(self) -> dict[str, dict[str, int]]:
        """Counts by the member whose write met another, and by kind; a stream whose member is not
        known stands for itself."""
        found: dict[str, dict[str, int]] = {}
        streams = self.agent.streams
        for origin, counts in self.agent.member.memory.conflicts.by_origin.items():
            stream = streams.all[origin]
            mine = found.setdefault((stream.member or stream.text).decode(), {})
            for kind, count in counts.items():
                mine[kind] = mine.get(kind, 0) + count
        return found

    # --- one key --------------------------------------------------------------------------------

    def explain(self, ctx: Context, args: list[bytes]) -> object:
        """MESH EXPLAIN key [db] [PLACE place]."""
        db = ctx.db
        at = 3
        if len(args) > at and args[at].upper() != b"PLACE":
            db = self._database(ctx, args[at])
            at += 1
        place: bytes | None = None
        if len(args) > at:
            if args[at].upper() != b"PLACE" or len(args) != at + 2:
                raise syntax_error()
            place = args[at + 1]
        return Explainer(self.agent.member.memory).explain(db, args[2], place)

    def owner(self, ctx: Context, args: list[bytes]) -> object:
        """MESH OWNER key."""
        ownership = self.agent.member.ownership
        owner, reason = ownership.place([args[2]])
        entry = self.agent.member.membership.entry(owner)
        return pairs({
            "rule": ownership.rules.owner(args[2]),
            "member": owner.decode(),
            "name": "" if entry is None else entry.name,
            "address": "" if entry is None else entry.address,
            "here": 0 if reason else 1,
            "why_not": reason,
        })  # fmt: skip

    # --- all keys -------------------------------------------------------------------------------

    def digest(self, ctx: Context, args: list[bytes]) -> object:
        """MESH DIGEST [db] [RANGES]: 40 hexadecimal digits, or 256 times 32."""
        words = args[2:]
        ranges = bool(words) and words[-1].upper() == b"RANGES"
        if ranges:
            words = words[:-1]
        if len(words) > 1:
            raise syntax_error()
        databases = [self._database(ctx, words[0])] if words else ctx.services.databases
        if ranges:
            return [hexadecimal(each) for each in range_digests(databases)]
        return hexadecimal(digest_of(databases))

    def _database(self, ctx: Context, arg: bytes) -> Database:
        number = integer(arg)
        if not 0 <= number < len(ctx.services.databases):
            raise Failure(DB_OUT_OF_RANGE)
        return ctx.services.databases[number]
