"""Roster: whom this node has links with, and over which link each stream comes; for the agent.

It looks once a second, and whenever a link or the membership has changed: who follows us and should
be called back, what does not come to us at all, whose address is new, who has left or was expelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from mesh.membership import JOINED, Change, expulsion

if TYPE_CHECKING:
    from mesh.agent import Agent

LOG = structlog.get_logger()

# A peer that called us is called back after this time, unless a link to it comes up before.
DIAL_BACK_S: Final = 1.0
# How long a member may lack what a linked peer says it has, before the link is asked again.
LACK_S: Final = 2.0
# Questions at heartbeats, two each. So long a node alone says nothing of what it holds while a link
# that is configured never was up; then what is dead for good must not hold up forgetting.
ALONE_BEATS: Final = 120
# So long after it was last heard of a process may still be there: a second one with its member id
# is refused. A crash that nobody was told of holds its own restart up no longer.
TAKEN_S: Final = 0.5


class Roster:
    """One per agent. `beat` is called with each heartbeat."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.undialed: set[bytes] = set()  # members that REPLICAOF took away: not called back
        self.paused: set[bytes] = set()  # members with whom MESH PAUSE allows no link
        self._lacking: dict[str, tuple[float, dict[bytes, int]]] = {}
        self._dialing: dict[bytes, float] = {}
        self._beats_alone = 0
        # What we are to peers who refuse us, and why, by address: who was away when it was expelled
        # hears of it in no frame.
        self._told: dict[str, tuple[str, str]] = {}
        self._states: dict[bytes, str] = {}  # what the log has said of the members
        self.membership = agent.member.membership
        self.routes = agent.member.routes
        agent.member.describe = self.describe
        agent.member.expects_link = self.expects_link
        agent.member.became_void = self.feed_nobody
        agent.member.meet_anew = self.meet_anew
        self.membership.changed = self.members_changed
        self.routes.hope = self._is_hoped_for

    def beat(self) -> None:
        """Once a heartbeat."""
        for link in self.agent.links:
            if link.live:
                self._told.pop(link.address, None)
        self.settle_routes()
        self._ask_for_what_is_lacked()
        self._dial_back()
        self._admit_the_heard()
        self._expel_the_replaced()

    # --- ways -----------------------------------------------------------------------------------

    def settle_routes(self) -> None:
        """A link, a feed or an offer has changed: which streams come over which link now?"""
        if not self.agent.stopped:
            self.routes.settle(self.agent.loop_s())

    def _is_hoped_for(self, member: bytes) -> bool:
        """May a link to this member still come up by itself?"""
        return any(
            not link.live and not link.closed and link.peer_member in (b"", member)
            for link in self.agent.links
        )

    def _ask_for_what_is_lacked(self) -> None:
        """A linked peer has frames that do not come to us, neither by themselves nor by relay."""
        agent = self.agent
        now = agent.loop_s()
        for link in agent.links:
            stream = agent.streams.known(link.peer_stream) if link.live else None
            lacked: dict[bytes, int] = {}
            if stream is not None:
                since, lacked = self._lacking.get(link.address, (now, {}))
                # Still, of what was lacked before: what is on its way is lacked for a moment only.
                lacked = self._still_lacked(lacked, link.peer_member)
                if lacked and now - since >= LACK_S:
                    self._lacking.pop(link.address, None)
                    link.restart("it has what we lack")
                    continue
                if not lacked:
                    marks = agent.streams.row_marks(stream)
                    lacked = self._still_lacked(marks, link.peer_member)
                    since = now
            if lacked:
                self._lacking[link.address] = (since, lacked)
            else:
                self._lacking.pop(link.address, None)

    def _still_lacked(self, marks: dict[bytes, int], peer: bytes) -> dict[bytes, int]:
        """Those of the marks that we have not reached, of others' streams, and may reach by this
        peer: what it has of a stream that is being closed may have to wait for its disk."""
        streams = self.agent.streams
        lacked: dict[bytes, int] = {}
        for name, stamp in marks.items():
            stream = streams.of(name)
            if stream is streams.own or stamp <= stream.seen:
                continue
            if not stream.closing or self.agent.member.may_take(stream, stamp, peer):
                lacked[name] = stamp
        return lacked

    # --- who is called --------------------------------------------------------------------------

    def _dial_back(self) -> None:
        """A member that follows us and whose stream comes to us by no way is called at its
        announced address."""
        agent = self.agent
        if not agent.config.yes("mesh-dial-back"):
            return
        for feed in agent.feeds:
            name = feed.member_id
            link = agent.link_of(name)
            if (
                link is not None and not link.configured and not link.live
                and link.address != feed.address and not self.routes.gets(feed.stream)
            ):
                # It has moved: it can tell so in its stream only when that comes here.
                LOG.info("address_changed", peer=link.address, address=feed.address)
                agent.remove_link(link)
            known = agent.link_of(name) is not None or self.routes.gets(feed.stream) or any(
                link.address == feed.address for link in agent.links
            )
            if known or name in self.undialed or name in self.paused:
                self._dialing.pop(name, None)
                continue
            first = self._dialing.setdefault(name, agent.loop_s())
            if agent.loop_s() - first >= DIAL_BACK_S:
                LOG.info("dial_back", peer=feed.address)
                self._dialing.pop(name, None)
                agent.add_link(feed.host, feed.port, False)

    def call(self, member: bytes, host: str, port: int) -> None:
        """A peer called whose state has to take the place of ours: it waits until we follow it."""
        agent = self.agent
        is_linked = agent.link_of(member) is not None or any(
            link.address == f"{host}:{port}" for link in agent.links
        )
        may = agent.config.yes("mesh-dial-back") and port > 0
        if may and not is_linked and member not in self.undialed and member not in self.paused:
            LOG.info("dial_back", peer=f"{host}:{port}")
            agent.add_link(host, port, False)

    def expects_link(self) -> bool:
        """Was a configured link never up, though this process has just begun?"""
        self._beats_alone += 1
        return self._beats_alone <= ALONE_BEATS and any(
            link.configured and not link.peer_member for link in self.agent.links
        )

    def forget_dialed(self) -> None:
        """REPLICAOF NO ONE: those who follow us now are not called back."""
        self.undialed = {feed.member_id for feed in self.agent.feeds}

    def meet_anew(self) -> None:
        """What this node is has changed, its stream or its state: whoever is linked with it is to
        hear of it by a handshake."""
        self.agent.identity = self.agent.own_identity()
        self.agent.call_soon(self._drop_all)

    def _drop_all(self) -> None:
        for feed in list(self.agent.feeds):
            feed.close("this node meets its peers anew")
        for link in list(self.agent.links):
            link.restart("all links begin anew")

    def feed_nobody(self) -> None:
        """What stands here is to be replaced: nobody may have what is written until then."""
        for feed in list(self.agent.feeds):
            feed.close("this node's state is about to be replaced")

    # --- members --------------------------------------------------------------------------------

    def describe(self) -> dict[str, object]:
        """What this node says of itself in the membership."""
        agent = self.agent
        full = {"full": True} if agent.config.text("mesh-join") else {}
        return {
            **full,
            "name": agent.config.text("node-name"),
            "host": agent.identity.announce_ip.decode(errors="replace"),
            "port": agent.identity.announce_port,
            "links": sorted(
                {link.peer_member.decode() for link in agent.links if link.peer_member}
            ),
        }

    def may_hear(self, member: bytes, stream: bytes) -> bool:
        """Does what this follower writes come to us, or will it? Else it only follows, and is no
        member: nobody could tell what it holds (semantics.md 7)."""
        agent = self.agent
        known = agent.member.membership.entry(member) is not None
        if known or agent.config.yes("mesh-dial-back") or self.routes.gets(stream):
            return True
        return any(link.peer_member in (b"", member) for link in agent.links)

    def not_heard_by(self) -> str:
        """The addresses of peers that we follow and that take nothing of what we write, separated
        by commas: to them this node is no member (semantics.md 7)."""
        agent = self.agent
        # By then it has called us back, and has said that it has something of ours.
        before_ms = agent.now_ms() - int(2000 * agent.silence_s)
        return ",".join(
            link.address for link in agent.links
            if link.live and link.since_ms < before_ms
            and not agent.waits.has_applied(link.peer_member, 1)
        )

    def _admit_the_heard(self) -> None:
        """A follower whose stream came by no way at first comes by one now: it is a member."""
        for feed in self.agent.feeds:
            known = self.membership.entry(feed.member_id) is not None
            if not known and self.routes.gets(feed.stream):
                self.agent.member.admit(feed.member_id, feed.host, feed.port, self.is_here)

    def is_here(self, member: bytes) -> bool:
        """Is this member connected to us, or does what it writes come to us by relay?"""
        if any(feed.member_id == member for feed in self.agent.feeds):
            return True
        return any(path[-1] == member for path in self.routes.paths().values())

    def is_taken(self, member: bytes, stream: bytes) -> bool:
        """Is another process with this member id connected, and was heard of just now?"""
        agent = self.agent
        silent_s = max(2.0 * agent.heartbeat_s, TAKEN_S)
        alive_s = agent.loop_s() - silent_s
        if any(
            feed.member_id == member and feed.stream != stream and feed.last_ack_s > alive_s
            for feed in agent.feeds
        ):
            return True
        return any(
            link.peer_member == member and link.peer_stream != stream and link.live
            and link.last_io_s > alive_s
            for link in agent.links
        )

    def members_changed(self) -> None:
        """The membership has changed: who has left or was expelled is linked with no longer."""
        agent = self.agent
        self._tell_changes()
        for link in list(agent.links):
            refusal = self.membership.refusal(link.peer_member)
            if refusal and link.live:
                link.refuse(refusal)
            entry = self.membership.entry(link.peer_member)
            if entry is None or link.configured or link.live or not entry.announced:
                continue
            if entry.address != link.address:  # the newest address it has announced
                LOG.info("address_changed", peer=link.address, address=entry.address)
                agent.remove_link(link)
                agent.add_link(entry.host, entry.port, False)
        for feed in list(agent.feeds):
            if self.membership.refusal(feed.member_id):
                feed.close("its member belongs to the mesh no longer")

    def _tell_changes(self) -> None:
        """The log says who has joined, left and was expelled, on every node; not what was so when
        this process began, nor what a newcomer is told of those who are gone."""
        for entry in self.membership.entries():
            before = self._states.get(entry.member_id)
            self._states[entry.member_id] = entry.state
            has_joined = entry.state == JOINED
            is_news = before != entry.state and (before is not None or has_joined)
            is_own = entry.member_id == self.agent.member.member_id
            if not is_news or (is_own and has_joined) or not self.agent.member.started:
                continue
            tell = LOG.info if has_joined else LOG.warning
            words = {"name": entry.name, "address": entry.address, "by": entry.by, "why": entry.why}
            tell(
                f"member_{entry.state}", member=entry.member_id.decode(),
                **{name: word for name, word in words.items() if word},
            )

    def _expel_the_replaced(self) -> None:
        """Who fell silent and whose address a younger member has: it was wiped and started anew."""
        agent = self.agent
        silent_ms = agent.now_ms() - int(agent.silence_s * 1000)
        changes: list[Change] = []
        for feed in agent.feeds:
            entry = self.membership.entry(feed.member_id)
            if entry is None:
                continue
            for old in self.membership.predecessors(entry.member_id, entry.host, entry.port):
                last = max(
                    (each.seen for each in agent.streams.all if each.member == old.member_id),
                    default=0,
                )
                if old.since < entry.since and last >> 20 < silent_ms:
                    changes.append(expulsion(old.member_id, agent.member.member_id, entry.address))
        if changes:
            agent.member.change_membership(changes)

    def leave(self) -> None:
        """The mesh was told that we leave: what is still to be sent is sent, then all links end."""
        agent = self.agent
        agent.member.backlog.flush()
        for link in list(agent.links):
            agent.remove_link(link)
        agent.config.set_rows("replicaof", [])
        for feed in agent.feeds:
            if feed.transport is not None:
                feed.transport.close()

    def told(self, address: str, state: str, why: str) -> None:
        """A peer at this address says that this node is no member any more."""
        self._told[address] = state, why

    def standing(self) -> tuple[str, str]:
        """What this node is in its mesh as far as it knows, and why: "joined" unless it has heard
        otherwise."""
        own = self.membership.entry(self.agent.member.member_id)
        if own is not None and own.state != JOINED:
            return own.state, own.why
        for address, (state, why) in self._told.items():
            return state, f"{address} {why}"
        return JOINED, ""

    def warning(self) -> str:
        """What an operator must know of that; "" for nothing."""
        state, why = self.standing()
        return self.outside() or ("" if state == JOINED else f"this node was {state}: {why}")

    def outside(self) -> str:
        """Why this node may not be linked with anybody; "" where it may."""
        own = self.membership.entry(self.agent.member.member_id)
        if own is None or own.state == JOINED:
            return ""
        return (
            f"this node is no member any more ({own.state}): to join a mesh, run MESH REJOIN and"
            " restart it"
        )
