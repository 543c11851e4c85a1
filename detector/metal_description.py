"""What a metal alarm's answer is like, in numbers that a person can read; beside the features, which decide."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MOST_SLOPES: Final = 63
"""Slopes between successive gates that a recording keeps: 64 gates."""
MOST_FREQUENCIES: Final = 32
"""Frequencies whose phase and amplitude a recording keeps."""

_NAN: Final = float("nan")

HIDES_M: Final = 0.2
"""Half width from which an answer is told to hide its neighbours: more than the hole that is dug for it."""


@dataclass(frozen=True, slots=True)
class MetalDescription:
    """Of the response at the alarm's peak, behind the matched filter that stood out, soil and all. NaN = not told."""

    snr: float = _NAN
    """Amplitude over noise, all values together; of a wave with the fitted soil taken off."""
    sign: float = _NAN
    """+1 or -1, of the first gate that stands out by two sigma; pulse induction."""
    sign_changes: float = _NAN
    """Between successive gates that stand out by two sigma; pulse induction."""
    log_slopes: tuple[float, ...] = ()
    """d ln|v| / d ln t between successive gates, NaN where one of the two is below two sigma; pulse induction."""
    early_late_ratio: float = _NAN
    """Sum of the earlier half of the gates over that of the later; pulse induction."""
    tau_s: float = _NAN
    """Time constant that fits best: single exponential of a pulse, single pole of a wave, s."""
    tau_sigma_s: float = _NAN
    """1 sigma of it from the noise alone, s; NaN at the end of what the gates can tell; pulse induction."""
    tau_fit: float = _NAN
    """Share of the energy that the single exponential explains, 0 to 1."""
    tau_fast_s: float = _NAN
    """Of the best pair of exponentials, s; ..."""
    tau_slow_s: float = _NAN
    """... the same where one explains as much."""
    phase_deg: tuple[float, ...] = ()
    """By frequency: 0 ferrite, 90 thin conductor, 180 thick conductor; soil taken off; continuous wave."""
    amplitude: tuple[float, ...] = ()
    """By frequency, stream's unit; soil taken off; continuous wave."""
    static: float = _NAN
    """Magnetic part at all frequencies, stream's unit; continuous wave."""
    eddy: float = _NAN
    """Eddy-current part's high-frequency limit, stream's unit; continuous wave."""
    ferrous: float = _NAN
    """1 if the magnetic part is more than a quarter of the eddy part, else 0; continuous wave."""
    confidence: float = _NAN
    """That `ferrous` is right, 0.5 to 1, from the noise alone; near 0.5 where soil hides it."""
    depth_m: float = _NAN
    """Of the metal's middle below the ground, by a dipole fitted along the track; NaN without an odometer."""
    depth_sigma_m: float = _NAN
    """1 sigma of it, what is not known of the head included."""
    along_m: float = _NAN
    """The metal's place from the alarm's, along the odometer."""
    along_sigma_m: float = _NAN
    across_m: float = _NAN
    """From the middle of the alarmed coil; heads with several coils whose places the profile holds."""
    across_sigma_m: float = _NAN
    strength_db: float = _NAN
    """What the coil would read 10 cm straight above it, over the noise of one reading; size, whatever the depth."""
    strength_sigma_db: float = _NAN
    misfit: float = _NAN
    """Rms that the dipole leaves over the noise's; far above 1 it is no small body, or the ground is uneven."""
    hidden_m: float = _NAN
    """To either side, how far its own answer stands above the threshold: weaker metal there is not heard by itself."""

    @property
    def hides(self) -> str:
        """That weaker metal beside it cannot be heard, for a person; empty where a hole dug for it reaches as far."""
        return f"hides weaker metal within {100 * self.hidden_m:.0f} cm" if self.hidden_m >= HIDES_M else ""

    @property
    def text(self) -> str:
        """For a person."""
        said = [f"{self.snr:.0f} sigma"] if self.snr == self.snr else []
        if self.tau_s == self.tau_s:
            sigma = f" ± {1e6 * self.tau_sigma_s:.2g}" if self.tau_sigma_s == self.tau_sigma_s else ""
            said.append(f"tau {1e6 * self.tau_s:.3g}{sigma} us")
        if self.tau_fit == self.tau_fit:
            said.append(f"{100 * self.tau_fit:.0f} % explained")
        if any(s == s for s in self.log_slopes):
            told = [s for s in self.log_slopes if s == s]
            said.append(f"slope {told[0]:.1f} to {told[-1]:.1f}")
        if self.early_late_ratio == self.early_late_ratio:
            said.append(f"early/late {self.early_late_ratio:.3g}")
        if self.sign < 0 or self.sign_changes > 0:
            said.append(f"sign {self.sign:+.0f}, {self.sign_changes:.0f} changes")
        if self.phase_deg:
            said.append(f"phase {', '.join(f'{p:.0f}' for p in self.phase_deg)} deg")
        if self.ferrous == self.ferrous:
            kind = "ferrous" if self.ferrous else "not ferrous"
            said.append(f"{kind}, {100 * self.confidence:.0f} % sure")
        if self.depth_m == self.depth_m:
            said.append(f"metal {100 * self.depth_m:.0f} ± {200 * self.depth_sigma_m:.0f} cm deep (95 %)")
            said.append(f"{100 * self.along_m:+.0f} ± {200 * self.along_sigma_m:.0f} cm along")
            if self.across_m == self.across_m:
                said.append(f"{100 * self.across_m:+.0f} ± {200 * self.across_sigma_m:.0f} cm across from its coil")
            said.append(f"strength {self.strength_db:.0f} ± {2 * self.strength_sigma_db:.0f} dB at 10 cm")
        if self.hides:
            said.append(f"{self.hides}: dig, then sweep again")
        return "; ".join(said) or "nothing told"

    def to_row(self, detection_id: int) -> NDArray[Any]:
        """A 0-d array of METAL_DTYPE."""
        row = np.zeros((), METAL_DTYPE)
        row["detection_id"] = detection_id
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, tuple):
                room = METAL_DTYPE[f.name].shape[0]
                value = [*value[:room], *[np.nan] * (room - len(value))]
            row[f.name] = value
        row["n_slopes"] = min(len(self.log_slopes), MOST_SLOPES)
        row["n_frequencies"] = min(len(self.phase_deg), MOST_FREQUENCIES)
        return row

    @staticmethod
    def from_row(row: Any) -> MetalDescription:
        """The inverse of `to_row`; what it had no room for is gone."""
        n = {"log_slopes": int(row["n_slopes"])} | dict.fromkeys(("phase_deg", "amplitude"), int(row["n_frequencies"]))
        values: dict[str, Any] = {}
        for f in fields(MetalDescription):
            value = row[f.name]
            values[f.name] = tuple(float(v) for v in value[: n[f.name]]) if f.name in n else float(value)
        return MetalDescription(**values)


