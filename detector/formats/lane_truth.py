"""The truth beside a lane: NAME.json beside NAME.h5, a list of what lies where, in whatever words it has for a mine."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, Final

from detector.detections import LARGEST_OBJECT_M, LONGER_OBJECTS, LabelClass, TrueObject
from detector.errors import FormatError
from detector.formats.bounded import read_text

_MINES: Final = frozenset({"mine", "mines", "landmine", "ap", "at", "apm", "atm"})
_REMNANTS: Final = frozenset({"erw", "uxo", "ied", "explosive", "munition"})
_CLUTTER: Final = frozenset({
    "clutter", "false", "scrap", "debris", "harmless", "decoy", "stone", "rock", "root", "void", "hole", "brick",
    "bottle", "can", "nail", "bolt", "wire", "fragment", "shrapnel",
})  # fmt: skip
_NOT: Final = frozenset({"non", "not", "no"})
_YES: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
NOTHING_THERE: Final = "Truth: nothing lies there."
"""In a note: somebody says so, which is another thing than saying nothing."""


def lane_truth(path: Path) -> tuple[TrueObject, ...] | None:
    """Objects of a lane, () where the file says that there are none; None if there is no file.

    An object needs a class and a place. Where its extent is not given it is 0, where its depth is not NaN; where
    nothing says otherwise it holds metal.

    Raises
    ------
    FormatError
        if it cannot be understood: a class that is neither a mine nor clutter is not guessed.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as e:
        raise FormatError(f"{path} is no whole JSON ({e}). Mend it or move it away.") from e
    objects = content.get("objects") if isinstance(content, dict) else content
    if not isinstance(objects, list) or not all(isinstance(o, dict) for o in objects):
        raise FormatError(f'{path} has no list of "objects"; where nothing lies it is []. Mend it or move it away.')
    return tuple(_true_object(f"{path}, object {i}", o) for i, o in enumerate(objects, 1))


def _true_object(where: str, o: dict[str, Any]) -> TrueObject:
    said = o.get("class", o.get("label"))
    label, metal_said = _class(where, said)
    metal = _yes(where, o.get("contains_metal", o.get("metal")), metal_said)
    if label is LabelClass.METAL_CLUTTER and not metal:
        label = LabelClass.NONMETAL_CLUTTER
    x_m = _number(where, o, "x_m", -1e6)
    if math.isnan(x_m):
        raise FormatError(f"{where} has no x_m: nobody knows where it lies. Mend it or move the file away.")
    size = "width_m" if "width_m" in o else "diameter_m"
    extent = _number(where, o, size, 0.0, LARGEST_OBJECT_M, beyond=LONGER_OBJECTS)
    return TrueObject(
        label=label,
        kind=str(o.get("kind") or said),
        stream="",
        x_m=x_m,
        first_seq=-1,
        last_seq=-1,
        half_extent_m=0.0 if math.isnan(extent) else extent / 2,
        depth_m=_number(where, o, "depth_m", -10.0),
        two_way_s=math.nan,
        contains_metal=metal,
        confidence="simulated",
        radar_db=_number(where, o, "radar_db", -1e6, unit="dB"),
    )


def _class(where: str, said: Any) -> tuple[LabelClass, bool]:
    """The class, and whether its name speaks of metal; clutter is of metal until it is known not to be."""
    words = re.findall(r"[a-z]+", re.sub(r"non(?=[a-z])", "non ", str(said).lower()))
    metal = "metal" not in words or not _NOT & set(words[: words.index("metal")])
    denied = bool(words) and words[0] in _NOT and "metal" not in words
    kinds = {k for k, known in enumerate((_MINES, _REMNANTS, _CLUTTER)) if known & set(words)}
    if denied and kinds <= {0, 1} and kinds:
        return LabelClass.METAL_CLUTTER, metal
    if kinds == {2} or (kinds == {2, 0} and denied):
        return LabelClass.METAL_CLUTTER, metal
    if 2 not in kinds and 0 in kinds:
        return LabelClass.MINE, True
    if kinds == {1}:
        return LabelClass.ERW, True
    raise FormatError(
        f"{where}: the class {said!r} is neither a mine nor clutter by any name known here. Write mine, erw, "
        "metal-clutter or nonmetal-clutter, or move the file away."
    )


def _yes(where: str, v: Any, missing: bool) -> bool:
    if v is None or v == "":
        return missing
    said = _YES.get(str(v).strip().lower())
    if said is None:
        raise FormatError(f"{where}: metal is {v!r}; it is true or false. Mend it.")
    return said


def _number(
    where: str, o: dict[str, Any], name: str, least: float, most: float = 1e6, unit: str = "metres", beyond: str = ""
) -> float:
    v = o.get(name)
    if v is None or v == "":
        return math.nan
    try:
        value = math.nan if isinstance(v, bool) else float(v)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not least <= value <= most:
        to = "on" if most == 1e6 else f"to {most:g}"
        raise FormatError(f"{where}: {name} is {v!r}; it is a number of {unit} from {least:g} {to}. Mend it.{beyond}")
    return value
