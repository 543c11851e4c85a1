"""Commands that change formats: import, export."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar

from detector import __version__
from detector.errors import FormatError
from detector.formats.foreign import EPOCH_NS
from detector.formats.out.described import Described, described
from detector.formats.out.labelled import write_netcdf
from detector.formats.out.maps import (
    write_geojson,
    write_gpx,
    write_kml,
    write_position_geojson,
    write_position_gpx,
    write_position_kml,
)
from detector.formats.out.samples import Progress, stream_of, write_sample_arrays, write_sample_table
from detector.formats.out.segy import write_segy
from detector.formats.out.tables import write_detection_table, write_position_table
from detector.formats.readable import Readable
from detector.formats.registry import read_foreign
from detector.kept_ground import KeptGround, kept_ground
from detector.recording.reader import Recording
from detector.recording.schema import RecordingType
from detector.recording.writer import RecordingWriter
from detector.samples import Position
from firmware_host.cli.ground_files import write_gap_table, write_ground_geojson
from firmware_host.cli.opening import console
from firmware_host.cli.reading import places_of_detections, reading


class What(StrEnum):
    """Which part of a recording to export."""

    DETECTIONS = "detections"
    SAMPLES = "samples"
    POSITIONS = "positions"
    LANE = "lane"


def _all_detections(path: Path, detections: list[Described]) -> int:
    write_detection_table(path, detections)
    return 0


def _all_positions(path: Path, positions: list[Position]) -> int:
    write_position_table(path, positions)
    return 0


_DETECTIONS: Final[dict[str, Callable[[Path, list[Described]], int]]] = {
    ".csv": _all_detections, ".geojson": write_geojson, ".gpx": write_gpx, ".kml": write_kml,
}  # fmt: skip
_POSITIONS: Final[dict[str, Callable[[Path, list[Position]], int]]] = {
    ".csv": _all_positions, ".geojson": write_position_geojson, ".gpx": write_position_gpx, ".kml": write_position_kml,
}  # fmt: skip


def _segy(path: Path, recording: Readable, name: str, channel: int | None, progress: Progress) -> None:
    write_segy(path, recording, name, channel, progress)


def _whole(write: Callable[[Path, Readable, str, Progress], None]) -> Callable[..., None]:
    """A writer that takes all channels at once."""

    def all_channels(path: Path, recording: Readable, name: str, channel: int | None, progress: Progress) -> None:
        if channel is not None:
            raise FormatError(f"{path.suffix} files hold all channels of a stream. Leave --channel out.")
        write(path, recording, name, progress)

    return all_channels


_SAMPLES: Final[dict[str, Callable[..., None]]] = {
    ".csv": _whole(write_sample_table), ".npz": _whole(write_sample_arrays), ".nc": _whole(write_netcdf),
    ".sgy": _segy, ".segy": _segy,
}  # fmt: skip
_LANES: Final[dict[str, Callable[[Path, list[KeptGround]], int]]] = {
    ".csv": write_gap_table, ".geojson": write_ground_geojson,
}  # fmt: skip
_WRITERS: Final[dict[What, dict[str, Callable[..., int]] | dict[str, Callable[..., None]]]] = {
    What.DETECTIONS: _DETECTIONS, What.SAMPLES: _SAMPLES, What.POSITIONS: _POSITIONS, What.LANE: _LANES,
}  # fmt: skip

def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("import")(import_file)
    app.command("export")(export_file)


def import_file(
    file: Annotated[
        Path,
        typer.Argument(
            help="DZT, DT1/HD, rd3/rd7/rad, SEG-Y, gprMax .out, .npy/.npz/.csv with a description beside it, "
            "a simulated lane (.h5), or a folder of HRATC grids."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Recording to write.")],
    licence: Annotated[str, typer.Option(help="Licence of the data.")] = "",
    source: Annotated[str, typer.Option(help="Where the data come from.")] = "",
    kind: Annotated[RecordingType, typer.Option(help="What it was made for.")] = RecordingType.SURVEY,
) -> None:
    """Make a recording from a file of another program: same samples, truth and positions beside it included."""
    foreign = read_foreign(file)
    first_utc_ns = min((int(b.utc_ns[0]) for b in foreign.blocks), default=EPOCH_NS)
    with RecordingWriter(
        out,
        foreign.device,
        software=f"groundsweep {__version__}",
        created_utc_ns=first_utc_ns,
        recording_type=kind,
        note=foreign.note,
        licence=licence,
        source=source,
        compress=True,
    ) as writer:
        for block in foreign.blocks:
            for start in range(0, len(block), 1024):
                writer.write(block[start : start + 1024])
        for gap in foreign.gaps():
            writer.gap(gap)
        for position in foreign.positions():
            writer.position(position)
        for event in foreign.events():
            writer.event(event)
        writer.truth(foreign.truth())
    what = [f"{sum(len(b) for b in foreign.blocks)} records", f"{len(foreign.truth())} known objects"]
    what += [f"{len(foreign.positions())} positions"] if foreign.positions() else []
    console.print(f"{', '.join(what)} to {out}.", markup=False)


def export_file(
    file: Annotated[Path, typer.Argument(help="A recording, or a file of another program.")],
    out: Annotated[
        Path,
        typer.Argument(help="New file: .csv, .geojson, .gpx or .kml; for samples .csv, .npz, .sgy, .segy or .nc."),
    ],
    what: Annotated[
        What | None, typer.Option(help="Default: samples for .npz, .sgy, .segy and .nc, else detections.")
    ] = None,
    stream: Annotated[str, typer.Option(help="Samples of this stream; needed if there are several.")] = "",
    channel: Annotated[int | None, typer.Option(help="SEG-Y: this channel; needed if there are several.")] = None,
) -> None:
    """Write detections with their labels, samples, positions, or the lane with its gaps. Places are never made up."""
    suffix = out.suffix.lower()
    if what is None:
        what = What.SAMPLES if suffix in _SAMPLES and suffix != ".csv" else What.DETECTIONS
    if suffix not in _WRITERS[what]:
        raise FormatError(f"{what} are not written as {suffix or 'a file without suffix'}, but as "
                          f"{', '.join(_WRITERS[what])}.")  # fmt: skip
    with reading(file) as recording:
        if isinstance(recording, Recording):
            recording.refuse_training("be exported: other programs would take it for a survey")
        if what is What.SAMPLES:
            _export_samples(recording, out, stream, channel)
            return
        if what is What.LANE:
            kept = kept_ground(recording) if isinstance(recording, Recording) else []
            n, missing = len(kept), _LANES[suffix](out, kept)
        elif what is What.POSITIONS:
            n, missing = len(recording.positions()), _POSITIONS[suffix](out, recording.positions())
        else:
            found = described(recording, places_of_detections(recording))
            n, missing = len(found), _DETECTIONS[suffix](out, found)
    console.print(f"{n} {what} to {out}.", markup=False)
    if missing:
        kept_so = suffix == ".geojson" and what is not What.LANE
        said = "stand in it without coordinates" if kept_so else "ARE NOT IN IT"
        console.print(f"[bold red]{missing} of the {n} {what} have no position and {said}.[/]")


def _export_samples(recording: Readable, out: Path, stream: str, channel: int | None) -> None:
    suffix = out.suffix.lower()
    radars = [s.name for s in recording.device.streams if not s.kind.is_metal]
    if not stream and _SAMPLES[suffix] is _segy and len(radars) == 1:
        stream = radars[0]
    s = stream_of(recording, stream)
    n = recording.n_records(s.name)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with ProgressBar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(f"writing {s.name}", total=n)
        _SAMPLES[suffix](out, recording, s.name, channel, lambda done: bar.advance(task, done))
    console.print(f"{n} records of {s.name} to {out}.", markup=False)
