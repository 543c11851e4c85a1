"""Energy in depth bins: of the diffraction stack, of the plain A-scan, and of an adaptive prediction's error."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
U4 = NDArray[np.uint32]


@njit(cache=True, nogil=True)
def two_way_time(depth_time: float, offset: float, speed: float, height: float) -> float:
    """Two-way time of a point below the surface as seen from a raised antenna, after its surface echo.

    The ray from an antenna `height` m above the ground refracts at the surface; Fermat's principle by
    bisection on where it crosses. depth_time : s below the surface echo with the antenna overhead;
    offset : m along the track; speed : m/s in the ground. Height 0 gives the hyperbola
    sqrt(t0^2 + (2 x / v)^2).
    """
    c = 299792458.0
    if height <= 0.0 or offset == 0.0:
        return float(np.sqrt(depth_time * depth_time + (2.0 * offset / speed) ** 2))
    depth = 0.5 * depth_time * speed
    a, b = 0.0, abs(offset)
    for _ in range(40):
        x = 0.5 * (a + b)
        in_air = x / (c * np.sqrt(x * x + height * height))
        rest = abs(offset) - x
        in_ground = rest / (speed * np.sqrt(rest * rest + depth * depth)) if rest + depth > 0.0 else 0.0
        if in_air < in_ground:
            a = x
        else:
            b = x
    x = 0.5 * (a + b)
    rest = abs(offset) - x
    path = np.sqrt(x * x + height * height) / c + np.sqrt(rest * rest + depth * depth) / speed
    return float(2.0 * (path - height / c))


@njit(cache=True, nogil=True)
def stack_places(
    m: int, surface: float, dt: float, step: float, half: int, speeds: F8, height: float, samples: I8
) -> tuple[U4, F4, I8, I8]:
    """Where the echo of a point below record 0 lies in the record d steps away.

    speeds : (V,) m/s; samples : (T,) at which the stack is taken, ascending. Returns whole samples
    (V, half + 1, T), the fraction to add (same shape), how many of the T lie within the A-scan (V, half + 1),
    and where a stretch that moves as one from sample to sample ends (V, half + 1, T).
    """
    n_v, n_t = speeds.size, samples.size
    whole = np.zeros((n_v, half + 1, n_t), np.uint32)
    part = np.zeros((n_v, half + 1, n_t), np.float32)
    inside = np.zeros((n_v, half + 1), np.int64)
    ends = np.zeros((n_v, half + 1, n_t), np.int64)
    for v in range(n_v):
        for d in range(half + 1):
            for t in range(n_t):
                t0 = max(0.0, (samples[t] - surface) * dt)
                p = surface + two_way_time(t0, d * step, speeds[v], height) / dt
                if d == 0:
                    p = max(p, float(samples[t]))
                if p >= m - 1:
                    break
                whole[v, d, t] = np.uint32(int(p))
                part[v, d, t] = np.float32(p - int(p))
                inside[v, d] = t + 1
            for t in range(inside[v, d] - 1, -1, -1):
                joined = t + 1 < inside[v, d] and whole[v, d, t + 1] == whole[v, d, t] + np.uint32(1)
                ends[v, d, t] = ends[v, d, t + 1] if joined else t + 1
    return whole, part, inside, ends


@njit(cache=True, nogil=True)
def stack_weights(step: float, apertures: F8, part: F4) -> tuple[F4, F4, I8, F8]:
    """Raised cosine over each stack sample's own half aperture, shared out between the two samples beside an echo.

    apertures : (T,) half aperture, m, never falling with T; part : of :func:`stack_places`. Returns the weights of the
    earlier and of the later sample (V, half + 1, T) each, for each distance the first of the T that reaches it
    (half + 1,), and the sum of the squared tapers over both sides (T,).
    """
    n_v, n_d, n_t = part.shape
    earlier = np.zeros((n_v, n_d, n_t), np.float32)
    later = np.zeros((n_v, n_d, n_t), np.float32)
    begins = np.full(n_d, n_t, np.int64)
    power = np.zeros(n_t)
    for d in range(n_d):
        for t in range(n_t - 1, -1, -1):
            # it would be zero one record beyond the aperture
            share = d * step / (apertures[t] + step)
            if share >= 1.0:
                break
            taper = 0.5 + 0.5 * np.cos(np.pi * share)
            begins[d] = t
            power[t] += taper * taper * (1.0 if d == 0 else 2.0)
            for v in range(n_v):
                earlier[v, d, t] = np.float32(taper * (1.0 - part[v, d, t]))
                later[v, d, t] = np.float32(taper * part[v, d, t])
    return earlier, later, begins, power


@njit(cache=True, nogil=True)
def focused_energy(
    rows: F4,
    lo: int,
    hi: int,
    channel: int,
    whole: U4,
    inside: I8,
    ends: I8,
    earlier: F4,
    later: F4,
    begins: I8,
    power: F8,
    n_bins: int,
    length: int,
) -> tuple[F8, I8]:
    """Mean square of the diffraction stack per depth bin, greatest over the speeds tried.

    rows : (n, channels, m), of which one channel is taken; outputs for rows lo to hi - 1; whole, inside, ends : of
    :func:`stack_places`; earlier, later, begins, power : of :func:`stack_weights`; bins are `length` stack samples
    long and start every half of that.
    Returns energy (hi - lo, B), unit white noise giving 1, and the index of the speed that gave it.
    """
    n, _, m = rows.shape
    n_v, n_d, n_t = whole.shape
    energy = np.zeros((hi - lo, n_bins))
    which = np.zeros((hi - lo, n_bins), np.int64)
    stack = np.empty((n_v, n_t), np.float32)
    pair = np.empty(m, np.float32)
    hop = max(1, length // 2)
    square = np.zeros((hop, n_t // hop + 1), np.float32)
    total = np.empty(n_bins, np.float32)
    weight = np.empty(n_t)
    share = np.empty(n_t, np.float32)
    # where neighbouring stack samples are neighbours in the A-scan too, stretches add up faster than samples
    stretches = n_t > 1 and whole[0, 0, 1] == whole[0, 0, 0] + np.uint32(1)
    for i in range(lo, hi):
        stack[:] = np.float32(0.0)
        amid = i >= n_d - 1 and i + n_d <= n
        for t in range(n_t):
            weight[t] = power[t] if amid else 0.0
        for d in range(n_d):
            before, after = i - d >= 0, i + d < n and d > 0
            first = begins[d]
            if first >= n_t or not (before or after):
                break
            if not amid:
                sides = float(int(before) + int(after))
                for t in range(first, n_t):
                    taper = float(earlier[0, d, t]) + float(later[0, d, t])
                    weight[t] += sides * (taper * taper)
            # both sides of the hyperbola share their delays
            if before and after:
                a, b = rows[i - d, channel], rows[i + d, channel]
                for k in range(m):
                    pair[k] = a[k] + b[k]
            else:
                a = rows[i - d, channel] if before else rows[i + d, channel]
                for k in range(m):
                    pair[k] = a[k]
            for v in range(n_v):
                place, here, next_, sum_ = whole[v, d], earlier[v, d], later[v, d], stack[v]
                t = first
                while stretches and t < inside[v, d]:
                    e = ends[v, d, t]
                    near = pair[place[t] :]
                    some, one, two = sum_[t:e], here[t:e], next_[t:e]
                    for j in range(e - t):
                        some[j] += one[j] * near[j] + two[j] * near[j + 1]
                    t = e
                for t in range(first if not stretches else inside[v, d], inside[v, d]):
                    p = place[t]
                    sum_[t] += here[t] * pair[p] + next_[t] * pair[p + np.uint32(1)]
        for t in range(n_t):
            share[t] = np.float32(1.0 / (length * weight[t]))
        for v in range(n_v):
            echo = stack[v]
            for h in range(hop):
                part_ = square[h]
                for q in range((n_t - h + hop - 1) // hop):
                    part_[q] = share[q * hop + h] * (echo[q * hop + h] * echo[q * hop + h])
            total[:] = np.float32(0.0)
            for j in range(length):
                part_ = square[j % hop, j // hop :]
                for b in range(n_bins):
                    total[b] += part_[b]
            for b in range(n_bins):
                e2 = float(total[b])
                if e2 > energy[i - lo, b]:
                    energy[i - lo, b] = e2
                    which[i - lo, b] = v
    return energy, which


@njit(cache=True, nogil=True)
def predicted_energy(
    rows: F4,
    lo: int,
    hi: int,
    channel: int,
    guard: int,
    order: int,
    first: int,
    stride: int,
    bins: I8,
    length: int,
    weights: F8,
    power: F8,
    pace: float,
) -> F8:
    """Energy of what its neighbours do not predict of an A-scan, per depth bin (least mean squares).

    Each sample is predicted from the same sample of `order` A-scans on either side outside a guard, by
    weights of its depth bin that follow the ground (normalised LMS, weights bounded to +-4).
    rows : (n, channels, m); weights : (B, 2 * order), power : (B,) running input energy, updated.
    Source: Torrione, Throckmorton and Collins 2006. Returns (hi - lo, B), mean square.
    """
    n = rows.shape[0]
    n_bins = bins.size
    out = np.zeros((hi - lo, n_bins))
    u = np.empty(2 * order)
    push = np.empty(2 * order)
    for i in range(lo, hi):
        for b in range(n_bins):
            e2 = 0.0
            x2 = 0.0
            push[:] = 0.0
            for t in range(bins[b], bins[b] + length):
                k = first + t * stride
                x = float(rows[i, channel, k])
                guess = 0.0
                for q in range(order):
                    before, after = i - guard - 1 - q, i + guard + 1 + q
                    u[q] = float(rows[before, channel, k]) if before >= 0 else 0.0
                    u[order + q] = float(rows[after, channel, k]) if after < n else 0.0
                for q in range(2 * order):
                    guess += weights[b, q] * u[q]
                    x2 += u[q] * u[q]
                e = x - guess
                e2 += e * e
                for q in range(2 * order):
                    push[q] += e * u[q]
            out[i - lo, b] = e2 / length
            power[b] = x2 if power[b] < 0.0 else max(x2, 0.95 * power[b])
            if power[b] > 0.0:
                for q in range(2 * order):
                    weights[b, q] = min(4.0, max(-4.0, weights[b, q] + pace * push[q] / power[b]))
    return out
