"""Clients as CLIENT LIST shows them and CLIENT KILL chooses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from node.commands.args import echoed
from node.session import BLOCKED, CLOSING, FOLLOWER, MULTI, Session

# What a word after TYPE stands for.
TYPES: Final = {
    b"normal": "normal",
    b"master": "master",
    b"replica": "replica",
    b"slave": "replica",
    b"pubsub": "pubsub",
}


def kind_of(session: Session) -> str:
    """normal, pubsub, replica, or master for a peer whose stream comes in on it."""
    if session.flags & FOLLOWER:
        return "replica"
    if session.link is not None:
        return "master"
    return "pubsub" if session.channels or session.patterns else "normal"


def flag_letters(session: Session) -> str:
    """The letters of Redis for what a client is and does; N where there is nothing to say."""
    letters = {
        "S": session.flags & FOLLOWER != 0,
        "M": kind_of(session) == "master",
        "P": bool(session.channels or session.patterns),
        "x": session.flags & MULTI != 0,
        "b": session.flags & BLOCKED != 0,
        "d": session.spoiled,
        "c": session.flags & CLOSING != 0,
        "U": session.outlet.address()[0].endswith(":0"),
        "e": session.keeps_memory,
        "T": session.keeps_clocks,
    }
    return "".join(letter for letter, holds in letters.items() if holds) or "N"


def describe(session: Session, now_s: float) -> bytes:
    """The line of one client, without its end: Redis's fields in Redis's order.

    Memory is what its buffers and queued commands hold; the interpreter's share is not counted.
    """
    outlet = session.outlet
    address, local_address = outlet.address()
    query, output, pushed = outlet.buffered()
    received, sent = outlet.traffic()
    is_multi = session.flags & MULTI != 0
    queued = sum(len(arg) for command in session.queued for arg in command)
    shown = (
        ("id", session.id),
        ("addr", address),
        ("laddr", local_address),
        ("fd", outlet.descriptor()),
        ("name", text(session.name)),
        ("age", int(max(0.0, now_s - session.created_s))),
        ("idle", int(max(0.0, now_s - session.active_s))),
        ("flags", flag_letters(session)),
        ("db", session.ctx.db.number),
        ("sub", len(session.channels)),
        ("psub", len(session.patterns)),
        ("ssub", 0),
        ("multi", len(session.queued) if is_multi else -1),
        ("watch", len(session.watched)),
        ("qbuf", query),
        ("qbuf-free", 0),
        ("argv-mem", 0),
        ("multi-mem", queued),
        ("rbs", output),
        ("rbp", output),
        ("obl", output),
        ("oll", 1 if pushed else 0),
        ("omem", pushed),
        ("tot-mem", query + output + pushed + queued),
        ("events", "r"),
        ("cmd", text(session.last_command) or "NULL"),
        ("user", text(session.user)),
        ("redir", -1),
        ("resp", session.resp),
        ("lib-name", text(session.library_name)),
        ("lib-ver", text(session.library_version)),
        ("io-thread", 0),
        ("tot-net-in", received),
        ("tot-net-out", sent),
        ("tot-cmds", session.commands),
    )
    line = " ".join(f"{name}={value}" for name, value in shown)
    return line.encode("utf-8", "surrogateescape")


def text(value: bytes) -> str:
    """Bytes within a line of text, up to a zero byte, so that they come out as they are."""
    return echoed(value).decode("utf-8", "surrogateescape")


@dataclass
class Filter:
    """Which clients CLIENT KILL means: all that is not None must fit."""

    number: int | None = None
    kind: str | None = None
    address: bytes | None = None
    local_address: bytes | None = None
    user: bytes | None = None
    age_s: int | None = None
    skips_me: bool = True

    def fits(self, session: Session, now_s: float) -> bool:
        """Is it one of those? `skips_me` is left to the caller."""
        address, local_address = session.outlet.address()
        return (
            self.number in (None, int(session.id))
            and self.kind in (None, kind_of(session))
            and self.address in (None, address.encode())
            and self.local_address in (None, local_address.encode())
            and self.user in (None, session.user)
            and (self.age_s is None or now_s - session.created_s >= self.age_s)
        )
