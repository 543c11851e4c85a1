"""Writes a model as C99 tables for groundsweep_classifier."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.decide.classifier import LEVEL_BOUNDS, MINE_LIKE, SENSORS, Model
from detector.decide.evidence import LEAST_PROBABILITY, SensorModel
from detector.detections import CLASSES, FEATURES
from detector.embedded.votes import leaf_votes, single
from detector.errors import ModelError
from firmware_host.device.build import SOURCES

CODE: Final = ("groundsweep_classifier.h", "groundsweep_classifier.c")
TABLES: Final = ("groundsweep_model.h", "groundsweep_model.c")


def on_board(model: Model) -> Model:
    """What of a model the exported code can hold: a part a sensor. A continuous wave's alarm is then `unknown`."""
    return replace(
        model,
        sensors={s: model.sensors[s] for s in SENSORS if s in model.sensors},
        weight={s: model.weight[s] for s in SENSORS if s in model.weight},
    )


def write_classifier(folder: Path, model: Model, origin: Iterable[str]) -> list[Path]:
    """Code and tables into a folder; origin : lines for the head comment. Returns the files.

    Raises
    ------
    ModelError
        for a model whose trees are too large for 16-bit node numbers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in CODE:
        shutil.copyfile(SOURCES / name, folder / name)
    comment = "\n".join(f" * {line}" for line in origin)
    features = "\n".join(f" *   {i:3d} {name}" for i, name in enumerate(FEATURES))
    classes = ", ".join(f"{i} {name}" for i, name in enumerate(CLASSES))
    header = (
        f"/* Written by groundsweep: do not edit.\n{comment}\n * Classes: {classes}.\n * Features of an alarm:\n"
        f"{features}\n */\n#ifndef GROUNDSWEEP_MODEL_H\n#define GROUNDSWEEP_MODEL_H\n\n"
        f'#include "groundsweep_classifier.h"\n\nenum {{ GSC_FEATURES = {len(FEATURES)}, '
        f"GSC_ROOM = {room_floats(model)} }};\n\nextern const gsc_model groundsweep_model;\n\n#endif\n"
    )
    body = [f"/* Written by groundsweep: do not edit.\n{comment}\n */", '#include "groundsweep_model.h"', ""]
    parts = []
    for sensor in SENSORS:
        part = model.sensors.get(sensor)
        if part is None:
            parts.append("{0}")
            continue
        lines, text = _sensor(sensor, part, model)
        body += lines
        parts.append(text)
    prior, bounds = (", ".join(_f(v) for v in row) for row in (model.log_prior, LEVEL_BOUNDS))
    body += [
        "const gsc_model groundsweep_model = {",
        f"    {len(FEATURES)}, {{{prior}}}, {_f(LEAST_PROBABILITY)}, {_f(MINE_LIKE)}, {_f(model.clutter_limit)},",
        f"    {_f(model.least_share)}, {{{bounds}}},",
        "    {" + ",\n     ".join(parts) + "},",
        "};",
    ]
    (folder / TABLES[0]).write_text(header)
    (folder / TABLES[1]).write_text("\n".join(body) + "\n")
    return [folder / name for name in (*CODE, *TABLES)]


def made_up_alarms(model: Model, n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Features (n, len(FEATURES)) and flags (n, 2) scattered round the model's classes, some features unseen.

    What a proof needs beside recorded alarms, which are few and seldom strange.
    """
    rng = np.random.default_rng(seed)
    features = np.full((n, len(FEATURES)), np.nan, np.float32)
    for s in (model.sensors[name] for name in SENSORS if name in model.sensors):
        near = s.class_centres[rng.integers(0, len(CLASSES), n)]
        z = near + rng.normal(size=near.shape) * rng.choice([0.3, 1.0, 3.0], n)[:, None]
        features[:, s.columns] = z * s.scale + s.centre
    features[rng.random(features.shape) < 0.05] = np.nan
    return features, rng.choice([0.0, 1.0, np.nan], (n, 2)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class ClassifierOnBoard:
    """A board's verdicts beside the host's."""

    board: str
    alarms: int
    votes_equal: bool
    """Whether the trees' votes are the host's, each of them."""
    decisions_equal: int
    """Alarms with the host's decision and level."""
    largest_difference: float
    """Of a probability."""
    instructions_per_alarm: float
    text_bytes: int
    stack_bytes: int

    @property
    def holds(self) -> bool:
        """Every vote equal, and every decision."""
        return self.votes_equal and self.decisions_equal == self.alarms


def room_floats(model: Model) -> int:
    """What gsc_judge needs, as gsc_room says."""
    sizes = [len(model.sensors[s].columns) for s in SENSORS if s in model.sensors]
    return max((4 * n + n * (n + 1) // 2 for n in sizes), default=0)


def _sensor(name: str, s: SensorModel, model: Model) -> tuple[list[str], str]:
    """Tables, and the entry of the model's table."""
    f = s.forest
    if len(f.feature) > 65535 or len(f.leaves) > 65535 or f.unit > 65535:
        raise ModelError(
            f"The trees of {name} have {len(f.feature)} nodes, more than 65535. Train a model with fewer trees."
        )
    lower = s.covariance[np.tril_indices(len(s.columns))]
    # a leaf has no threshold of its own; what stands there is not read
    thresholds = np.where(f.feature >= 0, single(f.threshold), np.float32(0.0))
    tables: list[tuple[str, str, NDArray[Any]]] = [
        ("columns", "uint16_t", s.columns), ("fill", "float", single(s.fill)), ("centre", "float", s.centre),
        ("scale", "float", s.scale), ("class_centres", "float", s.class_centres.reshape(-1)),
        ("covariance", "float", lower), ("roots", "uint16_t", f.roots), ("feature", "int16_t", f.feature),
        ("threshold", "float", thresholds), ("right", "uint16_t", f.right),
        ("votes", "uint16_t", leaf_votes(f).reshape(-1)),
    ]  # fmt: skip
    out = [_table(f"{name}_{what}", kind, values) for what, kind, values in tables]
    silent = ", ".join(_f(v) for v in model.silent[name])
    refer = [f"{name}_{what}" for what, _, _ in tables]
    entry = (
        f"{{{len(s.columns)}, {', '.join(refer[:6])}, {_f(s.novelty_limit)}, {_f(model.weight[name])}, {{{silent}}},\n"
        f"      {{{len(f.roots)}, {f.unit}, {', '.join(refer[6:])}}}}}"
    )
    return [*out, ""], entry


def _f(value: float) -> str:
    return f"{np.float32(value):.9e}f"


def _table(name: str, kind: str, values: NDArray[Any]) -> str:
    text = [_f(v) for v in values] if kind == "float" else [str(int(v)) for v in values]
    rows = [", ".join(text[i : i + 8]) for i in range(0, len(text), 8)]
    return f"static const {kind} {name}[{len(text)}] = {{\n    " + ",\n    ".join(rows) + ",\n};"
