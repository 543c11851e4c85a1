"""The classifier in single precision: thresholds that decide alike for every float, votes that are whole numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.decide.evidence import Forest, SensorModel

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


def single(numbers: F8) -> F4:
    """Largest floats that are not above them. Of thresholds t: for a float x, x <= t holds of one as of the other."""
    near = numbers.astype(np.float32)
    return np.where(near.astype(np.float64) > numbers, np.nextafter(near, np.float32(-np.inf)), near)


def leaf_votes(forest: Forest) -> I8:
    """(L, K) whole votes of each leaf, `forest.unit` of them in all up to rounding."""
    return np.round(forest.leaves * forest.unit).astype(np.int64)


def votes(sensor: SensorModel, features: F4) -> I8:
    """(n, K) whole votes of the trees for (n, len(FEATURES)) features in single precision, NaN where not seen."""
    forest = sensor.forest
    thresholds, leaves = single(forest.threshold), leaf_votes(forest)
    own = features[:, sensor.columns]
    x = np.where(np.isfinite(own), own, single(sensor.fill))
    out = np.zeros((len(x), leaves.shape[1]), np.int64)
    for i, row in enumerate(x):
        for root in forest.roots:
            node = int(root)
            while forest.feature[node] >= 0:
                node = node + 1 if row[forest.feature[node]] <= thresholds[node] else int(forest.right[node])
            out[i] += leaves[forest.right[node]]
    return out
