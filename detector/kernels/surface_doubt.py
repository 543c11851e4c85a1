"""Whether what time zero holds still is a surface at all."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
U1 = NDArray[np.uint8]
I8 = NDArray[np.int64]


@njit(cache=True, nogil=True)
def doubt_surfaces(
    x: F4, lost: U1, gates: I8, end: int, clear: float, beyond: float, most: float, proof: int, memory: int, state: F8
) -> U1:
    """1 where the surface is lost, or may be no surface.

    A surface is doubted from the start, and whenever more than `most` of the last `memory` A-scans are lost. It is
    believed from the first A-scan that shows it clearly (its peak `clear` times the median magnitude) as long as none
    was lost, or after `proof` A-scans in a row that match; neither counts while something outside the gate is
    more than `beyond` times as strong, or while the strongest of the gate lies past the samples in which a surface was
    sought: what stands in these is its flank.

    x : (n, channels, m) aligned; lost : (n, channels); gates : (channels, 2) first and last + 1 sample; end : sample up
    to which a surface was sought.
    state : (channels, 4) = A-scans in the share, share lost, matches in a row, 1 once believed; updated.
    Returns (n, channels).
    """
    n, channels, m = x.shape
    out = np.empty((n, channels), np.uint8)
    for i in range(n):
        for c in range(channels):
            s, row = state[c], x[i, c]
            gone = lost[i, c] != 0
            s[0] = min(s[0] + 1.0, float(memory))
            s[1] += ((1.0 if gone else 0.0) - s[1]) / s[0]
            s[2] = 0.0 if gone else s[2] + 1.0
            if s[3] == 0.0 and not gone:
                peak, past, other = np.float32(0.0), np.float32(0.0), np.float32(0.0)
                for k in range(m):
                    v = abs(row[k])
                    if gates[c, 0] <= k < gates[c, 1]:
                        if k < end:
                            peak = max(peak, v)
                        else:
                            past = max(past, v)
                    else:
                        other = max(other, v)
                if peak == 0.0 or past > peak or other > beyond * peak:
                    s[2] = 0.0
                elif s[2] >= proof or (s[1] == 0.0 and peak >= clear * np.median(np.abs(row))):
                    s[1] = 0.0
                    s[3] = 1.0
            if s[1] > most:
                s[3] = 0.0
            out[i, c] = gone or s[3] == 0.0
    return out
