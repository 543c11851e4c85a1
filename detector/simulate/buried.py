"""What lies in simulated ground: mines and clutter, each as a body for the radar and as metal for the coil."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from detector.detections import LabelClass, TrueObject
from detector.simulate.pulse_induction import Metal, sphere, steel

INFINITE_M: Final = 10.0
"""Extent across the track of roots, wires and pipes: far beyond a Fresnel zone."""


@dataclass(frozen=True, slots=True)
class Buried:
    """An object in the ground."""

    label: LabelClass
    kind: str
    x_m: float
    depth_m: float
    """Of its top below the surface."""
    width_m: float
    height_m: float
    across_m: float
    """Extent across the track."""
    shape: str
    """'box' with a flat lid, 'round' cylinder across the track, or 'hole' that was dug and filled again."""
    permittivity: float
    """Of the body; 0 = metal throughout."""
    tilt_rad: float = 0.0
    gap_m: float = 0.0
    """Air gap (fuze well) under the lid of a box, m."""
    metal: Metal | None = None
    metal_depth_m: float = 0.0
    """Of the metal's centre below the surface."""
    elongation: float = 1.0
    """Polarizability along the body's axis over that across it."""
    axis: tuple[float, float, float] = field(default=(0.0, 0.0, 1.0))
    """Unit vector of that axis: along track, across, down."""

    def truth(self) -> TrueObject:
        return TrueObject(
            label=self.label,
            kind=self.kind,
            stream="",
            x_m=self.x_m,
            first_seq=-1,
            last_seq=-1,
            half_extent_m=self.width_m / 2,
            depth_m=self.depth_m,
            two_way_s=float("nan"),
            contains_metal=self.metal is not None,
            confidence="simulated",
        )


def combined(*parts: Metal) -> Metal:
    """Several pieces of metal close together, each answering for itself."""
    return Metal(
        tuple(a for p in parts for a in p.amplitudes_m3),
        tuple(t for p in parts for t in p.taus_s),
        sum(p.static_m3 for p in parts),
    )


def detonator(rng: np.random.Generator) -> Metal:
    """Aluminium or copper detonator shell, 5 to 7 mm across: the sphere of its size (MANIFEST of minimum metal)."""
    conductivity = float(rng.choice([2.2e7, 3.5e7, 5.8e7])) * float(rng.uniform(0.7, 1.0))
    return sphere(float(rng.uniform(2.4e-3, 3.9e-3)), conductivity)


def steel_piece(rng: np.random.Generator, mass_kg: float, thickness_m: float) -> Metal:
    """Steel of that mass and wall: slowest time constant by diffusion through it, mu0 mu sigma (t / pi)^2."""
    permeability = float(rng.uniform(40, 150))
    slowest = 4e-7 * np.pi * permeability * float(rng.uniform(3e6, 7e6)) * (thickness_m / np.pi) ** 2
    return steel(mass_kg / 7850.0, float(np.clip(slowest, 5e-6, 2e-2)), permeability)


def _direction(rng: np.random.Generator) -> tuple[float, float, float]:
    v = rng.normal(size=3)
    v /= np.linalg.norm(v)
    return float(v[0]), float(v[1]), float(v[2])


