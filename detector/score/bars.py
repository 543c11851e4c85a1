"""Shares with their bounds as SVG text: one row a stratum."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from detector.score.report import Share

WIDTH: Final = 640
NAME: Final = 240
ROW: Final = 22
TOP: Final = 8
RIGHT: Final = 70


def bars(rows: Sequence[tuple[str, Share]], label: str) -> str:
    """A point for the share and a line for its 95 % bounds, from 0 to 1."""
    height = TOP + ROW * len(rows) + 28

    def px(share: float) -> float:
        return NAME + share * (WIDTH - NAME - RIGHT)

    bottom = TOP + ROW * len(rows)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(label)}" font-family="sans-serif" font-size="12" fill="currentColor">'
    ]
    for k in range(6):
        x = px(k / 5)
        out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}" stroke="var(--grid)"/>')
        out.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{k / 5:.1f}</text>')
    for i, (name, s) in enumerate(rows):
        y = TOP + ROW * i + ROW / 2
        short = name if len(name) <= 34 else name[:33] + "…"
        out.append(f'<text x="{NAME - 10}" y="{y + 4:.1f}" text-anchor="end">{escape(short)}</text>')
        out.append(
            f'<line x1="{px(s.low):.1f}" x2="{px(s.high):.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--ink1)" '
            f'stroke-width="3"/>'
        )
        for edge in (s.low, s.high):
            out.append(
                f'<line x1="{px(edge):.1f}" x2="{px(edge):.1f}" y1="{y - 5:.1f}" y2="{y + 5:.1f}" '
                'stroke="var(--ink1)" stroke-width="2"/>'
            )
        out.append(f'<circle cx="{px(s.hits / s.trials):.1f}" cy="{y:.1f}" r="5" fill="var(--ink1)"/>')
        out.append(f'<text x="{WIDTH - RIGHT + 12}" y="{y + 4:.1f}">{s.hits}/{s.trials}</text>')
    return "".join(out) + "</svg>"
