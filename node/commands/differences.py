"""What differs from Redis 8.2.3, command by command: the last column of docs/commands.md.

What is not here behaves as Redis does, replies and errors included; the generated differential test
(tests/commands/test_differential.py) looks for what is missing.
"""

from __future__ import annotations

from typing import Final

EXACT: Final = "Totals are exact decimals, without a long double's noise: no order changes them"
PICKS: Final = "A negative count below -4,000,000 is refused"
UNDEFINED_LEX: Final = "Where scores differ, which is undefined, and above 128 members"
ACKED: Final = "With ACKED after XGROUP DESTROY the destroyed group's marks do not count any more"
OF_KEYDB: Final = "KeyDB's command; it replicates here"

DIFFERS: Final[dict[str, str]] = {
    "incrbyfloat": EXACT,
    "hincrbyfloat": EXACT,
    "auth": "Knows the user `default` alone",
    "blpop": "A negative timeout that a long double would round to 0 is an error",
    "brpop": "As BLPOP",
    "debug": "SLEEP makes the client wait, not the server; DIGEST has other digits, equal on nodes"
    " that show the same data; RELOAD goes through memory and is refused in an active mesh",
    "dump": "Equal bytes but where Redis's depend on its memory: order of hash tables, nodes of"
    " lists that were pushed to at the head or in one go, strings above 1 MB (not compressed)",
    "expiremember": f"{OF_KEYDB}; a deadline that has passed removes at once",
    "expirememberat": OF_KEYDB,
    "pexpirememberat": OF_KEYDB,
    "expdel": OF_KEYDB,
    "hdel": "Does not count a field that has expired and was not yet taken out",
    "hlen": "Does not count a field that has expired and was not yet taken out",
    "hrandfield": PICKS,
    "srandmember": PICKS,
    "zrandmember": PICKS,
    "keydb.cron": f"{OF_KEYDB}; the node that took it runs the job, in the database of its key",
    "keydb.hrename": f"{OF_KEYDB}; the field's deadline goes with it",
    "keydb.mexists": "KeyDB's command",
    "keydb.mvccrestore": "KeyDB's command; writes under a stamp of our own",
    "keydb.nhget": "KeyDB's command; a nested hash is a hash whose fields are paths",
    "keydb.nhset": f"{OF_KEYDB}; a nested hash is a hash whose fields are paths",
    "lolwut": "Draws its own picture, whatever the version",
    "memory|usage": "Tells what our objects take, which is more than Redis's",
    "object|encoding": "A list that shrank is a listpack again at the limit, not at half of it",
    "object|lastmodified": "KeyDB's; increments and removals do not move it in an active mesh",
    "persist": "Takes a member too, as KeyDB does",
    "ttl": "Takes a member too, as KeyDB does",
    "pttl": "Takes a member too, as KeyDB does",
    "pfselftest": "Tries fewer elements: the node stands still meanwhile",
    "replping": "KeyDB's command",
    "restore": "Checks every payload, whatever `sanitize-dump-payload` says",
    "sort": "Leaves the source as it is: Redis unpacks a sorted set that it sorts",
    "swapdb": "Refused in an active mesh",
    "xautoclaim": "A COUNT above 2**42 is too much memory, at any size of memory",
    "xackdel": ACKED,
    "xdelex": ACKED,
    "xtrim": ACKED,
    "zadd": "A score of -0 is 0",
    "zincrby": "A score of -0 is 0",
    "zlexcount": UNDEFINED_LEX,
    "zrangebylex": UNDEFINED_LEX,
    "zrevrangebylex": UNDEFINED_LEX,
    "zremrangebylex": UNDEFINED_LEX,
}
