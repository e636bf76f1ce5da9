"""Anchors outlive their key: the order of a list that is deleted or overwritten here.  [compiled]

A peer may have put an element next to one that this node's write has just cleared. So that it
comes to stand where all others see it, what is left of a list is its order, hidden under the key.
"""

from __future__ import annotations

from node.store.effect import INSERT, PUSH, PUT, Effect
from node.store.entry import Dots, Entry
from node.store.values.lists import ListValue
from node.store.values.value import Value


def kept_shell(entry: Entry) -> ListValue | None:
    """The order of an entry's list, shown or hidden, in an empty list; None where it has none."""
    value = entry.value
    if isinstance(value, ListValue):
        return value.shell()
    dots = entry.dots
    if dots is not None and dots.hidden is not None:
        for each in dots.hidden:
            if isinstance(each, ListValue):
                return each.shell()
    return None


def hide_anchors(entry: Entry, shell: Value) -> None:
    """Hides it under the entry, which shows nothing or another type from now on."""
    dots = entry.dots
    if dots is None:
        dots = Dots()
        entry.dots = dots
    if dots.hidden is None:
        dots.hidden = [shell]
    else:
        others = [each for each in dots.hidden if not isinstance(each, ListValue)]
        dots.hidden = [*others, shell]


def keep_anchors(effect: Effect, entry: Entry, shell: Value) -> None:
    """An effect makes the key anew, its rule was asked already: a list goes on in its order."""
    if isinstance(shell, ListValue):
        value = effect.value
        if shell.order is not None:
            shell.order.note_removal(effect.origin, effect.stamp)
        if effect.op == PUSH or effect.op == INSERT:
            entry.value = shell
        elif effect.op == PUT and isinstance(value, ListValue):
            value.order = shell.order
            value.moved = shell.moved
            value.registers = shell.registers
        else:
            hide_anchors(entry, shell)


def survivors(shards: list[dict[bytes, Entry]]) -> list[tuple[bytes, Value]]:
    """The orders of all lists among these entries."""
    found: list[tuple[bytes, Value]] = []
    for shard in shards:
        for key, entry in shard.items():
            if entry.dots is not None or isinstance(entry.value, ListValue):
                shell = kept_shell(entry)
                if shell is not None and shell.order is not None:
                    shell.order.note_unclear()
                    found.append((key, shell))
    return found
