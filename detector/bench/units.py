"""Numbers as people read them on a bench: the unit's prefix chosen, no more digits than the interval is worth."""

from __future__ import annotations

import math
from typing import Final

from detector.bench.result import Figure, Limit

_PREFIXED: Final = ("V", "m", "s", "Hz", "V/m", "V/h", "A")
_PREFIX: Final = {-12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}


def prefix_of(value: float, unit: str) -> tuple[float, str]:
    """Factor and unit in which a value is between 1 and 1000, for units that take prefixes."""
    if unit not in _PREFIXED or value == 0 or not math.isfinite(value):
        return 1.0, unit
    power = min(9, max(-12, 3 * math.floor(math.log10(abs(value)) / 3)))
    if unit == "m" and power > 0:
        return 1.0, unit
    return 10.0**-power, f"{_PREFIX[power]}{unit}"


def digits(value: float, half: float) -> int:
    """Decimals that show two digits of half the interval."""
    if not math.isfinite(half) or half <= 1e-9 * abs(value):
        return max(0, 3 - math.floor(math.log10(abs(value))) - 1) if value else 0
    return max(0, 1 - math.floor(math.log10(half)))


def figure_texts(f: Figure) -> tuple[str, str, str]:
    """Value with unit, interval, limit."""
    factor, unit = prefix_of(f.value if f.value else f.high, f.unit)
    half = (f.high - f.low) / 2 * factor
    n = min(6, digits(f.value * factor, half))
    shown = "" if unit == "1" else f" {unit}"
    return (
        f"{f.value * factor:.{n}f}{shown}",
        f"{_side(f.low, factor, n)} to {_side(f.high, factor, n)}",
        limit_text(f.limit, factor, shown),
    )


def _side(x: float, factor: float, n: int) -> str:
    return f"{x * factor:.{n}f}" if math.isfinite(x) else ("not bounded" if x > 0 else "no bound")


def limit_text(limit: Limit | None, factor: float = 1.0, unit: str = "") -> str:
    """A limit as a phrase; '-' if there is none."""
    if limit is None:
        return "-"
    if limit.low is None:
        return f"at most {limit.high * factor:g}{unit}" if limit.high is not None else "-"
    if limit.high is None:
        return f"at least {limit.low * factor:g}{unit}"
    return f"{limit.low * factor:g} to {limit.high * factor:g}{unit}"
