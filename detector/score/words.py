"""A trial in words: what the terminal shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from detector.score.asked import AskedRate
from detector.score.paired import SecondSensor
from detector.score.procedure import Procedure
from detector.score.roc import Curve
from detector.score.summary import Against, SearchScore, Trial
from detector.score.trial import LaneScore

SHOWN_RATES: Final = (0.02, 0.1, 0.3, 1.0)

NOMINAL: Final = (
    "The rate asked for is that of bare ground like the ground that the thresholds were made of; on other ground it is "
    "nominal."
)


BY_RARITY: Final = (
    "Places are ranked by how rarely clean ground gives what they gave, by the model's tails; where both sensors "
    "alarmed, by how rarely it gives both at once."
)
BY_SCORE: Final = "Places are ranked by the alarm score in units of its sensor's threshold: the tails are not known."

BAND: Final = "95 %: the wider of Clopper-Pearson and bootstrap over grounds"


def ranked_by(lanes: Sequence[LaneScore]) -> str:
    """What the curve of these lanes ranks by, as a sentence."""
    return BY_SCORE if any(lane.ranking is None for lane in lanes) else BY_RARITY


def text_of(t: Trial) -> str:
    """The whole report."""
    parts = ["Discrimination (alarms: what is dug)", t.score.to_text()]
    if t.procedure is not None:
        parts += ["", "Sweep by sweep (found once it alarmed, false once a place)", procedure_text(t.procedure)]
    if t.asked:
        parts += ["", "False alarms asked of each sensor by itself, and got", *(f"  {asked_text(a)}" for a in t.asked)]
        parts.append(NOMINAL)
    if t.search is not None:
        parts += ["", "Search (signals that sound at once)", search_text(t.search)]
    if t.second is not None:
        parts += ["", "Each sensor alone and both, on the same lanes", second_text(t.second)]
    if t.score.roc is not None:
        parts += ["", f"POD at false alarms per metre ({BAND})", roc_text(t), ranked_by(t.lanes)]
    if t.against is not None:
        parts += ["", f"Against {t.against.name}", against_text(t.against)]
    parts += ["", "Not tested", *(f"  {t}" for t in t.not_tested)]
    return "\n".join(parts)


def procedure_text(p: Procedure) -> str:
    """For a person."""
    rows = p.table()
    wide = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(f"{cell:<{w}}" for cell, w in zip(row, wide, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, p.sentence])


def asked_text(a: AskedRate) -> str:
    """For a person."""
    again = f" of {a.different_m:.1f} m of different ground" if a.again else ""
    return (
        f"{a.sensor}: asked {a.asked_per_m:g}/m, got {a.count} on {a.free_m:.1f} m = {a.per_m:.3f}/m "
        f"(95 % Poisson{again} {a.low:.3f} to {a.high:.3f}): {a.verdict}"
    )


def search_text(s: SearchScore) -> str:
    """For a person."""
    mines = "no mines"
    if s.pod_bounds is not None:
        mines = (
            f"Mines signalled {s.signalled}/{s.targets} = {s.signalled / s.targets:.3f} "
            f"({s.pod_bounds[0]:.3f} to {s.pod_bounds[1]:.3f})"
        )
    if s.far_bounds is None:
        return f"{mines}; no rate outside halos: places are not known"
    return (
        f"{mines}; places outside halos that sounded {s.outside} on {s.free_m:.1f} m = {s.outside / s.free_m:.3f}/m "
        f"({s.far_bounds[0]:.3f} to {s.far_bounds[1]:.3f})"
    )


def against_text(a: Against) -> str:
    """For a person."""
    p = a.paired
    lines = [
        f"{a.lanes} lanes in both. Mines found by both {p.both}, by this chain only {p.only_a}, by {a.name} only "
        f"{p.only_b}, by neither {p.neither}; McNemar, exact, two-sided: p = {p.p_value:.3g}"
    ]
    if (d := a.difference) is not None:
        band = "one ground only, no interval" if d.low != d.low else f"95 % {d.low:+.3f} to {d.high:+.3f}, by ground"
        lines.append(f"False alarms {d.a} against {d.b} on {d.metres:.1f} m: {d.per_m:+.3f}/m ({band})")
    return "\n".join(lines)


def second_text(s: SecondSensor) -> str:
    """What the second sensor costs and spares, for a person."""
    lines = [f"  metal alone  {_line(s.found_metal, s.targets, s.pod_metal, s.false_metal, s.free_m, s.far_metal)}"]
    if s.found_radar is not None and s.pod_radar is not None and s.false_radar is not None:
        lines.append(
            f"  radar alone  {_line(s.found_radar, s.targets, s.pod_radar, s.false_radar, s.free_m, s.far_radar)}"
        )
    lines.append(f"  both         {_line(s.found_dual, s.targets, s.pod_dual, s.false_dual, s.free_m, s.far_dual)}")
    lines.append(
        f"Metal alone against both: McNemar p = {s.mcnemar.p_value:.3g}. False alarms of both that are dug first "
        f"(mine-like or unknown): {s.false_dual_first}"
    )
    rejection = "" if s.rejection is None else f" ({s.rejection[0]:.3f} to {s.rejection[1]:.3f})"
    lines.append(
        f"Clutter rejection: of {s.clutter_metal} clutter objects on which metal alone alarmed, both called "
        f"{s.clutter_recognised} clutter{rejection}"
    )
    lines.append(
        f"Mines that the second sensor rejected (called clutter; they still alarm and are dug): {len(s.rejected)}"
    )
    lines += [f"  {o.where}: {o.decision}" for o in s.rejected]
    lines.append(f"Mines that metal alone found and both together lost: {len(s.lost)}")
    lines += [f"  {o.where}" for o in s.lost]
    return "\n".join(lines)


def _line(
    found: int, targets: int, pod: tuple[float, float], false: int, metres: float, far: tuple[float, float] | None
) -> str:
    rate = "" if far is None or metres <= 0 else f" = {false / metres:.3f}/m ({far[0]:.3f} to {far[1]:.3f})"
    return f"POD {found}/{targets} ({pod[0]:.3f} to {pod[1]:.3f}), false alarms {false}{rate}"


def roc_text(t: Trial) -> str:
    """A table of curves, for a person."""
    return "\n".join("  ".join(f"{c:<20}" for c in row).rstrip() for row in roc_rows(t))


def roc_rows(t: Trial) -> list[list[str]]:
    """Head and rows: detector, POD at SHOWN_RATES, rate down to which it was measured."""
    rows = [["detector", *(f"at {r:g}/m" for r in SHOWN_RATES), "measured up to"]]
    for name, c in curves_of(t):
        at = [min(range(len(c.far_per_m)), key=lambda i, r=r: abs(c.far_per_m[i] - r)) for r in SHOWN_RATES]  # type: ignore[misc]
        rows.append(
            [name, *(f"{c.pod[i]:.2f} ({c.low[i]:.2f}-{c.high[i]:.2f})" for i in at), f"{c.reached_per_m:.2f}/m"]
        )
    return rows


def curves_of(t: Trial) -> list[tuple[str, Curve]]:
    """All curves, by name."""
    out = [("this chain", t.score.roc)] if t.score.roc is not None else []
    out += [(f"{s} alone", c) for s, c in t.alone.items()]
    if t.against is not None and t.against.curve is not None:
        out.append((t.against.name, t.against.curve))
    return out
