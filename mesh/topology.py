"""Which streams come over which link: direct ones by themselves, others by relay; no sockets.

A node always sends its own stream to whoever follows it. A stream of a third node is relayed only
where the follower asks for it, and it asks one upstream at a time: so each frame crosses each link
at most once, none goes back to where it was written, and where every node has a link to every
other nothing is relayed at all (semantics.md W3).

What can be asked for is offered: each node tells its followers by which path of members it gets
each stream. A path with the follower in it is not offered to it, and one with ourselves in it is
not taken, so no two nodes wait for one another. Of several offers the shortest path is taken; when
its link goes down, the next one at once. A stream whose own link is configured but down is taken
by relay only after a while, since links come back within a second. Nobody is ever *dialled* to go
around a link that is down (semantics.md 7): frames travel over links that exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from mesh.backlog import NOWHERE, Backlog, Follower
from mesh.dots import pack_marks, unpack_marks
from mesh.membership import Entry
from node.resp.client import command

# A link that is down comes back within this time (mesh/link.py, RETRY_MOST_S), or is really down.
RELAY_AFTER_S: Final = 1.0
# Longest path that is believed: no mesh is wider (conf.mesh_file.NODES_MAX).
HOPS_MOST: Final = 64
# Longest text of offers that is read: as many streams as members, each by the longest path, is
# 64 KB; beyond a megabyte the peer is broken.
OFFERS_BYTES_MOST: Final = 1 << 20
ROUTES_HEAD: Final = b"*3\r\n$8\r\nREPLCONF\r\n$11\r\nMESH-ROUTES\r\n$"
RELAY: Final = b"mesh-relay"
SIZE_DIGITS: Final = 8
UUID_BYTES: Final = 16

Path = tuple[bytes, ...]
Ask = Callable[[frozenset[bytes]], None]
Tell = Callable[[bytes], None]


def no_hope(member: bytes) -> bool:
    """No link to this member is about to come up."""
    return False


class Way:
    """A live link, as routing sees it: who is at its other end, and what is offered there."""

    def __init__(self, member: bytes, stream: bytes, ask: Ask) -> None:
        self.member = member
        self.stream = stream
        self.ask = ask
        self.offers: dict[bytes, Path] = {}
        self.asked: frozenset[bytes] = frozenset()


class Taker:
    """A follower that gets our stream, as routing sees it, and what it was told."""

    def __init__(self, member: bytes, stream: bytes, tell: Tell) -> None:
        self.member = member
        self.stream = stream
        self.tell = tell
        self.told = pack_offers({})


class Routes:
    """One node's choice of ways, made anew by `settle` whenever a link or an offer has changed."""

    def __init__(self, member: bytes, stream: bytes) -> None:
        self.member = member
        self.stream = stream
        self.ways: list[Way] = []
        self.takers: list[Taker] = []
        self.chosen: dict[bytes, Way] = {}
        self.hope: Callable[[bytes], bool] = no_hope
        self._waiting: dict[bytes, float] = {}

    # --- links ----------------------------------------------------------------------------------

    def add_way(self, way: Way) -> None:
        """A link carries frames now."""
        self.ways.append(way)

    def remove_way(self, way: Way) -> None:
        """It does so no longer."""
        if way in self.ways:
            self.ways.remove(way)

    def add_taker(self, taker: Taker) -> None:
        """A follower gets our stream now."""
        self.takers.append(taker)

    def remove_taker(self, taker: Taker) -> None:
        """It does so no longer."""
        if taker in self.takers:
            self.takers.remove(taker)

    # --- the choice -----------------------------------------------------------------------------

    def gets(self, stream: bytes) -> bool:
        """Does this stream come to us, directly or by relay?"""
        return stream in self.chosen or any(way.stream == stream for way in self.ways)

    def paths(self) -> dict[bytes, Path]:
        """The members through which each stream comes, the one next to us first, its writer
        last."""
        found: dict[bytes, Path] = {way.stream: (way.member,) for way in self.ways}
        for stream, way in self.chosen.items():
            found[stream] = (way.member, *way.offers[stream])
        return found

    def settle(self, now_s: float) -> None:
        """Chooses a way for each stream, asks where that is new, and tells followers."""
        self._choose(now_s)
        for way in self.ways:
            asked = frozenset(name for name, chosen in self.chosen.items() if chosen is way)
            if asked != way.asked:
                way.asked = asked
                way.ask(asked)
        paths = self.paths()
        for taker in self.takers:
            offers = pack_offers({
                stream: path for stream, path in paths.items()
                if stream != taker.stream and taker.member not in path
            })  # fmt: skip
            if offers != taker.told:
                taker.told = offers
                taker.tell(offers)

    def _choose(self, now_s: float) -> None:
        near = {way.member for way in self.ways}
        best: dict[bytes, tuple[int, bool, bytes, Way]] = {}
        for way in self.ways:
            for stream, path in way.offers.items():
                if stream == self.stream or path[-1] in near or self.member in path:
                    continue
                rank = (len(path), self.chosen.get(stream) is not way, way.member)
                if stream not in best or rank < best[stream][:3]:
                    best[stream] = (*rank, way)
        before = self.chosen
        self.chosen = {}
        for stream, (_, _, _, way) in best.items():
            if stream in before or self._is_due(stream, way.offers[stream][-1], now_s):
                self.chosen[stream] = way
        for stream in [name for name in self._waiting if name not in best or name in self.chosen]:
            del self._waiting[stream]

    def _is_due(self, stream: bytes, writer: bytes, now_s: float) -> bool:
        """Its own link may still come up: then a relay would bring everything twice."""
        if not self.hope(writer):
            return True
        return now_s - self._waiting.setdefault(stream, now_s) >= RELAY_AFTER_S


