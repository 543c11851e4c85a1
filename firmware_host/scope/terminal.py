"""The scope without a browser: the same curves as blocks of text."""

from __future__ import annotations

from typing import Final

import numpy as np
from rich.panel import Panel
from rich.text import Text

from firmware_host.scope.traces import Curve, StreamTraces, View

_BLOCKS: Final = " ▁▂▃▄▅▆▇█"


def picture(curve: Curve, width: int = 72, height: int = 12) -> list[str]:
    """Rows of text, top first: the first line of a curve as bars, its range beside them."""
    y = curve.y[0]
    starts = np.unique(np.linspace(0, len(y), min(width, len(y)), endpoint=False).astype(np.int64))
    cells = np.maximum.reduceat(y, starts)
    if len(starts) < width:
        cells = np.repeat(cells, width // len(starts))
    log = curve.log_y and bool(np.any(cells > 0))
    if log:
        floor = max(float(cells[cells > 0].min()), float(cells.max()) * 1e-6)
        cells = np.log10(np.maximum(cells, floor))
    low, high = float(cells.min()), float(cells.max())
    steps = 8 * height
    levels = np.full(len(cells), steps // 2) if high <= low else (cells - low) / (high - low) * (steps - 1) + 1
    rows = []
    for r in range(height - 1, -1, -1):
        fill = np.clip(np.round(levels).astype(int) - 8 * r, 0, 8)
        edge = high if r == height - 1 else low if r == 0 else None
        value = "" if edge is None else f"{10**edge if log else edge:.4g}"
        rows.append(f"{value:>11} {''.join(_BLOCKS[k] for k in fill)}")
    unit = f"{curve.y_unit}{', log' if log else ''}"
    rows.append(f"{'':>11} {curve.x[0]:.4g} to {curve.x[-1]:.4g} {curve.x_unit}; {unit}")
    return rows


def panel(traces: StreamTraces, view: View, state: str, live: bool) -> Panel:
    """One stream's view."""
    curve = traces.curve(view)
    body = Text("Not enough records yet.") if curve is None else Text("\n".join([*picture(curve), *curve.notes]))
    style = "white" if live else "bold white on red"
    return Panel(body, title=f"{view.stream}: {view.show}, channel {view.channel}, value {view.value}", subtitle=state,
                 border_style=style)  # fmt: skip
