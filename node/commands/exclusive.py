"""What is decided on this node alone: SETNX, SET NX, and what else takes a lock.  [compiled]

Two nodes of a mesh may both find the key absent and both say yes; the newer value shows then, so
one client holds a lock that is gone. `mesh-nx-policy` says what such commands may do in a mesh.
"""

from __future__ import annotations

from typing import Final

from node.commands.context import Context
from node.resp.replies import Failure

NX_POLICY: Final = "mesh-nx-policy"
WARN: Final = "warn"
REJECT: Final = "reject"
OWNER: Final = "owner"  # mesh-owner's node decides: the gate has asked (node/commands/owned.py)
REJECTED: Final = (
    b"ERR %s asks this node alone, another may decide otherwise at the same time: it is not allowed"
    b" in this mesh (mesh-nx-policy reject)"
)


def decides_here(ctx: Context, command: bytes) -> None:
    """Counts the command under `warn`. Failure under `reject`. A node alone decides for all."""
    if ctx.writer.resolver.may_swap():
        return
    policy = ctx.services.config.text(NX_POLICY)
    if policy == REJECT:
        raise Failure(REJECTED % command)
    if policy == WARN:
        ctx.services.decided_here += 1
