"""Scripts in our Lua answer what they answer in Redis 8.2.3, errors and all.

Every script runs on both after the ones before it, in RESP2 and RESP3.
"""

from __future__ import annotations

from functools import partial
from io import BytesIO

import pytest
from librt.strings import BytesWriter
from mypy_extensions import i64

from node.commands.cron import lua_of
from node.resp.encoder import encode
from tests.support.local import LocalNode
from tests.support.servers import RealRedis
from tests.support.transcript import Shown, read_shown

pytestmark = pytest.mark.wire

KEYS = [b"k1", b"k2"]
ARGS = [b"a1"]
SCRIPTS = r"""
return redis.error_reply("x")
return redis.error_reply("-MY x y")
return redis.error_reply("My err")
return redis.error_reply("")
return redis.error_reply("-x")
return redis.error_reply("a b\r\n")
return redis.error_reply("-a b\nc")
return {err="foo"}
return {err=''}
return {err=5}
return {ok=5}
return {ok='a\r\nb'}
return {err='a\r\nb'}
error("boom")
error({err="MY boom"})
error({err="MYboom"})
error({a=1})
error({err=5})
error()
error(nil)
error(5)
error(true)
error("x",0)
error("x",2)
x=1
return x
string.upper=1
rawset(_G,"a",1)
rawset(string,"a",1)
rawset(KEYS,1,1) return KEYS[1]
return redis.call("set","a")
return redis.call("nosuch","a")
return redis.call("multi")
return redis.call()
return redis.call({})
return redis.pcall()
redis.call("lpush","l","a") redis.call("get","l")
return redis.pcall("get","l")
return {pcall(redis.call,"get","l")}
return {pcall(function() error("a b") end)}
return {pcall(function() error({err="a b"}) end)}
local a,b=pcall(redis.pcall,"get","l") return {type(b),b.err,tostring(b.source),tostring(b.line)}
return {1,2.9,-2.9,"s",true,false,nil,5}
return {1,false,3}
return {1,function() end,3}
return {a=1}
return {}
return {{},{{}}}
return 2^53
return -2^63
return 2^63
return 9007199254740993
return {1,2,{3,{4}},{ok="fine"},{err="bad"}}
return {{double=1.5},{map={a=1}},{set={a=true}},{big_number="12\r3"}}
return {verbatim_string={format="txt",string="hi"}}
return {double=1e20}
return {double=1/0}
return {verbatim_string={format="txt"}}
return {verbatim_string={format="t",string="x"}}
syntax error(
return 0/0
return 1/0
return 1e300
return -1e300
return "a\0b"
return print
return {type(os),type(os.clock),type(string),type(table),type(math),type(coroutine)}
return os.time
return io
return debug
return require
return newproxy
return type(_G)
return _VERSION
return redis.sha1hex("")
return redis.sha1hex("a\0")
return redis.sha1hex(5)
return redis.sha1hex()
return redis.sha1hex("a","b")
return redis.status_reply("x")
return redis.status_reply()
return redis.status_reply(5)
return redis.error_reply()
redis.log("a","b")
redis.log(9,"b")
redis.log(-1,"b")
redis.log(1)
redis.log()
return redis.log(3,"b")
return redis.call("incrbyfloat","f",0.1)
return redis.call("echo",1e20)
return redis.call("echo",0.1)
return redis.call("echo",1e15)
return redis.call("echo",-0.0)
return redis.call("echo",1/3)
return redis.call("echo",-1e-7)
return redis.call("hgetall","nokey")
return {redis.call("get","nokey")}
return type(redis.call("get","nokey"))
return type(redis.call("lpop","nokey",1))
return redis.call("hset","h","a","b")
return redis.call("hgetall","h")
return redis.call("zadd","z",1.5,"a")
return redis.call("zscore","z","a")
return redis.call("zrange","z",0,-1,"withscores")
return type(redis.call("set","k","v"))
return redis.call("set","k","v").ok
return redis.call("set","k","v","nx")
return redis.call("ping")
return redis.call("echo","x")
return redis.call("type","l")
return redis.call("smembers","nos")
return redis.call("sadd","s","1")
return redis.call("smembers","s")
return {KEYS[1],KEYS[2],KEYS[3],ARGV[1],#KEYS,#ARGV}
return loadstring("return 7")()
return loadstring("syntax(")
return {loadstring("syntax(")}
return loadstring(string.dump(function() return 1 end))
local f=loadstring("zz=1") f()
local i=0 local f=load(function() i=i+1 if i==1 then return "return 5" end end) return f()
setmetatable(_G,{})
return getmetatable(_G)
redis.foo=1
string = 1
KEYS=1
for k,v in pairs(string) do if k=="upper" then return "yes" end end
return next({})
return redis.call("blpop","q",0)
return redis.call("config","get","hz")
return redis.call("config")
return redis.call("config","nosuch")
return redis.call("get", nil)
return redis.call("get", true)
return redis.pcall("get", true)
local f = function() error("in f") end; f()
local a = nil; return a.b
return coroutine.wrap(function(a) local b = coroutine.yield(a+1) return b end)(4)
return {xpcall(function() error("a") end, function(e) return "h:"..e end)}
return {xpcall(function() return 1,2 end, function(e) return "h:"..e end)}
return select("#",unpack({},1,7000))
return tostring(1e15)
return tostring(0.1)
return #redis.pcall("get").err
redis.setresp(3) return redis.call("hgetall","h")
redis.setresp(3) return redis.call("hgetall","h").map.a
redis.setresp(3) return redis.call("zscore","z","a")
redis.setresp(3) return redis.call("zscore","z","a").double
redis.setresp(3) return redis.call("smembers","s")
redis.setresp(3) return redis.call("get","nokey")
redis.setresp(3) return type(redis.call("get","nokey"))
redis.setresp(3) return {true,false}
redis.setresp(4)
redis.setresp()
redis.setresp("3")
return tostring(nil)
return string.format("%d", 3.7)
return table.concat({1,2,"x"},",")
return math.floor(3.7)
return redis.call("select","3")
return redis.call("watch","a")
return redis.call("lrange","l",0,-1)[1]
return redis.call("xadd","st","1-1","f","v")
return redis.call("xrange","st","-","+")
return redis.call("exists","a","b")
local t = {} for i=1,100 do t={t} end return 1
return (redis.LOG_WARNING)
return 'a' .. 1
return 10 % 3
return {ok="a", err="b"}
return {[1]=1,[2]=2,ok=false}
return type(getmetatable('').__index)
getmetatable('').__index=1
setmetatable(nil,{})
return setmetatable({},{__index={1}})[1]
rawset(getmetatable(''),'a',1)
"""


def ours(node: LocalNode, script: str, resp: int) -> Shown:
    """The reply of a script here."""
    session = node.sessions[0]
    session.ctx.db = node.engine.databases[0]
    lua = lua_of(node.engine)
    reply = lua.run(partial(node.engine.scripted, session), script.encode(), KEYS, ARGS)
    node.engine.publish()
    out = BytesWriter()
    encode(out, reply, i64(resp))
    return read_shown(BytesIO(out.getvalue()))


@pytest.mark.parametrize("resp", [2, 3])
def test_scripts_answer_as_in_redis(resp: int) -> None:
    node = LocalNode()
    wrong = []
    with RealRedis() as redis, redis.client() as client:
        client.call("HELLO", str(resp))
        for script in SCRIPTS.strip().split("\n"):
            theirs = client.call("EVAL", script, str(len(KEYS)), *KEYS, *ARGS)
            mine = ours(node, script, resp)
            if mine != theirs:
                wrong.append(f"{script}\n   Redis {theirs}\n   ours  {mine}")
    assert not wrong, "\n".join(wrong)