LOCATED: Final = (
    *("depth_m", "depth_sigma_m", "along_m", "along_sigma_m", "across_m", "across_sigma_m"),
    *("strength_db", "strength_sigma_db", "misfit"),
)
"""What the dipole fit tells: columns that files written before it lack."""

METAL_DTYPE: Final = np.dtype(
    [
        ("detection_id", "<i8"),
        ("snr", "<f8"),
        ("sign", "<f8"),
        ("sign_changes", "<f8"),
        ("n_slopes", "<i4"),
        ("log_slopes", "<f8", (MOST_SLOPES,)),
        ("early_late_ratio", "<f8"),
        ("tau_s", "<f8"),
        ("tau_sigma_s", "<f8"),
        ("tau_fit", "<f8"),
        ("tau_fast_s", "<f8"),
        ("tau_slow_s", "<f8"),
        ("n_frequencies", "<i4"),
        ("phase_deg", "<f8", (MOST_FREQUENCIES,)),
        ("amplitude", "<f8", (MOST_FREQUENCIES,)),
        ("static", "<f8"),
        ("eddy", "<f8"),
        ("ferrous", "<f8"),
        ("confidence", "<f8"),
        ("depth_m", "<f8"),
        ("depth_sigma_m", "<f8"),
        ("along_m", "<f8"),
        ("along_sigma_m", "<f8"),
        ("across_m", "<f8"),
        ("across_sigma_m", "<f8"),
        ("strength_db", "<f8"),
        ("strength_sigma_db", "<f8"),
        ("misfit", "<f8"),
        ("hidden_m", "<f8"),
    ]
)
"""The description of one detection's metal alarm as a row."""
