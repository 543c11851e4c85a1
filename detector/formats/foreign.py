"""What a reader of another program's file gives."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.detections import LabelClass, TrueObject
from detector.samples import NO_ODOMETER, DeviceDescription, SampleBlock, StreamDescription

EPOCH_NS = 1_700_000_000_000_000_000
"""Time given to records whose file does not say when they were taken; the note says so."""


@dataclass(frozen=True, slots=True)
class ForeignRecording:
    device: DeviceDescription
    blocks: tuple[SampleBlock, ...]
    """Time ordered."""
    truth: tuple[TrueObject, ...]
    """From a truth file beside it, if there is one."""
    note: str


def whole_block(stream: StreamDescription, raw: NDArray[Any], tick_hz: float, x_m: NDArray[Any] | None) -> SampleBlock:
    """All records of a file as one block.

    raw : (n, channels, values); x_m : (n,) along-track place, m, or None where it is not known.
    Ticks are the nominal record times.
    """
    n = len(raw)
    seq = np.arange(n, dtype=np.int64)
    tick = np.round(seq * (tick_hz / stream.rate_hz)).astype(np.int64)
    place = np.full(n, NO_ODOMETER, np.int64) if x_m is None else np.round(np.asarray(x_m) * 1e6).astype(np.int64)
    utc = EPOCH_NS + np.round(tick * (1e9 / tick_hz)).astype(np.int64)
    return SampleBlock(stream, seq, tick, utc, place, np.ascontiguousarray(raw.astype(stream.dtype, copy=False)))


def radar_labels(path: Path, step_m: float) -> tuple[TrueObject, ...]:
    """Known echoes of a radar file, from labels.json in its folder; () if there is none.

    Each gives an apex A-scan and a two-way time with tolerances, and says how sure it is.
    """
    beside = path.parent / "labels.json"
    if not beside.exists():
        return ()
    entry = json.loads(beside.read_text()).get(path.name)
    if not entry or not entry.get("targets"):
        return ()
    kind = "rebar" if "rebar" in path.name else "pipe"
    tolerance = int(entry.get("tol_traces", 5))
    return tuple(
        TrueObject(
            label=LabelClass.METAL_CLUTTER,
            kind=kind,
            stream="radar",
            x_m=t["trace"] * step_m if step_m else float("nan"),
            first_seq=max(0, t["trace"] - tolerance),
            last_seq=t["trace"] + tolerance,
            half_extent_m=0.0,
            depth_m=float("nan"),
            two_way_s=t["t_ns"] * 1e-9,
            contains_metal=True,
            confidence="author" if "author" in entry["kind"] else "eye",
        )
        for t in entry["targets"]
    )
