"""Joining: a node comes into a mesh by naming one member, comes back, or brings a file; for the
agent.

    mesh-join host:port   the newcomer is linked with all members, and they with it, by itself
    MESH REJOIN           a member that was expelled or has left: a new member id for the next start
    MESH IMPORT file      the keys of an RDB file are written anew, as this node's own writes

That a state is to be replaced is noted in a file beside the member id's until the new one is on
disk: a process that ends before begins again there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import structlog

from mesh.identity import (
    IdentityError,
    anew,
    clear_void,
    earlier_streams,
    note_void,
    noted_void,
    stream_uuid,
)
from mesh.membership import JOINED, Entry
from mesh.reissue import Reissue, Source
from mesh.rejoin import adopt
from mesh.status import IN_SYNC, LAGGING, REFUSED
from node.commands.command import ADMIN, NO_ASYNC_LOADING, NO_MULTI, NOSCRIPT, STALE, Command
from node.commands.context import Context
from node.persist.contents import value_of
from node.persist.rdb_codes import RdbError
from node.persist.rdb_reader import RdbReader
from node.persist.rdb_records import KeyRecord
from node.ports import Metadata
from node.resp.replies import Failure, Simple
from node.store.entry import Entry as KeyEntry

if TYPE_CHECKING:
    from mesh.agent import Agent

LOG = structlog.get_logger()

CHANGING: Final = ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING | NO_MULTI
# A member that was announced is called by a newcomer after this time, unless it calls first.
CALL_AFTER_S: Final = 1.0
# Bytes of a file that are read at once, keys written in one slice, and the pause after it.
PIECE_BYTES: Final = 65_536
KEYS_AT_ONCE: Final = 20
PAUSE_S: Final = 0.002
THIS_NODE: Final = "is this very node"


class Joining:
    """One per agent. `beat` is called with each heartbeat."""

    def __init__(self, agent: Agent, id_path: str) -> None:
        self.agent = agent
        self.id_path = id_path
        self.save: Callable[[], None] = nothing  # begins a save, where the node is to keep any
        self.importing: Import | None = None
        self._called: dict[bytes, float] = {}
        self.commands: tuple[Command, ...] = (
            Command("MESH REJOIN", self.rejoin, CHANGING, group="server", since="8.2.0",
                    about="Makes a node that was expelled or has left a new member at its next"
                    " start."),
            Command("MESH IMPORT file", self.import_file, CHANGING, group="server", since="8.2.0",
                    cost="O(N) in the keys of the file, in slices",
                    about="Writes the keys of an RDB file in dir anew, as far as they differ."),
        )  # fmt: skip
        agent.member.replaced = self.replaced
        agent.member.make_stream = self.new_stream

    # --- by naming one member -------------------------------------------------------------------

    def start(self) -> None:
        """The data was loaded; links may be made."""
        member = self.agent.member
        member.loaded()
        noted = noted_void(self.id_path)
        if noted:
            member.becomes_void("a rejoin was not over when the process before this one ended")
            member.void_is_foreign = noted == FOREIGN
        address = self.agent.config.text("mesh-join")
        if address:
            host, _, port = address.rpartition(":")
            self.agent.add_link(host.strip("[]"), int(port), False)

    def beat(self) -> None:
        """Once a heartbeat: calls members that are not linked yet, and lets go of those that are
        none any more."""
        agent = self.agent
        member = agent.member
        own_stream = member.streams.own.uuid
        if member.rejoined_at and (agent.held_on_disk() or {}).get(own_stream, 0) >= (
            member.rejoined_at
        ):
            member.rejoined_at = 0
            clear_void(self.id_path)
        for link in list(agent.links):
            if link.configured or link.live:
                continue
            is_self = link.state == REFUSED and THIS_NODE in link.last_error
            if is_self or member.membership.refusal(link.peer_member):
                agent.remove_link(link)
        if not agent.config.yes("mesh-dial-back") or agent.roster.outside():
            return
        full = bool(agent.config.text("mesh-join"))
        for entry in member.membership.entries():
            if entry.state == JOINED and (full or entry.full):
                self._call(entry)

    def _call(self, entry: Entry) -> None:
        agent = self.agent
        name = entry.member_id
        known = name == agent.member.member_id or agent.link_of(name) is not None or any(
            link.address == entry.address for link in agent.links
        )
        if known or not entry.address or name in agent.roster.undialed | agent.roster.paused:
            self._called.pop(name, None)
            return
        first = self._called.setdefault(name, agent.loop_s())
        if agent.loop_s() - first >= CALL_AFTER_S:
            self._called.pop(name, None)
            LOG.info("member_called", peer=entry.address)
            agent.add_link(entry.host, entry.port, False)

    # --- coming back ----------------------------------------------------------------------------

    def new_stream(self) -> bytes:
        """The uuid of a stream that this process begins beside its first, noted as that is."""
        made = stream_uuid()
        earlier_streams(f"{self.id_path}.streams", made)
        return made

    def replaced(self, vector: dict[bytes, int]) -> None:
        """A peer's state has taken the place of the own one, which is written anew."""
        agent = self.agent
        LOG.warning("state_replaced", reason=agent.member.void,
                    stream=agent.streams.own.text.decode())  # fmt: skip
        agent.roster.meet_anew()
        try:
            note_void(self.id_path, FOREIGN if agent.member.void_is_foreign else OWN)
        except IdentityError as error:
            LOG.error("rejoin_not_noted", reason=str(error))
        agent.call_later(0.0, self._save_when_done)

    def _save_when_done(self) -> None:
        if self.agent.member.merging is not None:
            self.agent.call_later(0.1, self._save_when_done)
        else:
            self.save()

    def rejoin(self, ctx: Context, args: list[bytes]) -> object:
        """MESH REJOIN."""
        agent = self.agent
        live = [link.address for link in agent.links if link.state in (IN_SYNC, LAGGING)]
        if not agent.roster.outside() and live:
            raise Failure(
                b"ERR this node is a member, with links to " + ", ".join(live).encode()
                + b": only one that was expelled or has left comes back by MESH REJOIN"
            )
        try:
            promises = agent.member.promises
            # That this member is gone may stand in a frame that nobody has taken: who comes back
            # says it again, where the mesh still counts it.
            promises.become_another(agent.member.member_id)
            promises.forget()
            promises.close()
            made = anew(self.id_path)
        except IdentityError as error:
            raise Failure(b"ERR " + str(error).encode()) from error
        LOG.info("rejoin_prepared", member=made.decode())
        how = b"restart this node"
        if not agent.keeps():
            how = b"stop this node by SHUTDOWN SAVE, since it keeps nothing on disk, and start it"
        return Simple(
            b"OK " + how + b": it comes back as member " + made + b", takes the mesh's state, and"
            b" writes anew what the mesh has not of its own"
        )

    # --- a file ---------------------------------------------------------------------------------

    def import_file(self, ctx: Context, args: list[bytes]) -> object:
        """MESH IMPORT file: begins; the log and INFO say how it ends."""
        name = args[2].decode("utf-8", "surrogateescape")
        if os.path.basename(name) != name or name in ("", ".", ".."):
            raise Failure(b"ERR MESH IMPORT takes the name of a file in dir, without a path")
        if self.importing is not None and not self.importing.done:
            raise Failure(b"ERR " + self.importing.name.encode() + b" is still being imported")
        path = Path(self.agent.config.text("dir")) / name
        try:
            file = path.open("rb")
        except OSError as error:
            text = f"ERR cannot open {path}: {error.strerror}"
            raise Failure(text.encode("utf-8", "backslashreplace")) from error
        self.importing = Import(self.agent, name, file)
        self.importing.step()
        return Simple(b"OK importing in the background: INFO replication says mesh_import")

    def info(self) -> str:
        """How the last import went."""
        return "none" if self.importing is None else self.importing.status


