"""The classifier: stored whole, honest about what it does not know."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from detector.decide.classifier import DEFAULT_MODEL, Model, load_model, model_hash
from detector.decide.training import Example, fit_model
from detector.detections import CLASSES, FEATURES, UNKNOWN
from detector.errors import ModelError


def shipped() -> dict:
    return json.loads((resources.files("detector.decide") / "models" / DEFAULT_MODEL).read_text())


def test_the_shipped_model_says_where_it_comes_from(model: Model) -> None:
    assert model.provenance["examples"] > 50
    assert "simulat" in model.provenance["what"]
    assert model.hash == model_hash(shipped())


def test_what_lies_far_from_everything_known_is_unknown_and_ranks_highest(model: Model) -> None:
    strange = np.full(len(FEATURES), 1e4)
    verdict = model.judge(strange, (1.0, 1.0))
    assert verdict.novelty > 1
    assert verdict.decision == UNKNOWN
    assert verdict.level == 3


def test_too_few_features_are_unknown(model: Model) -> None:
    few = np.full(len(FEATURES), np.nan)
    few[FEATURES.index("metal_score")] = 2.0
    assert model.judge(few, (np.nan, 1.0)).decision == UNKNOWN


def test_probabilities_sum_to_one(model: Model) -> None:
    v = model.judge(np.where(np.arange(len(FEATURES)) % 2, 1.0, np.nan), (1.0, 0.0))
    assert sum(v.probability) == pytest.approx(1.0)
    assert len(v.probability) == len(CLASSES)


def examples(rng: np.random.Generator) -> list[Example]:
    out = []
    for lane in "abcdef":
        for label in range(len(CLASSES)):
            for _ in range(4):
                x = rng.normal(size=len(FEATURES) + 2)
                x[label] += 4.0
                out.append(Example(lane, x, label))
    return out


def test_training_learns_a_separable_case_and_repeats_to_the_bit(tmp_path: Path) -> None:
    tails = load_model().tails
    one = fit_model("t", examples(np.random.default_rng(1)), tails, {})
    two = fit_model("t", examples(np.random.default_rng(1)), tails, {})
    assert json.dumps(one) == json.dumps(two)
    assert one["provenance"]["leave_one_lane_out"]["accuracy"] > 0.85
    path = tmp_path / "m.json"
    path.write_text(json.dumps(one))
    fresh = load_model(path)
    right = 0
    known = 0
    for e in examples(np.random.default_rng(2)):
        v = fresh.judge(e.inputs[: len(FEATURES)], (e.inputs[-2], e.inputs[-1]))
        known += v.decision != UNKNOWN
        right += v.decision == CLASSES[e.label]
    assert known > 50
    assert right / known > 0.85


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda d: d.update(version=99), "version 99"),
        (lambda d: d.update(features=["a"]), "other features"),
        (lambda d: d.pop("bias"), "not a whole"),
        (lambda d: d.update(scale=[0.0] * len(d["scale"])), "not finite"),
    ],
)
def test_a_damaged_model_is_refused_in_words(tmp_path: Path, damage, said: str) -> None:
    data = shipped()
    damage(data)
    path = tmp_path / "m.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ModelError, match=said):
        load_model(path)


def test_a_model_that_is_not_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text("{")
    with pytest.raises(ModelError, match="not a whole"):
        load_model(path)
