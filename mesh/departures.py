"""Departures: closes the streams of members that have left or were expelled (semantics.md 2,
"Closing a stream").

A departure is a change of the membership, so an op of whoever made it: the *closer*. From then on
frames of the member's streams are taken only from the closer, or from who has them on disk. When
every member has answered that op and all that they have of those streams is here, the closer
announces where they end. Until all of that is here as well, what the departed member was known to
hold still bounds the stable cut: a write of it that arrives late need not have seen more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mesh.dots import Stream
from mesh.membership import Departure
from mesh.vectors import Vector

if TYPE_CHECKING:
    from mesh.stability import Stability


class Departures:
    """One per node, beside its Stability."""

    def __init__(self, stability: Stability) -> None:
        self.stability = stability
        self.known: dict[bytes, Departure] = {}
        self.say_closed: Callable[[bytes], None] = unsaid  # to the mesh: this member's streams are

    def learn(self, known: dict[bytes, Departure]) -> None:
        """The membership has changed."""
        self.known = known
        self.close()

    def close(self) -> None:
        """From now on not everybody may hand on what departed members wrote."""
        stability = self.stability
        if not stability.active:
            return
        for member, departure in self.known.items():
            if departure.left_in:
                stream = stability.streams.known(departure.left_in)
                if (
                    stream is not None and stream.member == member
                    and stream is not stability.streams.own
                    and (not stream.ended or has_written_on(stream))
                ):
                    # Only its own data can have more: it is replaced, or stays where all others
                    # are replaced by it, and then all of it counts.
                    end = max(departure.left_at, int(stream.seen))
                    stability.ended({stream.uuid: end}, stream.uuid, departure.left_at)
            for stream in stability.streams.all:
                if stream.member != member or stream.ended:
                    continue
                if departure.closed and stream.seen == 0:
                    # All that anybody had is ended: nobody says where a stream ends of which only
                    # a state that was put aside had something.
                    stability.closers.pop(stream.uuid, None)
                else:
                    stability.close(stream.uuid, departure.closer)

    def work(self) -> Vector:
        """Once a heartbeat: the ends that this node, as the closer, may announce now."""
        ends: Vector = {}
        members = self.stability.member_ids()
        if members is None or self.stability.member_id in self.known:
            return ends
        for member, departure in self.known.items():
            if departure.closed or departure.closer != self.stability.member_id:
                continue
            if self._has_all(member, departure, members):
                for stream in self.stability.streams.all:
                    if stream.member == member and not stream.ended:
                        ends[stream.uuid] = int(stream.seen)
                    elif stream.member == member and is_only_its_own_word(stream):
                        ends[stream.uuid] = int(stream.end)
        return ends

    def done(self) -> list[bytes]:
        """The departed members of whose streams this node, as the closer, has announced all
        ends."""
        own = self.stability.member_id
        members = self.stability.member_ids()
        if members is None or own in self.known:
            return []
        return [
            member for member, departure in self.known.items()
            if not departure.closed and departure.closer == own
            and self._has_all(member, departure, members)
            and not any(
                stream.member == member and (not stream.ended or is_only_its_own_word(stream))
                for stream in self.stability.streams.all
            )
        ]  # fmt: skip

    def _has_all(self, gone: bytes, departure: Departure, members: frozenset[bytes]) -> bool:
        """Has every member answered, and is all here that they had then of this member's streams,
        and on a disk?

        A stream of which nobody here knows whose it is may be one of them.
        """
        stability = self.stability
        streams = stability.streams
        asked = dict(departure.ops)
        asked.setdefault(streams.own.uuid, stability.begun)
        for member in members:
            if member == stability.member_id:
                continue
            answer = stability.answer_of(member)
            if answer is None:
                return False
            if any(answer.get(uuid, 0) < stamp for uuid, stamp in asked.items()):
                return False
            for uuid, stamp in answer.items():
                stream = streams.of(uuid)
                if stream.member in (b"", gone) and stream.lacks(stamp):
                    return False
        return all(
            stability.is_safe(stream) for stream in streams.all
            if stream.member == gone and not stream.ended
        )  # fmt: skip

    def holding(self) -> list[bytes]:
        """The departed members whose last report still bounds the stable cut."""
        lacking = {
            stream.member for stream in self.stability.streams.all
            if stream.ended and stream.seen < stream.end
        }  # fmt: skip
        return [
            member for member, departure in self.known.items()
            if not departure.closed or b"" in lacking or member in lacking
        ]


def is_only_its_own_word(stream: Stream) -> bool:
    """Did it end with a frame of its own, as that of who leaves? Nobody could tell by it that the
    stream is left out of what is told, so the closer says it again."""
    return stream.ended and all(ender == stream.uuid for ender, _ in stream.enders)


def has_written_on(stream: Stream) -> bool:
    """Is there more here of a leaver's stream than up to the frame that said so? Its own log has
    what its clients wrote after that, and is read frame by frame."""
    return is_only_its_own_word(stream) and stream.seen > stream.end


def unsaid(member: bytes) -> None:
    """Nobody to tell."""
