"""Promises: what a member has let others rely on and its data file may not know, kept beside the
member id.

A file is older than the process that wrote it, or there is none. Whoever starts from it must know
still (docs/decisions/0028):

    told     it has said what it holds to others: nobody who had not heard of it becomes one with
             it by dots any more
    memory   it has said that it holds what is in its memory alone: who starts again is a new member
    lent     who may have frames of it, or it theirs
    was      the members that it was before: they are expelled where a mesh still counts them
    spent    how far a data file that stays as it is was written anew: not a second time

It is written before the others are told, and seldom: once each in the life of a member, and once
for each that follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import structlog

from mesh.identity import IdentityError, anew, clear_void, member_id, read_note, write_note
from mesh.vectors import Vector

LOG = structlog.get_logger()

# Of a node that has lent to so many nobody asks how many more there are; an earlier life older than
# the last so many was expelled long ago.
LENT_MOST: Final = 64
WAS_MOST: Final = 100


class Promises:
    """`write` puts the text into the file, and returns when it is on the disk. IdentityError."""

    def __init__(self, write: Callable[[str], None] | None = None, text: str = "") -> None:
        self.told = False
        self.memory = False
        self.lent: list[bytes] = []
        self.was: list[bytes] = []
        self.spent: Vector = {}
        self._write = write
        for line in text.splitlines():
            word, _, name = line.partition(" ")
            self.told = self.told or word == "told"
            self.memory = self.memory or word == "memory"
            if word == "lent":
                self.lent.append(name.encode())
            elif word == "was":
                self.was.append(name.encode())
            elif word == "spent":
                uuid, _, stamp = name.partition(" ")
                self.spent[bytes.fromhex(uuid)] = int(stamp)

    def text(self) -> str:
        """What the file holds."""
        lines = ["told"] if self.told else []
        lines += ["memory"] if self.memory else []
        lines += [f"lent {name.decode()}" for name in self.lent]
        lines += [f"was {name.decode()}" for name in self.was]
        lines += [f"spent {uuid.hex()} {stamp}" for uuid, stamp in self.spent.items()]
        return "".join(f"{line}\n" for line in lines)

    def keep(self) -> None:
        """Writes the file. IdentityError where it cannot be written."""
        if self._write is not None:
            self._write(self.text())

    def tell(self, memory: bool) -> None:
        """What is held is about to be said to others; `memory`: though it is on no disk.

        IdentityError: it must not be said.
        """
        before = self.told, self.memory
        self.told = True
        self.memory = self.memory or memory
        if before != (self.told, self.memory):
            try:
                self.keep()
            except IdentityError:
                self.told, self.memory = before
                raise

    def redeem(self) -> None:
        """All that was said to be held is on the disk. IdentityError: the next start is that of a
        new member, though it need not be."""
        if self.memory:
            self.memory = False
            self.keep()

    def lend(self, member: bytes, departed: Sequence[bytes] = ()) -> None:
        """This member may have our frames from now on; those that are none any more do not count.
        IdentityError."""
        lent = [name for name in self.lent if name not in departed]
        if member not in lent and len(lent) < LENT_MOST:
            self.lent = [*lent, member]
            self.keep()

    def take_back(self) -> None:
        """The state that was lent is void. IdentityError."""
        if self.lent:
            self.lent = []
            self.keep()

    def spend(self, vector: Vector) -> None:
        """What the data file has of these own streams up to here is in the mesh. IdentityError."""
        spent = {uuid: max(stamp, self.spent.get(uuid, 0)) for uuid, stamp in vector.items()}
        if spent != self.spent:
            self.spent = spent
            self.keep()

    def is_gone(self, member: bytes) -> None:
        """The mesh counts this earlier life no more, and its streams are closed. IdentityError."""
        if member in self.was:
            self.was.remove(member)
            self.keep()

    def become_another(self, name: bytes) -> None:
        """The process that starts is not the member of this name any more. IdentityError."""
        earlier = [each for each in self.was if each != name]
        self.was = [*earlier[1 - WAS_MOST :], name]
        self.keep()

    def forget(self) -> None:
        """Who starts now is a new member, which has promised nothing; its file is the old one.
        IdentityError."""
        self.told = self.memory = False
        self.lent = []
        self.keep()

    def close(self) -> None:
        """This process is not the member of the file any more: nothing is written to it."""
        self._write = None


def promises_path(path: str) -> str:
    """The file, by that of the member id."""
    return f"{path}.said"


def read_promises(path: str) -> Promises:
    """Those of the member whose id is in the file `path`. IdentityError where they cannot be
    read."""
    name = promises_path(path)
    return Promises(lambda text: write_note(name, text), read_note(name))


def begin(path: str, forgets: bool) -> tuple[bytes, Promises]:
    """Who this process is, and what it has promised.

    A new member, where the one before had said that it holds what is in its memory alone: all of
    that may be lost (semantics.md W4). IdentityError.
    """
    name = member_id(path)  # first: who has none has promised nothing
    promises = read_promises(path)
    if not (forgets and promises.memory):
        return name, promises
    promises.become_another(name)  # before the id is gone: an end must not lose it
    made = anew(path)
    LOG.warning("new_member", member=made.decode(), earlier=name.decode(), reason=(
        "what the process before had said it holds was in its memory alone: this node takes all"
        " from a peer (save points or appendonly let it stay the same member)"
    ))  # fmt: skip
    clear_void(path)  # what the data file has is another member's now, so it is void anyway
    promises.forget()
    return made, promises
