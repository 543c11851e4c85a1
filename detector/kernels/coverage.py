"""Marking ground as passed, cell by cell."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]


@numba.jit(nopython=True, cache=True)
def pass_over(
    column: F8,
    row: F8,
    t_s: F8,
    valid: NDArray[np.bool_],
    radius: float,
    sigma: F8,
    visit_s: float,
    reached: NDArray[np.bool_],
    visits: NDArray[np.uint8],
    last_s: F8,
) -> None:
    """Mark every cell whose centre lies within the footprint of each record.

    A valid record counts where its footprint lies even if its place is wrong by sigma: within radius - sigma.

    Parameters
    ----------
    column, row : (n,) places in cells from the corner of the grid; NaN = no place
    t_s : (n,) time, s
    valid : (n,) whether the record can be trusted
    radius : of the footprint, cells
    sigma : (n,) accuracy of the places, cells; NaN or more than the radius: the record marks nothing
    visit_s : a valid pass this long after the last one over a cell is another visit, s
    reached, visits, last_s : (columns, rows) grid, changed in place
    """
    columns, rows = visits.shape
    for i in range(len(t_s)):
        if not (np.isfinite(column[i]) and np.isfinite(row[i]) and sigma[i] < radius):
            continue
        sure = (radius - sigma[i]) ** 2
        # a place far outside must not overflow an integer
        x, y = column[i], row[i]
        if x < -radius - 1.0 or x > columns + radius + 1.0 or y < -radius - 1.0 or y > rows + radius + 1.0:
            continue
        for c in range(max(0, int(np.floor(x - radius))), min(columns, int(np.ceil(x + radius)) + 1)):
            for r in range(max(0, int(np.floor(y - radius))), min(rows, int(np.ceil(y + radius)) + 1)):
                away = (c + 0.5 - x) ** 2 + (r + 0.5 - y) ** 2
                if away > radius * radius:
                    continue
                reached[c, r] = True
                if not valid[i] or away > sure:
                    continue
                again = visits[c, r] == 0 or t_s[i] - last_s[c, r] > visit_s
                if again and visits[c, r] < 255:
                    visits[c, r] += 1
                last_s[c, r] = t_s[i]
