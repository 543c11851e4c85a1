"""Stepped-frequency heads: calibrated spectra, windowed and transformed to A-scans."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import scipy
from numpy.typing import NDArray

from detector.errors import ProfileError
from detector.kernels.stepped import spectra_to_ascans
from detector.settings import Settings, choice, listed, quantity

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]


class SteppedSettings(Settings):
    window: Literal["hann", "hamming", "blackman", "boxcar"] = choice(
        "hann", "weight along frequency: trades the pulse's width for its side lobes (-31, -43, -58, -13 dB)"
    )
    samples_per_period: float = quantity(10.0, "samples", 4.0, 64.0, "per period of the middle frequency")
    max_range_ns: float = quantity(0.0, "ns", 0.0, 2000.0, "length of the A-scan; 0 = all that is unambiguous")
    offset_ns: float = quantity(2.0, "ns", 0.0, 100.0, "time before zero shown, so that the surface echo is whole")
    reference: tuple[float, ...] = listed(
        "stream's unit", "I, Q per frequency of a flat metal plate at the ground's place; spectra are divided by it"
    )
    empty: tuple[float, ...] = listed(
        "stream's unit", "I, Q per frequency of the head in the air; taken off spectra and reference"
    )
    regularisation: float = quantity(
        0.01, "1", 1e-6, 1.0, "share of the reference's greatest power that keeps weak frequencies from blowing up"
    )


class Stepped:
    """A-scan x(t) = sum over f of w(f) Re[ C(f) S(f) exp(2 pi i f t) ], at any evenly stepped frequencies.

    C = conj(R - E) / (|R - E|^2 + r max|R - E|^2) divides by the reference (Wiener's form), S is the
    spectrum less the empty one. Without a reference C = 1. Latency 0. Sources: Noon 1996 (stepped-frequency
    GPR); Harris 1978 (windows).

    Raises
    ------
    ProfileError
        when the frequencies are not evenly stepped, or the reference does not fit them.

    Parameters
    ----------
    frequencies_hz : ascending; scale : stream's unit per count, for reference and empty
    """

    latency = 0

    def __init__(
        self, settings: SteppedSettings, name: str, frequencies_hz: tuple[float, ...], scale: float = 1.0
    ) -> None:
        s = settings
        f = np.asarray(frequencies_hz, dtype=np.float64)
        if len(f) < 8:
            raise ProfileError(
                f"The stepped-frequency stream {name!r} has {len(f)} frequencies; at least 8 make an A-scan."
            )
        step = float(f[-1] - f[0]) / (len(f) - 1)
        if step <= 0 or np.max(np.abs(np.diff(f) - step)) > 0.01 * step:
            raise ProfileError(
                f"The frequencies of {name!r} are not evenly stepped upward. Let the head step evenly; uneven "
                "steps have no unambiguous range."
            )
        for key in ("reference", "empty"):
            given = getattr(s, key)
            if given and len(given) != 2 * len(f):
                raise ProfileError(
                    f"radar.stepped.{key} holds {len(given)} numbers; {name!r} has {len(f)} frequencies and needs "
                    f"{2 * len(f)}, I and Q of each. Record it again with this head."
                )
        self.centre_frequency_hz = 0.5 * float(f[0] + f[-1])
        self.dt_s = 1.0 / (s.samples_per_period * self.centre_frequency_hz)
        if self.dt_s > 0.45 / f[-1]:
            raise ProfileError(
                f"radar.stepped.samples_per_period = {s.samples_per_period:g} is too few for {name!r}, which reaches "
                f"{f[-1] / 1e6:g} MHz: it must be at least {f[-1] / 0.45 / self.centre_frequency_hz:.1f}."
            )
        whole = 1.0 / step
        length = min(whole, s.max_range_ns * 1e-9) if s.max_range_ns > 0 else whole
        self.samples = max(16, int(length / self.dt_s))
        t = np.arange(self.samples) * self.dt_s - s.offset_ns * 1e-9
        # the window's zero ends would waste two frequencies
        weight = scipy.signal.get_window(s.window, len(f) + 2, fftbins=False)[1:-1]
        weight = weight / weight.sum()
        self.lsb = float(np.sqrt(np.sum(weight**2)))
        """What a count of I or Q amounts to in an A-scan."""
        phase = 2.0 * np.pi * f[:, None] * t
        self._matrix: F4 = np.empty((2 * len(f), self.samples), np.float32)
        self._matrix[0::2] = weight[:, None] * np.cos(phase)
        self._matrix[1::2] = -weight[:, None] * np.sin(phase)
        self._empty: F8 = np.asarray(s.empty, dtype=np.float64) / scale if s.empty else np.zeros(2 * len(f))
        self.factor: F8 = np.tile([1.0, 0.0], len(f))
        """(2 F,) complex factor per frequency: real, imaginary in turn."""
        if s.reference:
            plate = np.asarray(s.reference, dtype=np.float64) / scale - self._empty
            r = plate[0::2] + 1j * plate[1::2]
            power = np.abs(r) ** 2
            c = np.conj(r) / (power + s.regularisation * max(float(power.max()), 1e-300))
            # a plate then reads as it would without: the chain's amplitudes stay those of the stream
            c = c * float(np.sqrt(power.mean()))
            self.factor[0::2], self.factor[1::2] = c.real, c.imag

    def process(self, raw: NDArray[Any]) -> F4:
        """(n, channels, 2 F) I and Q in counts to (n, channels, samples), counts."""
        return spectra_to_ascans(raw, self._empty, self.factor, self._matrix)
