"""Objects that lie only in the computer: what a real head would read of them, added to what it does read.

For practice. The response depends on a record's place alone, never on the records round it, so any cut of the stream
gives the same bits. Approximate like all of detector/simulate: one coil size and height, one wave speed, one loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detector.detections import LabelClass, TrueObject
from detector.errors import SampleError
from detector.samples import SampleBlock, StreamDescription, StreamKind
from detector.simulate.buried import Buried
from detector.simulate.continuous_wave import metal_polarizability
from detector.simulate.metal_lane import decay, field_at
from detector.simulate.pulse_induction import TARGETS, Head, Metal
from detector.simulate.scene import place_objects

F8 = NDArray[np.float64]

LEAD_IN_M: Final = 1.5
"""Nothing is hidden before this place: the head is learned meanwhile, m."""
REACH_M: Final = 0.6
"""Beyond this distance along the track an object answers with exact zeros, m; from 0.8 of it on it fades."""
STEP_M: Final = 0.002
"""Grid of the tabled responses, m: a tenth of the shortest wavelength in ground; linear between."""
HEIGHT_M: Final = 0.05
"""Of the coil over the ground, m; assumed."""
PIECE_M: Final = 0.10
"""Distance at which the test piece is taken to pass, m: under coil or antenna."""
SPEED_M_PER_S: Final = 1e8
"""Of radar waves in the ground: relative permittivity 9, the same as the page's depth scale."""
SOIL_PERMITTIVITY: Final = 9.0
LOSS_NP_PER_M: Final = 3.0
"""Loss of radar waves in the ground, 26 dB/m; assumed."""
METAL_SIGMAS: Final = 50.0
"""Without a reference: the test piece's response, rms over values, over the rms noise of a record."""
RADAR_SIGMAS: Final = 30.0
"""Without a reference: the test piece's echo, its peak over the rms noise of a record."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What is known of one stream of the head itself.

    sigma : 1 sigma of a record, rms over values, in counts
    pulse : (2 w + 1,) radar: the direct wave round its peak, peak 1; empty for metal
    peak : radar: sample of that peak
    """

    sigma: float
    pulse: F8
    peak: int


def records_to_learn(stream: StreamDescription) -> int:
    """How many records `learn` wants: a second, but no more track than half the lead-in."""
    fewest = 16
    if stream.step_m > 0:
        return int(np.clip(0.5 * LEAD_IN_M / stream.step_m, fewest, 64))
    return int(np.clip(stream.rate_hz, fewest, 1000))


def learn(stream: StreamDescription, raw: NDArray[np.generic]) -> Learned:
    """Noise and pulse of a stream from (n, channels, values) records on plain ground, n at least 2.

    Noise by the root mean square step from record to record over sqrt 2, so slow ground does not count.
    """
    x = raw.astype(np.float64)
    sigma = float(np.sqrt(np.mean(np.diff(x, axis=0) ** 2) / 2.0))
    if stream.kind is not StreamKind.RADAR:
        return Learned(sigma, np.empty(0), 0)
    mean = x[:, 0, :].mean(axis=0)
    mean = mean - np.median(mean)
    peak = int(np.argmax(np.abs(mean)))
    hz = stream.centre_frequency_hz or 0.1 / stream.sampling_interval_s
    w = max(2, int(np.ceil(1.5 / (hz * stream.sampling_interval_s))))
    padded = np.pad(mean, w)[peak : peak + 2 * w + 1]
    shape = padded * np.hanning(2 * w + 3)[1:-1]
    top = float(np.abs(shape).max())
    return Learned(sigma, shape / top if top > 0 else shape, peak)


