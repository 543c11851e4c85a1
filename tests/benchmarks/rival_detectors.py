"""What others would run on the same A-scans: energy, STA/LTA and a novelty detector, each a score along the lane."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

F8 = NDArray[np.float64]


def less_mean(ascans: F8, period_samples: float) -> F8:
    """(n, samples) less the lane's mean A-scan, from half a period below the strongest sample on."""
    x = ascans - ascans.mean(axis=0)
    surface = int(np.argmax(np.abs(ascans.mean(axis=0))))
    return np.asarray(x[:, min(surface + round(0.45 * period_samples), x.shape[1] - 16) :])


def plain_energy(ascans: F8, step_m: float, period_samples: float) -> F8:
    """Log energy of each A-scan after mean background removal, over a tenth of a metre."""
    power = (less_mean(ascans, period_samples) ** 2).sum(axis=1)
    return np.asarray(np.log(uniform_filter1d(power, max(1, round(0.1 / step_m))) + 1e-12))


def sta_lta(ascans: F8, step_m: float, period_samples: float) -> F8:
    """Short over long average of the energy in each depth bin, along the lane; the largest bin counts.

    Allen 1978, both windows centred; 0.1 m and 1.5 m, bins of a period.
    """
    power = less_mean(ascans, period_samples) ** 2
    length = max(2, round(period_samples))
    bins = power.shape[1] // length
    power = power[:, : bins * length].reshape(len(power), bins, length).sum(axis=2)
    short = uniform_filter1d(power, max(1, round(0.1 / step_m)), axis=0)
    long = uniform_filter1d(power, max(3, round(1.5 / step_m)), axis=0)
    return np.asarray(np.log((short + 1e-12) / (long + 1e-12)).max(axis=1))


def novelty(ascans: F8, step_m: float, period_samples: float) -> F8:
    """Isolation forest (Liu, Ting and Zhou 2008, scikit-learn) on raw patches of 0.15 m by all depths of this lane.

    Fitted to the lane itself, which is mostly ground, since every head has other samples; patches after mean
    background removal, each depth scaled to unit spread, 16 principal components.
    """
    from sklearn.decomposition import PCA
    from sklearn.ensemble import IsolationForest

    x = less_mean(ascans, period_samples)
    x = x[:, :: max(1, int(period_samples / 6))]
    x = x / (np.median(np.abs(x), axis=0) + 1e-9)
    half = max(1, round(0.075 / step_m))
    padded = np.pad(x, ((half, half), (0, 0)), mode="edge")
    patches = np.stack([padded[i : i + 2 * half + 1].ravel() for i in range(len(x))])
    patches = np.sign(patches) * np.log1p(np.abs(patches))
    parts: Any = PCA(min(16, *patches.shape), random_state=1).fit_transform(patches)
    forest: Any = IsolationForest(n_estimators=200, random_state=1).fit(parts)
    return np.asarray(-forest.score_samples(parts), dtype=np.float64)


RIVALS = {"energy": plain_energy, "STA/LTA": sta_lta, "isolation forest": novelty}
