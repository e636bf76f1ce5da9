"""AntiEntropy: compares this node's data with each member's now and then, and answers those that
compare with ours (asyncio).

Every mesh-anti-entropy-seconds, with each member that a link of ours is up to, over a short
connection of its own, as a client with masteruser and masterauth. All work, for our rounds and for
answers, is done a millisecond at a time with pauses a hundred times as long: it takes less than one
percent of the node, however much there is to compare.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from mesh.anti_entropy import Ground, Totals
from mesh.anti_entropy_answers import Answers
from mesh.anti_entropy_rounds import Ask, CompareError, Comparison, Pause
from mesh.fingerprint_hash import SALT_MAX
from mesh.status import IN_SYNC, LAGGING
from node.commands.command import ADMIN, STALE, Command
from node.resp.client import INCOMPLETE, ReplyParser, command
from node.resp.parser import ProtocolError
from node.resp.replies import Failure
from node.store.keyspace import Database

if TYPE_CHECKING:
    from mesh.agent import Agent
    from mesh.link import Link
    from node.commands.context import Context

LOG = structlog.get_logger()

SLICE_S: Final = 0.001
PAUSES: Final = 100.0  # so many times as long as the work before it
PAUSE_LEAST_S: Final = 0.005
# How often it is asked whether a round is due.
LOOK_S: Final = 1.0
# A member that does not answer a command in this time is not compared with now.
REPLY_S: Final = 10.0
READ_BYTES: Final = 65536
KEY_SHOWN: Final = 100  # bytes of a key in the log


class CompareClient:
    """A connection to one member, for one round."""

    def __init__(self, agent: Agent, link: Link) -> None:
        self.agent = agent
        self.link = link
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._replies = ReplyParser()

    async def open(self) -> None:
        """Connects and says who we are. OSError, TimeoutError, CompareError."""
        source = self.agent.config.text("bind-source-addr")
        self._reader, self._writer = await asyncio.wait_for(
            asyncio.open_connection(
                self.link.host, self.link.port, local_addr=(source, 0) if source else None
            ),
            self.agent.timeout_s,
        )
        identity = self.agent.identity
        if identity.password:
            words = [b"AUTH", identity.password]
            if identity.user:
                words.insert(1, identity.user)
            await self._say(words)

    async def ask(self, words: list[bytes]) -> object:
        """The reply to MESH COMPARE with these words. CompareError where it is an error."""
        return await self._say([b"MESH", b"COMPARE", *words])

    async def _say(self, words: list[bytes]) -> object:
        assert self._reader is not None and self._writer is not None
        self._writer.write(command(*words))
        deadline_s = self.agent.loop_s() + REPLY_S
        while True:
            try:
                reply = self._replies.next()
            except ProtocolError as error:
                raise CompareError(f"the other member's answer is no reply: {error}") from error
            if isinstance(reply, Failure):
                raise CompareError(
                    f"the other member refused: {reply.text.decode('utf-8', 'backslashreplace')}"
                )
            if reply is not INCOMPLETE:
                return reply
            left_s = deadline_s - self.agent.loop_s()
            data = await asyncio.wait_for(self._reader.read(READ_BYTES), max(left_s, 0.001))
            if not data:
                raise CompareError("the other member closed the connection")
            self._replies.feed(data)

    def close(self) -> None:
        """Ends the connection."""
        if self._writer is not None:
            self._writer.close()


class AntiEntropy:
    """One node's rounds and answers."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.ground = Ground(agent.member)
        self.totals = Totals()
        self.answers = Answers(self.ground, agent.loop_s)
        self.answers.repaired = self._answered
        self.comparisons: dict[bytes, Comparison] = {}
        self._ended_s: dict[bytes, float] = {}  # by member, the end of our last round with it
        self._began_s = 0.0
        self._task: asyncio.Task[None] | None = None
        self._working = False
        self.commands: tuple[Command, ...] = (
            Command("MESH COMPARE step session [argument ...]", self.compare, ADMIN | STALE,
                    group="server", since="8.2.0", cost="O(1); the work is done in the background",
                    about="What another member asks to find keys that differ silently: BEGIN,"
                    " KEYS, LOOK, RESULT, REPAIR, END (docs/wire.md)."),
        )  # fmt: skip

    def start(self) -> None:
        """Begins to look for rounds that are due."""
        self._began_s = self.agent.loop_s()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """No round goes on."""
        if self._task is not None:
            self._task.cancel()

    # --- answers --------------------------------------------------------------------------------

    def compare(self, ctx: Context, args: list[bytes]) -> object:
        """MESH COMPARE step session [argument ...]."""
        reply = self.answers.answer(args[2:])
        if self.answers.is_busy() and not self._working:
            self._working = True
            self.agent.call_soon(self._work)
        return reply

    def _work(self) -> None:
        """A slice of what others asked for."""
        if self.agent.stopped or not self.answers.is_busy():
            self._working = False
            return
        self.agent.wake()
        spent_s = self._slice(self.answers.step, self.answers.is_busy)
        self.agent.call_later(max(PAUSE_LEAST_S, spent_s * PAUSES), self._work)

    def _slice(self, step: Callable[[], object], goes_on: Callable[[], bool]) -> float:
        """Steps for about a millisecond; how long it was, in seconds."""
        began_s = self.agent.loop_s()
        while True:
            step()
            spent_s = self.agent.loop_s() - began_s
            if spent_s >= SLICE_S or not goes_on():
                return spent_s

    def _answered(self, db: Database, key: bytes) -> None:
        self.totals.repaired += 1
        tell(db, key, "")

    # --- rounds ---------------------------------------------------------------------------------

    async def _run(self) -> None:
        """Looks for a member whose turn it is, one after another."""
        while not self.agent.stopped:
            link = self._due()
            if link is None:
                await asyncio.sleep(LOOK_S)
                continue
            began_s = self.agent.loop_s()
            try:
                await self._round(link)
                self.totals.last_error = ""
            except (CompareError, OSError, TimeoutError) as error:
                text = str(error) or type(error).__name__
                self.totals.last_error = f"{link.address}: {text}"
                LOG.info("mesh_not_compared", peer=link.address, reason=text)
            except Exception as error:  # a defect here must not end all later rounds
                self.totals.last_error = f"{link.address}: {type(error).__name__}: {error}"
                LOG.error("mesh_not_compared", peer=link.address, exc_info=True)
            self.totals.last_ms = int((self.agent.loop_s() - began_s) * 1000)
            self._ended_s[link.peer_member] = self.agent.loop_s()

    def _due(self) -> Link | None:
        """The link to a member with which nobody of the two has compared for so long."""
        wait_s = self.agent.config.number("mesh-anti-entropy-seconds")
        if wait_s == 0 or not self.ground.is_whole():
            return None
        now_s = self.agent.loop_s()
        if now_s - self._began_s < wait_s:
            return None
        for link in self.agent.links:
            member = link.peer_member
            if link.state not in (IN_SYNC, LAGGING) or not member:
                continue
            last_s = max(self._ended_s.get(member, 0.0), self.answers.compared.get(member, 0.0))
            if last_s == 0.0 or now_s - last_s >= wait_s:
                return link
        return None

    async def _round(self, link: Link) -> None:
        """One round over a connection of its own."""
        member = link.peer_member
        comparison = self.comparisons.get(member)
        if comparison is None:
            comparison = Comparison(self.ground, self.totals, member, os.urandom(SALT_MAX))
            comparison.told = lambda db, key: tell(db, key, link.address)
            self.comparisons[member] = comparison
        client = CompareClient(self.agent, link)
        try:
            await client.open()
            await self._follow(comparison, client)
        finally:
            client.close()

    async def _follow(self, comparison: Comparison, client: CompareClient) -> None:
        """Does what the round says, step by step."""
        steps = comparison.compare()
        step = next(steps, None)
        worked_s = 0.0
        began_s = self.agent.loop_s()
        while step is not None:
            reply: object = None
            if isinstance(step, Ask):
                reply = await client.ask(step.words)
                began_s = self.agent.loop_s()
            elif isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
                began_s = self.agent.loop_s()
            else:
                worked_s = self.agent.loop_s() - began_s
                if worked_s >= SLICE_S:
                    await asyncio.sleep(worked_s * PAUSES)
                    began_s = self.agent.loop_s()
                    self.agent.wake()
            try:
                step = steps.send(reply)
            except StopIteration:
                return

    def fields(self) -> list[tuple[str, object]]:
        """For INFO."""
        totals = self.totals
        return [
            ("mesh_anti_entropy_rounds", totals.rounds),
            ("mesh_anti_entropy_keys_compared", totals.keys_compared),
            ("mesh_anti_entropy_suspects", totals.suspects),
            ("mesh_anti_entropy_more", totals.more),
            ("mesh_anti_entropy_repaired", totals.repaired),
            ("mesh_anti_entropy_last_ms", totals.last_ms),
            ("mesh_anti_entropy_last_error", totals.last_error),
        ]


def tell(db: Database, key: bytes, peer: str) -> None:
    """A key was written anew: it should not have been necessary."""
    LOG.warning(
        "mesh_key_repaired", db=int(db.number), peer=peer,
        key=key[:KEY_SHOWN].decode("utf-8", "backslashreplace"),
    )  # fmt: skip
