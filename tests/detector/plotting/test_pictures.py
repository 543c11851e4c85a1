"""Pictures: in units that people read, with what was lost drawn as lost, and nothing dangerous left out."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from detector.decide.classifier import Model
from detector.detections import DETECTION_DTYPE, Detection, Label, LabelClass, TrueObject
from detector.errors import PlotError
from detector.formats.foreign import ForeignRecording
from detector.positions import Places
from detector.profile import load_profile
from detector.recording.reader import open_recording
from detector.recording.writer import RecordingWriter
from detector.samples import (
    NO_ODOMETER,
    DeviceDescription,
    FixQuality,
    Position,
    SampleBlock,
    StreamDescription,
    StreamKind,
)

pytest.importorskip("matplotlib", reason="matplotlib is not installed (pip install 'groundsweep[plot]')")

from detector.plotting.canvas import cells, line_of
from detector.plotting.ground import plot_coverage, plot_map
from detector.plotting.metal import plot_decay, plot_gate_noise, plot_metal, strongest_record
from detector.plotting.radar import plot_ascan, plot_bscan, plot_spectrum
from detector.plotting.stages import StageOutput, stages
from tests.detector.made_sweep import Sweep, fix

DualHead = tuple[DeviceDescription, list[SampleBlock]]


def a_detection(id_: int, x_m: float, utc_ns: int) -> Detection:
    row = np.zeros((), DETECTION_DTYPE)
    row["id"], row["x_m"], row["utc_ns"], row["decision"] = id_, x_m, utc_ns, b"unknown"
    row["radar_peak_seq"], row["metal_peak_seq"] = round(x_m / 0.02), round(x_m / 0.002)
    return Detection.from_row(row[()])


def a_true_object(label: LabelClass, x_m: float, two_way_s: float = math.nan) -> TrueObject:
    return TrueObject(label, "it", "", x_m, -1, -1, 0.05, 0.1, two_way_s, True, "simulated")


def a_fix(second: float, east_m: float, quality: FixQuality = FixQuality.RTK_FIXED) -> Position:
    latitude, longitude = 45.8 + 1e-6 * math.sin(east_m), 15.975 + east_m / 77_600
    return fix(round(second * 1e9), latitude, longitude, 100.0, quality, 0.05)


@pytest.fixture
def sweep(dual_head: DualHead) -> Sweep:
    """The made-up head with 10 % of its records lost, found, labelled and known objects, and fixes with a break."""
    device, blocks = dual_head
    lost = []
    for b in blocks:
        keep = np.r_[0 : int(0.55 * len(b)), int(0.65 * len(b)) : len(b)]
        lost.append(SampleBlock(b.stream, *(c[keep] for c in (b.seq, b.tick, b.utc_ns, b.odometer_um, b.raw))))
    fixes = tuple(a_fix(s / 5, 0.08 * s, FixQuality.NONE if 10 <= s < 14 else FixQuality.RTK_FIXED) for s in range(31))
    found = (a_detection(1, 0.9, 2_250_000_000), a_detection(2, 1.7, 4_250_000_000))
    said = (Label(1, LabelClass.MINE, "A", 1, True),)
    truth = (a_true_object(LabelClass.MINE, 0.9, 4.2e-9), a_true_object(LabelClass.METAL_CLUTTER, 1.7))
    return Sweep(device, tuple(lost), truth, "", fixes, (), found, said)


def texts(ax) -> set[str]:
    return {t.get_text() for t in ax.texts} | set(ax.get_legend_handles_labels()[1])


@pytest.mark.parametrize("kind", ["survey", "training"])
def test_coverage_of_what_is_no_survey_says_that_no_ground_counts(
    tmp_path: Path, dual_head: DualHead, kind: str
) -> None:
    device, blocks = dual_head
    path = tmp_path / "a.h5"
    with RecordingWriter(path, device, software="t", created_utc_ns=1, recording_type=kind) as w:
        for b in blocks:
            w.write(b)
    with open_recording(path) as r:
        title = plot_coverage(r).get_title(loc="left")
    warned = title == "recorded: a training recording, NO GROUND COUNTS AS SWEPT"
    assert warned if kind == "training" else title == "recorded"


def test_a_bscan_is_in_ns_and_metres_with_its_gap_as_a_gap(sweep: Sweep) -> None:
    ax = plot_bscan(sweep)
    assert ax.get_xlabel() == "along the track (m)"
    assert ax.get_ylabel() == "two-way time (ns)"
    low, high = ax.get_ylim()
    assert low == pytest.approx(9.55)  # 96 samples of 0.1 ns, deep ones down
    assert high == pytest.approx(-0.05)
    mesh = ax.collections[0]
    shown = np.ma.getmaskarray(mesh.get_array()).reshape(96, -1)
    assert shown.all(axis=0).sum() == 1  # one column, as wide as what was lost
    edges = mesh.get_coordinates()[0, :, 0]
    column = int(np.argmax(shown.all(axis=0)))
    assert edges[column + 1] - edges[column] == pytest.approx(12 * 0.02, abs=1e-6)
    assert "amplitude (count)" in {a.get_ylabel() for a in ax.figure.axes}
    assert texts(ax) == {
        "#1", "#2", "lost records", "truth: mine", "truth: metal-clutter", "detection, found: mine",
        "detection, not labelled",
    }  # fmt: skip


def test_every_detection_and_object_is_over_the_picture_at_its_place(sweep: Sweep) -> None:
    for ax in (plot_bscan(sweep), plot_metal(sweep)):
        marks = {line.get_label(): line for line in ax.lines if len(line.get_xdata()) == 1}
        assert marks["detection, found: mine"].get_xdata()[0] == pytest.approx(0.9)
        assert marks["detection, not labelled"].get_xdata()[0] == pytest.approx(1.7)
        assert marks["truth: mine"].get_xdata()[0] == pytest.approx(0.9)
        # told apart by shape, not by colour alone
        shapes = [m.get_marker() for name, m in marks.items() if name.startswith(("det", "truth"))]
        assert len(set(shapes)) == len(shapes) == 4
    echo = {line.get_label(): line for line in plot_bscan(sweep).lines}["truth: mine"]
    assert echo.get_ydata()[0] == pytest.approx(4.2)  # ns


def test_a_metal_profile_is_broken_where_records_were_lost(sweep: Sweep) -> None:
    ax = plot_metal(sweep)
    curves = [line for line in ax.lines if len(line.get_xdata()) > 100]
    assert len(curves) == 4
    for curve in curves:
        y = curve.get_ydata()
        at = np.nonzero(np.isnan(y))[0]
        assert at[0] == 660  # 55 % of 1200 records
    assert ax.get_ylabel() == "signal less median (V)"
    assert "gate time (µs)" in {a.get_ylabel() for a in ax.figure.axes}


def test_a_thinned_profile_keeps_its_peaks() -> None:
    n = 60_000
    s = StreamDescription(0, "m", StreamKind.METAL, 1, 1, "int32", 1000.0)
    raw = np.zeros((n, 1, 1), "i4")
    raw[33_333], raw[44_444] = 1000, -700
    i = np.arange(n, dtype=np.int64)
    block = SampleBlock(s, i, i * 1000, i * 10**6, np.full(n, NO_ODOMETER, np.int64), raw)
    r = ForeignRecording(DeviceDescription("x", "1", "", 1e6, (s,)), (block,), (), "")
    curve = next(line for line in plot_metal(r).lines if len(line.get_xdata()) > 2)
    assert len(curve.get_xdata()) < 10_000
    assert (np.nanmax(curve.get_ydata()), np.nanmin(curve.get_ydata())) == (1000, -700)
    _, columns = cells(line_of(block), raw[:, 0].astype(float))
    assert (columns.max(), columns.min()) == (1000, -700)
    with pytest.raises(PlotError, match="too many"):
        plot_metal(ForeignRecording(r.device, (block,) * 4, (), ""))


def test_a_decay_curve_is_the_target_less_the_ground(sweep: Sweep) -> None:
    record = strongest_record(sweep, "metal")
    peak = sweep.block("metal", 0, 10_000)
    assert abs(peak.odometer_m[record] - 0.9) < 0.1 or abs(peak.odometer_m[record] - 1.7) < 0.1
    ax = plot_decay(sweep, record)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    x, y = ax.lines[0].get_data()
    np.testing.assert_allclose(x, [20, 50, 100, 200])  # us
    # the fixture's decay: 300 counts of 1 mV with a time constant of 80 us
    assert np.log(y[0] / y[2]) * 80 == pytest.approx(80, rel=0.2)
    s = StreamDescription(0, "m", StreamKind.METAL, 1, 1, "int32", 10.0)
    one = np.zeros(5, np.int64)
    b = SampleBlock(s, np.arange(5), one, one, one, np.zeros((5, 1, 1), "i4"))
    with pytest.raises(PlotError, match="only pulse induction"):
        plot_decay(ForeignRecording(DeviceDescription("x", "1", "", 1e6, (s,)), (b,), (), ""), 1)


def test_noise_is_that_of_the_samples_and_not_of_the_targets(sweep: Sweep) -> None:
    bars = [p.get_height() for p in plot_gate_noise(sweep).patches]
    assert bars == pytest.approx([0.005] * 4, rel=0.15)  # 5 counts of 1 mV


def test_a_spectrum_peaks_where_the_pulse_does(sweep: Sweep) -> None:
    ax = plot_spectrum(sweep)
    f, level = ax.lines[0].get_data()
    # a Ricker pulse exp(-(t/tau)^2) with tau = 0.3 ns peaks at 1 / (pi tau) = 1061 MHz
    assert f[level.argmax()] == pytest.approx(1061, rel=0.2)
    assert ax.get_xlabel() == "frequency (MHz)"


def test_an_ascan_is_the_samples(sweep: Sweep) -> None:
    x, y = plot_ascan(sweep, 7).lines[0].get_data()
    np.testing.assert_array_equal(y, sweep.block("radar", 7, 8).raw[0, 0])
    assert x[-1] == pytest.approx(9.5)


def test_a_map_breaks_where_there_was_no_fix_and_counts_what_it_cannot_show(sweep: Sweep) -> None:
    nan = math.nan
    places = Places(np.array([45.8, nan]), np.array([15.975 + 0.9 / 77_600, nan]), np.array([0.05, nan]))
    ax = plot_map(sweep, places)
    track = next(line for line in ax.lines if line.get_label() == "satellite fixes")
    assert np.isnan(track.get_xdata()).sum() == 4
    assert np.nanmax(track.get_xdata()) == pytest.approx(2.4, rel=0.01)  # 30 steps of 8 cm
    assert "1 DETECTION WITHOUT A PLACE NOT SHOWN" in ax.get_title(loc="left")
    assert "4 of 31 without a fix" in ax.get_title(loc="left")
    bare = ForeignRecording(sweep.device, sweep.blocks, (), "")
    with pytest.raises(PlotError, match="no satellite fix"):
        plot_map(bare, places)


def test_coverage_shows_what_was_lost(sweep: Sweep) -> None:
    ax = plot_coverage(sweep)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["metal", "radar"]
    good, lost = ax.collections[0].get_paths(), ax.collections[1].get_paths()
    assert (len(good), len(lost)) == (2, 1)
    assert np.ptp(lost[0].vertices[:, 0]) == pytest.approx(0.1 * 2.4, rel=0.1)


def test_stages_are_those_whose_rows_are_still_ascans(recordings: Path, sweep: Sweep, model: Model) -> None:
    with open_recording(recordings / "lane_dev04.h5") as r:
        out = stages(r, load_profile("handheld-dual"), model, "radar")
        assert [o.stage for o in out] == ["dewow", "bandpass", "time_zero", "background", "gain"]
        for o in out:
            assert o.seq.tolist() == list(range(r.n_records("radar")))
        ax = plot_bscan(r, stage=out[3])
    assert "after background" in ax.get_title(loc="left")
    with pytest.raises(PlotError, match="gave nothing"):
        plot_bscan(sweep, stage=StageOutput("x", np.array([10**6]), np.zeros((1, 1, 96))))


@pytest.mark.parametrize("name", ["rebar_real.h5", "pipes_real.h5", "dune_real.h5", "lane_dev04.h5"])
def test_real_recordings_are_drawn_to_a_file(recordings: Path, tmp_path: Path, name: str) -> None:
    with open_recording(recordings / name) as r:
        plot_bscan(r).figure.savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 20_000


def test_what_is_not_there_is_said(sweep: Sweep) -> None:
    with pytest.raises(PlotError, match="channels 0 to 0"):
        plot_bscan(sweep, channel=3)
    with pytest.raises(PlotError, match="it has metal, radar"):
        plot_bscan(sweep, "metal")
    with pytest.raises(PlotError, match="records 0 to"):
        plot_bscan(sweep, first=5000)


def test_without_matplotlib_one_sentence_says_what_to_install(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [m for m in sys.modules if m.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(PlotError, match=r"pip install 'groundsweep\[plot\]'"):
        plot_bscan(sweep)
