"""Which ground taught a model: its figures on that ground are no measure of what it finds elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from detector.samples import DeviceDescription
from detector.score.trial import place_of
from detector.simulate.teaching import WAVE_SEEDS

_FIRMWARE = "simulated"
_SIMULATED = "SIM-"


def names_of(file_stem: str, device: DeviceDescription) -> frozenset[str]:
    """What a recording's ground is known by: its file's name and, of a simulated head, its serial number, which is
    the lane (as its file states it) or the scene's seed whatever the file was renamed to."""
    names = {place_of(file_stem)}
    if device.firmware == _FIRMWARE:
        names.add(place_of(device.serial.removeprefix(_SIMULATED)))
    return frozenset(names)


def taught_by(provenance: Mapping[str, Any], file_stem: str, device: DeviceDescription) -> str:
    """The name under which a model learned from this ground; '' if by its provenance it did not.

    Parameters
    ----------
    provenance : of the model, as `groundsweep train` stores it: `recordings` and `scenes`
    """
    names = names_of(file_stem, device)
    if known := sorted(names & {place_of(PurePath(f).stem) for f in provenance.get("recordings") or ()}):
        return known[0]
    scenes = provenance.get("scenes") or {}
    first = int(scenes.get("first", 0))
    ranges = (
        range(first, first + int(scenes.get("count", 0))),
        range(WAVE_SEEDS + first, WAVE_SEEDS + first + int(scenes.get("waves", 0))),
    )
    ours = device.firmware == _FIRMWARE and device.serial.startswith(_SIMULATED)
    serial = device.serial.removeprefix(_SIMULATED) if ours else ""  # another simulator's lane 2005 is no scene 2005
    if serial.isascii() and serial.isdigit() and any(int(serial) in r for r in ranges):
        return f"scene {serial}"
    return ""