def draw_mine(rng: np.random.Generator, x_m: float) -> Buried:
    """A mine, anti-personnel at 0 to 15 cm, anti-tank at 3 to 25 cm, plastic or metal; or what else explodes."""
    kind = str(rng.choice(
        ["AP_small", "AP_medium", "AP_large", "AP_wood", "AP_bounding", "AT_plastic", "AT_metal", "grenade", "mortar"],
        p=[0.22, 0.22, 0.18, 0.06, 0.04, 0.14, 0.08, 0.03, 0.03],
    ))  # fmt: skip
    anti_tank = kind.startswith("AT")
    width, height = {
        "AP_small": (rng.uniform(0.055, 0.08), rng.uniform(0.03, 0.06)),
        "AP_medium": (rng.uniform(0.08, 0.10), rng.uniform(0.035, 0.07)),
        "AP_large": (rng.uniform(0.10, 0.14), rng.uniform(0.045, 0.08)),
        "AP_wood": (rng.uniform(0.10, 0.20), rng.uniform(0.05, 0.08)),
        "AT_plastic": (rng.uniform(0.22, 0.34), rng.uniform(0.08, 0.14)),
        "AT_metal": (rng.uniform(0.22, 0.34), rng.uniform(0.08, 0.14)),
        "AP_bounding": (rng.uniform(0.07, 0.12), rng.uniform(0.10, 0.17)),
        "grenade": (rng.uniform(0.04, 0.07), rng.uniform(0.04, 0.06)),
        "mortar": (rng.uniform(0.15, 0.35), rng.uniform(0.05, 0.09)),
    }[kind]
    cased = {"AT_metal": (1.5, 4.0), "AP_bounding": (0.6, 2.5), "grenade": (0.15, 0.45), "mortar": (0.8, 3.5)}
    depth = float(rng.uniform(0.03, 0.25) if anti_tank else rng.uniform(0.0, 0.15))
    parts: list[Metal] = []
    if kind in cased:
        parts.append(steel_piece(rng, float(rng.uniform(*cased[kind])), 2e-3 if kind == "AT_metal" else 4e-3))
    elif rng.random() < 0.93:
        parts.append(detonator(rng))
        if rng.random() < 0.6:
            parts.append(steel_piece(rng, float(10 ** rng.uniform(-4.3, -2.7)), 1e-3))
    return Buried(
        label=LabelClass.ERW if kind in ("grenade", "mortar") else LabelClass.MINE,
        kind=kind,
        x_m=x_m,
        depth_m=depth,
        width_m=float(width),
        height_m=float(height),
        across_m=float(height if kind == "mortar" else width),
        shape="round" if kind in ("grenade", "mortar") else "box",
        permittivity=0.0 if kind in cased else float(rng.uniform(2.3, 3.4)),
        tilt_rad=float(rng.normal(scale=0.06)),
        gap_m=float(rng.uniform(0.003, 0.012)) if rng.random() < 0.5 and kind not in cased else 0.0,
        metal=combined(*parts) if parts else None,
        metal_depth_m=depth + float(height) * float(rng.uniform(0.2, 0.8)),
        elongation=float(rng.uniform(0.8, 2.0)),
        axis=_direction(rng),
    )


