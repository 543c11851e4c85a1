"""Tuning finds what a profile spoiled on purpose lacks, says what holds on other lanes, and writes nothing else."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector.errors import ProfileError
from detector.profile import Profile, load_profile, parse_profile
from detector.recording.reader import open_recording
from detector.tuning.search import split, tune
from detector.tuning.space import axis, with_values
from detector.tuning.standing import Lane, Standing, only, reached
from firmware_host.cli.main import app

NAMES = ("lane_dev01", "lane_dev04", "lane_dev11")
SPOILED = "[radar]\ncentre_frequency_mhz = 300\n"
"""The head's is 1500 MHz."""


@pytest.fixture(scope="module")
def lanes(recordings: Path) -> list[Lane]:
    out = []
    for name in NAMES:
        with open_recording(recordings / f"{name}.h5") as r:
            lane = only("radar", name, r.device, list(r.blocks(4096)), r.truth())
        assert lane is not None
        out.append(lane)
    return out


def test_a_wrong_frequency_is_mended_and_that_holds_on_a_lane_kept_aside(lanes: list[Lane]) -> None:
    spoiled = parse_profile(SPOILED, "spoiled")
    axes = [axis(spoiled, "radar.centre_frequency_mhz=200..3000")]
    told = []
    tuned = tune(lanes, spoiled, axes, "margin", 0.1, trials=8, seed=1, told=told.append)
    assert told == list(tuned.trials)
    assert tuned.trials[0].values == {"radar.centre_frequency_mhz": 300.0}
    assert tuned.best.reached.margin_db > tuned.trials[0].reached.margin_db + 1.0
    assert tuned.after.margin_db > tuned.before.margin_db + 1.0
    assert tuned.holds
    assert tuned.best.values["radar.centre_frequency_mhz"] > 500.0


def test_the_same_seed_gives_the_same_search(lanes: list[Lane]) -> None:
    axes = [axis(Profile(), "radar.dewow.window_periods"), axis(Profile(), "radar.bandpass.order=1..4")]
    first, second = (tune(lanes[:2], Profile(), axes, trials=6, seed=3, aside=0.5) for _ in range(2))
    assert first == second
    assert len({tuple(t.values.items()) for t in first.trials}) > 3
    assert all(isinstance(t.values["radar.bandpass.order"], int) for t in first.trials)


def test_no_ground_is_on_both_sides_of_the_split(lanes: list[Lane]) -> None:
    sweeps = [Lane(f"lane{i % 4}-{i}", f"lane{i % 4}", lanes[0].device, (), ()) for i in range(20)]
    for seed in range(20):
        here, there = split(sweeps, 0.3, seed)
        assert not {x.place for x in here} & {x.place for x in there}
        assert len(here) + len(there) == 20
        assert here
        assert there
    with pytest.raises(ProfileError, match="two grounds"):
        split(sweeps[::4], 0.3, 0)


def test_what_is_reached_is_counted_at_the_rate_asked_for() -> None:
    a = Standing((4.0, 2.5, -math.inf), ("a", "b", "c"), (3.0, 2.8, 2.3), 10.0)
    none = reached([a], 0.05)
    assert (none.found, none.false, none.threshold) == (1, 0, 3.0)
    assert none.missed == ("b", "c")
    two = reached([a], 0.2)
    assert (two.found, two.false, two.threshold) == (2, 2, 2.3)
    db = 10 / math.log(10)
    assert two.margin_db == pytest.approx((1.7 * db + 0.2 * db - 10) / 3)
    # where there are fewer false alarms than asked for, every alarm that was collected counts
    all_of_them = reached([a], 1.0)
    assert (all_of_them.found, all_of_them.false) == (2, 3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("radar.bandpass.lo", "no key"),
        ("radar.stages", "not a number"),
        ("metal.ground_balance.conductive", "not a number"),
        ("fusion.link_m", "does not change which places stand out"),
        ("radar_alarm.false_alarms_per_m", "not the false-alarm rate"),
        ("radar.bandpass.low=0.5", "LOW..HIGH"),
        ("radar.bandpass.low=0.5..2", "0.05 to 0.9"),
        ("radar.bandpass.low=0.6..0.2", "not within"),
    ],
)
def test_keys_that_cannot_be_tuned_are_refused(text: str, says: str) -> None:
    with pytest.raises(ProfileError, match=says):
        axis(Profile(), text)


def test_an_axis_without_a_range_stays_within_what_the_profile_allows() -> None:
    a = axis(Profile(), "radar.bandpass.low")
    assert (a.low, a.high, a.unit) == (pytest.approx(0.1), pytest.approx(0.9), "centre frequencies")
    assert with_values(Profile(), {"radar.bandpass.low": 0.5}).radar.bandpass.low == 0.5


def test_the_command_writes_only_what_holds(recordings: Path, tmp_path: Path) -> None:
    spoiled = tmp_path / "spoiled.toml"
    spoiled.write_text(SPOILED)
    files = [str(recordings / f"{n}.h5") for n in NAMES]
    keys = ["-k", "radar.centre_frequency_mhz=200..3000"]
    out, report = tmp_path / "tuned.toml", tmp_path / "report.json"
    common = ["tune", *files, *keys, "--goal", "margin", "--trials", "8", "--seed", "1"]
    done = CliRunner().invoke(app, [*common, "-p", str(spoiled), "--out", str(out), "--report", str(report)])
    assert done.exit_code == 0, done.output
    told = json.loads(report.read_text())
    assert told["kept_aside"]["holds"] is True
    key = "radar.centre_frequency_mhz"
    assert load_profile(out).radar.centre_frequency_mhz == pytest.approx(told["best"][key])
    assert load_profile(out).name == "tuned"
    # the present frequency against one that is far off: nothing is better, nothing is written
    worse = tmp_path / "worse.toml"
    narrow = ["-k", "radar.centre_frequency_mhz=200..250", "--trials", "2", "--seed", "1"]
    done = CliRunner().invoke(app, ["tune", *files, *narrow, "--out", str(worse)])
    assert isinstance(done.exception, ProfileError)
    assert "not better" in str(done.exception)
    assert not worse.exists()
