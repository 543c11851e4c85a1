"""The operator's page in a real browser, before a real session on a virtual head: what is seen, heard and kept."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from detector.kept_ground import kept_ground
from detector.recording.reader import open_recording
from firmware_host.virtual.head import VirtualHead
from firmware_host.virtual.interference import Harm, Interference
from tests.firmware_host.console.staged_head import DEVICE, Stage

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.needs_tools("chromium")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Sweep:
    """A live session as a person starts it, on a cable that can be pulled."""

    command = "live"

    def __init__(self, folder: Path, *options: str) -> None:
        self.stage = Stage()
        self.out = folder / f"sweep-{len(list(folder.glob('*.h5')))}.h5"
        self.said: list[str] = []
        self._head = VirtualHead(DEVICE, self.stage.blocks, 1.0)
        self._head.__enter__()
        self.cable = Interference(self._head.path, Harm())
        self.cable.__enter__()
        self._folder, self._options = folder, options

    def __enter__(self) -> Sweep:
        command = [sys.executable, "-m", "firmware_host.cli.main", self.command, "--port", self.cable.path, "--page"]
        more = {"GROUNDSWEEP_DATA": str(self._folder), "COLUMNS": "300", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [*command, "--page-port", "0", "--out", str(self.out), *self._options],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **more},
        )  # fmt: skip
        assert self.process.stdout is not None
        threading.Thread(target=lambda: self.said.extend(self.process.stdout or ()), daemon=True).start()
        wait(lambda: self._find(r"page is at (http://\S+)") or self.process.poll() is not None, 60.0)
        assert self.process.poll() is None, "".join(self.said)
        self.url = self._find(r"page is at (http://\S+)")
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(timeout=30)
        self.cable.__exit__(None, None, None)
        self._head.__exit__(None, None, None)

    def _find(self, pattern: str) -> str:
        found = re.search(pattern, "".join(self.said))
        return found.group(1) if found else ""

    def code(self, role: str) -> str:
        """The pairing code of a role, as it was printed."""
        wait(lambda: self._find(rf"{role} (\S+?)[,.]"), 5.0)
        return self._find(rf"{role} (\S+?)[,.]")


def wait(true: Callable[[], object], seconds: float = 15.0) -> None:
    """Until something is true; TimeoutError if it never is."""
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.03)


def heard(page: playwright.Page) -> set[str]:
    """Voices of the audio graph that are louder than a thousandth."""
    gains = page.evaluate("groundsweep.sound.heard()")
    return {name for name, gain in gains.items() if gain > 1e-3}


def opened(browser: playwright.Browser, url: str, **context: object) -> playwright.Page:
    """A page of its own browser profile, connected, with its sound on."""
    page = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **context}).new_page()
    page.goto(url)
    wait(lambda: page.evaluate("groundsweep.now.control !== null"))
    page.click("#sound")
    wait(lambda: page.evaluate("groundsweep.sound.on"))
    return page


def control(page: playwright.Page, name: str) -> None:
    page.keyboard.press("o")
    page.fill("#name", name)
    page.keyboard.press("Enter")
    wait(lambda: page.evaluate("groundsweep.now.control.mine"))


def state(page: playwright.Page) -> str:
    return page.inner_text("#state").lower()


TABLET = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


def check_accessible(page: playwright.Page) -> None:
    """Fits its screen, every target takes a gloved finger, and axe finds nothing serious."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # 15 mm at 96 px an inch, for gloves
    small = page.evaluate(
        "[...document.querySelectorAll('button, input, summary')].map((e) => [e.id, e.getBoundingClientRect()])"
        ".filter(([, r]) => r.width > 0 && Math.min(r.width, r.height) < 56.7).map(([id]) => id)"
    )
    assert not small
    found = axe.run(page).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert not serious, [(v["id"], [n["html"] for n in v["nodes"]]) for v in serious]


