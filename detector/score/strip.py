"""A lane from above as SVG text: what lies there, how near an alarm must come, and where the alarms fell."""

from __future__ import annotations

import math
from html import escape
from typing import Final

from detector.score.trial import LaneScore, Outcome

WIDTH: Final = 900
LEFT: Final = 20
MIDDLE: Final = 34
HEIGHT: Final = 78
HALF: Final = 12
"""Half the height of a halo's box."""

LEGEND: Final = (
    "Solid boxes are halos of mines, dashed ones of clutter. Filled triangle: the alarm that counts for an object. "
    "Diamond: a missed mine. Small ring: a further alarm in a halo. Cross: a false alarm."
)


def strip(lane: LaneScore) -> str:
    """One lane; raises ValueError where its places are not known."""
    if lane.lane_m is None or lane.lane_m[1] <= lane.lane_m[0]:
        raise ValueError(f"{lane.lane} has no places to draw")
    low, high = lane.lane_m

    def px(x: float) -> float:
        return LEFT + (min(max(x, low), high) - low) / (high - low) * (WIDTH - 2 * LEFT)

    found = sum(o.found for o in lane.targets)
    said = (
        f"{lane.lane}: {found} of {len(lane.targets)} mines found, {len(lane.clutter)} clutter objects, "
        f"{len(lane.alarms_outside)} false alarms"
    )
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(said)}" font-family="sans-serif" font-size="12" fill="currentColor">',
        f'<line x1="{px(low):.1f}" x2="{px(high):.1f}" y1="{MIDDLE}" y2="{MIDDLE}" stroke="var(--grid)" '
        'stroke-width="2"/>',
    ]
    step = _step(high - low)
    k = math.ceil(low / step - 1e-9)
    while k * step <= high + 1e-9:
        x = px(k * step)
        out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{MIDDLE + 16}" y2="{MIDDLE + 22}" stroke="currentColor"/>')
        out.append(f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{k * step:g} m</text>')
        k += 1
    for o in lane.outcomes:
        if math.isfinite(o.x_m):
            out += _object(o, px)
    for x_m in lane.further_m:
        if math.isfinite(x_m):
            out.append(
                f'<circle cx="{px(x_m):.1f}" cy="{MIDDLE}" r="3.5" fill="none" stroke="currentColor"/>'
            )
    for a in lane.alarms_outside:
        if math.isfinite(a.x_m):
            x = px(a.x_m)
            out.append(
                f'<path d="M{x - 6:.1f} {MIDDLE - 6}l12 12m0 -12l-12 12" stroke="var(--ink2)" stroke-width="3">'
                f"<title>false alarm at {a.x_m:.2f} m, {a.score:.2f} x threshold, {escape(a.seen_by)}, "
                f"{escape(a.decision)}</title></path>"
            )
    return "".join(out) + "</svg>"


def _object(o: Outcome, px: object) -> list[str]:
    assert callable(px)
    a, b, x = px(o.x_m - o.halo_m), px(o.x_m + o.halo_m), px(o.x_m)
    ink, dash = ("var(--ink1)", "") if o.is_target else ("var(--ink5)", ' stroke-dasharray="3 3"')
    why = o.why or f"found, {o.score:.2f} x threshold, {o.seen_by}{', dense echoes' * o.dense}, {o.decision}"
    out = [
        f'<rect x="{a:.1f}" y="{MIDDLE - HALF}" width="{max(b - a, 2):.1f}" height="{2 * HALF}" fill="{ink}" '
        f'fill-opacity="0.18" stroke="{ink}"{dash}><title>{escape(o.where)}: {escape(why)}</title></rect>'
    ]
    if math.isfinite(o.alarm_x_m):
        t = px(o.alarm_x_m)
        out.append(f'<path d="M{t - 6:.1f} {MIDDLE - HALF - 11}h12l-6 10z" fill="{ink}"/>')
    elif o.is_target:
        out.append(
            f'<path d="M{x:.1f} {MIDDLE - 9}l9 9l-9 9l-9 -9z" fill="none" stroke="var(--ink2)" stroke-width="2.5"/>'
        )
    return out


def _step(length_m: float) -> float:
    """Metres between marks, for about ten of them."""
    raw = length_m / 10
    scale = 10.0 ** math.floor(math.log10(raw))
    return next(m * scale for m in (1, 2, 5, 10) if m * scale >= raw - 1e-12)
