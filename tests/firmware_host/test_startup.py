"""The start-up sequence: no step passes without its measurement, and a head is compared with itself only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from detector.samples import Check, Event, Gap, ParameterReading, SampleBlock, Severity
from firmware_host.errors import ReferenceFileError
from firmware_host.head_settings import HeadSettings
from firmware_host.references import Reference, References
from firmware_host.session import Order
from firmware_host.startup import Readiness
from firmware_host.startup_judging import Outcome
from firmware_host.startup_measurement import largest_response, noise_sigma, soil_residual
from firmware_host.wire.messages import HeadState, HeadStatus
from tests.firmware_host.console.staged_head import DEVICE, METAL, Stage

WHO = "A. Deminer"


class Bench:
    """A readiness that is fed by hand from a staged head."""

    def __init__(
        self, folder: Path, settings: str = "", skip: str = "", knobs: dict[str, dict[str, float]] | None = None
    ) -> None:
        self.told: list[Event] = []
        self.now = 0.0
        self.stage = Stage()
        self.stream = self.stage.blocks()
        turned = HeadSettings(knobs)
        self.readiness = Readiness(
            DEVICE, References(folder), self.told.append, None, settings or turned.hash, skip, lambda: 5,
            lambda: self.now, turned,
        )  # fmt: skip

    def feed(self, seconds: float, change: Callable[[SampleBlock], SampleBlock | None] = lambda b: b) -> None:
        until = self.now + seconds
        while self.now < until:
            for _ in range(2):
                block = change(next(self.stream))
                if block is not None:
                    self.readiness.block(block)
            self.now += 0.05

    def run(self, step: int, scene: str) -> Outcome:
        self.stage.scene = scene
        self.readiness.order(Order("begin", WHO, self.readiness.steps[step].name))
        self.feed(4.5)
        return self.readiness.steps[step].outcome

    def order(self, name: str, text: str = "") -> None:
        self.readiness.order(Order(name, WHO, text))

    def pass_all(self) -> None:
        self.feed(2.5)
        for step, scene in ((1, "air"), (2, "soil"), (3, "piece")):
            if self.run(step, scene) is Outcome.NO_REFERENCE:
                self.order("store")
        assert self.readiness.ready, [(s.name, s.outcome, s.text) for s in self.readiness.steps]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_session_is_not_ready_until_every_step_has_passed(bench: Bench) -> None:
    assert bench.readiness.missing() == ["not ready: self-check, noise, ground balance, function test missing"]
    bench.pass_all()
    assert bench.readiness.missing() == []
    assert bench.told[-1].text == "Every start-up step has passed. Ready."


def test_without_a_reference_a_step_says_so_and_does_not_pass(bench: Bench) -> None:
    bench.feed(2.5)
    assert bench.run(1, "air") is Outcome.NO_REFERENCE
    assert "Head S-1 has no reference yet" in bench.readiness.steps[1].text
    assert "noise" in bench.readiness.missing()[0]
    bench.order("store")
    assert bench.readiness.steps[1].outcome is Outcome.PASSED
    assert WHO in bench.readiness.steps[1].text


def test_the_next_session_compares_with_what_was_stored(bench: Bench, tmp_path: Path) -> None:
    bench.pass_all()
    again = Bench(tmp_path)
    again.pass_all()
    assert not any("no reference" in e.text for e in again.told)
    assert "% of its reference" in again.readiness.steps[3].text


@pytest.mark.parametrize("strength", [0.75, 1.3])
def test_a_response_that_differs_by_more_than_a_fifth_fails(bench: Bench, tmp_path: Path, strength: float) -> None:
    bench.pass_all()
    again = Bench(tmp_path)
    again.feed(2.5)
    again.run(1, "air")
    again.run(2, "soil")
    again.stage.piece = strength
    assert again.run(3, "piece") is Outcome.FAILED
    assert not again.readiness.ready


def test_a_test_piece_that_was_not_there_fails(bench: Bench) -> None:
    bench.feed(2.5)
    bench.run(1, "air")
    assert bench.run(3, "air") is Outcome.FAILED
    assert "did not see the test piece" in bench.readiness.steps[3].text


def test_a_reference_taken_with_other_settings_does_not_count(bench: Bench, tmp_path: Path) -> None:
    bench.pass_all()
    again = Bench(tmp_path, settings="other")
    again.feed(2.5)
    assert again.run(1, "air") is Outcome.NO_REFERENCE
    assert "other settings" in again.readiness.steps[1].text


def test_noise_far_above_the_reference_fails_and_names_the_value(bench: Bench, tmp_path: Path) -> None:
    bench.pass_all()
    again = Bench(tmp_path)
    again.feed(2.5)
    again.readiness.order(Order("begin", WHO, "noise"))
    rng = np.random.default_rng(0)

    def disturbed(block: SampleBlock) -> SampleBlock:
        if block.stream is not METAL:
            return block
        raw = block.raw.copy()
        raw[:, 0, 2] += rng.normal(scale=20.0, size=len(raw)).astype(raw.dtype)
        return SampleBlock(METAL, block.seq, block.tick, block.utc_ns, block.odometer_um, raw)

    again.feed(4.5, disturbed)
    assert again.readiness.steps[1].outcome is Outcome.FAILED
    assert "metal value 2" in again.readiness.steps[1].text


def test_a_gap_during_a_measurement_fails_it(bench: Bench) -> None:
    bench.feed(1.0)
    bench.readiness.gap(Gap(0, 1, 1, 0, 1, 0, "lost"))
    bench.feed(1.5)
    assert bench.readiness.steps[0].outcome is Outcome.FAILED


def test_a_frozen_sensor_fails_the_self_check(bench: Bench) -> None:
    frozen = np.ones((10, 1, 4), "<i4")

    def freeze(b: SampleBlock) -> SampleBlock:
        return SampleBlock(METAL, b.seq, b.tick, b.utc_ns, b.odometer_um, frozen) if b.stream is METAL else b

    bench.feed(2.5, freeze)
    assert bench.readiness.steps[0].outcome is Outcome.FAILED
    assert "frozen" in bench.readiness.steps[0].text


def test_a_stream_that_never_speaks_fails_the_self_check(bench: Bench) -> None:
    bench.feed(8.0, lambda b: b if b.stream is METAL else None)
    assert bench.readiness.steps[0].outcome is Outcome.FAILED
    assert "radar" in bench.readiness.steps[0].text


def test_soil_before_noise_is_refused(bench: Bench) -> None:
    bench.feed(2.5)
    assert bench.run(2, "soil") is Outcome.FAILED


def test_metal_in_the_ground_fails_the_balance(bench: Bench) -> None:
    bench.feed(2.5)
    bench.run(1, "air")
    bench.stage.scene = "soil"
    bench.readiness.order(Order("begin", WHO, "ground balance"))

    def with_iron(b: SampleBlock) -> SampleBlock:
        if b.stream is not METAL:
            return b
        # decays far slower than soil does, so that it is another direction in gate space
        iron = np.round(100.0 * np.sin(7e-6 * b.tick))[:, None, None].astype(b.raw.dtype)
        return SampleBlock(METAL, b.seq, b.tick, b.utc_ns, b.odometer_um, b.raw + iron)

    bench.feed(4.5, with_iron)
    assert bench.readiness.steps[2].outcome is Outcome.FAILED


def test_a_balance_over_metal_alone_is_refused_and_told(bench: Bench) -> None:
    bench.feed(2.5)
    bench.run(1, "air")
    bench.stage.scene = "air"
    bench.readiness.order(Order("begin", WHO, "ground balance"))
    decay = np.exp(-np.array(METAL.axis) / 8e-5)

    def over_a_can(b: SampleBlock) -> SampleBlock:
        if b.stream is not METAL:
            return b
        # one direction in gate space, as soil is, but of metal
        can = np.round(400.0 * (0.5 + 0.5 * np.sin(3e-6 * b.tick))[:, None, None] * decay).astype(b.raw.dtype)
        return SampleBlock(METAL, b.seq, b.tick, b.utc_ns, b.odometer_um, b.raw + can)

    bench.feed(4.5, over_a_can)
    assert bench.readiness.steps[2].outcome is Outcome.FAILED
    assert "not soil" in bench.readiness.steps[2].text
    assert "not soil" in bench.told[-1].text


def streaming(battery_mv: int = 0, state: HeadState = HeadState.STREAMING) -> HeadStatus:
    return HeadStatus(state, 0, 0, 0, battery_mv, 20.0, "S-1")


def test_a_restart_a_pause_and_another_battery_ask_for_everything_again(bench: Bench) -> None:
    bench.pass_all()
    bench.readiness.status(streaming(7400))
    bench.readiness.status(streaming(7300))
    bench.readiness.status(streaming(7450))  # rest
    assert bench.readiness.ready
    bench.readiness.status(streaming(8300))
    assert "another battery" in bench.readiness.missing()[0]
    bench.pass_all()
    bench.readiness.status(streaming(8300, HeadState.IDLE))
    assert "restarted" in bench.readiness.missing()[0]
    bench.pass_all()
    bench.now += 11 * 60
    bench.feed(0.1)
    assert "11 min without samples" in bench.readiness.missing()[0]


def turned(value: float, name: str = "tx_current", writable: bool = True) -> ParameterReading:
    return ParameterReading(5, name, "A", value, 0.0, 2.0, 1.0, writable, True, "S-1")


def test_a_changed_setting_asks_for_everything_again_and_its_reference_does_not_count(tmp_path: Path) -> None:
    bench = Bench(tmp_path, knobs={"S-1": {"tx_current": 1.0}})
    bench.pass_all()
    bench.readiness.parameter(turned(1.0))
    bench.readiness.parameter(turned(17.0, "temperature", writable=False))
    bench.readiness.parameter(turned(18.0, "temperature", writable=False))
    assert bench.readiness.ready
    bench.readiness.parameter(turned(1.2))
    assert not bench.readiness.ready
    assert "tx_current of head S-1 changed from 1 to 1.2 A" in bench.readiness.missing()[0]
    assert any("tx_current" in e.text and e.severity is Severity.WARNING for e in bench.told)
    bench.feed(2.5)
    assert bench.run(1, "air") is Outcome.NO_REFERENCE
    assert "other settings" in bench.readiness.steps[1].text
    bench.readiness.parameter(turned(1.0))  # and back: what was stored with it counts again
    bench.feed(2.5)
    assert bench.run(1, "air") is Outcome.PASSED


def test_a_function_test_can_be_repeated_at_any_time(bench: Bench) -> None:
    bench.pass_all()
    bench.stage.scene = "piece"
    bench.readiness.order(Order("begin", WHO, "function test"))
    assert not bench.readiness.ready  # the head is over the test piece, not over the lane
    bench.feed(4.5)
    assert bench.readiness.ready
    bench.stage.piece = 0.5
    assert bench.run(3, "piece") is Outcome.FAILED
    assert not bench.readiness.ready


def test_a_skip_is_recorded_and_stays(tmp_path: Path) -> None:
    bench = Bench(tmp_path, skip="no test piece here")
    assert bench.readiness.missing() == []
    assert not bench.readiness.ready
    assert bench.readiness.skipped == "no test piece here"
    (event,) = bench.told
    assert event.severity is Severity.WARNING
    bench.readiness.status(streaming(state=HeadState.STREAMING))
    bench.readiness.status(streaming(state=HeadState.IDLE))
    assert bench.readiness.skipped == "no test piece here"


def test_a_skip_without_a_reason_is_none(bench: Bench) -> None:
    bench.order("skip", "  ")
    assert bench.readiness.skipped == ""
    bench.order("skip", "in a hurry")
    assert WHO in bench.readiness.skipped


def test_every_step_leaves_its_figures_and_limits_as_checks(bench: Bench, tmp_path: Path) -> None:
    bench.pass_all()
    again = Bench(tmp_path)
    again.feed(2.5)
    kept: list[Check] = []
    again.readiness.checks.record(kept.append)  # what was checked before there was a recording is not lost
    assert [c.name for c in kept] == ["self-check: metal rate", "self-check: radar rate", "self-check"]
    for step, scene in ((1, "air"), (2, "soil"), (3, "piece")):
        again.run(step, scene)
    checks = {c.name: c for c in kept}
    assert all(c.passed for c in kept)
    rate = checks["self-check: metal rate"]
    assert (rate.unit, rate.low, rate.high) == ("1/s", pytest.approx(160), pytest.approx(240))
    assert rate.value == pytest.approx(200, rel=0.05)
    assert checks["noise: metal median 1 sigma"].unit == "V"
    assert 0.2 < checks["noise: metal most over reference"].value < checks["noise: metal most over reference"].high
    assert checks["ground balance: metal left after balance"].kind == "calibration"
    assert checks["function test: radar over reference"].value == pytest.approx(1.0, abs=0.3)
    assert checks["function test"].who == WHO
    assert checks["function test"].note == again.readiness.steps[3].text


def test_a_failed_step_is_a_check_that_did_not_pass(bench: Bench, tmp_path: Path) -> None:
    bench.pass_all()
    again = Bench(tmp_path)
    kept: list[Check] = []
    again.readiness.checks.record(kept.append)
    again.feed(2.5)
    again.run(1, "air")
    again.run(2, "soil")
    again.stage.piece = 0.5
    again.run(3, "piece")
    failed = [c for c in kept if not c.passed]
    assert [c.name for c in failed] == ["function test: metal over reference", "function test"]
    assert failed[0].value == pytest.approx(0.5, abs=0.1)
    assert failed[0].value < failed[0].low == pytest.approx(0.8)


def test_a_skip_is_a_check_that_did_not_pass(tmp_path: Path) -> None:
    kept: list[Check] = []
    Bench(tmp_path, skip="no test piece here").readiness.checks.record(kept.append)
    assert [(c.name, c.passed) for c in kept] == [("start-up", False)]
    assert "no test piece here" in kept[0].note


def test_noise_is_measured_right_under_drift_and_outliers() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(scale=[1.0, 7.0], size=(4000, 2)) + np.linspace(0, 100, 4000)[:, None]
    x[::500] += 1000.0
    np.testing.assert_allclose(noise_sigma(x), [1.0, 7.0], rtol=0.05)


def test_the_largest_response_is_taken_against_the_usual_record() -> None:
    x = np.full((100, 3), 5.0)
    x[40:44] += [[1, 0, 0], [3, 1, 0.5], [2, 1, 0], [1, 0, 0]]
    np.testing.assert_array_equal(largest_response(x), [3, 1, 0.5])


def test_soil_along_one_direction_leaves_noise_alone() -> None:
    rng = np.random.default_rng(4)
    swing = np.sin(np.linspace(0, 20, 3000))[:, None]
    x = 50 * swing * np.array([4.0, 2.0, 1.0]) + rng.normal(size=(3000, 3))
    soil, left = soil_residual(x, np.ones(3))
    assert soil == pytest.approx(50 * np.sqrt(21 / 2), rel=0.05)
    assert left == pytest.approx(1.0, abs=0.05)


def test_references_append_and_the_newest_counts(tmp_path: Path) -> None:
    references = References(tmp_path)
    for k in range(3):
        references.add("S/../1", Reference("noise", WHO, k, "1", "", {"metal": [float(k)]}))
    found = references.find("S/../1", "noise")
    assert found is not None
    assert found.values == {"metal": [2.0]}
    assert references.find("S/../1", "function") is None
    assert references.find("other", "noise") is None
    assert [p.parent for p in tmp_path.glob("**/*.json")] == [tmp_path]


@pytest.mark.parametrize("text", ["{", '{"serial": "other", "references": []}', '{"serial": "S-1"}'])
def test_a_damaged_reference_file_is_explained(tmp_path: Path, text: str) -> None:
    (tmp_path / "S-1.json").write_text(text)
    with pytest.raises(ReferenceFileError, match="Move it away"):
        References(tmp_path).find("S-1", "noise")
    bench = Bench(tmp_path)
    bench.feed(2.5)
    assert bench.run(1, "air") is Outcome.FAILED
