"""How the lane fills: places of the records as they come, valid where nothing speaks against them."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from detector.coverage import Coverage, Ground
from detector.pipeline import BlockMarks
from detector.samples import DeviceDescription, SampleBlock
from firmware_host.console.watch import Kind, Watch
from firmware_host.session import Listener

_WAITING: Final = 4096
"""Blocks that may wait for their marks, per session."""

_FIRST_M: Final = 20.0
"""Length of the grid at first where no lane was given, m; it doubles as the head goes on."""

_MOST_M: Final = 2000.0

_ALONG_M: Final = 0.05
"""Width of the grid where only the way along the track is known, m: one cell."""


class Sweeping(Listener):
    """Coverage along the track by the head's odometer. Records without a place cover nothing."""

    def __init__(self, device: DeviceDescription, watch: Watch, counts: bool = True) -> None:
        self._device = device
        self._watch = watch
        self._counts = counts
        """False where the session is no survey: nothing under it is swept then."""
        self._names = [s.name for s in device.streams]
        self.coverage = Coverage(_FIRST_M, _ALONG_M, self._names)
        self.origin_m: float | None = None
        """Odometer reading where the grid begins; None before there was any."""
        self.speed_m_per_s = float("nan")
        self.position_m = float("nan")
        self.unplaced = 0
        """Records without a place so far."""
        self._held: deque[tuple[SampleBlock, bool]] = deque(maxlen=_WAITING)
        self._marked = False
        self._way: deque[tuple[float, float]] = deque(maxlen=200)
        # compiled here, on scratch ground, so that no sample waits for the compiler
        one = np.zeros(1)
        Coverage(_FIRST_M, _ALONG_M, ["scratch"]).add("scratch", one, one, one, one > 0)

    def block(self, block: SampleBlock) -> None:
        valid = self._counts and self._watch.state().kind is not Kind.NOT_VALID
        self._held.append((block, valid))

    def marks(self, marks: BlockMarks) -> None:
        if len(marks.seq) == 0:
            return
        self._marked = True
        bad = marks.marks.any(axis=1)
        last = int(marks.seq[-1])
        wait: deque[tuple[SampleBlock, bool]] = deque(maxlen=_WAITING)
        for block, valid in self._held:
            n = int(np.searchsorted(block.seq, last, side="right"))
            if block.stream.name != marks.stream or n == 0:
                wait.append((block, valid))
                continue
            known = np.isin(block.seq[:n], marks.seq)
            trusted = known & ~np.isin(block.seq[:n], marks.seq[bad])
            self._pass(block[:n], trusted & valid)
            if n < len(block):
                wait.append((block[n:], valid))
        self._held = wait

    def tick(self) -> None:
        if self._marked:
            return
        while self._held:
            block, valid = self._held.popleft()
            self._pass(block, np.full(len(block), valid))

    def summary(self) -> dict[str, object]:
        """Numbers and the cells' states, as the page draws them."""
        if self.origin_m is None:
            return {"placed": False, "unplaced": self.unplaced}
        states = self.coverage.states()[:, 0]
        reached = np.flatnonzero(states != Ground.NOT_REACHED)
        first, end = (int(reached[0]), int(reached[-1]) + 1) if len(reached) else (0, 0)
        states, cell = states[first:end], self.coverage.settings.cell_m
        metres = {g.name.lower(): round(float(np.count_nonzero(states == g)) * cell, 2) for g in Ground}
        return {
            "placed": True,
            "unplaced": self.unplaced,
            "origin_m": self.origin_m + first * cell,
            "cell_m": cell,
            "cells": "".join(map(str, states)),
            "metres": metres,
        }

    def _pass(self, block: SampleBlock, valid: np.ndarray) -> None:
        x = block.odometer_m
        placed = np.isfinite(x)
        self.unplaced += int(np.count_nonzero(~placed))
        if not placed.any():
            return
        t = block.tick / self._device.tick_hz
        self._speed(float(t[placed][-1]), float(x[placed][-1]))
        if self.origin_m is None:
            self.origin_m = float(np.floor(x[placed][0])) - 1.0
        while float(np.nanmax(x)) - self.origin_m > self.coverage.length_m and self.coverage.length_m < _MOST_M:
            self.coverage.extend(2.0 * self.coverage.length_m)
        middle = np.full(len(x), 0.5 * _ALONG_M)
        self.coverage.add(block.stream.name, x - self.origin_m, middle, t, valid)

    def _speed(self, t_s: float, x_m: float) -> None:
        self.position_m = x_m
        self._way.append((t_s, x_m))
        while len(self._way) > 2 and t_s - self._way[0][0] > 0.7:
            self._way.popleft()
        dt = t_s - self._way[0][0]
        self.speed_m_per_s = abs(x_m - self._way[0][1]) / dt if dt > 0.1 else float("nan")
