"""The classifier: calibrated probabilities from a small stored model, and the refusal to guess.

It ranks and explains. It never silences an alarm: every detection that comes in goes out, and what
the model does not know is ``unknown``, which ranks as high as a mine.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.decide.alarm import Tail
from detector.detections import CLASSES, FEATURES, LEVELS, UNKNOWN
from detector.errors import ModelError
from detector.kernels.inference import logistic_probabilities, mahalanobis

F8 = NDArray[np.float64]

MODEL_FORMAT: Final = "groundsweep-model"
MODEL_VERSION: Final = 2
DEFAULT_MODEL: Final = "dual-1.json"

FLAGS: Final = ("radar_alarmed", "metal_alarmed")
"""Inputs after the features: 1 if that sensor alarmed here, 0 if not, NaN if the head lacks it."""

LEVEL_BOUNDS: Final = (0.15, 0.40, 0.75)
"""Danger at which the next of LEVELS begins."""


@dataclass(frozen=True, slots=True)
class Verdict:
    decision: str
    probability: tuple[float, ...]
    novelty: float
    level: int


@dataclass(frozen=True)
class Model:
    """Stored numbers of a classifier, with where they came from.

    centre, scale : (F,) standardise the inputs; weights : (K, F), bias : (K,) softmax regression;
    class_centres : (K, F), class_covariances : (K, F, F) of standardised inputs, for novelty;
    F = features + flags, K = classes.
    """

    name: str
    hash: str
    centre: F8
    scale: F8
    weights: F8
    bias: F8
    temperature: float
    class_centres: F8
    class_covariances: F8
    novelty_limit: float
    least_features: int
    clutter_limit: float
    """Probability of a mine under which an alarm may be called clutter; above it, it is mine-like or unknown."""
    tails: dict[str, Tail]
    provenance: dict[str, Any]

    def judge(self, features: F8, flags: tuple[float, float]) -> Verdict:
        """Say what an alarm is.

        features : (len(FEATURES),), NaN where not seen; flags : as FLAGS says.
        A feature that was not seen counts as average, and novelty is taken over the seen ones only.
        """
        raw = np.concatenate((features, np.array(flags)))
        seen = np.isfinite(raw)
        z = np.where(seen, (np.where(seen, raw, 0.0) - self.centre) / self.scale, 0.0)
        p = logistic_probabilities(z, self.weights, self.bias, self.temperature)
        nearest = min(
            float(mahalanobis(z, seen, self.class_centres[c], self.class_covariances[c]))
            for c in range(len(CLASSES))
        )
        novelty = nearest / self.novelty_limit
        best = int(np.argmax(p))
        seen_features = int(np.count_nonzero(seen[: len(FEATURES)]))
        # to call it clutter takes more than being likelier: hardly a held-out mine was ever this little likely
        sure = p[0] >= 0.5 if best == 0 else p[0] < self.clutter_limit
        known = novelty <= 1.0 and sure and seen_features >= self.least_features
        decision = CLASSES[best] if known else UNKNOWN
        danger = 1.0 if decision == UNKNOWN else float(p[0])
        level = sum(danger >= b for b in LEVEL_BOUNDS)
        assert 0 <= level < len(LEVELS)
        return Verdict(decision, tuple(float(v) for v in p), novelty, level)


def load_model(path: Path | None = None) -> Model:
    """Read a model file (JSON); without a path, the one shipped with this software.

    Raises
    ------
    ModelError
        if the file is missing, damaged, of a later version, or made for other features.
    """
    if path is None:
        text = (resources.files("detector.decide") / "models" / DEFAULT_MODEL).read_text()
        where = DEFAULT_MODEL
    else:
        where = str(path)
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as e:
            raise ModelError(f"The model {where} cannot be read ({e}). Check the path.") from e
    try:
        return model_from(json.loads(text), where)
    except ValueError as e:
        raise ModelError(
            f"{where} is not a whole groundsweep model ({type(e).__name__}: {e}). Fetch it again or train one."
        ) from e


def model_from(data: dict[str, Any], where: str) -> Model:
    """The model that such stored numbers are; where : its name in messages.

    Raises
    ------
    ModelError
        if they are not whole, of a later version, or made for other features.
    """
    try:
        if data["format"] != MODEL_FORMAT or data["version"] != MODEL_VERSION:
            raise ModelError(
                f"{where} is {data['format']} version {data['version']}; this software reads "
                f"{MODEL_FORMAT} version {MODEL_VERSION}. Use the model that came with it, or train one."
            )
        if tuple(data["features"]) != FEATURES + FLAGS or tuple(data["classes"]) != CLASSES:
            raise ModelError(f"{where} was trained on other features or classes than this software computes.")
        n, k = len(FEATURES) + len(FLAGS), len(CLASSES)
        arrays = {
            name: np.array(data[name], dtype=np.float64).reshape(shape)
            for name, shape in (
                ("centre", (n,)),
                ("scale", (n,)),
                ("weights", (k, n)),
                ("bias", (k,)),
                ("class_centres", (k, n)),
                ("class_covariances", (k, n, n)),
            )
        }
        if not all(np.all(np.isfinite(a)) for a in arrays.values()) or np.any(arrays["scale"] <= 0):
            raise ModelError(f"{where} holds numbers that are not finite. Fetch the model again.")
        return Model(
            name=str(data["name"]),
            hash=model_hash(data),
            temperature=float(data["temperature"]),
            novelty_limit=float(data["novelty_limit"]),
            least_features=int(data["least_features"]),
            clutter_limit=float(data["clutter_limit"]),
            tails={s: Tail(**t) for s, t in data["tails"].items()},
            provenance=dict(data["provenance"]),
            **arrays,
        )
    except ModelError:
        raise
    except (KeyError, TypeError, ValueError) as e:
        raise ModelError(
            f"{where} is not a whole groundsweep model ({type(e).__name__}: {e}). Fetch it again or train one."
        ) from e


def model_hash(data: dict[str, Any]) -> str:
    """SHA-256 of everything that decides, whatever the file's layout; the provenance is left out."""
    core = {k: v for k, v in data.items() if k != "provenance"}
    return hashlib.sha256(json.dumps(core, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
