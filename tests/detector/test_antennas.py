"""A radar head's antennas shared out to threads: the same bits whatever their number, and no thread left behind."""

from __future__ import annotations

import gc
import itertools
import threading
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector import antennas
from detector.cores import THREADS, threads_for
from detector.decide.classifier import load_model
from detector.errors import GroundsweepError
from detector.pipeline import Pipeline
from detector.profile import Profile, parse_profile
from detector.radar_segment import RadarSegment
from detector.samples import DeviceDescription, SampleBlock, StreamDescription, StreamKind

N, C, M, STEP_M = 160, 5, 96, 0.02
MODEL = load_model()
LATE = slice(70, 73)
"""Records of one antenna that hold noise only: its surface is lost there."""


def echoes(dtype: str) -> np.ndarray:
    """(N, C, M): antennas of their own strength and delay, each over a target at its own place."""
    rng = np.random.default_rng(9)
    k, i = np.arange(M), np.arange(N)[:, None, None]
    top = np.array([12.0, 17.0, 14.0, 21.0, 13.0])[:, None]
    size = np.array([3000.0, 9000.0, 5000.0, 1500.0, 4000.0])[:, None]

    def pulse(at: np.ndarray) -> np.ndarray:
        u = (k - at) / 3.0
        return (1 - 2 * u**2) * np.exp(-(u**2))

    along = (i - 60.0 - 15.0 * np.arange(C)[:, None]) * STEP_M
    x = size * pulse(top + 0.4 * np.sin(i / 9.0))
    x = x + 0.1 * size * np.exp(-((along / 0.15) ** 2)) * pulse(top + np.hypot(22.0, 20.0 * along / 0.5))
    x += rng.normal(scale=8.0, size=x.shape)
    x[LATE, 3] = rng.normal(scale=200.0, size=x[LATE, 3].shape)
    return (x * 1e-6).astype(dtype) if dtype == "float32" else np.round(x).astype(dtype)


def spectra() -> np.ndarray:
    """(N, C, 2 F) I and Q of the same antennas seen by a stepped-frequency head."""
    f = np.linspace(0.5e9, 3e9, 64)
    rng = np.random.default_rng(9)
    along = (np.arange(N)[:, None] - 60.0 - 15.0 * np.arange(C)) * STEP_M
    late = 2e-9 + np.hypot(2.5e-9, 2.0 * along / 1e8)
    wave = 3000.0 * np.exp(-2j * np.pi * f * (2e-9 + 2e-10 * np.arange(C)[:, None]))
    wave = wave + 300.0 * np.exp(-((along / 0.15) ** 2))[..., None] * np.exp(-2j * np.pi * f * late[..., None])
    out = np.stack((wave.real, wave.imag), axis=-1).reshape(N, C, -1)
    return np.round(out + rng.normal(scale=4.0, size=out.shape)).astype(np.int16)


def block_of(kind: str) -> SampleBlock:
    raw = spectra() if kind == "stepped" else echoes(kind)
    i = np.arange(N)
    if kind == "stepped":
        stream = StreamDescription(
            0, "radar", StreamKind.RADAR_SFCW, C, 128, "int16", 20.0,
            axis=tuple(np.linspace(0.5e9, 3e9, 64).tolist()), step_m=STEP_M,
        )  # fmt: skip
    else:
        stream = StreamDescription(
            0, "radar", StreamKind.RADAR, C, M, kind, 20.0, sampling_interval_s=1e-10, centre_frequency_hz=1e9,
            step_m=STEP_M,
        )  # fmt: skip
    return SampleBlock(stream, i, i * 50_000, i * 50_000_000, np.round(i * STEP_M * 1e6).astype(np.int64), raw)


PROFILES = {
    "default": Profile(),
    "alarms everywhere": parse_profile("[radar_alarm]\nfalse_alarms_per_m = 10.0", "x"),
    "no look": parse_profile('[radar_second_look]\nuse = "no"', "x"),
    "height": parse_profile(
        '[radar]\nstages = ["dewow", "bandpass", "time_zero", "height", "background", "gain"]\n'
        '[radar.height]\nantenna_m = 0.05\n[radar.background]\nmethod = "subspace"',
        "x",
    ),
    "lms": parse_profile('[radar.prescreener]\nmethod = "lms"\n[radar.background]\nmethod = "median"', "x"),
}


def answers(block: SampleBlock, profile: Profile, threads: int, sizes: list[int], watch: bool = False) -> list[bytes]:
    """All that the segment gives, to the bit, blocks of those sizes one after the other."""
    tapped: dict[str, list[np.ndarray]] = {}

    def keep(tap) -> None:
        assert tap.values.shape[1] == C
        assert len(tap.seq) == len(tap.values)
        tapped.setdefault(tap.stage, []).append(tap.values)

    watchers: dict[str, list] = {}
    segment = RadarSegment(block.stream, profile, MODEL.tails, watchers, MODEL.second_look, threads)
    if watch:
        watchers.update({stage: [keep] for stage in segment.taps})
    out, at = [], 0
    with mock.patch.object(antennas, "_WORTH", 0):
        for size in itertools.cycle(sizes):
            if at >= len(block):
                break
            out.append(segment.process(block[at : at + size]))
            at += size
        out.append(segment.finish())
    alarms = sorted((a for o in out for a in o.alarms), key=lambda a: (a.peak_seq, a.channel))
    return [
        repr([(a.channel, a.first_seq, a.last_seq, a.score, a.depth_m, a.x_m) for a in alarms]).encode(),
        b"".join(a.features.tobytes() for a in alarms),
        repr([signal for o in out for signal in o.signals]).encode(),
        np.concatenate([flags for o in out for _, flags in o.marks]).tobytes(),
        repr(segment.untested).encode(),
        *(stage.encode() + np.concatenate(rows).tobytes() for stage, rows in sorted(tapped.items())),
    ]