class Relaying:
    """What one follower is relayed beside our own stream: exactly what it has asked for."""

    def __init__(self, backlog: Backlog, follower: Follower, stream: bytes) -> None:
        self.backlog = backlog
        self.follower = follower
        self.stream = stream
        self._on: set[int] = set()
        self._sent: dict[int, int] = {}  # up to here a stream was sent, or was there already

    def began(self, vector: dict[bytes, int], elsewhere: frozenset[bytes] = NOWHERE) -> None:
        """The follower was sent all that it lacked at this moment, of every stream but those that
        come to it elsewhere; of them it has what its vector says."""
        self._sent = {
            int(each.number): vector.get(each.uuid, 0) if each.uuid in elsewhere else int(each.seen)
            for each in self.backlog.streams.all
        }

    def ask(self, wanted: frozenset[bytes], vector: dict[bytes, int]) -> list[bytes] | None:
        """It wants these streams, and no others any more; it has what the vector says.

        Returns the frames that it lacks of those that are new; None where some are gone, so that
        it must come back by its vector.
        """
        backlog = self.backlog
        streams = [backlog.streams.known(uuid) for uuid in sorted(wanted) if uuid != self.stream]
        numbers = {int(each.number): each for each in streams if each is not None and each.number}
        for number in self._on - set(numbers):
            self._stop(number)
        parts: list[bytes] = []
        for number in sorted(set(numbers) - self._on):
            after = max(self._sent.get(number, 0), vector.get(numbers[number].uuid, 0))
            tail = backlog.tail(number, after)
            if tail is None:
                return None
            parts += tail
            self._on.add(number)
            backlog.relays.setdefault(number, []).append(self.follower)
        return parts

    def end(self) -> None:
        """The follower is gone."""
        for number in set(self._on):
            self._stop(number)

    def _stop(self, number: int) -> None:
        self._on.discard(number)
        self._sent[number] = int(self.backlog.streams.all[number].seen)
        takers = self.backlog.relays[number]
        takers.remove(self.follower)
        if not takers:
            del self.backlog.relays[number]


# --- its shape ----------------------------------------------------------------------------------


def shape_of(members: Iterable[Entry]) -> str:
    """full, ring, hub or custom: what the members' links make, as mesh.toml would call it."""
    entries = list(members)
    ids = {each.member_id for each in entries}
    follows = {each.member_id: set(each.links) & ids for each in entries}
    if all(len(links) == len(ids) - 1 for links in follows.values()):
        return "full"
    if any(name not in follows[other] for name, links in follows.items() for other in links):
        return "custom"  # a link in one direction only
    hubs = {name for name, links in follows.items() if len(links) == len(ids) - 1}
    if hubs and all(links == hubs for name, links in follows.items() if name not in hubs):
        return "hub"
    if all(len(links) == 2 for links in follows.values()) and is_one_piece(follows):
        return "ring"
    return "custom"


