"""What a learner found of what was hidden: POD, false marks per metre, how close the marks lay, and the pace."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detector.detections import TrueObject
from detector.score.bounds import clopper_pearson, poisson_rate
from detector.score.matching import halo_length_m, is_target, match
from detector.score.trial import DEPTHS_M


@dataclass(frozen=True, slots=True)
class PlaceMark:
    """A place that a person marked as a find."""

    x_m: float
    utc_ns: int
    who: str
    how: str
    """'mark' at the head's place, or 'label' of an alarm at its place."""
    radar_peak_seq: int = -1
    metal_peak_seq: int = -1


@dataclass(frozen=True, slots=True)
class Tried:
    """A target that the head passed."""

    kind: str
    depth_m: float
    x_m: float
    found: bool
    error_m: float
    """Mark minus target along the track, m; NaN if it was not found."""

    @property
    def stratum(self) -> str:
        """Its depth in steps of 5 cm."""
        k = int(np.searchsorted(DEPTHS_M, self.depth_m, side="right"))
        low = 0.0 if k == 0 else DEPTHS_M[k - 1]
        return f"over {100 * low:.0f} cm" if k == len(DEPTHS_M) else f"{100 * low:.0f} to {100 * DEPTHS_M[k]:.0f} cm"


@dataclass(frozen=True, slots=True)
class PracticeScore:
    """One session. Clutter that was marked is neither a hit nor a false mark: it stands apart."""

    targets: tuple[Tried, ...]
    """Mines and ERW that the head passed; those that it never reached are not tried."""
    not_reached: int
    clutter: int
    clutter_marked: int
    false_marks: int
    free_m: float
    """Length swept outside every halo, m."""
    swept_m: float
    seconds: float
    """From the beginning of the lane to its last record, s."""

    @property
    def hits(self) -> int:
        return sum(t.found for t in self.targets)

    @property
    def pod(self) -> tuple[float, float, float]:
        """Share found, and its 95 % Clopper-Pearson bounds; NaN, 0, 1 where nothing was tried."""
        return share(self.hits, len(self.targets))

    @property
    def false_per_m(self) -> tuple[float, float, float]:
        """False marks per metre of free lane, and its 95 % Garwood bounds; NaN, 0, infinity without any."""
        return rate(self.false_marks, self.free_m)

    @property
    def errors_m(self) -> list[float]:
        return [t.error_m for t in self.targets if t.found]

    @property
    def bias_m(self) -> float:
        """Mean pinpoint error, m: positive = marked too far along. NaN without finds."""
        return float(np.mean(self.errors_m)) if self.hits else float("nan")

    @property
    def median_m(self) -> float:
        """Median distance of a mark from its target, m; NaN without finds."""
        return float(np.median(np.abs(self.errors_m))) if self.hits else float("nan")

    @property
    def radius95_m(self) -> float:
        """Distance that 95 of 100 marks keep, m, interpolated between finds; NaN without finds."""
        return float(np.quantile(np.abs(self.errors_m), 0.95)) if self.hits else float("nan")

    @property
    def m_per_min(self) -> float:
        """Pace; NaN where no time passed."""
        return 60.0 * self.swept_m / self.seconds if self.seconds > 0 else float("nan")

    def by(self, field: str) -> dict[str, tuple[int, int]]:
        """(found, tried) by 'kind' or by 'stratum' of depth."""
        out: dict[str, list[bool]] = defaultdict(list)
        for t in self.targets:
            out[getattr(t, field)].append(t.found)
        return {name: (sum(found), len(found)) for name, found in sorted(out.items())}

    def to_json(self) -> dict[str, Any]:
        """What a learner's history keeps."""
        return {
            "hits": self.hits,
            "tried": len(self.targets),
            "not_reached": self.not_reached,
            "clutter": self.clutter,
            "clutter_marked": self.clutter_marked,
            "false_marks": self.false_marks,
            "free_m": round(self.free_m, 3),
            "swept_m": round(self.swept_m, 3),
            "seconds": round(self.seconds, 1),
            "errors_m": [round(e, 4) for e in self.errors_m],
            "by_kind": self.by("kind"),
            "by_depth": self.by("stratum"),
        }


def share(hits: int, tried: int) -> tuple[float, float, float]:
    """A share with its 95 % Clopper-Pearson bounds; NaN, 0, 1 of nothing."""
    return (hits / tried, *clopper_pearson(hits, tried)) if tried else (float("nan"), 0.0, 1.0)


def rate(count: int, exposure: float) -> tuple[float, float, float]:
    """A rate with its 95 % Garwood bounds; NaN, 0, infinity of nothing."""
    return (count / exposure, *poisson_rate(count, exposure)) if exposure > 0 else (float("nan"), 0.0, float("inf"))


def score_practice(
    truth: Sequence[TrueObject], marks: Sequence[PlaceMark], swept: tuple[float, float] | None, seconds: float
) -> PracticeScore:
    """Match marks to what was hidden, one to one, nearest first, within half the extent and 10 cm.

    Parameters
    ----------
    truth : what was hidden, by place along the track
    marks : of the learner, in any order; a second mark in a halo is no false mark, and finds nothing more
    swept : first and last place that the head reached, m; None if it never had a place
    seconds : from the beginning of the lane to its end
    """
    if swept is None:
        return PracticeScore((), sum(is_target(o) for o in truth), 0, 0, len(marks), 0.0, 0.0, seconds)
    reached = [o for o in truth if swept[0] <= o.x_m <= swept[1]]
    matched = match(truth, marks)
    found = {id(truth[i]): marks[j] for i, j in matched.found.items()}
    tried = []
    for o in reached:
        if is_target(o):
            mark = found.get(id(o))
            error = float("nan") if mark is None else mark.x_m - o.x_m
            tried.append(Tried(o.kind, o.depth_m, o.x_m, mark is not None, error))
    clutter = [o for o in reached if not is_target(o)]
    length = swept[1] - swept[0]
    return PracticeScore(
        targets=tuple(tried),
        not_reached=sum(is_target(o) for o in truth) - len(tried),
        clutter=len(clutter),
        clutter_marked=sum(id(o) in found for o in clutter),
        false_marks=len(matched.outside),
        free_m=max(0.0, length - halo_length_m(truth, swept)),
        swept_m=length,
        seconds=seconds,
    )
