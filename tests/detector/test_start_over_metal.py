"""A sweep that begins on metal: it is not taken for ground without a word, and does not hide what follows."""

from __future__ import annotations

import numpy as np
import pytest

from detector.decide.alarm import Alarm, Tail
from detector.decide.classifier import model_from
from detector.decide.training import untrained
from detector.pipeline import Pipeline
from detector.profile import Profile
from detector.samples import DeviceDescription, SampleBlock, StreamDescription, StreamKind, joined
from detector.simulate.continuous_wave import WaveHead, metal_polarizability, wave_signal
from detector.simulate.pulse_induction import TARGETS, Head, target_signal
from firmware_host.cli.judged import what_was_judged

RATE_HZ, SPEED = 500.0, 0.5
PULSE, WAVE = Head(), WaveHead()
MODEL = model_from(
    untrained(dict.fromkeys(("radar", "metal", "radar-search", "metal-search"), Tail(0.9, 0.3, 0.1))), ""
)
FILLED = (0.3, 0.7, 1.1, 1.5, 1.9)
"""Mines over nearly all of the first 2 m."""


def stream(kind: str) -> StreamDescription:
    axis = PULSE.gates_s if kind == "pi" else WAVE.frequencies_hz
    values = len(axis) if kind == "pi" else 2 * len(axis)
    means = StreamKind.METAL_PI if kind == "pi" else StreamKind.METAL_CW
    return StreamDescription(0, "metal", means, 1, values, "float32", RATE_HZ, scale=1.0, unit="V", axis=axis)


def sweep(kind: str, mines_m: tuple[float, ...], length_m: float = 8.0, sigmas: float = 200.0) -> SampleBlock:
    """Minimum-metal mines 15 cm deep, each so many times the noise."""
    n = round(length_m / SPEED * RATE_HZ)
    seq = np.arange(n, dtype=np.int64)
    x, height = seq * SPEED / RATE_HZ, np.full(n, 0.05)
    rows = np.random.default_rng(3).normal(size=(n, stream(kind).values))
    for at in mines_m:
        if kind == "pi":
            answer = target_signal(PULSE, TARGETS["minimum-metal"], x - at, 0.15, height)
        else:
            law = metal_polarizability(TARGETS["minimum-metal"], WAVE.frequencies_hz)
            answer = wave_signal(WAVE, law, x - at, 0.15, height)
        rows += sigmas * answer / np.abs(answer).max()
    places = np.round(1e6 * x).astype(np.int64)
    return SampleBlock(stream(kind), seq, seq * 2000, seq * 2_000_000, places, rows.astype(np.float32)[:, None, :])


def alarms(kind: str, block: SampleBlock, size: int = 10_000) -> tuple[list[Alarm], list[int]]:
    """Alarms in order of place, and the records after which a detection came."""
    device = DeviceDescription("made up", "1", "1", 1e6, (stream(kind),))
    pipeline = Pipeline(device, Profile(), MODEL)
    found, told = [], []
    for i in range(0, len(block), size):
        out = pipeline.process(block[i : i + size])
        found += out.alarms
        told += [i + size] * len(out.detections)
    found += pipeline.finish().alarms
    return sorted(found, key=lambda a: a.peak_seq), told


@pytest.mark.parametrize("kind", ["pi", "cw"])
def test_mines_over_the_whole_first_ground_alarm(kind: str) -> None:
    found, _ = alarms(kind, sweep(kind, FILLED))
    for mine in FILLED:
        # where metal fills the window the baselines lie between the mines, and so may an alarm
        assert any(abs(a.x_m - mine) < 0.25 for a in found), (mine, [a.x_m for a in found])
    assert len(found) >= 4
    assert all(a.x_m < 2.3 for a in found)


@pytest.mark.parametrize("kind", ["pi", "cw"])
def test_they_do_not_hide_what_lies_behind(kind: str) -> None:
    found, _ = alarms(kind, sweep(kind, (*FILLED, 4.0)))
    assert any(abs(a.x_m - 4.0) < 0.1 for a in found)


@pytest.mark.parametrize("kind", ["pi", "cw"])
def test_they_alarm_where_the_sweep_ends_soon_behind_too(kind: str) -> None:
    assert len(alarms(kind, sweep(kind, FILLED, 4.0))[0]) >= 4


@pytest.mark.parametrize("kind", ["pi", "cw"])
def test_bare_first_ground_gives_no_alarm(kind: str) -> None:
    assert not alarms(kind, sweep(kind, ()))[0]


@pytest.mark.parametrize("mines_m", [(*FILLED, 4.0), (1.0, 2.8)])
def test_alarms_do_not_depend_on_the_cut(mines_m: tuple[float, ...]) -> None:
    block = sweep("pi", mines_m)
    whole = repr(alarms("pi", block)[0])
    for size in (7, 1000):
        assert repr(alarms("pi", block, size)[0]) == whole


