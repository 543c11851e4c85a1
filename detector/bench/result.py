"""What a bench measurement says: figures with interval and limit and a chart, or in plain words why there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    UNDECIDED = "undecided"
    """The interval of the figure holds the limit: more repeats would decide."""
    NO_LIMIT = "no limit"
    REFUSED = "refused"
    """No figure could be given honestly."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What a figure is held against; None = open on that side."""

    low: float | None
    high: float | None
    why: str
    """Where the limit comes from."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number with its 95 % interval."""

    name: str
    value: float
    unit: str
    low: float
    high: float
    how: str
    """How the interval was found."""
    limit: Limit | None = None

    @property
    def verdict(self) -> Verdict:
        """Passed or failed only if the whole interval says so."""
        if self.limit is None:
            return Verdict.NO_LIMIT
        lowest = -math.inf if self.limit.low is None else self.limit.low
        highest = math.inf if self.limit.high is None else self.limit.high
        if lowest <= self.low and self.high <= highest:
            return Verdict.PASS
        if self.high < lowest or self.low > highest:
            return Verdict.FAIL
        return Verdict.UNDECIDED

    def to_json(self) -> dict[str, Any]:
        """For a report; what is not a finite number is None."""
        limit = None if self.limit is None else {"low": self.limit.low, "high": self.limit.high, "why": self.limit.why}
        return {
            "name": self.name, "value": _number(self.value), "unit": self.unit, "low": _number(self.low),
            "high": _number(self.high), "confidence": 0.95, "how": self.how, "limit": limit,
            "verdict": str(self.verdict),
        }  # fmt: skip


def _number(x: float) -> float | None:
    return float(x) if math.isfinite(x) else None


@dataclass(frozen=True, slots=True)
class Curve:
    """Points or a line; low and high : bounds at the same x, or ()."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    points: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """What to draw; units are in the labels."""

    x_label: str
    y_label: str
    curves: tuple[Curve, ...] = ()
    log_x: bool = False
    log_y: bool = False
    levels: tuple[tuple[str, float], ...] = ()
    """Horizontal lines."""
    marks: tuple[tuple[str, float], ...] = ()
    """Vertical lines."""
    grid: Grid | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """A map: z[i][j] at y[i], x[j], and the level whose outline is drawn."""

    x: Sequence[float]
    y: Sequence[float]
    z: Sequence[Sequence[float]]
    label: str
    level: float


@dataclass(frozen=True, slots=True)
class Result:
    """What one measurement came to."""

    measurement: str
    title: str
    source: str
    """Where the procedure comes from, and how sure that is."""
    figures: tuple[Figure, ...] = ()
    chart: Chart | None = None
    notes: tuple[str, ...] = ()
    refusal: str = ""
    """Why no figure is given; '' if there are figures."""
    settings: dict[str, Any] = field(default_factory=dict)
    samples: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Repeated values behind a figure, by the figure's name: what a comparison is made of."""

    @property
    def verdict(self) -> Verdict:
        """The worst of the figures."""
        if self.refusal:
            return Verdict.REFUSED
        found = {f.verdict for f in self.figures}
        for worst in (Verdict.FAIL, Verdict.UNDECIDED, Verdict.PASS):
            if worst in found:
                return worst
        return Verdict.NO_LIMIT

    def figure(self, name: str) -> Figure:
        """The figure of that name; KeyError if there is none."""
        for f in self.figures:
            if f.name == name:
                return f
        raise KeyError(name)

    def to_json(self) -> dict[str, Any]:
        """Everything but the chart."""
        return {
            "measurement": self.measurement, "title": self.title, "source": self.source,
            "verdict": str(self.verdict), "refusal": self.refusal,
            "figures": [f.to_json() for f in self.figures], "notes": list(self.notes), "settings": self.settings,
            "samples": {name: list(values) for name, values in self.samples.items()},
        }  # fmt: skip
