"""The metal chain as a good user of numpy and scipy would write it: stage by stage over the whole recording.

One coil, pulse induction, nominal speed. The same stages and outputs as detector/metal, in the form that arrays serve
best: where the product goes from reading to reading, this takes linear filters and blocks. What it leaves out, each of
which makes it quicker: the baseline of the search does not hold under a target; no step of a running mean is bounded;
mains are fitted with one frequency for the whole recording; a value that is stuck alone is not sought; a place is
strange by the ground found so far, twice over; windows are mirrored at the ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import ndimage, signal

from detector.metal.answers import decay_directions, target_basis
from detector.metal.geometry import MetalGeometry
from detector.metal.ground_balance import GroundBalanceSettings, soil_directions

F8 = NDArray[np.float64]

BLOCK = 256
"""Readings between two takings over of the noise, and half those that a fit of the mains sees."""


@dataclass(frozen=True)
class Found:
    """What the chain gives, reading by reading."""

    gates: F8
    """(n, gates) offset and drift removed."""
    soil_share: F8
    """(n,)"""
    search: F8
    """(n,)"""
    marks: NDArray[np.uint8]
    """(n,)"""
    energy: F8
    """(n, widths)"""


def scipy_chain(x: F8, g: MetalGeometry) -> Found:
    """Readings (n, gates) of one coil through trust, impulses, mains, search and response."""
    marks = trust(x, g)
    x = less_mains(less_impulses(x), g.rate_hz)
    factor = noise_factors(x, g)
    gates, share, statistic, soily = search(x, factor, g)
    return Found(gates, share, statistic, marks | soily, response(x, factor, g))


def running_mean(x: F8, gain: float, begun: int = 1) -> F8:
    """Exponential mean down the columns, begun with the mean of the first rows."""
    start = (1.0 - gain) * x[:begun].mean(axis=0, keepdims=True)
    return np.asarray(signal.lfilter([gain], [1.0, gain - 1.0], x, axis=0, zi=start)[0])


def trust(x: F8, g: MetalGeometry) -> NDArray[np.uint8]:
    """Saturated 1; frozen, ten readings alike, 2."""
    saturated = ~((x > g.low) & (x < g.high)).all(axis=1)
    alike = np.zeros(len(x), bool)
    alike[1:] = (x[1:] == x[:-1]).all(axis=1)
    frozen = ndimage.uniform_filter1d(alike.astype(np.float64), 10, origin=4) > 0.999
    return (saturated + 2 * frozen).astype(np.uint8)


def less_impulses(x: F8) -> F8:
    """Median of five where a reading is eight running mean distances away."""
    middle = ndimage.median_filter(x, size=(5, 1))
    away = np.zeros_like(x)
    away[1:-1] = np.abs(x[1:-1] - 0.5 * (x[:-2] + x[2:]))
    return np.where(np.abs(x - middle) > 8.0 * running_mean(away, 1.0 / 128.0), middle, x)


def less_mains(x: F8, rate_hz: float) -> F8:
    """Harmonics, an offset and a slope by least squares in windows of 512 that overlap by half, faded into each other.

    First at 50 Hz; the phase's advance from window to window tells the frequency for the second fit. (Five notches
    are no quicker and ring.)
    """
    n, width = x.shape
    count = -(-n // BLOCK) + 1
    padded = np.concatenate((x[:1].repeat(BLOCK, 0), x, x[-1:].repeat(count * BLOCK - n, 0)))
    blocks = padded.reshape(count + 1, BLOCK, width)
    windows = np.concatenate((blocks[:-1], blocks[1:]), axis=1)
    t = np.arange(2 * BLOCK)
    line = np.stack((np.ones(2 * BLOCK), t / BLOCK - 1.0))
    h = np.arange(1, 6)[:, None]

    def fitted(frequency: float) -> tuple[F8, F8]:
        phase = 2.0 * np.pi * h * frequency / rate_hz * t
        hum = np.concatenate((np.cos(phase), np.sin(phase)))
        return hum, (np.linalg.pinv(np.concatenate((hum, line)).T)[:10] @ windows)

    coefficients = fitted(50.0)[1][:, [0, 5]]
    phasor = coefficients[:, 0] - 1j * coefficients[:, 1]
    turn = np.sum(phasor[1:] * phasor[:-1].conj()) * np.exp(-2j * np.pi * 50.0 / rate_hz * BLOCK)
    hum, weights = fitted(50.0 + float(np.angle(turn)) * rate_hz / (2.0 * np.pi * BLOCK))
    fade = np.sin(np.pi * (t + 0.5) / (2 * BLOCK)) ** 2
    parts = (hum * fade).T @ weights
    cleaned = blocks[1:-1] - parts[:-1, BLOCK:] - parts[1:, :BLOCK]
    return np.asarray(cleaned.reshape(-1, width)[:n])


def noise_factors(x: F8, g: MetalGeometry) -> F8:
    """(blocks, gates, gates) Cholesky factors of the noise, from second differences up to each block, shrunk."""
    third = x[: (len(x) - 2) // 3 * 3 + 2]
    e = (third[2::3] - 2.0 * third[1:-1:3] + third[:-2:3]) / np.sqrt(6.0)
    per = BLOCK // 3
    blocks = e[: len(e) // per * per].reshape(-1, per, g.values)
    covariance = blocks.transpose(0, 2, 1) @ blocks / per
    gain = BLOCK / (2.0 * g.rate_hz)
    known = running_mean(covariance.reshape(len(blocks), -1), gain).reshape(covariance.shape)
    diagonal = np.einsum("bpp->bp", known)[:, :, None] * np.eye(g.values)
    factors = np.linalg.cholesky(0.9 * known + 0.1 * diagonal + g.lsb**2 / 12.0 * np.eye(g.values))
    # a block is whitened by what came before it; the first by its own
    return factors[np.clip(np.arange(-(-len(x) // BLOCK)) - 1, 0, len(factors) - 1)]


def search(x: F8, factor: F8, g: MetalGeometry) -> tuple[F8, F8, F8, NDArray[np.uint8]]:
    """Gates less their baseline, soil's share, the causal statistic, mark of soil."""
    n, width = x.shape
    fast, slow = 1.0 / (1.0 + 25e-3 * g.rate_hz), 1.0 / g.rate_hz
    smooth = running_mean(x, fast, 64)
    # b <- b + v + slow (x - b), v <- v + slow^2 / 4 (x - b), as one filter from x to x - b
    b = np.array([1.0, -2.0, 1.0])
    a = np.array([1.0, slow + 0.25 * slow**2 - 2.0, 1.0 - slow])
    gates = np.asarray(signal.lfilter(b, a, x - x[:64].mean(axis=0), axis=0))
    z = smooth - x + gates
    padded = np.zeros((len(factor) * BLOCK, width))
    padded[:n] = z
    inverse = np.linalg.inv(factor)
    white = padded.reshape(len(factor), BLOCK, width) @ inverse.transpose(0, 2, 1)
    soil = np.linalg.qr(inverse @ soil_directions(GroundBalanceSettings(), g)[0].T)[0]
    along = (white @ soil).reshape(-1, soil.shape[2])[:n] ** 2
    whole = np.einsum("brg,brg->br", white, white).ravel()[:n]
    slowly = 1.0 / (4.0 * g.rate_hz)
    usual = running_mean(np.minimum(along, 4.0 * np.median(along, axis=0)), slowly, 1000) / (fast / (2.0 - fast))
    energy = whole - along.sum(axis=1) + (along / np.maximum(1.0, usual)).sum(axis=1)
    energy /= width * fast / (2.0 - fast)
    share = along.sum(axis=1) / np.maximum(whole, 1e-300)
    level = running_mean(np.minimum(energy, 4.0 * np.median(energy))[:, None], slowly, 1000)[:, 0]
    usual_share = running_mean(share[:, None], slowly, 1000)[:, 0]
    soily = np.where((level > 36.0) & (usual_share > 0.5), 8, 0).astype(np.uint8)
    return gates, share, energy / np.maximum(1.0, level), soily


