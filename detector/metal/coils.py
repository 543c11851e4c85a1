"""How large a head's coils are and where: what the fit of a dipole must know, and how well it is known."""

from __future__ import annotations

from detector.settings import Settings, listed, quantity


class CoilSettings(Settings):
    radius_m: float = quantity(
        0.12, "m", 0.01, 2.0, "of a coil, to the middle of its winding; 0.12 is amid hand-held heads of 6 to 18 cm"
    )
    radius_share: float = quantity(
        0.3, "1", 0.001, 1.0, "1 sigma of it over itself: 0.3 where nobody measured it, 0.02 with a ruler"
    )
    height_m: float = quantity(0.055, "m", 0.0, 1.0, "of the coil over the ground; depths are under the ground")
    height_sigma_m: float = quantity(0.025, "m", 0.001, 0.5, "1 sigma of that: carried by hand, 1.5 to 10 cm")
    aside_m: float = quantity(
        0.03, "m", 0.001, 1.0, "1 sigma of a target's place beside the middle of a single coil's track"
    )
    pair_m: float = quantity(
        0.0, "m", -2.0, 2.0, "receiver ahead of the sender along the track: 0 unless a double-D, then 1.5 radii"
    )
    across_m: tuple[float, ...] = listed(
        "m", "place of each coil across the track; with one per coil the fit uses all coils and tells the place across"
    )
