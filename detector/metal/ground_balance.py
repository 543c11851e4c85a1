"""Ground balance: the directions in gate space along which soil answers, and what leaving them out costs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.errors import ProfileError
from detector.metal.geometry import MetalGeometry
from detector.samples import StreamKind
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]


class GroundBalanceSettings(Settings):
    exponent: float = quantity(
        1.0, "1", 0.5, 2.0, "viscous soil decays as 1/t^p; p measured between 0.9 and 1.3, log-uniform theory 1"
    )
    pulse_us: float = quantity(
        0.0, "us", 0.0, 1e5, "length T of the transmit pulse: soil decays as t^-p - (t + T)^-p; 0 = not known"
    )
    loss_tangent: float = quantity(
        0.03, "1", 0.0, 0.3, "continuous wave: quadrature over in-phase part of the soil; 0.03 is 4.4 % a decade"
    )
    conductive: bool = False
    """Leave out conductive ground too: t^-2.5 after a pulse, quadrature growing with frequency in a wave."""
    direction: tuple[float, ...] = ()
    """Soil response per value as learned on command, any scale, for all coils or each; empty = by the formula."""
    track_s: float = quantity(5.0, "s", 0.5, 120.0, "time in which the direction follows the soil's own changes")
    track_limit: float = quantity(
        0.0, "tangent", 0.0, 0.5, "largest turn from the direction given, in whitened gates; 0 = do not follow"
    )


def soil_directions(settings: GroundBalanceSettings, geometry: MetalGeometry) -> F8:
    """(channels, k, values) directions to leave out, k = 0 where nothing is known of the soil's answer.

    Pulse induction: magnetic viscosity with log-uniform relaxation times, t^-p - (t + T)^-p. Where the pulse
    length T is not known, t^-p and a constant over the gates, which is what a finite pulse takes off in first
    order. Conductive half space, late time: t^-5/2. Continuous wave: susceptibility of the same soil, in phase
    1 - (2/pi) tan(delta) ln(f / f0) and in quadrature tan(delta), f0 the geometric mean; conductive half
    space at low induction number: quadrature, proportional to f.
    Sources: docs/algorithms-metal.md, "Ground balance".

    Raises
    ------
    ProfileError
        when a learned direction does not fit the head.
    """
    g, coils = geometry.values, geometry.channels
    axis = np.array(geometry.axis)
    formula: list[F8] = []
    conductive: F8 | None = None
    if geometry.kind is StreamKind.METAL_PI and g > 1:
        p = settings.exponent
        t = axis / axis[0]
        formula.append(t**-p)
        if settings.pulse_us > 0.0:
            formula[0] -= (t + settings.pulse_us * 1e-6 / axis[0]) ** -p
        elif g > 3:
            formula.append(np.ones(g))
        conductive = t**-2.5
    elif geometry.kind is StreamKind.METAL_CW and g > 1:
        f = axis / np.exp(np.mean(np.log(axis)))
        formula.append(np.empty(g))
        formula[0][0::2] = 1.0 - 2.0 / np.pi * settings.loss_tangent * np.log(f)
        formula[0][1::2] = settings.loss_tangent
        conductive = np.zeros(g)
        conductive[1::2] = f
    if settings.direction:
        learned = np.array(settings.direction, dtype=np.float64)
        if learned.size not in (g, coils * g) or not np.any(learned):
            raise ProfileError(
                f"metal.ground_balance.direction has {learned.size} numbers, but the head has {g} values per coil "
                f"and {coils} coils. Balance again on this head, or leave it empty."
            )
        per_coil = np.array(np.broadcast_to(learned.reshape(-1, 1, g), (coils, 1, g)))
    else:
        per_coil = np.array(np.broadcast_to(np.reshape(formula, (-1, g)), (coils, len(formula), g)))
    if settings.conductive and conductive is not None and g > per_coil.shape[1] + 1:
        per_coil = np.concatenate((per_coil, np.broadcast_to(conductive, (coils, 1, g))), axis=1)
    # scaled so that no gate unit makes a direction vanish beside its noise
    scale = np.max(np.abs(per_coil), axis=2, keepdims=True, initial=0.0)
    return np.ascontiguousarray(per_coil / np.where(scale > 0.0, scale, 1.0))


def loss_factor(response: F8, soil: F8, noise_covariance: F8) -> float:
    """Share of a target's detectable amplitude that is left after the balance, 0 to 1.

    sqrt(1 - |projection on the soil's directions|^2 / |response|^2) in whitened gates.
    response : (values,) target's gates, any scale; soil : (k, values); noise_covariance : (values, values).
    """
    factor = np.linalg.cholesky(noise_covariance)
    x = np.linalg.solve(factor, response)
    if len(soil) == 0:
        return 1.0
    basis, _ = np.linalg.qr(np.linalg.solve(factor, soil.T))
    whole = float(x @ x)
    along = float(np.sum((basis.T @ x) ** 2))
    return float(np.sqrt(max(0.0, 1.0 - along / whole))) if whole > 0.0 else 0.0
