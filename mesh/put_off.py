"""Putting off: what is written again and again is looked at once in some heartbeats.  [compiled]

A look finds little there that was not written over, or is about to be. What is left to a later
epoch stands there as if it had been written in it, and is counted as what it may still have.
"""

from __future__ import annotations

from mypy_extensions import i64

from mesh.merge.covers import Cut
from mesh.merge.rule import Memory
from mesh.noting import Noting
from mesh.touched import EVERY_STAMP, PUT_OFF_MOST, SHARE, Epoch, SmallKey, Touched
from node.engine import Engine
from node.store.values.container import Container


class PuttingOff(Noting):
    """Says what of an epoch that is stable is to be looked at now, and leaves the rest."""

    def __init__(self, engine: Engine, memory: Memory) -> None:
        super().__init__(engine, memory)
        # Keys that were looked at whole, none of it left out, by the epoch in which they were
        # written: those of the last epochs.
        self._looked: dict[tuple[int, bytes], int] = {}

    def _put_off(self, touched: Touched, epoch: Epoch, cut: Cut) -> i64:
        """Up to which stamp the dots of a key go that is to be looked at whole; 0: not now. It is
        left to the next epoch if that has it again, which may be the one that has not ended: what
        is on a disk at once is stable soon.

        When it was left often enough it is looked at, and left to that epoch all the same. What
        was written meanwhile keeps its dot then: it is about to be written again, and its slot
        would be made anew.
        """
        entry = self.databases[touched.db].raw(touched.key)
        left: i64 = 0  # as many dots at most
        if entry is not None and isinstance(entry.value, Container):
            left = entry.value.size()
        if (epoch.places - epoch.told) * SHARE < left:
            return EVERY_STAMP  # so few writes, of all keys, are not such a key's
        following = self.epochs[0] if self.epochs else self._now
        later = following.last.get(touched.key)
        if later is None or later.db != touched.db:
            if not self._comes_again(touched, epoch):
                self._looked[int(touched.db), touched.key] = int(epoch.number)
                return EVERY_STAMP
            later = Touched(touched.op, touched.db, touched.key, [], True)
            later.in_bursts = True
            following.last[touched.key] = later
            following.touched.append(later)
            self.noted += 1
        elif not later.whole:
            self.noted -= len(later.names)
            self._look_whole(later)
        later.in_bursts = later.in_bursts or touched.in_bursts
        following.places += left
        following.told += left
        self.meter.wrote(left)
        since = touched.since
        if touched.put_off >= PUT_OFF_MOST:
            later.since = cut.newest
            return since
        later.put_off = touched.put_off + 1
        later.since = cut.newest if since == 0 else since
        return 0

    def _comes_again(self, touched: Touched, epoch: Epoch) -> bool:
        """Is a key written in bursts, and has the heartbeat only begun in which the next one will
        be? So it is if it was looked at in the heartbeat before, and has been written since. Once
        it is not written for a heartbeat it is like any other."""
        if self.epochs or self._now.everything:
            return False
        name = int(touched.db), touched.key
        if not touched.in_bursts and self._looked.get(name, 0) != epoch.number - 1:
            return False
        entry = self.databases[touched.db].raw(touched.key)
        value = None if entry is None else entry.value
        return isinstance(value, Container) and value.noted == epoch.number

    def _forget_looks(self) -> None:
        """Those that say nothing any more."""
        for name, number in list(self._looked.items()):
            if number < self._now.number - 2:
                del self._looked[name]

    def _is_due(self, small: SmallKey, epoch: Epoch) -> bool:
        """Is a small collection to be looked at now? One that was written after this epoch goes on
        to the epoch in which it was written last; it is looked at now and then all the same."""
        written = small.number
        if written <= epoch.number:
            small.number = 0
            self.noted -= 1
            return True
        if epoch.number <= self.collapsed:
            return False  # everything is looked at, and it was noted anew if it was written since
        later = self._now if written == self._now.number else self._epoch_of(written)
        later.small.append(small)
        small.put_off += written - epoch.number
        if small.put_off > PUT_OFF_MOST:
            small.put_off = 0
            return True
        later.places += small.size  # as many dots at most
        later.told += small.size
        self.meter.wrote(small.size)
        return False

    def _epoch_of(self, number: i64) -> Epoch:
        """The epoch of this number; all that wait stand in order."""
        epochs = self.epochs
        low: i64 = 0
        high: i64 = len(epochs)
        while low < high:
            middle = (low + high) >> 1
            if epochs[middle].number < number:
                low = middle + 1
            else:
                high = middle
        return epochs[low] if low < len(epochs) else self._now
