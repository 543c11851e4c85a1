"""What is told of a metal answer: right for targets whose answer is known, and kept by the recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detector.decide.classifier import Model
from detector.metal.decay import decay_features
from detector.metal.description import describe_metal
from detector.metal.geometry import MetalGeometry
from detector.metal_description import MOST_SLOPES, MetalDescription
from detector.pipeline import Pipeline
from detector.profile import Profile
from detector.recording.reader import open_recording
from detector.recording.writer import RecordingWriter
from detector.samples import DeviceDescription, SampleBlock, StreamKind
from detector.simulate.continuous_wave import WaveHead, sphere_polarizability, wave_signal

DualHead = tuple[DeviceDescription, list[SampleBlock]]

GATES = tuple(float(t) for t in np.geomspace(15e-6, 400e-6, 16))
TAPS = np.exp(-0.5 * (np.arange(41) / 12.0) ** 2)
TAPS /= TAPS[0] + 2 * TAPS[1:].sum()


def passes_under(shape: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    """(201, values) a target that passes, and white noise."""
    bump = np.exp(-0.5 * ((np.arange(201) - 100) / 15.0) ** 2)
    return bump[:, None] * shape + np.random.default_rng(seed).normal(scale=sigma, size=(201, len(shape)))


def geometry(kind: StreamKind, axis: tuple[float, ...], values: int) -> MetalGeometry:
    return MetalGeometry(kind, 1, values, axis, 500.0, 1e-3, 0.0)


def test_a_decay_is_described_with_its_time_constant_and_how_sure_it_is() -> None:
    inside = 0
    for seed in range(200):
        readings = passes_under(np.exp(-np.array(GATES) / 80e-6), 0.05, seed)
        d = describe_metal(readings, 100, TAPS, 40, geometry(StreamKind.METAL_PI, GATES, 16), np.zeros((0, 16)))
        inside += abs(d.tau_s - 80e-6) < 2.0 * d.tau_sigma_s
        assert d.sign == 1.0
        assert len(d.log_slopes) == 15
    # 95 % if the bound were reached and the noise known; the grid and the noise's own estimate take some
    assert 0.87 <= inside / 200 <= 0.99


def test_the_stated_sigma_is_the_spread_of_the_fitted_time_constant() -> None:
    rng = np.random.default_rng(4)
    t, sigma = np.array(GATES), np.full(16, 0.02)
    fits = [decay_features(np.exp(-t / 60e-6) + 0.02 * rng.normal(size=16), sigma, t) for _ in range(400)]
    spread = np.std([f.tau_s for f in fits])
    assert spread == pytest.approx(np.median([f.tau_sigma_s for f in fits]), rel=0.2)


@pytest.mark.parametrize(("permeability", "conductivity", "ferrous"), [(1.0, 3.5e7, 0.0), (100.0, 5e6, 1.0)])
def test_a_ball_is_called_ferrous_if_it_is_and_its_phases_are_told(
    permeability: float, conductivity: float, ferrous: float
) -> None:
    head = WaveHead()
    ball = sphere_polarizability(0.01, conductivity, head.frequencies_hz, permeability)
    answer = wave_signal(head, ball, np.zeros(1), 0.1, np.zeros(1))[0]
    answer /= np.max(np.abs(answer))
    kind = geometry(StreamKind.METAL_CW, head.frequencies_hz, len(answer))
    d = describe_metal(passes_under(answer, 0.02), 100, TAPS, 40, kind, np.zeros((0, len(answer))))
    assert d.ferrous == ferrous
    assert d.confidence > 0.9
    assert len(d.phase_deg) == len(head.frequencies_hz)
    told = np.degrees(np.arctan2(answer[1::2], answer[0::2]))
    np.testing.assert_allclose(d.phase_deg, told, atol=3.0)
    assert ("not ferrous" in d.text) == (ferrous == 0.0)


def test_a_head_that_states_no_axis_is_described_by_its_strength_alone() -> None:
    plain = geometry(StreamKind.METAL, (), 4)
    d = describe_metal(passes_under(np.ones(4), 0.1), 100, TAPS, 40, plain, np.zeros((0, 4)))
    assert d.snr > 20
    assert np.isnan(d.tau_s)
    assert d.text.endswith("sigma")


def test_every_metal_detection_carries_its_description_into_the_recording(
    dual_head: DualHead, model: Model, tmp_path: Path
) -> None:
    device, blocks = dual_head
    out = tmp_path / "d.h5"
    pieces = {n: [b[i : i + n] for b in blocks for i in range(0, len(b), n)] for n in (1, 5000)}
    found = {}
    for n, cut in pieces.items():
        pipeline = Pipeline(device, Profile(), model)
        found[n] = [d for b in cut for d in pipeline.process(b).detections] + pipeline.finish().detections
    with RecordingWriter(out, device, software="t", created_utc_ns=1) as writer:
        for d in found[1]:
            writer.detection(d)
    seen = [d for d in found[1] if d.metal_peak_seq >= 0]
    assert len(seen) >= 2
    with open_recording(out) as r:
        kept = r.metal_descriptions()
    assert sorted(kept) == [d.id for d in seen]
    for d, other in zip(found[1], found[5000], strict=True):
        assert (d.metal is None) == (d.metal_peak_seq < 0)
        if d.metal is not None and other.metal is not None:
            assert d.metal.to_row(1).tobytes() == other.metal.to_row(1).tobytes(), "no cut changes it"
            assert kept[d.id].to_row(1).tobytes() == d.metal.to_row(1).tobytes()
            # the fixture's targets decay with 80 us
            assert d.metal.tau_s == pytest.approx(80e-6, rel=0.1)


def test_a_row_keeps_what_it_has_room_for() -> None:
    many = MetalDescription(snr=3.0, log_slopes=tuple(range(100)))
    assert MetalDescription.from_row(many.to_row(7)).log_slopes == tuple(range(MOST_SLOPES))
