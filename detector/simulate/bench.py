"""A head on a bench whose answers are known: a given ball at a given place gives a known voltage, with known faults."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy
from numpy.typing import NDArray

from detector.samples import DeviceDescription, SampleBlock, StreamDescription, StreamKind
from detector.simulate.metal_lane import decay
from detector.simulate.pulse_induction import MU0, Head, Metal, loop_field, soil_signal, sphere

F8 = NDArray[np.float64]

TICK_HZ = 1e6
EPOCH_NS = 1_700_000_000_000_000_000


def steel_ball(
    diameter_m: float, conductivity_s_per_m: float = 4.5e6, permeability: float = 60.0, terms: int = 40
) -> Metal:
    """Conducting permeable sphere, exact: the poles of Wait and Spies 1969.

    tan d = (mu - 1) d / (mu - 1 + d^2) gives d_k; tau_k = mu0 mu sigma a^2 / d_k^2 and
    A_k = 12 pi a^3 mu / (d_k^2 + (mu - 1)(mu + 2)). The defaults are near 100Cr6 chrome steel; its permeability depends
    on its hardening, so a real ball is weighed against the head, not against this.
    """
    mu, a = permeability, diameter_m / 2
    if mu <= 1.0 + 1e-6:  # the poles lie at k pi, where the equation for them has no sign to change
        return sphere(a, conductivity_s_per_m, terms)

    def pole(d: float) -> float:
        return float((mu - 1 + d * d) * np.sin(d) - (mu - 1) * d * np.cos(d))

    d = np.array([scipy.optimize.brentq(pole, k * np.pi + 1e-9, (k + 0.5) * np.pi) for k in range(1, terms + 1)])
    tau = MU0 * mu * conductivity_s_per_m * a**2 / d**2
    amplitude = 12 * np.pi * a**3 * mu / (d**2 + (mu - 1) * (mu + 2))
    return Metal(tuple(amplitude.tolist()), tuple(tau.tolist()), 4 * np.pi * a**3 * (mu - 1) / (mu + 2))


@dataclass(frozen=True, slots=True)
class Piece:
    """A test piece, and where it is under the coil: distances from the coil's axis and below its plane, m."""

    metal: Metal
    x_m: F8
    y_m: F8
    below_m: F8


@dataclass(frozen=True, slots=True)
class BenchHead:
    """A pulse-induction head with every fault stated."""

    coil: Head = field(default_factory=Head)
    rate_hz: float = 500.0
    noise_v: float = 1e-3
    """White, 1 sigma of one record at the first gate; later gates have sqrt(t0/t) of it."""
    mains_v: float = 0.0
    """Peak, the same at all gates."""
    mains_hz: float = 50.0
    drift_v_per_s: float = 0.0
    """The same at all gates."""
    warm_up_v: float = 0.0
    warm_up_s: float = 60.0
    """Time constant with which warm_up_v dies away after the start."""
    lag_s: float = 0.0
    """The signal comes this much after the place that stands beside it."""
    filter_s: float = 0.0
    """Time constant of a first-order filter between coil and record."""
    gain: float = 1.0
    """Factor on everything that the coil receives."""
    full_scale_v: float = 5.0
    viscosity: float = 0.0
    """Of soil under the head, see pulse_induction.soil_signal; 0 = none."""
    height_m: float = 0.05
    """Of the coil over that soil."""

    @property
    def sigma_v(self) -> F8:
        """(gates,) of one record."""
        t = np.array(self.coil.gates_s)
        return np.asarray(self.noise_v * np.sqrt(t[0] / t))

    @property
    def scale(self) -> float:
        """Volts per count."""
        return self.full_scale_v / 2**23

    def stream(self) -> StreamDescription:
        """As the head describes it."""
        return StreamDescription(
            stream_id=0, name="metal", kind=StreamKind.METAL_PI, channels=1, values=len(self.coil.gates_s),
            sample_type="int32", rate_hz=self.rate_hz, scale=self.scale, unit="V", axis=self.coil.gates_s,
        )  # fmt: skip

    def device(self, serial: str = "BENCH-1", firmware: str = "simulated 1") -> DeviceDescription:
        return DeviceDescription("virtual bench head", serial, firmware, TICK_HZ, (self.stream(),))

    def coupling(self, x_m: F8, y_m: F8, below_m: F8) -> F8:
        """(n,) h.h of the coil at a place, 1/m^2."""
        h_rho, h_z = loop_field(self.coil.radius_m, np.hypot(x_m, y_m), -below_m)
        return np.asarray(h_rho**2 + h_z**2)

    def response(self, piece: Piece) -> F8:
        """(n, gates) V without any fault."""
        return np.outer(self.coupling(piece.x_m, piece.y_m, piece.below_m), self.gain * decay(self.coil, piece.metal))

    def faults(self, rng: np.random.Generator, t_s: F8, phase_rad: float) -> F8:
        """(n, gates) V of noise, mains, drift and warm-up at times since switching on."""
        n = len(t_s)
        hum = self.mains_v * np.sin(2 * np.pi * self.mains_hz * t_s + phase_rad)
        slow = self.drift_v_per_s * t_s + self.warm_up_v * np.exp(-t_s / self.warm_up_s)
        out = rng.normal(size=(n, len(self.coil.gates_s))) * self.sigma_v + (hum + slow)[:, None]
        if self.viscosity:
            out += self.gain * soil_signal(self.coil, self.viscosity, np.full(n, self.height_m))
        return out

    def counts(self, volts: F8) -> NDArray[np.int32]:
        """(n, 1, gates) of the converter, which ends at 24 bits."""
        return np.clip(np.round(volts / self.scale), -(2**23), 2**23 - 1).astype(np.int32)[:, None, :]

    def block(self, first: int, x_m: F8, counts: NDArray[np.int32]) -> SampleBlock:
        """Records `first` and on; x_m : (n,) odometer, NaN where unknown."""
        seq = first + np.arange(len(counts), dtype=np.int64)
        tick = np.round(seq * (TICK_HZ / self.rate_hz)).astype(np.int64)
        utc = EPOCH_NS + np.round(tick * (1e9 / TICK_HZ)).astype(np.int64)
        nowhere = np.iinfo(np.int64).min
        odometer = np.where(np.isfinite(x_m), np.round(np.nan_to_num(x_m) * 1e6), nowhere).astype(np.int64)
        return SampleBlock(self.stream(), seq, tick, utc, odometer, counts)


