"""Ticks in host time: drift found, delays never taken for time, nothing goes back."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_host.clock import HostClock, TickClock

S = 1_000_000_000


def feed(clock: TickClock, seconds: float, ppm: float, seed: int = 0, start_ns: int = 5 * S, stall: bool = False):
    """Records every 20 ms by a head whose counter is off by `ppm`; yields (true time, given time)."""
    rng = np.random.default_rng(seed)
    true, given = [], []
    for k in range(int(seconds * 50)):
        taken = start_ns + k * 20_000_000
        ticks = np.array([round(k * 20_000 * (1 - ppm * 1e-6))], np.int64)
        delay = 400_000 + rng.exponential(3e6)
        if stall and 2000 < k < 2400:
            delay += 2e8
        true.append(taken)
        given.append(int(clock.to_utc(0, ticks, int(taken + delay))[0]))
    return np.array(true), np.array(given)


@pytest.mark.parametrize("ppm", [0.0, 40.0, -40.0, 500.0])
@pytest.mark.parametrize("seed", range(3))
def test_drift_is_found_within_two_ppm_in_five_minutes(ppm: float, seed: int) -> None:
    clock = TickClock(1e6)
    true, given = feed(clock, 300.0, ppm, seed)
    fit = clock.fit()
    assert fit.drift_ppm == pytest.approx(ppm, abs=2.0)
    assert fit.span_s == pytest.approx(299.0, abs=1.5)
    # of a second's fifty records the least delayed is late by 0.4 ms and a little: that is all that remains
    late = given[5000:] - true[5000:]
    assert (late > 0).all()
    assert np.median(late) < 1_000_000
    assert 0 <= fit.residual_median_us < 500
    assert fit.residual_median_us <= fit.residual_p95_us
    # and host time of that tick is what the fit says
    device_ns = fit.tick * 1000
    assert abs(device_ns + fit.offset_ns - (5 * S + device_ns / (1 - ppm * 1e-6))) < 2_000_000


def test_a_busy_spell_of_eight_seconds_moves_nothing() -> None:
    clock = TickClock(1e6)
    true, given = feed(clock, 120.0, 20.0, stall=True)
    late = given - true
    assert np.abs(late[2100:2400]).max() < 2_000_000


def test_times_of_a_stream_never_go_back_nor_lie_after_arrival() -> None:
    rng = np.random.default_rng(1)
    clock = TickClock(1e6)
    last, tick = -(2**62), 0
    for _ in range(3000):
        n = int(rng.integers(1, 9))
        ticks = tick + np.cumsum(rng.integers(1, 40_000, n))
        tick = int(ticks[-1])
        arrival = tick * 1000 + int(rng.exponential(5e7))
        utc = clock.to_utc(0, ticks, arrival)
        assert utc[0] >= last
        assert (np.diff(utc) >= 0).all()
        assert utc[-1] <= max(arrival, last)
        last = int(utc[-1])


def test_streams_do_not_push_each_other_forward() -> None:
    clock = TickClock(1e6)
    clock.to_utc(0, np.array([1_000_000]), 10 * S)
    # the other stream's record was taken half a second earlier and comes in the same packet
    (utc,) = clock.to_utc(1, np.array([500_000]), 10 * S)
    assert utc == 10 * S - S // 2


def test_no_drift_is_claimed_before_there_is_enough_to_tell() -> None:
    clock = TickClock(1e6)
    feed(clock, 20.0, 100.0)
    assert np.isnan(clock.fit().drift_ppm)


def test_a_computer_whose_clock_is_set_does_not_move_the_sweep() -> None:
    now = {"utc": 1_000 * S, "mono": 7 * S}
    clock = HostClock(lambda: now["utc"], lambda: now["mono"])
    assert clock() == 1_000 * S
    now["mono"] += S
    now["utc"] += S - 3600 * S
    assert clock() == 1_001 * S
    assert clock.jumped() == -3600 * S
    assert clock.jumped() == 0
    now["mono"] += S
    now["utc"] += S + 10_000_000  # slewed by 10 ms: as network time does all day
    assert clock.jumped() == 0
