"""How an echo looks on a patch laid out alike for every head: edges, energies, second echo, phase."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.kernels.aligned import aligned_patch, block_energy, folded_edges, phase_to, second_echo

F8 = NDArray[np.float64]

CELL_M: Final = 0.02
HALF: Final = 10
"""Columns each side: +-0.2 m."""
PER_PERIOD: Final = 8
ABOVE: Final = 8
BELOW: Final = 40
"""Samples: one period before the strongest sample and five from it on."""

EDGES: Final = ("layer", "column", "arch", "dip")
_FLOOR: Final = 1e-6


def _db(part: float, whole: float) -> float:
    return 10.0 * math.log10((part + _FLOOR * whole) / (whole + _FLOOR * whole)) if whole > 0.0 else math.nan


def aligned_look(
    patch: F8, centre: int, apex: int, step_m: float, dt_s: float, period_s: float, pulse: F8
) -> dict[str, float]:
    """Features of the aligned patch, by name.

    Parameters
    ----------
    patch : (n, samples) whole A-scans of the gained B-scan round the alarm
    centre, apex : row of the alarm, and its strongest sample
    step_m, dt_s, period_s : between A-scans; between samples; of the centre frequency
    pulse : the head's own pulse as the ground sends it back, same sampling, about two periods

    Sources: edge histogram, Park et al. 2000, on mines Frigui and Gader 2009; energies along depth, Torrione et al.
    2014.
    """
    z = aligned_patch(patch, centre, apex, step_m, dt_s, period_s, HALF, CELL_M, ABOVE, BELOW, PER_PERIOD)
    out: dict[str, float] = {}
    near, width, end = HALF - 3, HALF + 4, ABOVE + BELOW
    whole = float(block_energy(z, near, width, 0, end))
    bands = {"before": (0, 6), "first": (6, 14), "second": (14, 22), "third": (22, 32), "late": (32, end)}
    for name, (start, stop) in bands.items():
        out[f"radar_share_{name}_db"] = _db(float(block_energy(z, near, width, start, stop)), whole)
    middle = float(block_energy(z, HALF - 1, HALF + 2, 4, 20)) / 3.0
    for name, first, last in (("inner", 2, 4), ("middle", 4, 7), ("outer", 7, 11)):
        both = float(block_energy(z, HALF - last + 1, HALF - first + 1, 4, 20))
        both += float(block_energy(z, HALF + first, HALF + last, 4, 20))
        out[f"radar_flank_{name}_db"] = _db(both / (2.0 * (last - first)), middle)
    left = float(block_energy(z, 0, HALF, 4, 20))
    right = float(block_energy(z, HALF + 1, 2 * HALF + 1, 4, 20))
    out["radar_lean_db"] = abs(_db(left, left + right) - _db(right, left + right))
    rim = float(block_energy(z, 0, 3, 0, end)) + float(block_energy(z, 2 * HALF - 2, 2 * HALF + 1, 0, end))
    out["radar_contrast_db"] = _db(rim / 6.0, whole / (width - near))
    for where, a, b in (("centre", 0, 4), ("flank", 4, HALF)):
        for depth, start, stop in (("upper", 0, 20), ("lower", 20, end)):
            for edge, share in zip(EDGES, folded_edges(z, a, b, start, stop), strict=True):
                out[f"radar_{edge}_{where}_{depth}"] = float(share)
    quarter = PER_PERIOD // 4
    delay, ratio, sign = second_echo(np.ascontiguousarray(z[HALF]), quarter, ABOVE, PER_PERIOD)
    out["radar_second_periods"] = delay / PER_PERIOD
    out["radar_second_db"] = max(-60.0, 20.0 * math.log10(ratio)) if ratio > 0.0 else -60.0
    out["radar_second_sign"] = float(sign)
    turn = max(1, round(0.25 * period_s / dt_s))
    cosine, sine, likeness = phase_to(
        np.ascontiguousarray(patch[centre]), pulse, turn, max(0, apex - 3 * turn), min(patch.shape[1], apex + 3 * turn)
    )
    out["radar_phase_cosine"], out["radar_phase_sine"] = float(cosine), float(sine)
    out["radar_pulse_likeness"] = float(likeness)
    return out
