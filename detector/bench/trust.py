"""What must hold before a step may give a figure: whole, live, within the converter's range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from detector.bench.steps import F8, Taken
from detector.errors import BenchError

MOST_MISSING: Final = 0.01
"""Share of a step's records that may be lost."""

_FLAT: Final = 3
"""An extreme that is reached this many records in a row, where noise moves the values, is a clipped one."""


def check(steps: Sequence[Taken], role: str, at_least: int) -> None:
    """Refuse what cannot give an honest figure.

    Raises
    ------
    BenchError
        too few steps of that role; records lost, frozen or saturated. The message says which step.
    """
    mine = [s for s in steps if s.role == role]
    if len(mine) < at_least:
        raise BenchError(
            f"Too few repeats: {len(mine)} steps {role!r} were taken, at least {at_least} are needed. Take the rest."
        )
    for s in mine:
        check_step(s)


def check_step(s: Taken) -> None:
    """As :func:`check`, of one step."""
    where = f"Step {s.role!r}{_said(s)}"
    if len(s.t_s) < 2:
        raise BenchError(f"{where} holds {len(s.t_s)} records. Take it again, and see that the head sends.")
    if s.missing > MOST_MISSING * (len(s.t_s) + s.missing):
        raise BenchError(
            f"{where} lost {s.missing} of {len(s.t_s) + s.missing} records. Mend the line, then take it again."
        )
    if clipped(s):
        raise BenchError(
            f"{where} is saturated: the signal stands at the end of the converter's range. Lower gain or current, or "
            "move the test piece away, and take it again."
        )
    if not np.ptp(s.values, axis=0).any():
        raise BenchError(f"{where} never changes, to the last bit, as no live sensor does. Check the head.")


def clipped(s: Taken) -> bool:
    """Whether values stand at the end of the sample type's range, or flat at an extreme as clipped ones do."""
    low, high = s.stream.limits
    if bool(((s.values <= low) | (s.values >= high)).any()):
        return True
    if not s.stream.kind.is_metal:
        flat = _flat(s.values.T)  # along fast time
        return flat
    return _flat(s.values)


def _flat(x: F8) -> bool:
    """(n, m) whether any column rests at its extreme for some records, though it moves elsewhere."""
    if len(x) <= _FLAT:
        return False
    steps = np.abs(np.diff(x, axis=0))
    least = np.min(np.where(steps > 0, steps, np.inf), axis=0, initial=np.inf)
    live = np.median(steps, axis=0) > 3 * least  # noise of several counts: no value repeats by chance
    for extreme in (x.max(axis=0), x.min(axis=0)):
        at = x == extreme
        run = at[_FLAT - 1 :].copy()
        for k in range(1, _FLAT):
            run &= at[_FLAT - 1 - k : len(x) - k]
        if bool((run.any(axis=0) & live).any()):
            return True
    return False


def _said(s: Taken) -> str:
    told = ", ".join(f"{k} {v:g}" if isinstance(v, int | float) else f"{k} {v}" for k, v in s.at.items())
    return f" ({told})" if told else ""
