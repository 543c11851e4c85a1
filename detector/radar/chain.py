"""The radar chain of one antenna: A-scans in, background-free B-scan and alarm cells out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.radar.background import Background, BackgroundSettings
from detector.radar.bandpass import Bandpass, BandpassSettings
from detector.radar.dewow import Dewow, DewowSettings
from detector.radar.gain import Gain, GainSettings
from detector.radar.geometry import RadarGeometry
from detector.radar.prescreener import Prescreener, PrescreenerSettings
from detector.radar.time_zero import TimeZero, TimeZeroSettings
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]


class RadarSettings(Settings):
    centre_frequency_mhz: float = quantity(
        0.0, "MHz", 0.0, 10000.0, "0 = as the head says; set it where the head or file does not"
    )
    velocity_sigma: float = quantity(
        0.15, "1", 0.01, 1.0, "relative uncertainty of the wave speed, for the depth interval"
    )
    dewow: DewowSettings = DewowSettings()
    bandpass: BandpassSettings = BandpassSettings()
    time_zero: TimeZeroSettings = TimeZeroSettings()
    background: BackgroundSettings = BackgroundSettings()
    gain: GainSettings = GainSettings()
    prescreener: PrescreenerSettings = PrescreenerSettings()


@dataclass(frozen=True, slots=True)
class RadarOutput:
    """What the chain gives for some A-scans. `bscan` runs ahead of `energy` by the focus's latency."""

    bscan: F8
    """(n, samples) aligned, background removed, gained."""
    lost: NDArray[np.uint8]
    """(k,) 1 where the surface echo of the k A-scans that came in was lost."""
    energy: F8
    """(n', bins) energy per depth bin."""
    speed_index: NDArray[np.int64]
    """(n', bins) which of the prescreener's wave speeds focused it best."""


class RadarChain:
    """Dewow, band-pass, time zero, background, gain, focus: in that order.

    One instance serves one unbroken segment of one antenna.
    """

    def __init__(self, settings: RadarSettings, geometry: RadarGeometry) -> None:
        self._s = settings
        self.geometry = geometry
        self._dewow = Dewow(settings.dewow, geometry)
        self._bandpass = Bandpass(settings.bandpass, geometry)
        self._time_zero = TimeZero(settings.time_zero, geometry)
        self._background = Background(settings.background, geometry)
        self._gain = Gain(settings.gain, geometry)
        self._prescreener: Prescreener | None = None
        self._curve: F8 = np.empty(0)
        self.floor: F8 = np.empty(0)
        """(bins,) energy of the quantisation step in each bin: quieter ground cannot be told apart."""

    @property
    def latency(self) -> int:
        """A-scans between input and energy."""
        focus = round(self._s.prescreener.aperture_m / self.geometry.step_m)
        return self._background.latency + focus

    @property
    def surface(self) -> int:
        return self._time_zero.surface

    @property
    def prescreener(self) -> Prescreener:
        """Known once the first A-scan showed where the surface is."""
        if self._prescreener is None:
            raise RuntimeError("the chain has not seen an A-scan yet")
        return self._prescreener

    def process(self, ascans: F8) -> RadarOutput:
        """(n, samples) float64 in the stream's unit."""
        aligned, lost = self._time_zero.process(self._bandpass.process(self._dewow.process(ascans)))
        if self._prescreener is None and len(ascans):
            self._start()
        return self._focus(self._background.process(aligned), lost, last=False)

    def finish(self) -> RadarOutput:
        """What is still owed at the end of the segment."""
        return self._focus(self._background.finish(), np.zeros(0, np.uint8), last=True)

    def _start(self) -> None:
        surface = self._time_zero.surface
        self._curve = self._gain.curve(surface)
        self._prescreener = Prescreener(self._s.prescreener, self.geometry, surface)
        # a count's quantisation noise; floating-point samples have none, so 100 dB under the surface echo
        noise = self.geometry.lsb**2 / 12.0 if self.geometry.lsb else (1e-5 * self._time_zero.surface_level) ** 2
        middle = np.minimum(self._prescreener.bins + self._prescreener.bin_length // 2, self.geometry.samples - 1)
        self.floor = np.maximum(noise * self._curve[middle] ** 2, np.finfo(np.float64).tiny)

    def _focus(self, rows: F8, lost: NDArray[np.uint8], last: bool) -> RadarOutput:
        if self._prescreener is None:
            return RadarOutput(rows, lost, np.empty((0, 1)), np.empty((0, 1), np.int64))
        bscan = self._gain.process(rows, self._curve)
        energy, which = self._prescreener.process(bscan)
        if last:
            more_energy, more_which = self._prescreener.finish()
            energy, which = np.concatenate((energy, more_energy)), np.concatenate((which, more_which))
        return RadarOutput(bscan, lost, energy, which)
