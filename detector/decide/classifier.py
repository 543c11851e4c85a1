"""The classifier: what each sensor saw, added up to calibrated probabilities, and the refusal to guess.

It ranks and explains. It never silences an alarm: every detection that comes in goes out, and what
the model does not know is ``unknown``, which ranks as high as a mine.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.decide.alarm import Tail
from detector.decide.evidence import PARTS, SensorModel, part_of, sensor_model_from, sensor_of
from detector.decide.second_look import SecondLook, second_look_from
from detector.detections import CLASSES, LEVELS, UNKNOWN
from detector.errors import ModelError
from detector.kernels.inference import likelihood_ratio, softmax

F8 = NDArray[np.float64]

MODEL_FORMAT: Final = "groundsweep-model"
MODEL_VERSION: Final = 3
DEFAULT_MODEL: Final = "dual-1.json"

FLAGS: Final = ("radar_alarmed", "metal_alarmed")
"""Beside the features: 1 if that sensor alarmed here, 0 if it looked and did not, NaN if it did not look."""

SENSORS: Final = ("radar", "metal")
"""In the order of FLAGS."""

MINE_LIKE: Final = 0.5
"""Probability of a mine from which an alarm is called mine-like."""

LEVEL_BOUNDS: Final = (0.15, 0.40, 0.75)
"""Danger at which the next of LEVELS begins."""


@dataclass(frozen=True, slots=True)
class Verdict:
    decision: str
    probability: tuple[float, ...]
    novelty: float
    level: int
    llr: tuple[float, float]
    """Natural log of the likelihood ratio of mine against clutter that radar and metal detector each contribute; NaN
    where that sensor did not look."""


@dataclass(frozen=True)
class Model:
    """Stored numbers of a classifier, with where they came from.

    The log likelihoods of the sensors that alarmed, each weighed by how far it can be trusted beside the other, and
    of those that looked and did not alarm, add up on the prior (domain: conditional independence given the class,
    corrected by a second-level regression on held-out lanes). A sensor that did not look contributes nothing.
    """

    name: str
    hash: str
    sensors: dict[str, SensorModel]
    """By part: 'radar', 'metal' (pulse induction), 'metal-cw'; empty for a model that knows nothing."""
    log_prior: F8
    """(K,) of the classes among alarms on objects, in the lanes it was calibrated on."""
    weight: dict[str, float]
    """By part."""
    silent: dict[str, F8]
    """(K,) log likelihood of that sensor not alarming, of whatever kind it is."""
    least_share: float
    """Share of an alarming sensor's features that must have been seen, else it is unknown."""
    clutter_limit: float
    """Probability of a mine under which an alarm may be called clutter; above it, it is mine-like or unknown."""
    tails: dict[str, Tail]
    provenance: dict[str, Any]
    second_look: SecondLook | None = None
    """None for a model that never learned it: the peak's score stands alone."""

    def judge(self, features: F8, flags: tuple[float, float]) -> Verdict:
        """Say what an alarm is.

        features : (len(FEATURES),), NaN where not seen; flags : as FLAGS says.
        """
        scores = self.log_prior.copy()
        ratios = [math.nan, math.nan]
        novelty, enough = 0.0, True
        for i, (sensor, flag) in enumerate(zip(SENSORS, flags, strict=True)):
            if math.isnan(flag):
                continue
            part = part_of(sensor, features)
            known = self.sensors.get(part)
            if flag == 0.0:
                evidence = self.silent.get(sensor, np.zeros(len(CLASSES)))
            elif known is None:
                novelty, enough = math.inf, False
                continue
            else:
                evidence = self.weight[part] * (known.log_probabilities(features) - self.log_prior)
                novelty = max(novelty, known.novelty(features))
                enough = enough and known.seen_share(features) >= self.least_share
            ratios[i] = float(likelihood_ratio(evidence, self.log_prior))
            scores = scores + evidence
        p = softmax(scores)
        best = int(np.argmax(p))
        # to call it clutter takes more than being likelier: hardly a held-out mine was ever this little likely
        sure = p[0] >= MINE_LIKE if best == 0 else p[0] < self.clutter_limit
        strange = novelty > 1.0 or not enough
        decision = UNKNOWN if strange or not sure else CLASSES[best]
        # unknown ranks as high as a mine: as the surest one if it is like nothing known, else as the least sure one
        danger = 1.0 if strange else float(p[0]) if decision != UNKNOWN else max(float(p[0]), MINE_LIKE)
        level = sum(danger >= b for b in LEVEL_BOUNDS)
        assert 0 <= level < len(LEVELS)
        return Verdict(decision, tuple(float(v) for v in p), novelty, level, (ratios[0], ratios[1]))


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
        if tuple(data["classes"]) != CLASSES:
            raise ModelError(f"{where} was trained on other classes than this software knows.")
        fusion = data["fusion"]
        k = len(CLASSES)
        log_prior = np.array(fusion["log_prior"], dtype=np.float64).reshape(k)
        silent = {s: np.array(v, dtype=np.float64).reshape(k) for s, v in fusion["silent"].items()}
        weight = {s: float(v) for s, v in fusion["weight"].items()}
        if not np.all(np.isfinite(np.concatenate((log_prior, *silent.values(), list(weight.values()))))):
            raise ModelError(f"{where} holds numbers that are not finite. Fetch the model again.")
        sensors = {s: sensor_model_from(part) for s, part in data["sensors"].items()}
        fit = set(sensors) == set(weight) <= set(PARTS) and {sensor_of(part) for part in sensors} == set(silent)
        if not fit:
            raise ValueError("its sensors and their weights do not belong together")
        return Model(
            name=str(data["name"]),
            hash=model_hash(data),
            sensors=sensors,
            log_prior=log_prior,
            weight=weight,
            silent=silent,
            least_share=float(data["least_share"]),
            clutter_limit=float(data["clutter_limit"]),
            tails={s: Tail(**t) for s, t in data["tails"].items()},
            provenance=dict(data["provenance"]),
            second_look=second_look_from(data["second_look"]) if "second_look" in data else None,
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


def model_text(data: dict[str, Any]) -> str:
    """The stored numbers as the text of a model file: one line an entry."""
    lines = (f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in data.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"
