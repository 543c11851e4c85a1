"""A bench session on real firmware on an emulated board, whose physics has known answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from detector.bench.registry import MEASUREMENTS
from detector.bench.steps import Planned
from detector.recording.reader import open_recording
from detector.recording.writer import RecordingWriter
from firmware_host.bench.report import report_of
from firmware_host.bench.session import BenchSession, Wanted
from firmware_host.clock import HostClock
from firmware_host.head import Head
from firmware_host.virtual.emulated import EmulatedHead

pytestmark = [pytest.mark.slow, pytest.mark.needs_tools("qemu-system-arm", "arm-none-eabi-gcc")]

NOISE = 100.0
DEPTH_M = 0.10
SPACING_M = 0.5
VOLT = 5.0 / 2**23
SETTINGS = {
    "noise": {"seconds": 5.0, "resolution_hz": 2.0},
    "static": {"before_s": 5.0, "item_s": 5.0, "after_s": 5.0},
    "latency": {"seconds": 2.0},
}


class ParameterHand:
    """Moves the target under a standing head by the firmware's own parameters."""

    def __init__(self, head: Head) -> None:
        self._head = head

    def show(self, step: Planned, number: int, total: int) -> None:
        # the targets lie in the middle of each spacing: a quarter of a metre away, or ten metres
        self._head.set_parameter("target_spacing", SPACING_M if step.role == "item" else 20.0)

    def ready(self, tick: int) -> int | None:
        return tick + 1

    def answers(self, step: Planned) -> Mapping[str, float] | None:
        return {}

    def progress(self, share: float) -> None:
        """Nobody looks."""

    def told(self, text: str) -> None:
        raise AssertionError(text)


def test_a_session_on_emulated_firmware_gives_what_its_physics_says(tmp_path: Path) -> None:
    out = tmp_path / "bench.h5"
    wanted = [Wanted(MEASUREMENTS[n], MEASUREMENTS[n].with_settings(s)) for n, s in SETTINGS.items()]
    with EmulatedHead() as emulated, Head.open(emulated.path, clock=HostClock()) as head:
        device = head.describe(timeout_s=20)
        for name, value in (("speed", 0.0), ("noise", NOISE), ("target_depth", DEPTH_M)):
            head.set_parameter(name, value)
        with RecordingWriter(
            out, device, software="test", created_utc_ns=time.time_ns(), recording_type="bench"
        ) as writer:
            BenchSession(head, writer, wanted, ParameterHand(head)).run()
    with open_recording(out) as recording:
        report = report_of(recording, out, list(SETTINGS), SETTINGS)
    results = {r.measurement: r for r in report.results}
    assert not [r.refusal for r in report.results if r.refusal]
    # the sum of two uniform numbers, cut to whole counts
    sigma = VOLT * np.sqrt(NOISE**2 / 6 + 1 / 12)
    figure = results["noise"].figures[0]
    # 95 % bounds miss one time in twenty: twice as wide ones hardly ever
    assert abs(sigma - (figure.low + figure.high) / 2) <= figure.high - figure.low
    # physics.c: a coil of 10 cm, 5 cm over the ground, a target with a time constant of 100 us
    fall = 0.1**2 / (0.1**2 + (DEPTH_M + 0.05) ** 2 + (SPACING_M / 2) ** 2)
    gates = np.array(device.streams[0].axis)
    true = VOLT * float(np.linalg.norm(400_000 * fall**3 * np.exp(-gates / 100e-6)))
    item = results["static"].figure("response of the item")
    assert abs(true - (item.low + item.high) / 2) <= item.high - item.low
    assert len(results["latency"].samples["round trip"]) == 100
    assert report.firmware == "1.0"
