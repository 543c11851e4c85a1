"""Truth in a file by itself, as any organiser can write it: CSV or JSON. The format is docs/trials.md.

One row an object. A lane in which nothing lies has one row labelled ``empty``: a lane that no row names was
not laid out, and a recording of it cannot be scored.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from detector.detections import LARGEST_OBJECT_M, LONGER_OBJECTS, LabelClass, TrueObject
from detector.errors import TruthError

TRUTH_FORMAT: Final = "groundsweep-truth"
TRUTH_VERSION: Final = 1
EMPTY: Final = "empty"
LABELS: Final = tuple(
    str(v) for v in (LabelClass.MINE, LabelClass.ERW, LabelClass.METAL_CLUTTER, LabelClass.NONMETAL_CLUTTER)
)
OBJECT_FIELDS: Final = (
    "label", "kind", "x_m", "depth_m", "diameter_m", "metal", "stream", "first_record", "last_record", "confidence",
)  # fmt: skip
LANE_FIELDS: Final = ("soil", "width_m")
MOST_BYTES: Final = 16 << 20
MOST_M: Final = 1e6
"""A place or a size beyond it is a slip of the pen."""


@dataclass(frozen=True, slots=True)
class LaneTruth:
    """What lies in one lane."""

    objects: tuple[TrueObject, ...]
    soil: str = ""
    width_m: float = math.nan
    """NaN where it is not said."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A whole truth file."""

    lanes: Mapping[str, LaneTruth]
    salt: str = ""
    """Of a sealed truth; '' in one that was never sealed."""


def read_truth(path: Path) -> Truth:
    """Read a truth file; its suffix says which kind.

    Raises
    ------
    TruthError
        if it cannot be read, or a row does not say what lies where. Nothing is guessed and no row is passed over.
    """
    if path.suffix.lower() not in (".csv", ".json"):
        raise TruthError(f"{path}: a truth file is .csv or .json. docs/trials.md shows both.")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise TruthError(f"{path} is larger than {MOST_BYTES >> 20} MiB: that is no truth file.")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as e:
        raise TruthError(f"The truth file {path} cannot be read ({e}). Check the path.") from e
    except UnicodeDecodeError as e:
        raise TruthError(f"{path} is not UTF-8 text ({e.reason} at byte {e.start}). Save it as CSV UTF-8.") from e
    return _from_csv(path, text) if path.suffix.lower() == ".csv" else _from_json(path, text)


def truth_to_json(truth: Truth) -> dict[str, Any]:
    """What :func:`read_truth` reads, exactly; figures that are not known are left out."""

    def item(o: TrueObject) -> dict[str, Any]:
        row = {
            "label": str(o.label), "kind": o.kind, "x_m": o.x_m, "depth_m": o.depth_m,
            "diameter_m": 2 * o.half_extent_m, "metal": o.contains_metal, "stream": o.stream or None,
            "first_record": o.first_seq if o.first_seq >= 0 else None,
            "last_record": o.last_seq if o.first_seq >= 0 else None, "confidence": o.confidence,
        }  # fmt: skip
        return {k: v for k, v in row.items() if v is not None and v == v}

    lanes = {
        name: {
            **({"soil": lane.soil} if lane.soil else {}),
            **({"width_m": lane.width_m} if lane.width_m == lane.width_m else {}),
            "objects": [item(o) for o in lane.objects],
        }
        for name, lane in truth.lanes.items()
    }
    salt = {"salt": truth.salt} if truth.salt else {}
    return {"format": TRUTH_FORMAT, "version": TRUTH_VERSION, **salt, "lanes": lanes}


def _from_csv(path: Path, text: str) -> Truth:
    first = text.split("\n", 1)[0]
    # where the comma is the decimal sign, spreadsheets part columns by semicolons
    european = ";" in first
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if european else ",", strict=True)
        table = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as e:
        raise TruthError(f"{path} is not CSV ({e}). Save it again.") from e
    rows = [(n, row) for n, row in table if any(row)]
    if not rows:
        raise TruthError(f"{path} is empty. Its first line names the columns: lane,label,kind,x_m,depth_m,diameter_m.")
    head = rows[0][1]
    known = ("lane", *OBJECT_FIELDS, *LANE_FIELDS)
    strange = [h for h in head if h not in known]
    if strange or len(set(head)) < len(head) or not {"lane", "label"} <= set(head):
        raise TruthError(
            f"{path}: the first line names the columns {', '.join(head)}. Each once, 'lane' and 'label' among them, "
            f"known are: {', '.join(known)}."
        )
    lanes: dict[str, list[dict[str, Any]]] = {}
    for n, row in rows[1:]:
        if len(row) != len(head):
            raise TruthError(f"{path}, line {n}: {len(row)} cells under {len(head)} columns. Fill or remove some.")
        cells: dict[str, Any] = {k: v for k, v in zip(head, row, strict=True) if v}
        if european:
            cells = {k: v.replace(",", ".") if k.endswith("_m") else v for k, v in cells.items()}
        cells["line"] = n
        lanes.setdefault(cells.pop("lane", ""), []).append(cells)
    return Truth({name: _lane(f"{path}, lane {name!r}", name, items) for name, items in lanes.items()})