@pytest.mark.parametrize(
    ("kind", "profile"),
    [("int16", name) for name in PROFILES] + [("float32", "default"), ("float32", "lms"), ("stepped", "default")],
)
@settings(max_examples=3, deadline=None)
@given(threads=st.integers(2, C + 2), sizes=st.lists(st.integers(1, 90), min_size=1, max_size=4), watch=st.booleans())
def test_any_number_of_threads_gives_the_same_bits(
    kind: str, profile: str, threads: int, sizes: list[int], watch: bool
) -> None:
    block = block_of(kind)
    alone = answers(block, PROFILES[profile], 1, [N], watch)
    assert answers(block, PROFILES[profile], threads, sizes, watch) == alone


def test_those_antennas_differ_in_all_that_the_first_record_shows_of_the_head() -> None:
    """Else the test above would not see a group that takes its own strength or depths for the head's."""
    block = block_of("float32")
    head = RadarSegment(block.stream, Profile(), MODEL.tails, {}, threads=1)
    groups = RadarSegment(block.stream, Profile(), MODEL.tails, {}, threads=2)
    with mock.patch.object(antennas.Antennas, "_beginning", return_value=None):
        for segment in (head, groups):
            segment.process(block)
    (whole,) = head._antennas._groups
    for fact in ("factor", "loudest", "room"):
        own = [getattr(group.chain.beginning, fact) for group in groups._antennas._groups]
        assert own != 2 * [getattr(whole.chain.beginning, fact)], fact
    alarms, _, signals, *_ = answers(block, PROFILES["default"], 2, [40])
    assert alarms != b"[]"
    assert signals != b"[]"


def _alive() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("antennas")]


def _busy(threads: int) -> RadarSegment:
    block = block_of("int16")
    segment = RadarSegment(block.stream, Profile(), MODEL.tails, {}, threads=threads)
    with mock.patch.object(antennas, "_WORTH", 0):
        segment.process(block)
    return segment


def test_threads_are_one_fewer_than_groups_and_end_with_the_segment() -> None:
    segment = _busy(3)
    # a thread that is done before the next group is given out takes that too
    assert 1 <= len(_alive()) <= 2
    segment.finish()
    assert not _alive()


def test_a_segment_that_is_dropped_leaves_no_thread() -> None:
    segment = _busy(2)
    (thread,) = _alive()
    del segment
    gc.collect()
    thread.join(timeout=30.0)
    assert not thread.is_alive()


def test_small_blocks_wake_nobody() -> None:
    block = block_of("int16")
    segment = RadarSegment(block.stream, Profile(), MODEL.tails, {}, threads=2)
    segment.process(block)
    assert not _alive()


def test_what_goes_wrong_in_another_thread_is_told_when_all_have_stopped() -> None:
    segment = _busy(2)
    mine, other = segment._antennas._groups
    done = []

    def fails(raw: np.ndarray) -> antennas.Judged:
        raise ValueError("no such A-scan")

    with (
        mock.patch.object(antennas, "_WORTH", 0),
        mock.patch.object(other, "process", fails),
        mock.patch.object(mine, "process", lambda raw: done.append(len(raw))),
        pytest.raises(ValueError, match="no such A-scan"),
    ):
        segment.process(block_of("int16"))
    assert done == [N]
    segment.finish()


def test_only_wide_heads_are_shared_out_and_the_environment_bounds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.cores.cores", lambda: 8)
    monkeypatch.delenv(THREADS, raising=False)
    assert [threads_for(width) for width in (512, 4 * 512, 24 * 512, 51 * 512)] == [1, 1, 2, 2]
    monkeypatch.setenv(THREADS, "1")
    assert threads_for(24 * 512) == 1
    monkeypatch.setenv(THREADS, "4")
    assert [threads_for(width) for width in (512, 24 * 512, 51 * 512)] == [1, 3, 4]
    monkeypatch.delenv(THREADS)
    monkeypatch.setattr("detector.cores.cores", lambda: 1)
    assert threads_for(24 * 512) == 1


@pytest.mark.parametrize("told", ["0", "two", "-1", "1.5", "1000"])
def test_a_number_of_threads_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setenv(THREADS, told)
    stream = block_of("int16").stream
    with pytest.raises(GroundsweepError, match=f"{THREADS} is '{told}'.*from 1 to 256"):
        Pipeline(DeviceDescription("array", "A-1", "0", 1e6, (stream,)), Profile(), MODEL)
