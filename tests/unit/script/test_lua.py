"""The Lua runtime: what scripts reach, what they cannot, and what stops them."""

from __future__ import annotations

import pytest

from node.resp.replies import Failure, Map, Simple
from node.script.lua import Lua


class Clock:
    """Time that goes on by a step at each look."""

    def __init__(self, step_s: float = 0.0) -> None:
        self.now_s = 0.0
        self.step_s = step_s

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


class Node:
    """What a script calls, and a runtime for it."""

    def __init__(self, step_s: float = 0.0, memory_max: int = 1 << 24) -> None:
        self.called: list[list[bytes]] = []
        self.logged: list[tuple[int, bytes]] = []
        self.clock = Clock(step_s)
        self.lua = Lua(self.log, self.clock, 1.0, memory_max)

    def log(self, level: int, text: bytes) -> None:
        self.logged.append((level, text))

    def perform(self, words: list[bytes]) -> object:
        self.called.append(words)
        if words[0] == b"fail":
            return Failure(b"MY failure")
        if words[0] == b"break":
            raise ZeroDivisionError("a bug")
        return words[1:]

    def __call__(self, code: str, *args: bytes, keys: tuple[bytes, ...] = ()) -> object:
        return self.lua.run(self.perform, code.encode(), list(keys), list(args))

    def error(self, code: str) -> bytes:
        reply = self(code)
        assert isinstance(reply, Failure), reply
        return reply.text


def test_keys_args_and_calls() -> None:
    node = Node()
    script = "return redis.call('do', KEYS[1], ARGV[1], 5, #KEYS, #ARGV)"
    assert node(script, b"arg", b"more", keys=(b"key\0",)) == [b"key\0", b"arg", b"5", b"1", b"2"]
    assert node.called == [[b"do", b"key\0", b"arg", b"5", b"1", b"2"]]


def test_an_error_of_a_command_ends_a_script_and_pcall_goes_on() -> None:
    node = Node()
    assert node.error("redis.call('fail')\nreturn 1").startswith(b"MY failure script: ")
    assert node("return redis.pcall('fail').err") == b"MY failure"
    assert node("local ok, text = pcall(redis.call, 'fail') return text") == b"MY failure"


def test_an_error_names_the_script_and_the_line() -> None:
    node = Node()
    reply = node.lua.run(node.perform, b"local a = 1\nerror('no')", [], [], b"its name")
    assert isinstance(reply, Failure)
    assert reply.text == b"ERR user_script:2: no script: its name, on @user_script:2."
    # Lua keeps no line for a call that a script ends with: known where there is but one.
    assert node.error("return redis.call('fail')").endswith(b", on @user_script:1.")
    assert node.error("local a\nreturn redis.call('fail')").endswith(b", on @user_script.")


def test_an_error_of_ours_is_none_of_the_scripts() -> None:
    node = Node()
    with pytest.raises(ZeroDivisionError, match="a bug"):
        node("return pcall(redis.call, 'break')")
    assert node("return 1") == 1


def test_a_log_that_fails_is_an_error_of_ours_too() -> None:
    def broken(level: int, text: bytes) -> None:
        raise OSError("disk full")

    lua = Lua(broken, Clock())
    with pytest.raises(OSError, match="disk full"):
        lua.run(lambda words: None, b"redis.log(1, 'x')", [], [])


@pytest.mark.parametrize(
    "name",
    [
        "io", "require", "package", "module", "debug", "loadfile", "dofile", "print", "python",
        "getfenv", "setfenv", "newproxy", "perform", "sha1", "real",
    ],
)  # fmt: skip
def test_what_is_not_there(name: str) -> None:
    text = Node().error(f"return {name}")
    assert b"Script attempted to access nonexistent global variable '%b'" % name.encode() in text


def test_of_os_there_is_the_clock_alone() -> None:
    assert Node()("local names = {} for name in pairs(os) do names[#names + 1] = name end"
                  " return names") == [b"clock"]  # fmt: skip


@pytest.mark.parametrize(
    "script",
    [
        "x = 1", "KEYS = 1", "string = 1", "redis = nil", "_G.x = 1", "redis.call = 1",
        "string.upper = 1", "rawset(_G, 'x', 1)", "rawset(redis, 'call', 1)",
        "setmetatable(_G, {})", "loadstring('x = 1')()", "getmetatable('').__index = 1",
    ],
)  # fmt: skip
def test_globals_cannot_be_changed(script: str) -> None:
    assert b"Attempt to modify a readonly table" in Node().error(script)


