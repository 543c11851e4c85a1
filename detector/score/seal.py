"""A sealed truth: a hash that can be published before a trial and checked after it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from detector.detections import TrueObject

SEAL_FORMAT = "groundsweep-seal"


def canonical(truth: Sequence[TrueObject]) -> str:
    """The truth as one line of JSON whose bytes depend on its content only; NaN is null."""
    rows: list[dict[str, Any]] = []
    for o in truth:
        row = {name: getattr(o, name) for name in TrueObject.__dataclass_fields__}
        rows.append({k: None if v != v else (str(v) if k == "label" else v) for k, v in row.items()})
    rows.sort(key=lambda r: json.dumps(r, sort_keys=True))
    return json.dumps(rows, sort_keys=True, separators=(",", ":"))


def seal(lanes: dict[str, Sequence[TrueObject]], salt: str) -> str:
    """SHA-256 over the truth of all lanes and a salt.

    lanes : by lane name. Without a secret salt the few possible truths of a small lane could be tried one by one;
    the salt is published with the truth, after the trial.
    """
    text = json.dumps([salt, [[name, canonical(truth)] for name, truth in sorted(lanes.items())]])
    return hashlib.sha256(text.encode()).hexdigest()
