"""Policy: of which keys a removal is newest-wins (`conflict-policy`).  [compiled]

Otherwise a removal takes what its writer had seen, and what was written meanwhile elsewhere stays.
Of these keys it takes what is older than itself as well, seen or not, as KeyDB does (semantics.md
0.5). Only the node where the client writes asks here; the frame says what it decided, and every
other node obeys that (docs/decisions/0026).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mypy_extensions import i64

from node.store.effect import DROP, HDEL, PUT, SREM, XDEL, ZREM
from node.store.glob import matches

NEWEST: Final = "newest-wins"
OBSERVED: Final = "observed-remove"
ALL_KEYS: Final = b"*"


class Policy:
    """The rows of `conflict-policy`; of those that name a key the last counts.

    A row is a policy and the patterns of its keys, or of all keys where it has none.
    """

    def __init__(self, rows: Sequence[Sequence[str]]) -> None:
        self.rows: list[tuple[bytes, bool]] = []
        for row in rows:
            newest = row[0] == NEWEST
            patterns = [each.encode("utf-8", "surrogateescape") for each in row[1:]]
            self.rows += [(each, newest) for each in patterns or [ALL_KEYS]]
        # What FLUSHDB and FLUSHALL ask, which name no key.
        self.everywhere = False
        for pattern, newest in self.rows:
            if pattern == ALL_KEYS:
                self.everywhere = newest

    def is_newest(self, key: bytes) -> bool:
        """Is the newest write of this key to win over those that it had not seen?"""
        newest = False
        for pattern, this in self.rows:
            if this != newest and (pattern == ALL_KEYS or matches(pattern, key)):
                newest = this
        return newest

    def overrules(self, op: i64, key: bytes) -> bool:
        """Is a client's write one that removes or overwrites, of a key with this policy?

        Elements of lists and pending entries of groups are removed by name: nobody can have
        written them unseen.
        """
        if op == PUT or op == DROP or op == SREM or op == HDEL or op == ZREM or op == XDEL:
            return self.is_newest(key)
        return False


def policy_of(rows: Sequence[Sequence[str]]) -> Policy | None:
    """The policy that these rows say; None where no key's removals are newest-wins."""
    policy = Policy(rows)
    return policy if any(newest for _, newest in policy.rows) else None
