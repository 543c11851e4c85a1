"""What one sensor's alarm says: a forest's probabilities, and how far the alarm is from what the forest was shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.detections import CLASSES, FEATURES
from detector.kernels.inference import forest_probabilities, mahalanobis

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

LEAST_PROBABILITY: Final = 2e-3
"""A forest of some hundred trees cannot tell rarer from never: below this its word counts no further."""


@dataclass(frozen=True)
class Forest:
    """Trees as arrays, see :func:`detector.kernels.inference.forest_probabilities`."""

    roots: I8
    feature: I8
    threshold: F8
    right: I8
    leaves: F8
    unit: int
    """Leaves are stored as whole numbers of this many parts."""


@dataclass(frozen=True)
class SensorModel:
    """One sensor's part of the classifier.

    columns : (F,) which of FEATURES; fill : (F,) what an unseen one counts as; centre, scale : (F,) standardise them
    for novelty; class_centres : (K, F) and covariance : (F, F), within classes, of standardised features.
    """

    columns: I8
    fill: F8
    forest: Forest
    centre: F8
    scale: F8
    class_centres: F8
    covariance: F8
    novelty_limit: float

    def log_probabilities(self, features: F8) -> F8:
        """(K,) of each class, given that this sensor alarmed with these (len(FEATURES),) features."""
        own = features[self.columns]
        x = np.where(np.isfinite(own), own, self.fill)
        f = self.forest
        p = forest_probabilities(x, f.roots, f.feature, f.threshold, f.right, f.leaves)
        return np.asarray(np.log(np.maximum(p, LEAST_PROBABILITY)))

    def novelty(self, features: F8) -> float:
        """Distance from the nearest class over the limit; above 1 is further than known objects lie."""
        own = features[self.columns]
        seen = np.isfinite(own)
        z = np.where(seen, (np.where(seen, own, 0.0) - self.centre) / self.scale, 0.0)
        return min(float(mahalanobis(z, seen, c, self.covariance)) for c in self.class_centres) / self.novelty_limit

    def seen_share(self, features: F8) -> float:
        """Share of its features that the alarm came with."""
        return float(np.count_nonzero(np.isfinite(features[self.columns]))) / len(self.columns)


WAVE: Final = "metal-cw"
"""The part, and the alarm tail, of metal detectors with continuous waves; 'metal' is that of pulse induction."""

_PULSE_ONLY: Final = ("slope_", "late_fraction", "log_", "tau_", "soil_part", "sign")
"""Of the metal features those that only a pulse's decay has."""


_HYPERBOLA: Final = ("radar_semblance", "radar_semblance_near", "radar_flatness", "radar_velocity_m_per_ns")
"""Not told to the classifier: without them it is as good on scenes like those that it was grown on, and better on
another simulator's, whose mines and clutter differ otherwise in how well a hyperbola fits."""


def sensor_features(part: str) -> tuple[str, ...]:
    """Names of the features of a part of the classifier: of a sensor, or of its continuous-wave kind."""
    if part != WAVE:
        return tuple(f for f in FEATURES if f.startswith(f"{part}_") and f not in _HYPERBOLA)
    pulse = tuple(f"metal_{word}" for word in _PULSE_ONLY)
    return tuple(f for f in FEATURES if f.startswith("cw_") or (f.startswith("metal_") and not f.startswith(pulse)))


_WAVE_SEEN: Final = FEATURES.index("cw_fit")


PARTS: Final = ("radar", "metal", WAVE)
"""Of the classifier."""


def sensor_of(part: str) -> str:
    """The sensor that a part judges: a continuous wave is a metal detector too."""
    return "metal" if part == WAVE else part


def part_of(sensor: str, features: F8) -> str:
    """Which part judges that sensor's alarm: a wave's answer is told by what only waves give."""
    return WAVE if sensor == "metal" and bool(np.isfinite(features[_WAVE_SEEN])) else sensor


def part_flags(features: F8, flags: F8) -> F8:
    """(n, len(PARTS)) by part: 1 it judged that alarm, 0 its sensor was silent, NaN neither.

    features : (n, len(FEATURES)); flags : (n, 2) of radar and metal, see detector.decide.classifier.FLAGS. A silent
    metal detector does not say of which kind it is: that stands with 'metal'.
    """
    wave = np.isfinite(features[:, _WAVE_SEEN]) & (flags[:, 1] == 1.0)
    pulse = np.where(wave, np.nan, flags[:, 1])
    return np.stack((flags[:, 0], pulse, np.where(wave, 1.0, np.nan)), axis=1)


def sensor_model_from(data: Mapping[str, Any], classes: int = len(CLASSES)) -> SensorModel:
    """The part that such stored numbers are; classes : how many it tells apart.

    Raises
    ------
    KeyError, TypeError, ValueError
        if they are not whole or do not fit together.
    """
    names = [str(n) for n in data["features"]]
    n, k = len(names), classes
    columns = np.array([FEATURES.index(name) for name in names], dtype=np.int64)
    trees = data["forest"]
    feature, right = (np.array(trees[key], dtype=np.int64) for key in ("feature", "right"))
    threshold = np.array(trees["threshold"], dtype=np.float64)
    roots = np.array(trees["roots"], dtype=np.int64)
    leaves = np.array(trees["leaves"], dtype=np.float64).reshape(-1, k) / trees["leaf_unit"]
    forest = Forest(roots, feature, threshold, right, leaves, int(trees["leaf_unit"]))
    _check(forest, n)
    arrays = {
        name: np.array(data[name], dtype=np.float64).reshape(shape)
        for name, shape in (("fill", (n,)), ("centre", (n,)), ("scale", (n,)), ("class_centres", (k, n)))
    }
    lower = np.zeros((n, n))
    lower[np.tril_indices(n)] = data["covariance"]
    covariance = lower + np.tril(lower, -1).T
    if not all(np.all(np.isfinite(a)) for a in (*arrays.values(), covariance, threshold, leaves)):
        raise ValueError("it holds numbers that are not finite")
    if np.any(arrays["scale"] <= 0) or not float(data["novelty_limit"]) > 0:
        raise ValueError("a scale is not positive")
    return SensorModel(
        columns=columns, forest=forest, covariance=covariance, novelty_limit=float(data["novelty_limit"]), **arrays
    )


def _check(f: Forest, features: int) -> None:
    """Every walk from a root must end at a leaf that is there: children come after their parents."""
    n = len(f.feature)
    if not len(f.threshold) == len(f.right) == n or n == 0 or len(f.roots) == 0:
        raise ValueError("the trees' arrays differ in length")
    leaf = f.feature < 0
    node = np.arange(n)
    inner = ~leaf
    if (
        np.any(f.feature >= features)
        or np.any((f.right[inner] <= node[inner]) | (f.right[inner] >= n))
        or np.any((f.right[leaf] < 0) | (f.right[leaf] >= len(f.leaves)))
        or not leaf[-1]
        or np.any((f.roots < 0) | (f.roots >= n))
    ):
        raise ValueError("the trees point outside themselves")
