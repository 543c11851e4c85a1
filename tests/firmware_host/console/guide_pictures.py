"""Takes the pictures of the operator's guide anew: python -m tests.firmware_host.console.guide_pictures"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from playwright import sync_api as playwright

from tests.firmware_host.console.test_page import CHROMIUM, FLAGS, PHONE, Sweep, control, opened, outcome, wait

DOCS = Path(__file__).parents[3] / "docs"
LANE = ("--lane", "6x0.6", "--footprint", "24", "--skip-checks", "simulated signals")


def start_up(browser: playwright.Browser, folder: Path) -> None:
    """The steps before the sweep, on a phone."""
    with Sweep(folder) as sweep:
        page = opened(browser, sweep.url, viewport=PHONE)
        control(page, "A. Deminer")
        wait(lambda: outcome(page, 0) == "passed")
        time.sleep(3.0)
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=DOCS / "operator-start.png")


def lane(browser: playwright.Browser, folder: Path) -> None:
    """A strip and half of the next, with a cable that was out for a while: on a tablet, and in the dark on a phone."""
    with Sweep(folder, *LANE) as sweep:
        tablet = opened(browser, sweep.url, viewport={"width": 1280, "height": 1010}, device_scale_factor=0.75)
        control(tablet, "A. Deminer")
        phone = opened(browser, sweep.url, viewport=PHONE, color_scheme="dark")
        sweep.stage.scene = "lane"
        wait(lambda: sweep.stage.x_m >= 2.4, 60.0)
        sweep.cable.unplug_for(1.5)
        wait(lambda: sweep.stage.x_m >= 6.0, 60.0)
        tablet.keyboard.press("s")
        wait(lambda: sweep.stage.x_m >= 9.3, 60.0)
        wait(lambda: tablet.evaluate("document.getElementById('state').textContent").lower().strip() == "signal", 20.0)
        tablet.evaluate("scrollTo(0, 0)")
        tablet.screenshot(path=DOCS / "operator-tablet.png")
        phone.evaluate("document.getElementById('lane').scrollIntoView({block: 'center'})")
        wait(lambda: phone.evaluate("document.getElementById('state').textContent").lower().strip() == "signal", 20.0)
        phone.screenshot(path=DOCS / "operator-phone.png")


if __name__ == "__main__":
    with playwright.sync_playwright() as p, tempfile.TemporaryDirectory() as made:
        chromium = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, take in (("start", start_up), ("lane", lane)):
            (Path(made) / name).mkdir()
            take(chromium, Path(made) / name)
        chromium.close()
