"""How a model is made: alarm tails from target-free ground, softmax regression from known objects.

Small on purpose: a few lanes hold a few dozen objects, so the model is linear, ridge-regularised
and calibrated on lanes that it was not fitted to. Splits are by lane, never by sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from detector.decide.alarm import Tail
from detector.decide.classifier import FLAGS, MODEL_FORMAT, MODEL_VERSION
from detector.decide.search import Signal
from detector.detections import CLASSES, FEATURES
from detector.errors import ModelError

F8 = NDArray[np.float64]


LEAST_PER_M: Final = 0.2
"""Peaks a metre that a tail is fitted to, where there are so many: twice what the default profile asks for."""


@dataclass(frozen=True, slots=True)
class Example:
    """An alarm on an object that is known."""

    lane: str
    inputs: F8
    """(len(FEATURES) + len(FLAGS),), NaN where not seen."""
    label: int
    """Index into CLASSES."""


def fit_tail(scores: Sequence[float], clean_m: float) -> Tail:
    """Exponential tail of the peak scores on target-free ground.

    The level is the median of the peaks, or their 80 % quantile where that leaves 15 above it, but no higher than
    leaves `LEAST_PER_M` above it: a threshold below the level would be a guess. The maximum-likelihood scale of an
    exponential is the mean excess (Pickands 1975; Coles 2001, ch. 4, shape 0). Ground with a lighter tail alarms
    less often than asked, never more.

    Parameters
    ----------
    scores : peak scores on ground where nothing is known to lie
    clean_m : metres of such ground, over all recordings
    """
    if len(scores) < 8 or clean_m <= 0:
        raise ModelError(
            f"Only {len(scores)} peaks on {clean_m:.1f} m of target-free ground: at least 8 are needed "
            "to say how often clean ground alarms. Add recordings of clean lanes."
        )
    s = np.sort(np.asarray(scores, dtype=np.float64))
    most = max(0.0, 1.0 - LEAST_PER_M * clean_m / len(s))
    level = float(np.quantile(s, min(0.8 if len(s) >= 75 else 0.5, most)))
    above = s[s > level]
    return Tail(level=level, scale=float(np.mean(above - level)), rate_per_m=len(above) / clean_m)


def signal_peaks(signals: Sequence[Signal], radius_m: float) -> list[tuple[float, float]]:
    """(x m, strength) of the signals that are the strongest of their channel within +-radius_m.

    A head that stands out for ten records running has sounded once, not ten times.
    """
    found = []
    for channel in sorted({(s.stream, s.channel) for s in signals}):
        mine = sorted((s.x_m, s.strength) for s in signals if (s.stream, s.channel) == channel)
        x = np.array([m[0] for m in mine])
        strength = np.array([m[1] for m in mine])
        for i, (here, own) in enumerate(mine):
            a, b = np.searchsorted(x, [here - radius_m, here + radius_m])
            if own >= strength[a:b].max() and int(np.argmax(strength[a:b])) + a == i:
                found.append((here, own))
    return found


def untrained(tails: dict[str, Tail]) -> dict[str, Any]:
    """A model that knows nothing and so calls everything unknown: where training starts."""
    n, k = len(FEATURES) + len(FLAGS), len(CLASSES)
    return _as_data(
        "untrained",
        np.zeros(n),
        np.ones(n),
        np.zeros((k, n)),
        np.zeros(k),
        1.0,
        np.zeros((k, n)),
        np.stack([np.eye(n)] * k),
        1e-9,
        0.0,
        tails,
        {"note": "knows nothing"},
    )


def fit_model(
    name: str, examples: Sequence[Example], tails: dict[str, Tail], provenance: dict[str, Any], ridge: float = 0.05
) -> dict[str, Any]:
    """Fit, calibrate and pack a model.

    Weights by ridge-regularised maximum likelihood, every alarm counted alike so that probabilities hold at the
    frequencies of the training lanes; temperature (Guo et
    al. 2017) by leave-one-lane-out log loss; class Gaussians with shrinkage 0.3 towards the pooled
    diagonal (Ledoit-Wolf style); the novelty limit is the 97.5 % quantile of leave-one-lane-out
    distances, so about one known object in forty is called unknown, and dug.
    """
    x = np.array([e.inputs for e in examples])
    y = np.array([e.label for e in examples])
    lanes = np.array([e.lane for e in examples])
    if len(set(y.tolist())) < len(CLASSES) or len(set(lanes.tolist())) < 3:
        raise ModelError(
            "Training needs objects of every class (" + ", ".join(CLASSES) + ") on at least 3 lanes; "
            f"there are {len(examples)} alarms of {len(set(y.tolist()))} classes on {len(set(lanes.tolist()))} lanes."
        )
    held_logits, held_y, held_distance = [], [], []
    for lane in sorted(set(lanes.tolist())):
        inside = lanes != lane
        if len(set(y[inside].tolist())) < len(CLASSES):
            continue
        fit = _fit(x[inside], y[inside], ridge)
        z = _standard(x[~inside], fit.centre, fit.scale)
        held_logits.append(z @ fit.weights.T + fit.bias)
        held_y.append(y[~inside])
        held_distance += [_distance(v, np.isfinite(r), fit) for v, r in zip(z, x[~inside], strict=True)]
    logits, truth = np.concatenate(held_logits), np.concatenate(held_y)

    def log_loss(log_t: float) -> float:
        p = logits / np.exp(log_t)
        p = p - p.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(p).sum(axis=1)) - p[np.arange(len(truth)), truth]))

    best = optimize.minimize_scalar(log_loss, bounds=(-1.0, 3.0), method="bounded")
    temperature = float(np.exp(best.x))
    right = float(np.mean(np.argmax(logits, axis=1) == truth))
    fit = _fit(x, y, ridge)
    provenance = {
        **provenance,
        "examples": len(examples),
        "lanes": sorted(set(lanes.tolist())),
        "leave_one_lane_out": {"accuracy": round(right, 4), "log_loss": round(float(best.fun), 4), "n": len(truth)},
        "ridge": ridge,
    }
    return _as_data(
        name,
        fit.centre,
        fit.scale,
        fit.weights,
        fit.bias,
        temperature,
        fit.class_centres,
        fit.class_covariances,
        float(np.quantile(held_distance, 0.975)),
        _clutter_limit(logits / temperature, truth),
        tails,
        provenance,
    )


def _clutter_limit(logits: F8, truth: NDArray[np.int64]) -> float:
    """Half the probability that the least mine-like held-out mine in 200 was given; fewer mines, their least one."""
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    mines = (p[:, 0] / p.sum(axis=1))[truth == 0]
    return 0.5 * float(np.quantile(mines, 0.005, method="lower"))


@dataclass(frozen=True, slots=True)
class _Fit:
    centre: F8
    scale: F8
    weights: F8
    bias: F8
    class_centres: F8
    class_covariances: F8


def _standard(x: F8, centre: F8, scale: F8) -> F8:
    return np.where(np.isfinite(x), (np.where(np.isfinite(x), x, 0.0) - centre) / scale, 0.0)


def _fit(x: F8, y: NDArray[np.int64], ridge: float) -> _Fit:
    seen = np.isfinite(x)
    count = np.maximum(seen.sum(axis=0), 1)
    centre = np.where(seen, x, 0.0).sum(axis=0) / count
    variance = (np.where(seen, x - centre, 0.0) ** 2).sum(axis=0) / count
    scale = np.where(variance > 1e-12, np.sqrt(variance), 1.0)
    z = _standard(x, centre, scale)
    n, f = z.shape
    k = len(CLASSES)
    weight = np.full(n, 1.0 / n)

    def loss(w: F8) -> tuple[float, F8]:
        weights, bias = w[: k * f].reshape(k, f), w[k * f :]
        s = z @ weights.T + bias
        s -= s.max(axis=1, keepdims=True)
        p = np.exp(s)
        p /= p.sum(axis=1, keepdims=True)
        d = p.copy()
        d[np.arange(n), y] -= 1.0
        d *= weight[:, None]
        value = -float(weight @ np.log(p[np.arange(n), y])) + 0.5 * ridge * float((weights**2).sum())
        return value, np.concatenate(((d.T @ z + ridge * weights).ravel(), d.sum(axis=0)))

    found = optimize.minimize(loss, np.zeros(k * f + k), jac=True, method="L-BFGS-B", options={"maxiter": 2000})
    class_centres = np.stack([z[y == c].mean(axis=0) for c in range(k)])
    residual = z - class_centres[y]
    diagonal = np.diag(np.maximum((residual**2).mean(axis=0), 0.05))
    covariances = []
    for c in range(k):
        r = residual[y == c]
        # few examples a class: half its own scatter, half the pooled one, then shrunk to the diagonal
        own = (r.T @ r) / max(len(r), 1)
        pooled = (residual.T @ residual) / n
        covariances.append(0.7 * (0.5 * own + 0.5 * pooled) + 0.3 * diagonal)
    return _Fit(
        centre, scale, found.x[: k * f].reshape(k, f), found.x[k * f :], class_centres, np.stack(covariances)
    )


def _distance(z: F8, seen: NDArray[np.bool_], fit: _Fit) -> float:
    best = np.inf
    for c in range(len(CLASSES)):
        d = (z - fit.class_centres[c])[seen]
        s = fit.class_covariances[c][np.ix_(seen, seen)]
        best = min(best, float(np.sqrt(d @ np.linalg.solve(s, d) / max(len(d), 1))))
    return best


def _as_data(
    name: str,
    centre: F8,
    scale: F8,
    weights: F8,
    bias: F8,
    temperature: float,
    class_centres: F8,
    class_covariances: F8,
    novelty_limit: float,
    clutter_limit: float,
    tails: dict[str, Tail],
    provenance: dict[str, Any],
) -> dict[str, Any]:
    def rounded(a: F8) -> Any:
        return np.round(a, 6).tolist()

    return {
        "format": MODEL_FORMAT,
        "version": MODEL_VERSION,
        "name": name,
        "classes": list(CLASSES),
        "features": [*FEATURES, *FLAGS],
        "centre": rounded(centre),
        "scale": rounded(np.maximum(scale, 1e-6)),
        "weights": rounded(weights),
        "bias": rounded(bias),
        "temperature": round(temperature, 6),
        "class_centres": rounded(class_centres),
        "class_covariances": rounded(class_covariances),
        "novelty_limit": novelty_limit if novelty_limit < 1e-6 else round(novelty_limit, 6),
        "least_features": 8,
        "clutter_limit": round(clutter_limit, 6),
        "tails": {
            s: {"level": round(t.level, 6), "scale": round(t.scale, 6), "rate_per_m": round(t.rate_per_m, 6)}
            for s, t in tails.items()
        },
        "provenance": provenance,
    }
