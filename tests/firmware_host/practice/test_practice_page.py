"""A whole practice session on a virtual head, in a browser, and what it leaves behind."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from detector.kept_ground import kept_ground
from detector.recording.reader import open_recording
from firmware_host.practice.history import History
from tests.firmware_host.console.test_page import (
    PHONE,
    TABLET,
    Sweep,
    browser,
    check_accessible,
    control,
    heard,
    opened,
    playwright,
    wait,
)

pytestmark = pytest.mark.needs_tools("chromium")
__all__ = ["browser"]


class Practice(Sweep):
    """A practice session as a learner starts it."""

    command = "practice"


def test_a_practice_says_training_throughout_and_its_recording_is_never_a_survey(
    tmp_path: Path, browser: playwright.Browser
) -> None:
    options = ("--learner", "A. Deminer", "--skip-checks", "a test", "--seed", "5", "--length", "3", "--unaided")
    with Practice(tmp_path, *options) as practice:
        practice.stage.scene = "lane"
        page = opened(browser, practice.url, bypass_csp=True)
        wait(lambda: page.is_visible("#training"))
        assert "TRAINING" in page.inner_text("#training")
        wait(lambda: "training" in heard(page))
        assert page.is_disabled("#mark")
        for size in (PHONE, TABLET):
            page.set_viewport_size(size)
            for _ in range(2):
                page.keyboard.press("t")  # light or dark
                check_accessible(page)
            # state and TRAINING stay in sight, wherever one scrolls to, beside each other
            page.evaluate("scrollTo(0, document.body.scrollHeight)")
            state, bar = (page.locator(name).bounding_box() for name in ("#banner", "#training"))
            assert 0 <= state["y"] < state["y"] + state["height"] <= bar["y"] < bar["y"] + bar["height"]
            assert bar["y"] + bar["height"] <= 0.5 * size["height"]
        control(page, "A. Deminer")
        page.keyboard.press("m")
        wait(lambda: "NOT marked" in page.inner_text("#events", timeout=5000) or page.click("#log summary"))
        page.keyboard.press("a")
        wait(lambda: "lane begins" in page.inner_text("#events"))
        wait(lambda: practice.stage.x_m > 3.0)
        page.keyboard.press("m")
        wait(lambda: "Mark 1 at" in page.inner_text("#events"))
        assert "Mark 1 at" in page.inner_text("#said")
        wait(lambda: practice.stage.x_m > 5.5, 30.0)
        assert page.is_visible("#training")
        assert page.evaluate("groundsweep.detections.size") == 0  # unaided
        assert "0.0 m of track count" in page.inner_text("#lane-now")
        page.reload()
        wait(lambda: page.is_visible("#training"))
    said = "".join(practice.said)
    assert "TRAINING, NOT A SURVEY" in said
    assert re.search(r"found \d of \d targets passed: POD", said)
    assert "What was hidden" in said[said.index("Mark 1 at") :]
    assert "What was hidden" not in said[: said.index("Mark 1 at")]

    (session,) = History(tmp_path / "practice").sessions("A. Deminer")
    assert not session.aided
    assert session.score["tried"] + session.score["not_reached"] > 0
    unmixed = practice.out.with_name(f"{practice.out.stem}-unmixed.h5")
    with open_recording(practice.out) as mixed, open_recording(unmixed) as own:
        for r in (mixed, own):
            assert r.recording_type == "training"
            assert r.note.startswith("TRAINING, NOT A SURVEY")
        assert {t.confidence for t in mixed.truth()} == {"hidden"}
        n = mixed.n_records("metal")
        assert own.n_records("metal") == n
        a, b = (r.block("metal", 0, n) for r in (mixed, own))
        assert np.array_equal(a.seq, b.seq)
        assert not np.array_equal(a.raw, b.raw)
        assert len(mixed.table("ground")) == 0
        with pytest.raises(Exception, match="type training"):
            kept_ground(mixed)
