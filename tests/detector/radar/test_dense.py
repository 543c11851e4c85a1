"""Dense echoes: objects as close as they are deep are found by their shape; layers and ground that fades are not."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.decide.alarm import Alarm, AlarmSettings, AlarmStage
from detector.decide.classifier import load_model
from detector.delay_line import Rows
from detector.dense_alarms import DenseAlarms
from detector.detections import FEATURES, LEVELS, UNKNOWN
from detector.kernels.dense import hyperbola_delays, hyperbola_lead, louder_than_above
from detector.pipeline import Pipeline
from detector.profile import Profile, parse_profile
from detector.radar.dense import DenseEcho
from detector.radar_segment import RadarSegment
from detector.recording.reader import open_recording
from detector.samples import DeviceDescription, SampleBlock, StreamDescription, StreamKind

STEP_M, DT_S, FC_HZ, SURFACE, SPEED, SAMPLES = 0.01, 4e-11, 1.6e9, 25, 1.1e8, 200
N, DEPTH_M = 300, 0.13
BARS = np.arange(0.25, 2.8, 0.2)
"""m; nearer to each other than two depths."""
PROFILE = Profile()
BLIND = parse_profile('[radar_dense]\nuse = "no"', "x")
MODEL = load_model()


def pulse(samples: np.ndarray) -> np.ndarray:
    """Ricker pulses at these samples, (n, SAMPLES)."""
    u = np.pi * FC_HZ * DT_S * (np.arange(SAMPLES) - samples[:, None])
    return np.asarray((1.0 - 2.0 * u**2) * np.exp(-(u**2)))


def points(places_m: Sequence[float], amplitude: float = 2000.0) -> np.ndarray:
    """(N, SAMPLES) hyperbolas of points DEPTH_M deep."""
    out = np.zeros((N, SAMPLES))
    for place in places_m:
        way = np.hypot(DEPTH_M, np.arange(N) * STEP_M - place)
        out += amplitude * (DEPTH_M / way[:, None]) ** 1.5 * pulse(SURFACE + 2.0 * way / SPEED / DT_S)
    return out


def layer(depth_m: np.ndarray) -> np.ndarray:
    """(N, SAMPLES) echo of an interface at that depth, (N,), as straight as the ground over it is long."""
    return 2000.0 * pulse(SURFACE + 2.0 * depth_m / SPEED / DT_S)


def block(echoes: np.ndarray, channels: int = 1, seed: int = 1) -> SampleBlock:
    """Under a direct wave and a rough surface that fades with depth; a little noise."""
    rng = np.random.default_rng(seed)
    rough = np.convolve(rng.normal(size=N + 8), np.ones(9) / 3.0, "valid")
    still = 15000.0 * pulse(np.full(N, float(SURFACE))) + 300.0 * rough[:, None] * pulse(np.full(N, SURFACE + 9.0))
    raw = (still + echoes)[:, None, :] + rng.normal(scale=4.0, size=(N, channels, SAMPLES))
    stream = StreamDescription(
        0, "radar", StreamKind.RADAR, channels, SAMPLES, "int16", 50.0, sampling_interval_s=DT_S,
        centre_frequency_hz=FC_HZ, step_m=STEP_M,
    )  # fmt: skip
    i = np.arange(N)
    odometer = np.round(i * STEP_M * 1e6).astype(np.int64)
    return SampleBlock(stream, i, i * 20_000, i * 20_000_000, odometer, np.round(raw).astype(np.int16))


def alarms(b: SampleBlock, profile: Profile = PROFILE, sizes: Sequence[int] = (N,), threads: int = 1) -> list[Alarm]:
    segment = RadarSegment(b.stream, profile, MODEL.tails, {}, MODEL.second_look, threads)
    out, at = [], 0
    for size in itertools.cycle(sizes):
        if at >= len(b):
            break
        out += segment.process(b[at : at + size]).alarms
        at += size
    return out + segment.finish().alarms


def having(**values: float) -> Profile:
    """The default profile with other figures for dense echoes."""
    return PROFILE.model_copy(update={"radar_dense": PROFILE.radar_dense.model_copy(update=values)})


EVERYWHERE = -60.0
"""dB: a depth so much louder than all above it is any."""
EAGER = having(louder_db=EVERYWHERE, slope_ns_per_m=0.0, likeness=0.0, lead=0.01)
"""Takes nearly everything that is not level for a hyperbola."""


def told(found: list[Alarm]) -> list[tuple[object, ...]]:
    return [(a.channel, a.peak_seq, a.score, a.two_way_s, a.depth_m, a.dense, a.features.tobytes()) for a in found]


def at(found: Sequence[Alarm], place_m: float) -> bool:
    return any(abs(a.x_m - place_m) <= 0.03 for a in found)


def test_bars_as_close_as_they_are_deep_alarm_by_their_shape_and_nothing_between_them_does() -> None:
    b = block(points(BARS.tolist()))
    before, found = alarms(b, BLIND), alarms(b)
    assert sum(at(before, x) for x in BARS) <= len(BARS) // 3, "they stand out by themselves: this tests nothing"
    assert sum(at(found, x) for x in BARS) >= len(BARS) - 1
    dense = [a for a in found if a.dense]
    assert all(np.min(np.abs(BARS - a.x_m)) <= 0.03 for a in dense)
    assert all(a.score >= 1.0 and abs(a.two_way_s - 2.0 * DEPTH_M / SPEED) < 0.5 / FC_HZ for a in dense)
    assert told([a for a in found if not a.dense]) == told(before), "what stands out was changed"


@pytest.mark.parametrize(
    "ground",
    [
        layer(np.full(N, DEPTH_M)),
        layer(0.10 + 0.03 * np.arange(N) * STEP_M),
        layer(0.13 + 0.02 * np.sin(2.0 * np.pi * np.arange(N) * STEP_M / 1.1)),
        sum(layer(0.05 * k + 0.05 + 0.02 * np.arange(N) * STEP_M) for k in range(3)),
    ],
    ids=["level", "sloping", "wavy", "bedded"],
)
def test_a_layer_stays_silent_even_where_every_depth_is_looked_at(ground: np.ndarray) -> None:
    for profile in (PROFILE, having(louder_db=EVERYWHERE)):
        assert not [a for a in alarms(block(ground), profile) if a.dense]
    assert [a for a in alarms(block(ground), EAGER) if a.dense], "nothing was there to be told from a hyperbola"


def test_too_few_hyperbolas_are_not_dense() -> None:
    b = block(points(BARS.tolist()))
    assert [a for a in alarms(b, having(companions=9)) if a.dense] != []
    assert [a for a in alarms(b, having(companions=11)) if a.dense] == []


def test_where_ground_fades_with_depth_not_a_bit_changes() -> None:
    quiet = block(points([0.8, 1.9], 60.0))
    found = alarms(quiet)
    assert told(found) == told(alarms(quiet, BLIND))
    assert found, "there is nothing that could have changed"
    assert [a for a in alarms(quiet, EAGER) if a.dense], "nothing in it could be taken for a hyperbola"


@given(sizes=st.lists(st.integers(1, 120), min_size=1, max_size=6))
@settings(max_examples=12, deadline=None)
def test_any_cut_gives_the_same_bits(sizes: list[int]) -> None:
    assert told(alarms(CUT, sizes=sizes)) == WHOLE


CUT = block(points(BARS.tolist()), channels=2)
WHOLE = told(alarms(CUT))


def test_any_cut_gives_the_same_bits_where_arms_are_longer_than_what_is_known_ahead() -> None:
    few = "[radar_alarm]\nahead_m = 0.0\nradius_m = 0.3\n[radar_dense]\nradius_m = 0.3\ncompanions = 0\nlead = 0.01\n"
    most = "likeness = 0.0\nlouder_db = -60.0\nslope_ns_per_m = 0.0\naperture_m = 3.0\nnear_aperture_m = 3.0\n"
    profile = parse_profile(few + most, "x")
    whole = told(alarms(CUT, profile))
    assert any(t[5] for t in whole)
    assert told(alarms(CUT, profile, [1])) == whole


class _At50:
    """Finds one at row 50."""

    radius = 6

    def process(self, decided: int, bscan: Rows) -> list[DenseEcho]:
        return [DenseEcho(50, 0, 0, 0.4, 0.9, 1e8, 2e-9, 3, 1.0)]


@pytest.mark.parametrize(
    ("crests", "told"),
    [
        ({}, True),
        ({54: 1.2}, False),
        ({54: 0.9}, True),
        ({54: 1.2, 60: 2.0}, True),
        ({45: 1.2, 36: 2.0}, True),
        ({45: 1.2, 60: 2.0}, False),
        ({54: 1.2, 60: -2.0}, False),
    ],
    ids=["none", "near", "below", "one that gives way", "to one behind", "two apart", "to one voted down"],
)
def test_a_crest_that_gives_way_to_a_higher_one_further_off_silences_no_dense_echo(
    crests: dict[int, float], told: bool
) -> None:
    """Score at rows 1 cm apart; below 0: one that the second look votes down."""
    scores = np.zeros((63, 2))
    for row, height in crests.items():
        scores[row, 0] = abs(height)
    stage = AlarmStage(
        AlarmSettings(), 0.01, 4, 1.0, least=0.7, stands=lambda row, group, cell, score: crests[row] >= 1.0
    )
    beside = DenseAlarms(_At50(), 1, stage)  # type: ignore[arg-type]
    beside.scored(scores)
    assert bool(beside.process(51, Rows(1))) == told


def test_antennas_shared_out_to_threads_give_the_same_bits() -> None:
    assert any(t[5] for t in WHOLE)
    assert told(alarms(CUT, threads=2)) == WHOLE


def test_dense_echoes_come_no_later_than_the_chain_says() -> None:
    b = block(points(BARS.tolist()))
    segment = RadarSegment(b.stream, PROFILE, MODEL.tails, {}, MODEL.second_look, 1)
    late = sum(segment.latencies.values())
    for i in range(N):
        for a in segment.process(b[i : i + 1]).alarms:
            assert i - a.peak_seq <= late
            assert a.dense


def test_what_no_model_has_learned_is_unknown_and_says_why() -> None:
    b = block(points(BARS.tolist()))
    pipeline = Pipeline(DeviceDescription("m", "s", "f", 1e6, (b.stream,)), PROFILE, MODEL)
    found = [d for d in pipeline.process(b).detections + pipeline.finish().detections if d.dense]
    assert len(found) >= len(BARS) - 1
    for d in found:
        assert (d.decision, d.level) == (UNKNOWN, len(LEVELS) - 1)
        assert np.isnan(d.radar_llr)
        assert (d.seen_where, d.seen_by) == ("radar, dense echoes", "radar")
        assert d.features[FEATURES.index("dense_companions")] >= PROFILE.radar_dense.companions
        assert all(np.isnan(v) for n, v in zip(FEATURES, d.features, strict=True) if n.startswith("radar_"))


def test_real_bars_in_concrete_are_found_and_a_real_dune_raises_no_dense_echo(recordings) -> None:  # type: ignore[no-untyped-def]
    def dense(name: str) -> tuple[list[Alarm], list[float]]:
        with open_recording(recordings / name) as r:
            blocks = list(r.blocks())
            truth = [o.x_m for o in r.truth()]
        segment = RadarSegment(blocks[0].stream, PROFILE, MODEL.tails, {}, MODEL.second_look, 1)
        found = [a for b in blocks for a in segment.process(b).alarms] + segment.finish().alarms
        return [a for a in found if a.dense], truth

    found, bars = dense("rebar_real.h5")
    assert sum(any(abs(a.x_m - x) <= 0.06 for a in found) for x in bars) >= 11
    assert all(min(abs(a.x_m - x) for x in bars) <= 0.06 for a in found)
    assert all(min(abs(a.x_m - x) for x in bars) <= 2.0 * a.x_sigma_m for a in found), "placed more surely than it is"
    assert dense("dune_real.h5")[0] == []


def test_a_depth_is_louder_than_all_that_lies_a_pulse_above_it() -> None:
    ground, gain = np.array([5.0, 3.0, 9.0, np.nan]), np.array([0.0, 1.0, 2.0, 3.0])
    out = np.empty(4)
    louder_than_above(ground, gain, np.array([0, 0, 1, 2]), out)
    np.testing.assert_array_equal(out, [-np.inf, -np.inf, 2.0, np.nan])


def test_a_hyperbola_leads_the_best_line_and_a_line_leads_no_hyperbola() -> None:
    t0, reach = 2.0 * DEPTH_M / SPEED, 10
    delays = hyperbola_delays(np.array([t0]), np.array([reach]), STEP_M, DT_S, np.array([SPEED]), 0.0)[:, 0]
    asked = (150, SURFACE + t0 / DT_S, delays, reach, 4, 2, 0.25 / (FC_HZ * DT_S * reach), 20, 0.7, 0.2)

    def lead(rows: np.ndarray) -> tuple[float, float, int]:
        return hyperbola_lead(rows[:, None, :].astype(np.float32), 0, 0, *asked)

    assert lead(points([1.5]))[0] > 0.3
    for slope in (0.0, 0.05, -0.1):
        assert lead(layer(DEPTH_M + slope * (np.arange(N) - 150) * STEP_M))[0] == 0.0
