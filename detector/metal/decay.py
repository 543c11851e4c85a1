"""What a decay curve says of the metal: slopes, time constants, signs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.errors import SampleError

F8 = NDArray[np.float64]

_TAUS = 48
"""Time constants tried, in geometric steps from a third of the first gate to ten times the last."""


@dataclass(frozen=True, slots=True)
class DecayFeatures:
    """A target's decay in numbers; NaN where the gates do not tell."""

    snr: float
    """Amplitude over noise, all gates together."""
    log_slopes: F8
    """(gates - 1,) d ln|v| / d ln t between successive gates; NaN where a gate is below two sigma."""
    early_late_ratio: float
    """Sum of the earlier half of the gates over that of the later; NaN where the later is below two sigma."""
    sign_changes: int
    """Between successive gates that stand out by two sigma."""
    tau_s: float
    """Effective time constant: the single exponential that fits best, s."""
    tau_sigma_s: float
    """1 sigma of it from the noise alone (Cramér-Rao bound), s; NaN at the ends of what is tried."""
    tau_fit: float
    """Share of the energy that it explains, 0 to 1."""
    taus_s: tuple[float, float]
    """Fast and slow time constant of the best pair with amplitudes of one sign, s; equal where one is enough."""
    amplitudes: tuple[float, float]
    """Of that pair at t = 0, unit of the gates."""


def decay_features(gates: F8, sigma: F8, gate_times_s: tuple[float, ...] | F8) -> DecayFeatures:
    """Describe a decay.

    gates : (G,) balanced or not, stream's unit; sigma : (G,) standard deviation of each, > 0;
    gate_times_s : (G,) centres after switch-off, s, increasing. A non-magnetic sphere of radius a tends to
    tau = mu0 sigma a^2 / pi^2, permeable objects fall as t^-1/2 first (Wait 1951; Weaver 2001).

    Raises
    ------
    SampleError
        when the lengths differ, there are fewer than three gates, or sigma is not positive.
    """
    v, s = np.asarray(gates, dtype=np.float64), np.asarray(sigma, dtype=np.float64)
    t = np.asarray(gate_times_s, dtype=np.float64)
    if not (v.shape == s.shape == t.shape) or v.ndim != 1 or len(v) < 3 or np.any(s <= 0.0):
        raise SampleError(
            f"A decay needs at least three gates with one time and one positive sigma each; there are {v.shape} "
            f"gates, {t.shape} times and {s.shape} sigmas."
        )
    y = v / s
    seen = np.abs(y) >= 2.0
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = np.diff(np.log(np.abs(v))) / np.diff(np.log(t))
    slopes[~(seen[1:] & seen[:-1])] = np.nan
    half = len(v) // 2
    late, late_sigma = float(v[half:].sum()), float(np.sqrt((s[half:] ** 2).sum()))
    ratio = float(v[:half].sum()) / late if abs(late) >= 2.0 * late_sigma else float("nan")
    signs = np.sign(v[seen])
    taus = np.geomspace(t[0] / 3.0, 10.0 * t[-1], _TAUS)
    basis = np.exp(-t / taus[:, None]) / s
    power = np.einsum("ij,ij->i", basis, basis)
    along = basis @ y
    energy = float(y @ y)
    nan = float("nan")
    if energy == 0.0:
        return DecayFeatures(0.0, slopes, nan, 0, nan, nan, nan, (nan, nan), (nan, nan))
    gained = along**2 / power
    best = int(np.argmax(gained))
    tau = _refined(taus, gained, best)
    single = np.exp(-t / tau) / s
    amplitude = float(single @ y) / float(single @ single)
    alone = amplitude * float(single @ y)
    tau_sigma = _tau_sigma(amplitude, tau, t, single) if 0 < best < len(taus) - 1 else nan
    pair, amplitudes, together = _best_pair(taus, basis, power, along)
    # two more parameters must explain more than noise would: 9.2 is chi-square of two at 1 %
    if not together > alone + 9.2:
        pair, amplitudes = (tau, tau), (amplitude, 0.0)
    return DecayFeatures(
        float(np.sqrt(energy)), slopes, ratio, int(np.count_nonzero(np.diff(signs))), tau, tau_sigma, alone / energy,
        pair, amplitudes,
    )  # fmt: skip


def _tau_sigma(amplitude: float, tau: float, t: F8, single: F8) -> float:
    """Bound of the standard deviation of tau where the amplitude is fitted too; single : (G,) e^(-t/tau) / sigma."""
    slope = amplitude * t / tau**2 * single
    information = float(slope @ slope) - float(slope @ single) ** 2 / float(single @ single)
    return float(1.0 / np.sqrt(information)) if information > 0.0 else float("nan")


def _refined(taus: F8, gained: F8, best: int) -> float:
    """Vertex of the parabola through the best of the grid and its neighbours, in ln tau."""
    if not 0 < best < len(taus) - 1:
        return float(taus[best])
    a, b, c = gained[best - 1 : best + 2]
    bend = a - 2.0 * b + c
    shift = 0.5 * (a - c) / bend if bend < 0.0 else 0.0
    return float(taus[best] * (taus[1] / taus[0]) ** shift)


def _best_pair(
    taus: F8, basis: F8, power: F8, along: F8
) -> tuple[tuple[float, float], tuple[float, float], float]:
    """The two exponentials with amplitudes of one sign that explain most: time constants, amplitudes, energy."""
    gram = basis @ basis.T
    i, j = np.triu_indices(len(taus), 3)
    det = power[i] * power[j] - gram[i, j] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        a = (along[i] * power[j] - along[j] * gram[i, j]) / det
        b = (along[j] * power[i] - along[i] * gram[i, j]) / det
        gained = np.where((a * b > 0.0) & (det > 1e-9 * power[i] * power[j]), a * along[i] + b * along[j], -np.inf)
    k = int(np.argmax(gained))
    return (float(taus[i[k]]), float(taus[j[k]])), (float(a[k]), float(b[k])), float(gained[k])
