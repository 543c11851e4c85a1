"""Dense echoes: places in a loud depth where arms of a hyperbola add up and no straight line does."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.cfar import local_peaks
from detector.kernels.focus import two_way_time

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

_ABOVE_0 = np.finfo(np.float64).tiny


@njit(cache=True, nogil=True)
def hyperbola_delays(depth_times: F8, reach: I8, step: float, dt: float, speeds: F8, height: float) -> F4:
    """Samples by which an echo comes later than the time given, (V, B, D + 1), at 0 to D records beside its apex.

    depth_times : (B,) s below the surface echo, for each depth bin; reach : (B,) records of half aperture, D their
    largest; speeds : (V,) m/s; height : of the antenna, m, see :func:`detector.kernels.focus.two_way_time`
    """
    out = np.zeros((speeds.size, depth_times.size, int(reach.max()) + 1), np.float32)
    for v in range(speeds.size):
        for b in range(depth_times.size):
            for d in range(reach[b] + 1):
                out[v, b, d] = (two_way_time(depth_times[b], d * step, speeds[v], height) - depth_times[b]) / dt
    return out


@njit(cache=True, nogil=True)
def louder_than_above(ground: F8, gain: F8, upper: I8, out: F8) -> None:
    """How much louder each depth's ground is than the loudest depth above it, both without gain, nepers of energy.

    ground, gain : (B,) log energies from the top down; upper : (B,) how many of the first bins lie above a bin by a
    pulse or more, never falling, 0 where there is none: its figure is -inf. A NaN in the ground gives NaN.
    """
    most, a = -np.inf, 0
    for b in range(ground.size):
        while a < upper[b]:
            most = max(most, ground[a] - gain[a])
            a += 1
        out[b] = ground[b] - gain[b] - most if upper[b] > 0 else -np.inf


@njit(cache=True, nogil=True)
def least_near(ground: F4, reach: int, out: F8) -> None:
    """Least of each of (B,) and those within +-reach of it."""
    for b in range(ground.size):
        out[b] = ground[b]
        for q in range(max(0, b - reach), min(ground.size, b + reach + 1)):
            out[b] = min(out[b], ground[q])


@njit(cache=True, nogil=True)
def any_loud(ground: F4, slope: int, gain: F8, upper: I8, louder: float) -> bool:
    """Whether a depth of any row, (n, channels, B), is so much louder than all above it; see :func:`dense_peaks`."""
    level = np.empty(ground.shape[2])
    above = np.empty(ground.shape[2])
    for i in range(ground.shape[0]):
        for c in range(ground.shape[1]):
            least_near(ground[i, c], slope, level)
            louder_than_above(level, gain[c], upper[c], above)
            for b in range(above.size):
                if above[b] >= louder:
                    return True
    return False


@njit(cache=True, nogil=True)
def _semblance(
    rows: F4, channel: int, base: int, i: int, at: float, delays: F4, slope: float, curved: bool, taper: F8,
    stride: int, sums: F8,
) -> float:  # fmt: skip
    """Of the samples along one hyperbola (curved) or one line of `slope` samples a record, tapered, over a pulse.

    taper : (D + 1,); sums : (3, pulse) room
    """
    n, m = rows.shape[0], rows.shape[2]
    reach, length = taper.size - 1, sums.shape[1]
    sums[:] = 0.0
    for d in range(-reach, reach + 1):
        j = i + d - base
        if j < 0 or j >= n:
            continue
        p = at + (float(delays[abs(d)]) if curved else slope * d)
        whole = int(np.floor(p))
        part = p - whole
        w = taper[abs(d)]
        echo = rows[j, channel]
        k = whole - length // 2 * stride
        for u in range(length):
            if k >= 0 and k + 1 < m:
                y = w * (float(echo[k]) * (1.0 - part) + float(echo[k + 1]) * part)
                sums[0, u] += y
                sums[1, u] += y * y / w
                sums[2, u] += w
            k += stride
    own, all_ = 0.0, 0.0
    for u in range(length):
        own += sums[0, u] * sums[0, u]
        all_ += sums[2, u] * sums[1, u]
    return own / all_ if all_ > 0.0 else 0.0


@njit(cache=True, nogil=True)
def hyperbola_lead(
    rows: F4, channel: int, base: int, i: int, at: float, delays: F4, reach: int, half: int, stride: int,
    slope_step: float, slopes: int, likeness: float, lead: float,
) -> tuple[float, float, int]:  # fmt: skip
    """By how much the semblance of the best hyperbola leads that of the best straight line; 0 where it does not do.

    rows : (n, channels, samples), the first of which is row `base`; i : row of the apex; at : its sample; delays :
    (V, D + 1) of :func:`hyperbola_delays`; reach : records of half aperture; half, stride : the pulse is 2 half + 1
    samples, `stride` apart; slopes : so many steps of `slope_step` samples a record are tried to either side of level;
    likeness, lead : less semblance, or less lead, than this does not do.
    Returns the lead, the hyperbola's semblance and the index of its speed. Source: semblance, Taner and Koehler 1969.
    """
    best, speed = 0.0, 0
    taper = 0.5 + 0.5 * np.cos(np.pi * np.arange(reach + 1) / (reach + 1))
    sums = np.empty((3, 2 * half + 1))
    for v in range(delays.shape[0]):
        s = _semblance(rows, channel, base, i, at, delays[v], 0.0, True, taper, stride, sums)
        if s > best:
            best, speed = s, v
    if best < likeness:
        return 0.0, best, speed
    line = 0.0
    for k in range(2 * slopes + 1):
        # level first, then ever steeper: most of what is no hyperbola lies level
        slope = (k + 1) // 2 * slope_step * (1.0 if k % 2 else -1.0)
        line = max(line, _semblance(rows, channel, base, i, at, delays[0], slope, False, taper, stride, sums))
        if best - line < lead:
            return 0.0, best, speed
    return best - line, best, speed


@njit(cache=True, nogil=True)
def dense_peaks(
    lo: int,
    hi: int,
    base: int,
    end: int,
    own: F4,
    ground: F4,
    leads: F4,
    slope: int,
    gain: F8,
    upper: I8,
    times: F8,
    rows: F4,
    rows_base: int,
    at: F8,
    delays: F4,
    apertures: I8,
    half: int,
    stride: int,
    slope_steps: F8,
    slopes: I8,
    louder: float,
    ratio: float,
    likeness: float,
    lead: float,
    near: float,
    radius: int,
    reach: int,
    companions: int,
) -> F8:
    """Rows lo to hi - 1 that lead most within +-radius, in a loud depth, with enough like them at that depth.

    Row numbers count from the start of the segment. own, ground, leads : (n, channels, B) of rows `base` on: log energy
    of the cells, log energy of their ground, and what :func:`hyperbola_lead` said, NaN where it was not asked yet:
    updated; slope : cells up and down over which the ground was taken. gain, times : (channels, B) nepers of energy, s
    below the surface echo; upper : (channels, B) of :func:`louder_than_above`; rows : (n', channels, samples) B-scan of
    rows `rows_base` on; at : (channels, B) samples; delays : (channels, V, B, D + 1); apertures : (channels, B)
    records; slope_steps, slopes : (channels, B); louder, ratio : nepers that a depth's ground must stand over all above
    it, and a cell over its ground; near : s between cells of one depth; reach : records within which companions lie;
    end : one past the last row whose cells are known. The ground of a row judges all rows round it.
    Returns (k, 8): row, channel, cell, lead, semblance, index of the speed, companions, nepers over the ground above.
    """
    channels, cells = own.shape[1], own.shape[2]
    found = np.empty((max(0, hi - lo) * channels, 8))
    count = 0
    above = np.empty(cells)
    level = np.empty(cells)
    crest = np.empty(2 * reach + 1)
    for i in range(lo, hi):
        for c in range(channels):
            # each is the ground of the strongest of its neighbours too, so the least of these comes nearest its own
            least_near(ground[i - base, c], slope, level)
            louder_than_above(level, gain[c], upper[c], above)
            best, cell = 0.0, -1
            for b in range(cells):
                if above[b] >= louder and own[i - base, c, b] - level[b] >= ratio:
                    s = _lead(i, c, b, base, leads, rows, rows_base, at, delays, apertures, half, stride, slope_steps,
                              slopes, likeness, lead)  # fmt: skip
                    if s > best:
                        best, cell = s, b
            if cell < 0:
                continue
            first, last = max(base, i - reach), min(end, i + reach + 1)
            peak = True
            for j in range(max(first, i - radius), min(last, i + radius + 1)):
                for b in range(cells):
                    if j != i and above[b] >= louder and own[j - base, c, b] - level[b] >= ratio:
                        s = _lead(j, c, b, base, leads, rows, rows_base, at, delays, apertures, half, stride,
                                  slope_steps, slopes, likeness, lead)  # fmt: skip
                        if s > best or (j < i and s == best):
                            peak = False
                            break
                if not peak:
                    break
            if not peak:
                continue
            for j in range(first, last):
                crest[j - first] = 0.0
                for b in range(cells):
                    beside = abs(times[c, b] - times[c, cell]) <= near
                    if beside and above[b] >= louder and own[j - base, c, b] - level[b] >= ratio:
                        s = _lead(j, c, b, base, leads, rows, rows_base, at, delays, apertures, half, stride,
                                  slope_steps, slopes, likeness, lead)  # fmt: skip
                        crest[j - first] = max(crest[j - first], s)
            others = 0
            for j in local_peaks(crest[: last - first], 0, last - first, radius, _ABOVE_0):
                others += abs(j - (i - first)) > radius
            if others >= companions:
                _, semblance, speed = hyperbola_lead(
                    rows, c, rows_base, i, at[c, cell], delays[c, :, cell], apertures[c, cell], half, stride,
                    slope_steps[c, cell], slopes[c, cell], likeness, lead,
                )  # fmt: skip
                told = found[count]
                told[0], told[1], told[2], told[3] = i, c, cell, best
                told[4], told[5], told[6], told[7] = semblance, speed, others, above[cell]
                count += 1
    return found[:count]


@njit(cache=True, nogil=True)
def _lead(
    j: int, c: int, b: int, base: int, leads: F4, rows: F4, rows_base: int, at: F8, delays: F4, apertures: I8,
    half: int, stride: int, slope_steps: F8, slopes: I8, likeness: float, lead: float,
) -> float:  # fmt: skip
    """The lead of one cell, asked once."""
    if np.isnan(leads[j - base, c, b]):
        leads[j - base, c, b] = np.float32(
            hyperbola_lead(
                rows, c, rows_base, j, at[c, b], delays[c, :, b], apertures[c, b], half, stride, slope_steps[c, b],
                slopes[c, b], likeness, lead,
            )[0]
        )  # fmt: skip
    return float(leads[j - base, c, b])
