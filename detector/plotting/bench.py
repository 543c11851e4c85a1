"""Charts of bench measurements."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np

from detector.bench.result import Chart, Curve
from detector.plotting.canvas import BLUE, GREEN, ORANGE, SKY, VERMILION, axes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INKS = (BLUE, VERMILION, GREEN, ORANGE, SKY)
_DASHES = ("-", "--", ":", "-.", (0, (5, 1)))
"""Lines differ by dashes too, for print without colour."""


def plot_chart(chart: Chart, ax: Axes | None = None) -> Axes:
    """Draw the chart of a measurement. PlotError if matplotlib is not installed."""
    ax = axes_of(ax, 6.4, 5.2 if chart.grid is not None else 3.4)
    if chart.log_x:
        ax.set_xscale("log")
    if chart.log_y:
        ax.set_yscale("log")
    if chart.grid is not None:
        _map(chart, ax)
    else:
        for k, c in enumerate(chart.curves):
            _curve(c, k, ax)
        for name, y in chart.levels:
            ax.axhline(y, color="black", linewidth=1, linestyle="--")
            ax.annotate(name, (0.99, y), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8)
        for name, x in chart.marks:
            ax.axvline(x, color="black", linewidth=0.8, linestyle=":")
            ax.annotate(
                name, (x, 0.99), xycoords=("data", "axes fraction"), rotation=90, ha="right", va="top", fontsize=7
            )
        if len(chart.curves) > 1:
            ax.legend(frameon=False, fontsize=8)
        ax.grid(alpha=0.3, which="major")
    ax.set_xlabel(chart.x_label)
    ax.set_ylabel(chart.y_label)
    return ax


def _curve(c: Curve, k: int, ax: Axes) -> None:
    ink, dash = _INKS[k % len(_INKS)], _DASHES[k % len(_DASHES)]
    x, y = np.asarray(c.x), np.asarray(c.y)
    if len(c.low):
        low, high = np.asarray(c.low), np.asarray(c.high)
        finite = np.isfinite(low) & np.isfinite(high)
        ax.fill_between(x[finite], low[finite], high[finite], color=ink, alpha=0.2, linewidth=0)
    alone = c.points and not len(c.low)
    ax.plot(
        x, y, color=ink, linestyle="none" if alone else dash, linewidth=1.2, marker="o" if c.points else None,
        markersize=4, label=c.name,
    )  # fmt: skip


def _map(chart: Chart, ax: Axes) -> None:
    assert chart.grid is not None
    g = chart.grid
    mesh = ax.pcolormesh(g.x, g.y, np.asarray(g.z), shading="nearest", cmap="viridis")
    ax.figure.colorbar(mesh, ax=ax, label=g.label)
    ax.contour(g.x, g.y, np.asarray(g.z), levels=[g.level], colors="white", linewidths=2)
    ax.set_aspect("equal")


def chart_svg(chart: Chart) -> str:
    """The chart as an SVG for an <img>: 'data:image/svg+xml;base64,...'. PlotError if matplotlib is not installed."""
    ax = plot_chart(chart)
    import matplotlib

    out = io.BytesIO()
    # the same chart gives the same bytes
    with matplotlib.rc_context({"svg.hashsalt": "groundsweep"}):
        ax.figure.savefig(out, format="svg", metadata={"Date": None}, bbox_inches="tight")  # type: ignore[union-attr]
    return "data:image/svg+xml;base64," + base64.b64encode(out.getvalue()).decode()
