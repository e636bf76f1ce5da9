"""Lua scripts: the sandbox they run in, and what their values are as replies.

`lua.py` is the runtime, `sandbox.py` what a script finds in it, `convert.py` both directions
between Lua values and replies. It knows no command and no key: who makes a runtime hands it a
function that runs one command.
"""
