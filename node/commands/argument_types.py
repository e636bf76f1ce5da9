"""The types of arguments in COMMAND DOCS: told by the argument's name, with a few exceptions.

Of 136 names that occur in Redis's commands ten have more than one type.
"""

from __future__ import annotations

from typing import Final

KEYS: Final = frozenset(
    {
        "key", "newkey", "source", "destination", "key1", "key2", "destkey", "sourcekey", "dst",
        "src",
    }
)  # fmt: skip
INTEGERS: Final = frozenset(
    {
        "bit", "client-id", "count", "cursor", "db", "decrement", "destination-db", "end", "freq",
        "idle-time-seconds", "index", "index1", "index2", "len", "limit", "maxage", "milliseconds",
        "min-match-len", "numfields", "numkeys", "numlocal", "numreplicas", "offset", "protover",
        "seconds",
        "start", "timeout", "ttl", "version", "ms", "entries-added", "entries-read", "numids",
        "frequency", "stop", "weight", "increment",
    }
)  # fmt: skip
DOUBLES: Final = frozenset({"height", "latitude", "longitude", "radius", "score", "width"})

# By group, then by command: what is not so there.
BY_GROUP: Final[dict[str, dict[str, str]]] = {
    "bitmap": {"value": "integer"},
    "list": {"rank": "integer", "num-matches": "integer", "timeout": "double"},
    "sorted-set": {"timeout": "double"},
    "stream": {"start": "string", "end": "string"},
}
BOUNDS: Final = {"min": "double", "max": "double"}
BY_COMMAND: Final[dict[bytes, dict[str, str]]] = {
    b"hincrbyfloat": {"increment": "double"},
    b"incrbyfloat": {"increment": "double"},
    b"xpending": {"min-idle-time": "integer"},
    b"zcount": BOUNDS,
    b"zrange": {"start": "string", "stop": "string"},
    b"zrangebyscore": BOUNDS,
    b"zremrangebyscore": BOUNDS,
    b"zrevrangebyscore": BOUNDS,
}


def type_of(command: bytes, group: str, name: str, has_keys: bool) -> str:
    """The type of a command's argument of this name."""
    for known in (BY_COMMAND.get(command, {}), BY_GROUP.get(group, {})):
        if name in known:
            return known[name]
    if has_keys and name in KEYS:
        return "key"
    if name.endswith("pattern"):
        return "pattern"
    if name.startswith("unix-time"):
        return "unix-time"
    if name in DOUBLES:
        return "double"
    return "integer" if name in INTEGERS else "string"
