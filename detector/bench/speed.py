"""What is left of the response when the head is swept faster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detector.bench.bounds import crossing, curved_crossing, drawn_interval
from detector.bench.height import grouped
from detector.bench.response import Pass, PassSettings, measure_pass, signature
from detector.bench.result import Chart, Curve, Figure, Limit, Result
from detector.bench.steps import F8, Planned, Taken, in_role
from detector.bench.trust import check
from detector.errors import BenchError
from detector.settings import listed, quantity

TITLE = "Sweep speed"
SOURCE = "CWA 14747-1, sweep speed (a usable reading, not a quotation): range with less than 10 % loss"


class SpeedSettings(PassSettings):
    """How the loss by speed is measured."""

    smoothing_s: float = quantity(
        0.02, "s", 0.002, 1.0, "standard deviation of the smoothing: short, or it is itself the loss; assumed"
    )
    still_s: float = quantity(60.0, "s", 10.0, 3600.0, "still step, from which the noise is known; assumed")
    path_m: float = quantity(1.2, "m", 0.1, 10.0, "length of the rail that a pass runs over; assumed")
    speeds: tuple[float, ...] = listed("m/s", "speeds; empty: 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5")
    repeats: int = quantity(5, "1", 2, 100, "passes at each speed; assumed")
    fewest: int = quantity(3, "1", 2, 100, "passes without which no figure is given; assumed")
    most_loss: float = quantity(0.1, "1", 0.01, 0.9, "loss against the slowest speed that bounds the range")
    least_speed: float = quantity(0.0, "m/s", 0.0, 5.0, "the range must reach up to this; 0: no limit")

    @property
    def wanted(self) -> tuple[float, ...]:
        return self.speeds or (0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5)


def plan(settings: SpeedSettings) -> list[Planned]:
    """A still step, then passes at each speed."""
    steps = [Planned("still", "Hold or clamp the head still, no metal near.", settings.still_s, settle_s=1.0)]
    for v in settings.wanted:
        for k in range(settings.repeats):
            text = f"Pass the piece once at {v:g} m/s, at the same height each time, from far to far, within the step."
            at = {"speed_m_per_s": v, "repeat": float(k)}
            steps.append(Planned("pass", text, settings.path_m / v + 1.0, at))
    return steps


def measure(steps: Sequence[Taken], settings: SpeedSettings) -> Result:
    """Loss at each speed, and the fastest that loses less than is allowed.

    Raises
    ------
    BenchError
        if the piece was never shown, the passes were of one speed, or the slowest was too fast already.
    """
    check(steps, "still", 1)
    check(steps, "pass", 2 * settings.fewest)
    taken = in_role(steps, "pass")
    by_speed: dict[float, list[Taken]] = {}
    for p in taken:
        by_speed.setdefault(p.number("speed_m_per_s"), []).append(p)
    if len(by_speed) < 3:
        raise BenchError(f"Passes were taken at {len(by_speed)} speeds: a range needs three or more.")
    still = in_role(steps, "still")[0]
    passes: list[Pass] = []
    sigmas: dict[float, float] = {}
    weights: F8 | None = None
    for pace, group in sorted(by_speed.items()):
        # a pass of another length has another background, and so another noise
        s = signature(still, group, settings, weights)
        weights, sigmas[pace] = s.weights, s.sigma
        rough = [measure_pass(p, s, settings) for p in group]
        width = float(np.nanmedian([r.width_s for r in rough]))
        if not np.isfinite(width) or width * group[0].rate_hz < settings.fewest_records:
            raise BenchError(
                f"At {pace:g} m/s a pass lasts {width * group[0].rate_hz:.0f} records at half its height, wanted "
                f"{settings.fewest_records}: too fast for this head's record rate. Leave that speed out."
            )
        passes += [measure_pass(p, s, settings, width) for p in group]
    groups = grouped(passes, "speed_m_per_s", settings.fewest)
    v = np.array(list(groups))
    means = np.array([np.mean([p.amplitude for p in g]) for g in groups.values()])
    n = np.array([len(g) for g in groups.values()])
    spread = np.array([np.std([p.amplitude for p in g], ddof=1) for g in groups.values()])
    errors = np.maximum([sigmas[x] for x in groups], spread) / np.sqrt(n)
    rng = np.random.default_rng(0)
    drawn = means + errors * rng.standard_t(np.maximum(n - 1, 4), size=(4000, len(n)))
    losses = 1 - drawn / drawn[:, :1]
    figures = []
    how = "drawn from the scatter of the passes"
    for k in range(1, len(v)):
        low, high = np.quantile(losses[:, k], (0.025, 0.975))
        loss = 1 - means[k] / means[0]
        figures.append(Figure(f"loss at {v[k]:g} m/s", float(loss), "1", float(low), float(high), how))

    def fastest(y: F8) -> float:
        at = crossing(v, y / y[0], 1 - settings.most_loss)
        return float("inf") if np.isnan(at) else at

    low, high = drawn_interval(lambda r: fastest(means + errors * r.standard_t(np.maximum(n - 1, 4))))
    limit = Limit(settings.least_speed, None, "stated") if settings.least_speed > 0 else None
    top, between = curved_crossing(v, means / means[0], 1 - settings.most_loss)
    if np.isnan(top):
        top, between = float(v[-1]), 0.0
    figures.insert(
        0,
        Figure(
            f"fastest with a loss under {settings.most_loss:g}",
            top,
            "m/s",
            min(low - between, top),
            high + between,
            how,
            limit,
        ),
    )
    notes = [f"Against {v[0]:g} m/s, after smoothing over {1e3 * settings.smoothing_s:.0f} ms."]
    if top >= v[-1]:
        notes.append(
            f"The loss stayed under {settings.most_loss:g} up to the fastest speed taken: the bound is the rail's."
        )
    share = means / means[0]
    curve = Curve("mean", v.tolist(), share.tolist(), ((means - 2 * errors) / means[0]).tolist(),
                  ((means + 2 * errors) / means[0]).tolist(), True)  # fmt: skip
    chart = Chart(
        "speed (m/s)", "response over that of the slowest", (curve,), levels=(("bound", 1 - settings.most_loss),)
    )
    return Result("speed", TITLE, SOURCE, tuple(figures), chart, tuple(notes))
