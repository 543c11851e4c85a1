"""A head that states the length of its pulse: the session's balance knows it, its record says so and replays alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detector.metal.geometry import MetalGeometry
from detector.metal.ground_balance import soil_directions
from detector.profile import Profile, parse_profile
from detector.recording.reader import open_recording
from firmware_host.parameters import stated_pulse_us
from firmware_host.virtual.head import VirtualHead
from firmware_host.virtual.playback import play_recording
from firmware_host.wire.messages import Parameter
from tests.system.test_command_line import groundsweep


def test_the_stated_pulse_is_in_the_recorded_profile_and_a_replayed_head_states_it_too(
    recordings: Path, tmp_path: Path
) -> None:
    out = tmp_path / "sweep.h5"
    with open_recording(recordings / "lane_dev04.h5") as r:
        device = r.device
        blocks = list(r.blocks(64))
    with VirtualHead(device, lambda: blocks, 0.0, pulse_us=250.0) as head:
        result = groundsweep("live", "--port", head.path, "--out", out, "--skip-checks", "a test")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "states a pulse of 250 us" in result.stdout
    with open_recording(out) as r:
        assert parse_profile(r.profile_toml, "recorded").metal.ground_balance.pulse_us == 250.0
        assert [p.value for p in r.parameters() if p.name == "pulse_us"] == [250.0]
    assert "Identical to the bit" in groundsweep("replay", out).stdout
    assert groundsweep("replay", out, "--profile", "handheld-dual", "--out", tmp_path / "other.h5").returncode == 0
    with open_recording(tmp_path / "other.h5") as r:
        assert parse_profile(r.profile_toml, "replayed").metal.ground_balance.pulse_us == 250.0
        assert stated_pulse_us([r.parameters()]) == 250.0
    with play_recording(out) as again:
        assert again._parameters["pulse_us"].value == 250.0


def test_a_head_that_does_not_state_it_is_told_of(recordings: Path, tmp_path: Path) -> None:
    with play_recording(recordings / "lane_dev04.h5", speed=0) as head:
        result = groundsweep("live", "--port", head.path, "--out", tmp_path / "a.h5", "--skip-checks", "a test")
    assert "pulse is not known" in result.stdout


def pulse(value: float, unit: str = "us") -> Parameter:
    return Parameter(0, "pulse_us", unit, "", value, value, value, value, writable=False)


def test_a_profile_takes_a_stated_pulse_unless_it_says_one_itself() -> None:
    told = Profile().with_pulse(250.0)
    assert told.metal.ground_balance.pulse_us == 250.0
    assert told.hash != Profile().hash
    assert told.with_pulse(100.0) is told
    assert Profile().with_pulse(float("nan")) == Profile()
    assert Profile().with_pulse(1e9) == Profile()


def test_two_heads_that_state_different_pulses_state_none() -> None:
    assert stated_pulse_us([[pulse(250.0)], [pulse(250.0)], []]) == 250.0
    assert np.isnan(stated_pulse_us([[pulse(250.0)], [pulse(100.0)]]))
    assert np.isnan(stated_pulse_us([[pulse(250.0, "ms")], []]))


def test_with_a_known_pulse_the_balance_leaves_out_one_direction_instead_of_two(recordings: Path) -> None:
    with open_recording(recordings / "lane_dev04.h5") as r:
        stream = next(s for s in r.device.streams if s.kind.is_metal)
    geometry = MetalGeometry.of(stream, 0.5)
    unknown = soil_directions(Profile().metal.ground_balance, geometry)
    known = soil_directions(Profile().with_pulse(250.0).metal.ground_balance, geometry)
    assert unknown.shape[1] == 2
    assert known.shape[1] == 1
    t = np.array(stream.axis)
    soil = 1 / t - 1 / (t + 250e-6)
    assert known[0, 0] / known[0, 0, 0] == pytest.approx(soil / soil[0])
