"""How one sensor's part of the classifier is grown from examples: forest, and the shape of what it was shown."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.decide.evidence import WAVE, sensor_features
from detector.detections import CLASSES, FEATURES
from detector.errors import ModelError

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

TREES: Final = 60
LEAVES: Final = 48
LEAST_IN_LEAF: Final = 5
FEATURE_SHARE: Final = {"radar": 0.2, "metal": 0.5, WAVE: 0.5}
"""Of a part's features, how many a split may choose from. What a metal detector's forest knows stands in a few of them
(decay or relaxation, fitted dipole): with a fifth most splits saw none, so that its leaves stayed mixed and its
probabilities timid."""

LEAF_UNIT: Final = 1000
SEED: Final = 20240501


def grow(
    sensor: str, features: F8, label: I8, weight: F8, names: Sequence[str] = (), classes: int = len(CLASSES)
) -> dict[str, Any]:
    """A sensor's part as stored, its novelty limit left at 1.

    Random forest (Breiman 2001); within-class covariance shrunk after Ledoit and
    Wolf 2004. Seeded and single-threaded: the same examples give the same numbers.

    features : (n, len(FEATURES)), NaN where not seen; label : (n,) index of one of that many classes; weight : (n,) how
    many examples each counts for; names : the features to grow on, all of the sensor's unless given

    Raises
    ------
    ModelError
        without scikit-learn, which the extra 'train' brings.
    """
    try:
        from sklearn.covariance import ledoit_wolf
        from sklearn.ensemble import RandomForestClassifier
    except ImportError as e:
        raise ModelError(
            f"Training needs scikit-learn, which is not installed ({e}). Install it with: pip install "
            "'groundsweep[train]'. Running a model needs no such library."
        ) from e
    names = names or sensor_features(sensor)
    own = features[:, [FEATURES.index(n) for n in names]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a feature that nobody saw has no median
        fill = np.nan_to_num(np.nanmedian(own, axis=0))
        spread = np.nan_to_num(np.nanstd(own, axis=0))
    fill = _significant(fill)
    x = np.where(np.isfinite(own), own, fill)
    trees = RandomForestClassifier(
        TREES,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=LEAST_IN_LEAF,
        max_features=FEATURE_SHARE[sensor],
        random_state=SEED,
    ).fit(x, label, weight)
    scale = np.where(spread > 1e-6, spread, 1.0)
    z = (x - fill) / scale
    k = range(classes)
    centres = np.stack([z[label == c].mean(axis=0) if np.any(label == c) else np.zeros(len(names)) for c in k])
    covariance, _ = ledoit_wolf(z - centres[label], assume_centered=True)
    # a feature that hardly varied in the examples must not make everything else a novelty
    covariance = covariance + 0.05 * np.eye(len(names))
    return {
        "features": list(names),
        "fill": fill.tolist(),
        "forest": _as_arrays(trees, classes),
        "centre": fill.tolist(),
        "scale": _significant(scale).tolist(),
        "class_centres": np.round(centres, 3).tolist(),
        "covariance": np.round(covariance[np.tril_indices(len(names))], 3).tolist(),
        "novelty_limit": 1.0,
    }


def _significant(values: F8) -> F8:
    """Six figures: more than any feature is worth, and what a text file keeps exactly."""
    return np.array([float(f"{v:.6g}") for v in values])


def _as_arrays(trees: Any, classes: int) -> dict[str, Any]:
    """The trees in pre-order, one after the other, leaves in steps of 1 / LEAF_UNIT."""
    feature: list[int] = []
    threshold: list[float] = []
    right: list[int] = []
    leaves: list[list[int]] = []
    roots: list[int] = []
    for one in trees.estimators_:
        t = one.tree_
        roots.append(len(feature))
        todo = [(0, -1)]
        while todo:
            node, parent = todo.pop()
            here = len(feature)
            if parent >= 0:
                right[parent] = here
            if t.children_left[node] < 0:
                share = np.zeros(classes)
                value = t.value[node, 0]
                share[trees.classes_] = value / value.sum()
                feature.append(-1)
                threshold.append(0)
                right.append(len(leaves))
                leaves.append(np.round(LEAF_UNIT * share).astype(int).tolist())
            else:
                feature.append(int(t.feature[node]))
                threshold.append(float(f"{t.threshold[node]:.6g}"))
                right.append(-1)
                todo += [(int(t.children_right[node]), here), (int(t.children_left[node]), -1)]
    return {
        "roots": roots, "feature": feature, "threshold": threshold, "right": right,
        "leaves": [p for leaf in leaves for p in leaf], "leaf_unit": LEAF_UNIT,
    }  # fmt: skip