def test_what_alarms_later_is_still_decided_in_the_order_of_the_ground() -> None:
    found, told = alarms("pi", sweep("pi", FILLED), 50)
    assert len(told) >= len(FILLED)
    # 3.5 m are judged, the baseline looks 1 m ahead, filter and peak 0.7; then twice the link time
    assert 4.5 < min(told) * SPEED / RATE_HZ < 5.3 + 2 * 1.5 * SPEED
    assert found


def pieces(kind: str, first: SampleBlock, second: SampleBlock, lost: int = 250) -> tuple[SampleBlock, int]:
    """Two sweeps one after the other, with records lost between them; and the first record of the second."""
    records, step = len(first) + lost, round(1e6 * SPEED / RATE_HZ)
    later = SampleBlock(
        second.stream, second.seq + records, second.tick + 2000 * records, second.utc_ns + 2_000_000 * records,
        second.odometer_um + step * records, second.raw,
    )  # fmt: skip
    return joined([first, later]), records


WHOLE = tuple(np.arange(0.1, 3.5, 0.4).tolist())
"""Mines under the whole of a short sweep."""


@pytest.mark.parametrize("kind", ["pi", "cw"])
@pytest.mark.parametrize(("mines_m", "length_m"), [(FILLED, 2.2), (FILLED[:4], 1.6), (WHOLE, 3.4), (WHOLE, 1.6)])
def test_metal_under_a_whole_short_piece_alarms_where_ground_was_judged_before(
    kind: str, mines_m: tuple[float, ...], length_m: float
) -> None:
    # by itself nothing tells it from ground, and nothing is said; that is what the next test is about
    short = sweep(kind, mines_m, length_m)
    block, first = pieces(kind, sweep(kind, (), 5.0), short)
    found, _ = alarms(kind, block)
    there = [a for a in found if a.peak_seq >= first]
    for mine in (m for m in mines_m if m < length_m - 0.1):
        assert any(abs(a.x_m - first * SPEED / RATE_HZ - mine) < 0.25 for a in there), (mine, [a.x_m for a in there])
    assert len(there) == len(found)


def flat(kind: str, length_m: float, sigmas: float) -> SampleBlock:
    """Metal that answers alike over the whole of a sweep, as a sheet does."""
    block, mine = sweep(kind, (), length_m), sweep(kind, (1.0,), 2.0)
    answer = mine.raw[round(1.0 / SPEED * RATE_HZ)] / 200.0
    return SampleBlock(
        block.stream, block.seq, block.tick, block.utc_ns, block.odometer_um, block.raw + np.float32(sigmas) * answer
    )


@pytest.mark.parametrize("kind", ["pi", "cw"])
def test_metal_that_is_as_strong_all_along_alarms_by_its_level(kind: str) -> None:
    block, first = pieces(kind, sweep(kind, (), 5.0), flat(kind, 2.5, 200.0))
    assert [a for a in alarms(kind, block)[0] if a.peak_seq >= first]
    # after a longer loss the level may be another one, and says nothing
    block, first = pieces(kind, sweep(kind, (), 5.0), flat(kind, 2.5, 200.0), lost=6000)
    assert not [a for a in alarms(kind, block)[0] if a.peak_seq >= first]


@pytest.mark.parametrize("kind", ["pi", "cw"])
def test_bare_ground_after_a_loss_gives_no_alarm(kind: str) -> None:
    for length_m in (0.8, 2.2, 6.0):
        block, _ = pieces(kind, sweep(kind, (), 5.0), sweep(kind, (), length_m))
        assert not alarms(kind, block)[0]


def test_what_is_known_from_before_does_not_depend_on_the_cut() -> None:
    block, _ = pieces("pi", sweep("pi", (), 5.0), sweep("pi", FILLED, 2.2))
    whole = repr(alarms("pi", block)[0])
    for size in (7, 1000):
        assert repr(alarms("pi", block, size)[0]) == whole


@pytest.mark.parametrize(("length_m", "before", "said"), [(2.2, False, 1), (2.2, True, 0), (8.0, False, 0)])
def test_a_short_piece_says_what_it_cannot_tell_unless_ground_was_judged_before(
    length_m: float, before: bool, said: int
) -> None:
    block = sweep("pi", (), length_m)
    if before:
        block, _ = pieces("pi", sweep("pi", (), 5.0), block)
    device = DeviceDescription("made up", "1", "1", 1e6, (stream("pi"),))
    pipeline = Pipeline(device, Profile(), MODEL)
    pipeline.process(block)
    pipeline.finish()
    texts = what_was_judged(device, pipeline.coverage(), Profile(), None)
    assert sum("metal under the whole of" in text for text in texts) == said