def outcome(page: playwright.Page, step: int) -> str:
    found: str = page.evaluate(f"groundsweep.now.startup.steps[{step}].outcome")
    return found


@pytest.fixture(scope="module")
def surveying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweep]:
    """The same for every test that leaves it as it was: on and on over its lane."""
    with Sweep(tmp_path_factory.mktemp("survey"), "--skip-checks", "a test of the page") as sweep:
        sweep.stage.scene = "lane"
        yield sweep


@pytest.fixture
def skipped(tmp_path: Path) -> Iterator[Sweep]:
    """A session on its lane whose start-up checks were skipped."""
    with Sweep(tmp_path, "--skip-checks", "a test of the page") as sweep:
        sweep.stage.scene = "lane"
        yield sweep


def test_start_up_leads_from_not_ready_to_searching_and_a_function_test_that_fails_later_puts_the_ground_in_doubt(
    tmp_path: Path, browser: playwright.Browser
) -> None:
    with Sweep(tmp_path) as sweep:
        page = opened(browser, sweep.url)
        assert state(page) == "not valid"
        control(page, "A. Deminer")
        wait(lambda: outcome(page, 0) == "passed")
        wait(lambda: heard(page) == {"waiting"})
        for step, scene in ((1, "air"), (2, "soil"), (3, "piece")):
            assert "not ready" in page.inner_text("#reason")
            sweep.stage.scene = scene
            time.sleep(1.0)  # what the head sees changes before the measurement begins
            page.click("#begin")
            wait(lambda step=step: outcome(page, step) not in ("open", "running"))
            if scene != "soil":
                assert outcome(page, step) == "no reference"
                assert state(page) == "not valid"
                page.keyboard.press("r")
            wait(lambda step=step: outcome(page, step) == "passed")
        sweep.stage.scene = "air"
        wait(lambda: state(page) == "searching", 20.0)
        assert "confidence" in heard(page)
        assert page.is_hidden("#startup")
        page.context.close()
    with open_recording(sweep.out) as r:
        texts = [e.text for e in r.events() if e.kind == "start-up"]
    assert texts[-1] == "Every start-up step has passed. Ready."
    assert any("stored as the reference of S-1 by A. Deminer" in t for t in texts)
    assert (tmp_path / "references" / "S-1.json").exists()

    # the same head again: it passes, sweeps, and is then given a coil that answers less. Its own reference tells
    with Sweep(tmp_path) as sweep:
        page = opened(browser, sweep.url)
        control(page, "A. Deminer")
        wait(lambda: outcome(page, 0) == "passed")
        for step, scene in ((1, "air"), (2, "soil"), (3, "piece")):
            sweep.stage.scene = scene
            time.sleep(1.0)
            page.keyboard.press("b")
            wait(lambda step=step: outcome(page, step) not in ("open", "running"))
            assert outcome(page, step) == "passed"
        sweep.stage.scene = "lane"
        wait(lambda: re.match(r"[1-9]\d*\.\d m of track count", page.inner_text("#lane-now")))
        assert "in doubt" not in page.inner_text("#gaps")
        sweep.stage.scene, sweep.stage.piece = "piece", 0.6
        time.sleep(1.0)
        page.keyboard.press("f")
        wait(lambda: outcome(page, 3) == "failed")
        assert "% of its reference" in page.evaluate("groundsweep.now.startup.steps[3].text")
        assert state(page) == "not valid"
        wait(lambda: page.inner_text("#lane-now").startswith("0.0 m of track count"))
        wait(lambda: "in doubt since a failed function test" in page.inner_text("#gaps .doubted"))
        assert "fault: The function test failed: " in page.text_content("#events")
        page.context.close()
    with open_recording(sweep.out) as r:
        (kept,) = kept_ground(r)
        assert kept.ground.counted_m2 == 0.0
        assert kept.ground.doubted.any()
        assert any(e.severity == "fault" and "that were swept since the last one" in e.text for e in r.events())


