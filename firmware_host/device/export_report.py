"""What an export came to: bounds, measured errors, memory and instructions, as text and as numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.decide.classifier import SENSORS, Model
from detector.detections import CLASSES, UNKNOWN
from detector.embedded.cascade import reference_output
from detector.embedded.quantised import Quantised, counts_of
from detector.embedded.votes import votes
from detector.score.report import finite
from firmware_host.device.export import Exported
from firmware_host.device.export_classifier import ClassifierOnBoard, room_floats
from firmware_host.virtual.proving import Cost, Judged

WORDS: Final = ("q31", "q15", "f32")


@dataclass(frozen=True, slots=True)
class OnBoard:
    """A run on an emulated board."""

    board: str
    samples: int
    equal: bool | None
    """Whether every word was that of the host's fixed-point model; None for float32."""
    largest_error: float
    """Against double precision, counts."""
    instructions_per_sample: float
    text_bytes: int
    stack_bytes: int


@dataclass(frozen=True, slots=True)
class Row:
    """One stream in one word."""

    stream: str
    word: str
    sections: int
    samples: int
    """That the errors below were measured on."""
    signal: float
    """Root mean square of the exact output, counts."""
    bound: float
    """Proven largest departure from exact arithmetic, counts; NaN for float32, whose is measured only."""
    largest_error: float
    rms_error: float
    peak: float
    """Largest value a section can reach, of full scale; NaN for float32."""
    state_bytes: int
    room_bytes: int
    boards: tuple[OnBoard, ...] = ()


def measure(exported: Exported, word: str, counts: NDArray[Any]) -> Row:
    """Errors of a word on real samples, counts with the middle taken off, shaped as the cascade wants them."""
    c = exported.cascade
    exact = reference_output(c, counts.astype(np.float64))
    q = _quantised(exported, word)
    # what single precision makes of it depends on the compiler: that is measured on the boards
    nan = float("nan")
    off = counts_of(q, q.run(counts)) - exact if q is not None else np.full(1, nan)
    return Row(
        stream=exported.stream.name, word=word, sections=len(c.sos), samples=int(counts.size),
        signal=float(np.sqrt(np.mean(exact**2))), bound=q.error if q else nan,
        largest_error=float(np.abs(off).max()), rms_error=float(np.sqrt(np.mean(off**2))),
        peak=q.peak if q else nan, state_bytes=exported.state_bytes[word], room_bytes=exported.room_bytes[word],
    )  # fmt: skip


def compare(exported: Exported, word: str, counts: NDArray[Any], out: NDArray[Any]) -> tuple[bool | None, float]:
    """Whether a board's output equals the host's model, and its largest error in counts."""
    exact = reference_output(exported.cascade, counts.astype(np.float64))
    q = _quantised(exported, word)
    if q is None:
        return None, float(np.abs(out - exact).max())
    return bool(np.array_equal(out, q.run(counts))), float(np.abs(counts_of(q, out) - exact).max())


def compare_verdicts(
    model: Model, board: str, features: NDArray[np.float32], flags: NDArray[np.float32], judged: Judged, cost: Cost
) -> ClassifierOnBoard:
    """A board's verdicts on alarms against the host's on the same features."""
    alike, difference, votes_equal = 0, 0.0, True
    for i, (x, flag) in enumerate(zip(features, flags, strict=True)):
        verdict = model.judge(x.astype(np.float64), (float(flag[0]), float(flag[1])))
        decision = -1 if verdict.decision == UNKNOWN else CLASSES.index(verdict.decision)
        alike += int(decision == judged.decision[i] and verdict.level == judged.level[i])
        difference = max(difference, float(np.abs(np.array(verdict.probability) - judged.probability[i]).max()))
    for k, sensor in enumerate(SENSORS):
        alarmed = flags[:, k] == 1.0
        if sensor in model.sensors:
            own = votes(model.sensors[sensor], features[alarmed])
            votes_equal = votes_equal and bool(np.array_equal(own, judged.votes[alarmed, k]))
    return ClassifierOnBoard(
        board,
        len(features),
        votes_equal,
        alike,
        difference,
        round(cost.instructions),
        cost.text_bytes,
        cost.stack_bytes,
    )


