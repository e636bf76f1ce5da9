"""LeaseWords: what a member says of leases once a heartbeat, as the words of a MESH.LEASE frame.

    sees    the name of the members, and of their mesh-owner, that it knows of
    plan    the one by which it claims and grants
    round   counts what this process has said
    claims  the seats that it wants or has: seat and epoch
    holds   those of them that it holds
    grants  what it has promised: by seat the stream, the epoch and the round of a claim
    heard   the streams whose claims it has heard of late
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final

LEASE: Final = b"MESH.LEASE"
# A mesh of some thousand members says less than this; it bounds what a peer can make us parse.
BYTES_MOST: Final = 4_194_304

Grant = tuple[str, int, int]  # stream, epoch, round


class LeaseError(Exception):
    """A peer sent what no lease words are."""


@dataclass(frozen=True, slots=True)
class LeaseWords:
    """One member's word at one heartbeat; seats are member ids."""

    sees: str
    plan: str
    round: int
    claims: dict[str, int] = field(default_factory=dict)
    holds: frozenset[str] = frozenset()
    grants: dict[str, Grant] = field(default_factory=dict)
    heard: frozenset[str] = frozenset()

    def pack(self) -> bytes:
        """As the one argument of MESH.LEASE."""
        fields = {
            "sees": self.sees, "plan": self.plan, "round": self.round, "claims": self.claims,
            "holds": sorted(self.holds), "grants": self.grants, "heard": sorted(self.heard),
        }  # fmt: skip
        return json.dumps(fields, separators=(",", ":"), sort_keys=True).encode()


def unpack(data: bytes) -> LeaseWords:
    """The reverse of pack. LeaseError where a part is missing or of another kind."""
    if len(data) > BYTES_MOST:
        raise LeaseError(f"lease words of {len(data)} bytes")
    try:
        fields = json.loads(data)
        return LeaseWords(
            text(fields["sees"]), text(fields["plan"]), whole(fields["round"]),
            {text(seat): whole(epoch) for seat, epoch in fields["claims"].items()},
            frozenset(text(seat) for seat in fields["holds"]),
            {
                text(seat): (text(stream), whole(epoch), whole(at))
                for seat, (stream, epoch, at) in fields["grants"].items()
            },
            frozenset(text(stream) for stream in fields["heard"]),
        )  # fmt: skip
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise LeaseError(f"lease words that cannot be read: {error}") from error


def text(value: object) -> str:
    """A text. ValueError where it is none."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def whole(value: object) -> int:
    """A whole number of at least 0. ValueError where it is none."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no whole number")
    return value
