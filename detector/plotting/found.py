"""Detections, labels and truth over a picture of a stream: a shape and a colour for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from detector.detections import Detection, LabelClass, TrueObject
from detector.formats.readable import Readable
from detector.plotting.canvas import BLUE, GREEN, ORANGE, VERMILION, Line
from detector.samples import StreamDescription

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DANGEROUS: Final = (LabelClass.MINE, LabelClass.ERW)


def draw_detections(ax: Axes, recording: Readable, stream: StreamDescription, line: Line) -> None:
    """Triangles with their numbers on the upper edge; squares where a person said what was found."""
    labelled = {label.detection_id: label for label in recording.labels()}
    drawn: set[str] = set()
    for d in recording.detections():
        x = _where(d, stream, line)
        if not np.isfinite(x):
            continue
        label = labelled.get(d.id)
        name = "detection, not labelled" if label is None else f"detection, found: {label.label}"
        dangerous = label is not None and label.label in _DANGEROUS
        ax.plot(
            [x], [1.0], transform=ax.get_xaxis_transform(), marker="v" if label is None else "s", markersize=9,
            color=VERMILION if dangerous or label is None else BLUE, markeredgecolor="black", linestyle="none",
            clip_on=False, zorder=6, label=None if name in drawn else name,
        )  # fmt: skip
        ax.annotate(
            f"#{d.id}", (x, 1.0), xycoords=ax.get_xaxis_transform(), xytext=(0, 6), textcoords="offset points",
            ha="center", va="bottom", fontsize=7, annotation_clip=False,
        )  # fmt: skip
        drawn.add(name)


def draw_truth(ax: Axes, recording: Readable, stream: StreamDescription, line: Line, window_ns: float = 0.0) -> None:
    """Circles at the known echo of a mine, diamonds at clutter's, on the lower edge where its depth is not known.

    window_ns : the length of the picture's axis of two-way time; 0 if it has none
    """
    drawn: set[str] = set()
    for t in recording.truth():
        if t.stream and t.stream != stream.name:
            continue
        x, left, right = _extent(t, line)
        if not np.isfinite(x) or not min(line.x[0], line.x[-1]) <= x <= max(line.x[0], line.x[-1]):
            continue
        mine = t.label in _DANGEROUS
        name = f"truth: {t.label}"
        at_echo = window_ns > 0 and np.isfinite(t.two_way_s)
        colour = ORANGE if mine else GREEN
        ax.plot(
            [x], [t.two_way_s * 1e9 if at_echo else 0.0],
            transform=ax.transData if at_echo else ax.get_xaxis_transform(),
            marker="o" if mine else "D", markersize=9, markerfacecolor="none" if at_echo else colour,
            markeredgecolor=colour if at_echo else "black", markeredgewidth=1.8 if at_echo else 0.8,
            linestyle="none", clip_on=False, zorder=5, label=None if name in drawn else name,
        )  # fmt: skip
        if right > left:
            ax.plot([left, right], [0.0, 0.0], transform=ax.get_xaxis_transform(), color=colour, linewidth=5,
                    solid_capstyle="butt", clip_on=False, zorder=4)  # fmt: skip
        drawn.add(name)


def _where(d: Detection, stream: StreamDescription, line: Line) -> float:
    if line.is_place and np.isfinite(d.x_m):
        inside = min(line.x[0], line.x[-1]) <= d.x_m <= max(line.x[0], line.x[-1])
        return d.x_m if inside else float("nan")
    seq = d.metal_peak_seq if stream.kind.is_metal else d.radar_peak_seq
    if seq >= 0:
        return line.at_seq(seq)
    seconds = (d.utc_ns - line.origin_utc_ns) * 1e-9
    return seconds if line.label.startswith("time") and 0 <= seconds <= line.x[-1] else float("nan")


def _extent(t: TrueObject, line: Line) -> tuple[float, float, float]:
    """Middle, left and right, as far as they are known."""
    if line.is_place and np.isfinite(t.x_m):
        half = t.half_extent_m if np.isfinite(t.half_extent_m) else 0.0
        return t.x_m, t.x_m - half, t.x_m + half
    if t.first_seq >= 0:
        left, right = line.at_seq(t.first_seq), line.at_seq(t.last_seq)
        middle = line.at_seq((t.first_seq + t.last_seq) // 2)
        return middle, *((left, right) if t.stream and stream_spans(t) else (middle, middle))
    return (float("nan"),) * 3


def stream_spans(t: TrueObject) -> bool:
    """Whether the record numbers are the object's extent rather than a tolerance about its apex."""
    return not np.isfinite(t.two_way_s)
