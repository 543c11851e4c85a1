"""Several sweeps of one lane as the one procedure that they are: sweep, dig what alarmed, sweep again.

A signal is dug, and where metal was taken out the place is searched again for other signals (HMA Global SOPs 2018,
chapter 6, Search and Clearance; A. Smith, "Excavating a metal-detector indication"). So an object counts as found if it
alarmed in any sweep while it lay there, and a later one may find what it hid. Each sweep brings its false alarms too.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from detector.detections import TrueObject
from detector.errors import TruthError
from detector.score.along import APART_M
from detector.score.bounds import poisson_rate
from detector.score.report import Share, finite
from detector.score.trial import FalseAlarm, LaneScore, Outcome, place_of


@dataclass(frozen=True, slots=True)
class SweepRow:
    """What the sweeps of one number brought, all lanes together."""

    number: int
    """From 1 on."""
    lanes: int
    mines: int
    """Mines that lay there and that no earlier sweep had found."""
    found: int
    """Of these."""
    so_far: Share | None
    """Of all mines of all lanes those that this or an earlier sweep found; None where there are no mines."""
    objects_out: int
    """Mines and clutter that were taken out of the ground after it, by truth or labels of the next sweep."""
    false_alarms: int
    """Outside halos, at places where no earlier sweep had one."""
    again: int
    """Further alarms where an earlier sweep had one, or in the halo of what had been taken out: not false anew."""
    metres: float
    """Covered outside the halos of what still lay there, m."""


@dataclass(frozen=True, slots=True)
class Procedure:
    """All sweeps."""

    rows: tuple[SweepRow, ...]
    undug: tuple[str, ...]
    """Places that were swept more than once though nothing is said to have been taken out between."""

    @property
    def swept_m(self) -> float:
        """Of all sweeps together, outside halos, m."""
        return sum(r.metres for r in self.rows)

    @property
    def per_swept_m(self) -> tuple[float, float, float] | None:
        """Alarms outside halos per metre swept and its 95 % Poisson bounds; None where no ground is known.

        Of every sweep all of them: a place that alarms in each of three sweeps is in their metres three times too.
        """
        if self.swept_m <= 0:
            return None
        count = sum(r.false_alarms + r.again for r in self.rows)
        return count / self.swept_m, *poisson_rate(count, self.swept_m)

    def to_json(self) -> dict[str, Any]:
        """Strict JSON."""
        out: dict[str, Any] = finite({**asdict(self), "swept_m": self.swept_m, "per_swept_m": self.per_swept_m})
        return out

    def table(self) -> list[list[str]]:
        """Head and rows, for a person."""
        rows = [["sweep", "lanes", "mines found", "so far", "taken out after it", "false alarms", "again", "on"]]
        for r in self.rows:
            s = r.so_far
            rows.append([
                f"{r.number}", f"{r.lanes}", f"{r.found} of {r.mines}",
                "no mines" if s is None else f"{s.hits}/{s.trials} ({s.low:.3f} to {s.high:.3f})",
                f"{r.objects_out}", f"{r.false_alarms}", f"{r.again}", f"{r.metres:.1f} m",
            ])  # fmt: skip
        return rows

    @property
    def sentence(self) -> str:
        """The rate per metre swept."""
        rate = self.per_swept_m
        if rate is None:
            return "No rate per metre swept: places are not known."
        return (
            f"Alarms outside halos per metre swept, all sweeps together, those again too: {rate[0]:.3f} "
            f"({rate[1]:.3f} to {rate[2]:.3f}) on {self.swept_m:.1f} m."
        )


def which(o: TrueObject | Outcome) -> tuple[str, str, float, str]:
    """The same for one object in every sweep."""
    return str(o.label), o.kind, o.x_m, repr(o.depth_m)


def number_of(lane: str) -> int:
    """Which sweep it is by its name: 'A1-3' the third, 'A1' the one before 'A1-1'.

    >>> number_of("A1-3"), number_of("A1")
    (3, 0)
    """
    found = re.search(r"-(\d{1,4})$", lane)
    return int(found.group(1)) if found else 0


def in_sweeps(lanes: Sequence[str]) -> dict[str, list[int]]:
    """Indices into `lanes` (names of recordings) by place, in the order of sweeping.

    Raises
    ------
    TruthError
        if two of them are the same sweep.
    """
    out: dict[str, list[int]] = {}
    for i, name in enumerate(lanes):
        out.setdefault(place_of(name), []).append(i)
    for place, of in out.items():
        of.sort(key=lambda i: number_of(lanes[i]))
        if len({number_of(lanes[i]) for i in of}) < len(of):
            raise TruthError(
                f"Two recordings are the same sweep of {place}: {', '.join(lanes[i] for i in of)}. Name sweeps "
                f"{place}-1, {place}-2 and so on."
            )
    return out


def as_procedures(sweeps: Sequence[LaneScore]) -> tuple[list[LaneScore], Procedure]:
    """Lanes of all sweeps, in any order, as one lane a place, and what each sweep brought.

    A lane's ground is that of its first sweep. It has no curve and no search figures: with other thresholds other
    things would have been dug.

    Raises
    ------
    TruthError
        if the truth of a sweep holds what the one before did not, or places nothing along the lane.
    """
    places = [[sweeps[i] for i in of] for of in in_sweeps([s.lane for s in sweeps]).values()]
    joined = [_Joined(of) for of in places]
    most = max((len(of) for of in places), default=0)
    mines = sum(len(j.lane.targets) for j in joined)
    rows: list[SweepRow] = []
    hits = 0
    for k in range(most):
        there = [j for j in joined if k < len(j.sweeps)]
        found = sum(o.is_target and at == k for j in there for o, at in zip(j.lane.outcomes, j.found_in, strict=True))
        hits += found
        rows.append(
            SweepRow(
                number=k + 1,
                lanes=len(there),
                mines=sum(_waiting(j, k) for j in there),
                found=found,
                so_far=Share.of(hits, mines) if mines else None,
                objects_out=sum(
                    len(j.sweeps[k].outcomes) - len(j.sweeps[k + 1].outcomes) for j in there if k + 1 < len(j.sweeps)
                ),
                false_alarms=sum(at == k for j in there for at in j.false_in),
                again=sum(at == k for j in there for at in j.again_in),
                metres=sum(j.sweeps[k].free_m for j in there),
            )
        )
    undug = [j.lane.lane for j in joined if len({len(s.outcomes) for s in j.sweeps}) == 1 < len(j.sweeps)]
    return [j.lane for j in joined], Procedure(tuple(rows), tuple(undug))


def _waiting(j: _Joined, k: int) -> int:
    """Mines that lay there in sweep k (from 0) and that no earlier one had found."""
    there = {which(o) for o in j.sweeps[k].outcomes}
    return sum(
        o.is_target and which(o) in there and not 0 <= at < k for o, at in zip(j.lane.outcomes, j.found_in, strict=True)
    )


class _Joined:
    """The sweeps of one place."""

    def __init__(self, sweeps: Sequence[LaneScore]) -> None:
        self.sweeps = sweeps
        self.found_in: list[int] = []
        """Of each object the sweep that found it, from 0; -1 if none did."""
        self.false_in: list[int] = []
        self.again_in: list[int] = []
        """Of each alarm the sweep that gave it."""
        for before, after in itertools.pairwise(sweeps):
            _refuse_new(before, after)
        first = sweeps[0]
        outcomes = [self._outcome(o) for o in first.outcomes]
        spans = [s.lane_m for s in sweeps if s.lane_m is not None]
        self.lane = replace(
            first,
            lane=place_of(first.lane),
            outcomes=tuple(outcomes),
            alarms_outside=tuple(self._false_alarms()),
            duplicates=sum(s.duplicates for s in sweeps),
            further_m=tuple(x for s in sweeps for x in s.further_m),
            lane_m=(min(a for a, _ in spans), max(b for _, b in spans)) if spans else None,
            weak_outside=(),
            search=None,
            ranking=None,
        )

    def _outcome(self, first: Outcome) -> Outcome:
        """What was made of an object: by the sweep that found it, else by the last that passed over it."""
        seen = [o for s in self.sweeps for o in s.outcomes if which(o) == which(first)]
        for k, o in enumerate(seen):
            if o.found:
                self.found_in.append(k)
                return o
        self.found_in.append(-1)
        told = next((o for o in reversed(seen) if o.cause != "not covered"), seen[-1])
        if len(seen) == len(self.sweeps):
            return told
        return replace(told, why=f"taken out without an alarm: gone after sweep {len(seen)}; until then {told.why}")

    def _false_alarms(self) -> list[FalseAlarm]:
        """The first at each place, outside the halos of all that lay there at any time."""
        kept: list[FalseAlarm] = []
        for k, s in enumerate(self.sweeps):
            lying = {which(o) for o in s.outcomes}
            gone = [o for o in self.sweeps[0].outcomes if which(o) not in lying]
            earlier = [a.x_m for a in kept]
            for a in s.alarms_outside:
                known = any(abs(a.x_m - x) <= APART_M for x in earlier)
                if known or any(abs(a.x_m - o.x_m) <= o.halo_m for o in gone):
                    self.again_in.append(k)
                else:
                    self.false_in.append(k)
                    kept.append(a)
        return kept


def _refuse_new(before: LaneScore, after: LaneScore) -> None:
    if nowhere := next((o for s in (before, after) for o in s.outcomes if math.isnan(o.x_m)), None):
        raise TruthError(
            f"The {nowhere.kind or nowhere.label} in {nowhere.lane} has no place along the lane, so nobody can say in "
            "which sweep it was found. A procedure needs places (x_m)."
        )
    known = {which(o) for o in before.outcomes}
    for o in after.outcomes:
        if which(o) not in known:
            raise TruthError(
                f"By its truth {o.where}, but not in {before.lane}, which was swept before. From sweep to sweep things "
                f"are only taken out. If {before.lane} and {after.lane} are two lanes, give them two names."
            )
