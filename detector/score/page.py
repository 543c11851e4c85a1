"""The report as one HTML file that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from detector.score.bars import bars
from detector.score.picture import Line, plot
from detector.score.report import by_size
from detector.score.strip import LEGEND, strip
from detector.score.summary import Trial
from detector.score.trial import LaneScore
from detector.score.words import (
    BAND,
    NOMINAL,
    against_text,
    asked_text,
    curves_of,
    ranked_by,
    roc_rows,
    search_text,
    second_text,
)

STYLE: Final = (
    ":root{color-scheme:light dark;--ground:#fff;--text:#111;--panel:#f2f2f2;--rule:#8a8a8a;--grid:#d8d8d8;"
    "--ink1:#0b5394;--ink2:#b02a00;--ink3:#2d6a12;--ink4:#741b47;--ink5:#555}"
    "@media (prefers-color-scheme:dark){:root{--ground:#121212;--text:#eee;--panel:#1f1f1f;--rule:#777;--grid:#3a3a3a;"
    "--ink1:#7ab8ff;--ink2:#ff9066;--ink3:#8fd46a;--ink4:#e39ac4;--ink5:#bbb}}"
    "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:var(--text);"
    "background:var(--ground)}"
    ".wide{overflow-x:auto;margin:1rem 0}table{border-collapse:collapse}"
    "td,th{border:1px solid var(--rule);padding:.2rem .6rem;text-align:left}"
    "svg{max-width:40rem;width:100%;display:block}figure{margin:1rem 0}.strip svg{max-width:60rem}"
    "pre{white-space:pre-wrap;background:var(--panel);padding:1rem;overflow-x:auto}"
    ".figure{font-size:1.6rem;font-weight:bold}"
)

MOST_STRIPS: Final = 60
"""Lanes that are drawn; those with misses first, then those with most false alarms."""

MOST_MISSES: Final = 500

RATE_TICKS: Final = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)

Rows = Sequence[Sequence[str]]


def table(head: Sequence[str], rows: Rows) -> str:
    """An HTML table; every cell is escaped."""
    cells = "".join(f'<th scope="col">{escape(h)}</th>' for h in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    name = escape(f"table: {', '.join(head)}")
    # a narrow screen scrolls it, by key too
    wide = f'<div class="wide" tabindex="0" role="group" aria-label="{name}">'
    return f"{wide}<table><tr>{cells}</tr>{body}</table></div>"


def page(title: str, t: Trial) -> str:
    """Everything that was measured, what it was measured with, and what was not tested."""
    parts = [
        f"<h1>{escape(title)}</h1>",
        *_headline(t),
        *_sweeps(t),
        "<h2>Not tested</h2>",
        "<ul>" + "".join(f"<li>{escape(n)}</li>" for n in t.not_tested) + "</ul>",
        "<h2>Made with</h2>",
        table(("what", "value"), t.provenance),
        *_misses(t),
        *_curves(t),
        *_strata(t),
        *_reliability(t),
        *_modes(t),
        *_lanes(t),
        "<h2>All figures</h2>",
        f"<pre>{escape(t.score.to_text())}</pre>",
    ]
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )


def _headline(t: Trial) -> list[str]:
    s = t.score
    out = []
    if s.pod is None or s.pod_bounds is None:
        out.append('<p class="figure">No mines: detection was not tested</p>')
    else:
        out.append(
            f'<p class="figure">POD {s.found}/{s.targets} = {s.pod:.3f}</p>'
            f"<p>95 % Clopper-Pearson {s.pod_bounds[0]:.3f} to {s.pod_bounds[1]:.3f}.</p>"
        )
        if s.repeated and s.different_bounds is not None:
            out.append(
                f"<p>{s.different} different mines, {s.different_m:.1f} m of different ground; the rest are further "
                f"sweeps of the same. 95 % of {s.different} mines: {s.different_bounds[0]:.3f} to "
                f"{s.different_bounds[1]:.3f}.</p>"
            )
    if s.far_per_m is None or s.far_bounds is None:
        out.append(f"<p>{s.false_alarms} false alarms; no rate, since places are not known.</p>")
    else:
        out.append(
            f'<p class="figure">False alarms {s.false_alarms} = {s.far_per_m:.3f}/m</p><p>On {s.free_m:.1f} m outside '
            f"halos; 95 % Poisson {s.far_bounds[0]:.3f} to {s.far_bounds[1]:.3f}.</p>"
        )
        if s.again and s.different_far_bounds is not None:
            out.append(
                f"<p>95 % of {s.different_m:.1f} m of different ground: {s.different_far_bounds[0]:.3f} to "
                f"{s.different_far_bounds[1]:.3f}.</p>"
            )
    if t.asked:
        out += [f"<p>{escape(asked_text(a))}.</p>" for a in t.asked]
        out.append(f"<p>{escape(NOMINAL)}</p>")
    if s.far_per_m2 is not None and s.far_m2_bounds is not None:
        out.append(
            f"<p>Per area, where the width is known: {s.far_per_m2:.4f}/m² on {s.free_m2:.1f} m²; 95 % Poisson "
            f"{s.far_m2_bounds[0]:.4f} to {s.far_m2_bounds[1]:.4f}.</p>"
        )
    out.append(f"<p>Halo: half the target's extent + {100 * s.halo_margin_m:.0f} cm, one alarm to one object.</p>")
    return out


def _sweeps(t: Trial) -> list[str]:
    if t.procedure is None:
        return []
    rows = t.procedure.table()
    return ["<h2>Sweep by sweep</h2>", table(rows[0], rows[1:]), f"<p>{escape(t.procedure.sentence)}</p>"]


def _misses(t: Trial) -> list[str]:
    missed = t.score.missed
    out = [f"<h2>Missed mines: {len(missed)} of {t.score.targets}</h2>"]
    if missed:
        causes = ", ".join(f"{cause} {n}" for cause, n in sorted(t.score.missed_by_cause.items()))
        out.append(f"<p>{escape(causes)}</p>" if causes else "")
        rows = [(o.where, o.soil or "soil not known", o.why or "not known") for o in missed[:MOST_MISSES]]
        out.append(table(("mine", "soil", "why"), rows))
        if len(missed) > MOST_MISSES:
            out.append(f"<p>And {len(missed) - MOST_MISSES} more; --json has them all.</p>")
    return out


def _curves(t: Trial) -> list[str]:
    drawn = curves_of(t)
    if not drawn:
        return []
    lines = [Line(name, c.far_per_m, c.pod, c.low, c.high) for name, c in drawn]
    rows = roc_rows(t)
    return [
        "<h2>Detection against false alarms</h2>",
        plot(lines, "false alarms per metre", "probability of detection", (0.01, 3.0), RATE_TICKS, log_x=True),
        f"<p>Bands: {BAND}. Right of 'measured up to' a curve is level, not measured.</p>",
        f"<p>{escape(ranked_by(t.lanes))}</p>",
        table(rows[0], rows[1:]),
    ]


def _strata(t: Trial) -> list[str]:
    out: list[str] = []
    for name, stratum in t.score.strata.items():
        if not out:
            out.append("<h2>POD by stratum, 95 % Clopper-Pearson</h2>")
        out.append(f"<h3>By {escape(name)}</h3>")
        out.append(bars(by_size(stratum), f"probability of detection by {name}"))
    return out


def _reliability(t: Trial) -> list[str]:
    r = t.score.reliability
    if r is None:
        return []
    lines = [
        Line("perfect", (0.0, 1.0), (0.0, 1.0)),
        Line("observed", r.stated, r.observed, dots=True),
        Line("95 % by chance", r.stated, r.stated, r.low, r.high, bars=True),
    ]
    area = t.score.discrimination_auc
    return [
        "<h2>Reliability of the stated probability of a mine</h2>",
        plot(lines, "stated probability", "share that were mines", (0.0, 1.0), (0, 0.2, 0.4, 0.6, 0.8, 1)),
        f"<p>On {sum(r.count)} alarms at known objects: {r.errors}, Brier score {r.brier:.3f}"
        + ("" if area is None else f"; mines against clutter, area under the curve {area:.3f}")
        + f". {escape(r.to_text().capitalize())}.</p>"
        "<p>Drawn in bins of equal count. "
        "Bars: where 95 % of the shares of each bin would lie if the probabilities were true.</p>",
    ]


def _modes(t: Trial) -> list[str]:
    out = []
    if t.search is not None:
        out += ["<h2>Search mode: signals that sound at once</h2>", f"<pre>{escape(search_text(t.search))}</pre>"]
    if t.second is not None:
        out += ["<h2>Each sensor alone and both</h2>", f"<pre>{escape(second_text(t.second))}</pre>"]
    if t.against is not None:
        out.append(f"<h2>Against {escape(t.against.name)}</h2><pre>{escape(against_text(t.against))}</pre>")
    return out


def _lanes(t: Trial) -> list[str]:
    def worst(lane: LaneScore) -> tuple[int, int]:
        return -sum(not o.found for o in lane.targets), -len(lane.alarms_outside)

    drawable = [lane for lane in t.lanes if lane.lane_m is not None and lane.lane_m[1] > lane.lane_m[0]]
    shown = sorted(drawable, key=worst)[:MOST_STRIPS]
    order = {id(lane) for lane in shown}
    out = [f"<h2>Lanes</h2><p>{LEGEND}</p>"]
    for lane in drawable:
        if id(lane) in order:
            found = sum(o.found for o in lane.targets)
            out.append(
                f'<figure class="strip"><figcaption>{escape(lane.lane)}: mines {found}/{len(lane.targets)}, '
                f"false alarms {len(lane.alarms_outside)}{escape('; ' + lane.soil if lane.soil else '')}</figcaption>"
                f"{strip(lane)}</figure>"
            )
    if len(drawable) > len(shown):
        out.append(f"<p>{len(drawable) - len(shown)} more lanes are not drawn: those with fewest misses.</p>")
    if len(drawable) < len(t.lanes):
        out.append(f"<p>{len(t.lanes) - len(drawable)} lanes have no places to draw.</p>")
    return out
