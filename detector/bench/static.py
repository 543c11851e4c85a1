"""Static response stability: three minutes still, one with the item, one without."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detector.bench.bounds import batch_mean, welch_half
from detector.bench.repeatability import must_show
from detector.bench.response import held, joined
from detector.bench.result import Chart, Curve, Figure, Limit, Result
from detector.bench.steps import Planned, Taken, in_role
from detector.bench.trust import check
from detector.errors import BenchError
from detector.settings import Settings, quantity

TITLE = "Static response stability"
SOURCE = "Daily static test of UXO practice (Seequent UCERESPONSES): fails where responses differ by 20 % or more"


class StaticSettings(Settings):
    """How static stability is measured."""

    before_s: float = quantity(180.0, "s", 5.0, 3600.0, "still, without the item; UXO practice")
    item_s: float = quantity(60.0, "s", 5.0, 3600.0, "with the item; UXO practice")
    after_s: float = quantity(60.0, "s", 5.0, 3600.0, "without it again; UXO practice")
    shown_sigma: float = quantity(10.0, "1", 3.0, 1000.0, "the item must stand out by this; assumed")
    reference: float = quantity(
        0.0, "unit", 0.0, 1e12, "response of the same item on the same head before, in the stream's unit; 0: none"
    )
    most_change: float = quantity(0.2, "1", 0.001, 1.0, "change against the reference that fails; UXO practice")


def plan(settings: StaticSettings) -> list[Planned]:
    """Still, item, still."""
    return [
        Planned("background", "Clamp the head still, no metal near, and leave it.", settings.before_s, settle_s=1.0),
        Planned("item", "Put the item at its mark; take the hand away.", settings.item_s, settle_s=1.0),
        Planned("background", "Take the item away.", settings.after_s, settle_s=1.0),
    ]


def measure(steps: Sequence[Taken], settings: StaticSettings) -> Result:
    """The item's response, its change against the reference, and how far the background moved.

    Raises
    ------
    BenchError
        if a step is missing, or the item was never shown.
    """
    check(steps, "background", 2)
    check(steps, "item", 1)
    item = in_role(steps, "item")[0]
    before = [s for s in in_role(steps, "background") if s.t_s[0] < item.t_s[0]]
    after = [s for s in in_role(steps, "background") if s.t_s[0] > item.t_s[0]]
    if not before or not after:
        raise BenchError("The static test needs the head without the item before and after the item. Take both.")
    # a straight drift cancels between two backgrounds that lie as far before the item as after it
    n = min(len(before[-1].values), len(after[0].values))
    first = Taken("background", {}, item.stream, before[-1].t_s[-n:], before[-1].x_m[-n:], before[-1].values[-n:])
    last = Taken("background", {}, item.stream, after[0].t_s[:n], after[0].x_m[:n], after[0].values[:n])
    response = held(item, first, last)
    amplitudes, errors, w = joined([response])
    must_show(amplitudes, errors, settings.shown_sigma)
    means = [batch_mean(s.values @ w) for s in (item, first, last)]
    half = welch_half([means[0][1], means[1][1] / 2, means[2][1] / 2], [m[2] for m in means])
    amplitude = means[0][0] - (means[1][0] + means[2][0]) / 2
    unit = item.stream.unit
    how = "batch means, Welch and Satterthwaite"
    figures = [Figure("response of the item", amplitude, unit, amplitude - half, amplitude + half, how)]
    notes = []
    if settings.reference > 0:
        r = settings.reference
        limit = Limit(1 - settings.most_change, 1 + settings.most_change, "UXO practice: 20 % fails")
        figures.append(
            Figure(
                "against the reference", amplitude / r, "1", (amplitude - half) / r, (amplitude + half) / r, how, limit
            )
        )
    else:
        notes.append("No reference was given: whether the response has changed is not known. State it as 'reference'.")
    moved = means[2][0] - means[1][0]
    moved_half = welch_half([means[1][1], means[2][1]], [means[1][2], means[2][2]])
    figures.append(Figure("background after less before", moved, unit, moved - moved_half, moved + moved_half, how))
    origin = float(steps[0].t_s[0])
    curves = []
    for s in (before[-1], item, after[0]):
        size = max(1, len(s.values) // 200)
        k = len(s.values) // size
        y = (s.values[: k * size] @ w).reshape(k, size).mean(axis=1) - (means[1][0] + means[2][0]) / 2
        x = (s.t_s[: k * size].reshape(k, size).mean(axis=1) - origin).tolist()
        curves.append(Curve({"item": "with the item"}.get(s.role, "without"), x, y.tolist()))
    chart = Chart("time (s)", f"response ({unit})", tuple(curves), levels=(("item", amplitude),))
    parts = np.array_split(item.values @ w - (means[1][0] + means[2][0]) / 2, 12)
    samples = {"response": tuple(float(p.mean()) for p in parts)}
    return Result("static", TITLE, SOURCE, tuple(figures), chart, tuple(notes), samples=samples)
