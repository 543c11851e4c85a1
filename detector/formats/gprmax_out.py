"""gprMax output (.out): HDF5 with the fields at the receivers, one A-scan a file or a merged B-scan."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from detector.errors import FormatError
from detector.formats.foreign import (
    ForeignRecording,
    dominant_frequency,
    left_out,
    radar_labels,
    renumbered,
    whole_block,
)
from detector.formats.hdf5 import ERRORS, dataset, numbers, open_file
from detector.samples import DeviceDescription, StreamDescription, StreamKind

_MOST_FILES: Final = 100_000
_MOST_RECEIVERS: Final = 256
_SERIES = re.compile(r"^(.*?)(\d+)$")


@dataclass(frozen=True, slots=True)
class _Output:
    dt_s: float
    title: str
    software: str
    component: str
    fields: NDArray[np.float32]
    """(traces, receivers, iterations), V/m."""
    step_m: float
    """From the steps that the file states; 0 if it states none."""
    source_m: NDArray[np.float64]


def read_gprmax_out(path: Path) -> ForeignRecording:
    """One `.out` file, or all of its numbered series (NAME1.out, NAME2.out, ...), receivers as channels.

    A series is of single A-scans: a merged B-scan is a lane by itself, whatever its name ends in. A number that is
    missing in a series is a gap, and what lies behind it keeps its place.

    The strongest component of the electric field of the first receiver is taken. There is no receiver noise in it,
    and no centre frequency: that is the spectrum's.

    Raises
    ------
    FormatError
        if a file is damaged, points outside itself, or differs from the rest of its series.
    """
    numbered = series(path)
    order, files = np.array([k for k, _ in numbered]), [f for _, f in numbered]
    first = _read(files[0], "")
    outputs = [first, *(_read(f, first.component) for f in files[1:])]
    for file, o in zip(files, outputs, strict=True):
        if o.dt_s != first.dt_s or o.fields.shape[1:] != first.fields.shape[1:]:
            raise FormatError(f"{file} differs from {files[0].name} in interval or length. Move it out of the series.")
    raw = np.concatenate([o.fields for o in outputs]) if len(outputs) > 1 else first.fields
    step = first.step_m
    if len(outputs) > 1:
        moved = np.linalg.norm(np.diff([o.source_m for o in outputs], axis=0), axis=1) / np.diff(order)
        step = float(np.median(moved)) if np.isfinite(moved).all() else 0.0
    step = step if 1e-4 <= step < 1000 else 0.0
    frequency = dominant_frequency(raw[:, 0], first.dt_s)
    stream = StreamDescription(
        stream_id=0,
        name="radar",
        kind=StreamKind.RADAR,
        channels=raw.shape[1],
        values=raw.shape[2],
        sample_type="float32",
        rate_hz=0.25 / step if step else 50.0,
        unit="V/m",
        sampling_interval_s=first.dt_s,
        centre_frequency_hz=frequency,
        step_m=step,
    )
    n = len(raw)
    counted = order - order[0] if len(files) > 1 else np.arange(n)
    block = renumbered(path, whole_block(stream, raw, 1e6, counted * step if step else None), counted)
    several = f", {len(files)} files" if len(files) > 1 else ""
    note = (
        f"gprMax {first.component} of {path.name}{several}. No receiver noise. Times are nominal. The centre frequency "
        f"is the spectrum's, {frequency / 1e6:.0f} MHz.{left_out(block, n)}"
    )
    device = DeviceDescription(f"gprMax {first.software}".strip(), first.title or path.stem, "", 1e6, (stream,))
    return ForeignRecording(device, (block,), radar_labels(path, step), note)


def series(path: Path) -> list[tuple[int, Path]]:
    """The numbered single A-scans that belong to this one, in order of their number; (0, path) alone if there are none.

    FormatError if they are too many.
    """
    numbered = _SERIES.match(path.stem)
    if numbered is None or path.suffix.lower() != ".out" or _merged(path):
        return [(0, path)]
    found: dict[int, Path] = {}
    for other in path.parent.iterdir():
        alike = _SERIES.match(other.stem)
        if other.suffix.lower() == ".out" and alike and alike.group(1) == numbered.group(1) and other.is_file():
            found[int(alike.group(2))] = other
    if len(found) > _MOST_FILES:
        raise FormatError(f"{path} belongs to a series of {len(found)} files; at most {_MOST_FILES} are read.")
    return [(k, found[k]) for k in sorted(found) if found[k] == path or not _merged(found[k])]


def _merged(path: Path) -> bool:
    """Whether its receivers hold several traces. What cannot be read is said when it is read."""
    try:
        with open_file(path) as f:
            return any(dataset(f, f"rxs/rx1/{c}").ndim > 1 for c in ("Ex", "Ey", "Ez") if _has(f, f"rxs/rx1/{c}"))
    except (FormatError, *ERRORS):
        return False


def _read(path: Path, component: str) -> _Output:
    try:
        with open_file(path) as f:
            attrs = f.attrs
            dt_s = float(attrs["dt"])
            receivers = int(attrs["nrx"])
            if not (0 < dt_s < 1e-6 and 1 <= receivers <= _MOST_RECEIVERS):
                raise FormatError(f"{path}: interval {dt_s:g} s and {receivers} receivers make no sense.")
            component = component or _strongest(f)
            fields = [_traces(numbers(f, f"rxs/rx{i + 1}/{component}")) for i in range(receivers)]
            if len({a.shape for a in fields}) != 1 or not 1 <= fields[0].shape[1] <= 65535:
                raise FormatError(f"{path}: its receivers have {[a.shape for a in fields][:4]} samples.")
            cell = np.asarray(attrs.get("dx_dy_dz", np.full(3, np.nan)), np.float64)
            steps = [np.asarray(attrs.get(k, np.zeros(3)), np.float64) for k in ("srcsteps", "rxsteps")]
            step = max((float(np.linalg.norm(s * cell)) for s in steps if s.shape == cell.shape), default=0.0)
            return _Output(
                dt_s,
                str(attrs.get("Title", ""))[:100],
                str(attrs.get("gprMax", ""))[:40],
                component,
                np.stack(fields, axis=1),
                step if np.isfinite(step) else 0.0,
                _source(f),
            )
    except ERRORS as e:
        raise FormatError(f"{path} is not a whole gprMax output ({type(e).__name__}: {e}). Run the model anew.") from e


def _source(f: h5py.File) -> NDArray[np.float64]:
    """(3,) m, of the first source, or of the first receiver where no dipole is one; NaN where the file does not say."""
    for group, name in (("srcs", "src1"), ("rxs", "rx1")):
        link = f.get(group, getlink=True)
        if not isinstance(link, h5py.HardLink) or not isinstance(f[group].get(name, getlink=True), h5py.HardLink):
            continue
        position = np.asarray(f[group][name].attrs.get("Position", np.full(3, np.nan)), np.float64)
        if position.shape == (3,):
            return position
    return np.full(3, np.nan)


def _strongest(f: h5py.File) -> str:
    names = [c for c in ("Ex", "Ey", "Ez") if _has(f, f"rxs/rx1/{c}")]
    if not names:
        raise FormatError(f"{f.filename} has no electric field (Ex, Ey, Ez) at its first receiver.")
    strength = {c: float(np.nanmax(np.abs(numbers(f, f"rxs/rx1/{c}")), initial=0.0)) for c in names}
    return max(names, key=lambda c: strength[c])


def _has(f: h5py.File, name: str) -> bool:
    group, _, leaf = name.rpartition("/")
    try:
        dataset(f, name)
    except FormatError as e:
        if f"no {leaf!r}" in str(e) or f"no {name!r}" in str(e):
            return False
        raise
    return bool(group)


def _traces(values: NDArray[Any]) -> NDArray[np.float32]:
    """(traces, iterations) of a receiver: gprMax keeps (iterations,), and merged (iterations, traces)."""
    if values.ndim not in (1, 2) or not values.size:
        raise FormatError(f"A receiver's field has the shape {values.shape}.")
    with np.errstate(over="ignore"):
        flat = values.astype(np.float32)
    return np.ascontiguousarray(flat[None] if flat.ndim == 1 else flat.T)
