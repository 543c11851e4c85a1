"""The scope before a head with real parameters: what is seen, what is turned, what is kept."""

from __future__ import annotations

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

import numpy as np
import pytest

from detector.recording.reader import open_recording
from firmware_host.virtual.head import VirtualHead
from tests.firmware_host.console.staged_head import DEVICE, Stage


def wait(true: Callable[[], object], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.03)


class Bench:
    """'groundsweep scope --page' on a virtual head."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "bench.h5"
        self.said: list[str] = []

    def __enter__(self) -> Bench:
        self.head = VirtualHead(DEVICE, Stage().blocks, 1.0)
        self.head.__enter__()
        command = [sys.executable, "-m", "firmware_host.cli.main", "scope", "--port", self.head.path, "--page"]
        self.process = subprocess.Popen(
            [*command, "--page-port", "0", "--out", str(self.out)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, env={**os.environ, "COLUMNS": "300", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        threading.Thread(target=lambda: self.said.extend(self.process.stdout or ()), daemon=True).start()
        wait(lambda: re.search(r"http://\S+/", "".join(self.said)) or self.process.poll() is not None, 90.0)
        found = re.search(r"(http://\S+/)", "".join(self.said))
        assert found, "".join(self.said)
        self.url = found.group(1)
        return self

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=30)

    def __exit__(self, *exc: object) -> None:
        self.end()
        self.head.__exit__(None, None, None)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.mark.needs_tools("chromium")
def test_curves_come_parameters_are_turned_and_every_change_is_in_the_recording(browser, tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        errors: list[str] = []
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.goto(bench.url)
        wait(lambda: page.inner_text("#state").lower() == "samples")
        wait(lambda: "largest" in page.inner_text("#notes"))
        assert "S-1" in page.inner_text("#head")

        # without a name nothing is set, and the reason is told
        page.fill("#p-status_interval", "400")
        page.click('button[aria-label="Set status_interval"]')
        wait(lambda: "name" in page.inner_text("#answer"))
        page.fill("#who", "B. Engineer")
        page.click('button[aria-label="Set status_interval"]')
        wait(lambda: "set status_interval from 250 to 400 ms" in page.inner_text("#events"))
        # what the head would refuse is refused in its words
        page.fill("#p-status_interval", "1")
        page.click('button[aria-label="Set status_interval"]')
        wait(lambda: "must be from 20 to 5000 ms" in page.inner_text("#answer"))

        page.select_option("#show", "noise")
        wait(lambda: "median" in page.inner_text("#notes"))
        page.select_option("#stream", "radar")
        page.select_option("#show", "band")
        wait(lambda: "MHz" in page.inner_text("#notes"))
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("h")
        wait(lambda: page.inner_text("#notes").startswith("HELD"))
        page.keyboard.press("r")
        with page.expect_download() as kept:
            page.keyboard.press("e")
        rows = Path(kept.value.path()).read_text().splitlines()
        assert rows[2].startswith("x (MHz)")
        assert "reference" in rows[2]
        numbers = np.array([[float(v) for v in r.split(",")] for r in rows[3:]])
        assert numbers.shape[0] == 48
        assert numbers[:, 0].argmax() == 47

        # a head that is switched off is not shown as samples
        bench.head.unplug()
        wait(lambda: page.inner_text("#state").lower() == "no samples")
        assert not errors
    with open_recording(bench.out) as r:
        assert r.recording_type == "bench"
        values = [p.value for p in r.parameters() if p.name == "status_interval"]
        assert values[0] == 250.0
        assert values[-1] == 400.0
        assert any("B. Engineer set status_interval" in e.text for e in r.events())
        assert sum(len(b) for b in r.blocks(4096)) > 100


@pytest.mark.needs_tools("chromium")
def test_the_page_has_no_serious_accessibility_findings(browser, tmp_path: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    with Bench(tmp_path) as bench:
        page = browser.new_page(viewport={"width": 800, "height": 1200})
        page.goto(bench.url)
        wait(lambda: "largest" in page.inner_text("#notes"))
        for theme in ("light", "dark"):
            page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            found = [v for v in axe.Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
            assert not found, [(v["id"], v["nodes"][0]["html"]) for v in found]


def test_the_terminal_draws_every_stream_and_records(tmp_path: Path) -> None:
    out = tmp_path / "bench.h5"
    with VirtualHead(DEVICE, Stage().blocks, 1.0) as head:
        done = subprocess.run(
            [sys.executable, "-m", "firmware_host.cli.main", "scope", "--port", head.path, "--duration", "2",
             "--show", "history", "--value", "1", "--out", str(out)],
            capture_output=True, text=True, timeout=90, env={**os.environ, "COLUMNS": "120", "FORCE_COLOR": "1"},
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "metal: history" in done.stdout
    assert "radar: history" in done.stdout
    assert "Recorded to" in done.stdout
    with open_recording(out) as r:
        assert sum(len(b) for b in r.blocks(4096)) > 100
