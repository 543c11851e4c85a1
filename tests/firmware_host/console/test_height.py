"""Height of the head from the radar's ground bounce."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detector.samples import DeviceDescription, SampleBlock
from firmware_host.console.height import LIGHT_M_PER_S, HeightGauge
from firmware_host.references import References
from firmware_host.startup import Readiness
from firmware_host.startup_judging import Outcome
from tests.conftest import nowhere
from tests.firmware_host.console.staged_head import METAL, RADAR


class Gauge:
    def __init__(self, folder: Path) -> None:
        device = DeviceDescription("head", "S-1", "1", 1e6, (METAL, RADAR))
        self.readiness = Readiness(device, References(folder), lambda e: None)
        self.gauge = HeightGauge(device, self.readiness)

    def see(self, height_m: float | None, n: int = 120) -> None:
        """Some A-scans: the antenna's own pulse at sample 10, and the ground."""
        k = np.arange(96)

        def pulse(at: float) -> np.ndarray:
            return (1 - 2 * ((k - at) / 3.0) ** 2) * np.exp(-(((k - at) / 3.0) ** 2))

        ascan = 8000.0 * pulse(10.0)
        if height_m is not None:
            ascan = ascan - 3000.0 * pulse(10.0 + 2 * height_m / LIGHT_M_PER_S / RADAR.sampling_interval_s)
        raw = np.round(ascan + np.random.default_rng(1).normal(scale=10.0, size=(n, 96))).astype("<i2")
        seq = np.arange(n)
        for start in range(0, n, 5):
            part = slice(start, start + 5)
            block = SampleBlock(RADAR, seq[part], seq[part] * 25_000, seq[part], nowhere(5), raw[part, None, :])
            self.gauge.block(block)

    def noise_step(self, outcome: Outcome = Outcome.PASSED) -> None:
        self.readiness.steps[1].outcome = Outcome.RUNNING
        self.see(None)
        self.readiness.steps[1].outcome = outcome


@pytest.fixture
def gauge(tmp_path: Path) -> Gauge:
    return Gauge(tmp_path)


@pytest.mark.parametrize("height", [0.08, 0.15, 0.3])
def test_the_height_is_half_the_way_to_the_ground_bounce(gauge: Gauge, height: float) -> None:
    gauge.noise_step()
    gauge.see(height)
    assert gauge.gauge.height_m == pytest.approx(height, abs=0.02)
    assert gauge.gauge.text.endswith("lower") is (height > 0.1)


def test_nothing_is_said_before_the_head_was_in_the_air_or_without_an_echo(gauge: Gauge) -> None:
    gauge.see(0.08)
    assert gauge.gauge.text == "not measured"
    gauge.noise_step(Outcome.FAILED)
    gauge.see(0.08)
    assert gauge.gauge.text == "not measured"
    gauge.noise_step()
    gauge.see(None)
    assert gauge.gauge.text == "not measured"