def hidden_objects(seed: int, length_m: float, per_m: float) -> tuple[Buried, ...]:
    """What is hidden on `length_m` after the lead-in: as in a simulated scene, with one mine at the least.

    Raises
    ------
    SampleError
        if so many do not fit.
    """
    if not 2.0 <= length_m <= 100.0 or not 0.1 <= per_m <= 1.5:
        raise SampleError(f"Hide 0.1 to 1.5 objects per metre on 2 to 100 m, not {per_m:g} on {length_m:g} m.")
    rng = np.random.default_rng(seed)
    while True:
        # holes, roots and burrows are left out: what they do to a real head is not known well enough to practise on
        objects = [o for o in place_objects(rng, length_m, per_m) if o.metal is not None or o.shape == "box"]
        if any(o.label is LabelClass.MINE for o in objects):
            return tuple(replace(o, x_m=o.x_m + LEAD_IN_M) for o in objects)


def _law(stream: StreamDescription, metal: Metal) -> F8:
    """(values,) response of a piece of metal in arbitrary units: over gates, or I and Q over frequencies."""
    if stream.kind is StreamKind.METAL_PI:
        return decay(Head(gates_s=stream.axis), metal)
    if stream.kind is StreamKind.METAL_CW:
        moment = metal_polarizability(metal, stream.axis)
        return np.stack((moment.real, -moment.imag), axis=1).ravel()
    return np.full(stream.values, float(np.sum(metal.amplitudes_m3)))


def _coupling(o: Buried, dx_m: F8) -> F8:
    """Response along the track of one object to one coil that sends and receives, uniaxial polarizability."""
    field = field_at(Head().radius_m, -dx_m, 0.0, np.full(len(dx_m), o.metal_depth_m + HEIGHT_M))
    a = np.array(o.axis)
    moment = (field + (o.elongation - 1) * (field @ a)[:, None] * a) * 3 / (o.elongation + 2)
    return np.asarray(np.sum(field * moment, axis=1))


def _metal_table(stream: StreamDescription, o: Buried, dx_m: F8, learned: Learned, reference: float | None) -> F8:
    if o.metal is None:
        return np.zeros((len(dx_m), stream.values))
    piece = _law(stream, TARGETS["minimum-metal"])
    field = field_at(Head().radius_m, np.zeros(1), 0.0, np.array([PIECE_M]))
    unit = float(np.sum(field**2)) * float(np.sqrt(np.mean(piece**2)))
    wanted = METAL_SIGMAS * learned.sigma if reference is None else reference
    return np.outer(_coupling(o, dx_m), _law(stream, o.metal)) * (wanted / unit)


def _radar_table(stream: StreamDescription, o: Buried, dx_m: F8, learned: Learned, reference: float | None) -> F8:
    wanted = RADAR_SIGMAS * learned.sigma if reference is None else reference
    soil, body = np.sqrt(SOIL_PERMITTIVITY), np.sqrt(max(o.permittivity, 0.0))
    reflection = -1.0 if o.permittivity == 0 else float((soil - body) / (soil + body))
    depth = max(o.depth_m, 0.01)
    way = np.hypot(depth, dx_m)
    size = min(1.0, min(o.width_m, o.across_m) / 0.15)
    amplitude = wanted * reflection * size * (depth / way) * (PIECE_M / np.maximum(way, 0.03)) ** 2
    amplitude = amplitude * np.exp(-2 * LOSS_NP_PER_M * (way - PIECE_M))
    late = 2 * way / SPEED_M_PER_S / stream.sampling_interval_s
    w = len(learned.pulse) // 2
    k = np.arange(stream.values) - learned.peak - late[:, None]
    return np.asarray(amplitude[:, None] * np.interp(k, np.arange(-w, w + 1), learned.pulse, left=0.0, right=0.0))


@njit(cache=True)
def _respond(x_m: F8, centres: F8, channels: NDArray[np.int64], tables: F8, step: float, out: F8) -> None:
    """Add to out (n, channels, values) the tabled response of every object within reach, record by record."""
    n, values, rows = len(x_m), out.shape[2], tables.shape[1]
    half = 0.5 * (rows - 1)
    for i in range(n):
        for t in range(len(centres)):
            u = (x_m[i] - centres[t]) / step + half
            if not (u >= 0.0 and u < rows - 1):
                continue
            k = int(u)
            w = u - k
            for j in range(values):
                out[i, channels[t], j] += (1.0 - w) * tables[t, k, j] + w * tables[t, k + 1, j]


