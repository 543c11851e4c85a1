"""Radar pictures: B-scan, as received or after a stage, A-scan, and spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detector.errors import PlotError
from detector.formats.readable import Readable
from detector.plotting.canvas import BLUE, GAP, VERMILION, axes_of, cells, drawn, legend, line_of, physical
from detector.plotting.found import draw_detections, draw_truth
from detector.plotting.stages import StageOutput
from detector.samples import SampleBlock

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_bscan(
    recording: Readable,
    stream: str = "",
    channel: int = 0,
    first: int = 0,
    last: int | None = None,
    *,
    stage: StageOutput | None = None,
    remove_mean: bool = True,
    objects: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """A-scans side by side, two-way time in ns downwards; lost stretches are bright gaps.

    Parameters
    ----------
    stream : name; '' for the first radar
    channel : antenna
    first, last : records from `first` to `last` - 1, counted in the file
    stage : draw this stage's output instead of the samples as received
    remove_mean : samples as received less their mean A-scan, without which the direct wave hides the rest
    objects : detections, labels and truth over it

    Raises
    ------
    PlotError
        if there is no such stream, channel or stretch, or matplotlib is not installed.
    """
    s, block = drawn(recording, stream, False, channel, first, last)
    ax = axes_of(ax)
    if stage is None:
        values = physical(block, channel)
        if remove_mean:
            values = values - values.mean(axis=0)
        title = f"{s.name}, antenna {channel}, as received" + (", mean A-scan removed" if remove_mean else "")
        unit, start = s.unit, 0
    else:
        block, values = _matched(block, stage, channel)
        title, unit, start = f"{s.name}, antenna {channel}, after {stage.stage}", "count", 0
    line = line_of(block)
    edges, columns = cells(line, values)
    dt_ns = s.sampling_interval_s * 1e9
    times = (np.arange(values.shape[1] + 1) + start - 0.5) * dt_ns
    # one strong echo would leave the rest grey
    limit = float(np.nanpercentile(np.abs(columns), 99)) or float(np.nanmax(np.abs(columns))) or 1.0
    import matplotlib

    shades = matplotlib.colormaps["gray"].with_extremes(bad=GAP)
    mesh = ax.pcolormesh(edges, times, np.ma.masked_invalid(columns.T), cmap=shades, vmin=-limit, vmax=limit,
                         rasterized=True)  # fmt: skip
    ax.set_ylim(times[-1], times[0])
    ax.set_xlim(edges[0], edges[-1])
    ax.set_xlabel(line.label)
    ax.set_ylabel("two-way time (ns)")
    ax.set_title(title, fontsize=10, loc="left", pad=20 if objects and recording.detections() else 6)
    bar = ax.figure.colorbar(mesh, ax=ax, extend="both", pad=0.01, fraction=0.05)
    bar.set_label(f"amplitude ({unit})")
    if len(line.gaps):
        ax.plot([], [], marker="s", linestyle="none", color=GAP, markeredgecolor="black", label="lost records")
    if objects:
        draw_truth(ax, recording, s, line, float(times[-1]))
        draw_detections(ax, recording, s, line)
    legend(ax)
    return ax


def plot_ascan(
    recording: Readable, record: int, stream: str = "", channel: int = 0, *, ax: Axes | None = None
) -> Axes:
    """One A-scan, amplitude against two-way time. PlotError as :func:`plot_bscan`.

    record : counted in the file
    """
    s, block = drawn(recording, stream, False, channel, record, record + 1)
    ax = axes_of(ax, 8.0, 3.5)
    values = physical(block, channel)[0]
    ax.plot(np.arange(s.values) * s.sampling_interval_s * 1e9, values, color=BLUE, linewidth=1)
    ax.set_xlabel("two-way time (ns)")
    ax.set_ylabel(f"amplitude ({s.unit})")
    ax.set_title(f"{s.name}, antenna {channel}, record {block.seq[0]}", fontsize=10, loc="left")
    ax.margins(x=0)
    ax.grid(alpha=0.3)
    return ax


def plot_spectrum(
    recording: Readable,
    stream: str = "",
    channel: int = 0,
    first: int = 0,
    last: int | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Mean power spectrum of the A-scans in dB below its peak, with the nominal centre frequency.

    Of samples less their mean A-scan, Hann window. PlotError as :func:`plot_bscan`.
    """
    s, block = drawn(recording, stream, False, channel, first, last)
    ax = axes_of(ax, 8.0, 3.5)
    values = physical(block, channel)
    if len(values) > 1:
        values = values - values.mean(axis=0)
    values = (values - values.mean(axis=1, keepdims=True)) * np.hanning(s.values)
    power = (np.abs(np.fft.rfft(values, axis=1)) ** 2).mean(axis=0)
    if not power.max() > 0:
        raise PlotError(f"Every A-scan of {s.name!r} is the same there, so there is no spectrum.")
    decibel = 10 * np.log10(np.maximum(power / power.max(), 1e-12))
    ax.plot(np.fft.rfftfreq(s.values, s.sampling_interval_s) / 1e6, decibel, color=BLUE, linewidth=1)
    ax.axvline(s.centre_frequency_hz / 1e6, color=VERMILION, linestyle="--",
               label=f"nominal centre, {s.centre_frequency_hz / 1e6:.0f} MHz")  # fmt: skip
    # beyond a few times the centre frequency lies nothing that the antenna sent
    ax.set_xlim(0, min(0.5 / s.sampling_interval_s, max(6 * s.centre_frequency_hz, 1.0)) / 1e6)
    ax.set_ylim(max(-100, decibel.min() - 3), 3)
    ax.set_xlabel("frequency (MHz)")
    ax.set_ylabel("power (dB below the peak)")
    ax.set_title(f"{s.name}, antenna {channel}: mean spectrum of {len(block)} A-scans", fontsize=10, loc="left")
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, fontsize=8)
    return ax


def _matched(block: SampleBlock, stage: StageOutput, channel: int) -> tuple[SampleBlock, NDArray[Any]]:
    """The records of a stretch that a stage gave something for."""
    seq = np.intersect1d(block.seq, stage.seq)
    if not len(seq):
        raise PlotError(f"The stage {stage.stage!r} gave nothing for these records.")
    keep = np.searchsorted(block.seq, seq)
    whole = len(keep) == len(block)
    columns = (getattr(block, name)[keep] for name in ("seq", "tick", "utc_ns", "odometer_um", "raw"))
    return (
        block if whole else SampleBlock(block.stream, *columns),
        stage.values[np.searchsorted(stage.seq, seq), channel].astype(np.float64),
    )
