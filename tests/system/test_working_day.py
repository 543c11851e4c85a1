"""A working day in the field, faster than it happens: eight hours of samples, faults at random, nothing missed.

Thinned: one metal detector of one coil and four gates at 20 readings a second, carried at 5 cm/s, its records
in pieces of 4 s, so that eight hours go through in about a minute. GROUNDSWEEP_DAY_H and GROUNDSWEEP_DAY_HZ change
that. All faults come from one seed.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from detector.coverage import CoverageSettings
from detector.decide.classifier import load_model
from detector.errors import RecordingError
from detector.ground_map import Ground
from detector.pipeline import Pipeline
from detector.profile import load_profile
from detector.recording.reader import open_recording
from detector.recording.writer import RecordingWriter
from detector.samples import DeviceDescription, Event, Gap, SampleBlock, Severity, StreamDescription, StreamKind
from firmware_host.console.broadcast import Broadcast
from firmware_host.console.sweeping import Sweeping
from firmware_host.console.watch import Kind, Watch
from firmware_host.recorder import Recorder
from firmware_host.references import References
from firmware_host.session import Item, Listener, run, warm_up
from firmware_host.startup import Readiness
from firmware_host.wire.messages import FAULTS, HeadState, HeadStatus

HOURS = float(os.environ.get("GROUNDSWEEP_DAY_H", "8"))
RATE_HZ = float(os.environ.get("GROUNDSWEEP_DAY_HZ", "20"))
SEED = 20
SPEED_M_PER_S = 0.05
BLOCK_S = 4.0
METAL = StreamDescription(
    0, "metal", StreamKind.METAL_PI, 1, 4, "int16", RATE_HZ, scale=1e-3, unit="V", axis=(2e-5, 5e-5, 1e-4, 2e-4)
)
DEVICE = DeviceDescription("day's head", "D-1", "1", 1e6, (METAL,))
KINDS = ("gap", "saturation", "frozen", "silence", "unplugged", "battery")
CALM_S = 30.0
"""At least, from one fault to the next."""
BATTERY_BIT = FAULTS.index("battery low")


@dataclass(frozen=True, slots=True)
class Trouble:
    """One fault, in s of the day."""

    kind: str
    start_s: float
    end_s: float


def troubles(rng: np.random.Generator, seconds: float) -> list[Trouble]:
    """About one in four minutes, each kind alike, 12 to 40 s long: whole blocks."""
    out, t = [], 120.0
    while (t := t + CALM_S + float(rng.exponential(210.0))) < seconds - 120.0:
        start = BLOCK_S * float(np.ceil(t / BLOCK_S))
        end = start + BLOCK_S * float(rng.integers(3, 11))
        out.append(Trouble(KINDS[len(out) % len(KINDS)], start, end))
        t = end
    return out


class Day:
    """The source: items of one day, by a clock that jumps from block to block."""

    device = DEVICE

    def __init__(self, seconds: float, plan: list[Trouble]) -> None:
        self.seconds, self.plan = seconds, plan
        self.now_s, self.turning = 0.0, False
        self._rng = np.random.default_rng(SEED)

    def clock(self) -> float:
        return self.now_s

    def _block(self, first: int, n: int) -> SampleBlock:
        seq = np.arange(first, first + n, dtype=np.int64)
        tick = np.round(seq / RATE_HZ * 1e6).astype(np.int64)
        x = seq / RATE_HZ * SPEED_M_PER_S
        bump = np.exp(-0.5 * (((x % 20.0) - 10.0) / 0.08) ** 2)[:, None] * np.exp(-np.array(METAL.axis) / 8e-5)
        raw = 900.0 * bump + 60.0 * np.sin(x / 3.0)[:, None] + self._rng.normal(scale=5.0, size=(n, 4))
        return SampleBlock(
            METAL, seq, tick, tick * 1000, np.round(x * 1e6).astype(np.int64),
            np.round(raw).astype("<i2")[:, None, :],
        )  # fmt: skip

    def items(self) -> Generator[list[Item]]:
        n = round(RATE_HZ * BLOCK_S)
        waiting = list(self.plan)
        frozen = np.zeros((1, 4), "<i2")
        gone: tuple[int, int] | None = None
        for k in range(round(self.seconds / BLOCK_S)):
            t = k * BLOCK_S
            self.now_s, self.turning = t + BLOCK_S, True
            yield []  # the loop turns all the time, though nothing may come
            self.turning = False
            block = self._block(k * n, n)
            while waiting and t >= waiting[0].end_s:
                waiting.pop(0)
            now = waiting[0] if waiting and t >= waiting[0].start_s else None
            out: list[Item] = []
            low = now is not None and now.kind == "battery"
            faults = 1 << BATTERY_BIT if low else 0
            out.append(HeadStatus(HeadState.STREAMING, faults, int(block.tick[-1]), 0, 7400, 20.0, "D-1"))
            first = now is not None and t == now.start_s
            if now is not None and now.kind in ("gap", "silence", "unplugged"):
                if first and now.kind == "unplugged":
                    out.append(Event(int(t * 1e9), Severity.FAULT, "link", "The head is unplugged."))
                if now.kind != "gap" or k % 2:
                    gone = (gone or (int(block.seq[0]), 0))[0], int(block.seq[-1]) + 1
                    yield out
                    continue
            if gone is not None:
                first_tick = round(gone[0] / RATE_HZ * 1e6)
                out.append(Gap(0, gone[0], gone[1] - gone[0], first_tick, int(block.tick[0]), int(t * 1e9), "cable"))
                gone = None
            if now is not None and now.kind == "saturation":
                block.raw[:] = 32767
            if now is not None and now.kind == "frozen":
                frozen = block.raw[:1, 0, :].copy() if first else frozen
                block.raw[:] = frozen
            out.append(block)
            yield out


class Auditor(Listener):
    """Stands last: what a person sees at every moment, beside what was wrong at that moment."""

    def __init__(self, day: Day, watch: Watch, broadcast: Broadcast) -> None:
        self._day, self._watch, self._broadcast = day, watch, broadcast
        self._cursor = -1
        self.seen: dict[Trouble, set[str]] = {t: set() for t in day.plan}
        self.calm_valid = self.calm = 0
        self.rss: list[tuple[float, float]] = []
        self.events: Counter[str] = Counter()
        self._plan = list(day.plan)

    def event(self, event: Event) -> None:
        self.events[event.severity] += 1

    def tick(self) -> None:
        if self._day.turning:
            return
        t = self._day.now_s - BLOCK_S
        state = self._watch.state()
        while self._plan and t > self._plan[0].end_s + CALM_S / 2:
            self._plan.pop(0)
        trouble = self._plan[0] if self._plan and t >= self._plan[0].start_s else None
        if trouble is not None and state.kind is Kind.NOT_VALID:
            self.seen[trouble] |= set(state.reasons)
        if trouble is None and t > 60.0:
            self.calm += 1
            self.calm_valid += state.kind is not Kind.NOT_VALID
        self._cursor, _ = self._broadcast.since(self._cursor)  # a page that keeps up
        if round(t) % 600 == 0:
            self.rss.append((t, rss_mb()))


def rss_mb() -> float:
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


TOLD = {
    "gap": "records lost",
    "saturation": "saturated",
    "frozen": "frozen",
    "silence": "no samples for",
    "unplugged": "unplugged",
    "battery": "D-1: battery low",
}


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_in_a_working_day_every_fault_is_told_and_no_invalid_ground_counts(tmp_path: Path) -> None:
    seconds = 3600.0 * HOURS
    day = Day(seconds, troubles(np.random.default_rng(SEED), seconds))
    profile, model = load_profile("handheld-pi"), load_model()
    warm_up(DEVICE, profile, model)
    readiness = Readiness(
        DEVICE, References(tmp_path), lambda e: None, None, "", "a simulated day", lambda: 0, day.clock
    )
    watch = Watch(DEVICE, readiness, day.clock)
    sweeping = Sweeping(DEVICE, watch, None, readiness, lambda e: None, lambda: 0, day.clock)
    broadcast = Broadcast(DEVICE, watch, readiness, sweeping, monotonic=day.clock)
    auditor = Auditor(day, watch, broadcast)
    out = tmp_path / "day.h5"
    began, cpu = time.monotonic(), time.process_time()
    writer = RecordingWriter(out, DEVICE, software="test", created_utc_ns=1)
    with writer, Recorder(writer) as recorder:
        sweeping.record(recorder.rows)
        listeners = [recorder, readiness, watch, sweeping, broadcast, auditor]
        summary = run(day, Pipeline(DEVICE, profile, model), listeners, clock=lambda: 0)
        sweeping.finish()
    took = time.monotonic() - began

    for trouble, reasons in auditor.seen.items():
        assert any(TOLD[trouble.kind] in r for r in reasons), (trouble, reasons)
    assert summary.gaps >= sum(t.kind in ("gap", "silence", "unplugged") for t in day.plan)
    # and it does not cry wolf, or the above would say nothing
    assert auditor.calm_valid > 0.97 * auditor.calm

    standing = sweeping.standing
    assert standing.ground is not None
    cell, states = standing.ground.cell_m, standing.ground.states[:, 0]
    middle = standing.origin_m + (np.arange(len(states)) + 0.5) * cell
    counted = states >= Ground.VALID
    reach = CoverageSettings().radius_m + cell
    bad = np.zeros(len(states), bool)
    near = np.zeros(len(states), bool)
    for trouble in day.plan:
        a, b = (trouble.start_s * SPEED_M_PER_S, trouble.end_s * SPEED_M_PER_S)
        if trouble.kind == "gap":  # every other block came: only what was passed while records were lost
            for k in range(round(trouble.start_s), round(trouble.end_s)):
                near |= (middle > k * SPEED_M_PER_S - 0.5) & (middle < k * SPEED_M_PER_S + 0.5)
        else:
            bad |= (middle > a + reach) & (middle < b - reach)
        near |= (middle > a - 0.5) & (middle < b + 0.5)
    assert bad.sum() > 100 * HOURS / 8
    assert not counted[bad].any(), middle[bad & counted]
    assert counted[~near].mean() > 0.97

    t, mb = np.array([r for r in auditor.rss if r[0] > 0.125 * seconds]).T
    slope = float(np.polyfit(t / 3600.0, mb, 1)[0])
    kinds = Counter(trouble.kind for trouble in day.plan)
    print(
        f"{HOURS:g} h of samples at {RATE_HZ:g}/s in {took:.0f} s ({time.process_time() - cpu:.0f} s of CPU): "
        f"{summary.records} records, {len(day.plan)} faults ({', '.join(f'{n} {k}' for k, n in kinds.items())}), "
        f"all told; not valid in {100 * (1 - auditor.calm_valid / auditor.calm):.2f} % of calm time; "
        f"{100 * counted[~near].mean():.1f} % of undisturbed ground counts; memory {mb[0]:.0f} to {mb[-1]:.0f} MB, "
        f"{slope:+.2f} MB/h"
    )
    # a day of 8 h takes 8 MB, one of 20 h 11 MB; 28 MB where HDF5 keeps as much of every table as it likes
    assert slope * min(HOURS, 16.0) < 20.0, "memory grows"
    with open_recording(out) as r:
        assert r.n_records("metal") == summary.records
        assert len(r.gaps()) == summary.gaps


def test_a_disk_that_is_full_in_the_middle_of_the_day_ends_it_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = Day(600.0, [])
    profile, model = load_profile("handheld-pi"), load_model()
    full_at_s = 320.0
    usage = shutil.disk_usage

    def disk(folder: Path) -> object:
        return SimpleNamespace(free=0) if day.now_s > full_at_s else usage(folder)

    monkeypatch.setattr("detector.recording.writer.shutil.disk_usage", disk)
    out = tmp_path / "full.h5"
    writer = RecordingWriter(out, DEVICE, software="test", created_utc_ns=1)

    class Slow(Listener):
        """Gives the recorder's own thread its turns."""

        def tick(self) -> None:
            time.sleep(0.002 if day.now_s < full_at_s else 0.02)

    with pytest.raises(RecordingError, match="MB left"), writer, Recorder(writer) as recorder:
        run(day, Pipeline(DEVICE, profile, model), [recorder, Slow()], clock=lambda: 0)
    assert full_at_s < day.now_s < 600.0
    with open_recording(out) as r:
        assert r.n_records("metal") >= 0.8 * full_at_s * RATE_HZ
        assert any(e.severity is Severity.FAULT and "MB left" in e.text for e in r.events())
