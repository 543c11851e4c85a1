"""Bench sessions over a pseudo-terminal, with a scripted hand; reports, notebook and comparison of what they gave."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from detector.bench.registry import MEASUREMENTS
from detector.bench.result import Verdict
from detector.errors import BenchError
from detector.recording.reader import open_recording
from detector.recording.writer import RecordingWriter
from detector.simulate.bench import BenchHead, Scene
from detector.simulate.bench_radar import BenchRadar
from firmware_host.bench.notebook import Notebook, load_report
from firmware_host.bench.report import Report, joined, report_of
from firmware_host.bench.session import BenchSession, Wanted
from firmware_host.cli.bench import take
from firmware_host.cli.main import app
from firmware_host.clock import HostClock
from firmware_host.head import Head
from firmware_host.virtual.bench import VirtualBench
from firmware_host.virtual.head import Faults
from tests.detector.bench.known import norm_of

HEAD = BenchHead(rate_hz=100.0)
SETTINGS: dict[str, dict[str, Any]] = {
    "noise": {"seconds": 30.0},
    "static": {"before_s": 10.0, "item_s": 10.0, "after_s": 10.0},
    "height": {"first_m": 0.25, "last_m": 0.4, "still_s": 40.0, "repeats": 3, "step_m": 0.05},
    "lag": {"still_s": 30.0, "repeats": 3},
    "pinpoint": {"repeats": 8},
    "latency": {"seconds": 5.0},
}
METAL = list(SETTINGS)
SETTINGS |= {"radar": {"hold_s": 1.0}}


def session(tmp_path: Path, names: list[str], bench: VirtualBench, name: str = "bench.h5") -> Report:
    out = tmp_path / name
    with bench:
        take(names, SETTINGS, bench.path, 921600, out, bench, conditions={"temperature": "21 C"})
    with open_recording(out) as recording:
        assert recording.recording_type == "bench"
        assert recording.closed
        return report_of(recording, out, names, SETTINGS, who="A. Engineer", conditions={"temperature": "21 C"})


def test_a_whole_session_gives_what_is_known_of_the_head(tmp_path: Path) -> None:
    head = BenchHead(rate_hz=100.0, lag_s=0.03)
    report = session(tmp_path, METAL, VirtualBench(head, seed=11, speed=200))
    results = {r.measurement: r for r in report.results}
    assert not [r.refusal for r in report.results if r.refusal]
    noise = results["noise"].figures[0]
    assert noise.low <= head.sigma_v[0] <= noise.high
    item = results["static"].figure("response of the item")
    assert item.low <= norm_of(HEAD, 0, 0, 0.08) <= item.high
    lag = results["lag"].figure("lag")
    # the bench runs by the clock, so draws differ from run to run, and 95 % of three pairs misses one time in twenty
    assert abs(lag.value - 0.03) <= lag.high - lag.low < 0.01
    assert results["height"].figure("detection height").value == pytest.approx(0.31, abs=0.03)
    assert len(results["latency"].samples["round trip"]) == 100
    assert (report.serial, report.firmware, report.simulated) == ("BENCH-1", "simulated 1", True)
    assert len(report.settings_hash) == 64


def test_a_radar_before_a_plate_is_measured_step_by_step(tmp_path: Path) -> None:
    head = BenchRadar(placing_m=0.001)
    report = session(tmp_path, ["radar"], VirtualBench(head, seed=22, speed=50))
    (result,) = report.results
    assert not result.refusal
    zero = result.figure("time zero")
    # 95 % bounds: where the hand of this seed puts the plate does not hang on the clock
    assert zero.low <= head.time_zero_s <= zero.high
    assert result.figure("echo of the plate at 0.3 m").value == pytest.approx(head.echo_at_1_m / 0.3, rel=0.02)


def test_a_report_is_one_printable_file_and_json_beside_it(tmp_path: Path) -> None:
    report = session(tmp_path, ["static", "pinpoint"], VirtualBench(HEAD, seed=12, speed=200))
    html = tmp_path / "report.html"
    report.write(html)
    text = html.read_text()
    for wanted in (
        "BENCH-1",
        "simulated 1",
        report.settings_hash,
        "temperature 21 C",
        "A. Engineer",
        "@media print",
        "SIMULATED",
    ):
        assert wanted in text, wanted
    assert "http" not in text.replace("http://www.w3.org", "")
    assert text.count('src="data:image/svg+xml') == 2
    kept = json.loads(html.with_suffix(".json").read_text())
    figure = kept["results"][0]["figures"][0]
    assert figure["low"] < figure["value"] < figure["high"]
    assert figure["unit"] == "V"


def test_a_hand_that_shows_nothing_gets_no_figure(tmp_path: Path) -> None:
    bench = VirtualBench(HEAD, seed=13, arrange=lambda step: Scene(has_odometer=True), speed=200)
    report = session(tmp_path, ["static", "height"], bench)
    assert [r.verdict for r in report.results] == [Verdict.REFUSED] * 2
    assert all("never shown" in r.refusal and not r.figures for r in report.results)


def test_a_head_that_changes_its_firmware_half_way_gets_no_figure(tmp_path: Path) -> None:
    bench = VirtualBench(HEAD, seed=14, speed=200, faults=Faults(other_firmware_after=900))
    report = session(tmp_path, ["static"], bench)
    assert report.results[0].verdict is Verdict.REFUSED
    assert "changed its firmware on the way: simulated 1 then simulated 1 (updated)" in report.results[0].refusal
    assert bench.said  # and the step during which it happened was asked for again


def test_a_session_that_is_stopped_keeps_what_was_taken_and_gives_no_figure(tmp_path: Path) -> None:
    out = tmp_path / "bench.h5"
    height = MEASUREMENTS["height"]
    with VirtualBench(HEAD, seed=20, speed=200) as bench, Head.open(bench.path, clock=HostClock()) as head:
        device = head.describe()
        with RecordingWriter(
            out, device, software="test", created_utc_ns=time.time_ns(), recording_type="bench"
        ) as writer:
            taking = BenchSession(head, writer, [Wanted(height, height.with_settings(SETTINGS["height"]))], bench)
            taking.run(stop=lambda: len(taking.entries) >= 4)
    with open_recording(out) as recording:
        assert recording.closed
        report = report_of(recording, out, ["height"], SETTINGS)
    assert len(taking.entries) >= 4
    assert "Too few repeats" in report.results[0].refusal


@pytest.mark.needs_tools("chromium")
def test_a_report_fits_its_page_on_screen_and_on_paper(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    html = tmp_path / "report.html"
    session(tmp_path, ["static", "pinpoint", "noise"], VirtualBench(HEAD, seed=21, speed=200)).write(html)
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1000, "height": 1400})
        asked: list[str] = []
        page.on("request", lambda r: asked.append(r.url))
        page.goto(html.as_uri())
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) <= 0
        assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 680, "height": 1000})  # A4 less its margins
        assert page.evaluate(wide) <= 0
        assert page.evaluate("Math.max(...[...document.images].map(i => i.height))") <= 300
        pdf = page.pdf(prefer_css_page_size=True)
        browser.close()
    assert pdf.startswith(b"%PDF")
    assert all(url.startswith(("file:", "data:")) for url in asked)


def test_recordings_of_two_firmwares_make_no_common_report(tmp_path: Path) -> None:
    report = session(tmp_path, ["pinpoint"], VirtualBench(HEAD, seed=15, speed=200))
    other = Report(report.results, report.model, report.serial, "simulated 2", report.settings_hash, 0, files=("b.h5",))
    with pytest.raises(BenchError, match="differ in the head's firmware"):
        joined([report, other])


def test_a_notebook_only_grows_and_shows_what_was_changed(tmp_path: Path) -> None:
    report = session(tmp_path, ["pinpoint"], VirtualBench(HEAD, seed=16, speed=200))
    book = Notebook(tmp_path / "book.jsonl")
    assert [book.add(report), book.add(report)] == [1, 2]
    assert [e["serial"] for e in book.entries()] == ["BENCH-1"] * 2
    assert load_report(f"{book.path}#2")["entry"] == 2
    text = book.path.read_text()
    book.path.write_text(text.replace("A. Engineer", "B. Engineer", 1))
    with pytest.raises(BenchError, match="Line 2 of the notebook"):
        book.entries()
    with pytest.raises(BenchError, match="Line 2 of the notebook"):
        book.add(report)


def test_the_command_line_measures_a_recording_again_and_compares(tmp_path: Path) -> None:
    session(tmp_path, ["noise"], VirtualBench(HEAD, seed=17, speed=200), "a.h5")
    session(tmp_path, ["noise"], VirtualBench(BenchHead(rate_hz=100.0, noise_v=2e-3), seed=18, speed=200), "b.h5")
    run = CliRunner()
    book = tmp_path / "book.jsonl"
    for name in ("a", "b"):
        done = run.invoke(
            app, ["bench", "noise", str(tmp_path / f"{name}.h5"), "--notebook", str(book), "--set", "resolution_hz=0.5"]
        )
        assert done.exit_code == 0, done.output
    done = run.invoke(app, ["bench", "compare", f"{book}#1", f"{book}#2"])
    assert done.exit_code == 0, done.output
    assert "8 of 8 figures differ" in " ".join(done.output.split())
    done = run.invoke(app, ["bench", "notebook", str(book)])
    assert "BENCH-1" in done.output
    assert run.invoke(app, ["bench", "static", str(tmp_path / "a.h5")]).exit_code == 1  # it holds no such steps


def test_a_limit_that_is_broken_ends_with_exit_code_1(tmp_path: Path) -> None:
    session(tmp_path, ["noise"], VirtualBench(HEAD, seed=19, speed=200), "a.h5")
    run = CliRunner()
    strict = ["bench", "noise", str(tmp_path / "a.h5"), "--set", "most_sigma=1e-4"]
    assert run.invoke(app, strict).exit_code == 1
    assert run.invoke(app, [*strict[:-1], "most_sigma=1e-2"]).exit_code == 0