def as_numbers(
    rows: list[Row], verdicts: list[ClassifierOnBoard], left_out: list[str], origin: dict[str, str]
) -> dict[str, Any]:
    """For JSON; what is not known is null."""
    return {
        "origin": origin, "filters": [finite(asdict(r)) for r in rows],
        "classifier": [finite(asdict(v)) for v in verdicts], "not_exported": left_out,
    }  # fmt: skip


def as_text(
    rows: list[Row],
    exported: list[Exported],
    model: Model,
    verdicts: list[ClassifierOnBoard],
    left_out: list[str],
    origin: dict[str, str],
) -> str:
    """The report in Markdown."""
    lines = ["# Exported to firmware", "", *(f"- {k}: {v}" for k, v in origin.items()), ""]
    for e in exported:
        way = "forward and backward over each A-scan" if e.cascade.zero_phase else "forward, one state for each value"
        lines += [
            f"## {e.stream.name}",
            "",
            f"In it: {'; '.join(e.cascade.holds) or 'nothing'}. Run {way}.",
            f"Not in it, left to the host: {', '.join(e.cascade.left_out) or 'nothing'}.",
            "",
            "| word | bound, counts | largest error measured | rms error | rms signal | peak of full scale | RAM, B |",
            "|---|---|---|---|---|---|---|",
        ]
        mine = [r for r in rows if r.stream == e.stream.name]
        for r in mine:
            ram = f"{r.state_bytes} + {r.room_bytes}" if r.room_bytes else f"{r.state_bytes}"
            lines.append(
                f"| {r.word} | {_n(r.bound)} | {_n(r.largest_error)} on {r.samples} | {_n(r.rms_error)} "
                f"| {_n(r.signal)} | {_n(r.peak)} | {ram} |"
            )
        boards = [(r.word, b) for r in mine for b in r.boards]
        if boards:
            lines += [
                "",
                "| emulated board | word | samples | equal to the host's model | largest error | instructions a sample "
                "| code and constants, B | deepest frame, B |",
                "|---|---|---|---|---|---|---|---|",
            ]
        for word, b in boards:
            equal = "not asked" if b.equal is None else "yes, to the bit" if b.equal else "NO"
            lines.append(
                f"| {b.board} | {word} | {b.samples} | {equal} | {_n(b.largest_error)} "
                f"| {b.instructions_per_sample:.0f} | {b.text_bytes} | {b.stack_bytes} |"
            )
        lines.append("")
    sizes = ", ".join(
        f"{name} {len(s.forest.roots)} trees of {len(s.forest.feature)} nodes on {len(s.columns)} features"
        for name, s in model.sensors.items()
    )
    lines += [
        "## Classifier",
        "",
        f"Model {model.name}: {sizes or 'knows nothing'}. RAM: {4 * room_floats(model)} B while it judges.",
        "",
    ]
    if verdicts:
        lines += [
            "| emulated board | alarms | votes equal to the host's | decision and level equal | largest difference of "
            "a probability | instructions an alarm | code and tables without libm, B | deepest frame, B |",
            "|---|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {v.board} | {v.alarms} | {'yes, each' if v.votes_equal else 'NO'} | {v.decisions_equal} "
            f"| {v.largest_difference:.2g} | {v.instructions_per_alarm:.0f} | {v.text_bytes} | {v.stack_bytes} |"
            for v in verdicts
        ]
        lines.append("")
    if left_out:
        lines += ["## Not exported", "", *(f"- {text}" for text in left_out), ""]
    lines += [
        "The bound is proven for every input within the limit: rounding, coefficients and start included; no section",
        "and no accumulator can overflow. Float32 has no such bound: its error is measured, on boards. Instructions",
        "are those executed by the emulator, not cycles.",
    ]
    return "\n".join(lines) + "\n"


def _quantised(exported: Exported, word: str) -> Quantised | None:
    return {"q31": exported.q31, "q15": exported.q15}.get(word)


def _n(value: float) -> str:
    return "-" if not np.isfinite(value) else f"{value:.4g}"
