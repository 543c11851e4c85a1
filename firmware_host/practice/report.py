"""A practice score and a learner's history as a person reads them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table

from detector.detections import TrueObject
from detector.score.practice import PracticeScore, share
from firmware_host.practice.history import Pooled, Session, pooled, trend


def _share_text(value: tuple[float, float, float]) -> str:
    found, low, high = value
    return "-" if found != found else f"{found:.2f} ({low:.2f} to {high:.2f})"


def _rate_text(value: tuple[float, float, float]) -> str:
    per_m, low, high = value
    return "-" if per_m != per_m else f"{per_m:.2f} ({low:.2f} to {high:.2f})"


def _cm(metres: float) -> str:
    return "-" if metres != metres else f"{100 * metres:.1f} cm"


def score_text(score: PracticeScore, truth: Sequence[TrueObject]) -> RenderableType:
    """The score, by kind and depth, and only now what was hidden where.

    truth : in places along the lane
    """
    lines = [
        "Intervals are 95 %. Places are along the lane.",
        f"found {score.hits} of {len(score.targets)} targets passed: POD {_share_text(score.pod)}, Clopper-Pearson",
        f"false marks: {score.false_marks} on {score.free_m:.1f} m = {_rate_text(score.false_per_m)} per metre",
        f"pinpoint: bias {_cm(score.bias_m)}, median {_cm(score.median_m)}, 95 % within {_cm(score.radius95_m)}",
        f"pace: {score.m_per_min:.1f} m/min over {score.swept_m:.1f} m",
        f"clutter marked: {score.clutter_marked} of {score.clutter}; targets never reached: {score.not_reached}",
    ]
    strata = Table(box=None, pad_edge=False)
    for name in ("by", "", "found", "POD (95 %)"):
        strata.add_column(name)
    for title, rows in (("kind", score.by("kind")), ("depth", score.by("stratum"))):
        for name, (hits, tried) in rows.items():
            strata.add_row(title, name, f"{hits}/{tried}", _share_text(share(hits, tried)))
    hidden = Table(title="What was hidden", title_justify="left", box=None, pad_edge=False)
    for name in ("place", "what", "depth", ""):
        hidden.add_column(name)
    for o in truth:
        t = next((t for t in score.targets if t.x_m == o.x_m), None)
        said = str(o.label)
        if t is not None:
            said = f"{o.label} found, {100 * t.error_m:+.0f} cm" if t.found else f"{o.label} MISSED"
        hidden.add_row(f"{o.x_m:.2f} m", o.kind, f"{100 * o.depth_m:.0f} cm", said)
    return Group(*lines, strata, hidden)


def history_text(sessions: Sequence[Session]) -> RenderableType:
    """Every session, and the earlier half against the later."""
    table = Table(box=None, pad_edge=False)
    for name in ("when", "head", "alarms", "found", "POD (95 %)", "false marks per m (95 %)", "m/min"):
        table.add_column(name)
    for s in sessions:
        p = pooled([s])
        when = datetime.datetime.fromtimestamp(s.utc_ns / 1e9, datetime.UTC)
        table.add_row(f"{when:%Y-%m-%d %H:%M}", s.head, "shown" if s.aided else "hidden", *_columns(p))
    halves = trend(sessions)
    if halves is None:
        return table
    for name, p in zip(("earlier half", "later half"), halves, strict=True):
        table.add_row(f"[bold]{name}[/]", f"{p.sessions} sessions", "", *_columns(p))
    (first, *low), (later, *high) = (p.pod for p in halves)
    better, worse = later > first and high[0] > low[1], later < first and high[1] < low[0]
    said = "better" if better else "worse" if worse else "not told apart from chance: the intervals overlap"
    return Group(table, f"POD of the later half against the earlier: {said}.")


def _columns(p: Pooled) -> list[str]:
    pace = f"{60 * p.swept_m / p.seconds:.1f}" if p.seconds > 0 else "-"
    return [f"{p.hits}/{p.tried}", _share_text(p.pod), _rate_text(p.false_per_m), pace]
