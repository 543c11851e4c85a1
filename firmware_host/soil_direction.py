"""Whether what a ground balance saw decays as soil does. A balance done over metal would hide just such metal.

Viscous magnetic soil has relaxation times spread evenly over their logarithm: after a long pulse its response falls
as t^-p with p near 1 (0.9 to 1.3 measured), after a pulse of length T as t^-p / (1 + t / T), which for p = 1 is
1/t - 1/(t + T) (Billings et al. 2003). Metal falls exponentially, or as t^-1/2 and then exponentially.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.samples import StreamDescription, StreamKind

F8 = NDArray[np.float64]

EXPONENTS: Final = (0.9, 1.3)
PULSES: Final = (np.inf, *(float(p) for p in np.geomspace(16.0, 0.25, 13)))
"""Lengths of the transmit pulse that are tried, in times of the last gate: a head does not tell its own."""
MOST_OFF: Final = 0.05
"""rms of the logarithm over the gates. On simulated heads (4 to 16 gates, pulses of 0.05 to 1 ms) soil is off by 0.041
at most, the metal of a minimum-metal mine and spheres of up to 3 mm by 0.62 at least, and one exponential of 80 us by
0.19. Not told from soil: larger pieces in whose decay many time constants meet (cans, shells, spheres of 10 mm and
more: 0.004 and up), the more so the fewer the gates. So this does not replace ground without signals."""
LEAST_SIGMA: Final = 20.0
"""A weaker response than this many noise sigma has no shape to judge, and next to nothing that could be hidden."""
_GATE_SIGMA: Final = 5.0
"""Gates in which the response is weaker than this are left out."""


def off_soil(response: F8, gate_times_s: F8) -> float:
    """How far a decay is from soil's: rms of the logarithm of their ratio; infinite where it changes its sign.

    Parameters
    ----------
    response : (gates,) in physical units, of any scale; three gates or more
    gate_times_s : (gates,) after switch-off
    """
    if not (np.all(response > 0) or np.all(response < 0)):
        return float("inf")
    log_t, log_response = np.log(gate_times_s), np.log(np.abs(response))
    off = float("inf")
    for pulse in PULSES:
        y = log_response + np.log1p(gate_times_s / (pulse * gate_times_s[-1]))
        p = np.clip(-np.polyfit(log_t, y, 1)[0], *EXPONENTS)
        off = min(off, float(np.std(y + p * log_t)))
    return off


def not_soil(stream: StreamDescription, x: F8, sigma: F8) -> str:
    """Why what was seen while raising and lowering the head is no soil, for a person; '' if it may be.

    Only pulse induction has a decay to judge, and only where three gates see it; else nothing is said.

    Parameters
    ----------
    x : (n, gates) one coil, physical units
    sigma : (gates,) its noise in the air
    """
    if stream.kind is not StreamKind.METAL_PI:
        return ""
    white = (x - np.median(x, axis=0)) / sigma
    _, strengths, axes = np.linalg.svd(white, full_matrices=False)
    rms = strengths[0] / np.sqrt(len(white))
    seen = np.abs(axes[0]) * rms >= _GATE_SIGMA
    if rms < LEAST_SIGMA or np.count_nonzero(seen) < 3:
        return ""
    off = off_soil((axes[0] * sigma)[seen], np.asarray(stream.axis)[seen])
    if off <= MOST_OFF:
        return ""
    how = f"is off any soil's by {100 * off:.0f} %, allowed {100 * MOST_OFF:.0f} %"
    how = how if np.isfinite(off) else "changes its sign"
    return (
        f"this is not soil: its decay {how}. There is metal under the head, and a balance here would hide such metal. "
        "Choose another spot without signals."
    )
