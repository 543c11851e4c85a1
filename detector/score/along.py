"""The alarm score along a lane: what stayed below the threshold, and why a mine was missed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.detections import Detection, TrueObject
from detector.score.matching import HALO_MARGIN_M, Match, distance
from detector.score.rarity import Rarity

F8 = NDArray[np.float64]

CELL_M: Final = 0.01
APART_M: Final = 0.15
"""Of peaks nearer than this only the highest counts, as of alarms and of sounds."""
LEAST: Final = 0.2
"""Share of the threshold under which peaks are not kept."""
_SOUNDS: Final = 1e9
"""Rarer than any peak below its threshold."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One stream along its lane, record by record."""

    stream: str
    sensor: str
    """'metal' or 'radar'."""
    seq: NDArray[np.int64]
    """(n,) record numbers."""
    x_m: F8
    """(n,) place, NaN where it is not known."""
    swept: NDArray[np.bool_]
    """(n,) whether the record could be trusted."""
    score: F8
    """(n,) highest alarm score of its channels in units of the threshold; NaN where it was not tested."""
    rarity: Rarity | None = None
    """Of such a score; None where the model's tails are not known."""


def peaks_along(x_m: F8, value: F8, apart_m: float = APART_M) -> tuple[F8, F8]:
    """Places and values that are the highest within +-apart_m, along the lane; NaN never is.

    >>> x, v = peaks_along(np.array([0.0, 0.1, 0.2, 1.0]), np.array([1.0, 3.0, 2.0, 0.5]))
    >>> v.tolist()
    [3.0, 0.5]
    """
    known = np.isfinite(x_m) & np.isfinite(value)
    cell = np.floor(x_m[known] / CELL_M).astype(np.int64)
    # the highest of each cell, so that the loop below runs over centimetres and not over records
    order = np.lexsort((-value[known], cell))
    first = np.diff(cell[order], prepend=np.iinfo(np.int64).min) != 0
    x, v = x_m[known][order][first], value[known][order][first]
    low, high = np.searchsorted(x, x - apart_m), np.searchsorted(x, x + apart_m, side="right")
    kept = [i for i in range(len(x)) if int(np.argmax(v[low[i] : high[i]])) + low[i] == i]
    return x[kept], v[kept]


def outside_halos(truth: Sequence[TrueObject], x_m: F8) -> NDArray[np.bool_]:
    """(n,) which places lie in no object's halo."""
    free = np.isfinite(x_m)
    for o in truth:
        free &= ~(np.abs(x_m - o.x_m) <= o.half_extent_m + HALO_MARGIN_M)
    return free


def covered_spans(traces: Sequence[Trace], lane_m: tuple[float, float]) -> list[tuple[float, float]]:
    """Stretches of a lane on which at least one stream had records that were tested and could be trusted, m.

    A hole shorter than APART_M, or than three steps, is none: alarms reach over it. Without traces all counts.
    """
    if not traces:
        return [lane_m]
    good = [t.x_m[t.swept & np.isfinite(t.score) & np.isfinite(t.x_m)] for t in traces]
    x = np.unique(np.concatenate(good))
    if not len(x):
        return []
    steps = [float(np.median(np.abs(np.diff(t)))) for t in good if len(t) > 1]
    reach = max(APART_M, 3.0 * min(steps, default=0.0))
    cuts = np.flatnonzero(np.diff(x) > reach)
    starts, ends = x[[0, *(cuts + 1)]].tolist(), x[[*cuts, -1]].tolist()
    if starts[0] - lane_m[0] <= reach:
        starts[0] = lane_m[0]
    if lane_m[1] - ends[-1] <= reach:
        ends[-1] = lane_m[1]
    return list(zip(starts, ends, strict=True))


def weak_peaks(
    truth: Sequence[TrueObject], detections: Sequence[Detection], traces: Sequence[Trace]
) -> tuple[float, ...]:
    """Heights of the peaks below the threshold outside all halos and away from all detections.

    With them a curve goes on below the threshold that was run.
    """
    return _away(truth, detections, traces, [t.score for t in traces], LEAST, 1.0) if traces else ()


