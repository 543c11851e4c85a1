"""From what each sensor says to one calibrated probability, and from there to what may be called clutter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy
from numpy.typing import NDArray

from detector.decide.evidence import PARTS, sensor_of
from detector.detections import CLASSES

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

RIDGE: Final = 0.01
"""Pull towards plain addition of log likelihoods."""

CLUTTER_LOSS: Final = 0.01
"""Share of mines that may be called clutter, at the upper end of a one-sided 95 % Clopper-Pearson bound."""

STRANGE_LAND: Final = 0.5
"""Of that limit is used: the bound holds on lanes like the held-out ones, and the next country is not like them. On
lanes of another simulator the whole limit called one steel anti-tank mine of 19 clutter, half of it none."""


@dataclass(frozen=True)
class Fused:
    """Second level: see :class:`detector.decide.classifier.Model`."""

    log_prior: F8
    weight: dict[str, float]
    silent: dict[str, F8]

    def probabilities(self, logs: Mapping[str, F8], flags: F8) -> F8:
        """(n, K); logs : part to (n, K) log probabilities, read where its flag is 1; flags : (n, len(PARTS))."""
        scores = np.tile(self.log_prior, (len(flags), 1))
        for i, part in enumerate(PARTS):
            if part in self.weight:
                alarmed = self.weight[part] * (logs[part] - self.log_prior)
                scores = scores + np.where(flags[:, i : i + 1] == 1.0, alarmed, 0.0)
            if part in self.silent:
                scores = scores + np.where(flags[:, i : i + 1] == 0.0, self.silent[part], 0.0)
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(p / p.sum(axis=1, keepdims=True))


def fuse(logs: Mapping[str, F8], flags: F8, label: I8, weight: F8) -> Fused:
    """Weights of the sensors' log likelihoods, log likelihoods of silence, and prior, on held-out judgements.

    Penalised maximum likelihood, drawn towards naive addition: weight 1, the share of each class that a sensor missed,
    the frequencies of the classes. Being fitted on held-out judgements it is also their calibration (Platt 1999;
    stacking, Wolpert 1992).

    logs : part to (n, K) held-out log probabilities, read where its flag is 1; flags : (n, len(PARTS)), see part_flags;
    weight : (n,) how many examples each counts for
    """
    k, n = len(CLASSES), len(label)
    part = weight / weight.sum()
    share = (np.bincount(label, weights=weight, minlength=k) + 1.0) / (weight.sum() + k)
    names = [part for part in PARTS if part in logs]
    silent = [part for part in PARTS if part in {sensor_of(name) for name in names}]
    start = [np.ones(len(names)), np.log(share)]
    for sensor in silent:
        missed = flags[:, PARTS.index(sensor)] == 0.0
        of = [(weight[label == c].sum(), weight[missed & (label == c)].sum()) for c in range(k)]
        rate = np.array([(quiet + 1.0) / (all_of_it + 2.0) for all_of_it, quiet in of])
        start.append(np.log(rate / float(share @ rate)))
    first = np.concatenate(start)

    def made(theta: F8) -> Fused:
        m = len(names)
        return Fused(
            theta[m : m + k],
            {s: float(theta[i]) for i, s in enumerate(names)},
            {s: theta[m + k + i * k : m + 2 * k + i * k] for i, s in enumerate(silent)},
        )

    def loss(theta: F8) -> float:
        p = made(theta).probabilities(logs, flags)
        return -float(part @ np.log(p[np.arange(n), label])) + RIDGE * float(((theta - first) ** 2).sum())

    return made(np.asarray(scipy.optimize.minimize(loss, first, method="L-BFGS-B").x))


def clutter_limit(p_mine: F8, is_mine: NDArray[np.bool_], objects: Sequence[str]) -> float:
    """Probability of a mine under which an alarm may be called clutter.

    STRANGE_LAND times the largest order statistic of held-out mines under which, with 95 % confidence, at most
    CLUTTER_LOSS of all mines lie (Wilks 1941; the same as a one-sided Clopper-Pearson bound). A mine swept several
    times counts once, with its least probability. 0, so that nothing is called clutter, where there are fewer than
    299 mines: too few to show it.
    """
    least: dict[str, float] = {}
    for p, mine, name in zip(p_mine.tolist(), is_mine.tolist(), objects, strict=True):
        if mine:
            least[name] = min(p, least.get(name, 1.0))
    ranked = sorted(least.values())
    n = len(ranked)
    k = 0
    while k < n and float(scipy.stats.beta.ppf(0.95, k + 1, n - k)) <= CLUTTER_LOSS:
        k += 1
    return STRANGE_LAND * ranked[k - 1] if k else 0.0


def pairs_in_order(value: F8, higher: NDArray[np.bool_]) -> float:
    """Share of pairs in which the one of `higher` has the higher value, ties half (Mann and Whitney 1947)."""
    n, m = int(higher.sum()), int((~higher).sum())
    return (float(scipy.stats.rankdata(value)[higher].sum()) - n * (n + 1) / 2) / (n * m)


def held_out_figures(p: F8, label: I8, limit: float) -> dict[str, Any]:
    """What the held-out judgements were worth: for the record that a model carries."""
    mine = label == 0
    m, c = int(mine.sum()), int((~mine).sum())
    called = p[:, 0] < limit
    return {
        "alarms": len(label),
        "auc_mine_clutter": round(pairs_in_order(p[:, 0], mine), 4),
        "log_loss": round(-float(np.mean(np.log(p[np.arange(len(label)), label]))), 4),
        "clutter_called_clutter": [int(np.sum(called & ~mine)), c],
        "mines_called_clutter": [int(np.sum(called & mine)), m],
    }
