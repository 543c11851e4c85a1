"""A recording's positions: a track to place its detections on, and what to say of them in a few lines."""

from __future__ import annotations

from collections import Counter

import numpy as np

from detector.positions import Track
from detector.recording.reader import Recording
from detector.samples import NO_ODOMETER, Position


def track_of(recording: Recording) -> Track:
    """The recorded fixes, with the odometer of the first stream that has one."""
    positions = recording.positions()
    if not positions:
        return Track([])
    for stream in recording.device.streams:
        odometer = recording.column(stream.name, "odometer_um")
        if np.any(odometer != NO_ODOMETER):
            utc_ns, first = np.unique(recording.column(stream.name, "utc_ns"), return_index=True)
            metres = np.where(odometer != NO_ODOMETER, odometer * 1e-6, np.nan)[first]
            return Track(positions, odometer=(utc_ns, metres))
    return Track(positions)


def position_summary(positions: list[Position]) -> list[str]:
    """How many fixes of which quality, how accurate, and the box round them; nothing if there are none."""
    if not positions:
        return []
    n = len(positions)
    shares = Counter(p.quality for p in positions).most_common()
    parts = ", ".join(f"{q.text} {100 * count / n:.0f} %" for q, count in shares)
    lines = [f"positions: {n}, {parts}"]
    sigmas = sorted(p.sigma_m for p in positions if p.sure)
    if sigmas:
        lines[0] += f"; accuracy {sigmas[len(sigmas) // 2]:.3g} m in the middle, {sigmas[-1]:.3g} m at worst"
    fixed = [p for p in positions if p.quality.measured]
    if fixed:
        latitudes = [p.latitude_deg for p in fixed]
        # round the first fix, so that a track across the antimeridian has a small box
        turns = [(p.longitude_deg - fixed[0].longitude_deg + 180) % 360 - 180 for p in fixed]
        west, east = ((fixed[0].longitude_deg + t + 180) % 360 - 180 for t in (min(turns), max(turns)))
        lines.append(
            f"between latitude {min(latitudes):.7f} and {max(latitudes):.7f}, longitude {west:.7f} and {east:.7f}"
        )
    return lines
