"""The report's page in a browser: nothing is fetched, nothing fails, and it can be read in light and dark."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from firmware_host.cli.main import app

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.needs_tools("chromium")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page") / "report.html"
    lanes = [str(recordings / f"lane_dev{n}.h5") for n in ("01", "04", "11")]
    done = CliRunner().invoke(app, ["score", *lanes, "--html", str(out)])
    assert done.exit_code == 0, done.output
    return out


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_needs_nothing_else_and_can_be_read(
    browser: playwright.Browser, report: Path, scheme: str
) -> None:
    page = browser.new_page(color_scheme=scheme, viewport={"width": 390, "height": 800})
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda r: asked.append(r.url))
    page.on("console", lambda m: said.append(m.text))
    page.goto(report.as_uri())
    assert asked == [report.as_uri()]
    assert said == []
    # a narrow screen scrolls tables, not the page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("figure.strip svg").count() == 3
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(18, 18, 18)")
    found = axe.Axe().run(page).response["violations"]
    assert found == [], [(v["id"], v["nodes"][0]["html"]) for v in found]
    page.close()
