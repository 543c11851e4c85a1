"""Inference of the classifier: probabilities from trees, evidence added up, distance from what the model knows."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


@njit(cache=True, nogil=True)
def forest_probabilities(x: F8, roots: I8, feature: I8, threshold: F8, right: I8, leaves: F8) -> F8:
    """Mean of the trees' leaves, in the order of the trees: (K,).

    x : (F,) without NaN; roots : (T,) node at which each tree begins; feature, threshold, right : (N,) nodes in
    pre-order, so that the left child (x <= threshold) is the next node; feature -1 marks a leaf, whose `right` is its
    row of leaves : (L, K).
    """
    k = leaves.shape[1]
    out = np.zeros(k)
    for root in roots:
        node = root
        while feature[node] >= 0:
            node = node + 1 if x[feature[node]] <= threshold[node] else right[node]
        leaf = right[node]
        for c in range(k):
            out[c] += leaves[leaf, c]
    for c in range(k):
        out[c] /= roots.size
    return out


@njit(cache=True, nogil=True)
def softmax(scores: F8) -> F8:
    """exp(scores) over their sum; (K,)."""
    top = -np.inf
    for s in scores:
        top = max(top, s)
    out = np.empty(scores.size)
    total = 0.0
    for c in range(scores.size):
        out[c] = np.exp(scores[c] - top)
        total += out[c]
    for c in range(scores.size):
        out[c] /= total
    return out


@njit(cache=True, nogil=True)
def likelihood_ratio(evidence: F8, log_prior: F8) -> float:
    """Natural log of the likelihood of class 0 over that of all others together, weighed by their priors.

    evidence : (K,) log likelihood of what a sensor saw given each class, up to a common constant
    """
    top = -np.inf
    for c in range(1, evidence.size):
        top = max(top, evidence[c])
    above = 0.0
    below = 0.0
    for c in range(1, evidence.size):
        p = np.exp(log_prior[c])
        above += p * np.exp(evidence[c] - top)
        below += p
    return float(evidence[0] - top - np.log(above / below))


@njit(cache=True, nogil=True)
def mahalanobis(z: F8, seen: NDArray[np.bool_], centre: F8, covariance: F8) -> float:
    """Distance of the seen features from a class, per root of their number: about 1 for its members.

    Solves on the seen features only (their marginal Gaussian). centre : (F,); covariance : (F, F).
    """
    index = np.nonzero(seen)[0]
    n = index.size
    if n == 0:
        return np.inf
    lower = np.zeros((n, n))
    y = np.empty(n)
    total = 0.0
    for i in range(n):
        for j in range(i + 1):
            s = covariance[index[i], index[j]]
            for k in range(j):
                s -= lower[i, k] * lower[j, k]
            if i == j:
                lower[i, i] = np.sqrt(s) if s > 1e-12 else 1e-6
            else:
                lower[i, j] = s / lower[j, j]
        s = z[index[i]] - centre[index[i]]
        for k in range(i):
            s -= lower[i, k] * y[k]
        y[i] = s / lower[i, i]
        total += y[i] * y[i]
    return float(np.sqrt(total / n))
