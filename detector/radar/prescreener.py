"""Prescreener: energy per depth bin of the B-scan, the cells that the alarm stage tests."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from detector.delay_line import DelayLine
from detector.kernels.focus import focused_energy, predicted_energy, stack_places, stack_weights
from detector.radar.geometry import RadarGeometry
from detector.settings import Settings, choice, quantity

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


class PrescreenerSettings(Settings):
    method: Literal["focus", "energy", "lms"] = choice(
        "focus",
        "focus: coherent sum along hyperbolas; energy: the A-scan's own; lms: error of an adaptive prediction",
    )
    aperture_m: float = quantity(0.25, "m", 0.0, 3.0, "largest half aperture of the diffraction stack (focus)")
    near_aperture_m: float = quantity(
        0.06, "m", 0.0, 3.0, "half aperture at the surface; as large as aperture_m for one at all depths (focus)"
    )
    aperture_per_depth: float = quantity(
        1.5, "1", 0.0, 20.0, "half aperture gained per metre of depth: the legs of a deep echo are longer (focus)"
    )
    slow_m_per_ns: float = quantity(0.08, "m/ns", 0.03, 0.3, "slowest wave speed tried: wet clay 0.06 (focus)")
    fast_m_per_ns: float = quantity(0.15, "m/ns", 0.03, 0.3, "fastest wave speed tried: dry sand 0.15 (focus)")
    speeds: int = quantity(3, "1", 1, 12, "wave speeds tried, spread evenly in 1/v (focus)")
    guard_m: float = quantity(0.1, "m", 0.0, 3.0, "ground each side that predicts nothing: a target's extent (lms)")
    order: int = quantity(4, "A-scans", 1, 16, "A-scans each side that predict (lms)")
    pace: float = quantity(0.05, "1", 1e-4, 1.0, "step of the normalised weights (lms)")
    first_periods: float = quantity(
        0.45, "periods of the centre frequency", 0.0, 10.0, "first depth bin, after the surface echo"
    )
    bin_periods: float = quantity(
        0.3, "periods of the centre frequency", 0.0, 10.0, "length of a depth bin: the pulse's share of an echo"
    )
    bin_ns: float = quantity(
        0.3, "ns", 0.0, 20.0, "further length: time through the object, which is the same for every antenna"
    )
    max_depth_ns: float = quantity(
        25.0, "ns", 0.0, 2000.0,
        "last bin, after the surface echo; 0 = whole A-scan. Mines lie above: 0.6 m in soaked clay, 1.9 m in dry sand",
    )  # fmt: skip


def speeds_tried(slow_m_per_ns: float, fast_m_per_ns: float, count: int) -> F8:
    """(count,) wave speeds, m/s, from the fastest to the slowest, spread evenly in 1/v."""
    slow, fast = sorted((slow_m_per_ns, fast_m_per_ns))
    return np.asarray(1e9 / np.linspace(1.0 / fast, 1.0 / slow, count))


class DepthBins:
    """Where the depth bins of each channel lie; they overlap by half and are equally many in all channels.

    room : strides that every antenna of the head has below its first bin; as these channels have unless given
    """

    def __init__(
        self, settings: PrescreenerSettings, geometry: RadarGeometry, surface: I8, room: int | None = None
    ) -> None:
        g, s = geometry, settings
        self.stride = g.stride
        self.length = max(2, round((s.bin_periods * g.period_samples + s.bin_ns * 1e-9 / g.dt_s) / self.stride))
        """Of a bin, in strides."""
        reach = self.length * self.stride
        delay = max(1, round(s.first_periods * g.period_samples))
        self.first: I8 = np.maximum(0, np.minimum(surface + delay, g.samples - reach))
        """(channels,) first sample of the first bin."""
        last = np.full(g.channels, g.samples)
        if s.max_depth_ns > 0:
            last = np.minimum(last, surface + round(s.max_depth_ns * 1e-9 / g.dt_s))
        self.room = int(np.min(last - self.first)) // self.stride if room is None else room
        self.starts: I8 = np.arange(
            0, max(1, self.room - self.length + 1), max(1, self.length // 2), dtype=np.int64
        )
        """(B,) first stride of each bin after `first`."""
        self.strides = int(self.starts[-1]) + self.length

    def __len__(self) -> int:
        return len(self.starts)

    def samples(self, channel: int) -> I8:
        """(strides,) the samples whose squares are summed."""
        return np.asarray(self.first[channel] + self.stride * np.arange(self.strides, dtype=np.int64))

    def span(self, channel: int, cell: int) -> tuple[int, int]:
        """First sample and length of one bin."""
        first = int(self.first[channel]) + int(self.starts[cell]) * self.stride
        return first, self.length * self.stride


class Prescreener:
    """Energy per depth bin, by one of three methods.

    *focus*: coherent sum along hyperbolas for a few wave speeds. It gains about sqrt(A-scans) in
    signal-to-noise ratio and pulls the tails of an echo together to its apex. The aperture grows with depth up to
    `aperture_m`, which is the latency.
    *energy*: of the A-scan itself. Latency 0. *lms*: of what an adaptive prediction from the ground on
    both sides leaves. Latency: guard and order. Sources: diffraction stack, Schneider 1978; depth-binned
    energy and LMS, Torrione, Throckmorton and Collins 2006.
    """

    def __init__(
        self, settings: PrescreenerSettings, geometry: RadarGeometry, surface: I8, antenna_m: float = 0.0,
        room: int | None = None,
    ) -> None:  # fmt: skip
        g, s = geometry, settings
        self.latency = prescreener_latency(s, g)
        self.bins = DepthBins(s, g, surface, room)
        self._s, self._g = s, g
        self.speeds_m_per_s: F8 = speeds_tried(s.slow_m_per_ns, s.fast_m_per_ns, s.speeds)
        half = self.latency if s.method == "focus" else 0
        self._stacks = []
        if s.method != "lms":
            alike: dict[int, tuple[Any, ...]] = {}
            for c in range(g.channels):
                top = int(surface[c])
                if top not in alike:
                    samples = self.bins.samples(c)
                    apertures = half_apertures(s, g, samples - top, float(np.median(self.speeds_m_per_s)))
                    whole, part, inside, ends = stack_places(
                        g.samples, float(top), g.dt_s, g.step_m, half, self.speeds_m_per_s, antenna_m, samples
                    )
                    alike[top] = whole, inside, ends, *stack_weights(g.step_m, apertures, part)
                self._stacks.append(alike[top])
        self._guard = round(s.guard_m / g.step_m)
        self._weights = np.full((g.channels, len(self.bins), 2 * s.order), 0.5 / s.order)
        self._power = np.full((g.channels, len(self.bins)), -1.0)
        self._line = DelayLine(self.latency, self.latency, g.width, np.float32)

    def process(self, ascans: F4) -> tuple[F8, I8]:
        """(n, width) to energy (n', channels * bins) and the index of the best wave speed, likewise."""
        return self._run(*self._line.push(ascans))

    def finish(self) -> tuple[F8, I8]:
        """The rows still owed at the end of a segment."""
        return self._run(*self._line.finish())

    def _run(self, held: F4, lo: int, hi: int) -> tuple[F8, I8]:
        g, bins = self._g, self.bins
        n = hi - lo
        energy = np.zeros((n, g.channels, len(bins)))
        which = np.zeros((n, g.channels, len(bins)), np.int64)
        if n:
            rows = held.reshape(len(held), g.channels, g.samples)
            for c in range(g.channels):
                if self._s.method == "lms":
                    energy[:, c] = predicted_energy(
                        rows, lo, hi, c, self._guard, self._s.order, int(bins.first[c]), bins.stride, bins.starts,
                        bins.length, self._weights[c], self._power[c], self._s.pace,
                    )  # fmt: skip
                else:
                    energy[:, c], which[:, c] = focused_energy(  # type: ignore[call-arg]
                        rows, lo, hi, c, *self._stacks[c], len(bins), bins.length
                    )
        cells = g.channels * len(bins)
        return energy.reshape(n, cells), which.reshape(n, cells)


def half_apertures(settings: PrescreenerSettings, geometry: RadarGeometry, below: I8, speed_m_per_s: float) -> F8:
    """Half aperture of the stack at samples so far below the surface, m, never above `aperture_m`.

    below : (T,) samples; speed_m_per_s : turns their time into depth
    """
    depth = 0.5 * speed_m_per_s * geometry.dt_s * np.maximum(below, 0)
    most = settings.aperture_m if settings.method == "focus" else 0.0
    return np.asarray(np.minimum(most, settings.near_aperture_m + settings.aperture_per_depth * depth))


def prescreener_latency(settings: PrescreenerSettings, geometry: RadarGeometry) -> int:
    """A-scans that the method looks ahead."""
    if settings.method == "focus":
        return round(settings.aperture_m / geometry.step_m)
    if settings.method == "lms":
        return round(settings.guard_m / geometry.step_m) + settings.order
    return 0
