"""The false-alarm rate that was asked of each sensor, and what the ground at hand gave.

Thresholds come from clean ground that a model was made of. On ground like it the rate asked for is the rate got; on
other ground it is nominal, and only a count says what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from detector.score.bounds import poisson_rate
from detector.score.trial import LaneScore

Verdict = Literal["more than asked", "fewer than asked", "as asked, within chance"]


@dataclass(frozen=True, slots=True)
class AskedRate:
    """One sensor by itself, over all lanes that it swept."""

    sensor: str
    """'metal' or 'radar'."""
    asked_per_m: float
    count: int
    """Alarms outside halos."""
    free_m: float
    different_m: float
    """Of these, ground that is not the same swept again, m."""
    low: float
    """95 % Poisson, 1/m, of as much ground as is different: sweeps of one ground are not independent."""
    high: float

    @property
    def per_m(self) -> float:
        return self.count / self.free_m

    @property
    def again(self) -> bool:
        """Whether ground was swept more than once."""
        return swept_again(self.different_m, self.free_m)

    @property
    def verdict(self) -> Verdict:
        """Whether chance explains the difference. Places that alarm cluster, so chance allows rather more than this."""
        if self.low > self.asked_per_m:
            return "more than asked"
        return "fewer than asked" if self.high < self.asked_per_m else "as asked, within chance"


def swept_again(different_m: float, free_m: float) -> bool:
    """Whether of so many metres swept some are the same ground again, beyond what sums are rounded by."""
    return different_m < free_m - 1e-9


def different_rate(count: int, free_m: float, different_m: float) -> tuple[float, float]:
    """95 % Poisson bounds of a rate, 1/m, as if only the different ground had been swept, once.

    count : on free_m, sweeps of one ground counted each time; different_m : of it, m, more than 0
    """
    return poisson_rate(round(count * different_m / free_m), different_m)


def asked_rates(asked: Mapping[str, float], alone: Sequence[Mapping[str, LaneScore]]) -> tuple[AskedRate, ...]:
    """What each sensor was asked for, and gave.

    Parameters
    ----------
    asked : false alarms per metre by sensor
    alone : of each lane, its sensors by themselves

    Sensors that swept no ground whose length is known are left out.
    """
    out = []
    for sensor, rate in sorted(asked.items()):
        lanes = [a[sensor] for a in alone if sensor in a and a[sensor].free_m > 0]
        free = sum(lane.free_m for lane in lanes)
        if free <= 0:
            continue
        different = sum({lane.ground: lane.free_m for lane in lanes}.values())
        count = sum(len(lane.alarms_outside) for lane in lanes)
        out.append(AskedRate(sensor, rate, count, free, different, *different_rate(count, free, different)))
    return tuple(out)
