"""firmware export: tuned filters and classifier as C99, their errors, and the proof on emulated boards."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from detector import __version__
from detector.decide.classifier import Model
from detector.detections import FEATURES, Detection
from detector.embedded.cascade import cascade_of
from detector.embedded.quantised import Quantised, quantise
from detector.errors import ProfileError
from detector.profile import DEFAULT_PROFILE
from detector.recording.reader import Recording, open_recording
from detector.samples import StreamDescription
from firmware_host.cli.opening import ModelOption, ProfileOption, chain, console
from firmware_host.device.build import BOARDS
from firmware_host.device.export import Exported, write_sources
from firmware_host.device.export_classifier import ClassifierOnBoard, made_up_alarms, on_board, write_classifier
from firmware_host.device.export_report import (
    WORDS,
    OnBoard,
    Row,
    as_numbers,
    as_text,
    compare,
    compare_verdicts,
    measure,
)
from firmware_host.errors import FirmwareError
from firmware_host.virtual.proving import filter_on_board, judge_on_board

_MADE_UP = 500
"""Alarms that the classifier is proven on beside the recorded ones."""

_MOST = 1_000_000
"""Samples that are taken from a recording to measure errors on."""


def export(
    recording: Annotated[Path, typer.Argument(help="A recording of the head: its streams, and samples to measure on.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write sources and report into.")],
    profile: ProfileOption = DEFAULT_PROFILE,
    model_path: ModelOption = None,
    words: Annotated[str, typer.Option(help="Of q31, q15, f32; with commas.")] = ",".join(WORDS),
    limit: Annotated[
        float | None, typer.Option(help="Largest count of the converter, if its samples are wider than it is.")
    ] = None,
    error: Annotated[
        float, typer.Option(help="Largest proven error, of the largest count; a word that is worse is not exported.")
    ] = 0.001,
    prove: Annotated[
        bool, typer.Option("--prove", help="Build it and run the samples through emulated boards.")
    ] = False,
) -> None:
    """Write a profile's filters and the classifier as C99: float32, Q31 and Q15, with proven error bounds."""
    wanted = [w.strip().lower() for w in words.split(",") if w.strip()]
    unknown = [w for w in wanted if w not in WORDS]
    if unknown or not wanted:
        raise FirmwareError(f"There are no words {', '.join(unknown) or '(none given)'}. Choose of {', '.join(WORDS)}.")
    chosen, whole = chain(profile, model_path)
    model = on_board(whole)
    exported: list[Exported] = []
    rows: list[Row] = []
    left_out: list[str] = []
    samples: list[NDArray[Any]] = []
    with open_recording(recording) as rec:
        rec.refuse_training("set a filter's scale")
        origin = {
            "software": f"groundsweep {__version__}",
            "profile": f"{chosen.name} {chosen.hash}",
            "model": f"{model.name} {model.hash}",
            "head": f"{rec.device.model} {rec.device.serial}, firmware {rec.device.firmware}",
            "samples": recording.name,
        }
        for stream in rec.device.streams:
            try:
                cascade = cascade_of(stream, chosen)
            except ProfileError as refusal:
                left_out.append(str(refusal))
                continue
            fixed: dict[str, Quantised | None] = {"q31": None, "q15": None}
            for word, bits in (("q31", 31), ("q15", 15)):
                if word not in wanted:
                    continue
                try:
                    q = quantise(cascade, bits, stream.sample_type, limit)
                except ProfileError as refusal:
                    left_out.append(f"{stream.name}, {word}: {refusal}")
                    continue
                if q.error > error * q.limit:
                    left_out.append(
                        f"{stream.name}, {word}: its output can be off by {q.error:.4g} counts, more than {error:g} of "
                        f"the largest, {q.limit:g}. Use wider words, or widen the filter's narrowest band."
                    )
                    continue
                fixed[word] = q
            e = Exported(stream, cascade, fixed["q31"], fixed["q15"])
            exported.append(e)
            samples.append(_samples(rec, stream, e))
        seen = [d for d in rec.detections() if len(d.features) == len(FEATURES)]
    if not exported:
        raise FirmwareError("There is nothing to export: " + " ".join(left_out))
    files = write_sources(out, exported, [f"{k}: {v}" for k, v in origin.items()])
    for i, (e, counts) in enumerate(zip(exported, samples, strict=True)):
        have = [w for w in wanted if w == "f32" or (e.q31 if w == "q31" else e.q15) is not None]
        for word in have:
            row = measure(e, word, counts)
            if prove:
                row = replace(row, boards=tuple(_on(board, out, i, e, word, counts) for board in BOARDS))
            rows.append(row)
    files += write_classifier(out, model, [f"{k}: {v}" for k, v in origin.items()])
    verdicts = _judged(out, model, seen) if prove else []
    text = as_text(rows, exported, model, verdicts, left_out, origin)
    (out / "report.md").write_text(text)
    (out / "report.json").write_text(json.dumps(as_numbers(rows, verdicts, left_out, origin), indent=1) + "\n")
    console.print(text, markup=False, soft_wrap=True)
    console.print(f"{', '.join(f.name for f in files)}, report.md and report.json are in {out}.")
    unlike = [f"{r.stream} {r.word} on {b.board}" for r in rows for b in r.boards if b.equal is False]
    unlike += [f"the classifier on {v.board}" for v in verdicts if not v.holds]
    if unlike:
        raise FirmwareError(f"Boards did not compute what the host does: {', '.join(unlike)}. Do not use this export.")


def _samples(rec: Recording, stream: StreamDescription, e: Exported) -> NDArray[Any]:
    """Counts from the start of the stream, the middle of unsigned ones taken off."""
    parts: list[NDArray[Any]] = []
    total = 0
    per_record = stream.width
    for block in rec.blocks(4096):
        if block.stream.stream_id == stream.stream_id and total < _MOST:
            parts.append(block.raw[: max(1, (_MOST - total) // per_record)])
            total += parts[-1].size
    if not parts:
        raise FirmwareError(f"The recording holds no record of {stream.name!r} to measure on. Give one that does.")
    raw = np.concatenate(parts)
    x = raw.reshape(-1, stream.values) if e.cascade.zero_phase else raw.reshape(len(raw), -1)
    if stream.sample_type == "float32":
        return x.astype(np.float64)
    return x.astype(np.int64) - (32768 if stream.sample_type == "uint16" else 0)


def _on(board: str, out: Path, index: int, e: Exported, word: str, counts: NDArray[Any]) -> OnBoard:
    middle = 32768 if e.stream.sample_type == "uint16" else 0
    words, cost = filter_on_board(out, board, index, word, counts + middle)
    equal, worst = compare(e, word, counts, words)
    instructions = round(cost.instructions, 1)
    return OnBoard(board, int(counts.size), equal, worst, instructions, cost.text_bytes, cost.stack_bytes)


def _judged(out: Path, model: Model, seen: list[Detection]) -> list[ClassifierOnBoard]:
    """Verdicts of every board on the recorded alarms, and on made-up ones."""
    features, flags = made_up_alarms(model, _MADE_UP, seed=1)
    if seen:
        recorded = np.array([d.features for d in seen], np.float32)
        said = [(float(d.radar_peak_seq >= 0), float(d.metal_peak_seq >= 0)) for d in seen]
        features, flags = np.concatenate((recorded, features)), np.concatenate((np.array(said, np.float32), flags))
    out_of = []
    for board in BOARDS:
        judged, cost = judge_on_board(out, board, features, flags)
        out_of.append(compare_verdicts(model, board, features, flags, judged, cost))
    return out_of