@pytest.mark.parametrize(
    "script",
    [
        "table.insert(string, 'left') return 1",
        "table.insert(_G, 'left') return 1",
        "getmetatable(_G).left = 1 return 1",
        "math.randomseed(5) return 1",
        "collectgarbage('stop') return 1",
        "setmetatable(KEYS, {__index = {'left'}}) return 1",
    ],
)
def test_nothing_is_left_for_the_next_script(script: str) -> None:
    node = Node()
    seen = (
        "return {string[1] or 0, rawget(_G, 1) or 0, getmetatable(_G).left or 0, KEYS[1] or 0,"
        " math.random(1000)}"
    )
    before = node(seen)
    assert node(script) == 1
    assert node(seen) == before
    # With a collector that was stopped this would not fit.
    assert node("for i = 1, 300 do local s = string.rep('x', 100000 + i) end return 1") == 1


def test_bytecode_is_not_loaded() -> None:
    node = Node()
    assert node("return loadstring(string.dump(function() return 1 end))") is None
    assert node("local done return load(function() if not done then done = 1"
                " return string.dump(function() return 1 end) end end)") is None  # fmt: skip
    assert node.error("\x1bLua").startswith(b"ERR Error compiling script (new function): ")


def test_the_result_is_read_without_metatables() -> None:
    node = Node()
    assert node("return setmetatable({}, {__index = function() error('x') end})") == []
    assert node("return setmetatable({1}, {__index = {err = 'no'}})") == [1]


def test_a_table_in_itself_is_cut_off() -> None:
    reply = Node()("local t = {} t[1] = t return t")
    for _ in range(129):
        assert isinstance(reply, list)
        (reply,) = reply
    assert isinstance(reply, Failure) and reply.text == b"ERR reached lua stack limit"


@pytest.mark.parametrize(
    "script",
    [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local function f() while true do pcall(f) end end f()",
        "coroutine.wrap(function() while true do end end)()",
        "while true do pcall(coroutine.wrap(function() while true do end end)) end",
        "return xpcall(function() while true do end end, function() while true do end end)",
        "while true do redis.pcall('fail') end",
        "while true do pcall(redis.call, 'fail') end",
        "local t = {} t[1] = t t[2] = t return t",
        "return string.gsub(string.rep('a', 1000), '.', function() while true do end end)",
    ],
)
def test_a_script_that_takes_too_long_is_stopped(script: str) -> None:
    node = Node(step_s=0.01)
    assert node.error(script) == b"ERR the script was stopped: it took more than 1000 ms"
    assert node("return 7") == 7


@pytest.mark.parametrize(
    "script",
    [
        "local s = 'x' while true do s = s .. s end",
        "local t = {} while true do t[#t + 1] = {} end",
        "return string.rep('x', 100000000)",
    ],
)
def test_a_script_that_takes_too_much_memory_is_stopped(script: str) -> None:
    node = Node()
    said = b"ERR the script was stopped: it took more than 16777216 bytes of memory"
    assert node.error(script) == said
    assert node("return 7") == 7


def test_a_reply_that_does_not_fit_stops_the_script() -> None:
    node = Node()
    script = b"local kept = redis.call('x') return 'after it: ' .. #kept"
    reply = node.lua.run(lambda words: [b"x%d" % n for n in range(500_000)], script, [], [])
    assert isinstance(reply, Failure) and b"bytes of memory" in reply.text
    assert node("return 7") == 7


def test_what_does_not_compile_is_told_and_checked_without_running() -> None:
    node = Node()
    text = b"ERR Error compiling script (new function): user_script:1: '=' expected near 'error'"
    assert node.error("syntax error(") == text
    found = node.lua.check(b"syntax error(")
    assert found is not None and found.text == text
    assert node.lua.check(b"return redis.call('x')") is None and node.called == []


def test_compiled_scripts_are_kept_up_to_a_limit() -> None:
    node = Node()
    for number in range(600):
        assert node(f"return {number}") == number
    assert len(node.lua._chunks) == 500


def test_redis_log_sha1hex_and_setresp() -> None:
    node = Node()
    node("redis.log(redis.LOG_NOTICE, 'a', 1, {}, 'b')")
    assert node.logged == [(2, b"a 1 b")]
    assert node("return redis.sha1hex('')") == b"da39a3ee5e6b4b0d3255bfef95601890afd80709"
    reply = node.lua.run(
        lambda words: Map([b"f", 1]), b"redis.setresp(3) return redis.call('x').map.f", [], []
    )
    assert reply == 1
    assert node("return true") == 1  # the next script begins with RESP2
    status = node("return redis.status_reply('fine')")
    assert isinstance(status, Simple) and status.text == b"fine"