def test_an_alarm_appears_and_sounds_and_its_label_is_in_the_recording(
    skipped: Sweep, browser: playwright.Browser
) -> None:
    page = opened(browser, skipped.url)
    wait(lambda: state(page) == "signal", 40.0)
    # the fault that sounded before the first samples came has faded
    wait(lambda: heard(page) & {"metal", "radar"} and "confidence" in heard(page) and "fault" not in heard(page), 40.0)
    wait(lambda: page.evaluate("groundsweep.detections.size > 0"), 40.0)
    assert "a test of the page" in page.inner_text("#skipped")
    assert page.is_disabled("#save")
    control(page, "B. Deminer")
    wait(lambda: not page.is_disabled("#save"))
    page.click("#classes button[data-label=metal-clutter]")
    chosen = int(page.inner_text("#labelling-title").split("#")[1].rstrip("?"))
    page.fill("#depth", "12")
    page.click("#save")
    wait(lambda: page.evaluate(f"groundsweep.labels.has({chosen})"))
    page.keyboard.press("6")
    page.keyboard.press("Enter")  # without a reason it is refused
    wait(lambda: "Say why" in page.inner_text("#said"))
    page.context.close()
    skipped.process.terminate()
    skipped.process.wait(timeout=30)
    with open_recording(skipped.out) as r:
        (label,) = r.labels()
        assert (label.detection_id, label.label, label.who) == (chosen, "metal-clutter", "B. Deminer")
        assert label.depth_m == pytest.approx(0.12)
        assert label.ground_truth
        assert any(e.severity == "warning" and "skipped: a test of the page" in e.text for e in r.events())


def test_a_pulled_cable_is_not_valid_and_sounds_the_fault_until_it_is_back(
    skipped: Sweep, browser: playwright.Browser
) -> None:
    page = opened(browser, skipped.url)
    wait(lambda: "confidence" in heard(page))
    threading.Thread(target=skipped.cable.unplug_for, args=(3.0,), daemon=True).start()
    wait(lambda: heard(page) == {"fault"}, 5.0)
    wait(lambda: state(page) == "not valid", 2.0)
    wait(lambda: "confidence" in heard(page) and "fault" not in heard(page), 20.0)
    wait(lambda: state(page) != "not valid", 5.0)
    # that ground is shown as a gap
    wait(lambda: "1" in page.evaluate("groundsweep.now.ground?.cells ?? ''"), 10.0)
    wait(lambda: "reached, not valid" in page.inner_text("#gaps"), 10.0)
    page.context.close()


def test_a_page_that_is_loaded_again_in_a_survey_shows_everything_anew(
    surveying: Sweep, browser: playwright.Browser
) -> None:
    page = opened(browser, surveying.url)
    wait(lambda: page.evaluate("groundsweep.detections.size > 1"), 40.0)
    before = set(page.evaluate("[...groundsweep.detections.keys()]"))
    page.reload()
    wait(lambda: page.evaluate("groundsweep.detections.size > 0"))
    assert before <= set(page.evaluate("[...groundsweep.detections.keys()]"))
    assert "Sound is OFF" in page.inner_text("#sound")
    page.click("#sound")
    wait(lambda: "confidence" in heard(page))
    page.context.close()


def test_of_two_viewers_one_has_control_and_both_see_the_same(surveying: Sweep, browser: playwright.Browser) -> None:
    first, second = (opened(browser, surveying.url) for _ in range(2))
    control(first, "First")
    wait(lambda: "Take control from First" in second.inner_text("#control"))
    control(second, "Second")
    wait(lambda: not first.evaluate("groundsweep.now.control.mine"))
    wait(lambda: first.evaluate("groundsweep.detections.size > 0"), 40.0)
    wait(lambda: first.evaluate("groundsweep.detections.size") == second.evaluate("groundsweep.detections.size"))
    first.evaluate("document.getElementById('save').disabled = false")
    first.keyboard.press("1")
    first.keyboard.press("Enter")
    wait(lambda: "Take control first" in first.inner_text("#said"))
    for page in (first, second):
        page.context.close()


