"""The lane in letters: its map and its gaps, for terminals. The same states and words as on the page."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from detector.ground_map import OUTSIDE, Ground
from detector.kept_ground import KeptGround
from firmware_host.console.standing import Standing

SIGNS: Final = {
    Ground.NOT_REACHED: ("·", "dim"),
    Ground.INVALID: ("x", "bold red"),
    Ground.VALID: ("-", "cyan"),
    Ground.OVERLAPPED: ("#", "bold cyan"),
}
"""Signs as well as colours: the worst that a sign's ground holds."""

_WIDTH: Final = 76
_HEIGHT: Final = 16


def standing_of(kept: KeptGround) -> Standing:
    """What a recording kept, as if it were looked at now."""
    return Standing(1, kept.ground, tuple(kept.ground.holes()), kept.origin_m, kept.lane)


def map_text(standing: Standing) -> Text:
    """The lane with its beginning at the left and its left edge at the top; '' where no place is known."""
    out = Text()
    if standing.ground is None:
        return out
    cells = _WIDTH * _HEIGHT
    shown, step = standing.ground.coarse(cells)
    while shown.shape[0] > _WIDTH or shown.shape[1] > _HEIGHT:
        cells = int(cells * 0.8)
        shown, step = standing.ground.coarse(max(1, cells))
    for row in range(shown.shape[1]):
        for cell in shown[:, row]:
            sign, style = (" ", "") if cell == OUTSIDE else SIGNS[Ground(cell)]
            out.append(sign, style)
        out.append("\n")
    width = step * standing.ground.cell_m
    out.append(f"from {standing.origin_m:.2f} m, a sign is {width:.2f} m: ")
    out.append(", ".join(f"{sign} {state.text}" for state, (sign, _) in SIGNS.items()) + "\n")
    return out


def gaps_text(standing: Standing, most: int = 40) -> Text:
    """The figures, and what is to be swept again, line by line."""
    out = Text(f"Lane {standing.lane.text}: " if standing.lane else "Track: ")
    out.append(f"{standing.text}\n", style="bold")
    for k in range(min(most, len(standing.holes))):
        out.append(f" GAP {standing.line(k)}\n", style="bold red" if standing.holes[k].doubted else "yellow")
    if len(standing.holes) > most:
        area = sum(h.area_m2 for h in standing.holes[most:])
        out.append(f" and {len(standing.holes) - most} more gaps of {area:.2f} m² together\n", style="yellow")
    return out
