"""LOLWUT: a small mesh, another one each time, with the version below it as Redis has it."""

from __future__ import annotations

from random import Random
from typing import Final

from conf import PLEXIS_VERSION, REDIS_VERSION

WIDTH: Final = 48
HEIGHT: Final = 12
NODES: Final = 6


def picture(dice: Random) -> bytes:
    """Some nodes and their links, drawn in characters."""
    canvas = [[" "] * WIDTH for _ in range(HEIGHT)]
    nodes = [(dice.randrange(WIDTH), dice.randrange(HEIGHT)) for _ in range(NODES)]
    for here, there in zip(nodes, [*nodes[1:], nodes[0]], strict=True):
        draw_link(canvas, here, there)
    for x, y in nodes:
        canvas[y][x] = "o"
    rows = [" " + "".join(row).rstrip() for row in canvas]
    words = f"Everybody writes, all agree. Redis ver. {REDIS_VERSION}, Plexis {PLEXIS_VERSION}"
    return "\n".join([*rows, "", words, ""]).encode()


def draw_link(canvas: list[list[str]], here: tuple[int, int], there: tuple[int, int]) -> None:
    """Dots on the straight line between two places."""
    steps = max(abs(there[0] - here[0]), abs(there[1] - here[1]), 1)
    for step in range(1, steps):
        x = round(here[0] + (there[0] - here[0]) * step / steps)
        y = round(here[1] + (there[1] - here[1]) * step / steps)
        canvas[y][x] = "."
