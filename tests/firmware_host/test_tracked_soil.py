"""The soil's direction as it is tracked: told at fixed records, recorded, shown, and the same again in a replay."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from detector.decide.classifier import Model
from detector.pipeline import Pipeline
from detector.profile import Profile
from detector.recording.reader import open_recording
from detector.recording.soil import tracked_of, tracked_rows
from detector.recording.writer import RecordingWriter
from detector.samples import NO_ODOMETER, DeviceDescription, SampleBlock, StreamDescription, StreamKind, TrackedSoil
from firmware_host.cli.main import app
from firmware_host.recorder import Recorder
from firmware_host.session import Item, Listener, RecordingSource, run

GATES_S = (2e-5, 3e-5, 5e-5, 8e-5, 1.3e-4, 2e-4)
METAL = StreamDescription(0, "metal", StreamKind.METAL_PI, 2, 6, "int32", 200.0, scale=1e-3, unit="V", axis=GATES_S)
DEVICE = DeviceDescription("two coils", "T-2", "1", 1e6, (METAL,))
TEN_S = 2048
"""Records: the taking over, every 256th record, nearest to ten seconds."""
LIMIT = 0.3


def profile(limit: float) -> Profile:
    balance = {"track_limit": limit, "track_s": 2.0, "pulse_us": 1e5}
    return Profile.model_validate({"metal": {"ground_balance": balance, "mains": {"harmonics": 0}}})


def soil(exponent: np.ndarray) -> np.ndarray:
    """(n, 6) soil's answer as 1/t^p, 1 in the first gate."""
    return (np.array(GATES_S) / GATES_S[0]) ** -exponent[:, None]


def records(n: int, swing: float, first: int = 0) -> SampleBlock:
    """Simulated: the head goes up and down; the first coil's soil goes from 1/t to 1/t^1.15, the second's stays 1/t."""
    rng = np.random.default_rng(5)
    up_and_down = swing * np.sin(np.arange(n) / 60.0)[:, None]
    turning = up_and_down * soil(np.linspace(1.0, 1.15, n))
    steady = up_and_down * soil(np.full(n, 1.0))
    raw = np.stack((turning, steady), axis=1) + 5.0 * rng.normal(size=(n, 2, 6))
    seq = np.arange(first, first + n, dtype=np.int64)
    nowhere = np.full(n, NO_ODOMETER, np.int64)
    return SampleBlock(METAL, seq, seq * 5000, 7 + seq * 5_000_000, nowhere, np.round(raw).astype("<i4"))


FIRST, SECOND = records(5000, 2000.0), records(2500, 2000.0, first=5400)
"""Between the two 400 records are missing: two segments."""


def tracked(blocks: Sequence[SampleBlock], model: Model, limit: float = LIMIT) -> list[TrackedSoil]:
    pipeline = Pipeline(DEVICE, profile(limit), model)
    found = [t for block in blocks for t in pipeline.process(block).tracked]
    return [*found, *pipeline.finish().tracked]


@pytest.fixture(scope="module")
def whole(model: Model) -> list[TrackedSoil]:
    return tracked([FIRST, SECOND], model)


def test_it_is_told_every_ten_seconds_and_at_the_end_of_each_segment(whole: list[TrackedSoil]) -> None:
    last = 4864  # the newest taking over among 5000 records
    of_second = 5400 + TEN_S, 5400 + 2304
    assert [t.from_seq for t in whole] == [TEN_S, 2 * TEN_S, last, *of_second]
    assert [t.since_seq for t in whole] == [0, 0, 0, 5400, 5400]
    assert [t.utc_ns for t in whole] == [7 + 5_000_000 * t.from_seq for t in whole]


def test_a_soil_that_turns_is_followed_and_one_that_does_not_is_left(whole: list[TrackedSoil]) -> None:
    last = whole[2]
    now, given = soil(np.array([1.0 + 0.15 * last.from_seq / 5000]))[0], soil(np.array([1.0]))[0]
    turned, stayed = (np.array(d) for d in last.direction)

    def angle(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.arccos(min(1.0, a @ b / np.linalg.norm(a) / np.linalg.norm(b))))

    assert np.linalg.norm(turned) == pytest.approx(1.0)
    assert angle(turned, now) < 0.25 * angle(given, now)
    assert angle(stayed, given) < 0.1 * angle(given, now)
    assert [t.tangent[0] for t in whole[:3]] == sorted(t.tangent[0] for t in whole[:3])
    assert 0.02 < last.tangent[0] < LIMIT
    assert last.tangent[1] < 0.1 * last.tangent[0]


