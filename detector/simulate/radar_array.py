"""Several antennas abreast over one lane, and stepped frequencies in place of a pulse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.simulate.buried import Buried
from detector.simulate.noise import quantise
from detector.simulate.radar_lane import RadarHead
from detector.simulate.scatter import refracted

F8 = NDArray[np.float64]

SPACING_M: Final = 0.12
"""Between neighbouring antennas, m."""


def antenna_places(count: int) -> tuple[float, ...]:
    """Places across the track of so many antennas, m, the middle of all at 0."""
    return tuple((i - 0.5 * (count - 1)) * SPACING_M for i in range(count))


def seen_aside(objects: Sequence[Buried], aside_m: F8, height_m: float, index: float) -> list[Buried]:
    """The objects as an antenna that passes `aside_m` (objects,) beside their middles sees them in its plane.

    Each lies as deep as its refracted ray is long, and narrower across by the square of depth over path: the ray
    leaves antenna and lid aslant. Ground straight below an antenna stays as it is; bodies that reach across the track
    are under every antenna.
    """
    out = []
    for o, aside in zip(objects, aside_m.tolist(), strict=True):
        beyond = max(abs(aside) - 0.5 * o.across_m, 0.0)
        depth = max(o.depth_m, 0.005)
        entry = float(refracted(beyond, height_m, depth, index))
        path = (np.hypot(entry, height_m) - height_m) / index + np.hypot(beyond - entry, depth)
        longer = float(path) - depth
        narrower = (depth + height_m) / (depth + height_m + longer)
        out.append(replace(o, depth_m=o.depth_m + longer, across_m=o.across_m * narrower**2))
    return out


def stepped_frequencies(head: RadarHead) -> F8:
    """Even steps over the pulse's band, fine enough that the whole window is unambiguous, Hz."""
    low, high = 0.35 * head.centre_frequency_hz, 1.8 * head.centre_frequency_hz
    count = int(np.ceil((high - low) * head.samples * head.dt_s * 1.1)) + 1
    return np.linspace(low, high, count)


def stepped_converted(rng: np.random.Generator, head: RadarHead, ascans: F8) -> tuple[NDArray[np.int16], float]:
    """(n, samples) echoes as spectra: (n, 2 F) counts, I and Q per frequency, and the value of one count.

    The spectrum is that of the same echoes: antenna and pulse weigh its frequencies. Noise has the power over the
    whole band that it would have beside the pulse; gain drifts; the converter saturates and steps.
    """
    f = stepped_frequencies(head)
    t = np.arange(head.samples) * head.dt_s
    turn = -2 * np.pi * np.outer(t, f)
    spectra = np.empty((len(ascans), 2 * len(f)))
    spectra[:, 0::2], spectra[:, 1::2] = ascans @ np.cos(turn), ascans @ np.sin(turn)
    sigma = head.noise * float(np.abs(ascans).max()) * np.sqrt(head.samples / 2)
    gain = 1.0 + head.gain_drift * np.cumsum(rng.normal(size=len(ascans))) / np.sqrt(len(ascans))
    spectra = spectra * gain[:, None] + sigma * rng.normal(size=spectra.shape)
    scale = head.full_scale * float(np.abs(spectra).max()) / 2**15
    return quantise(spectra, scale, np.dtype("<i2")), scale
