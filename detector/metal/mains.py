"""Mains rejection: 50 or 60 Hz and its harmonics, also where they alias to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from detector.kernels.biquad import sos_stream
from detector.metal.geometry import MetalGeometry
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]


class MainsSettings(Settings):
    frequency_hz: float = quantity(50.0, "Hz", 45.0, 65.0, "50 Hz in most of the world, 60 Hz in the Americas")
    harmonics: int = quantity(5, "1", 0, 20, "harmonics notched, the fundamental included; 0 = leave out")
    bandwidth_hz: float = quantity(2.0, "Hz", 0.2, 10.0, "-3 dB width of each notch; mains wanders by 0.2 Hz")
    keep_below_hz: float = quantity(
        15.0, "Hz", 0.0, 100.0, "targets live below this: a harmonic that aliases here is left alone"
    )


class MainsNotch:
    """A cascade of second-order notches, started in the steady state of the first reading.

    Latency 0 (the notches delay a target by less than a reading). A harmonic above the Nyquist
    frequency is notched where it aliases to. Source: scipy.signal.iirnotch (Orfanidis 1996).
    """

    latency = 0

    def __init__(self, settings: MainsSettings, geometry: MetalGeometry) -> None:
        fs = geometry.rate_hz
        sections: list[F8] = []
        self.left_alone_hz: list[float] = []
        """Alias frequencies that fall among the targets and so stay in the signal."""
        for h in range(1, settings.harmonics + 1):
            f = h * settings.frequency_hz
            alias = abs(f - round(f / fs) * fs)
            if alias < settings.keep_below_hz or alias > 0.49 * fs:
                self.left_alone_hz.append(alias)
                continue
            b, a = signal.iirnotch(alias, alias / settings.bandwidth_hz, fs=fs)
            sections.append(np.concatenate((b, a)))
        self._sos: F8 = np.array(sections).reshape(-1, 6)
        self._state: F8 | None = None

    def process(self, rows: F8) -> F8:
        """(n, width) to the same."""
        if len(self._sos) == 0 or len(rows) == 0:
            return rows
        if self._state is None:
            zi = np.asarray(signal.sosfilt_zi(self._sos))
            self._state = zi[:, :, None] * rows[0][None, None, :]
        return sos_stream(rows, self._sos, self._state)
