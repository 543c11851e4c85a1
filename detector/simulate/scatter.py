"""Radar echoes of many small reflectors through a flat interface: the inner loop of the simulated lane."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

C_M_PER_S = 299_792_458.0


@njit(cache=True)
def refracted(offset: float, height: float, depth: float, index: float) -> float:
    """Horizontal distance at which a ray from `height` above the surface enters soil to reach (offset, depth), m.

    Snell's law by bisection on the entry point; offset, height, depth in m, all >= 0; index = refractive index of soil.
    """
    lo = 0.0
    hi = offset
    for _ in range(40):
        mid = 0.5 * (lo + hi)
        down = np.sqrt(mid * mid + height * height)
        under = np.sqrt((offset - mid) ** 2 + depth * depth)
        # sin(air) - n sin(soil) rises with the entry point
        if mid * under > index * (offset - mid) * down:
            hi = mid
        else:
            lo = mid
    return 0.5 * (lo + hi)


@njit(cache=True)
def ray_table(n_offsets: int, n_depths: int, spacing: float, height: float, index: float) -> F8:
    """One-way rays on a grid of offset and depth: (n_offsets, n_depths, 3) time s, soil path m, cosine in air."""
    out = np.empty((n_offsets, n_depths, 3))
    for i in range(n_offsets):
        for k in range(n_depths):
            offset = i * spacing
            depth = k * spacing
            entry = refracted(offset, height, depth, index)
            air = np.sqrt(entry * entry + height * height)
            soil = np.sqrt((offset - entry) ** 2 + depth * depth)
            out[i, k, 0] = (air + index * soil) / C_M_PER_S
            out[i, k, 1] = soil
            out[i, k, 2] = height / air if air > 0.0 else 1.0
    return out


@njit(cache=True)
def add_echoes(
    out: F8,
    antenna_x: F8,
    antenna_height: F8,
    tilt: F8,
    elevation: F8,
    elevation_x0: float,
    elevation_step: float,
    x: F8,
    depth: F8,
    normal_x: F8,
    area: F8,
    width_y: F8,
    delay: F8,
    table: F8,
    spacing: float,
    table_height: float,
    index: float,
    separation: float,
    pattern: float,
    dt: float,
    frequency: float,
    loss_np_per_m: float,
    path_step: float,
    aperture: float,
    entry: float,
    facing: bool,
) -> None:
    """Deposit the echo of every reflector into every A-scan within its aperture.

    Physical optics: dE = G dA cos / (2 pi c R_t R_r) d/dt s(t - T), with R = air path + soil path / n the spread of a
    refracted spherical wave, normalised so that an infinite mirror returns s / (2 R). `out` is
    (n, paths, samples): the soil path decides which dispersive loss the echo meets later; within a path bin the loss
    at the centre frequency corrects the difference. Echoes are split between two samples linearly.

    antenna_x, antenna_height, tilt : (n,) m, m, rad; elevation : surface above its mean plane, m, on a grid
    x, depth, normal_x, area, width_y, delay : (m,) reflectors sorted by x: place m, depth below the mean plane m,
        sine of the normal's lean, reflection coefficient times length along the track m, extent across it m,
        further two-way delay s
    entry : where rays cross the surface, as a share of the way to the reflector
    facing : weight by the cosine to the normal (surfaces), else not (volume scatterers)
    """
    n, paths, samples = out.shape
    n_offsets, n_depths, _ = table.shape
    omega = 2.0 * np.pi * frequency
    first = 0
    for i in range(n):
        while first < x.size and x[first] < antenna_x[i] - aperture:
            first += 1
        for e in range(first, x.size):
            dx = x[e] - antenna_x[i]
            if dx > aperture:
                break
            j = int((antenna_x[i] + entry * dx - elevation_x0) / elevation_step + 0.5)
            rise = elevation[min(max(j, 0), elevation.size - 1)]
            z = max(depth[e] + rise, 0.0)
            h = antenna_height[i] - rise
            time = delay[e]
            soil = 0.0
            spread = 1.0
            weight = 1.0
            cosine = 0.0
            for leg in range(2):
                side = 0.5 * separation if leg else -0.5 * separation
                offset = abs(dx - side)
                fi = offset / spacing
                fk = z / spacing
                ii = min(int(fi), n_offsets - 2)
                kk = min(int(fk), n_depths - 2)
                a = min(fi - ii, 1.0)
                b = min(fk - kk, 1.0)
                w00 = (1 - a) * (1 - b)
                w01 = (1 - a) * b
                w10 = a * (1 - b)
                w11 = a * b
                t = (
                    w00 * table[ii, kk, 0] + w01 * table[ii, kk + 1, 0]
                    + w10 * table[ii + 1, kk, 0] + w11 * table[ii + 1, kk + 1, 0]
                )  # fmt: skip
                path = (
                    w00 * table[ii, kk, 1] + w01 * table[ii, kk + 1, 1]
                    + w10 * table[ii + 1, kk, 1] + w11 * table[ii + 1, kk + 1, 1]
                )  # fmt: skip
                ca = (
                    w00 * table[ii, kk, 2] + w01 * table[ii, kk + 1, 2]
                    + w10 * table[ii + 1, kk, 2] + w11 * table[ii + 1, kk + 1, 2]
                )  # fmt: skip
                # the table holds one height: another one lengthens the ray by its share along the ray
                dh = h + side * tilt[i] - table_height
                time += t + dh * ca / C_M_PER_S
                soil += path
                spread *= max(h, 0.005) / max(ca, 0.1) + path / index
                weight *= ca**pattern
                if facing:
                    deep = z / path if path > 1e-6 else ca
                    across = (dx - side) / path if path > 1e-6 else 0.0
                    lean = np.sqrt(1.0 - normal_x[e] ** 2)
                    cosine += 0.5 * max(0.0, deep * lean + across * -normal_x[e])
            p = time / dt
            k = int(p)
            if k < 0 or k >= samples - 1:
                continue
            zone = np.sqrt(C_M_PER_S * np.sqrt(spread) / (2.0 * frequency))
            amplitude = area[e] * min(width_y[e], zone) * weight * omega / (2.0 * np.pi * C_M_PER_S * spread)
            if facing:
                amplitude *= cosine
            # reflectors fade towards the edge of the aperture, so that the edge itself makes no echo
            edge = (abs(dx) / aperture - 0.7) / 0.3
            if edge > 0.0:
                amplitude *= 0.5 + 0.5 * np.cos(np.pi * min(edge, 1.0))
            q = min(int(soil / path_step + 0.5), paths - 1)
            amplitude *= np.exp(-loss_np_per_m * (soil - q * path_step))
            out[i, q, k] += amplitude * (1.0 - (p - k))
            out[i, q, k + 1] += amplitude * (p - k)
