"""An object drawn into the ground, and what is written down of it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from detector.simulate.full_wave.ground import Ground
from detector.simulate.full_wave.kinds import KINDS
from detector.simulate.full_wave.materials import FIRST_STONE, STONES, Material

_CASED: Final = (
    "AP_PMA2_like", "AP_M14_like", "AP_type72_like", "AP_VS50_like", "AP_PMA3_like", "AT_VS16_like", "AT_TM62P_like",
    "AP_PMN_like", "AP_PMN2_like",
)  # fmt: skip
_PIN_WORDS: Final = "lossy_proxy_eps14_sigma0.6"


def bury(ground: Ground, kind: str, x_m: float, depth_m: float) -> dict[str, Any]:
    """Draw one of that kind into the ground, half of the mines in a filled hole; its entry of the truth.

    depth_m : from the mean surface to its top
    """
    rng, known = ground.rng, KINDS[kind]
    size, tilt = rng.uniform(0.96, 1.04), rng.uniform(-8, 8)
    if kind in ("stone", "root", "tin_can", "burrow"):
        size, tilt = rng.uniform(0.7, 1.3), rng.uniform(-30, 30)
    w, h = known.width_m * size, known.height_m * size
    if kind == "stone":
        h *= rng.uniform(0.8, 1.2)
    if kind == "nail":
        tilt = rng.uniform(-60, 60)
    if kind.startswith("AT"):
        tilt = rng.uniform(-4, 4)
    half = h / 2
    if kind in ("nail", "brick", "shell_fragment"):
        rad = np.radians(tilt)
        half = 0.5 * (h * abs(np.cos(rad)) + w * abs(np.sin(rad)))
    y = -(depth_m + half)
    filled = bool(known.role == "mine" and rng.random() < 0.5)
    if filled:
        ground.hole(x_m, w + rng.uniform(0.04, 0.12), depth_m + h + 0.02)
    before = ground.ids.copy()
    if kind == "backfilled_hole":
        w, h = w * rng.uniform(0.7, 1.3), h * rng.uniform(0.7, 1.2)
        ground.hole(x_m, w, h)
        filled, depth_m, y = True, 0.0, -h / 2
        extra: dict[str, Any] = {}
    else:
        draw = _mine if known.role == "mine" else _clutter
        extra = draw(ground, kind, x_m, y, w, h, tilt)
    ground.took(before)
    near = ground.surface_m[np.abs(ground.x_m - x_m) < 0.02].mean()
    return {
        "class": known.role, "kind": kind, "x_m": round(x_m, 4), "depth_m": round(depth_m, 4), "width_m": round(w, 4),
        "metal": known.metal, "height_m": round(h, 4), "depth_centre_m": round(-y, 4),
        "local_cover_m": round(float(depth_m + near), 4), "tilt_deg": round(tilt, 1),
        "contains_metal": known.contains_metal, "backfilled": filled, **extra,
    }  # fmt: skip


def _mine(g: Ground, kind: str, x: float, y: float, w: float, h: float, tilt: float) -> dict[str, Any]:
    """Case, filling, air, metal parts. The order of the draws is part of every lane."""
    rng = g.rng
    if kind in _CASED:
        rubber = "PMN" in kind
        g.box(x, y, w, h, tilt, Material.RUBBER if rubber else Material.PLASTIC)
        wall = max(0.003, g.cell_m)
        filling = Material.TNT if rng.random() < 0.7 else Material.RDX
        g.box(x, y, w - 2 * wall, h * 0.62, tilt, filling, up=-h * 0.19 + wall)
        g.box(x, y, w * rng.uniform(0.4, 0.75), h * 0.16, tilt, Material.AIR, up=h * 0.27)
        g.box(x, y, 0.006, 0.008, tilt, Material.PIN, along=rng.uniform(-0.1, 0.1) * w)
        return {"case": "rubber40" if rubber else "plastic28", "pin": _PIN_WORDS}
    if "wooden" in kind:
        g.box(x, y, w, h, tilt, Material.WOOD)
        g.box(x, y, w - 0.016, h - 0.016, tilt, Material.AIR)
        g.box(x, y, (w - 0.016) * 0.8, (h - 0.016) * 0.7, tilt, Material.TNT, up=-(h - 0.016) * 0.15)
        g.box(x, y, 0.006, 0.01, tilt, Material.PIN, along=0.3 * w)
        return {"case": "wood24", "pin": _PIN_WORDS}
    if kind == "IED_plastic_container":
        g.box(x, y, w, h, tilt, Material.PLASTIC)
        g.box(x, y, w - 0.006, h - 0.006, tilt, Material.AIR)
        fill = rng.uniform(0.75, 0.95)
        g.box(x, y, w - 0.006, (h - 0.006) * fill, tilt, Material.ANFO, up=-(h - 0.006) * (1 - fill) / 2)
        g.box(x, y, 0.008, 0.02, tilt, Material.PIN, along=0.1 * w)
        return {"case": "plastic28", "pin": _PIN_WORDS}
    if kind == "bomblet_BLU26_like":
        g.ellipse(x, y, w, w, 0, Material.METAL)
        return {}
    # cased in metal: a body with its fuze on top
    g.box(x, y, w, h * 0.85, tilt, Material.METAL, up=-h * 0.075)
    g.box(x, y, w * 0.4, h * 0.16, tilt, Material.METAL, up=h * 0.42)
    return {}


def _clutter(g: Ground, kind: str, x: float, y: float, w: float, h: float, tilt: float) -> dict[str, Any]:
    """Likewise, what is no mine."""
    match kind:
        case "stone":
            e = int(g.rng.integers(len(STONES)))
            g.ellipse(x, y, w, h, tilt, FIRST_STONE + e)
            return {"eps_r": float(STONES[e, 0])}
        case "root":
            g.ellipse(x, y, w, h, tilt, Material.ROOT)
            return {"eps_r": 15.0}
        case "tin_can":
            g.ellipse(x, y, w, h, tilt, Material.METAL)
            g.ellipse(x, y, w - 3 * g.cell_m, h - 3 * g.cell_m, tilt, Material.AIR)
        case "nail" | "shell_fragment":
            g.box(x, y, w, h, tilt, Material.METAL)
        case "glass_bottle":
            inner = Material.WATER if g.rng.random() < 0.35 else Material.AIR
            g.ellipse(x, y, w, h, 0, Material.GLASS)
            g.ellipse(x, y, w - 0.008, h - 0.008, 0, inner)
            return {"filled_with": inner.name.lower()}
        case "brick":
            g.box(x, y, w, h, tilt, Material.BRICK)
        case "burrow":
            g.ellipse(x, y, w, h, tilt, Material.AIR)
        case "rebar":
            g.ellipse(x, y, max(w, 2.2 * g.cell_m), max(h, 2.2 * g.cell_m), 0, Material.METAL)
    return {}