def test_the_fault_is_heard_within_half_a_second_of_the_last_heartbeat(
    surveying: Sweep, browser: playwright.Browser
) -> None:
    page = opened(browser, surveying.url)
    # the page's own sound, rendered on a clock that no busy machine can hold up: one heartbeat at 0, then none
    first = page.evaluate(
        """async () => {
          const context = new OfflineAudioContext(1, 48000, 48000);
          const sound = new groundsweep.sound.constructor();
          sound.build(context);
          sound.beat({ kind: "searching", fault: false, metal: 0, radar: 0, depth_cm: null, stage: 0 });
          const heard = (await context.startRendering()).getChannelData(0);
          const loudest = (m, v) => Math.max(m, Math.abs(v));
          const loud = (from, to) => heard.slice(48000 * from, 48000 * to).reduce(loudest, 0);
          const at = heard.findIndex((v) => Math.abs(v) > 0.12) / 48000;
          return { confidence: loud(0.1, 0.39), fault: loud(0.6, 1.0), at };
        }"""
    )
    assert 0.02 < first["confidence"] < 0.1  # until then it is the steady low tone
    assert first["fault"] > 0.2
    assert 0.4 <= first["at"] < 0.5
    page.context.close()


def test_a_program_that_stands_still_sounds_the_fault(surveying: Sweep, browser: playwright.Browser) -> None:
    page = opened(browser, surveying.url)
    wait(lambda: "confidence" in heard(page))
    surveying.process.send_signal(signal.SIGSTOP)
    wait(lambda: heard(page) == {"fault"})
    wait(lambda: "stands still" in page.inner_text("#reason"))
    assert state(page) == "not valid"
    surveying.process.send_signal(signal.SIGCONT)
    wait(lambda: "confidence" in heard(page), 20.0)
    page.context.close()


def test_a_page_that_hangs_sounds_the_fault_by_itself(surveying: Sweep, browser: playwright.Browser) -> None:
    page = opened(browser, surveying.url)
    wait(lambda: "confidence" in heard(page))
    # nothing of the page runs meanwhile, and the graph is asked before anything else can run
    gains = page.evaluate(
        """() => {
          const began = performance.now();
          while (performance.now() - began < 900);
          return groundsweep.sound.heard();
        }"""
    )
    assert gains["fault"] > 0.1
    assert gains["confidence"] < 1e-3
    page.context.close()


def test_a_session_that_ends_sounds_the_fault(skipped: Sweep, browser: playwright.Browser) -> None:
    page = opened(browser, skipped.url)
    wait(lambda: "confidence" in heard(page))
    skipped.process.terminate()
    wait(lambda: heard(page) == {"fault"}, 10.0)
    assert state(page) == "not valid"
    page.context.close()


def test_a_stranger_is_asked_for_a_code_and_a_monitor_may_only_watch(
    tmp_path: Path, browser: playwright.Browser
) -> None:
    with Sweep(tmp_path, "--skip-checks", "a test of access", "--bind", "127.0.0.2", "--page-port", "0") as sweep:
        # 127.0.0.2 is loopback still: no code
        page = browser.new_context().new_page()
        page.goto(sweep.url)
        assert page.is_visible("#banner")
        page.context.close()
    other = tmp_path / "other"
    other.mkdir()
    with Sweep(other, "--skip-checks", "a test of access", "--bind", "0.0.0.0") as sweep:
        url = sweep.url.replace("0.0.0.0", "127.0.0.1")
        page = browser.new_context().new_page()
        page.goto(url)
        assert page.url.endswith("/pair")
        closed = page.evaluate(
            "() => new Promise((r) => { const s = new WebSocket(`ws://${location.host}/ws`);"
            " s.onopen = () => r('open'); s.onclose = () => r('closed'); })"
        )
        assert closed == "closed"
        page.fill("#code", "WRONG-ONE")
        page.click("button")
        page.wait_for_selector("#wrong:visible")
        page.fill("#code", sweep.code("monitor").lower())
        page.click("button")
        wait(lambda: page.evaluate("Boolean(window.groundsweep?.now.control)"))
        wait(lambda: "Watching only" in page.inner_text("#control"))
        assert page.is_disabled("#control")
        page.evaluate("document.cookie.includes('groundsweep') && (document.title = 'cookie can be read')")
        assert page.title() == "groundsweep"
        page.context.close()
        page = browser.new_context().new_page()
        page.goto(url)
        page.fill("#code", sweep.code("operator"))
        page.click("button")
        wait(lambda: page.evaluate("Boolean(window.groundsweep?.now.control)"))
        control(page, "C. Deminer")
        page.context.close()


