"""What a link says of its resync: the phase, and the share of it that is done."""

from __future__ import annotations

from typing import cast

from mesh.link import Link
from mesh.resync import Resync
from mesh.status import CATCH_UP, IN_SYNC, LAGGING


class Behind:
    """All that catching up is told by."""

    def __init__(self) -> None:
        self.state = IN_SYNC
        self.apply_lag_ms = 0.0


def test_catching_up_is_told_by_the_lag_that_is_left() -> None:
    link = Behind()
    resync = Resync(cast(Link, link))
    resync.lags()
    assert resync.phase == ""
    told: list[float | None] = []
    for lag_ms in (4000.0, 8000.0, 6000.0, 2000.0):
        link.state, link.apply_lag_ms = LAGGING, lag_ms
        resync.lags()
        assert resync.phase == CATCH_UP
        told.append(resync.progress)
    assert told == [0.0, 0.0, 0.25, 0.75]
    link.state, link.apply_lag_ms = IN_SYNC, 0.0
    resync.lags()
    assert resync.phase == ""
    link.state, link.apply_lag_ms = LAGGING, 2000.0
    resync.lags()
    assert resync.progress == 0.0, "it begins anew"