def draw_clutter(rng: np.random.Generator, x_m: float) -> Buried:
    """Something harmless: battlefield and household metal, stones, roots, burrows, old holes."""
    kind = str(rng.choice(
        ["stone", "root", "void", "burrow", "backfilled_hole", "brick", "shell_fragment", "cartridge_case",
         "nail", "tin_can", "wire", "bottle_cap", "foil", "bullet", "bolt"],
        p=[0.16, 0.12, 0.05, 0.05, 0.06, 0.06, 0.13, 0.09, 0.07, 0.07, 0.03, 0.04, 0.03, 0.02, 0.02],
    ))  # fmt: skip
    depth = float(rng.uniform(0.0, 0.18))
    label = LabelClass.NONMETAL_CLUTTER
    metal: Metal | None = None
    shape, across, eps, tilt, elongation = "round", 0.0, 0.0, 0.0, 1.0
    if kind in ("stone", "brick"):
        width = float(rng.uniform(0.03, 0.16))
        height = width * float(rng.uniform(0.5, 1.0))
        eps = float(rng.uniform(4.5, 9.0))
        if kind == "brick":
            width, height, shape, eps = float(rng.uniform(0.1, 0.24)), 0.065, "box", float(rng.uniform(3.5, 5.5))
            tilt = float(rng.normal(scale=0.3))
        across = width
    elif kind in ("root", "void", "burrow"):
        width = height = float(rng.uniform(0.015, 0.06) if kind == "root" else rng.uniform(0.03, 0.09))
        eps = float(rng.uniform(10.0, 25.0)) if kind == "root" else 1.0
        across = width if kind == "void" else INFINITE_M
    elif kind == "backfilled_hole":
        width, height, shape, depth = float(rng.uniform(0.12, 0.35)), float(rng.uniform(0.15, 0.35)), "hole", 0.0
        across, eps = width, -1.0
    else:
        label = LabelClass.METAL_CLUTTER
        size = {
            "shell_fragment": (0.01, 0.05), "cartridge_case": (0.03, 0.07), "nail": (0.03, 0.10),
            "tin_can": (0.06, 0.11), "wire": (0.002, 0.004), "bottle_cap": (0.025, 0.032), "foil": (0.02, 0.12),
            "bullet": (0.008, 0.03), "bolt": (0.03, 0.12),
        }[kind]  # fmt: skip
        width = float(rng.uniform(*size))
        height = {
            "shell_fragment": 0.3 * width, "cartridge_case": 0.011, "nail": 0.004, "tin_can": 0.6 * width,
            "wire": width, "bottle_cap": 0.006, "foil": 0.004, "bullet": 0.008, "bolt": 0.012,
        }[kind]  # fmt: skip
        across = {"wire": INFINITE_M, "tin_can": 0.11, "bottle_cap": width, "foil": width}.get(kind, height)
        shape = "round" if kind in ("wire", "tin_can", "bullet") else "box"
        tilt = float(rng.normal(scale=0.4))
        if kind == "shell_fragment":
            metal, elongation = steel_piece(rng, float(10 ** rng.uniform(-3.3, -1.5)), 0.2 * width), rng.uniform(1, 3)
        elif kind == "cartridge_case":
            metal, elongation = sphere(float(rng.uniform(5e-3, 9e-3)), 1.6e7), rng.uniform(0.5, 2.0)
        elif kind == "nail":
            metal, elongation = steel_piece(rng, float(10 ** rng.uniform(-3.0, -1.8)), 3e-3), rng.uniform(4, 15)
        elif kind == "tin_can":
            metal, elongation = steel_piece(rng, float(rng.uniform(0.03, 0.12)), 3e-3), rng.uniform(0.7, 1.5)
        elif kind == "foil":
            # a thin disc: slowest time constant mu0 sigma thickness radius / 4, one pole (Kaufman and Keller 1985)
            slowest = 4e-7 * np.pi * 3.0e7 * float(rng.uniform(2e-5, 1.5e-4)) * width / 8
            metal, elongation = Metal(((width / 2) ** 3 * 8 / 3,), (max(slowest, 2e-6),)), rng.uniform(0.1, 0.4)
        elif kind == "bullet":
            metal, elongation = sphere(float(rng.uniform(4e-3, 7e-3)), float(rng.choice([4.8e6, 5.5e7]))), 1.0
        elif kind == "bolt":
            metal, elongation = steel_piece(rng, float(10 ** rng.uniform(-2.0, -0.8)), 6e-3), rng.uniform(2, 6)
        elif kind == "wire":
            metal, elongation = steel_piece(rng, float(10 ** rng.uniform(-3.0, -2.0)), width / 2), rng.uniform(3, 10)
        else:
            metal, elongation = steel_piece(rng, 0.0022, 1e-3), rng.uniform(0.5, 0.8)
    return Buried(
        label=label,
        kind=kind,
        x_m=x_m,
        depth_m=depth,
        width_m=width,
        height_m=float(height),
        across_m=float(across),
        shape=shape,
        permittivity=eps,
        tilt_rad=float(np.clip(tilt, -0.7, 0.7)),
        metal=metal,
        metal_depth_m=depth + float(height) / 2,
        elongation=float(elongation),
        axis=_direction(rng),
    )
