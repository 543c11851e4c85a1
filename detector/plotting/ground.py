"""Where it was swept: satellite fixes with their accuracy in metres, and what each stream covered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from detector.detections import LabelClass
from detector.errors import PlotError
from detector.formats.readable import Readable
from detector.plotting.canvas import BLUE, GAP, GREEN, SKY, VERMILION, axes_of
from detector.positions import Places, east_north_m
from detector.samples import NO_ODOMETER

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_POINTS = 20_000


def plot_map(recording: Readable, places: Places, *, ax: Axes | None = None) -> Axes:
    """The track in metres east and north of its first fix, broken where there was none, with detections on it.

    Parameters
    ----------
    places : of the recording's detections, in order; those without one are counted in the title

    Raises
    ------
    PlotError
        if the recording has no fix, or matplotlib is not installed.
    """
    fixes = recording.positions()
    measured = np.array([p.quality.measured for p in fixes], bool)
    if not measured.any():
        raise PlotError("The recording holds no satellite fix, so there is no map. See what was covered instead.")
    ax = axes_of(ax, 7.0, 6.0)
    from matplotlib.collections import EllipseCollection

    origin = fixes[int(np.argmax(measured))]
    latitude = np.array([p.latitude_deg if p.quality.measured else np.nan for p in fixes])
    longitude = np.array([p.longitude_deg if p.quality.measured else np.nan for p in fixes])
    every = max(1, len(fixes) // _MOST_POINTS)
    east, north = _local(origin.latitude_deg, origin.longitude_deg, latitude[::every], longitude[::every])
    sigma = np.array([p.sigma_m for p in fixes])[::every]
    circles = np.isfinite(sigma) & np.isfinite(east)
    if circles.any():
        across = 2 * sigma[circles]
        ax.add_collection(EllipseCollection(
            across, across, np.zeros(len(across)), units="xy", offsets=np.column_stack((east, north))[circles],
            offset_transform=ax.transData, facecolor=SKY, alpha=0.15, edgecolor="none",
        ))  # fmt: skip
        ax.plot([], [], marker="o", color=SKY, alpha=0.5, linestyle="none", label="accuracy, 1 sigma")
    ax.plot(east, north, color=BLUE, linewidth=1, marker=".", markersize=3, label="satellite fixes")
    missing = 0
    newest = {label.detection_id: label.label for label in recording.labels()}
    drawn: set[str] = set()
    x, y = _local(origin.latitude_deg, origin.longitude_deg, places.latitude_deg, places.longitude_deg)
    for i, d in enumerate(recording.detections()):
        if not places.known[i]:
            missing += 1
            continue
        found = newest.get(d.id)
        name = "detection, not labelled" if found is None else f"detection, found: {found}"
        clutter = found is not None and found not in (LabelClass.MINE, LabelClass.ERW)
        ax.plot(x[i], y[i], marker="v" if found is None else "s", markersize=9, linestyle="none", zorder=5,
                color=GREEN if clutter else VERMILION, markeredgecolor="black",
                label=None if name in drawn else name)  # fmt: skip
        ax.annotate(f"#{d.id}", (x[i], y[i]), xytext=(6, 4), textcoords="offset points", fontsize=7)
        drawn.add(name)
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.08)
    ax.set_xlabel(f"east of {origin.longitude_deg:.7f}° (m)")
    ax.set_ylabel(f"north of {origin.latitude_deg:.7f}° (m)")
    lost = int((~measured).sum())
    more = [f"{lost} of {len(fixes)} without a fix"] if lost else []
    more += [f"{missing} DETECTION{'S' * (missing > 1)} WITHOUT A PLACE NOT SHOWN"] if missing else []
    ax.set_title("\n".join(["track, WGS-84", *more]), fontsize=10, loc="left")
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0.0, 0.0), ncols=3,
              borderaxespad=5.0)  # fmt: skip
    return ax


def plot_coverage(recording: Readable, *, ax: Axes | None = None) -> Axes:
    """What each stream recorded along the track (in time where there is no odometer), and where records were lost.

    PlotError if nothing was recorded, or matplotlib is not installed.
    """
    streams = [s for s in recording.device.streams if recording.n_records(s.name)]
    if not streams:
        raise PlotError("The recording holds no records.")
    columns = {s.name: _track(recording, s.name) for s in streams}
    placed = all(np.isfinite(x).all() for _, x, _ in columns.values())
    origin = min(int(t[0]) for _, _, t in columns.values())
    ax = axes_of(ax, 10.0, 1.0 + 0.5 * len(streams))
    for row, s in enumerate(streams):
        seq, x, utc_ns = columns[s.name]
        where = x if placed else (utc_ns - origin) * 1e-9
        cuts = np.nonzero(np.diff(seq) > 1)[0]
        starts, ends = np.concatenate(([0], cuts + 1)), np.concatenate((cuts, [len(seq) - 1]))
        good = [_span(where[a : b + 1]) for a, b in zip(starts, ends, strict=True)]
        lost = [_span(where[[i, i + 1]]) for i in cuts]
        ax.broken_barh(good, (row - 0.3, 0.6), facecolor=BLUE, label="recorded" if row == 0 else None)
        if lost:
            named = "lost records" in ax.get_legend_handles_labels()[1]
            ax.broken_barh(lost, (row - 0.3, 0.6), facecolor=GAP, edgecolor="black", hatch="///",
                           label=None if named else "lost records")  # fmt: skip
    ax.set_yticks(range(len(streams)), [s.name for s in streams])
    ax.set_ylim(-0.5, len(streams) - 0.5)
    ax.margins(x=0.0)
    ax.set_xlabel("along the track (m)" if placed else "time (s)")
    other = f": a {recording.recording_type} recording, NO GROUND COUNTS AS SWEPT"
    ax.set_title("recorded" if recording.counts_as_swept else f"recorded{other}", fontsize=10, loc="left")
    ax.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.2)
    return ax


def _span(x: np.ndarray) -> tuple[float, float]:
    return float(x.min()), float(max(np.ptp(x), 1e-9))


def _track(recording: Readable, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Record numbers, places and times of a stream, without holding its samples."""
    parts = []
    n = recording.n_records(name)
    for start in range(0, n, 4096):
        b = recording.block(name, start, start + 4096)
        parts.append((b.seq, np.where(b.odometer_um != NO_ODOMETER, b.odometer_um * 1e-6, np.nan), b.utc_ns))
    seq, x, utc_ns = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return seq, x, utc_ns


def _local(
    latitude0: float, longitude0: float, latitude: np.ndarray, longitude: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return east_north_m(np.full(len(latitude), latitude0), np.full(len(latitude), longitude0), latitude, longitude)
