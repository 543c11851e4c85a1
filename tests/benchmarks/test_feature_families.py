"""What each family of features and each part of the decision is worth, held out by scene.

Run with `pytest -m benchmark -s tests/benchmarks/test_feature_families.py`; it needs the `train` extra. Models are
trained anew on two thirds of simulated scenes and score the rest, with a family hidden from the second look and from
the classifier alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from detector.collected import Collected, collect
from detector.decide import growing, second_look_training
from detector.decide.classifier import Model, model_from
from detector.decide.evidence import WAVE, sensor_features
from detector.decide.second_look import LOOK_FEATURES
from detector.detections import FEATURES
from detector.profile import Profile, load_profile
from detector.score.calibration import mine_reliability
from detector.score.report import pool
from detector.score.roc import auc
from detector.score.trial import LaneScore
from detector.simulate.teaching import teaching_scene, teaching_seeds
from detector.training import scored, train

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(7200)]

SEEDS = teaching_seeds(8000, 60, 40)
FOLDS = 3
EDGES = ("layer", "column", "arch", "dip")


def named(*starts: str) -> frozenset[str]:
    found = frozenset(f for f in FEATURES if f.startswith(starts))
    assert all(any(f.startswith(s) for f in found) for s in starts), f"no feature of {starts}"
    return found


RADAR = {
    "edge histogram of the patch": named("radar_edge_"),
    "edge histogram by region": named(*(f"radar_{e}_" for e in EDGES)),
    "hyperbola": named("radar_semblance", "radar_flatness", "radar_velocity"),
    "symmetry and width": named("radar_symmetry", "radar_lean", "radar_width", "radar_flank", "radar_contrast"),
    "energy along depth": named("radar_share", "radar_thickness", "radar_ringing"),
    "spectrum": named("radar_spectral", "radar_centroid"),
    "polarity and phase": named("radar_polarity", "radar_phase", "radar_pulse"),
    "second echo": named("radar_second"),
    "depth": named("radar_two_way"),
}
METAL = {
    "strength": named("metal_score", "metal_snr"),
    "decay": named("metal_log_slope", "metal_late", "metal_slope", "metal_log_tau", "metal_tau", "metal_soil_part"),
    "dipole fit": named("metal_fit_"),
    "extent": named("metal_width", "metal_footprint", "metal_lean", "metal_undershoot", "metal_flank"),
    "likeness to soil": named("metal_ground_likeness", "cw_soil_fit"),
    "phases": named("cw_cosine", "cw_sine"),
    "phases against frequency": named("cw_slope", "cw_rise"),
    "relaxation": named("cw_log_tau", "cw_static"),
}


@cache
def lanes() -> list[Collected]:
    profile, out = load_profile("handheld-dual"), []
    for seed in SEEDS:
        s = teaching_scene(seed)
        lane = collect(f"scene{seed}", s.device, s.blocks, s.truth, profile, s.soil.name, scene=True)
        assert lane is not None
        out.append(lane)
    return out


def held_out(profile: Profile) -> list[tuple[Model, list[Collected]]]:
    """A model of each fold's other scenes, and the scenes that it never saw."""
    out = []
    for k in range(FOLDS):
        rest = [c for i, c in enumerate(lanes()) if i % FOLDS != k]
        data = train("fold", rest, profile, {})
        out.append((model_from(data, "fold"), lanes()[k::FOLDS]))
    return out


def only(lane: Collected, metal: bool) -> Collected | None:
    """The lane as a head with that sensor alone would have swept it; None without that sensor."""
    streams = tuple(s for s in lane.device.streams if s.kind.is_metal == metal)
    kept = tuple(a for a in lane.alarms if (a.sensor == "metal") == metal)
    return replace(lane, device=replace(lane.device, streams=streams), alarms=kept) if streams else None


def figures(name: str, result: Sequence[LaneScore]) -> dict[str, float]:
    """Told as a row of a table; log loss of the mine's probability at known objects that alarmed."""
    t = pool(result)
    alarmed = [o for lane in result for o in lane.outcomes if o.found]
    mine = [o.probability[0] for o in alarmed if o.is_target]
    other = [o.probability[0] for o in alarmed if not o.is_target]
    r = mine_reliability(result)
    assert r is not None
    loss = -float(np.mean(np.log([*mine, *(1.0 - p for p in other)])))
    area = auc(mine, other)
    print(
        f"| {name} | {t.found}/{t.targets} | {t.far_per_m:.3f} | {t.called['mine-like']}, {t.called['unknown']}, "
        f"{sum(o.found and not o.dug_first for o in alarmed if o.is_target)} | {area:.3f} | {loss:.3f} | {r.ece:.3f} |"
    )
    return {"auc": area, "loss": loss, "found": t.found, "far": t.far_per_m}


def table(title: str) -> None:
    print(f"\n{title}, {len(SEEDS)} scenes")
    print("| without | mines | false/m | mine-like, unknown, clutter | AUC | log loss | ECE |")


def judged(models: Sequence[tuple[Model, list[Collected]]], profile: Profile, **other: object) -> list[LaneScore]:
    return [s for model, held in models for s in scored(held, replace(model, **other), profile)]  # type: ignore[arg-type]


def test_what_each_family_of_features_is_worth(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (pip install 'groundsweep[train]')")
    profile = load_profile("handheld-dual")
    found = {}
    families: Mapping[str, frozenset[str]] = {"nothing": frozenset(), **RADAR, **METAL}
    with capsys.disabled():
        table("families of features hidden")
        for name, hidden in families.items():
            monkeypatch.setattr(
                growing, "sensor_features", lambda p, h=hidden: tuple(f for f in sensor_features(p) if f not in h)
            )
            monkeypatch.setattr(
                second_look_training, "LOOK_FEATURES", tuple(f for f in LOOK_FEATURES if f not in hidden)
            )
            found[name] = figures(name, judged(held_out(profile), profile))
    assert found["nothing"]["loss"] < max(f["loss"] for f in found.values())


def test_what_each_part_of_the_decision_is_worth(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (pip install 'groundsweep[train]')")
    profile = load_profile("handheld-dual")
    look = profile.radar_second_look.model_copy(update={"use": "no"})
    without = profile.model_copy(update={"radar_second_look": look})
    models = held_out(profile)
    with capsys.disabled():
        table("parts of the decision off")
        whole = figures("nothing", judged(models, profile))
        figures("second look", judged(held_out(without), without))
        figures("what silence says", judged(models, profile, silent={}))
        sure = [
            (replace(m, sensors={k: replace(p, novelty_limit=1e9) for k, p in m.sensors.items()}), held)
            for m, held in models
        ]
        figures("novelty", judged(sure, profile))
        equal = [(replace(m, weight=dict.fromkeys(m.weight, 1.0)), c) for m, c in models]
        figures("weights of the sensors", judged(equal, profile))
        dual = [(m, [c for c in held if len(c.sensors) == 2 and WAVE not in c.kinds]) for m, held in models]
        both = figures("nothing; heads with both sensors", judged(dual, profile))
        alone = {}
        for metal, name in ((True, "radar"), (False, "metal detector")):
            part = [(m, [o for c in held if (o := only(c, metal)) is not None]) for m, held in dual]
            alone[name] = figures(f"{name}; the same", judged(part, profile))
    assert whole["found"] > 0
    assert both["found"] > max(f["found"] for f in alone.values())
    assert both["auc"] > min(f["auc"] for f in alone.values())
