"""Settings of a head whose firmware runs on an emulated board, tried before a test piece with a known answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from detector.bench.steps import Planned
from detector.errors import BenchError
from detector.recording.reader import open_recording
from detector.recording.writer import RecordingWriter
from detector.tuning.settings_on_head import Knob, design, gain, stands
from firmware_host.bench.tuning import HeadTuning
from firmware_host.cli.bench_tune import knob
from firmware_host.clock import HostClock
from firmware_host.head import Head
from firmware_host.parameters import HeadParameters
from firmware_host.recorder import Recorder
from firmware_host.virtual.emulated import EmulatedHead


class Script:
    """Moves the buried target by the head's own parameters: as good as a hand with a test piece."""

    def __init__(self, head: Head) -> None:
        self._parameters = HeadParameters(head)
        self._near = False
        self.shown: list[str] = []

    def show(self, step: Planned, number: int, total: int) -> None:
        self.shown.append(step.instruction)
        self._near = "Put" in step.instruction

    def ready(self, tick: int) -> int | None:
        self._parameters.set({"target_spacing": 0.5 if self._near else 20.0})
        return tick

    def answers(self, step: Planned) -> Mapping[str, float] | None:
        raise AssertionError

    def progress(self, share: float) -> None:
        pass

    def told(self, text: str) -> None:
        pass


@pytest.mark.needs_tools("arm-none-eabi-gcc", "qemu-system-arm")
def test_the_current_and_noise_that_let_a_target_stand_out_are_found_on_a_live_head(tmp_path: Path) -> None:
    out = tmp_path / "tune.h5"
    with EmulatedHead() as emulated, Head.open(emulated.path, clock=HostClock()) as head:
        device = head.describe()
        parameters = HeadParameters(head)
        parameters.set({"speed": 0.0, "target_depth": 0.01})
        metal = next(s for s in device.streams if s.kind.is_metal)
        knobs = [knob(parameters.read([k.partition("=")[0]])[0], k) for k in ("tx_current=0.5..2", "noise=10..40")]
        script = Script(head)
        with (
            RecordingWriter(out, device, software="test", created_utc_ns=1, recording_type="bench") as writer,
            Recorder(writer) as recorder,
        ):
            tried = HeadTuning(head, metal, 0.6, script).run(design(knobs, 6, 1), recorder, keep=True)
        now = {p.name: p.value for p in parameters.read(["tx_current", "noise"])}
    assert len(script.shown) == 4
    # signal goes with the current, noise with the noise
    known = np.array([20 * np.log10(t.values["tx_current"] / t.values["noise"]) for t in tried.trials])
    found = np.array([t.snr_db for t in tried.trials])
    sigma = np.array([t.sigma_db for t in tried.trials])
    off = (found - found.mean()) - (known - known.mean())
    assert np.all(np.abs(off) < 4.0 * np.maximum(sigma, 0.2))
    assert np.argmax(found) == np.argmax(known)
    assert tried.gain is not None
    assert tried.gain.real
    # 95 % bounds miss one time in twenty: twice as wide ones hardly ever
    assert abs(tried.gain.gain_db - (known.max() - known[0])) < tried.gain.high_db - tried.gain.low_db
    assert now == pytest.approx(dict(tried.best.values), rel=1e-5)
    with open_recording(out) as r:
        assert len({p.value for p in r.parameters() if p.name == "tx_current"}) >= 4
        assert sum(len(b) for b in r.blocks(4096)) > 1000


def test_a_design_begins_with_the_present_and_stays_within() -> None:
    knobs = [Knob("a", 1.0, 100.0, 7.0, "", False), Knob("n", 1, 4, 2, "", True)]
    points = design(knobs, 16, 3)
    assert points[0] == {"a": 7.0, "n": 2}
    assert points == design(knobs, 16, 3)
    a = np.array([p["a"] for p in points[1:]])
    assert a.min() >= 1.0
    assert a.max() <= 100.0
    assert 4 <= np.sum(a < 10.0) <= 11  # evenly in ratios
    assert {p["n"] for p in points} <= {1, 2, 3, 4}


def test_the_signal_to_noise_ratio_is_the_known_one_and_its_sigma_holds() -> None:
    within = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        noise = np.array([1.0, 2.0, 0.5])
        change = np.array([0.6, -1.0, 0.3])
        without = rng.normal(size=(800, 3)) * noise + 5.0
        told = stands({}, without, rng.normal(size=(800, 3)) * noise + 5.0 + change)
        within += abs(told.snr_db - 10 * np.log10(np.sum((change / noise) ** 2))) < 2.4 * told.sigma_db
    assert within >= 180  # 95 % by Student with seven degrees of freedom, less four sigma of the count


def test_nothing_there_is_no_gain_and_too_little_is_refused() -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(BenchError, match="too few"):
        stands({}, rng.normal(size=(20, 2)), rng.normal(size=(20, 2)))
    with pytest.raises(BenchError, match="do not change"):
        stands({}, np.ones((100, 2)), np.ones((100, 2)))
    a = [stands({}, rng.normal(size=(400, 2)), rng.normal(size=(400, 2)) + 1.0) for _ in range(6)]
    assert not gain(a[0::2], a[1::2]).real
    with pytest.raises(BenchError, match="two pairs"):
        gain(a[:1], a[1:2])
