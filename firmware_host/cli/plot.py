"""Command on pictures: plot."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detector.errors import PlotError
from detector.formats.readable import Readable
from detector.plotting.ground import plot_coverage, plot_map
from detector.plotting.metal import plot_decay, plot_gate_noise, plot_metal, strongest_record
from detector.plotting.radar import plot_ascan, plot_bscan, plot_spectrum
from detector.plotting.stages import StageOutput, stages
from detector.profile import DEFAULT_PROFILE, parse_profile
from detector.recording.reader import Recording
from detector.recording.schema import RecordingType
from firmware_host.cli.opening import ModelOption, chain, console
from firmware_host.cli.reading import places_of_detections, reading

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Picture(StrEnum):
    """What to draw."""

    ALL = "all"
    BSCAN = "bscan"
    STAGES = "stages"
    ASCAN = "ascan"
    SPECTRUM = "spectrum"
    METAL = "metal"
    DECAY = "decay"
    NOISE = "noise"
    MAP = "map"
    COVERAGE = "coverage"


@dataclass(frozen=True, slots=True)
class Cut:
    """Which part of a recording was asked for."""

    stream: str
    channel: int
    from_s: float
    to_s: float | None
    record: int | None

    def records(self, recording: Readable, name: str) -> tuple[int, int | None]:
        """First record and the one after the last, of that stream, by time since the recording's first record."""
        if self.from_s == 0.0 and self.to_s is None:
            return 0, None
        filled = [s.name for s in recording.device.streams if recording.n_records(s.name)]
        origin = min((int(recording.block(s, 0, 1).utc_ns[0]) for s in filled), default=0)
        n = recording.n_records(name)

        def at(record: int) -> float:
            return (int(recording.block(name, record, record + 1).utc_ns[0]) - origin) * 1e-9

        return (
            bisect_left(range(n), self.from_s, key=at),
            None if self.to_s is None else bisect_right(range(n), self.to_s, key=at),
        )


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(plot)


def plot(
    file: Annotated[Path, typer.Argument(help="A recording, or a file of another program.")],
    what: Annotated[Picture, typer.Option(help="What to draw; 'all': what the recording has.")] = Picture.ALL,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="PNG, PDF or SVG. Default: beside FILE.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Open a window instead of writing a file.")] = False,
    from_s: Annotated[float, typer.Option("--from", help="Start, s after the first record.", min=0)] = 0.0,
    to_s: Annotated[float | None, typer.Option("--to", help="End, s after the first record.", min=0)] = None,
    stream: Annotated[str, typer.Option(help="Name of the stream; default: the first that fits.")] = "",
    channel: Annotated[int, typer.Option(help="Antenna or coil.", min=0)] = 0,
    record: Annotated[
        int | None, typer.Option(help="Of an A-scan or decay curve, from 0; default: the first, or the strongest.")
    ] = None,
    profile_name: Annotated[
        str | None, typer.Option("--profile", "-p", help="For stages; default: the recording's own.")
    ] = None,
    model_path: ModelOption = None,
) -> None:
    """Draw a recording: B-scan, metal signal, decay curve, spectrum, map; detections, labels and truth over them."""
    with reading(file) as recording:
        wanted = _available(recording) if what is Picture.ALL else [what]
        if isinstance(recording, Recording) and {Picture.COVERAGE, Picture.MAP} & set(wanted):
            recording.refuse_training("be drawn as covered ground")
        cut = Cut(stream, channel, from_s, to_s, record)
        where = file.with_name(f"{file.stem or file.name}-{what}.png") if out is None else out
        panels: list[tuple[Picture, str]] = [(w, "") for w in wanted]
        outputs = {}
        if Picture.STAGES in wanted:
            profile, model = chain(profile_name or DEFAULT_PROFILE, model_path)
            if profile_name is None and isinstance(recording, Recording) and recording.profile_toml:
                profile = parse_profile(recording.profile_toml, f"the profile stored in {file}")
            name = stream or next((s.name for s in recording.device.streams if not s.kind.is_metal), "")
            if not name:
                raise PlotError(f"{file} holds no radar stream, whose stages could be drawn.")
            outputs = {o.stage: o for o in stages(recording, profile, model, name, *cut.records(recording, name))}
            # a picture only of what still is a B-scan: a row for each sample of time
            panels = [(Picture.BSCAN, "")]
            panels += [(Picture.STAGES, o.stage) for o in outputs.values() if o.values.shape[2] > 1]
        figure = _figure(panels, show)
        rows = figure.subfigures(len(panels), 1, height_ratios=[_HEIGHTS[p] for p, _ in panels], squeeze=False)
        for (picture, stage), row in zip(panels, rows[:, 0], strict=True):
            ax = row.add_subplot()
            _draw(picture, recording, ax, cut, outputs.get(stage))
    if show:
        import matplotlib.pyplot

        matplotlib.pyplot.show()
        return
    try:
        figure.savefig(where, dpi=120)
    except (OSError, ValueError) as e:
        raise PlotError(f"{where} cannot be written ({e}). Use .png, .pdf or .svg in a folder that is there.") from e
    console.print(f"{', '.join(dict.fromkeys(str(p) for p, _ in panels))} of {file.name} to {where}.", markup=False)


