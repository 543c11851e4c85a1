"""The command that says how good it was: score."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from detector import __version__
from detector.decide.classifier import MODEL_FORMAT
from detector.errors import GroundsweepError, RecordingError, TruthError
from detector.formats.registry import same_recording
from detector.profile import DEFAULT_PROFILE
from detector.recording.reader import open_recording
from detector.score.matching import HALO_MARGIN_M
from detector.score.page import page
from detector.score.procedure import as_procedures
from detector.score.seal import check_seal
from detector.score.stored import RESULT_FORMAT, lanes_from_json
from detector.score.summary import Trial, some, trial
from detector.score.trial import LaneScore, place_of
from detector.score.truth_file import Truth, read_truth
from detector.score.words import text_of
from detector.scoring import Scored
from firmware_host.cli.judged import whole_start
from firmware_host.cli.opening import ModelOption, ProfileOption, chain, console, is_ours
from firmware_host.cli.procedures import without_what_was_dug
from firmware_host.cli.scoring_lanes import Failure, Named, Question, question_of, scored_files


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(score)


def score(
    files: Annotated[list[Path], typer.Argument(help="Recordings, ours or of other programs.")],
    profile_name: ProfileOption = DEFAULT_PROFILE,
    model_path: ModelOption = None,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write everything as JSON to this .json file; - prints it instead.")
    ] = None,
    html_out: Annotated[
        Path | None, typer.Option("--html", help="Write a page with plots to this .html file; it needs nothing else.")
    ] = None,
    roc: Annotated[bool, typer.Option("--roc", help="Print POD at several false-alarm rates, with bands.")] = False,
    against: Annotated[
        str | None,
        typer.Option(help="A profile, a model (.json) or an earlier --json result, compared on the same lanes."),
    ] = None,
    truth_file: Annotated[
        Path | None, typer.Option("--truth", help="What lies where (.csv, .json), instead of what the files say.")
    ] = None,
    sealed: Annotated[
        str | None, typer.Option(help="The hash that was published before the trial; any other --truth is refused.")
    ] = None,
    width: Annotated[
        float | None, typer.Option(min=0.01, max=1000.0, help="Width of the lanes, m, for false alarms per m2.")
    ] = None,
    procedure: Annotated[
        bool,
        typer.Option("--procedure", help="LANE-1, LANE-2, ... are one lane, dug between: an object is found once."),
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=256, help="Processes. Same results, same order.")] = 1,
) -> None:
    """Replay recordings and score them against their truth: POD and false alarms with exact bounds.

    Exit code 1 if some file could not be scored: the figures are those of the others.
    """
    for out, suffix in ((json_out, ".json"), (html_out, ".html")):
        if out is not None and str(out) != "-" and out.suffix.lower() != suffix:
            raise RecordingError(f"{suffix[1:].upper()} goes to a file that ends in {suffix}, not to {out}. Name one.")
    if sealed is not None and truth_file is None:
        raise TruthError("--sealed needs --truth: the file that the organiser opens after the trial.")
    if procedure and roc:
        raise TruthError(
            "A procedure has no curve: with other thresholds other things would have been dug. Leave out --roc."
        )
    truth = None if truth_file is None else read_truth(truth_file)
    if sealed is not None and truth is not None:
        check_seal(truth, sealed, str(truth_file))
    named: Named = (profile_name, model_path)
    profile, model = chain(*named)
    rival, earlier = _rival(against, named)
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    files = _once(_judging(files, errors), errors)
    asked = [question_of(f, named, rival, None if truth is None else truth.lanes, width or math.nan) for f in files]
    good, failed = _run(without_what_was_dug(asked) if procedure else asked, jobs, errors)
    if not good:
        if len(failed) == 1:
            raise RecordingError(failed[0].why)
        raise RecordingError(f"None of the {len(failed)} files could be scored; what is wrong with each stands above.")
    lanes = [g.lane for g in good]
    others = [g.rival for g in good if g.rival is not None] if rival is not None else earlier
    told = None
    if procedure:
        lanes, told = as_procedures(lanes)
        others = None if others is None else as_procedures(others)[0]
    t = trial(
        lanes,
        () if procedure else [g.alone for g in good],
        None if others is None else (str(against), others),
        with_roc=roc or (html_out is not None and not procedure),
        not_tested=_not_tested(good, failed, truth),
        asked=profile.asked_per_m,
        provenance=(
            ("software", f"groundsweep {__version__}"),
            ("profile", f"{profile_name}, {profile.hash[:12]}"),
            ("model", f"{model.name}, {model.hash[:12]}"),
            (
                "false alarms asked for",
                f"metal {profile.metal_alarm.false_alarms_per_m:g}/m, "
                f"radar {profile.radar_alarm.false_alarms_per_m:g}/m",
            ),
            ("truth", _truth_said(truth_file, sealed)),
            ("heads", ", ".join(sorted({g.head for g in good})[:6])),
            ("halo", f"half the target's extent + {100 * HALO_MARGIN_M:.0f} cm"),
            ("files", f"{len(good)} scored, {len(failed)} not"),
        ),
        procedure=told,
    )
    _write(t, json_out, html_out)
    if str(json_out) != "-":
        if len(lanes) <= 40:
            for lane in lanes:
                console.print(_lane_text(lane), markup=False, soft_wrap=True)
        console.print(text_of(t), markup=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def _judging(files: list[Path], errors: Console) -> list[Path]:
    """Files that may be scored; the others are named, since figures from what taught a model judge nothing."""
    kept = []
    for file in files:
        kind = None
        # what cannot be opened is told with the others that could not be scored
        with contextlib.suppress(GroundsweepError):
            if is_ours(file):
                with open_recording(file) as r:
                    kind = r.kind
        if kind is None or kind.judges:
            kept.append(file)
        else:
            errors.print(f"{file} is left out: a {kind} recording is not scored.", markup=False)
    if not kept:
        raise RecordingError("None of these is a survey or a trial, and nothing else is scored.")
    return kept


def _once(files: list[Path], errors: Console) -> list[Path]:
    """Each recording once: the parts of one are not several, and one given twice was not swept twice."""
    kept: dict[Path, Path] = {}
    for file in files:
        first = kept.setdefault(same_recording(file), file)
        if first is not file:
            errors.print(f"{file} is left out: it is the same recording as {first}.", markup=False)
    return list(kept.values())


def _run(asked: Sequence[Question | Failure], jobs: int, errors: Console) -> tuple[list[Scored], list[Failure]]:
    good: list[Scored] = []
    failed: list[Failure] = []
    answers = scored_files([q for q in asked if isinstance(q, Question)], jobs, errors)
    for q in asked:
        a = q if isinstance(q, Failure) else next(answers)
        if isinstance(a, Scored):
            good.append(a)
            continue
        failed.append(a)
        if len(asked) > 1:
            errors.print(f"not scored: {a.why}", markup=False)
    return good, failed


def _rival(against: str | None, named: Named) -> tuple[Named | None, list[LaneScore] | None]:
    """Another chain to run, or lanes that were scored before."""
    if against is None:
        return None, None
    path = Path(against)
    if path.suffix.lower() != ".json":
        chain(against, None)
        return (against, named[1]), None
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as e:
        raise TruthError(f"{path} cannot be read ({e}). --against takes a profile, a model or a result.") from e
    kind = data.get("format") if isinstance(data, dict) else None
    if kind == MODEL_FORMAT:
        chain(named[0], path)
        return (named[0], path), None
    if kind == RESULT_FORMAT:
        return None, lanes_from_json(data, against)
    raise TruthError(f"{path} is neither a model nor a result of 'groundsweep score --json'.")


def _truth_said(truth_file: Path | None, sealed: str | None) -> str:
    if truth_file is None:
        return "as the recordings say"
    return f"{truth_file.name}, " + (f"sealed, {sealed.strip().lower()}" if sealed else "not sealed")


def _not_tested(good: Sequence[Scored], failed: Sequence[Failure], truth: Truth | None) -> list[str]:
    out = [f"{f.file.name}, which could not be scored: {f.why}" for f in failed]
    if truth is not None:
        swept = {g.lane.lane for g in good} | {place_of(g.lane.lane) for g in good}
        absent = sorted(set(truth.lanes) - swept)
        mines = sum(o.label in ("mine", "erw") for name in absent for o in truth.lanes[name].objects)
        if absent:
            found, all_ = (sum(f(g.lane) for g in good) for f in (_found, _targets))
            out.append(
                f"{len(absent)} lanes of the truth with {mines} mines, of which there is no recording: "
                f"{', '.join(absent[:8])}. With their mines as missed POD is {found}/{all_ + mines}."
            )
    warned: dict[str, list[str]] = {}
    for g in good:
        for text in g.cautions:
            warned.setdefault(text, []).append(g.lane.lane)
    out += [f"{some(lanes)}: {text}" for text, lanes in warned.items()]
    if nowhere := sum(g.records_without_place for g in good):
        out.append(f"{nowhere} records have no place: lanes that hold one have no rate per metre.")
    totals: dict[str, list[int]] = {}
    starts: dict[str, int] = {}
    for g in good:
        for c in g.coverage:
            t = totals.setdefault(c.stream, [0, 0, 0, 0])
            if c.unjudged_starts:
                starts[c.stream] = starts.get(c.stream, 0) + c.unjudged_starts
            for i, n in enumerate((c.received, c.missing, c.untested, c.unswept)):
                t[i] += n
    out += [whole_start(stream, n) for stream, n in sorted(starts.items())]
    for stream, (received, missing, untested, unswept) in sorted(totals.items()):
        if missing or untested or unswept:
            out.append(
                f"{stream}: of {received + missing} records {missing} were lost, {untested} had too little ground "
                f"round them, {unswept} cannot be trusted. Mines under them count as missed unless they "
                "alarm; ground that no sensor tested is not in the rates per metre."
            )
    return out


def _found(lane: LaneScore) -> int:
    return sum(o.found for o in lane.targets)


def _targets(lane: LaneScore) -> int:
    return len(lane.targets)


def _lane_text(lane: LaneScore) -> str:
    alarmed = sum(o.found for o in lane.clutter)
    return (
        f"{lane.lane}: mines {_found(lane)}/{len(lane.targets)}, clutter alarmed {alarmed}/{len(lane.clutter)}, "
        f"outside {len(lane.alarms_outside)}"
    )


def _write(t: Trial, json_out: Path | None, html_out: Path | None) -> None:
    if json_out is not None:
        _put(json_out, json.dumps(t.to_json(), indent=1, allow_nan=False) + "\n")
    if html_out is not None:
        _put(html_out, page("groundsweep score", t))


def _put(out: Path, text: str) -> None:
    if str(out) == "-":
        print(text, end="")
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as e:
        raise RecordingError(f"{out} cannot be written ({e}). Choose another file.") from e
