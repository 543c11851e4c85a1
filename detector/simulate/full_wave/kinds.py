"""What can lie in a full-wave lane, and how deep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np


@dataclass(frozen=True, slots=True)
class Kind:
    """An object before its own size is drawn."""

    role: str
    """mine or clutter."""
    width_m: float
    height_m: float
    metal: bool
    """Cased in metal, or of it."""
    contains_metal: bool


KINDS: Final[dict[str, Kind]] = {
    "AP_PMA2_like": Kind("mine", 0.068, 0.055, False, True),
    "AP_PMA3_like": Kind("mine", 0.108, 0.040, False, True),
    "AP_PMN_like": Kind("mine", 0.112, 0.056, False, True),
    "AP_PMN2_like": Kind("mine", 0.120, 0.053, False, True),
    "AP_VS50_like": Kind("mine", 0.090, 0.045, False, True),
    "AP_M14_like": Kind("mine", 0.056, 0.040, False, True),
    "AP_type72_like": Kind("mine", 0.078, 0.038, False, True),
    "AP_PMD_wooden_box": Kind("mine", 0.150, 0.065, False, True),
    "AT_TM62P_like": Kind("mine", 0.316, 0.110, False, True),
    "AT_VS16_like": Kind("mine", 0.222, 0.092, False, True),
    "AT_wooden_box": Kind("mine", 0.300, 0.130, False, True),
    "AT_metal": Kind("mine", 0.305, 0.105, True, True),
    "AP_metal_PROM_like": Kind("mine", 0.075, 0.110, True, True),
    "IED_plastic_container": Kind("mine", 0.240, 0.160, False, True),
    "bomblet_BLU26_like": Kind("mine", 0.064, 0.064, True, True),
    "stone": Kind("clutter", 0.11, 0.07, False, False),
    "root": Kind("clutter", 0.04, 0.04, False, False),
    "tin_can": Kind("clutter", 0.10, 0.06, True, True),
    "nail": Kind("clutter", 0.06, 0.005, True, True),
    "glass_bottle": Kind("clutter", 0.075, 0.075, False, False),
    "brick": Kind("clutter", 0.21, 0.065, False, False),
    "backfilled_hole": Kind("clutter", 0.24, 0.26, False, False),
    "burrow": Kind("clutter", 0.08, 0.065, False, False),
    "shell_fragment": Kind("clutter", 0.03, 0.006, True, True),
    "rebar": Kind("clutter", 0.014, 0.014, True, True),
}

# what a lane's objects are drawn from; the order is part of every draw
SMALL_MINES: Final = (
    "AP_PMA2_like", "AP_PMA3_like", "AP_PMN_like", "AP_PMN2_like", "AP_VS50_like", "AP_M14_like", "AP_type72_like",
    "AP_PMD_wooden_box", "bomblet_BLU26_like", "AP_metal_PROM_like",
)  # fmt: skip
LARGE_MINES: Final = ("AT_TM62P_like", "AT_VS16_like", "AT_wooden_box", "AT_metal", "IED_plastic_container")
CLUTTER: Final = (
    "stone", "root", "tin_can", "nail", "glass_bottle", "brick", "backfilled_hole", "burrow", "shell_fragment",
)  # fmt: skip


def drawn_depth_m(kind: str, rng: np.random.Generator) -> float:
    """From the mean surface to the object's top."""
    if kind.startswith("IED"):
        return float(rng.uniform(0.06, 0.22))
    if kind.startswith("AT"):
        return float(rng.uniform(0.05, 0.22))
    if KINDS[kind].role == "mine":
        return float(rng.uniform(0.01, 0.14))
    if kind == "burrow":
        return float(rng.uniform(0.08, 0.20))
    return float(rng.uniform(0.015, 0.15))