_HEIGHTS = {
    Picture.BSCAN: 4.2, Picture.STAGES: 4.2, Picture.ASCAN: 3.2, Picture.SPECTRUM: 3.2, Picture.METAL: 3.6,
    Picture.DECAY: 4.5, Picture.NOISE: 3.2, Picture.MAP: 6.5, Picture.COVERAGE: 1.9,
}  # fmt: skip
_WIDTHS = {Picture.DECAY: 6.5, Picture.MAP: 7.5}


def _figure(panels: list[tuple[Picture, str]], show: bool) -> Figure:
    size = (max(_WIDTHS.get(p, 10.0) for p, _ in panels), sum(_HEIGHTS[p] for p, _ in panels))
    try:
        if show:
            import matplotlib
            from matplotlib import pyplot

            if matplotlib.get_backend().lower() == "agg":
                raise PlotError("No window can be opened here. Leave --show out, and look at the file.")
            return pyplot.figure(figsize=size, layout="constrained")
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as e:
        raise PlotError("Plots need matplotlib. Install it with: pip install 'groundsweep[plot]'") from e
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _available(recording: Readable) -> list[Picture]:
    """What there is to draw, one picture a kind."""
    streams = [s for s in recording.device.streams if recording.n_records(s.name)]
    out = []
    if any(not s.kind.is_metal for s in streams):
        out += [Picture.BSCAN]
    if any(s.kind.is_metal for s in streams):
        out += [Picture.METAL]
    if any(p.quality.measured for p in recording.positions()):
        out += [Picture.MAP]
    if streams and recording.recording_type != RecordingType.TRAINING:
        out += [Picture.COVERAGE]
    if not out:
        raise PlotError("The recording holds nothing to draw.")
    return out


def _draw(picture: Picture, recording: Readable, ax: Axes, cut: Cut, stage: StageOutput | None) -> None:
    metal = picture in (Picture.METAL, Picture.DECAY, Picture.NOISE)
    # --stream names one sensor's stream; the other kind's picture takes its first
    of_kind = [s.name for s in recording.device.streams if s.kind.is_metal is metal]
    asked_elsewhere = cut.stream in {s.name for s in recording.device.streams} - set(of_kind)
    name = of_kind[0] if of_kind and (asked_elsewhere or not cut.stream) else cut.stream
    first, stop = cut.records(recording, name) if name in of_kind else (0, None)
    match picture:
        case Picture.BSCAN | Picture.STAGES:
            plot_bscan(recording, name, cut.channel, first, stop, stage=stage, ax=ax)
        case Picture.ASCAN:
            plot_ascan(recording, first if cut.record is None else cut.record, name, cut.channel, ax=ax)
        case Picture.SPECTRUM:
            plot_spectrum(recording, name, cut.channel, first, stop, ax=ax)
        case Picture.METAL:
            plot_metal(recording, name, cut.channel, first, stop, ax=ax)
        case Picture.DECAY:
            record = strongest_record(recording, name, cut.channel) if cut.record is None else cut.record
            plot_decay(recording, record, name, cut.channel, ax=ax)
        case Picture.NOISE:
            plot_gate_noise(recording, name, cut.channel, first, stop, ax=ax)
        case Picture.MAP:
            plot_map(recording, places_of_detections(recording), ax=ax)
        case _:
            plot_coverage(recording, ax=ax)