FOREIGN: Final = "foreign"
OWN: Final = "own"


class Import:
    """An RDB file on its way in, a piece at a time."""

    def __init__(self, agent: Agent, name: str, file: BinaryIO) -> None:
        self.agent = agent
        self.name = name
        self.done = False
        self.keys = 0
        self.differences = 0
        self._file = file
        self._reader = RdbReader()
        self._reissue: Reissue | None = None
        self._metadata = Metadata()
        self._error = ""

    @property
    def status(self) -> str:
        """One line for INFO."""
        if self._error:
            return f"failed after {self.keys} keys: {self._error}"
        what = "done" if self.done else "running"
        return f"{what}: {self.keys} keys, {self.differences} differences"

    def step(self) -> None:
        """A slice; the next one comes by itself."""
        if self.done or self.agent.stopped:
            self._file.close()
            return
        self.agent.wake()
        try:
            if self.agent.member.merging is None:
                self._work()
        except (RdbError, OSError, ValueError) as error:
            self._error = str(error)
            self.done = True
            LOG.error("import_failed", file=self.name, keys=self.keys, reason=self._error)
        self.agent.call_later(PAUSE_S, self.step)

    def _work(self) -> None:
        reissue = self._reissue
        if reissue is not None:
            if reissue.step(KEYS_AT_ONCE):
                self.differences += reissue.dropped
                self._reissue = None
            return
        if self._reader.done:
            self.done = True
            LOG.info("import_done", file=self.name, keys=self.keys, differences=self.differences)
            return
        data = self._file.read(PIECE_BYTES)
        if not data:
            self._reader.finish()
            self._reader.done = True
            return
        source = Source(self.agent.streams, None, frozenset())
        for record in self._reader.feed(data):
            if isinstance(record, KeyRecord):
                self._take(source, record)
        if source.keys:
            self._reissue = Reissue(self.agent.engine, self.agent.member.memory, source)

    def _take(self, source: Source, record: KeyRecord) -> None:
        number = int(record.db)
        if number >= len(self.agent.engine.databases):
            raise ValueError(f"the file has database {number}: raise `databases`")
        entry = KeyEntry(value_of(record.kind, record.value, record.aux), 0, 0)
        entry.deadline = record.deadline_ms
        self._metadata.load_key(number, record.key, entry, dict(record.aux))
        self.keys += 1
        adopt(source, number, record.key, entry)


def nothing() -> None:
    """No save is to be made."""
