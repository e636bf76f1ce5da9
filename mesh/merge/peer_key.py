"""PeerKey: what a snapshot says of one key.  [compiled]"""

from __future__ import annotations

from typing import cast

from mesh.merge.increments import Increment
from mesh.merge.state import FieldState
from node.store.entry import Claim, Patch, Register
from node.store.values.places import Places
from node.store.values.value import Value


class PeerKey:
    """What a snapshot says of one key, in this node's origin numbers.

    The slot of a member is a list of Registers, which many members may share, that of a field a
    FieldState. Fields with one register and nothing else are in `texts` instead, by that register.
    """

    def __init__(self, db: int, key: bytes) -> None:
        self.db = db
        self.key = key
        self.registers: list[Register] = []
        self.increments: list[Increment] = []
        self.patches: list[Patch] = []
        self.claims: list[Claim] = []
        self.ttls: list[Claim] = []
        self.members = Places()
        self.fields = Places()
        self.texts = Places()
        self.opaque: dict[int, Value] = {}
        self.deadlines: dict[tuple[int, bytes], int] = {}  # of members and fields, by slot
        self.place_claims: dict[tuple[int, bytes], list[Claim]] = {}  # that say more of these

    def dots(self, member: bytes) -> list[Register]:
        """A member's dots, [] where the peer has none; not to be changed."""
        slot = self.members.slot(member)
        return [] if slot is None else cast(list[Register], slot)

    def take_dots(self, member: bytes) -> list[Register] | None:
        """A member's dots, which are done with; None where the peer has none."""
        return cast("list[Register] | None", self.members.do_take(member))

    def take_text(self, name: bytes) -> Register | None:
        """The register of a field that has nothing else, which is done with."""
        return cast("Register | None", self.texts.do_take(name))

    def take_field(self, name: bytes) -> FieldState | None:
        """Any other field, which is done with."""
        return cast("FieldState | None", self.fields.do_take(name))

    def field(self, name: bytes) -> FieldState | None:
        """A field spelled out; None where the peer has none of this name."""
        register = self.texts.slot(name)
        if register is None:
            return cast("FieldState | None", self.fields.slot(name))
        state = FieldState()
        state.registers.append(cast(Register, register))
        return state
