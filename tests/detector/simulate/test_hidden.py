"""Hidden objects: exactly the stated response is added, nothing elsewhere, however the stream is cut."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.detections import LabelClass
from detector.errors import SampleError
from detector.samples import DeviceDescription, SampleBlock, StreamDescription, StreamKind
from detector.score.matching import is_target
from detector.simulate.hidden import (
    LEAD_IN_M,
    METAL_SIGMAS,
    PIECE_M,
    RADAR_SIGMAS,
    REACH_M,
    SPEED_M_PER_S,
    HiddenResponse,
    hidden_objects,
    learn,
    records_to_learn,
    reference_counts,
)

Head = tuple[DeviceDescription, list[SampleBlock]]


def response(block: SampleBlock, seed: int = 5, reference: float | None = None) -> HiddenResponse:
    learned = learn(block.stream, block.raw[: records_to_learn(block.stream)])
    return HiddenResponse(block.stream, hidden_objects(seed, 4.0, 1.2), learned, reference)


def plain(block: SampleBlock, x: np.ndarray) -> SampleBlock:
    """Records of that stream at other places: the first ones, again and again."""
    k = np.arange(len(x)) % 16
    n = np.arange(len(x), dtype=np.int64)
    return SampleBlock(block.stream, n, n, n, np.round(x * 1e6).astype(np.int64), block.raw[k])


@pytest.mark.parametrize("which", [0, 1], ids=["metal", "radar"])
def test_mixing_adds_the_stated_response_and_exact_zeros_elsewhere(dual_head: Head, which: int) -> None:
    block = dual_head[1][which]
    made = response(block)
    x = np.arange(0.0, 8.0, 0.004)
    before = plain(block, x)
    after = made.mixed(before, x)
    added = after.raw.astype(np.int64) - before.raw.astype(np.int64)
    stated = np.rint(made.counts(x)).astype(np.int64)
    info = np.iinfo(block.raw.dtype)
    assert np.array_equal(after.raw, np.clip(before.raw.astype(np.int64) + stated, info.min, info.max))
    assert np.array_equal(added[np.abs(after.raw) < info.max], stated[np.abs(after.raw) < info.max])
    far = np.all([np.abs(x - o.x_m) >= REACH_M for o in hidden_objects(5, 4.0, 1.2)], axis=0)
    assert far.any()
    assert not added[far].any()
    assert np.abs(added[~far]).max() > 20
    for field in ("seq", "tick", "utc_ns", "odometer_um"):
        assert np.array_equal(getattr(after, field), getattr(before, field))


@given(cuts=st.lists(st.integers(0, 400), max_size=12), which=st.sampled_from([0, 1]))
@settings(max_examples=40, deadline=None)
def test_any_cut_gives_the_same_bits(dual_head: Head, cuts: list[int], which: int) -> None:
    block = dual_head[1][which]
    made = response(block)
    x = np.linspace(0.5, 6.0, 400)
    whole = made.mixed(plain(block, x), x).raw
    edges = [0, *sorted(cuts), 400]
    parts = [made.mixed(plain(block, x)[a:b], x[a:b]).raw for a, b in itertools.pairwise(edges)]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_a_record_without_a_place_gets_nothing(dual_head: Head) -> None:
    block = dual_head[1][0]
    x = np.full(len(block), np.nan)
    assert response(block).mixed(block, x).raw.tobytes() == block.raw.tobytes()


def test_the_mix_saturates_at_the_ends_of_the_sample_type(dual_head: Head) -> None:
    block = dual_head[1][1]
    x = np.arange(LEAD_IN_M, 5.5, 0.002)
    raw = response(block, reference=1e9).mixed(plain(block, x), x).raw
    assert raw.max() == 32767
    assert raw.min() == -32768


def test_without_a_reference_the_test_piece_is_a_stated_multiple_of_the_noise(dual_head: Head) -> None:
    metal, radar = dual_head[1]
    for block, sigmas in ((metal, METAL_SIGMAS), (radar, RADAR_SIGMAS)):
        learned = learn(block.stream, block.raw[: records_to_learn(block.stream)])
        x = np.arange(LEAD_IN_M, 5.5, 0.004)
        by_noise = response(block).counts(x)
        by_reference = response(block, reference=sigmas * learned.sigma).counts(x)
        assert np.array_equal(by_noise, by_reference)
        assert np.allclose(response(block, reference=2 * sigmas * learned.sigma).counts(x), 2 * by_noise)


def test_an_echo_lies_on_the_hyperbola_of_its_depth(dual_head: Head) -> None:
    block = dual_head[1][1]
    mine = next(o for o in hidden_objects(5, 4.0, 1.2) if o.label is LabelClass.MINE)
    mine = replace(mine, depth_m=PIECE_M, x_m=3.0, metal=None)
    learned = learn(block.stream, block.raw[: records_to_learn(block.stream)])
    made = HiddenResponse(block.stream, [mine], learned, 1000.0)
    for away in (0.0, 0.1, 0.2):
        ascan = made.counts(np.array([3.0 + away]))[0, 0]
        late = 2 * np.hypot(PIECE_M, away) / SPEED_M_PER_S / block.stream.sampling_interval_s
        assert abs(int(np.argmax(np.abs(ascan))) - learned.peak - late) <= 1.0


def test_of_several_coils_one_answers(dual_head: Head) -> None:
    block = dual_head[1][0]
    stream = replace(block.stream, channels=3)
    learned = learn(block.stream, block.raw[:200])
    objects = hidden_objects(5, 4.0, 1.2)
    one = next(o for o in objects if o.metal is not None)
    answer = HiddenResponse(stream, [one], learned, 100.0).counts(np.array([one.x_m]))[0]
    assert np.count_nonzero(np.abs(answer).max(axis=1)) == 1


def test_every_hidden_lane_has_a_mine_and_a_clean_lead_in() -> None:
    for seed in range(30):
        objects = hidden_objects(seed, 4.0, 0.3)
        assert any(is_target(o.truth()) for o in objects)
        assert min(o.x_m for o in objects) > LEAD_IN_M
        assert objects == hidden_objects(seed, 4.0, 0.3)


def test_a_continuous_wave_head_loses_energy_in_metal() -> None:
    wave = StreamDescription(0, "metal", StreamKind.METAL_CW, 1, 6, "int32", 100.0, axis=(2e3, 8e3, 32e3))
    noise = np.random.default_rng(0).normal(scale=20, size=(100, 1, 6)).astype("<i4")
    mine = next(o for o in hidden_objects(5, 4.0, 1.2) if o.metal is not None)
    answer = HiddenResponse(wave, [mine], learn(wave, noise)).counts(np.array([mine.x_m]))[0, 0]
    assert (answer[1::2] > 0).all()


def test_a_stepped_frequency_radar_is_refused(dual_head: Head) -> None:
    s = StreamDescription(3, "sfcw", StreamKind.RADAR_SFCW, 1, 8, "float32", 20.0, axis=(1e9, 1.1e9, 1.2e9, 1.3e9))
    with pytest.raises(SampleError, match="stepped-frequency"):
        HiddenResponse(s, (), learn(dual_head[1][0].stream, dual_head[1][0].raw[:20]))


def test_a_reference_counts_only_if_it_is_of_this_stream(dual_head: Head) -> None:
    metal = dual_head[1][0].stream
    assert reference_counts(metal, {"metal": [0.3, 0.3, 0.3, 0.3]}) == pytest.approx(300.0)
    assert reference_counts(metal, {"metal": [0.3, 0.3]}) is None
    assert reference_counts(metal, {}) is None
