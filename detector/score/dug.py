"""What digging says of the classifier: mines and clutter that were dug, by head and soil, and drift.

Only what alarmed was dug. A mine that gave no alarm is in none of these figures: they say nothing of the probability
of detection, only of what was made of the alarms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import scipy

from detector.detections import CLASSES, UNKNOWN, Detection, Label, LabelClass
from detector.score.bounds import clopper_pearson
from detector.score.report import finite

NOVEL_SHARE: Final = 0.025
"""Of known objects that a model calls new on ground like its own: its limit is the 97.5 % quantile there."""

LEAST_FOR_DRIFT: Final = 20
SURE: Final = 0.01
"""Of drift: the probability under which a difference is told."""

_MINES: Final = (LabelClass.MINE, LabelClass.ERW)
_CLUTTER: Final = (LabelClass.METAL_CLUTTER, LabelClass.NONMETAL_CLUTTER, LabelClass.NOTHING)


@dataclass(frozen=True, slots=True)
class Hole:
    """One detection that was dug."""

    head: str
    soil: str
    where: str
    """For a person: recording, detection and place."""
    utc_ns: int
    label: LabelClass
    decision: str
    score: float
    novelty: float


@dataclass(frozen=True, slots=True)
class DugStatistics:
    """All holes of one head in one soil."""

    head: str
    soil: str
    holes: int
    mines: int
    mines_first: int
    """Mines that had been called mine-like or unknown."""
    first_bounds: tuple[float, float] | None
    """95 % Clopper-Pearson."""
    rejected: tuple[str, ...]
    """Mines that had been called clutter: the safety number."""
    clutter: int
    """Dug for something else or for nothing."""
    clutter_called: int
    """Of these called clutter: what a ranking by the classifier would have left for last."""
    rejection_bounds: tuple[float, float] | None
    nothing: int
    drift: tuple[str, ...]
    """Warnings, as sentences."""

    def to_text(self) -> str:
        """For a person."""
        lines = [f"{self.head}, {self.soil or 'soil not known'}: {self.holes} dug, {self.mines} mines"]
        if self.first_bounds is not None:
            lines.append(
                f"  dug mines that were called mine-like or unknown: {self.mines_first}/{self.mines} "
                f"({self.first_bounds[0]:.3f} to {self.first_bounds[1]:.3f})"
            )
        lines.append(f"  dug mines that were called clutter: {len(self.rejected)}")
        lines += [f"    {w}" for w in self.rejected]
        if self.rejection_bounds is not None:
            lines.append(
                f"  clutter rejection: {self.clutter_called}/{self.clutter} called clutter "
                f"({self.rejection_bounds[0]:.3f} to {self.rejection_bounds[1]:.3f}); nothing at all was found at "
                f"{self.nothing}"
            )
        if self.mines:
            lines.append(f"  holes per mine: {self.holes / self.mines:.1f}")
        return "\n".join(lines + [f"  DRIFT: {d}" for d in self.drift])

    def to_json(self) -> dict[str, Any]:
        """Strict JSON."""
        out: dict[str, Any] = finite(asdict(self))
        return out


def holes_of(
    recording: str, head: str, soil: str, detections: Sequence[Detection], labels: Sequence[Label]
) -> list[Hole]:
    """The dug detections of a recording, by the newest label of each; opinions are left out."""
    newest = {label.detection_id: label for label in labels}
    out = []
    for d in detections:
        said = newest.get(d.id)
        if said is None or not said.ground_truth or said.label not in (*_MINES, *_CLUTTER):
            continue
        place = f" at {d.x_m:.2f} m" if math.isfinite(d.x_m) else ""
        where = f"{recording} #{d.id}{place}"
        out.append(Hole(head, soil, where, d.utc_ns, said.label, d.decision, d.score, d.novelty))
    return out


def statistics(holes: Sequence[Hole]) -> list[DugStatistics]:
    """One for each head and soil."""
    return [
        _of(head, soil, sorted((h for h in holes if (h.head, h.soil) == (head, soil)), key=lambda h: h.utc_ns))
        for head, soil in sorted({(h.head, h.soil) for h in holes})
    ]


def _of(head: str, soil: str, holes: Sequence[Hole]) -> DugStatistics:
    mines = [h for h in holes if h.label in _MINES]
    clutter = [h for h in holes if h.label in _CLUTTER]
    first = [h for h in mines if h.decision in (CLASSES[0], UNKNOWN)]
    called = sum(h.decision not in (CLASSES[0], UNKNOWN) for h in clutter)
    return DugStatistics(
        head=head,
        soil=soil,
        holes=len(holes),
        mines=len(mines),
        mines_first=len(first),
        first_bounds=clopper_pearson(len(first), len(mines)) if mines else None,
        rejected=tuple(h.where for h in mines if h not in first),
        clutter=len(clutter),
        clutter_called=called,
        rejection_bounds=clopper_pearson(called, len(clutter)) if clutter else None,
        nothing=sum(h.label == LabelClass.NOTHING for h in holes),
        drift=tuple(_drift(holes)),
    )


def _drift(holes: Sequence[Hole]) -> list[str]:
    """holes : oldest first."""
    out = []
    named = [h for h in holes if h.label != LabelClass.NOTHING and math.isfinite(h.novelty)]
    new = sum(h.novelty > 1.0 for h in named)
    if len(named) >= LEAST_FOR_DRIFT:
        p = float(scipy.stats.binomtest(new, len(named), NOVEL_SHARE, alternative="greater").pvalue)
        if p < SURE:
            out.append(
                f"{new} of {len(named)} dug objects are unlike all that the model knows, expected {NOVEL_SHARE:.1%} "
                f"(p = {p:.2g}): this ground is not the ground that it learned from. Do not trust its probabilities "
                "here; train on with these labels."
            )
    half = len(holes) // 2
    if half >= LEAST_FOR_DRIFT:
        p = float(scipy.stats.ks_2samp([h.score for h in holes[:half]], [h.score for h in holes[half:]]).pvalue)
        if p < SURE:
            out.append(
                f"the alarm scores of the later half of the holes differ from the earlier half (Kolmogorov-Smirnov, "
                f"p = {p:.2g}): head, settings or ground have changed. Check the head."
            )
    return out
