"""Plots as SVG text: nothing to install, nothing to fetch, sharp on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import log10

WIDTH, HEIGHT = 480, 320
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 16, 44

INKS = tuple(f"var(--ink{i})" for i in range(1, 6))
"""Of the page, for light and dark. Told apart by dashes too, for the colour-blind and for black-and-white print."""
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 2")


@dataclass(frozen=True, slots=True)
class Line:
    """A curve; low, high : lower and upper bounds at the same x, or (): a band, or bars alone."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    dots: bool = False
    bars: bool = False
    """An upright bar at each x from low to high, and no curve."""


def plot(
    lines: Sequence[Line], x_label: str, y_label: str, x_range: tuple[float, float], ticks: Sequence[float],
    log_x: bool = False,
) -> str:  # fmt: skip
    """An SVG of lines over y from 0 to 1. ticks : of x, inside x_range; log_x needs x_range above 0."""
    lo, hi = (log10(v) for v in x_range) if log_x else x_range

    def px(x: float) -> float:
        v = log10(max(x, x_range[0])) if log_x else x
        return LEFT + (min(max(v, lo), hi) - lo) / (hi - lo) * (WIDTH - LEFT - RIGHT)

    def py(y: float) -> float:
        return TOP + (1 - y) * (HEIGHT - TOP - BOTTOM)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(y_label)} against {escape(x_label)}" font-family="sans-serif" font-size="12" '
        'fill="currentColor">'
    ]
    for k in range(6):
        y = k / 5
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{py(y):.1f}" y2="{py(y):.1f}" stroke="var(--grid)"/>')
        out.append(f'<text x="{LEFT - 6}" y="{py(y) + 4:.1f}" text-anchor="end">{y:.1f}</text>')
    for t in ticks:
        out.append(f'<line x1="{px(t):.1f}" x2="{px(t):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="var(--grid)"/>')
        out.append(f'<text x="{px(t):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{t:g}</text>')
    for i, line in enumerate(lines):
        ink, dash = INKS[i % len(INKS)], DASHES[i % len(DASHES)]
        stroke = f'stroke="{ink}" stroke-width="2" stroke-dasharray="{dash}"'
        if line.bars:
            out += [
                f'<line x1="{px(x):.1f}" x2="{px(x):.1f}" y1="{py(low):.1f}" y2="{py(high):.1f}" {stroke}/>'
                for x, low, high in zip(line.x, line.low, line.high, strict=True)
            ]
        elif line.low and line.high:
            edge = [f"{px(x):.1f},{py(y):.1f}" for x, y in zip(line.x, line.high, strict=True)]
            edge += [f"{px(x):.1f},{py(y):.1f}" for x, y in zip(reversed(line.x), reversed(line.low), strict=True)]
            out.append(f'<polygon points="{" ".join(edge)}" fill="{ink}" opacity="0.15"/>')
        points = " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in zip(line.x, line.y, strict=True))
        if not line.bars:
            out.append(f'<polyline points="{points}" fill="none" {stroke}/>')
        if line.dots:
            out += [
                f'<circle cx="{px(x):.1f}" cy="{py(y):.1f}" r="4" fill="{ink}"/>'
                for x, y in zip(line.x, line.y, strict=True)
            ]
        where = HEIGHT - BOTTOM - 12 - 16 * (len(lines) - 1 - i)
        out.append(
            f'<line x1="{WIDTH - 190}" x2="{WIDTH - 160}" y1="{where - 4}" y2="{where - 4}" {stroke}/>'
            f'<text x="{WIDTH - 154}" y="{where}">{escape(line.name)}</text>'
        )
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>')
    out.append(
        f'<text transform="translate(14 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_label)}</text></svg>"
    )
    return "".join(out)
