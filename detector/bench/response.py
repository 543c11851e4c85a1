"""The response to a test piece: held still, or passed through; and the noise it has to stand out from.

All gates are joined to one signal, the weighted sum that a matched filter would take: weights s/sigma^2 of the
strongest response s, scaled so that the signal of that response is its norm in the stream's unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from detector.bench.bounds import batch_mean, width_at
from detector.bench.steps import F8, Taken
from detector.errors import BenchError
from detector.settings import Settings, quantity


class PassSettings(Settings):
    """How a pass is judged."""

    smoothing_s: float = quantity(
        0.1, "s", 0.005, 1.0, "standard deviation of the Gaussian over which the signal is smoothed; assumed"
    )
    threshold_sigma: float = quantity(
        6.0, "1", 3.0, 30.0, "a pass is seen if the smoothed signal stands out by this many noise sigma; assumed"
    )
    shown_sigma: float = quantity(
        10.0, "1", 3.0, 1000.0, "the strongest pass must stand out by this, or the test piece was never shown; assumed"
    )
    fewest_records: int = quantity(
        8, "1", 3, 1000, "records within the half-height width of a pass: with fewer it was too fast; assumed"
    )
    ends: float = quantity(
        0.15, "1", 0.05, 0.4, "share of a pass at each end that is taken for its background; assumed"
    )


@dataclass(frozen=True, slots=True)
class Signature:
    """How the gates are joined."""

    weights: F8
    """(width,) 1; weights @ values is the signal in the stream's unit."""
    sigma: float
    """Noise of the signal after smoothing and taking the background off, as a pass is treated."""
    dof: float
    """Degrees of freedom of sigma."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of the test piece."""

    at: Taken
    amplitude: float
    """Largest smoothed signal, less what the noise adds to a largest value, in the stream's unit."""
    time_s: float
    """When, by the head's ticks."""
    width_s: float
    """Full width at half of it, s; NaN if the pass does not contain it."""
    signal: F8
    """(n,) smoothed."""
    t_s: F8


def smoothed(s: Taken, x: F8, settings: PassSettings) -> F8:
    """(n,) or (n, width) series smoothed in time and less a straight line through its ends."""
    y = gaussian_filter1d(x, settings.smoothing_s * s.rate_hz, axis=0, mode="nearest")
    n = len(y)
    k = max(1, int(settings.ends * n))
    first, last = x[:k].mean(axis=0), x[-k:].mean(axis=0)
    along = (np.arange(n) - (k - 1) / 2) / max(1, n - k)
    if y.ndim == 1:
        return np.asarray(y - (first + (last - first) * along))
    return np.asarray(y - (first + (last - first) * along[:, None]))


def signature(still: Taken, passes: Sequence[Taken], settings: PassSettings, weights: F8 | None = None) -> Signature:
    """From a long still step and the passes among which the strongest is looked for.

    weights : of passes of another length, whose background has another noise; None = from these passes

    Raises
    ------
    BenchError
        if the still step is too short to know the noise, or no pass stands out: the piece was never shown.
    """
    pieces = _like_passes(still, passes[0].seconds)
    if len(pieces) < 5:
        raise BenchError(
            f"The still step lasts {still.seconds:.0f} s, and a pass {passes[0].seconds:.1f} s: too short to know the "
            f"noise. Hold the head still for {8 * passes[0].seconds:.0f} s or more."
        )
    middle = slice(int(settings.ends * len(pieces[0].values)), -int(settings.ends * len(pieces[0].values)))
    quiet = np.concatenate([smoothed(p, p.values, settings)[middle] for p in pieces])
    per_gate = quiet.std(axis=0)
    if not (per_gate > 0).all():
        raise BenchError("A gate has no noise at all, as no live converter has. Check the head.")
    strongest, best = passes[0].values[0], -1.0
    for p in passes:
        k = max(1, int(settings.ends * len(p.values)))
        y = smoothed(p, p.values, settings)[k:-k]
        power = ((y / per_gate) ** 2).sum(axis=1)
        i = int(power.argmax())
        if power[i] > best:
            strongest, best = y[i], float(power[i])
    if weights is None:
        weights = strongest / per_gate**2
        weights = weights * (np.linalg.norm(strongest) / (weights @ strongest))
    joined = quiet @ weights
    length = len(pieces) * pieces[0].seconds * (1 - 2 * settings.ends)
    # integral of the squared autocorrelation of Gaussian-smoothed white noise: sqrt(2 pi) tau; pieces overlap by half
    dof = max(3.0, 0.5 * length / (np.sqrt(2 * np.pi) * settings.smoothing_s))
    sigma = float(np.sqrt((joined**2).mean()))
    shown = float(weights @ strongest) / sigma
    if shown < settings.shown_sigma:
        raise BenchError(
            f"The test piece was never shown, or is out of reach: the strongest of {len(passes)} passes stands out by "
            f"{shown:.1f} sigma, wanted {settings.shown_sigma:g}. Begin nearer, and take the passes again."
        )
    return Signature(weights, sigma, dof)


