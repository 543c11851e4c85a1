"""How far the same set-up, made anew, gives the same response."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detector.bench.bounds import mean_interval, sd_interval
from detector.bench.response import Held, held, joined
from detector.bench.result import Chart, Curve, Figure, Limit, Result
from detector.bench.steps import Planned, Taken
from detector.bench.trust import check
from detector.errors import BenchError
from detector.settings import Settings, quantity

TITLE = "Repeatability of set-up"
SOURCE = "CWA 14747-1, repeatability on set-up (a usable reading, not a quotation)"


class RepeatabilitySettings(Settings):
    """How repeatability is measured."""

    repeats: int = quantity(10, "1", 3, 200, "set-ups; ten or more, as the usual reading of the test has it")
    fewest: int = quantity(10, "1", 3, 200, "set-ups without which no figure is given")
    hold_s: float = quantity(5.0, "s", 1.0, 120.0, "length of each step; assumed")
    shown_sigma: float = quantity(10.0, "1", 3.0, 1000.0, "the piece must stand out by this; assumed")
    most_share: float = quantity(
        0.1, "1", 0.0, 1.0, "largest standard deviation over the mean that passes; assumed; 0: no limit"
    )


def plan(settings: RepeatabilitySettings) -> list[Planned]:
    """For every set-up: without the piece, with it."""
    steps = []
    for k in range(settings.repeats):
        at = {"setup": float(k)}
        off = f"Set-up {k + 1}: switch the head off and on, set it up anew as for a sweep; no metal near."
        steps.append(Planned("background", off, settings.hold_s, at, settle_s=1.0))
        steps.append(
            Planned("item", "Put the test piece at its mark and take the hand away.", settings.hold_s, at, settle_s=1.0)
        )
    return steps


def pairs(steps: Sequence[Taken]) -> list[Held]:
    """The response of every item step less the background step before it.

    Raises
    ------
    BenchError
        if an item has no background before it.
    """
    out, background = [], None
    for s in steps:
        if s.role == "background":
            background = s
        elif s.role == "item":
            if background is None:
                raise BenchError(
                    "A step 'item' has no step 'background' before it. Take the head without the piece first."
                )
            out.append(held(s, background))
            background = None
    return out


def measure(steps: Sequence[Taken], settings: RepeatabilitySettings) -> Result:
    """Mean, standard deviation and range of the response over set-ups.

    Raises
    ------
    BenchError
        if there are too few set-ups, or the piece was not shown in one of them.
    """
    check(steps, "item", settings.fewest)
    check(steps, "background", settings.fewest)
    amplitudes, errors, _ = joined(pairs(steps))
    must_show(amplitudes, errors, settings.shown_sigma)
    unit = steps[0].stream.unit
    mean, low, high = mean_interval(amplitudes)
    s = float(amplitudes.std(ddof=1))
    s_low, s_high = sd_interval(s, len(amplitudes) - 1)
    limit = Limit(None, settings.most_share, "assumed") if settings.most_share > 0 else None
    figures = (
        Figure("mean response", mean, unit, low, high, f"t, {len(amplitudes)} set-ups"),
        Figure("standard deviation between set-ups", s, unit, s_low, s_high, "chi square"),
        Figure("standard deviation over the mean", s / mean, "1", s_low / mean, s_high / mean, "chi square", limit),
    )
    spread = float(np.ptp(amplitudes))
    notes = (
        f"Range {spread:.3g} {unit} over {len(amplitudes)} set-ups. Noise of one reading is {float(errors.mean()):.2g} "
        f"{unit}: it is part of the standard deviation.",
    )
    x = [float(k + 1) for k in range(len(amplitudes))]
    curve = Curve(
        "set-ups", x, amplitudes.tolist(), (amplitudes - 2 * errors).tolist(), (amplitudes + 2 * errors).tolist(), True
    )
    chart = Chart("set-up", f"response ({unit})", (curve,), levels=(("mean", mean),))
    return Result(
        "repeatability", TITLE, SOURCE, figures, chart, notes, samples={"response": tuple(amplitudes.tolist())}
    )


def must_show(amplitudes: Sequence[float] | np.ndarray, errors: Sequence[float] | np.ndarray, sigma: float) -> None:
    """BenchError if one of the responses does not stand out of its own noise: the piece was not there."""
    for k, (a, e) in enumerate(zip(amplitudes, errors, strict=True)):
        if a < sigma * e:
            raise BenchError(
                f"The test piece was never shown in step {k + 1} of {len(amplitudes)}: its response is {a / e:.1f} "
                f"times its error, wanted {sigma:g}. Put it at its mark, and take the steps again."
            )