def response(x: F8, factor: F8, g: MetalGeometry) -> F8:
    """(n, 3) energies along decays after three Gaussians, over noise and ground, less the worst of three baselines."""
    widths_m = np.geomspace(0.1, 0.3, 3)
    sigma = widths_m / 2.3548 / g.step_m
    every = max(1, int(sigma[0] / 4.0))
    step = g.step_m * every
    half = round(1.0 / step)
    basis = target_basis(g, 5)
    r = basis.shape[1]
    decays = decay_directions(g, basis)
    cells = x[: len(x) // every * every].reshape(-1, every, g.values).mean(axis=1) @ basis
    swings = cells[: 2 * half + 1][(apart := max(1, round(0.15 / step))) :] - cells[: 2 * half + 1][:-apart]
    forth = np.linalg.inv(unit_factor(ground_covariance(swings)))
    turned = cells @ forth.T
    deviations = np.stack([turned - b for b in (lines(turned, half), *middles(turned, half))])
    deviations = deviations @ np.linalg.inv(forth).T
    noise = np.einsum("bgr,bgs->brs", turned_factor := factor.transpose(0, 2, 1) @ basis, turned_factor)
    newest = noise[np.minimum((np.arange(len(cells)) + half) * every // BLOCK, len(noise) - 1)]
    found = np.empty((len(cells), 3))
    for k, s in enumerate(sigma / every):
        taps = np.exp(-0.5 * (np.arange(-np.ceil(3.0 * s), np.ceil(3.0 * s) + 1.0) / s) ** 2)
        taps /= taps.sum()
        v = ndimage.correlate1d(deviations, taps, axis=1)
        found[:, k] = along_decays(v, newest * (taps @ taps / every), decays, step, 2 * half + 1) / r
    middle = (np.arange(len(cells)) + 0.5) * every - 0.5
    return np.stack([np.interp(np.arange(len(x)), middle, column) for column in found.T], axis=1)


def ground_covariance(rows: F8) -> F8:
    """(r, r), places weighed by their energy against the quiet quarter's, three times."""
    energy = np.einsum("nr,nr->n", rows, rows)
    for _ in range(4):
        usual = np.quantile(energy, 0.25)
        weight = np.minimum(1.0, usual / energy) * np.minimum(1.0, 10.0 * usual / energy)
        covariance = (rows.T * weight) @ rows / weight.sum()
        energy = np.einsum("nr,nr->n", rows @ np.linalg.inv(covariance), rows)
    return np.asarray(covariance)


def unit_factor(covariance: F8) -> F8:
    """Lower factor with ones on its diagonal."""
    factor = np.linalg.cholesky(covariance)
    return np.asarray(factor / np.diag(factor))


def middles(rows: F8, half: int) -> tuple[F8, F8]:
    """Running medians, and means of the shortest stretch that holds 35 % of the values. One sort serves both."""
    n = 2 * half + 1
    ordered = np.sort(sliding_window_view(np.pad(rows, ((half, half), (0, 0)), "reflect"), n, axis=0), axis=2)
    many = int(0.35 * n)
    first = np.argmin(ordered[:, :, many - 1 :] - ordered[:, :, : n - many + 1], axis=2)
    held = np.take_along_axis(ordered, first[:, :, None] + np.arange(many), axis=2)
    return ordered[:, :, half], held.mean(axis=2)


def lines(rows: F8, half: int) -> F8:
    """Lines through the quieter half of the medians of blocks in each window: Theil and Sen, then concentration."""
    n, width = rows.shape
    every = max(1, (2 * half + 1) // 48)
    points = np.median(rows[: n // every * every].reshape(-1, every, width), axis=1)
    whole = 2 * ((half + 1) // every - 2) + 2
    windows = sliding_window_view(points, whole, axis=0)[::2]
    x = np.arange(whole) - 0.5 * (whole - 1)
    i, j = np.meshgrid(x[::3], x[::3], indexing="ij")
    p, q = np.nonzero(j - i >= whole // 4)
    slope = np.median((windows[..., 3 * q] - windows[..., 3 * p]) / (3.0 * (q - p)), axis=2)
    level = np.median(windows - slope[..., None] * x, axis=2)
    for times in (1.0,) * 7 + (4.0,):
        off = windows - level[..., None] - slope[..., None] * x
        size = np.abs(off)
        near = size <= times * np.partition(size, whole // 2, axis=2)[..., whole // 2, None]
        m, sx, sxx = near.sum(axis=2), near @ x, near @ (x * x)
        near_off = np.where(near, off, 0.0)
        sy, sxy = near_off.sum(axis=2), near_off @ x
        turn = (sxy - sx * sy / m) / np.maximum(sxx - sx * sx / m, 1e-300)
        level, slope = level + (sy - turn * sx) / m, slope + turn
    at = (np.arange(n) - 0.5 * (every - 1)) / every
    which = np.clip(np.round((at - 0.5 * (whole - 1)) / 2.0).astype(int), 0, len(windows) - 1)
    return level[which] + slope[which] * (at - 2 * which - 0.5 * (whole - 1))[:, None]


def along_decays(v: F8, noise: F8, decays: F8, step: float, begun: int) -> F8:
    """Least over baselines of the largest energy along a decay, a quarter of all energy at least.

    v : (3, n, r) filtered; begun : first rows that tell what the ground is worth. What is strange to the ground of the
    lane's start teaches little, then what is strange to the ground so found.
    """
    _, n, r = v.shape
    first = v[0]
    start = ground_covariance(first[:begun])
    outer = (first[:, :, None] * first[:, None, :]).reshape(n, -1)
    guard, pace = max(1, round(0.15 / step)), min(1.0, step / 2.0)
    inverse = np.linalg.inv(start + noise)
    for _ in range(2):
        energy = (np.matmul(first[:, None], inverse)[:, 0] * first).sum(axis=1) / r
        weight = np.minimum(1.0, 2.0 / energy) * np.minimum(1.0, 10.0 / energy)
        learned = weight[:-guard, None] * outer[:-guard]
        behind = np.concatenate((np.broadcast_to(start.ravel(), (guard, r * r)), learned))
        inverse = np.linalg.inv(running_mean(behind, pace).reshape(n, r, r) + noise)
    sought = decays @ inverse
    power = np.einsum("ntr,tr->nt", sought, decays)
    along = (np.matmul(sought, v[..., None])[..., 0] ** 2 / power).max(axis=2)
    whole = (np.matmul(v[..., None, :], inverse)[..., 0, :] * v).sum(axis=2)
    return np.asarray(np.maximum(along, 0.25 * whole).min(axis=0))