@dataclass(slots=True)
class Scene:
    """What lies and moves before the head at present."""

    pieces: tuple[tuple[Metal, float, float, float], ...] = ()
    """Metal, x, y, below the coil, m: at x the odometer's zero."""
    speed_m_per_s: float = 0.0
    """Of the head along x; 0: it stands at start_m."""
    start_m: float = 0.0
    has_odometer: bool = False
    noise_factor: float = 1.0
    """On the head's noise, as a disturbing neighbour has it."""


class Bench:
    """A head that goes on sampling while the scene before it is changed. All noise is from the seed.

    Time goes on over all calls of `take`; the state of filter and lag is kept within one scene.
    """

    def __init__(self, head: BenchHead, seed: int) -> None:
        self.head = head
        self._rng = np.random.default_rng(seed)
        self._phase = float(self._rng.uniform(0, 2 * np.pi))
        self.n = 0
        """Records given so far."""
        self._scene = Scene()
        self._scene_at = 0
        self._filter: F8 | None = None

    def show(self, scene: Scene) -> None:
        """Change what is before the head, from the next record on."""
        self._scene, self._scene_at = scene, self.n
        self._filter = None

    def clean(self, t_s: F8) -> tuple[F8, F8]:
        """(n, gates) V of the pieces alone at times since the scene began, and (n,) the odometer, m."""
        s, h = self._scene, self.head
        volts = np.zeros((len(t_s), len(h.coil.gates_s)))
        felt = s.start_m + s.speed_m_per_s * (t_s - h.lag_s)
        for metal, x, y, below in s.pieces:
            zeros = np.zeros(len(t_s))
            volts += h.response(Piece(metal, felt - x, zeros + y, zeros + below))
        x_m = s.start_m + s.speed_m_per_s * t_s if s.has_odometer else np.full(len(t_s), np.nan)
        return volts, x_m

    def take(self, n: int) -> SampleBlock:
        """The next n records."""
        h = self.head
        index = self.n + np.arange(n)
        volts, x_m = self.clean((index - self._scene_at) / h.rate_hz)
        if h.filter_s > 0:
            volts = self._filtered(volts)
        noise = h.faults(self._rng, index / h.rate_hz, self._phase)
        if self._scene.noise_factor != 1.0:
            noise += self._rng.normal(size=noise.shape) * h.sigma_v * np.sqrt(self._scene.noise_factor**2 - 1)
        block = h.block(self.n, x_m, h.counts(volts + noise))
        self.n += n
        return block

    def _filtered(self, volts: F8) -> F8:
        a = float(np.exp(-1.0 / (self.head.rate_hz * self.head.filter_s)))
        state = volts[0] if self._filter is None else self._filter
        out = np.empty_like(volts)
        for i, row in enumerate(volts):
            state = a * state + (1 - a) * row
            out[i] = state
        self._filter = state
        return out