def test_a_socket_from_another_origin_is_refused(surveying: Sweep, browser: playwright.Browser) -> None:
    page = browser.new_context().new_page()
    page.goto(surveying.url.replace("127.0.0.1", "localhost"))  # another origin than 127.0.0.1
    wait(lambda: page.evaluate("groundsweep.now.control !== null"))
    # past the page's own policy, as a page from elsewhere would be
    page = browser.new_context(bypass_csp=True).new_page()
    page.goto(surveying.url.replace("127.0.0.1", "localhost"))
    port = surveying.url.rstrip("/").rsplit(":", 1)[1]
    closed = page.evaluate(
        f"() => new Promise((r) => {{ const s = new WebSocket('ws://127.0.0.1:{port}/ws');"
        " s.onopen = () => r('open'); s.onclose = () => r('closed'); })"
    )
    assert closed == "closed"
    page.context.close()


def test_the_lane_fills_on_every_page_and_its_gaps_are_listed_there_in_the_terminal_and_in_the_recording(
    tmp_path: Path, browser: playwright.Browser
) -> None:
    options = ("--skip-checks", "a test of lanes", "--lane", "3x0.6", "--footprint", "40", "--overlap")
    with Sweep(tmp_path, *options) as sweep:
        first, second = (opened(browser, sweep.url) for _ in range(2))
        wait(lambda: "0.00 of 1.80 m²" in first.inner_text("#lane-now"))
        assert "two passes asked for" in first.inner_text("#how")
        assert "ASSUMED" not in first.inner_text("#how")
        control(first, "A. Deminer")
        assert first.inner_text("#strip") == "S Next strip"
        assert second.is_disabled("#strip")
        sweep.stage.scene = "lane"
        wait(lambda: "2" in first.evaluate("groundsweep.now.ground.cells"), 20.0)
        # the cable in the middle of the lane
        threading.Thread(target=sweep.cable.unplug_for, args=(1.0,), daemon=True).start()
        wait(lambda: "1" in first.evaluate("groundsweep.now.ground.cells"), 20.0)
        first.keyboard.press("s")
        wait(lambda: "strip 2 of 2" in second.inner_text("#how"), 10.0)
        wait(lambda: "3" in first.evaluate("groundsweep.now.ground.cells"), 40.0)
        for state_ in ("not reached", "reached, not valid", "valid once"):
            wait(lambda state_=state_: state_ in second.inner_text("#gaps"), 10.0)
        wait(lambda: first.evaluate("groundsweep.now.ground.cells") == second.evaluate("groundsweep.now.ground.cells"))
        # the map has paint of every state: pixels, not only data
        shades = first.evaluate(
            """() => {
              const c = document.getElementById("lane");
              const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
              const seen = new Set();
              for (let k = 0; k < d.length; k += 4) seen.add(d.slice(k, k + 3).join());
              return seen.size;
            }"""
        )
        assert shades > 4
        for page in (first, second):
            page.context.close()
    said = "".join(sweep.said)
    assert "GAP 1:" in said
    assert "from the left edge" in said
    with open_recording(sweep.out) as r:
        (kept,) = kept_ground(r)
        assert kept.lane is not None
        assert (kept.lane.length_m, kept.lane.width_m, kept.ground.asked) == (3.0, 0.6, 2)
        assert len(kept.ground.holes()) == said.count(" GAP ")
        assert any("strip 2 of 2" in e.text and "A. Deminer" in e.text for e in r.events())