def _from_json(path: Path, text: str) -> Truth:
    try:
        data = json.loads(text, object_pairs_hook=_once)
        json.dumps(data, ensure_ascii=False).encode("utf-8")  # an escaped half of a character is no text
    except (ValueError, RecursionError) as e:
        raise TruthError(f"{path} is not JSON ({e}). Mend it.") from e
    lanes = data.get("lanes") if isinstance(data, dict) else None
    if not isinstance(lanes, dict) or data.get("format") != TRUTH_FORMAT or data.get("version") != TRUTH_VERSION:
        raise TruthError(
            f'{path} is not a truth file of ours: it begins {{"format": "{TRUTH_FORMAT}", "version": '
            f'{TRUTH_VERSION}, "lanes": {{...}}}}. docs/trials.md shows one.'
        )
    out = {}
    for name, lane in lanes.items():
        where = f"{path}, lane {name!r}"
        objects = lane.get("objects") if isinstance(lane, dict) else None
        if not isinstance(objects, list) or not all(isinstance(o, dict) for o in objects):
            raise TruthError(f'{where} has no list "objects"; where nothing lies it is [].')
        if strange := sorted(set(lane) - {"objects", *LANE_FIELDS}):
            raise TruthError(f"{where}: {', '.join(strange)} is not known. Known are: {', '.join(LANE_FIELDS)}.")
        facts = {k: lane[k] for k in LANE_FIELDS if k in lane}
        items = [{**facts, **o} for o in objects] or [{**facts, "label": EMPTY}]
        out[name] = _lane(where, name, items)
    salt = data.get("salt", "")
    if not isinstance(salt, str):
        raise TruthError(f"{path}: the salt is a text.")
    return Truth(out, salt)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose names come once: of two lanes of one name, JSON would silently drop one."""
    out = dict(pairs)
    if len(out) < len(pairs):
        names = [k for k, _ in pairs]
        raise ValueError(f"{next(k for k in names if names.count(k) > 1)!r} comes twice")
    return out


def _lane(where: str, name: str, items: list[dict[str, Any]]) -> LaneTruth:
    if not name.strip():
        raise TruthError(f"{where}: a row without a lane. Name the recording that it belongs to, without its suffix.")
    facts = {k: {str(i[k]) for i in items if i.get(k) not in (None, "")} for k in LANE_FIELDS}
    for k, said in facts.items():
        if len(said) > 1:
            raise TruthError(f"{where} has more than one {k}: {', '.join(sorted(said))}.")
    empty = [i for i in items if i.get("label") == EMPTY]
    if empty and len(items) > 1:
        raise TruthError(f"{where} is called empty and holds objects too. Remove one of the two.")
    width = _number(where, "width_m", next(iter(facts["width_m"]), None), least=0.0)
    if width == 0.0:
        raise TruthError(f"{where}: a width of 0 m. Leave it out where it is not known.")
    objects = () if empty else tuple(_object(where, i) for i in items)
    return LaneTruth(objects, next(iter(facts["soil"]), ""), width)


def _object(lane: str, item: dict[str, Any]) -> TrueObject:
    line = item.get("line")
    where = lane if line is None else f"{lane}, line {line}"
    if strange := sorted(set(item) - {"line", *OBJECT_FIELDS, *LANE_FIELDS}):
        raise TruthError(f"{where}: {', '.join(strange)} is not known. Known are: {', '.join(OBJECT_FIELDS)}.")
    label = item.get("label")
    if label not in LABELS:
        raise TruthError(f"{where}: the label {label!r} is none of {', '.join(LABELS)} or {EMPTY}.")
    x = _number(where, "x_m", item.get("x_m"), least=-MOST_M)
    first, last = (_number(where, k, item.get(k), 0.0, 2.0**53) for k in ("first_record", "last_record"))
    if math.isnan(first) != math.isnan(last) or first > last or (first == first and (first % 1 or last % 1)):
        raise TruthError(f"{where}: first_record and last_record go together, whole numbers, in order.")
    if math.isnan(x) == math.isnan(first):
        raise TruthError(f"{where}: an object has either x_m, or first_record and last_record where there is no x.")
    stream = str(item.get("stream") or "")
    if first == first and stream not in ("metal", "radar"):
        raise TruthError(f"{where}: where records give the place, stream says whose: metal or radar.")
    if stream not in ("", "metal", "radar"):
        raise TruthError(f"{where}: stream {stream!r} is neither metal nor radar.")
    return TrueObject(
        label=LabelClass(label),
        kind=str(item.get("kind") or label),
        stream=stream,
        x_m=x,
        first_seq=-1 if math.isnan(first) else int(first),
        last_seq=-1 if math.isnan(last) else int(last),
        half_extent_m=0.5
        * _number(
            where, "diameter_m", item.get("diameter_m"), 0.0, LARGEST_OBJECT_M, missing=0.0, beyond=LONGER_OBJECTS
        ),
        depth_m=_number(where, "depth_m", item.get("depth_m"), -1.0, 100.0),
        two_way_s=math.nan,
        contains_metal=_yes(where, item.get("metal"), label != LabelClass.NONMETAL_CLUTTER),
        confidence=str(item.get("confidence") or "surveyed"),
    )


def _number(
    where: str, name: str, v: Any, least: float, most: float = MOST_M, missing: float = math.nan, beyond: str = ""
) -> float:
    """beyond : said too where it lies outside."""
    if v is None or v == "":
        return missing
    try:
        value = math.nan if isinstance(v, bool) else float(v)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not least <= value <= most:
        unit = " of metres" * name.endswith("_m")
        raise TruthError(f"{where}: {name} is {v!r}; it is a number{unit} from {least:g} to {most:g}.{beyond}")
    return value


def _yes(where: str, v: Any, missing: bool) -> bool:
    if v is None or v == "":
        return missing
    said = str(v).lower()
    if said not in ("yes", "no", "true", "false", "1", "0"):
        raise TruthError(f"{where}: metal is {v!r}; it is yes or no.")
    return said in ("yes", "true", "1")
