"""Migration of a whole B-scan: diffractions pulled to their apex, for display and for measuring depth.

Offline: they need the B-scan complete and evenly spaced. The streaming chain focuses by
:class:`detector.radar.prescreener.Prescreener`, which sums the same curves row by row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.errors import SampleError
from detector.kernels.focus import stack_places
from detector.kernels.migration import stack_along

F8 = NDArray[np.float64]


def stolt(bscan: NDArray[np.floating], dt_s: float, step_m: float, speed_m_per_s: float) -> F8:
    """Frequency-wavenumber migration at one wave speed.

    The exploding-reflector field at half the speed, v = speed / 2, is carried back to time zero: frequency
    omega becomes v sign(k_z) sqrt(k_z^2 + k_x^2), with the amplitude scaled by |k_z| / sqrt(k_z^2 + k_x^2).
    Edges are padded with zeros to twice the size. Source: Stolt 1978, Geophysics 43, 23-48.

    Parameters
    ----------
    bscan : (n, samples) background-free, sample 0 at the ground's surface
    dt_s, step_m : sampling intervals; speed_m_per_s : in the ground

    Returns
    -------
    (n, samples), same time axis: a point diffractor of two-way time t0 stands at its apex, t0.

    Raises
    ------
    SampleError
        if the B-scan is not two-dimensional or an interval or the speed is not positive.
    """
    _check(bscan, dt_s, step_m, speed_m_per_s)
    n, m = bscan.shape
    rows, cols = 2 * n, 4 * m
    v = 0.5 * speed_m_per_s
    field = np.fft.fft2(bscan, s=(rows, cols))
    field = np.fft.fftshift(field, axes=1)
    omega = 2.0 * np.pi * np.fft.fftshift(np.fft.fftfreq(cols, dt_s))
    kx = 2.0 * np.pi * np.fft.fftfreq(rows, step_m)
    kz = omega / v
    out = np.zeros_like(field)
    d_omega = omega[1] - omega[0]
    for i, k in enumerate(kx):
        wanted = v * np.sign(kz) * np.hypot(kz, k)
        at = (wanted - omega[0]) / d_omega
        whole = np.floor(at).astype(np.int64)
        part = at - whole
        inside = (whole >= 0) & (whole < cols - 1)
        a = np.where(inside, whole, 0)
        value = field[i, a] * (1.0 - part) + field[i, np.minimum(a + 1, cols - 1)] * part
        long = np.hypot(kz, k)
        scale = np.divide(np.abs(kz), long, out=np.zeros_like(long), where=long > 0)
        out[i] = np.where(inside, value * scale, 0.0)
    back = np.fft.ifft2(np.fft.ifftshift(out, axes=1))
    return np.ascontiguousarray(back.real[:n, :m])


def kirchhoff(
    bscan: NDArray[np.floating],
    dt_s: float,
    step_m: float,
    speed_m_per_s: float,
    surface: float = 0.0,
    aperture_m: float = 0.5,
    antenna_m: float = 0.0,
) -> F8:
    """Diffraction stack at one wave speed, with refraction at the surface under a raised antenna.

    Each output sample is the mean, weighted by the cosine of the ray's angle, of the B-scan along the
    diffraction curve through it, cut at the aperture and at the ends. Source: Schneider 1978, Geophysics 43,
    49-76 (far-field term, without the half derivative); refraction by Fermat's principle.

    Parameters
    ----------
    bscan : (n, samples) background-free
    surface : sample of the surface echo; dt_s, step_m : sampling intervals; speed_m_per_s : in the ground
    aperture_m : half width of the stack; antenna_m : height over the ground

    Returns
    -------
    (n, samples); above the surface 0.

    Raises
    ------
    SampleError
        if the B-scan is not two-dimensional or an interval or the speed is not positive.
    """
    _check(bscan, dt_s, step_m, speed_m_per_s)
    n, m = bscan.shape
    half = min(n - 1, max(0, round(aperture_m / step_m)))
    samples = np.arange(int(np.ceil(surface)), m, dtype=np.int64)
    whole, part, inside, _ = stack_places(
        m, surface, dt_s, step_m, half, np.array([speed_m_per_s]), antenna_m, samples
    )
    out = np.zeros((n, m))
    out[:, samples] = stack_along(
        np.ascontiguousarray(bscan, dtype=np.float64), whole[0], part[0], inside[0], samples, float(surface)
    )
    return out


def _check(bscan: NDArray[np.floating], dt_s: float, step_m: float, speed_m_per_s: float) -> None:
    if bscan.ndim != 2 or min(bscan.shape) < 2:
        raise SampleError(f"A B-scan to migrate is (A-scans, samples), at least 2 x 2, not {bscan.shape}.")
    if not (dt_s > 0 and step_m > 0 and speed_m_per_s > 0):
        raise SampleError(
            f"Migration needs positive intervals and speed, not {dt_s:g} s, {step_m:g} m and {speed_m_per_s:g} m/s. "
            "A recording without an odometer has no step: give its sweep speed over its rate."
        )