class HiddenResponse:
    """What hidden objects add to one stream.

    Parameters
    ----------
    stream : metal of any kind, or impulse radar
    objects : what is hidden
    learned : of this stream
    reference : what the head's own test piece gives in counts (metal: rms over values; radar: peak), or None; then
        it is METAL_SIGMAS or RADAR_SIGMAS times the noise
    seed : draws the coil or antenna of a head with several under which each object lies

    Raises
    ------
    SampleError
        for a stepped-frequency radar, whose pulse cannot be learned in this way.
    """

    def __init__(
        self,
        stream: StreamDescription,
        objects: Sequence[Buried],
        learned: Learned,
        reference: float | None = None,
        seed: int = 0,
    ) -> None:
        refuse_unmixable(stream)
        self._stream = stream
        half = round(REACH_M / STEP_M)
        dx: F8 = np.arange(-half, half + 1, dtype=np.float64) * STEP_M
        edge = np.clip((np.abs(dx) / REACH_M - 0.8) / 0.2, 0.0, 1.0)
        fade = 0.5 + 0.5 * np.cos(np.pi * edge)
        fade[[0, -1]] = 0.0
        table = _radar_table if stream.kind is StreamKind.RADAR else _metal_table
        made = [table(stream, o, dx, learned, reference) * fade[:, None] for o in objects]
        self._tables = np.array(made).reshape(len(objects), len(dx), stream.values)
        self._centres = np.array([o.x_m for o in objects], dtype=np.float64)
        share = np.random.default_rng(seed).random(len(objects))
        self._channels = np.minimum((share * stream.channels).astype(np.int64), stream.channels - 1)

    def counts(self, x_m: F8) -> F8:
        """(n, channels, values) counts that are added at places x_m (n,); zeros where the place is NaN."""
        out = np.zeros((len(x_m), self._stream.channels, self._stream.values))
        _respond(np.ascontiguousarray(x_m), self._centres, self._channels, self._tables, STEP_M, out)
        return out

    def mixed(self, block: SampleBlock, x_m: F8) -> SampleBlock:
        """The block with what is hidden at its records' places; at the converter's end it saturates as it would."""
        added = self.counts(x_m)
        dtype = block.raw.dtype
        total: F8 = block.raw.astype(np.float64)
        if dtype.kind == "f":
            return replace(block, raw=(total + added).astype(dtype))
        info = np.iinfo(dtype)
        return replace(block, raw=np.clip(total + np.rint(added), info.min, info.max).astype(dtype))


def refuse_unmixable(stream: StreamDescription) -> None:
    """Raises SampleError where nothing can be hidden in a stream."""
    if stream.kind is StreamKind.RADAR_SFCW:
        raise SampleError(
            f"{stream.name} is a stepped-frequency radar: hidden objects cannot be mixed into it. Practise on a "
            "simulated scene instead."
        )


def truth_of(objects: Sequence[Buried], origin_m: float = 0.0) -> list[TrueObject]:
    """Hidden objects as truth, not in the ground; `origin_m` is the head's own reading where practice began."""
    made = (replace(o, x_m=o.x_m + origin_m).truth() for o in objects)
    return [replace(o, confidence="hidden") for o in made]


def reference_counts(stream: StreamDescription, values: Mapping[str, Sequence[float]]) -> float | None:
    """The test piece's response that a head once gave, as `HiddenResponse` wants it; None if it is of no use.

    values : by stream name, one per channel and value in the stream's unit
    """
    kept = np.asarray(values.get(stream.name, ()), dtype=np.float64) / stream.scale
    if kept.size != stream.width or not np.isfinite(kept).all() or not kept.any():
        return None
    per_channel = kept.reshape(stream.channels, stream.values)
    if stream.kind is StreamKind.RADAR:
        return float(np.abs(per_channel).max())
    return float(np.sqrt(np.mean(per_channel**2, axis=1)).max())
