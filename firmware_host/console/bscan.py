"""Pictures for a terminal: a B-scan in half blocks of grey, a metal signal as a line."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.style import Style
from rich.text import Text

F8 = NDArray[np.float64]


def _columns(x: F8, width: int) -> list[F8]:
    """Split rows into at most `width` runs."""
    return [c for c in np.array_split(x, min(width, len(x))) if len(c)]


def bscan_picture(ascans: F8, width: int = 100, height: int = 24) -> Text:
    """Grey picture, one character two depth cells high.

    ascans : (n, samples), any unit; the median A-scan is removed and each depth scaled to its own
    spread, for looking at only.
    """
    clean = ascans - np.median(ascans, axis=0)
    spread = np.sqrt(np.mean(clean**2, axis=0))
    window = min(15, len(spread))
    clean = clean / (np.convolve(spread, np.ones(window) / window, mode="same") + 1e-3 * spread.max() + 1e-300)
    rows = 2 * height
    grid = np.zeros((rows, min(width, len(clean))))
    for i, run in enumerate(_columns(clean, width)):
        column = run[np.argmax(np.abs(run).sum(axis=1))]
        for k, cell in enumerate(np.array_split(column, rows)):
            if len(cell):
                grid[k, i] = cell[np.argmax(np.abs(cell))]
    grey = np.clip(127 + 50 * grid, 0, 255).astype(int)
    text = Text()
    for k in range(0, rows, 2):
        for top, bottom in zip(grey[k], grey[k + 1], strict=True):
            style = Style(color=Color.from_rgb(top, top, top), bgcolor=Color.from_rgb(bottom, bottom, bottom))
            text.append("▀", style=style)
        text.append("\n")
    return text


def profile_picture(signal: F8, width: int = 100, height: int = 6) -> Text:
    """A signal as filled columns. signal : (n,), any unit; drawn from its median, largest excursion up."""
    middle = float(np.median(signal))
    tops = np.array([run[np.argmax(np.abs(run - middle))] - middle for run in _columns(signal, width)])
    top = float(np.max(np.abs(tops))) or 1.0
    blocks = " ▁▂▃▄▅▆▇█"
    text = Text()
    for level in range(height, 0, -1):
        for v in np.abs(tops) / top * height:
            text.append(blocks[int(np.clip(round((v - level + 1) * 8), 0, 8))])
        text.append("\n")
    text.append(f"full height: {top:.4g} from the median {middle:.6g}")
    return text