def weak_rarities(
    truth: Sequence[TrueObject], detections: Sequence[Detection], traces: Sequence[Trace]
) -> tuple[float, ...]:
    """The rarity of the peaks that :func:`weak_peaks` means, of several streams' peaks the rarest.

    Those are left out that are so common that a peak of another stream as common would not have been kept.
    """
    lines = [t.rarity for t in traces if t.rarity is not None]
    if not lines or len(lines) < len(traces):
        return ()
    rarity = [np.where(t.score >= 1.0, _SOUNDS, line.below(t.score)) for t, line in zip(traces, lines, strict=True)]
    return _away(truth, detections, traces, rarity, max(line.of(LEAST) for line in lines), _SOUNDS)


def _away(
    truth: Sequence[TrueObject],
    detections: Sequence[Detection],
    traces: Sequence[Trace],
    height: Sequence[F8],
    least: float,
    below: float,
) -> tuple[float, ...]:
    """Of all traces' peaks in `height` those outside halos and away from detections, from `least` on."""
    x, v = peaks_along(np.concatenate([t.x_m for t in traces]), np.concatenate(height))
    free = outside_halos(truth, x) & (v >= least) & (v < below)
    for d in detections:
        free &= ~(np.abs(x - d.x_m) <= APART_M)
    return tuple(float(h) for h in v[free])


def weak_rarity(o: TrueObject, traces: Sequence[Trace]) -> float:
    """The rarest that any stream gave in an object's halo; -inf where none was tested."""
    rarest = -math.inf
    for t in traces:
        tested = t.score[inside(o, t) & np.isfinite(t.score)]
        if t.rarity is not None and len(tested):
            rarest = max(rarest, t.rarity.of(float(tested.max())))
    return rarest


def inside(o: TrueObject, t: Trace) -> NDArray[np.bool_]:
    """(n,) which records of a stream lie in an object's halo."""
    if o.stream and o.stream not in (t.stream, t.sensor):
        return np.zeros(len(t.seq), dtype=bool)
    if o.first_seq >= 0:
        return (t.seq >= o.first_seq) & (t.seq <= o.last_seq)
    return np.abs(t.x_m - o.x_m) <= o.half_extent_m + HALO_MARGIN_M


def why_missed(
    i: int, truth: Sequence[TrueObject], detections: Sequence[Detection], m: Match, traces: Sequence[Trace]
) -> tuple[str, float]:
    """Why object i has no detection, as a sentence that begins with its cause; and its height below the threshold."""
    o = truth[i]
    for other, j in sorted(m.found.items()):
        if math.isfinite(distance(o, detections[j])):
            where = f" at {detections[j].x_m:.2f} m" if math.isfinite(detections[j].x_m) else ""
            return f"merged: the alarm{where} in its halo counts for the {truth[other].kind} beside it", -math.inf
    if not traces:
        return "not known", -math.inf
    if o.first_seq < 0 and any(len(t.seq) for t in traces) and not any(np.isfinite(t.x_m).any() for t in traces):
        return "not placed: no record has a place, so no alarm can be laid beside the truth's x", -math.inf
    said, best, tested = [], -math.inf, False
    for t in traces:
        here = inside(o, t)
        n = int(np.count_nonzero(here))
        if n == 0:
            if not o.stream or o.stream in (t.stream, t.sensor):
                said.append(f"no {t.stream} record in its halo")
            continue
        lost, silent = int(np.count_nonzero(here & ~t.swept)), int(np.count_nonzero(here & np.isnan(t.score)))
        if silent < n:
            height = float(np.nanmax(t.score[here]))
            best = max(best, height)
            tested = tested or lost < n
            said.append(f"{t.stream} reached {height:.2f} of the threshold")
        if lost:
            said.append(f"{lost} of {n} {t.stream} records there cannot be trusted")
        if silent:
            said.append(f"{silent} of {n} {t.stream} records there were not tested")
    text = ", ".join(said)
    if not tested:
        return f"not covered: {text}", -math.inf
    if best < 1.0:
        return f"below threshold: {text}", best
    gaps = [abs(d.x_m - o.x_m) for d in detections if math.isfinite(d.x_m)]
    near = f", the nearest alarm {100 * min(gaps):.0f} cm from it" if gaps and o.first_seq < 0 else ""
    return f"merged: {text}, on the flank of a larger peak: no alarm fell into its halo{near}", -math.inf
