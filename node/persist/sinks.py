"""Who takes the bytes of a snapshot: a file, a follower, a simulated disk."""

from __future__ import annotations

from node.persist import rdb_codes as codes
from node.store.writer import BeforeChange


class Sink:
    """Somebody who wants a snapshot; one walk may have several. The defaults do nothing."""

    version = codes.VERSION_SET_LISTPACK
    checksum = True
    holds = False  # it does not want all that is here: `hold` is called when it is its turn

    def hold(self) -> BeforeChange:
        """From now on what is returned is shown what changes, as the only one, until this one calls
        `Snapshots.choose` or `cancel`."""
        return BeforeChange()

    def begin(self) -> None:
        """The walk begins at this very moment: what is written from now on is not in it."""

    def ready(self) -> bool:
        """May more bytes come? Who says False calls `Snapshots.go_on` when it is."""
        return True

    def write(self, data: bytes) -> None:
        """The next bytes of the file."""

    def end(self, error: str) -> None:
        """The last byte was written, or, with an error, there will be none."""
