"""Two detection lists side by side: of two recordings, or of a recording and its replay."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer
from numpy.typing import NDArray
from rich.table import Table

from detector.detections import LEVELS, Detection
from detector.profile import Profile, parse_profile
from detector.recording.comparing import Pair, pair_detections
from detector.recording.reader import Recording, open_recording
from firmware_host.cli.opening import console
from firmware_host.console.terminal import where


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(compare)


def compare(
    a: Annotated[Path, typer.Argument(help="A recording.")],
    b: Annotated[Path, typer.Argument(help="Another of the same samples, as 'groundsweep replay --out' makes.")],
) -> None:
    """Show the detections of two recordings side by side; exit code 1 if they differ."""
    with open_recording(a) as first, open_recording(b) as second:
        for text in reasons(first, second.profile_toml, second.profile_hash, second.model_hash, second.software):
            console.print(f"[yellow]{text}[/]", soft_wrap=True)
        if not side_by_side(first.detection_table(), second.detection_table(), a.name, b.name):
            raise typer.Exit(1)


def side_by_side(a: NDArray[Any], b: NDArray[Any], name_a: str, name_b: str) -> bool:
    """Print two detection tables beside each other; whether they are the same to the bit, hashes left aside."""
    pairs = pair_detections(a, b)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("place", name_a, name_b, "differs in"):
        table.add_column(column, overflow="fold")
    for p in pairs:
        present = p.a or p.b
        assert present is not None
        table.add_row(where(present.x_m, present.t_peak_s).strip(), _said(p.a), _said(p.b), _difference(p))
    console.print(table)
    same = sum(bool(p.a and p.b and not p.differs_in) for p in pairs)
    only_a, only_b = sum(p.b is None for p in pairs), sum(p.a is None for p in pairs)
    console.print(
        f"{same} the same, {len(pairs) - same - only_a - only_b} differ, {only_a} only in {name_a}, {only_b} only in "
        f"{name_b}",
        soft_wrap=True,
    )
    return same == len(pairs)


def _said(d: Detection | None) -> str:
    return "[dim]-[/]" if d is None else f"#{d.id} {LEVELS[d.level]} {d.decision} {d.score:.2f} x"


def _difference(p: Pair) -> str:
    if p.a is None or p.b is None:
        return "only one has it"
    shown = p.differs_in[:4]
    return ", ".join(shown) + (f" and {len(p.differs_in) - 4} more" if len(p.differs_in) > 4 else "")


def reasons(recorded: Recording, profile_toml: str, profile_hash: str, model_hash: str, software: str) -> list[str]:
    """Why a recording's detections may differ from others, as sentences; [] if nothing is known to be different."""
    out = []
    if profile_hash != recorded.profile_hash:
        changes = _profile_changes(recorded, profile_toml)
        unknown = _few(_left_out(Profile().model_dump(), tomllib.loads(recorded.profile_toml), ""))
        if changes or not unknown:
            out.append("Another profile" + (": " + ", ".join(changes) if changes else "") + ".")
        if unknown:
            out.append(
                f"Another profile: {', '.join(unknown)} not in the recorded one, of an older version. Where that one "
                "is used now, this version's own stand for them, and may not fit the rest."
            )
    if model_hash != recorded.model_hash:
        out.append(f"Another model: {recorded.model_hash[:12]} recorded, {model_hash[:12]} now.")
    if software != recorded.software:
        out.append(f"Other software: {recorded.software} recorded, {software} now.")
    if not recorded.closed:
        out.append("The recording was cut off: the detections of its last second may not be in it.")
    elif any(e.kind == "recovery" for e in recorded.events()):
        out.append("The recording was recovered: what was in the pipeline when it was cut off was never decided.")
    return out


def _profile_changes(recorded: Recording, profile_toml: str) -> list[str]:
    if not (recorded.profile_toml and profile_toml):
        return []
    before = parse_profile(recorded.profile_toml, "the recorded profile").model_dump()
    after = parse_profile(profile_toml, "the other profile").model_dump()
    return _few(_changed(before, after, ""))


def _few(names: list[str]) -> list[str]:
    return names[:6] + ([f"and {len(names) - 6} more"] if len(names) > 6 else [])


def _left_out(known: dict[str, Any], given: dict[str, Any], path: str) -> list[str]:
    """Settings that this version has and a stored profile, which holds all of its own, does not."""
    out = []
    for name, value in sorted(known.items()):
        if isinstance(value, dict):
            out += _left_out(value, given.get(name, {}), f"{path}{name}.")
        elif name not in given:
            out.append(path + name)
    return out


def _changed(before: dict[str, Any], after: dict[str, Any], path: str) -> list[str]:
    out = []
    for name in sorted({*before, *after}):
        a, b = before.get(name), after.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            out += _changed(a, b, f"{path}{name}.")
        elif a != b:
            out.append(f"{path}{name} {a} -> {b}")
    return out
