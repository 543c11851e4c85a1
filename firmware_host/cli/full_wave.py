"""Full-wave lanes made by number, into a folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from rich.progress import Progress

from detector.errors import SampleError
from detector.formats.gprmax_lane import load_lane
from detector.simulate.full_wave.lane import full_wave_lane
from detector.simulate.full_wave.lane_file import write_full_wave
from detector.simulate.full_wave.plan import lane_plan
from firmware_host.cli.opening import console

MOST: Final = 1000
"""Lanes a call, some six hours."""


def numbers(wanted: str) -> range:
    """'44' is lanes 1 to 44, '7-9' those three. Raises SampleError at anything else."""
    m = re.fullmatch(r"(?:([1-9][0-9]{0,6})-)?([1-9][0-9]{0,6})", wanted)
    first, last = (int(m[1] or 1), int(m[2])) if m else (1, 0)
    if not first <= last < first + MOST:
        raise SampleError(
            f"--full-wave is {wanted!r}; it is how many lanes (44: lanes 1 to 44) or from which to which (7-9), "
            f"at most {MOST} a call."
        )
    return range(first, last + 1)


def make_lanes(wanted: str, folder: Path) -> None:
    """Make those that are not there yet. Raises SampleError, or FormatError at a lane that is there and damaged."""
    todo = numbers(wanted)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with Progress(console=console, transient=True) as bar:
            lanes = bar.add_task("lanes", total=len(todo))
            scans = bar.add_task("A-scans", total=None)
            for number in todo:
                name = lane_plan(number).name
                file = folder / f"{name}.h5"
                if file.exists() and file.with_suffix(".json").exists():
                    known = load_lane(file)
                    told = f"{file}: there already, {known.simulator}, {len(known.truth)} objects."
                else:
                    lane = full_wave_lane(number, lambda done, of: bar.update(scans, completed=done, total=of))
                    write_full_wave(folder, lane)
                    kinds = ", ".join(f"{o['kind']} at {o['x_m']:.2f} m" for o in lane.objects) or "nothing"
                    told = (
                        f"{file}: {lane.plan.soil}, {lane.plan.frequency_ghz:g} GHz, {len(lane.x_m)} A-scans; {kinds}."
                    )
                bar.advance(lanes)
                bar.console.print(told, soft_wrap=True, highlight=False)
    except OSError as e:
        raise SampleError(f"{folder} cannot be written ({e}). Choose another --out.") from e
