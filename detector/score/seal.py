"""A sealed truth: a hash that can be published before a trial and checked after it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from detector.detections import TrueObject
from detector.errors import TruthError
from detector.score.truth_file import Truth


def canonical(truth: Sequence[TrueObject]) -> str:
    """The truth as one line of JSON whose bytes depend on its content only; NaN is null."""
    rows: list[dict[str, Any]] = []
    for o in truth:
        row = {name: getattr(o, name) for name in TrueObject.__dataclass_fields__}
        rows.append({k: None if v != v else (str(v) if k == "label" else v) for k, v in row.items()})
    rows.sort(key=lambda r: json.dumps(r, sort_keys=True))
    return json.dumps(rows, sort_keys=True, separators=(",", ":"))


def seal(truth: Truth) -> str:
    """SHA-256 over all that a truth says and its salt.

    Without a secret salt the few possible truths of a small lane could be tried one by one; the salt stands in the
    sealed file and comes out with it, after the trial.
    """
    lanes = [
        [name, canonical(lane.objects), lane.soil, None if lane.width_m != lane.width_m else lane.width_m]
        for name, lane in sorted(truth.lanes.items())
    ]
    return hashlib.sha256(json.dumps([truth.salt, lanes]).encode()).hexdigest()


def check_seal(truth: Truth, published: str, where: str) -> None:
    """Raises TruthError if this is not the truth whose hash was published."""
    said = published.strip().lower()
    if not re.fullmatch(r"[0-9a-f]{64}", said):
        raise TruthError(f"{published!r} is not a seal: that is 64 hexadecimal digits, as 'groundsweep seal' prints.")
    if not truth.salt:
        raise TruthError(
            f"{where} holds no salt, so it is not the file that was sealed. Ask the organiser for the one that "
            "'groundsweep seal' wrote."
        )
    if (found := seal(truth)) != said:
        raise TruthError(
            f"{where} is not the truth that was sealed: its hash is {found}, published was {said}. Nothing is scored."
        )