def test_it_says_on_how_many_records_and_how_much_signal_it_rests(whole: list[TrackedSoil], model: Model) -> None:
    assert all(0 < n <= t.from_seq - t.since_seq for t in whole for n in t.n_records)
    assert whole[0].n_records < whole[1].n_records < whole[2].n_records
    weak = tracked([records(5000, 1000.0)], model)[2]
    assert np.array(whole[2].snr) / np.array(weak.snr) == pytest.approx(2.0, rel=0.1)


@settings(max_examples=12, deadline=None)
@given(sizes=st.lists(st.integers(1, 900), min_size=1, max_size=8))
def test_any_cut_tells_the_same_bits(whole: list[TrackedSoil], model: Model, sizes: list[int]) -> None:
    pieces = []
    for block in (FIRST, SECOND):
        at = 0
        while at < len(block):
            size = sizes[len(pieces) % len(sizes)]
            pieces.append(block[at : at + size])
            at += size
    assert tracked(pieces, model) == whole


def test_nothing_is_told_where_nothing_is_tracked(model: Model) -> None:
    assert tracked([FIRST], model, limit=0.0) == []
    assert tracked([records(3000, 0.0)], model) == []  # no soil: the direction stays as it was given


class Replayed:
    """The two blocks in pieces, as a source."""

    device = DEVICE

    def items(self) -> Generator[list[Item]]:
        for block in (FIRST, SECOND):
            for at in range(0, len(block), 250):
                yield [block[at : at + 250]]


class Heard(Listener):
    def __init__(self) -> None:
        self.turns: list[TrackedSoil] = []

    def tracked(self, soil: TrackedSoil) -> None:
        self.turns.append(soil)


def recorded(path: Path, model: Model, listeners: Sequence[Listener] = ()) -> Path:
    chosen = profile(LIMIT)
    about = {"profile_toml": chosen.to_toml(), "profile_hash": chosen.hash, "model_hash": model.hash}
    with RecordingWriter(path, DEVICE, software="t", created_utc_ns=1, **about) as w, Recorder(w) as recorder:
        run(Replayed(), Pipeline(DEVICE, chosen, model), [recorder, *listeners])
    return path


def test_it_lands_in_the_recording_and_a_replay_tells_the_same(
    tmp_path: Path, model: Model, whole: list[TrackedSoil]
) -> None:
    path, again = recorded(tmp_path / "a.h5", model), Heard()
    with open_recording(path) as r:
        assert r.tracked_soils() == whole
        assert r.soils() == []  # nothing was learned on command
        run(RecordingSource(r), Pipeline(DEVICE, profile(LIMIT), model), [again])
    assert again.turns == whole
    said = CliRunner().invoke(app, ["replay", str(path), "--out", str(tmp_path / "b.h5")])
    assert said.exit_code == 0, said.output
    assert "So is the soil tracked: 5 directions." in " ".join(said.output.split())
    with open_recording(tmp_path / "b.h5") as r:
        assert r.tracked_soils() == whole


def test_it_is_shown_with_its_first_and_its_last_turn(tmp_path: Path, model: Model, whole: list[TrackedSoil]) -> None:
    said = CliRunner().invoke(app, ["show", "--no-picture", str(recorded(tmp_path / "a.h5", model))])
    words = " ".join(said.output.split())
    assert f"soil tracked on metal: turned by a tangent of {max(whole[0].tangent):.3f} from record 2048 on" in words
    assert f"{max(whole[-1].tangent):.3f} from record {whole[-1].from_seq} on" in words


def test_a_replay_that_tracks_otherwise_says_so(tmp_path: Path, model: Model) -> None:
    class Falsified(Recorder):
        def tracked(self, soil: TrackedSoil) -> None:
            super().tracked(replace(soil, tangent=(0.2, 0.1)) if soil.from_seq == 2 * TEN_S else soil)

    path, chosen = tmp_path / "a.h5", profile(LIMIT)
    about = {"profile_toml": chosen.to_toml(), "profile_hash": chosen.hash, "model_hash": model.hash}
    with RecordingWriter(path, DEVICE, software="t", created_utc_ns=1, **about) as w, Falsified(w) as recorder:
        run(Replayed(), Pipeline(DEVICE, chosen, model), [recorder])
    said = CliRunner().invoke(app, ["replay", str(path)])
    assert said.exit_code == 1
    assert "1 of 5 directions differ, the first from record 4096 of metal on" in " ".join(said.output.split())


def test_a_coil_of_many_values_keeps_them_all() -> None:
    rng = np.random.default_rng(1)
    direction = tuple(tuple(rng.normal(size=150).tolist()) for _ in range(3))
    kept = TrackedSoil(5, 2, 10, 2058, direction, (0.1, 0.2, 0.3), (9.0, 8.0, 7.0), (1, 2, 3))
    rows = tracked_rows(kept)
    assert len(rows) == 9
    assert tracked_of(np.array(rows[::-1])) == [kept]
