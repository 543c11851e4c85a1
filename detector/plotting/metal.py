"""Metal-detector pictures: the signal of every gate along the track, a decay curve, noise gate by gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from detector.errors import PlotError
from detector.formats.readable import Readable
from detector.plotting.canvas import (
    BLUE,
    VERMILION,
    Line,
    axes_of,
    drawn,
    legend,
    line_of,
    physical,
    shade_gaps,
    stream_named,
    stretch,
)
from detector.plotting.found import draw_detections, draw_truth
from detector.samples import StreamDescription, StreamKind

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_POINTS: Final = 4000
_BACKGROUND_S: Final = 2.0
"""Before and after the place of a decay curve: the ground's own response is the median over it."""


def plot_metal(
    recording: Readable,
    stream: str = "",
    channel: int = 0,
    first: int = 0,
    last: int | None = None,
    *,
    objects: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Every gate or channel value of one coil, less its median, along the track or in time; lost stretches shaded.

    Parameters
    ----------
    stream : name; '' for the first metal detector
    channel : coil
    first, last : records from `first` to `last` - 1, counted in the file
    objects : detections, labels and truth over it

    Raises
    ------
    PlotError
        if there is no such stream, channel or stretch, or matplotlib is not installed.
    """
    s, block = drawn(recording, stream, True, channel, first, last)
    ax = axes_of(ax, 10.0, 3.6)
    import matplotlib
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm

    values = physical(block, channel)
    values = values - np.median(values, axis=0)
    line = line_of(block)
    shade_gaps(ax, line)
    shades = matplotlib.colormaps["viridis"]
    names = s.value_names
    for v in range(s.values):
        colour = shades(0.95 * v / max(1, s.values - 1))
        x, y = _broken(line, values[:, v])
        # a colour bar names the gates of a decay curve, a legend the few values of any other
        name = None if s.kind is StreamKind.METAL_PI or s.values > 8 else names[v]
        ax.plot(x, y, color=colour, linewidth=0.9, label=name)
    if s.kind is StreamKind.METAL_PI and s.values > 1:
        norm = LogNorm(min(s.axis) * 1e6, max(s.axis) * 1e6)
        bar = ax.figure.colorbar(ScalarMappable(norm, shades), ax=ax, pad=0.01, fraction=0.05)
        bar.set_label("gate time (µs)")
        _tick_gates(bar.ax.yaxis, s)
    ax.set_xlim(line.x[0], line.x[-1])
    ax.set_xlabel(line.label)
    ax.set_ylabel(f"signal less median ({s.unit})")
    ax.set_title(f"{s.name}, coil {channel}", fontsize=10, loc="left",
                 pad=20 if objects and recording.detections() else 6)  # fmt: skip
    ax.grid(alpha=0.3)
    if objects:
        draw_truth(ax, recording, s, line)
        draw_detections(ax, recording, s, line)
    legend(ax)
    return ax


def plot_decay(
    recording: Readable, record: int, stream: str = "", channel: int = 0, *, ax: Axes | None = None
) -> Axes:
    """The decay curve at a record less the ground's around it, log-log; hollow where it is negative.

    Parameters
    ----------
    record : counted in the file

    Raises
    ------
    PlotError
        as :func:`plot_metal`, or if the stream is not of pulse induction.
    """
    s = stream_named(recording, stream, True, channel)
    if s.kind is not StreamKind.METAL_PI:
        raise PlotError(f"{s.name!r} is {s.kind}: only pulse induction (metal-pi) has a decay curve.")
    n = recording.n_records(s.name)
    if not 0 <= record < n:
        raise PlotError(f"{s.name!r} has records 0 to {n - 1}, not {record}.")
    around = min(100_000, max(1, round(_BACKGROUND_S * s.rate_hz)))
    start = max(0, record - around)
    block = stretch(recording, s, start, record + around)
    ax = axes_of(ax, 6.0, 4.5)
    values = physical(block, channel)
    ground = np.median(values, axis=0)
    noise = _noise(values, block.seq)
    target = values[record - start] - ground
    t_us = np.array(s.axis) * 1e6
    size = np.abs(target)
    shown = size > 0
    ax.plot(t_us[shown], size[shown], color=BLUE, linewidth=1)
    for sign, name in ((target > 0, "positive"), (target < 0, "negative")):
        if sign.any():
            ax.plot(t_us[sign], size[sign], linestyle="none", marker="o", color=BLUE, label=name,
                    markerfacecolor=BLUE if name == "positive" else "white")  # fmt: skip
    if (noise > 0).any():
        ax.plot(t_us, np.where(noise > 0, noise, np.nan), color=VERMILION, linestyle="--", marker="x",
                label="noise (1 sigma)")  # fmt: skip
    ax.set_xscale("log")
    ax.set_yscale("log")
    _tick_gates(ax.xaxis, s)
    if not shown.any():
        ax.set_ylim(0.1, 10)
    ax.set_xlabel("time after switch-off (µs)")
    ax.set_ylabel(f"signal less ground ({s.unit})")
    x = block.odometer_m[record - start]
    place = f", {x:.2f} m" if np.isfinite(x) else ""
    title = f"{s.name}, coil {channel}: decay at record {block.seq[record - start]}{place}"
    ax.set_title(title, fontsize=10, loc="left")
    ax.grid(alpha=0.3, which="both")
    ax.legend(frameon=False, fontsize=8)
    return ax


def strongest_record(recording: Readable, stream: str = "", channel: int = 0) -> int:
    """The record whose values are furthest from their medians, in units of each value's noise.

    PlotError if there is no such stream or channel.
    """
    s = stream_named(recording, stream, True, channel)
    block = stretch(recording, s, 0, min(recording.n_records(s.name), 200_000))
    values = physical(block, channel)
    noise = _noise(values, block.seq)
    strength = (np.abs(values - np.median(values, axis=0)) / np.where(noise > 0, noise, 1.0)).sum(axis=1)
    # over a metal object the signal stands for many records; a single one is an impulse
    around = min(2 * max(1, round(0.05 * s.rate_hz)) + 1, max(1, len(strength) // 2 * 2 - 1))
    return int(median_filter(strength, around).argmax())


def plot_gate_noise(
    recording: Readable,
    stream: str = "",
    channel: int = 0,
    first: int = 0,
    last: int | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Noise of every gate or value, 1 sigma, from the differences of neighbouring records. PlotError as above."""
    s, block = drawn(recording, stream, True, channel, first, last)
    ax = axes_of(ax, 8.0, 3.5)
    noise = _noise(physical(block, channel), block.seq)
    where = np.arange(s.values)
    ax.bar(where, noise, color=BLUE, width=0.7)
    ax.set_xticks(where, s.value_names, rotation=45 if s.values > 10 else 0, fontsize=8)
    ax.set_xlabel("gate time" if s.kind is StreamKind.METAL_PI else "value")
    ax.set_ylabel(f"noise, 1 sigma ({s.unit})")
    ax.set_title(f"{s.name}, coil {channel}: noise from {len(block)} records", fontsize=10, loc="left")
    ax.grid(alpha=0.3, axis="y")
    return ax


def _tick_gates(axis: Any, s: StreamDescription) -> None:
    """Ticks at the gates themselves, as many as can be read, in plain numbers."""
    shown = [t * 1e6 for t in s.axis[:: max(1, len(s.axis) // 10)]]
    axis.set_ticks(shown, labels=[f"{t:.3g}" for t in shown])
    axis.set_ticks([], minor=True)


def _noise(values: NDArray[np.float64], seq: NDArray[np.int64]) -> NDArray[np.float64]:
    """(width,) standard deviation by the median absolute difference of successive records: targets do not count."""
    steps = np.abs(np.diff(values, axis=0))[np.diff(seq) == 1]
    if not len(steps):
        return np.zeros(values.shape[1])
    return np.asarray(np.median(steps, axis=0) / 0.6745 / np.sqrt(2.0))


def _broken(line: Line, y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A curve with NaN where records are lost; a long one thinned to the least and greatest of each piece."""
    cuts = line.gaps + 1
    xs: list[Any] = []
    ys: list[Any] = []
    for x, part in zip(np.split(line.x, cuts), np.split(y, cuts), strict=True):
        if len(y) > 2 * _MOST_POINTS:
            every = -(-len(y) // _MOST_POINTS)
            starts = range(0, len(part), every)
            pairs = [(s + part[s : s + every].argmin(), s + part[s : s + every].argmax()) for s in starts]
            picked = np.unique(np.array(pairs).reshape(-1))
            x, part = x[picked], part[picked]
        xs += [x, [np.nan]]
        ys += [part, [np.nan]]
    return np.concatenate(xs), np.concatenate(ys)
