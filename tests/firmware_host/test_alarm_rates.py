"""How often a replay alarmed on its way, beside what was asked of bare ground."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detector.decide.alarm import Alarm
from detector.detections import FEATURES
from detector.profile import load_profile
from detector.samples import NO_ODOMETER, DeviceDescription, Gap, SampleBlock, StreamDescription, StreamKind
from detector.score.words import NOMINAL
from firmware_host.cli.alarm_rates import AlarmRates

RADAR = StreamDescription(
    stream_id=1, name="radar", kind=StreamKind.RADAR, channels=1, values=64, sample_type="int16", rate_hz=50.0,
    scale=1.0, unit="V/m", sampling_interval_s=1e-10, centre_frequency_hz=1e9, step_m=0.01,
)  # fmt: skip
DEVICE = DeviceDescription("head", "1", "1", 1e6, (RADAR,))
PROFILE = load_profile("handheld-dual")


def block(x: np.ndarray, first: int) -> SampleBlock:
    """Records from number `first` on at these places; NaN = no place."""
    seq = np.arange(first, first + len(x), dtype=np.int64)
    um = np.where(np.isnan(x), NO_ODOMETER, np.round(np.nan_to_num(x) * 1e6)).astype(np.int64)
    return SampleBlock(RADAR, seq, seq * 20000, seq * 20_000_000, um, np.zeros((len(x), 1, 64), np.int16))


def swept(x_m: np.ndarray, cut: int) -> AlarmRates:
    """The radar at these places, in blocks of that many records; NaN = no place."""
    rates = AlarmRates(DEVICE)
    for a in range(0, len(x_m), cut):
        rates.block(block(x_m[a : a + cut], a))
    return rates


ALARM = Alarm("radar", 0, 0, 0, 0, 0, 0, 0, 0, 1.0, 0.01, 1.5, 1e-9, 0.1, 0.03, np.full(len(FEATURES), np.nan))


@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_the_way_is_that_of_the_head_to_and_fro_however_it_is_cut(cut: int) -> None:
    out = np.arange(0.0, 5.0, 0.01)
    gone = swept(np.concatenate([out, out[::-1], np.full(30, np.nan), [0.0, 1.0]]), cut)
    assert gone.way_m("radar") == pytest.approx(4.99 + 4.99 + 1.0)
    assert gone.way_m("metal") == 0.0


def test_more_alarms_than_chance_gives_on_bare_ground_are_remarked_upon() -> None:
    rates = swept(np.arange(0.0, 20.005, 0.01), 100)
    for _ in range(5):
        rates.alarm(ALARM)
    assert rates.told(PROFILE) == [
        "radar: alarms 5 on 20.0 m = 0.25/m; asked of bare ground 0.1/m, which is 2.", NOMINAL
    ]  # fmt: skip
    rates.alarm(replace(ALARM, x_m=2.0))
    more = "More than chance gives there: things lie in this ground, or it is unlike the model's."
    assert rates.told(PROFILE)[0].endswith(more)


def test_the_way_over_lost_records_is_not_counted_as_swept() -> None:
    rates = swept(np.arange(0.0, 2.0, 0.01), 50)
    rates.gap(Gap(RADAR.stream_id, 200, 300, 200 * 20000, 500 * 20000, 0, "counter"))
    rates.block(block(np.arange(5.0, 6.0, 0.01), 500))
    assert rates.way_m("radar") == pytest.approx(1.99 + 0.99)


def test_without_places_no_rate_is_told() -> None:
    rates = swept(np.full(40, np.nan), 10)
    rates.alarm(ALARM)
    assert rates.told(PROFILE) == []
