"""The classifier: stored whole, honest about what it does not know."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from detector.decide.calibrating import STRANGE_LAND, clutter_limit
from detector.decide.classifier import DEFAULT_MODEL, Model, load_model, model_from, model_hash, model_text
from detector.decide.evidence import sensor_features
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


def examples(rng: np.random.Generator, lanes: int = 10) -> list[Example]:
    """Both sensors see each class in a feature of its own; one alarm in three is the radar's alone, one the metal's."""
    out = []
    for lane in range(lanes):
        for label in range(len(CLASSES)):
            for n in range(6):
                x = rng.normal(size=len(FEATURES))
                x[[i for i, f in enumerate(FEATURES) if f.startswith("cw_")]] = np.nan  # a pulse has no phases
                for sensor in ("radar", "metal"):
                    x[FEATURES.index(sensor_features(sensor)[label])] += 5.0
                flags = ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0))[n % 3]
                for sensor, flag in zip(("radar", "metal"), flags, strict=True):
                    if not flag:
                        x[[FEATURES.index(f) for f in sensor_features(sensor)]] = np.nan
                out.append(Example(f"lane{lane}", np.array([*x, *flags]), label))
    return out


@pytest.fixture(scope="module")
def grown() -> dict:
    """A model of a case that can be told apart, of 300 mines: as many as it takes to call anything clutter."""
    return fit_model("t", examples(np.random.default_rng(1), 50), load_model().tails, {})


def test_training_learns_a_separable_case(grown: dict) -> None:
    assert grown["provenance"]["held_out_by_lane"]["auc_mine_clutter"] > 0.98
    fresh = model_from(grown, "t")
    right = known = 0
    for e in examples(np.random.default_rng(2)):
        v = fresh.judge(e.inputs[: len(FEATURES)], (e.inputs[-2], e.inputs[-1]))
        known += v.decision != UNKNOWN
        right += v.decision == CLASSES[e.label]
    assert known > 120
    assert right / known > 0.95


def test_training_repeats_to_the_bit(tmp_path: Path) -> None:
    tails = load_model().tails
    one, two = (model_text(fit_model("t", examples(np.random.default_rng(1)), tails, {})) for _ in range(2))
    assert one == two
    path = tmp_path / "m.json"
    path.write_text(one)
    assert load_model(path).hash == model_hash(json.loads(one))


def test_what_the_sensors_say_adds_up_to_the_odds_of_a_mine(grown: dict) -> None:
    model = model_from(grown, "t")
    prior = np.exp(model.log_prior - np.log(np.exp(model.log_prior).sum()))
    for e in examples(np.random.default_rng(3), 2):
        v = model.judge(e.inputs[: len(FEATURES)], (e.inputs[-2], e.inputs[-1]))
        # with one kind of clutter likelier by far, the ratios add exactly; with two, to within their mixing
        odds = np.log(v.probability[0] / (1 - v.probability[0])) - np.log(prior[0] / (1 - prior[0]))
        assert np.sign(odds) == np.sign(sum(v.llr)) or abs(odds) < 1.5


def test_a_sensor_that_did_not_look_contributes_nothing(grown: dict) -> None:
    model = model_from(grown, "t")
    for e in examples(np.random.default_rng(4), 1):
        if e.inputs[-1] == 0.0:
            features = e.inputs[: len(FEATURES)]
            alone, silent = model.judge(features, (1.0, np.nan)), model.judge(features, (1.0, 0.0))
            assert np.isnan(alone.llr[1])
            assert np.isfinite(silent.llr[1])
            assert alone.llr[0] == silent.llr[0]
            evidence = model.weight["radar"] * (model.sensors["radar"].log_probabilities(features) - model.log_prior)
            p = np.exp(model.log_prior + evidence)
            assert alone.probability == pytest.approx(p / p.sum())


def test_unknown_never_ranks_below_a_mine(model: Model, grown: dict) -> None:
    rng = np.random.default_rng(5)
    for judge in (model.judge, model_from(grown, "t").judge):
        verdicts = [judge(rng.normal(scale=3.0, size=len(FEATURES)), (1.0, 1.0)) for _ in range(50)]
        mine_like = min((v.level for v in verdicts if v.decision == CLASSES[0]), default=2)
        assert all(v.level >= 2 and v.level >= min(mine_like, 2) for v in verdicts if v.decision == UNKNOWN)


def test_clutter_is_called_clutter_only_where_hardly_a_mine_was_so_unlikely() -> None:
    p = np.linspace(0.001, 1.0, 1000)
    mine = np.ones(1000, dtype=bool)
    names = [str(i) for i in range(1000)]
    # four of a thousand below show, with 95 % confidence, at most 1 %; five do not
    assert clutter_limit(p, mine, names) == pytest.approx(STRANGE_LAND * p[4])
    assert clutter_limit(p[:298], mine[:298], names[:298]) == 0.0
    assert clutter_limit(p[:299], mine[:299], names[:299]) == STRANGE_LAND * p[0]
    # ten sweeps over each of 100 mines are not a thousand mines
    assert clutter_limit(p, mine, [str(i % 100) for i in range(1000)]) == 0.0


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda d: d.update(version=99), "version 99"),
        (lambda d: d.update(classes=["a"]), "other classes"),
        (lambda d: d.pop("fusion"), "not a whole"),
        (lambda d: d["sensors"]["radar"].update(features=["a"]), "not a whole"),
        (lambda d: d["sensors"]["radar"].update(scale=[0.0] * len(d["sensors"]["radar"]["scale"])), "not positive"),
        (lambda d: d["sensors"]["metal"]["forest"]["right"].__setitem__(0, 0), "outside themselves"),
        (lambda d: d["sensors"]["metal"]["forest"]["feature"].__setitem__(-1, 0), "outside themselves"),
        (lambda d: d["fusion"]["weight"].update(radar=float("nan")), "not finite"),
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
