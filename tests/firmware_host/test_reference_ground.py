"""Ground that a model is judged on when it learns further: none that it, or the one before, was taught on."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.decide.classifier import load_model
from detector.errors import ModelError
from firmware_host.cli.continuing import SHIPPED, Wish, continue_training


def wish(out: Path, reference: str) -> Wish:
    return Wish(
        [out / "field-1.h5"], SHIPPED, out / "next.json", "handheld-dual", "next", [out / reference], 0, 1, None, 1
    )


def test_another_sweep_of_ground_that_the_old_model_learned_from_is_no_reference(tmp_path: Path) -> None:
    learned = str(load_model().provenance["recordings"][0])
    lane = Path(learned).stem.rsplit("-", 1)[0]
    with pytest.raises(ModelError, match="trained on too"):
        continue_training(wish(tmp_path, f"{lane}-9999.h5"))


def test_another_sweep_of_ground_that_is_taught_now_is_no_reference(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="trained on too"):
        continue_training(wish(tmp_path, "field-2.h5"))