def _like_passes(still: Taken, seconds: float) -> list[Taken]:
    """The still step cut into pieces as long as a pass, overlapping by half."""
    n = round(seconds * still.rate_hz) + 1
    starts = range(0, len(still.values) - n + 1, max(1, n // 2))
    return [
        Taken(still.role, still.at, still.stream, still.t_s[a : a + n], still.x_m[a : a + n], still.values[a : a + n])
        for a in starts
    ]


def measure_pass(p: Taken, s: Signature, settings: PassSettings, width_s: float = 0.0) -> Pass:
    """The response in one pass.

    width_s : full width at half height that passes have here; it says how much noise adds to a largest value.
    """
    y = smoothed(p, p.values @ s.weights, settings)
    n = len(y)
    inside = slice(max(1, int(settings.ends * n)), n - max(1, int(settings.ends * n)))
    i = int(y[inside].argmax()) + inside.start
    largest = float(y[i])
    # noise of slope s moves the peak of curvature c up by s^2 / 2c: Rice's expansion about the noise-free peak
    added = s.sigma**2 * (width_s / 2.355) ** 2 / (4 * settings.smoothing_s**2) if width_s > 0 else 0.0
    amplitude = 0.5 * (largest + float(np.sqrt(max(largest**2 - 4 * added, 0.0)))) if largest > 0 else largest
    return Pass(
        p, amplitude, float(p.t_s[i]), width_at(p.t_s, y, 0.5 * largest, i) if largest > 0 else float("nan"), y, p.t_s
    )


def measure_passes(passes: Sequence[Taken], s: Signature, settings: PassSettings) -> list[Pass]:
    """All passes, by one width of the strong ones.

    Raises
    ------
    BenchError
        if the strong passes were too fast for the head's record rate.
    """
    rough = [measure_pass(p, s, settings) for p in passes]
    strong = [r for r in rough if r.amplitude > settings.shown_sigma * s.sigma and np.isfinite(r.width_s)]
    if not strong:
        raise BenchError(
            "No pass that stands out begins and ends within its step: the piece was near the head all the time, or "
            "moved too slowly. Pass it from far to far."
        )
    for r in strong:
        records = r.width_s * r.at.rate_hz
        if records < settings.fewest_records or r.width_s < 1.2 * 2.355 * settings.smoothing_s:
            raise BenchError(
                f"A pass was too fast: half of its height lasted {1e3 * r.width_s:.0f} ms, {records:.0f} "
                f"records, after smoothing over {1e3 * settings.smoothing_s:.0f} ms. Pass slower, or state a shorter "
                "smoothing_s."
            )
    width = float(np.median([r.width_s for r in strong]))
    return [measure_pass(p, s, settings, width) for p in passes]


@dataclass(frozen=True, slots=True)
class Held:
    """The response to a piece held still."""

    values: F8
    """(width,) item less background, in the stream's unit."""
    errors: F8
    """(width,) standard errors."""
    dofs: int
    """Least degrees of freedom of them."""


def held(item: Taken, before: Taken, after: Taken | None = None) -> Held:
    """Mean of the item's step less that of the background before it, and after it if it was taken.

    With both, a drift that runs straight through the three steps cancels.
    """
    behind = [before] if after is None else [before, after]
    means: list[F8] = []
    errors: list[F8] = []
    dofs: list[int] = []
    for s in (item, *behind):
        found = [batch_mean(s.values[:, g]) for g in range(s.values.shape[1])]
        means.append(np.array([f[0] for f in found]))
        errors.append(np.array([f[1] for f in found]))
        dofs.append(found[0][2])
    share = 1.0 / len(behind)
    background = share * np.sum(means[1:], axis=0)
    error = np.sqrt(errors[0] ** 2 + share**2 * np.sum(np.square(errors[1:]), axis=0))
    return Held(means[0] - background, error, min(dofs))


def joined(responses: Sequence[Held]) -> tuple[F8, F8, F8]:
    """All responses along the strongest's pattern: amplitudes (k,), standard errors (k,), weights (width,)."""
    strongest = max(responses, key=lambda h: float(((h.values / h.errors) ** 2).sum()))
    error = np.sqrt(np.mean([h.errors**2 for h in responses], axis=0))
    w = strongest.values / error**2
    w = w * (np.linalg.norm(strongest.values) / (w @ strongest.values))
    amplitudes = np.array([float(w @ h.values) for h in responses])
    errors = np.array([float(np.sqrt((w**2 * h.errors**2).sum())) for h in responses])
    return amplitudes, errors, w