def test_a_lane_comes_from_a_file_or_is_typed_and_what_is_wrong_is_said_in_the_dialog(
    skipped: Sweep, browser: playwright.Browser, tmp_path: Path
) -> None:
    pytest.importorskip("shapely", reason="shapely is not installed (groundsweep[maps])")
    square = [[15.9, 45.8], [15.90013, 45.8], [15.90013, 45.80002], [15.9, 45.80002], [15.9, 45.8]]
    files = {
        "crossed": ([square[k] for k in (0, 2, 1, 3, 0)], "crosses or touches itself"),
        "line": ([square[0], square[1], square[0]], "three corners"),
        "twice": ([square[0], square[1], square[1], square[2], square[0]], "same place"),
        "metres": ([[564321, 5073000], [564341, 5073000], [564341, 5073002], [564321, 5073000]], "decimal degrees"),
    }
    page = opened(browser, skipped.url)
    assert page.is_disabled("#choose-lane")
    control(page, "A. Deminer")
    page.keyboard.press("l")
    for name, (ring, said) in files.items():
        path = tmp_path / f"{name}.geojson"
        path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
        page.set_input_files("#lane-file", path)
        page.click("#lane-save")
        wait(lambda said=said: said in page.inner_text("#lane-wrong"))
        assert page.is_visible("#lane-dialog")
    (tmp_path / "huge.geojson").write_text(" " * 100_001)
    page.set_input_files("#lane-file", tmp_path / "huge.geojson")
    page.click("#lane-save")
    wait(lambda: "huge.geojson" in page.inner_text("#lane-wrong"))
    page.fill("#lane-size", "20 by 1")
    page.click("#lane-save")
    wait(lambda: "length x width" in page.inner_text("#lane-wrong"))
    (tmp_path / "field.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [square]}))
    page.set_input_files("#lane-file", tmp_path / "field.geojson")
    page.click("#lane-save")
    wait(lambda: not page.is_visible("#lane-dialog"))
    wait(lambda: "Lane field: 10." in page.inner_text("#how"))
    page.keyboard.press("l")
    page.fill("#lane-size", "7x1")
    page.click("#lane-save")
    wait(lambda: "Lane 7.00 by 1.00 m" in page.inner_text("#how"))
    page.context.close()
    skipped.process.terminate()
    skipped.process.wait(timeout=30)
    with open_recording(skipped.out) as r:
        assert [k.lane.name for k in kept_ground(r) if k.lane] == ["field", ""]


def test_no_serious_finding_of_accessibility(tmp_path: Path, browser: playwright.Browser) -> None:
    with Sweep(tmp_path) as sweep:
        page = opened(browser, sweep.url, bypass_csp=True)
        sweep.stage.scene = "lane"
        wait(lambda: page.evaluate("groundsweep.detections.size > 0"), 40.0)
        wait(lambda: page.evaluate("groundsweep.now.ground !== null"))
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            page.evaluate("localStorage.removeItem('theme')")
            page.reload()
            assert page.evaluate("document.documentElement.dataset.theme") == theme
            wait(lambda: page.evaluate("groundsweep.now.control !== null && groundsweep.detections.size > 0"))
            control(page, "A. Deminer")
            for size in (TABLET, PHONE):
                page.set_viewport_size(size)
                for selector in ("", "#keys", "#choose-lane"):
                    if selector:
                        page.click(selector)
                    check_accessible(page)
                    page.keyboard.press("Escape")
        page.context.close()
