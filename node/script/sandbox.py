"""What a script finds: Redis's globals and nothing else, as a piece of Lua.

The text is run once in a new runtime with six functions of ours, which no script can reach, and
gives back two of its own: `compile` and `run`. A script sees empty tables in front of the real
ones, made anew for each run, so it can neither change what the next one finds nor leave anything
there. A hook looks at the clock every 1,000 instructions, in coroutines too; once the time is up
every further instruction of the script is an error, so that no pcall can go on for long. A library
function cannot be interrupted: what bounds it is the runtime's memory. The limit of that holds
while Lua runs and never while Python makes Lua values: Lua would jump out of Python's frames.
Whatever of ours makes one lifts it, and the sandbox sets it again.
"""

from __future__ import annotations

from typing import Final

SANDBOX: Final = rb"""
local perform, log, sha1, set_resp, is_late, limit_memory = ...
local type, tostring, tonumber, error, select = type, tostring, tonumber, error, select
local rawget, rawset, next, setmetatable, unpack = rawget, rawset, next, setmetatable, unpack
local pcall, xpcall, loadstring, setfenv = pcall, xpcall, loadstring, setfenv
local getmetatable, collectgarbage = getmetatable, collectgarbage
local floor, randomseed = math.floor, math.randomseed
local byte, concat, create, resume = string.byte, table.concat, coroutine.create, coroutine.resume
local sethook, getinfo = debug.sethook, debug.getinfo

local READONLY = "Attempt to modify a readonly table"
local STEP = 1000     -- instructions between two looks at the clock: these cost a twentieth
local DEEPEST = 128   -- as deep as replies are written

-- Time -------------------------------------------------------------------------------------------

local stopped = false

local function check()
  if stopped or is_late() then
    stopped = true
    sethook(check, "", 1)
    error({err = "ERR the script was stopped"}, 0)
  end
end

local function stop()
  stopped = true
  check()
end

local function watched(body)
  local thread = create(body)
  sethook(thread, check, "", stopped and 1 or STEP)
  return thread
end

local function passed(ok, ...)
  if ok then return ... end
  error((...), 0)
end

-- What scripts call ------------------------------------------------------------------------------

local function failure(text) return {err = "ERR " .. text} end

local function command(...)
  local words = {...}
  local n = select("#", ...)
  if n == 0 then return failure("Please specify at least one argument for this redis lib call") end
  for i = 1, n do
    local kind = type(words[i])
    if kind ~= "string" and kind ~= "number" then
      return failure("Lua redis lib command arguments must be strings or integers")
    end
  end
  local ok, reply = pcall(perform, ...)
  limit_memory(true)
  if not ok or (type(reply) == "table" and rawget(reply, "stop")) then stop() end
  return reply
end

local function raised(reply)
  if type(reply) == "table" and rawget(reply, "err") ~= nil then error(reply, 0) end
  return reply
end

local function of_one_text(make)
  return function(...)
    local text = ...
    if select("#", ...) ~= 1 or type(text) ~= "string" then
      return failure("wrong number or type of arguments")
    end
    return make(text)
  end
end

local redis = {
  call = function(...) return raised(command(...)) end,
  pcall = command,
  status_reply = of_one_text(function(text) return {ok = text} end),
  error_reply = of_one_text(function(text)
    if byte(text) == 45 then text = text:sub(2) end
    if not text:find(" ", 1, true) then text = "ERR " .. text end
    return {err = (text:gsub("[\r\n]+$", ""))}
  end),
  sha1hex = function(...)
    if select("#", ...) ~= 1 then error(failure("wrong number of arguments"), 0) end
    local text = ...
    local kind = type(text)
    local digest = sha1((kind == "string" or kind == "number") and tostring(text) or "")
    limit_memory(true)
    return digest
  end,
  log = function(...)
    local n = select("#", ...)
    local level = tonumber((...))
    if n < 2 then error(failure("redis.log() requires two arguments or more."), 0) end
    if not level then error(failure("First argument must be a number (log level)."), 0) end
    if level < 0 or level >= 4 then error(failure("Invalid log level."), 0) end
    local texts = {}
    for i = 2, n do
      local text = select(i, ...)
      local kind = type(text)
      if kind == "string" or kind == "number" then texts[#texts + 1] = tostring(text) end
    end
    log(floor(level), concat(texts, " "))
  end,
  setresp = function(...)
    local version = tonumber((...))
    if select("#", ...) ~= 1 then
      error(failure("redis.setresp() requires one argument."), 0)
    end
    if version ~= 2 and version ~= 3 then error(failure("RESP version must be 2 or 3."), 0) end
    set_resp(version)
  end,
  LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
}

-- Globals ----------------------------------------------------------------------------------------

local real = {}       -- the table behind each front of this run
local globals, fronts, environment, of_texts

local function listed(t) return real[t] or t end

local function compile(text, name)
  if byte(text) == 27 then return nil, "bytecode is not loaded" end
  return loadstring(text, name)
end

local function compiled(text, name)
  local chunk, problem = compile(text, name)
  if not chunk then return nil, problem end
  return setfenv(chunk, environment)
end

local function unwrapped(ok, problem, ...)
  if not ok and type(problem) == "table" and type(rawget(problem, "err")) == "string" then
    return false, rawget(problem, "err")
  end
  return ok, problem, ...
end

-- The handler runs when the error is over: as a real one it would run inside the hook that stops
-- a script, where no hook looks at the clock.
local function handled(handler, ok, ...)
  if ok then return true, ... end
  return false, select(2, pcall(handler, ...))
end

globals = {
  _VERSION = _VERSION, assert = assert, collectgarbage = collectgarbage, error = error,
  gcinfo = gcinfo, ipairs = ipairs, rawequal = rawequal, select = select, tonumber = tonumber,
  tostring = tostring, type = type, unpack = unpack,
  pcall = function(...) return unwrapped(pcall(...)) end,
  xpcall = function(body, handler) return handled(handler, pcall(body)) end,
  next = function(t, key) return next(listed(t), key) end,
  pairs = function(t) return next, listed(t), nil end,
  rawget = function(t, key) return rawget(listed(t), key) end,
  getmetatable = function(...)
    if type((...)) == "string" then return of_texts end
    return getmetatable(...)
  end,
  setmetatable = function(t, ...)
    if real[t] then error(READONLY, 0) end
    return setmetatable(t, ...)
  end,
  rawset = function(t, key, value)
    if real[t] then error(READONLY, 0) end
    return rawset(t, key, value)
  end,
  loadstring = function(text, name)
    text = tostring(text)
    return compiled(text, name or text)
  end,
  load = function(read, name)
    local pieces = {}
    while true do
      local piece = read()
      if piece == nil or piece == "" then break end
      pieces[#pieces + 1] = piece
    end
    return compiled(concat(pieces), name or "=(load)")
  end,
}
fronts = {
  redis = redis, string = string, table = table, math = math, os = {clock = os.clock},
  coroutine = {
    create = watched, resume = resume, running = coroutine.running, status = coroutine.status,
    yield = coroutine.yield,
    wrap = function(body)
      local thread = watched(body)
      return function(...) return passed(resume(thread, ...)) end
    end,
  },
}
local function front(behind, missing)
  local shown = setmetatable({}, {
    __index = missing or behind,
    __newindex = function() error(READONLY, 2) end,
    __metatable = {},
  })
  real[shown] = behind
  return shown
end

local function prepare(keys, args)
  real = {}
  local all = {KEYS = keys, ARGV = args}
  for name, value in next, globals do all[name] = value end
  for name, library in next, fronts do all[name] = front(library) end
  environment = front(all, function(_, name)
    local value = all[name]
    if value == nil then
      error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
    end
    return value
  end)
  all._G = environment
  of_texts = front({__index = all.string})
  return environment
end

-- One run ----------------------------------------------------------------------------------------

local function explained(problem)
  local text
  if type(problem) == "table" then
    local said = rawget(problem, "err")
    local is_text = type(said) == "string" or type(said) == "number"
    text = is_text and tostring(said) or "ERR unknown error"
  else
    text = "ERR " .. tostring(problem)
  end
  local level = 2
  local place = getinfo(level, "Sl")
  while place and (place.what ~= "main" and place.what ~= "Lua" or place.source == "=sandbox") do
    level = level + 1
    place = getinfo(level, "Sl")
  end
  local at = place and place.short_src .. ":" .. place.currentline or "user_script"
  text = text:gsub("^ERR sandbox:%d+:", function() return "ERR " .. at .. ":" end)
  if not place then return {err = text, source = "@user_script", line = 0} end
  return {err = text, source = place.source, line = place.currentline}
end

-- A result without metatables, ready to be read: a table is its kind and what is in it.
local shaped

local function pairs_of(kind, t, depth, values)
  local found = {kind}
  for key, value in next, t do
    found[#found + 1] = shaped(key, depth)
    if values then found[#found + 1] = shaped(value, depth) end
  end
  return found
end

shaped = function(value, depth)
  local kind = type(value)
  if kind == "string" or kind == "number" or kind == "boolean" then return value end
  if kind ~= "table" then return {"null"} end
  if depth > DEEPEST then return {"error", "ERR reached lua stack limit"} end
  depth = depth + 1
  local text = rawget(value, "err")
  if type(text) == "string" then return {"error", text} end
  text = rawget(value, "ok")
  if type(text) == "string" then return {"status", text} end
  local number = rawget(value, "double")
  if type(number) == "number" then return {"double", number} end
  text = rawget(value, "big_number")
  if type(text) == "string" then return {"big number", text} end
  local inner = rawget(value, "verbatim_string")
  if type(inner) == "table" then
    local form, words = rawget(inner, "format"), rawget(inner, "string")
    if type(form) == "string" and type(words) == "string" then return {"verbatim", form, words} end
  end
  inner = rawget(value, "map")
  if type(inner) == "table" then return pairs_of("map", inner, depth, true) end
  inner = rawget(value, "set")
  if type(inner) == "table" then return pairs_of("set", inner, depth, false) end
  local found = {"array"}
  local i = 1
  while true do
    local item = rawget(value, i)
    if item == nil then return found end
    i = i + 1
    found[i] = shaped(item, depth)
  end
end

local function run(chunk, keys, args)
  setfenv(chunk, prepare(keys, args))
  collectgarbage("restart")
  collectgarbage("setpause", 200)
  collectgarbage("setstepmul", 200)
  randomseed(0)
  sethook(check, "", STEP)
  limit_memory(true)
  local ok, result = xpcall(chunk, explained)
  if ok then ok, result = xpcall(function() return shaped(result, 0) end, explained) end
  sethook()
  limit_memory(false)
  environment = nil
  if ok then return true, result end
  if type(result) ~= "table" then return false, "ERR " .. tostring(result) end
  return false, result.err, result.source, result.line
end

return compile, run
"""
