"""How metal answers: the few coordinates of a coil's values that its decays span, and the decays in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.metal.geometry import MetalGeometry
from detector.samples import StreamKind

F8 = NDArray[np.float64]

_DECAYS = 12


def target_basis(geometry: MetalGeometry, ranks: int) -> F8:
    """(values, r) coordinates, r <= ranks, that responses of metal span under the noise of such heads.

    Pulse induction: exponential decays over the gates' own range of times, gate noise falling as t^-1/2. Continuous
    wave: single relaxations in phase and quadrature. A head that does not say its axis keeps all its values.
    """
    g = geometry.values
    axis = np.array(geometry.axis, dtype=np.float64)
    sigma = np.ones(g)
    if geometry.kind is StreamKind.METAL_PI and len(axis) == g:
        sigma = np.sqrt(axis[0] / axis)
        taus = np.geomspace(axis[0] / 3.0, axis[-1] * 3.0, 24)
        responses = np.exp(-axis / taus[:, None])
    elif geometry.kind is StreamKind.METAL_CW and 2 * len(axis) == g:
        return _beside_soil(_relaxations(axis, 24), axis, min(g, ranks))
    else:
        return np.eye(g)
    if g <= ranks:
        return np.diag(1.0 / sigma)
    white = responses / sigma
    white /= np.linalg.norm(white, axis=1, keepdims=True)
    basis: F8 = np.linalg.svd(white, full_matrices=False)[2][:ranks].T / sigma[:, None]
    return np.ascontiguousarray(basis)


def _beside_soil(responses: F8, frequencies: F8, ranks: int) -> F8:
    """(2 F, r) orthonormal coordinates: along the soil's answers first, then what responses of metal have beside them.

    Soil swings a thousandfold of what metal gives. Where each coordinate has some of it, the median along the sweep
    shifts in each by another part of these swings once metal lies in its window, and what is left answers as no soil
    does. So it has coordinates of its own: in phase alike at all frequencies (magnetic), lossy with an in-phase part
    that falls as ln f, and, of conducting ground, in quadrature as f.
    """
    log = np.log(frequencies)
    soil = np.zeros((3, 2 * len(frequencies)))
    soil[0, 0::2] = 1.0
    soil[1, 0::2] = -2.0 / np.pi * (log - log.mean())
    soil[1, 1::2] = 1.0
    soil[2, 1::2] = frequencies / frequencies[-1]
    own = np.linalg.qr(soil.T)[0][:, : min(3, 2 * len(frequencies))]
    metal = responses / np.linalg.norm(responses, axis=1, keepdims=True)
    beside = np.linalg.svd(metal - metal @ own @ own.T)[2][: max(0, ranks - own.shape[1])]
    return np.ascontiguousarray(np.concatenate((own.T, beside))[:ranks].T)


def decay_directions(geometry: MetalGeometry, basis: F8) -> F8:
    """(T, r) answers in those coordinates of metal with one time constant each. Steel and thick metal, in which many
    meet, lie between them. None of a head that does not say its axis: (0, r).

    Pulse induction: from a third of the first gate to three times the last. Continuous wave: from a tenth of the
    highest to ten times the lowest frequency's inverse, the thickest of which answers along -I at all frequencies:
    against it, as ferrite does, is along it too.
    """
    axis = np.array(geometry.axis, dtype=np.float64)
    if geometry.kind is StreamKind.METAL_CW and 2 * len(axis) == geometry.values:
        return np.ascontiguousarray(_relaxations(axis, _DECAYS) @ basis)
    if geometry.kind is not StreamKind.METAL_PI or len(axis) != geometry.values:
        return np.empty((0, basis.shape[1]))
    taus = np.geomspace(axis[0] / 3.0, axis[-1] * 3.0, _DECAYS)
    return np.ascontiguousarray(np.exp(-axis / taus[:, None]) @ basis)


def _relaxations(frequencies: F8, count: int) -> F8:
    """(count, 2 F) I and Q of single relaxations: thin conductors answer along +Q, thick ones along -I."""
    wt = frequencies * (np.geomspace(0.1 / frequencies[-1], 10.0 / frequencies[0], count)[:, None])
    out = np.empty((count, 2 * len(frequencies)))
    out[:, 0::2] = -(wt**2) / (1.0 + wt**2)
    out[:, 1::2] = wt / (1.0 + wt**2)
    return out
