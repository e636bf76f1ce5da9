"""Lua: a runtime of Lua 5.1 in which Redis's scripts run, one for an engine.

A script gets KEYS, ARGV and Redis's globals (node/script/sandbox.py), calls commands through a
function that each run is given, and is stopped when it takes too long or too much memory:
what it has done until then stays done. A runtime in which a script was stopped is thrown away.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha1
from typing import Any, Final

from lupa import lua51

from node.resp.replies import Failure
from node.script.convert import RESP2, reply_of, to_lua, word_of
from node.script.sandbox import SANDBOX

# Redis begins to answer BUSY after this time and lets an operator end the script. A node of a mesh
# that answers nobody for longer would be taken for dead, and no script that works as it should
# comes near it.
TIME_MAX_S: Final = 5.0
# For everything that scripts hold, replies of commands included: more than any that is sensible
# needs, and little enough for a host that runs a server.
MEMORY_MAX: Final = 256 * 1024 * 1024
# Compiled scripts that are kept; Redis keeps as many of those that came by EVAL.
CHUNKS_MAX: Final = 500
CHUNK_NAME: Final = b"@user_script"
NO_MEMORY: Final = b"ERR not enough memory"  # Lua's own words
TOO_LARGE: Final = b"ERR the script was stopped: it took more than %d bytes of memory"
TOO_LONG: Final = b"ERR the script was stopped: it took more than %d ms"

Perform = Callable[[list[bytes]], object]
Log = Callable[[int, bytes], None]


class Lua:
    """Runs scripts; the runtime itself is made at the first one.

    `log` takes redis.log's level (0 to 3) and text, `clock_s` tells seconds to measure by.
    """

    def __init__(
        self,
        log: Log,
        clock_s: Callable[[], float],
        time_max_s: float = TIME_MAX_S,
        memory_max: int = MEMORY_MAX,
    ) -> None:
        self.resp = RESP2  # what the running script has asked for
        self._perform: Perform = nobody
        self._log = log
        self._clock_s = clock_s
        self._time_max_s = time_max_s
        self._memory_max = memory_max
        self._until_s = 0.0
        self._late = False
        self._broken: Exception | None = None
        self._runtime: Any = None
        self._compile: Any = None
        self._run: Any = None
        self._chunks: OrderedDict[bytes, Any] = OrderedDict()

    def run(
        self,
        perform: Perform,
        code: bytes,
        keys: list[bytes],
        args: list[bytes],
        name: bytes = b"",
    ) -> object:
        """Runs a script; its reply, a Failure where it has ended in an error.

        `perform` runs one command of it and returns the reply. `name` is what the error calls it:
        without one the SHA1 of the code, as for EVAL. An error of ours in a command, which is no
        reply, comes out as it is.
        """
        self._perform = perform
        self._late = False
        self._broken = None
        self.resp = RESP2
        self._until_s = self._clock_s() + self._time_max_s
        reply: object = None
        try:
            reply = self._run_in_runtime(code, keys, args, name)
        except MemoryError:  # lupa's is one too
            reply = Failure(NO_MEMORY)
            self._limit_memory(False)
        except lua51.LuaError as error:
            reply = Failure(b"ERR Error running script, " + str(error).encode()[:200])
            self._forget()
        if self._broken is not None:
            self._forget()
            raise self._broken
        if isinstance(reply, Failure) and reply.text == NO_MEMORY:
            self._forget()
            return Failure(TOO_LARGE % self._memory_max)
        if self._late:
            self._forget()
            return Failure(TOO_LONG % int(self._time_max_s * 1000))
        return reply

    def check(self, code: bytes) -> Failure | None:
        """The error that compiling the code gives, None where there is none."""
        found = self._chunk(code)
        return found if isinstance(found, Failure) else None

    def _run_in_runtime(
        self, code: bytes, keys: list[bytes], args: list[bytes], name: bytes
    ) -> object:
        chunk = self._chunk(code)
        if isinstance(chunk, Failure):
            return chunk
        make = self._runtime.table_from
        ok, *found = self._run(chunk, make(keys), make(args))
        if ok:
            return reply_of(found[0], self.resp)
        text, *place = found
        if len(place) == 2 and None not in place:
            told = name or sha1(code).hexdigest().encode()
            text = b"%b script: %b, on %b." % (text, told, place_of(place[0], place[1], code))
        return Failure(text)

    def _chunk(self, code: bytes) -> Any:
        """The compiled script; a Failure where it is not Lua."""
        self._begin()
        chunk = self._chunks.get(code)
        if chunk is not None:
            self._chunks.move_to_end(code)
            return chunk
        found = self._compile(code, CHUNK_NAME)
        if isinstance(found, tuple):
            return Failure(b"ERR Error compiling script (new function): " + found[1])
        self._chunks[code] = found
        if len(self._chunks) > CHUNKS_MAX:
            self._chunks.popitem(last=False)
        return found

    # --- the runtime --------------------------------------------------------------------------

    def _begin(self) -> None:
        """Makes the runtime, if there is none, or none with room for a script."""
        if self._runtime is not None:
            roomy = self._memory_max // 2
            if self._runtime.get_memory_used() > roomy:
                self._runtime.gccollect()  # what earlier scripts have left
            if self._runtime.get_memory_used() <= roomy:
                return
            self._forget()
        self._runtime = lua51.LuaRuntime(
            encoding=None, source_encoding="latin-1", attribute_filter=refuse,
            register_eval=False, register_builtins=False, max_memory=0,
        )  # fmt: skip
        self._compile, self._run = self._runtime.execute(
            SANDBOX, self._command, self._logged, self._sha1, self._set_resp, self._is_late,
            self._limit_memory, name=b"=sandbox",
        )  # fmt: skip

    def _forget(self) -> None:
        self._runtime = self._compile = self._run = None
        self._chunks.clear()

    # --- what the sandbox calls ---------------------------------------------------------------

    def _is_late(self) -> bool:
        if self._clock_s() > self._until_s:
            self._late = True
        return self._late

    def _command(self, *words: object) -> object:
        """redis.call. Never raises: Lua would hand the exception to the script."""
        self._limit_memory(False)
        make = self._runtime.table_from
        if self._is_late():
            return make({b"stop": True})
        try:
            reply = self._perform([word_of(word) for word in words])
            return to_lua(reply, make, self.resp)
        except Exception as error:
            self._broken = error
            return make({b"stop": True})

    def _limit_memory(self, on: bool) -> None:
        """The limit holds while Lua runs; see node/script/sandbox.py."""
        self._runtime.set_max_memory(self._memory_max if on else 0)

    def _sha1(self, text: bytes) -> bytes:
        """redis.sha1hex."""
        self._limit_memory(False)
        return sha1(text).hexdigest().encode()

    def _set_resp(self, version: int) -> None:
        """redis.setresp."""
        self.resp = int(version)

    def _logged(self, level: int, text: bytes) -> None:
        """redis.log. Never raises either."""
        try:
            self._log(int(level), text)
        except Exception as error:
            self._broken = error


def place_of(source: bytes, line: int, code: bytes) -> bytes:
    """Where an error was raised. Lua forgets the line of a call that a script ends with."""
    if line > 0:
        return b"%b:%d" % (source, line)
    return CHUNK_NAME if b"\n" in code.strip() else CHUNK_NAME + b":1"


def nobody(words: list[bytes]) -> object:
    """What redis.call is while no script runs."""
    return Failure(b"ERR no script runs")


def refuse(target: object, name: object, is_setting: bool) -> object:
    """Nothing of ours has attributes for Lua."""
    raise AttributeError("no attribute is for scripts")
