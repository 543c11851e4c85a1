"""Axes to draw on, the colours and marks, and the line along which a stream is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.errors import PlotError
from detector.formats.readable import Readable
from detector.samples import SampleBlock, StreamDescription

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ORANGE: Final = "#E69F00"
SKY: Final = "#56B4E9"
GREEN: Final = "#009E73"
BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
"""Okabe and Ito's palette, told apart with any colour vision; every kind of mark has a shape of its own too."""

GAP: Final = "#F0E442"
"""Behind what was lost: bright, so that nobody takes it for quiet ground."""

MOST_RECORDS: Final = 200_000
"""Records drawn at once, at most. A longer stretch is asked for with `first` and `last`."""

_MOST_COLUMNS: Final = 3000


def axes_of(ax: Axes | None, width: float = 10.0, height: float = 4.0) -> Axes:
    """The axes that were given, or those of a new figure without a window, inches.

    PlotError if matplotlib is not installed.
    """
    if ax is not None:
        return ax
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as e:
        raise PlotError("Plots need matplotlib. Install it with: pip install 'groundsweep[plot]'") from e
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure.add_subplot()


def stream_named(recording: Readable, name: str, metal: bool, channel: int) -> StreamDescription:
    """The stream of that name, or the first metal or radar one. PlotError if there is none, or no such channel."""
    streams = [s for s in recording.device.streams if s.kind.is_metal is metal]
    kind = "metal-detector" if metal else "radar"
    found = [s for s in streams if not name or s.name == name]
    if not found:
        there = ", ".join(s.name for s in recording.device.streams)
        raise PlotError(f"There is no {kind} stream{f' {name!r}' if name else ''} in it; it has {there}.")
    if not 0 <= channel < found[0].channels:
        raise PlotError(f"{found[0].name!r} has channels 0 to {found[0].channels - 1}, not {channel}.")
    if recording.n_records(found[0].name) == 0:
        raise PlotError(f"{found[0].name!r} holds no records.")
    return found[0]


def stretch(recording: Readable, stream: StreamDescription, first: int, last: int | None) -> SampleBlock:
    """Records `first` to `last` - 1 of a stream. PlotError if there are none, or too many for one picture."""
    n = recording.n_records(stream.name)
    stop = n if last is None else min(last, n)
    if not 0 <= first < stop:
        raise PlotError(f"{stream.name!r} has records 0 to {n - 1}; {first} to {stop - 1} were asked for.")
    if stop - first > MOST_RECORDS:
        raise PlotError(
            f"{stop - first} records of {stream.name!r} are too many for one picture, which holds {MOST_RECORDS}. "
            "Choose a stretch."
        )
    return recording.block(stream.name, first, stop)


def drawn(
    recording: Readable, name: str, metal: bool, channel: int, first: int, last: int | None
) -> tuple[StreamDescription, SampleBlock]:
    """The stream and the records that a picture was asked for. PlotError as the two above."""
    s = stream_named(recording, name, metal, channel)
    return s, stretch(recording, s, first, last)


def physical(block: SampleBlock, channel: int) -> NDArray[np.float64]:
    """(n, values) of one channel in the stream's unit."""
    return block.raw[:, channel].astype(np.float64) * block.stream.scale + block.stream.offset


@dataclass(frozen=True, slots=True)
class Line:
    """Where each record of a stretch is drawn: along the track in m, or in time in s."""

    x: NDArray[Any]
    """(n,) float64, strictly one way."""
    seq: NDArray[np.int64]
    """(n,) record numbers."""
    label: str
    is_place: bool
    origin_utc_ns: int

    def at_seq(self, seq: int) -> float:
        """Where a record is; NaN if it is outside."""
        if not len(self.seq) or not self.seq[0] <= seq <= self.seq[-1]:
            return float("nan")
        return float(self.x[min(int(np.searchsorted(self.seq, seq)), len(self.x) - 1)])

    @property
    def gaps(self) -> NDArray[np.int64]:
        """Indices i with records missing between i and i + 1."""
        return np.nonzero(np.diff(self.seq) > 1)[0]


def line_of(block: SampleBlock) -> Line:
    """By distance where the whole stretch has places that go one way; else by time, or by number if time stands."""
    x = block.odometer_m
    steps = np.diff(x)
    origin = int(block.utc_ns[0])
    if len(x) > 1 and np.isfinite(x).all() and ((steps > 0).all() or (steps < 0).all()):
        return Line(x, block.seq, "along the track (m)", True, origin)
    seconds = (block.utc_ns - origin) * 1e-9
    if len(x) > 1 and (np.diff(seconds) > 0).all():
        return Line(seconds, block.seq, "time (s)", False, origin)
    return Line(block.seq.astype(np.float64), block.seq, "record", False, origin)


def cells(line: Line, values: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Edges and columns of a picture of records along a line; a lost stretch is a column of NaN.

    values : (n, rows). Returns (m + 1,) edges and (m, rows). Longer stretches are thinned to the strongest of
    neighbouring records, value by value, so that no echo falls between two columns.
    """
    x, seq = line.x, line.seq
    table = np.asarray(values, np.float64)
    breaks = np.diff(seq) > 1
    if len(x) > _MOST_COLUMNS:
        every = -(-len(x) // _MOST_COLUMNS)
        starts = np.arange(0, len(x), every)
        parts = [table[s : s + every] for s in starts]
        picks = [np.take_along_axis(p, np.abs(p).argmax(axis=0)[None], axis=0)[0] for p in parts]
        table = np.array(picks)
        ends = np.append(starts[1:], len(x)) - 1
        inner = [breaks[s : e + 1].any() for s, e in zip(starts[:-1], ends[:-1], strict=True)]
        x, breaks = x[starts], np.array(inner, bool)
    half = np.diff(x) / 2
    usual = float(np.median(half)) if len(half) else 0.5
    left = np.concatenate(([x[0] - usual], x[1:] - np.where(breaks, usual, half)))
    right = np.concatenate((x[:-1] + np.where(breaks, usual, half), [x[-1] + usual]))
    edges: list[float] = [left[0]]
    columns: list[NDArray[np.float64]] = []
    for i in range(len(x)):
        columns.append(table[i])
        edges.append(right[i])
        if i < len(breaks) and breaks[i]:
            columns.append(np.full(table.shape[1], np.nan))
            edges.append(left[i + 1])
    return np.array(edges), np.array(columns)


def shade_gaps(ax: Axes, line: Line) -> None:
    """Lost stretches as bright bands behind the curves, and once in the legend."""
    for k, i in enumerate(line.gaps):
        ax.axvspan(
            line.x[i], line.x[i + 1], facecolor=GAP, edgecolor="black", hatch="///", linewidth=0, alpha=0.6,
            label="lost records" if k == 0 else None,
        )  # fmt: skip


def legend(ax: Axes) -> None:
    """Beside the picture, where it hides nothing; nothing if there is nothing to explain."""
    handles, names = ax.get_legend_handles_labels()
    if handles:
        # the pad is in letters, so that the axis' own words fit between whatever the height
        ax.legend(handles, names, loc="upper left", bbox_to_anchor=(0.0, 0.0), ncols=6, frameon=False, fontsize=8,
                  borderaxespad=5.0)  # fmt: skip
