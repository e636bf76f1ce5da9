"""The commands for the members of the mesh: MESH PEERS, TOPOLOGY, FORGET, LEAVE, PAUSE, RESUME,
READY.

They read and change the membership (mesh/membership.py) and the links of this node. What changes
the membership reaches every node in this node's stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.dots import uuid_text
from mesh.membership import END, JOINED, LEFT, Entry, MembershipError
from mesh.report import initial_sync_done
from mesh.status import IN_SYNC, LAGGING
from mesh.topology import shape_of
from node.commands.command import (
    ADMIN,
    LOADING,
    NO_ASYNC_LOADING,
    NO_MULTI,
    NOSCRIPT,
    STALE,
    Command,
)  # fmt: skip
from node.commands.context import Context
from node.resp.replies import OK, Failure, Map

if TYPE_CHECKING:
    from mesh.agent import Agent

READING = ADMIN | LOADING | STALE
CHANGING = ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING | NO_MULTI


class PeersCommands:
    """The handlers; one object per agent."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.commands: tuple[Command, ...] = (
            Command("MESH PEERS", self.peers, READING, group="server", since="8.2.0",
                    about="Every member that is or was in the mesh, and the links with it."),
            Command("MESH TOPOLOGY", self.topology, READING, group="server", since="8.2.0",
                    about="Who follows whom, and the way on which each stream comes here."),
            Command("MESH FORGET member", self.forget, CHANGING, group="server", since="8.2.0",
                    about="Expels a member that will not come back."),
            Command("MESH LEAVE", self.leave, CHANGING, group="server", since="8.2.0",
                    about="Takes this node out of its mesh; its data stays here."),
            Command("MESH PAUSE <LINK address | PEER member>", self.pause, CHANGING,
                    group="server", since="8.2.0",
                    about="Closes links until MESH RESUME: one that ends here, or all with a"
                    " member."),
            Command("MESH RESUME <LINK address | PEER member>", self.resume, CHANGING,
                    group="server", since="8.2.0", about="Opens again what MESH PAUSE closed."),
            Command("MESH READY", self.ready, READING, group="server", since="8.2.0",
                    about="OK once clients may rely on what this node shows, else an error."),
        )  # fmt: skip

    # --- what is told ---------------------------------------------------------------------------

    def peers(self, ctx: Context, args: list[bytes]) -> object:
        """MESH PEERS: a map for each member; this node is among them."""
        return [self._peer(entry) for entry in self.agent.member.membership.entries()]

    def _peer(self, entry: Entry) -> Map:
        agent = self.agent
        is_self = entry.member_id == agent.member.member_id
        state, why = agent.roster.standing() if is_self else (entry.state, entry.why)
        link = agent.link_of(entry.member_id)
        feed = next((each for each in agent.feeds if each.member_id == entry.member_id), None)
        return Map([
            b"id", entry.member_id,
            b"name", entry.name.encode(),
            b"address", entry.address.encode(),
            b"state", state.encode(),
            b"why", why.encode(),
            b"self", 1 if is_self else 0,
            b"slot", agent.member.membership.slot(entry.member_id),
            b"since_ms", entry.since >> 20,
            b"link", b"none" if link is None else link.state.encode(),
            b"feed", b"none" if feed is None else feed.state.encode(),
            b"follows", list(entry.links),
        ])  # fmt: skip

    def topology(self, ctx: Context, args: list[bytes]) -> object:
        """MESH TOPOLOGY: the shape, each link as source and target, each stream's way to us."""
        member = self.agent.member
        joined = [each for each in member.membership.entries() if each.state == JOINED]
        links: list[object] = [
            [source, each.member_id] for each in joined for source in each.links
        ]
        ways: list[object] = [
            [uuid_text(stream), list(path)]
            for stream, path in sorted(member.routes.paths().items())
        ]
        return Map([
            b"shape", shape_of(joined).encode(),
            b"links", links,
            b"ways", ways,
        ])  # fmt: skip

    def ready(self, ctx: Context, args: list[bytes]) -> object:
        """MESH READY: for load balancers and start-up scripts."""
        agent = self.agent
        if not initial_sync_done(agent):
            raise Failure(b"NOTREADY this node is still taking in its first data")
        missing = [link for link in agent.links if link.state not in (IN_SYNC, LAGGING)]
        if agent.links and len(missing) == len(agent.links):
            why = [f"{link.address} ({link.last_error or link.state})" for link in missing]
            text = " ".join(f"NOTREADY no link carries frames: {', '.join(why)}".split())
            raise Failure(text.encode("utf-8", "backslashreplace"))
        return OK

    # --- what is changed ------------------------------------------------------------------------

    def _entry(self, name: bytes) -> Entry:
        try:
            return self.agent.member.membership.find(name)
        except MembershipError as error:
            raise Failure(b"ERR " + str(error).encode()) from error

    def _needs_mesh(self) -> None:
        if not self.agent.member.started:
            raise Failure(b"ERR this node is not active: CONFIG SET active-replica yes first")

    def forget(self, ctx: Context, args: list[bytes]) -> object:
        """MESH FORGET member: by id, beginning of id, name or address."""
        self._needs_mesh()
        entry = self._entry(args[2])
        member = self.agent.member
        if entry.member_id == member.member_id:
            raise Failure(b"ERR that is this node itself: MESH LEAVE takes it out of the mesh")
        member.expel(entry.member_id, "MESH FORGET")
        return OK

    def leave(self, ctx: Context, args: list[bytes]) -> object:
        """MESH LEAVE: said to the others, then all links end."""
        self._needs_mesh()
        agent = self.agent
        own = agent.member.member_id
        agent.member.change_membership([(own + END, {"state": LEFT, "by": own.decode()})])
        agent.roster.leave()
        return OK

    # --- links on hold --------------------------------------------------------------------------

    def pause(self, ctx: Context, args: list[bytes]) -> object:
        """MESH PAUSE LINK address | PEER member."""
        return self._hold(args, True)

    def resume(self, ctx: Context, args: list[bytes]) -> object:
        """MESH RESUME LINK address | PEER member."""
        return self._hold(args, False)

    def _hold(self, args: list[bytes], on: bool) -> object:
        agent = self.agent
        kind = args[2].lower()
        if len(args) != 4 or kind not in (b"link", b"peer"):
            raise Failure(b"ERR syntax error")
        if kind == b"link":
            links = [link for link in agent.links if link.address.encode() == args[3]]
            if not links:
                raise Failure(b"ERR no link of this node comes from this address")
        else:
            member = self._entry(args[3]).member_id
            links = [link for link in agent.links if link.peer_member == member]
            (agent.roster.paused.add if on else agent.roster.paused.discard)(member)
            for feed in list(agent.feeds):
                if on and feed.member_id == member:
                    feed.close("paused by MESH PAUSE")
        for link in links:
            link.hold(on)
        return OK

