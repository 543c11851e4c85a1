"""What stays the same from A-scan to A-scan: four ways to follow it and take it out.

Every function gets a buffer of rows (n, channels * m) float32 with as many rows before and after those
it works on as its window needs, and `lost` (n, channels), where 1 keeps an A-scan out of the background.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.kernels.order import insert_sorted, remove_sorted

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
U1 = NDArray[np.uint8]
I8 = NDArray[np.int64]

_LANES = 16


@njit(cache=True, nogil=True)
def start_level(rows: F4, lost: U1) -> tuple[F4, F4]:
    """Median of the first rows and their mean absolute deviation from it, per column.

    A channel whose A-scans are all lost takes them all the same. Returns (width,), (width,).
    """
    n, width = rows.shape
    per = width // lost.shape[1]
    level = np.empty(width, np.float32)
    spread = np.empty(width, np.float32)
    column = np.empty(n, np.float32)
    for c in range(width):
        count = 0
        for i in range(n):
            if lost[i, c // per] == 0:
                column[count] = rows[i, c]
                count += 1
        if count == 0:
            column[:] = rows[:, c]
            count = n
        middle = np.float32(np.median(column[:count]))
        s = np.float32(0.0)
        for i in range(count):
            s += abs(column[i] - middle)
        level[c] = middle
        spread[c] = s / np.float32(count)
    return level, spread


@njit(cache=True, nogil=True)
def subtract_mean(
    rows: F4, lost: U1, lo: int, hi: int, behind: int, ahead: int, total: F8, count: I8, started: bool
) -> F4:
    """Subtract the mean of rows i - behind to i + ahead, clipped at the ends of the segment.

    total : (width,) and count : (channels,), the running sums, updated. The buffer holds behind + 1 rows
    before row lo where the segment has them. Returns (hi - lo, width).
    """
    n, width = rows.shape
    channels = lost.shape[1]
    per = width // channels
    out = np.empty((hi - lo, width), np.float32)
    for i in range(lo, hi):
        first = i + ahead if started or i > lo else 0
        for c in range(channels):
            a, b = c * per, (c + 1) * per
            held = total[a:b]
            for j in range(first, min(n, i + ahead + 1)):
                if lost[j, c] == 0:
                    new = rows[j, a:b]
                    count[c] += 1
                    for k in range(per):
                        held[k] += new[k]
            j = i - behind - 1
            if j >= 0 and lost[j, c] == 0:
                old = rows[j, a:b]
                count[c] -= 1
                for k in range(per):
                    held[k] -= old[k]
            here = rows[i, a:b]
            done = out[i - lo, a:b]
            share = 1.0 / count[c] if count[c] > 0 else 0.0
            for k in range(per):
                done[k] = np.float32(here[k] - held[k] * share)
    return out


@njit(cache=True, nogil=True)
def subtract_median(
    rows: F4, lost: U1, lo: int, hi: int, behind: int, ahead: int, ordered: F4, count: I8, started: bool
) -> F4:
    """Subtract the (lower) median of rows i - behind to i + ahead, clipped at the ends of the segment.

    ordered : (width, behind + ahead + 2), the window of each column in order, and count : (channels,),
    how full it is; updated. The buffer holds behind + 1 rows before row lo where the segment has them.
    """
    n, width = rows.shape
    channels = lost.shape[1]
    per = width // channels
    out = np.empty((hi - lo, width), np.float32)
    for i in range(lo, hi):
        first = i + ahead if started or i > lo else 0
        for c in range(channels):
            held = count[c]
            for j in range(first, min(n, i + ahead + 1)):
                if lost[j, c] == 0:
                    for k in range(c * per, (c + 1) * per):
                        insert_sorted(ordered[k], held, rows[j, k])
                    held += 1
            j = i - behind - 1
            if j >= 0 and lost[j, c] == 0:
                for k in range(c * per, (c + 1) * per):
                    remove_sorted(ordered[k], held, rows[j, k])
                held -= 1
            count[c] = held
            for k in range(c * per, (c + 1) * per):
                out[i - lo, k] = rows[i, k] - (ordered[k, (held - 1) // 2] if held > 0 else np.float32(0.0))
    return out


@njit(cache=True, nogil=True)
def _dot(a: F4, b: F4) -> float:
    """Sum of products in a fixed order that a processor can do side by side."""
    part = np.zeros(_LANES, np.float32)
    whole = a.size // _LANES * _LANES
    for k in range(0, whole, _LANES):
        x = a[k : k + _LANES]
        y = b[k : k + _LANES]
        for r in range(_LANES):
            part[r] += x[r] * y[r]
    s = 0.0
    for r in range(_LANES):
        s += part[r]
    for k in range(whole, a.size):
        s += a[k] * b[k]
    return s


@njit(cache=True, nogil=True)
def leading_directions(recent: F4, basis: F4, sweeps: int) -> None:
    """Improve an orthonormal basis of the leading right singular vectors, by orthogonal iteration.

    recent : (w, m) A-scans; basis : (rank, m), updated. Golub and Van Loan, Matrix Computations, 7.3.2.
    A direction that the A-scans do not span becomes zero.
    """
    w, m = recent.shape
    rank = basis.shape[0]
    fresh = np.zeros((rank, m), np.float32)
    for _ in range(sweeps):
        fresh[:] = np.float32(0.0)
        for i in range(w):
            for q in range(rank):
                s = np.float32(_dot(recent[i], basis[q]))
                row, new = recent[i], fresh[q]
                for k in range(m):
                    new[k] += s * row[k]
        for q in range(rank):
            new = fresh[q]
            before = _dot(new, new)
            for p in range(q):
                s = np.float32(_dot(new, fresh[p]))
                for k in range(m):
                    new[k] -= s * fresh[p, k]
            size = _dot(new, new)
            scale = np.float32(1.0 / np.sqrt(size)) if size > 1e-10 * before and size > 0.0 else np.float32(0.0)
            for k in range(m):
                new[k] *= scale
        basis[:] = fresh


@njit(cache=True, nogil=True)
def subtract_subspace(
    rows: F4,
    lost: U1,
    lo: int,
    hi: int,
    ahead: int,
    recent: F4,
    basis: F4,
    state: F8,
    clip: float,
    refresh: int,
    started: bool,
) -> F4:
    """Take out the leading singular vectors of recent clean A-scans.

    An A-scan is clean if its surface was found and what the vectors leave of it has at most clip^2 times
    the usual energy. The vectors are renewed every `refresh` rows from the last clean A-scans.

    recent : (channels, w, m) ring of clean A-scans; basis : (channels, rank, m); state : (channels, 3) =
    clean A-scans seen, rows seen, usual energy left; all updated. Returns (hi - lo, width).
    """
    n, width = rows.shape
    channels, w, per = recent.shape
    rank = basis.shape[1]
    out = np.empty((hi - lo, width), np.float32)
    left = np.empty(per, np.float32)
    for i in range(lo, hi):
        first = i + ahead if started or i > lo else 0
        for c in range(channels):
            a, b = c * per, (c + 1) * per
            for j in range(first, min(n, i + ahead + 1)):
                if lost[j, c] != 0 and state[c, 0] > 0.0:
                    continue
                row = rows[j, a:b]
                left[:] = row
                for q in range(rank):
                    s = np.float32(_dot(row, basis[c, q]))
                    for k in range(per):
                        left[k] -= s * basis[c, q, k]
                energy = _dot(left, left)
                usual = state[c, 2]
                learning = state[c, 0] < rank + 2 or state[c, 1] <= ahead + rank + 2
                if learning or energy <= clip * clip * usual:
                    recent[c, int(state[c, 0]) % w] = row
                    state[c, 0] += 1.0
                held = min(w, int(state[c, 0]))
                state[c, 1] += 1.0
                if learning:
                    if basis[c, 0, 0] == 0.0 and _dot(basis[c, 0], basis[c, 0]) == 0.0:
                        for q in range(rank):
                            for k in range(per):
                                basis[c, q, k] = row[(k + q) % per]
                    leading_directions(recent[c, :held], basis[c], 8)
                    state[c, 2] = energy if state[c, 1] <= 2.0 else max(energy, state[c, 2])
                else:
                    state[c, 2] += (min(energy, clip * clip * usual) - usual) / w
                    if int(state[c, 1]) % refresh == 0:
                        leading_directions(recent[c, :held], basis[c], 2)
            row = rows[i, a:b]
            done = out[i - lo, a:b]
            done[:] = row
            for q in range(rank):
                s = np.float32(_dot(row, basis[c, q]))
                for k in range(per):
                    done[k] -= s * basis[c, q, k]
    return out
