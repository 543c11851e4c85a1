"""The metal-detector chain of one head: readings in; search statistic, marks and alarm cells out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from detector.kernels.gates import refresh_rows
from detector.metal.coils import CoilSettings
from detector.metal.drift import DriftSettings
from detector.metal.geometry import MetalGeometry
from detector.metal.ground_balance import GroundBalanceSettings
from detector.metal.impulse import ImpulseRejection, ImpulseSettings
from detector.metal.mains import MainsSettings, MainsTracker
from detector.metal.phase import PhaseRotation, PhaseSettings
from detector.metal.response import Response, ResponseSettings
from detector.metal.search import NoiseSettings, Search, SearchSettings
from detector.metal.tracked import Turn
from detector.metal.trust import RawTrust, TrustSettings
from detector.settings import Settings

F8 = NDArray[np.float64]
U1 = NDArray[np.uint8]

_CHUNK = 256
"""Readings that go through all stages before the next do: they stay in the processor's cache."""


class MetalSettings(Settings):
    mode: Literal["motion", "static"] = "motion"
    """motion: the baseline follows, targets are what passes. static: a stored offset, to pinpoint and to measure."""
    trust: TrustSettings = TrustSettings()
    impulse: ImpulseSettings = ImpulseSettings()
    phase: PhaseSettings = PhaseSettings()
    mains: MainsSettings = MainsSettings()
    noise: NoiseSettings = NoiseSettings()
    drift: DriftSettings = DriftSettings()
    ground_balance: GroundBalanceSettings = GroundBalanceSettings()
    search: SearchSettings = SearchSettings()
    response: ResponseSettings = ResponseSettings()
    coils: CoilSettings = CoilSettings()


@dataclass(frozen=True, slots=True)
class MetalOutput:
    """What the chain gives for some readings. All others run ahead of `energy` by the response's latency."""

    gates: F8
    """(n, channels * values) offset and drift removed, stream's unit."""
    soil_share: F8
    """(n, channels) share of the whitened energy that lies along the soil's directions, 0 to 1."""
    search: F8
    """(n, channels) causal statistic; chi-square over its degrees of freedom on clean noise."""
    marks: U1
    """(n,) bits of detector.samples.Mark."""
    energy: F8
    """(n', channels, cells); unit white noise gives 1."""
    readings: F8
    """(n, channels * values) impulses, phase and mains seen to; offset and drift still in them."""
    turns: tuple[Turn, ...] = ()
    """Of the soil's directions at these readings, where they are tracked."""
    hidden: F8 | None = None
    """Once a segment: (n", channels, cells) energies of its first readings, judged by the ground that follows; 0 where
    soil may answer so."""


class MetalChain:
    """Trust, impulses, phase, mains, then search (causal) and response (looking ahead).

    One instance serves one unbroken segment of one stream.
    """

    def __init__(self, settings: MetalSettings, geometry: MetalGeometry) -> None:
        moves = settings.mode == "motion"
        self.geometry = geometry
        self._trust = RawTrust(settings.trust, geometry)
        self._impulse = ImpulseRejection(settings.impulse, geometry)
        self._phase = PhaseRotation(settings.phase, geometry)
        self.mains = MainsTracker(settings.mains, geometry)
        self.search = Search(
            settings.search, settings.noise, settings.drift, settings.ground_balance, settings.trust, geometry, moves
        )
        self.response = Response(settings.response, geometry, self.search.state.nominal, moves)
        self._waiting: U1 = np.empty(0, np.uint8)
        self._places: F8 = np.empty(0)
        self._rows = 0

    @property
    def latency(self) -> int:
        """Readings between input and energy."""
        return self._impulse.latency + self.response.latency

    @property
    def search_latency(self) -> int:
        """Readings between input and gates, marks and search statistic."""
        return self._impulse.latency

    @property
    def search_latency_s(self) -> float:
        """Time by which the search statistic is late, s: readings ahead and the mean delay of its smoothing."""
        return self._impulse.latency / self.geometry.rate_hz + self.search.delay_s

    def process(self, readings: F8, places_m: F8 | None = None) -> MetalOutput:
        """Readings (n, channels * values) float64 in the stream's unit; places_m (n,) of the head, NaN if not known."""
        out = self._room(len(readings))
        energies: list[F8] = []
        at = 0
        for first in range(0, len(readings), _CHUNK):
            chunk = readings[first : first + _CHUNK]
            self._waiting = np.concatenate((self._waiting, self._trust.process(chunk)))
            here = np.full(len(chunk), np.nan) if places_m is None else places_m[first : first + _CHUNK]
            self._places = np.concatenate((self._places, here))
            at = self._after(self._impulse.process(self._trust.held(chunk)), out, at, energies)
        return self._cut(out, at, energies)

    def finish(self) -> MetalOutput:
        """What is still owed at the end of the segment."""
        out = self._room(self._impulse.latency)
        energies: list[F8] = []
        at = self._after(self._impulse.finish(), out, 0, energies)
        energies.append(self.response.finish(self.search.state.factor))
        return self._cut(out, at, energies)

    def _after(self, rows: F8, out: MetalOutput, at: int, energies: list[F8]) -> int:
        """Fill out from row `at` on; returns the row after the last."""
        rows = self.mains.process(self._phase.process(rows))
        done = 0
        while done < len(rows):
            # energies take the noise as of the newest reading; at the start no piece may reach over a change of it
            n = len(rows) - done
            change = _to_next_refresh(self._rows)
            if self._rows < 256 or self.search.tracks or not self.response.steady:
                n = min(n, change)
            since = change if change < n else 0
            fresh = since > 0 or refresh_rows(self._rows)
            piece = rows[done : done + n]
            to = slice(at, at + n)
            out.readings[to] = piece
            out.marks[to] = self._waiting[done : done + n]
            self.search.process(piece, out.gates[to], out.soil_share[to], out.search[to], out.marks[to])
            factor = self.search.state.factor if fresh else None
            energy = self.response.process(piece, factor, self._places[done : done + n], since)
            if len(energy):
                energies.append(energy)
            self._rows += n
            done += n
            at += n
        self._waiting, self._places = self._waiting[done:], self._places[done:]
        return at

    def _room(self, n: int) -> MetalOutput:
        g = self.geometry
        return MetalOutput(
            np.empty((n, g.width)), np.empty((n, g.channels)), np.empty((n, g.channels)), np.empty(n, np.uint8),
            np.empty((0, g.channels, self.response.cells)), np.empty((n, g.width)),
        )  # fmt: skip

    def _cut(self, out: MetalOutput, n: int, energies: list[F8]) -> MetalOutput:
        energy = energies[0] if len(energies) == 1 else np.concatenate((out.energy, *energies))
        return MetalOutput(
            out.gates[:n], out.soil_share[:n], out.search[:n], out.marks[:n], energy, out.readings[:n],
            self.search.turns(), self.response.take_hidden(),
        )  # fmt: skip


def _to_next_refresh(row: int) -> int:
    """Rows from that one up to the next change of the whitener, see kernels.gates.refresh_rows."""
    if row >= 128:
        return 256 - row % 256
    return max(8, 1 << row.bit_length()) - row
