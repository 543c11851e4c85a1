"""What the start-up steps leave in the table of checks: every figure with its limits, and how each step ended."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from detector.samples import Check

KINDS: Final = {"ground balance": "calibration"}
"""The others are checks of function."""

BY_ITSELF: Final = "start-up"
"""Who began a step that begins by itself."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that a step measured, and what it was held against."""

    name: str
    unit: str
    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def passed(self) -> bool:
        """Whether it is a number, and within the limits that there are."""
        return math.isfinite(self.value) and not (self.value < self.low or self.value > self.high)


@dataclass(slots=True)
class CheckKeeper:
    """Takes checks to the recording, once there is one. What was checked before waits for it."""

    clock: Callable[[], int]
    _keep: Callable[[Check], object] | None = None
    _waiting: list[Check] = field(default_factory=list)

    def record(self, keep: Callable[[Check], object]) -> None:
        """Have every check kept, those so far first."""
        self._keep = keep
        for check in self._waiting:
            keep(check)
        self._waiting.clear()

    def step_ended(self, step: str, figures: list[Figure], passed: bool, who: str, note: str) -> None:
        """Rows for the figures of a step in the order in which they were measured, and one for the step itself."""
        kind, now = KINDS.get(step, "function"), self.clock()
        for f in figures:
            self._put(Check(now, kind, f"{step}: {f.name}", f.unit, f.value, f.low, f.high, f.passed, who))
        self._put(Check(now, kind, step, "", math.nan, math.nan, math.nan, passed, who, note))

    def _put(self, check: Check) -> None:
        if self._keep is None:
            self._waiting.append(check)
        else:
            self._keep(check)
