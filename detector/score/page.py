"""The report as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from detector.score.paired import Paired, SecondSensor
from detector.score.picture import Line, plot
from detector.score.report import Score
from detector.score.roc import Curve

STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#000;background:#fff}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #888;padding:.2rem .6rem;text-align:left}"
    "svg{max-width:32rem}pre{white-space:pre-wrap;background:#f4f4f4;padding:1rem}"
)

Rows = Sequence[Sequence[str]]


def table(head: Sequence[str], rows: Rows) -> str:
    """An HTML table; every cell is escaped."""
    cells = "".join(f"<th>{escape(h)}</th>" for h in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table><tr>{cells}</tr>{body}</table>"


def page(
    title: str,
    score: Score,
    provenance: Rows,
    second: SecondSensor | None = None,
    against: tuple[str, Paired] | None = None,
    curves: Sequence[tuple[str, Curve]] = (),
) -> str:
    """Everything that was measured, what it was measured with, and what was not tested.

    provenance : (what, value) rows; curves : further detectors on the same lanes, for the plot.
    """
    parts = [f"<h1>{escape(title)}</h1>", table(("what", "value"), provenance), f"<pre>{escape(score.to_text())}</pre>"]
    if second is not None:
        parts += ["<h2>Metal detector alone and both sensors</h2>", f"<pre>{escape(second_text(second))}</pre>"]
    if against is not None:
        parts += ["<h2>Against another chain</h2>", f"<pre>{escape(paired_text(*against))}</pre>"]
    drawn = ([("this chain", score.roc)] if score.roc else []) + list(curves)
    if drawn:
        lines = [Line(name, c.far_per_m, c.pod, c.low, c.high) for name, c in drawn]
        parts.append("<h2>Detection against false alarms</h2>")
        ticks = (0.01, 0.03, 0.1, 0.3, 1, 3)
        parts.append(plot(lines, "false alarms per metre", "probability of detection", (0.01, 3.0), ticks, log_x=True))
        parts.append("<p>Bands: 95 %, bootstrap over places.</p>")
        rows = [
            [name, *(f"{c.pod[i]:.3f}" for i in _at(c, (0.02, 0.1, 0.3, 1.0))), f"{c.reached_per_m:.2f}"]
            for name, c in drawn
        ]
        head = ("detector", "POD at 0.02/m", "at 0.1/m", "at 0.3/m", "at 1/m", "lowest threshold run: 1/m")
        parts.append(table(head, rows))
    if score.reliability is not None:
        r = score.reliability
        parts.append("<h2>Reliability of the stated probability of a mine</h2>")
        lines = [Line("perfect", (0.0, 1.0), (0.0, 1.0)), Line("observed", r.stated, r.observed, dots=True)]
        parts.append(plot(lines, "stated probability", "share that were mines", (0.0, 1.0), (0, 0.2, 0.4, 0.6, 0.8, 1)))
        parts.append(f"<p>Expected calibration error {r.ece:.3f}, Brier score {r.brier:.3f}.</p>")
    body = "\n".join(parts)
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>{body}</body></html>\n"
    )


def _at(c: Curve, rates: Sequence[float]) -> list[int]:
    return [min(range(len(c.far_per_m)), key=lambda i: abs(c.far_per_m[i] - r)) for r in rates]


def paired_text(name: str, p: Paired) -> str:
    """McNemar's table, for a person."""
    return (
        f"Mines found by both {p.both}, by this chain only {p.only_a}, by {name} only {p.only_b}, by neither "
        f"{p.neither}; McNemar, exact, two-sided: p = {p.p_value:.3g}"
    )


def second_text(s: SecondSensor) -> str:
    """What the second sensor costs and spares, for a person."""
    lines = [
        f"POD metal detector alone {s.found_metal}/{s.targets} ({s.pod_metal[0]:.3f} to {s.pod_metal[1]:.3f}), "
        f"both {s.found_dual}/{s.targets} ({s.pod_dual[0]:.3f} to {s.pod_dual[1]:.3f}); "
        f"McNemar p = {s.mcnemar.p_value:.3g}",
        f"False alarms alone {s.false_metal}, both {s.false_dual}, of these called mine-like or unknown "
        f"{s.false_dual_first}, on {s.free_m:.1f} m",
        f"Clutter on which the metal detector alarmed {s.clutter_metal}, of these called clutter by both "
        f"{s.clutter_recognised}",
        f"Mines that the second sensor rejected (called clutter; they still alarm and are dug): {len(s.rejected)}",
    ]
    lines += [f"  {o.where}: {o.decision}" for o in s.rejected]
    lines.append(f"Mines that the metal detector found alone and both together lost: {len(s.lost)}")
    lines += [f"  {o.where}" for o in s.lost]
    return "\n".join(lines)