def is_one_piece(follows: dict[bytes, set[bytes]]) -> bool:
    """Does a walk over the links come to every member?"""
    todo = list(follows)[:1]
    reached = set(todo)
    while todo:
        for name in follows[todo.pop()] - reached:
            reached.add(name)
            todo.append(name)
    return len(reached) == len(follows)


# --- how it travels -----------------------------------------------------------------------------


def pack_offers(paths: dict[bytes, Path]) -> bytes:
    """Per stream 16 bytes of uuid, one of the path's length, then each member id behind its
    length."""
    return b"".join([
        stream + bytes([len(path)]) + b"".join([bytes([len(name)]) + name for name in path])
        for stream, path in sorted(paths.items()) if len(path) < HOPS_MOST
    ])  # fmt: skip


def unpack_offers(packed: bytes) -> dict[bytes, Path]:
    """The reverse of pack_offers. ValueError where it is cut short."""
    found: dict[bytes, Path] = {}
    at = 0
    while at < len(packed):
        stream = packed[at : at + UUID_BYTES]
        at += UUID_BYTES
        hops = packed[at : at + 1]
        at += 1
        path: list[bytes] = []
        for _ in range(hops[0] if hops else 0):
            size = packed[at : at + 1]
            name = packed[at + 1 : at + 1 + (size[0] if size else 0)]
            at += 1 + (size[0] if size else 1)
            path.append(name)
        if not path or at > len(packed):
            raise ValueError("an offer of a stream has no path, or is cut short")
        found[stream] = tuple(path)
    return found


def routes_command(offers: bytes) -> bytes:
    """REPLCONF MESH-ROUTES, which stands between two frames of a feed."""
    return command(b"REPLCONF", b"MESH-ROUTES", offers)


def routes_at(data: bytes, start: int) -> tuple[bytes, int] | None:
    """The offers in the MESH-ROUTES that begins at `start`, and where it ends; None where more
    bytes are needed. ValueError where something else stands there."""
    n = len(data)
    head = data[start : start + len(ROUTES_HEAD)]
    if not ROUTES_HEAD.startswith(head):
        raise ValueError(f"neither a frame nor REPLCONF: {data[start : start + 40]!r}")
    at = start + len(ROUTES_HEAD)
    line = data.find(b"\r\n", at, at + SIZE_DIGITS + 2)
    if line < 0:
        if n - at > SIZE_DIGITS:
            raise ValueError("the size of MESH-ROUTES is no number")
        return None
    if not data[at:line].isdigit() or int(data[at:line]) > OFFERS_BYTES_MOST:
        raise ValueError(f"the size of MESH-ROUTES is {data[at:line]!r}")
    end = line + 2 + int(data[at:line])
    if n < end + 2:
        return None
    return data[line + 2 : end], end + 2


def relay_command(streams: frozenset[bytes], vector: dict[bytes, int]) -> bytes:
    """REPLCONF MESH-RELAY, which a follower sends among its ACKs: the streams it wants, all of
    them, and what it has applied."""
    return command(b"REPLCONF", RELAY.upper(), pack_streams(streams), pack_marks(vector))


def read_relay(words: list[bytes]) -> tuple[frozenset[bytes], dict[bytes, int]]:
    """The two arguments of MESH-RELAY. ValueError where they are malformed."""
    if len(words) != 4:
        raise ValueError("MESH-RELAY has streams and a vector")
    return unpack_streams(words[2]), unpack_marks(words[3])


def pack_streams(streams: frozenset[bytes]) -> bytes:
    """16 bytes of uuid each, ascending."""
    return b"".join(sorted(streams))


def unpack_streams(packed: bytes) -> frozenset[bytes]:
    """The reverse of pack_streams. ValueError where it is cut short."""
    if len(packed) % UUID_BYTES:
        raise ValueError(f"streams of {len(packed)} bytes: not a multiple of {UUID_BYTES}")
    return frozenset(packed[at : at + UUID_BYTES] for at in range(0, len(packed), UUID_BYTES))
