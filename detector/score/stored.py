"""The score of each lane as JSON, so that a later run can be set against it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import MISSING, asdict, fields
from typing import Any, Final

from detector.detections import LabelClass
from detector.errors import TruthError
from detector.score.rarity import Ranking
from detector.score.report import finite
from detector.score.searching import SearchLane
from detector.score.trial import FalseAlarm, LaneScore, Outcome

RESULT_FORMAT: Final = "groundsweep-score"
RESULT_VERSION: Final = 1
_LOWEST = {"score", "weak"}
"""Of these null is minus infinity, of other numbers NaN."""


def lanes_to_json(lanes: Sequence[LaneScore]) -> list[dict[str, Any]]:
    """What :func:`lanes_from_json` reads."""
    rows: list[dict[str, Any]] = finite([asdict(lane) for lane in lanes])
    return rows


def lanes_from_json(data: Any, where: str) -> list[LaneScore]:
    """The lanes of an earlier 'groundsweep score --json'.

    Raises
    ------
    TruthError
        if that is not what it is.
    """
    try:
        if data["format"] != RESULT_FORMAT or data["version"] != RESULT_VERSION:
            raise ValueError(f"{data['format']} version {data['version']}")
        return [_lane(row) for row in data["lane_scores"]]
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise TruthError(
            f"{where} is no result of 'groundsweep score --json' that this software reads ({type(e).__name__}: {e}). "
            "Score those lanes again."
        ) from e


def _lane(row: dict[str, Any]) -> LaneScore:
    search, ranking = row["search"], row.get("ranking")
    known = {
        **_numbers(LaneScore, row),
        "outcomes": tuple(
            Outcome(**{**_numbers(Outcome, o), "label": LabelClass(o["label"]), "probability": tuple(o["probability"])})
            for o in row["outcomes"]
        ),
        "alarms_outside": tuple(
            FalseAlarm(**{**_numbers(FalseAlarm, a), "probability": tuple(a["probability"])})
            for a in row["alarms_outside"]
        ),
        "lane_m": None if row["lane_m"] is None else (float(row["lane_m"][0]), float(row["lane_m"][1])),
        "further_m": tuple(math.nan if x is None else x for x in row["further_m"]),
        "weak_outside": tuple(row["weak_outside"]),
        "ranking": None if ranking is None else _ranking(ranking),
        "search": None if search is None else SearchLane(tuple(search["signalled"]), int(search["outside"])),
    }
    return LaneScore(**known)


def _ranking(row: dict[str, Any]) -> Ranking:
    outcomes = (-math.inf if r is None else float(r) for r in row["outcomes"])
    return Ranking(tuple(outcomes), tuple(float(r) for r in row["outside"]))


def _numbers(of: type, row: dict[str, Any]) -> dict[str, Any]:
    """Its fields; null where a number belongs is what it stood for. What earlier versions did not know is left out."""
    out = {}
    for f in fields(of):
        if f.name not in row and f.default is not MISSING:
            continue
        v = row[f.name]
        if f.type == "float":
            v = (-math.inf if f.name in _LOWEST else math.nan) if v is None else float(v)
        out[f.name] = v
    return out
