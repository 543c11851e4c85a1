"""Dense echoes: objects as dense as they are deep, each of which lies in the ground that others are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from detector.delay_line import Rows
from detector.kernels.dense import any_loud, dense_peaks, hyperbola_delays
from detector.radar.geometry import RadarGeometry
from detector.radar.prescreener import DepthBins, speeds_tried
from detector.settings import Settings, choice, quantity

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

_NEPERS: Final = np.log(10.0) / 10.0
"""Of energy in a decibel."""


class DenseSettings(Settings):
    use: Literal["yes", "no"] = choice(
        "yes", "yes: in a depth that echoes louder than all above it hyperbolas alarm by their shape; no: they do not"
    )
    louder_db: float = quantity(
        -3.0, "dB", -60.0, 60.0,
        "so much louder than all ground above it, both without gain, is a depth that is looked at: ground fades with"
        " depth, but a layer of objects does not; less than 0, since the uppermost ground holds the foot of a shallow"
        " layer's echoes",
    )  # fmt: skip
    ratio_db: float = quantity(1.5, "dB", 0.0, 60.0, "that a place stands over its depth's ground: no gap does")
    likeness: float = quantity(0.7, "1", 0.0, 1.0, "semblance along the best hyperbola, at least")
    lead: float = quantity(
        0.2, "1", 0.01, 1.0, "by which it exceeds that along the best straight line, level or sloping: layers do not"
    )
    companions: int = quantity(2, "1", 0, 20, "others like it at its depth, at least: one alone is not dense")
    reach_m: float = quantity(1.0, "m", 0.1, 10.0, "within which they lie; less where the chain sees less far ahead")
    near_periods: float = quantity(
        0.75, "periods of the centre frequency", 0.0, 10.0, "by which echoes of one depth differ at most"
    )
    radius_m: float = quantity(0.06, "m", 0.01, 5.0, "of places nearer than this only the surest alarms")
    near_aperture_m: float = quantity(0.03, "m", 0.0, 3.0, "half aperture of the hyperbola at the surface")
    aperture_per_depth: float = quantity(
        0.75, "1", 0.0, 20.0, "half aperture gained per metre of depth: half-way to a neighbour as far as it is deep"
    )
    aperture_m: float = quantity(0.25, "m", 0.01, 3.0, "largest half aperture")
    slow_m_per_ns: float = quantity(0.08, "m/ns", 0.03, 0.3, "slowest wave speed tried")
    fast_m_per_ns: float = quantity(0.15, "m/ns", 0.03, 0.3, "fastest wave speed tried")
    speeds: int = quantity(4, "1", 1, 12, "wave speeds tried, spread evenly in 1/v")
    slope_ns_per_m: float = quantity(10.0, "ns/m", 0.0, 100.0, "steepest line tried")
    pulse_periods: float = quantity(0.6, "periods of the centre frequency", 0.0, 10.0, "length of what is compared")


@dataclass(frozen=True, slots=True)
class DenseEcho:
    """Why a place alarms although the ground at its depth is as loud."""

    row: int
    """From the start of the segment."""
    channel: int
    cell: int
    lead: float
    """Semblance along the best hyperbola less that along the best line."""
    likeness: float
    """Semblance along the best hyperbola."""
    speed_m_per_s: float
    """Of that hyperbola."""
    two_way_s: float
    """Of the middle of its depth bin below the surface echo."""
    companions: int
    """Others like it at its depth within reach."""
    louder_db: float
    """By which the ground at its depth is louder than all above it."""


class DenseEchoes:
    """Finds them beside the alarm stage, and only where that has nothing to compare with.

    A cell stands against the ground of its own depth. Where objects lie at one depth as close as they are deep they
    are that ground, and none stands out. What betrays them: without gain, that depth is as loud as all above it
    (`louder_db`), and in it the A-scans add up along hyperbolas (`likeness`) and not along straight lines (`lead`), at
    several places (`companions`). Layers are as loud, but lie straight. On ground that fades with depth nothing
    of this is computed but the first comparison.

    It looks no further ahead than the alarm stage: latency none beside it. Source: semblance, Taner and Koehler 1969.

    Parameters
    ----------
    geometry, bins, surface : of the antennas, see :class:`detector.radar.chain.RadarChain`
    gain : (channels, samples) factor of amplitudes that the chain applied
    antenna_m : height over the ground that bends the hyperbolas
    ahead : A-scans that are known beyond a row that is decided, of energy
    scans_ahead : the same of the B-scan, which runs ahead of energy
    slope : cells up and down whose strongest the ground is
    """

    def __init__(
        self, settings: DenseSettings, geometry: RadarGeometry, bins: DepthBins, surface: I8, gain: F4,
        antenna_m: float, ahead: int, scans_ahead: int, slope: int = 0,
    ) -> None:  # fmt: skip
        s, g = settings, geometry
        self._s, self._g, self._slope = s, g, slope
        self._half = max(1, round(0.5 * s.pulse_periods * g.period_samples / bins.stride))
        self._stride = bins.stride
        middle = bins.first[:, None] + (bins.starts + bins.length // 2)[None, :] * bins.stride
        self._at: F8 = middle.astype(np.float64)
        self._times: F8 = np.maximum(0.0, (self._at - surface[:, None]) * g.dt_s)
        last = np.minimum(middle, g.samples - 1)
        self._gain: F8 = 2.0 * np.log(np.take_along_axis(gain.astype(np.float64), last, axis=1))
        self._upper: I8 = np.array(
            [np.searchsorted(t, t - 1.0 / g.centre_frequency_hz, side="right") for t in self._times], dtype=np.int64
        )
        self._speeds: F8 = speeds_tried(s.slow_m_per_ns, s.fast_m_per_ns, s.speeds)
        depth = 0.5 * self._times * float(np.median(self._speeds))
        half_m = np.minimum(s.aperture_m, s.near_aperture_m + s.aperture_per_depth * depth)
        self._radius = max(1, min(g.rows(s.radius_m), ahead, scans_ahead - 2))
        # a place is compared with those within the radius, each of which needs its whole aperture
        most = max(0, scans_ahead - self._radius)
        self._apertures: I8 = np.clip(np.round(half_m / g.step_m).astype(np.int64), min(2, most), most)
        widest = int(self._apertures.max())
        delays = [
            hyperbola_delays(t, np.full(len(t), widest), g.step_m, g.dt_s, self._speeds, antenna_m) for t in self._times
        ]
        self._delays: F4 = np.stack(delays)
        # a quarter of a period at the aperture's end, from line to line
        self._slope_steps: F8 = 0.25 * g.period_samples / np.maximum(1, self._apertures)
        steepest = s.slope_ns_per_m * 1e-9 * g.step_m / g.dt_s
        self._slopes: I8 = np.ceil(steepest / self._slope_steps).astype(np.int64)
        self._reach = max(self._radius, min(g.rows(s.reach_m), ahead, scans_ahead - widest))
        self.behind = self._reach + widest
        """A-scans before a row that is to be decided that must still be there."""
        cells = self._times.size
        self._own = Rows(cells, np.float32)
        self._ground = Rows(cells, np.float32)
        self._leads = Rows(cells, np.float32)
        self._next = 0

    @property
    def radius(self) -> int:
        """A-scans within which only one place alarms."""
        return self._radius

    def entered(self, own: F4) -> None:
        """(n, cells) log energies, as they come to the alarm stage."""
        self._own.append(own)

    def compared(self, own: F4, ratio: F8) -> None:
        """(n, cells) log energies of rows that were compared, and what that gave; NaN where there was too little."""
        self._ground.append(own - ratio)

    def process(self, decided: int, bscan: Rows) -> list[DenseEcho]:
        """Of the rows before `decided` that were not judged yet; all that they need was entered and compared.

        bscan : (k, channels * samples) of this segment, from `behind` A-scans before those rows on
        """
        lo, self._next = self._next, max(self._next, decided)
        if self._next == lo:
            return []
        s, g = self._s, self._g
        shape = (-1, g.channels, self._times.shape[1])
        base, louder = self._own.base, s.louder_db * _NEPERS
        ground = self._ground.held.reshape(shape)
        if not any_loud(ground[lo - base : self._next - base], self._slope, self._gain, self._upper, louder):
            self._trim()
            return []
        self._ask_leads()
        found = dense_peaks(
            lo, self._next, base, self._own.end, self._own.held.reshape(shape), ground,
            self._leads.held.reshape(shape), self._slope, self._gain, self._upper, self._times,
            bscan.held.reshape(-1, g.channels, g.samples), bscan.base, self._at, self._delays, self._apertures,
            self._half, self._stride, self._slope_steps, self._slopes, louder, s.ratio_db * _NEPERS,
            s.likeness, s.lead, s.near_periods / g.centre_frequency_hz, self._radius, self._reach, s.companions,
        )  # fmt: skip
        self._trim()
        return [
            DenseEcho(
                int(row), int(channel), int(cell), float(lead), float(likeness), float(self._speeds[int(speed)]),
                float(self._times[int(channel), int(cell)]), int(others), float(louder / _NEPERS),
            )
            for row, channel, cell, lead, likeness, speed, others, louder in found
        ]  # fmt: skip

    def _ask_leads(self) -> None:
        """Room for the leads of all rows held, NaN where nobody asked for them yet."""
        if self._leads.end < self._own.base:
            self._leads = Rows(self._times.size, np.float32)
            self._leads.base = self._own.base
        self._leads.trim(self._own.base)
        self._leads.extend(self._own.end - self._leads.end)[:] = np.nan

    def _trim(self) -> None:
        first = self._next - self._reach
        self._own.trim(first)
        self._ground.trim(first)
