"""From a sample to screen and sound: steps in the samples of a virtual head, and when two browsers show and sound them.

The head and its cable's clock, the session and both pages share one machine, so one clock orders them all. What a
viewer that stops reading does to the others is part of it. Figures are printed; a busy machine fails nothing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.recording.reader import open_recording
from detector.samples import DeviceDescription, SampleBlock, StreamDescription, StreamKind
from firmware_host.virtual.head import VirtualHead

SECONDS = float(os.environ.get("GROUNDSWEEP_LATENCY_S", "600"))
STEP_EVERY_S = 7.13
"""No multiple of a frame, so that steps fall anywhere in one; the alarm of one has faded before the next."""
STEP_S = 0.3
FIRST_STEP_S = 9.0
"""The filters know the ground by then, and both pages are open."""

METAL = StreamDescription(
    0, "metal", StreamKind.METAL_PI, 1, 12, "int32", 500.0, scale=1e-6, unit="V",
    axis=tuple(float(t) for t in np.geomspace(15e-6, 400e-6, 12)),
)  # fmt: skip
RADAR = StreamDescription(
    1, "radar", StreamKind.RADAR, 1, 512, "int16", 60.0, sampling_interval_s=3e-11, centre_frequency_hz=1e9
)
DEVICE = DeviceDescription("latency", "L-1", "1", 1e6, (METAL, RADAR))
"""88 kB/s of samples: what a line at 921600 baud takes."""
SPEED_M_PER_S = 0.4
PIECE_S = 0.1

CHROMIUM = shutil.which("chromium")

WATCH_PAGE = """() => {
  const seen = { screen: [], sound: [] };
  window.latency = seen;
  const now = () => performance.timeOrigin + performance.now();
  const metal = document.getElementById("metal-now");
  let shown = false;
  // the frame after the change: by its beginning the one with the change has been painted
  new MutationObserver(() => {
    const strong = parseFloat(metal.textContent) > 8;
    if (strong && !shown) requestAnimationFrame(() => seen.screen.push(now()));
    shown = strong;
  }).observe(metal, { childList: true, characterData: true, subtree: true });
  let sounding = false;
  setInterval(() => {
    const loud = (groundsweep.sound.heard().metal ?? 0) > 0.25; // eight times the threshold, as above
    if (loud && !sounding) seen.sound.push(now());
    sounding = loud;
  }, 2);
}"""


def blocks(seconds: float) -> Iterator[SampleBlock]:
    rng = np.random.default_rng(1)
    decay = np.exp(-np.array(METAL.axis) / 8e-5)
    k = np.arange(RADAR.values)
    pulse = 6000 * (1 - 2 * ((k - 60) / 8) ** 2) * np.exp(-(((k - 60) / 8) ** 2))
    for piece in range(round(seconds / PIECE_S)):
        for s in (METAL, RADAR):
            n = round(s.rate_hz * PIECE_S)
            seq = np.arange(piece * n, (piece + 1) * n, dtype=np.int64)
            t = seq / s.rate_hz
            if s is METAL:
                since = (t - FIRST_STEP_S) % STEP_EVERY_S
                on = (t >= FIRST_STEP_S) & (since < STEP_S)
                raw = 5000.0 * on[:, None] * decay + rng.normal(scale=40.0, size=(n, 12))
            else:
                raw = pulse + rng.normal(scale=15.0, size=(n, RADAR.values))
            yield SampleBlock(
                s, seq, np.round(t * 1e6).astype(np.int64), np.zeros(n, np.int64),
                np.round(t * SPEED_M_PER_S * 1e6).astype(np.int64), np.round(raw).astype(s.dtype)[:, None, :],
            )  # fmt: skip


class TimedHead(VirtualHead):
    """Knows when its tick 0 was: no frame leaves before its last record is due, so the quickest frame tells."""

    zero_s = float("inf")

    def _send_samples(self, part: SampleBlock, odometer: bool, frame: int) -> None:
        self.zero_s = min(self.zero_s, time.time() - int(part.tick[-1]) / 1e6)
        super()._send_samples(part, odometer, frame)


def be_a_head(seconds: float) -> None:
    with TimedHead(DEVICE, lambda: blocks(seconds), 1.0) as head:
        print(head.path, flush=True)
        sys.stdin.readline()
        print(json.dumps({"zero_s": head.zero_s}), flush=True)
        sys.stdin.read()


def stuck_viewer(port: int) -> socket.socket:
    """A viewer that says hello and then never reads."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(("127.0.0.1", port))
    s.sendall(
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    return s


def offset_s(page: Any) -> float:
    """Host time minus page time, from the quickest of many questions."""
    best = (float("inf"), 0.0)
    for _ in range(50):
        before = time.time()
        there = page.evaluate("performance.timeOrigin + performance.now()") / 1e3
        after = time.time()
        best = min(best, (after - before, (before + after) / 2 - there))
    return best[1]


def first_after(times: list[float], steps: np.ndarray) -> np.ndarray:
    """(n,) s from each step to the first of `times` after it and before the next step; NaN if there is none."""
    t = np.sort(np.array(times))
    k = np.searchsorted(t, steps)
    late = np.append(t, np.inf)[k] - steps
    return np.where(late < STEP_EVERY_S, late, np.nan)


def measure(seconds: float, folder: Path) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Latencies in s by viewer and sense; and counts of what came through."""
    from playwright.sync_api import sync_playwright

    head = subprocess.Popen(
        [sys.executable, __file__, str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert head.stdin is not None
    assert head.stdout is not None
    port = head.stdout.readline().strip()
    out = folder / "latency.h5"
    live = subprocess.Popen(
        [sys.executable, "-m", "firmware_host.cli.main", "live", "--port", port, "--page", "--page-port", "0", "--out",
         str(out), "--skip-checks", "latency", "--duration", str(seconds + 30)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "GROUNDSWEEP_DATA": str(folder), "COLUMNS": "200", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert live.stdout is not None
    url = None
    said: list[str] = []
    while url is None:
        line = live.stdout.readline()
        assert line, "".join(said)
        said.append(line)
        url = re.search(r"page is at (http://\S+)", line)
    threading.Thread(target=lambda: said.extend(live.stdout or ()), daemon=True).start()
    stuck: list[socket.socket] = []
    viewers = 0
    with sync_playwright() as p:
        flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        browser = p.chromium.launch(executable_path=CHROMIUM, args=flags)
        pages = [browser.new_context().new_page() for _ in range(2)]
        for page in pages:
            page.goto(url.group(1))
            page.wait_for_function("groundsweep.now.control !== null")
            page.click("#sound")
            page.wait_for_function("groundsweep.sound.on")
            page.evaluate(WATCH_PAGE)
        offsets = [offset_s(page) for page in pages]
        began = time.monotonic()
        while live.poll() is None:
            pages[0].wait_for_timeout(200)  # keeps the browser's own messages moving
            viewers = max(viewers, pages[0].evaluate("groundsweep.now.control?.viewers ?? 0"))
            at = time.monotonic() - began
            if at > seconds / 2 and not stuck:
                stuck.append(stuck_viewer(int(url.group(1).rsplit(":", 1)[1].strip("/"))))
            if at > seconds + 60:
                live.send_signal(signal.SIGTERM)
        seen = [page.evaluate("window.latency") for page in pages]
        output_s = pages[0].evaluate("groundsweep.sound.context.outputLatency + groundsweep.sound.context.baseLatency")
        browser.close()
    live.wait(timeout=60)
    head.stdin.write("\n")
    head.stdin.flush()
    zero = json.loads(head.stdout.readline())["zero_s"]
    head.stdin.close()
    head.wait(timeout=10)
    for s in stuck:
        s.close()
    steps = zero + np.arange(FIRST_STEP_S, seconds - STEP_S, STEP_EVERY_S)
    # pages that opened later than the first steps cannot have seen them
    opened = max(min(np.array(s["screen"]) / 1e3 + o, default=np.inf) for s, o in zip(seen, offsets, strict=True))
    steps = steps[steps > opened - STEP_EVERY_S / 2]
    late = {}
    for k, (s, o) in enumerate(zip(seen, offsets, strict=True)):
        for sense in ("screen", "sound"):
            late[f"viewer {k + 1} {sense}"] = first_after([t / 1e3 + o for t in s[sense]], steps)
    with open_recording(out) as r:
        counts = {
            "steps": len(steps),
            "sent": round(METAL.rate_hz * seconds),
            "metal": r.n_records("metal"),
            "gaps": len(r.gaps()),
            "faults": sum(e.severity == "fault" for e in r.events()),
            "viewers": viewers,
            "output_us": round(1e6 * output_s),
        }
    return late, counts


def judge(seconds: float, folder: Path) -> None:
    before = os.getloadavg()[0]
    late, counts = measure(seconds, folder)
    print(
        f"{counts['steps']} steps in {seconds:.0f} s at {METAL.rate_hz:g} readings/s and {RADAR.rate_hz:g} "
        f"A-scans/s, two viewers and from half time one that never reads; load {before:.1f} before, "
        f"{os.getloadavg()[0]:.1f} after, {os.cpu_count()} cores; the browser's audio output adds "
        f"{1e-3 * counts['output_us']:.0f} ms"
    )
    for name, s in late.items():
        ms = 1e3 * s[np.isfinite(s)]
        median, p99 = np.percentile(ms, [50, 99]) if len(ms) else (np.nan, np.nan)
        print(
            f"{name}: median {median:.0f} ms, p99 {p99:.0f} ms, most {ms.max(initial=0):.0f} ms, "
            f"{np.count_nonzero(~np.isfinite(s))} not seen"
        )
    assert counts["steps"] >= (seconds - FIRST_STEP_S) / STEP_EVERY_S / 2
    assert counts["viewers"] == 3
    # a viewer that stops reading held nothing up: every record came, in order, without a gap
    assert (counts["metal"], counts["gaps"]) == (counts["sent"], 0)
    for name, s in late.items():
        assert np.isfinite(s).all(), f"{name} missed steps"
        assert (s > 0).all(), f"{name} was seen before it was"


@pytest.mark.benchmark
@pytest.mark.needs_tools("chromium")
@pytest.mark.timeout(2400)
def test_from_a_sample_to_screen_and_sound(tmp_path: Path) -> None:
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    judge(SECONDS, tmp_path)


@pytest.mark.slow
@pytest.mark.needs_tools("chromium")
@pytest.mark.timeout(600)
def test_every_step_is_shown_and_sounded_to_two_viewers_beside_one_that_never_reads(tmp_path: Path) -> None:
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    judge(45.0, tmp_path)


if __name__ == "__main__":
    be_a_head(float(sys.argv[1]))
