"""One simulated lane as both sensors of one head sweep it: one ground, one truth, everything from one seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from detector.detections import TrueObject
from detector.errors import SampleError
from detector.samples import DeviceDescription, SampleBlock, StreamDescription, StreamKind
from detector.simulate import metal_lane, radar_array, radar_lane, wave_lane
from detector.simulate.buried import Buried, draw_clutter, draw_mine
from detector.simulate.soil import Soil, correlated, draw_soil
from detector.simulate.sweeps import FIRST, Sweep
from detector.simulate.visible import matched_db

F8 = NDArray[np.float64]

TICK_HZ: Final = 1e6
EPOCH_NS: Final = 1_700_000_000_000_000_000
Sensors = Literal["dual", "radar", "metal"]
MetalKind = Literal["pi", "cw"]
RadarKind = Literal["impulse", "stepped"]
_Height = Callable[[F8, float], F8]


@dataclass(frozen=True, slots=True)
class HeadWish:
    """What head sweeps a scene; all else about it is drawn."""

    metal: MetalKind = "pi"
    coils: int | None = None
    """Abreast, 1 to 5; None draws."""
    radar: RadarKind = "impulse"
    antennas: int = 1
    """Abreast, 1 to 5."""

    def __post_init__(self) -> None:
        if not (self.coils is None or 1 <= self.coils <= 5) or not 1 <= self.antennas <= 5:
            raise SampleError(f"A head has 1 to 5 coils and antennas, not {self.coils} and {self.antennas}.")

    @property
    def plain(self) -> bool:
        """Whether objects are swept over their middles, as by a pulse-induction head with one antenna."""
        return self.metal == "pi" and self.coils is None and self.antennas == 1


_Coils = metal_lane.MetalHead | wave_lane.WaveCoils
PLAIN: Final = HeadWish()


@dataclass(frozen=True, slots=True)
class Visibility:
    """How far an object stands out of noise and ground in the simulated signals, dB; -inf where it gives none."""

    radar_db: float
    """Peak of its echo over the ground's residue and the receiver's noise at that time of flight."""
    metal_db: float
    """Its response over noise, both whitened and summed over gates, at its best reading."""
    metal_matched_db: float
    """Its response over noise and the ground's own answers after the filter that fits best, see visible.matched_db."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A lane with its truth."""

    seed: int
    device: DeviceDescription
    blocks: tuple[SampleBlock, ...]
    truth: tuple[TrueObject, ...]
    visibility: tuple[Visibility, ...]
    soil: Soil
    note: str
    across_m: tuple[float, ...]
    """Place of each object across the track, 0 = the head's middle; NaN where each sensor passes over its middle."""


def place_objects(rng: np.random.Generator, length_m: float, per_m: float) -> list[Buried]:
    """Objects at random places at least 0.45 m apart, mines and clutter alike, with clean stretches between.

    A third of the lane's length is left clean in one piece, so that the false alarms of plain ground can be counted.
    """
    start = float(rng.uniform(0.0, 0.67)) * length_m
    clean = (start, start + length_m / 3)
    placed: list[float] = []
    for _ in range(int(rng.poisson(per_m * length_m * 2 / 3))):
        for _ in range(20):
            x = float(rng.uniform(0.3, length_m - 0.3))
            if not clean[0] - 0.3 < x < clean[1] + 0.3 and all(abs(x - p) > 0.45 for p in placed):
                placed.append(x)
                break
    return [(draw_mine if rng.random() < 0.45 else draw_clutter)(rng, x) for x in sorted(placed)]


def dual_scene(
    seed: int,
    length_m: float = 12.0,
    objects_per_m: float = 0.6,
    sensors: Sensors = "dual",
    progress: Callable[[int], None] | None = None,
    wish: HeadWish = PLAIN,
    sweep: Sweep = FIRST,
    salinity_s_per_m: float | None = None,
) -> Scene:
    """A lane of a country, a head and a season of its own.

    Parameters
    ----------
    seed : of everything: soil, objects, head, sweep and noise. The ground, its objects and the truth do not depend on
        `sensors` or `wish`.
    length_m : 2 to 100 m
    objects_per_m : over the two thirds of the lane that are not left clean, 1/m
    sensors : which streams the head has
    progress : told of A-scans done
    wish : kind of head. Under one with several coils or antennas objects lie anywhere across its width
    sweep : which sweep of the lane; truth and visibility are of what still lies there
    salinity_s_per_m : of the soil, in place of what is drawn; pulse induction then hears the soil's conductivity too,
        which otherwise it is spared

    Raises
    ------
    SampleError
        if the length or the density cannot be laid out, or what never lay there was dug.
    """
    if not 2.0 <= length_m <= 100.0 or not 0.0 <= objects_per_m <= 1.5:
        raise SampleError(
            f"A scene is 2 to 100 m long with 0 to 1.5 objects per metre, not {length_m} m with {objects_per_m}."
        )
    drawn = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(4)]
    rng, radar_rng, metal_rng, across_rng = drawn
    walk, radar_own, metal_own, across_own = sweep.of_its_own(seed, drawn)
    soil = draw_soil(rng)
    if salinity_s_per_m is not None:
        soil = replace(soil, salinity_s_per_m=salinity_s_per_m)
    heard = 0.0 if salinity_s_per_m is None else soil.conductivity_s_per_m
    objects = place_objects(rng, length_m, objects_per_m)
    roughness = float(10 ** rng.uniform(-3.3, -1.8))
    speed = float(rng.uniform(0.2, 1.0))
    sway = float(rng.uniform(0.0005, 0.008)), float(rng.uniform(0.3, 1.2))
    left = sweep.left(len(objects))
    sways = correlated(walk, (int(length_m / 0.01) + 2, 1), (sway[1] / 0.01, 1.0))[:, 0] * sway[0]

    def height(x_m: F8, nominal: float) -> F8:
        return np.asarray(np.maximum(nominal + np.interp(x_m / 0.01, np.arange(len(sways)), sways), 0.01))

    blocks: list[SampleBlock] = []
    radar_db, metal_db, matched = ([-np.inf] * len(left) for _ in range(3))
    radar = radar_lane.draw_head(radar_rng)
    coils = _draw_coils(metal_rng, wish)
    antennas = radar_array.antenna_places(wish.antennas)
    across = None if wish.plain else _across(across_rng, across_own, len(objects), coils, antennas)
    if sensors in ("dual", "metal"):
        block, metal_db, matched = _metal(
            (metal_rng, metal_own), coils, soil, objects, left, length_m, speed, height, across, heard
        )
        blocks.append(block)
    if sensors in ("dual", "radar"):
        block, radar_db = _radar(
            (radar_rng, radar_own), radar, soil, objects, left, length_m, speed, height, roughness, progress, across,
            antennas, wish.radar,
        )  # fmt: skip
        blocks.append(block)
    device = DeviceDescription(
        f"simulated {sensors} head", f"SIM-{seed}", "simulated", TICK_HZ, tuple(b.stream for b in blocks)
    )
    again = f", sweep {sweep.number}" if sweep.number > 1 else ""
    note = (
        f"Simulated scene, seed {seed}{again}. Soil: {soil.name}; water {soil.water:.3f}, "
        f"viscosity {soil.viscosity:.1e}, roughness {1e3 * roughness:.1f} mm, "
        f"radar {radar.centre_frequency_hz / 1e9:.2f} GHz at {100 * radar.height_m:.0f} cm, "
        f"coil {100 * coils.coil.radius_m:.0f} cm. detector/simulate, approximate."
    )
    if salinity_s_per_m is not None:
        note += f" Conductivity {soil.conductivity_s_per_m:.3g} S/m."
    if not wish.plain or wish.radar != "impulse":
        note += f" Metal: {wish.metal}, {len(coils.across_m)} coil(s); radar: {wish.radar}, {wish.antennas} antenna(s)."
    visibility = tuple(Visibility(float(r), float(m), g) for r, m, g in zip(radar_db, metal_db, matched, strict=True))
    places = tuple([float("nan")] * len(left) if across is None else across[left].tolist())
    return Scene(seed, device, tuple(blocks), tuple(objects[i].truth() for i in left), visibility, soil, note, places)


def _draw_coils(rng: np.random.Generator, wish: HeadWish) -> _Coils:
    if wish.metal == "cw":
        return wave_lane.draw_wave_head(rng, wish.coils)
    head = metal_lane.draw_head(rng)
    if wish.coils is None:
        return head
    apart = 1.6 * head.coil.radius_m
    return replace(head, across_m=tuple((i - 0.5 * (wish.coils - 1)) * apart for i in range(wish.coils)))


def _across(rng: np.random.Generator, own: np.random.Generator, n: int, coils: _Coils, antennas: Sequence[float]) -> F8:
    """(n,) places across: anywhere under coils and antennas, and some 2 cm more or less in every sweep."""
    half = max(*(abs(a) for a in coils.across_m), *(abs(a) for a in antennas))
    return np.asarray(rng.uniform(-half, half, n) + own.normal(scale=0.02, size=n))


def _radar(
    draws: tuple[np.random.Generator, np.random.Generator],
    head: radar_lane.RadarHead,
    soil: Soil,
    objects: Sequence[Buried],
    left: Sequence[int],
    length_m: float,
    speed: float,
    height: _Height,
    roughness: float,
    progress: Callable[[int], None] | None,
    across: F8 | None,
    antennas: Sequence[float],
    kind: RadarKind,
) -> tuple[SampleBlock, list[float]]:
    rng, own = draws
    x = np.arange(0.0, length_m, head.step_m)
    h = height(x, head.height_m)
    index = float(np.sqrt(soil.permittivity(np.array([head.centre_frequency_hz]))[0].real))
    received, db = [], np.full((len(antennas), len(left)), -np.inf)
    for i, place in enumerate(antennas):
        seen = objects if across is None else radar_array.seen_aside(objects, across - place, head.height_m, index)
        ground, echoes = radar_lane.radar_lane(rng, soil, head, seen, x, roughness, h, progress, own, left)
        received.append(ground + echoes)
        residue = ground - ground.mean(axis=0)
        floor = np.sqrt((residue**2).mean(axis=0)) + head.noise * np.abs(ground).max()
        for j, o in enumerate(objects[i] for i in left):
            near = np.abs(x - o.x_m) <= max(0.5 * o.width_m, head.step_m)
            peak = float((np.abs(echoes[near]) / floor).max()) if near.any() else 0.0
            db[i, j] = 20 * np.log10(peak) if peak > 0 else -np.inf
    best = db.max(axis=0).tolist()
    ascans = np.concatenate(received)
    if kind == "stepped":
        frequencies = radar_array.stepped_frequencies(head)
        counts, scale = radar_array.stepped_converted(own, head, ascans)
        stream = StreamDescription(
            stream_id=1, name="radar", kind=StreamKind.RADAR_SFCW, channels=len(antennas), values=counts.shape[1],
            sample_type="int16", rate_hz=speed / head.step_m, scale=scale, unit="1", axis=tuple(frequencies.tolist()),
            centre_frequency_hz=head.centre_frequency_hz, step_m=head.step_m,
        )  # fmt: skip
    else:
        counts, scale = radar_lane.converted(own, head, ascans)
        stream = StreamDescription(
            stream_id=1, name="radar", kind=StreamKind.RADAR, channels=len(antennas), values=head.samples,
            sample_type="int16", rate_hz=speed / head.step_m, scale=scale, unit="1", sampling_interval_s=head.dt_s,
            centre_frequency_hz=head.centre_frequency_hz, step_m=head.step_m,
        )  # fmt: skip
    raw = np.ascontiguousarray(counts.reshape(len(antennas), len(x), -1).swapaxes(0, 1))
    return _with_losses(own, _block(stream, x, speed, raw)), best


def _metal(
    draws: tuple[np.random.Generator, np.random.Generator],
    head: _Coils,
    soil: Soil,
    objects: Sequence[Buried],
    left: Sequence[int],
    length_m: float,
    speed: float,
    height: _Height,
    across: F8 | None,
    conductivity_s_per_m: float,
) -> tuple[SampleBlock, list[float], list[float]]:
    rng, own = draws
    step = speed / head.rate_hz
    x = np.arange(0.0, length_m, step)
    h = height(x, head.height_m)
    if isinstance(head, metal_lane.MetalHead):
        kind, axis, values = StreamKind.METAL_PI, head.coil.gates_s, len(head.coil.gates_s)
        ground, seen = metal_lane.metal_lane(
            rng, head, soil.viscosity, objects, x, h, across, own, conductivity_s_per_m
        )
        seen = seen if len(left) == len(objects) else seen[list(left)]
        counts, volts = metal_lane.converted(own, head, x / speed, ground + seen.sum(axis=0))
        sigma = metal_lane.gate_noise(head)
    else:
        assert across is not None
        kind, axis, values = StreamKind.METAL_CW, head.coil.frequencies_hz, 2 * len(head.coil.frequencies_hz)
        ground, seen = wave_lane.wave_lane(rng, head, soil, objects, x, h, across)
        seen = seen if len(left) == len(objects) else seen[list(left)]
        counts, volts = wave_lane.wave_converted(own, head, x / speed, ground + seen.sum(axis=0))
        sigma = wave_lane.wave_noise(head)
    stream = StreamDescription(
        stream_id=0, name="metal", kind=kind, channels=len(head.across_m), values=values, sample_type="int32",
        rate_hz=head.rate_hz, scale=volts, unit="V", axis=axis,
    )  # fmt: skip
    return _block(stream, x, speed, counts), _stands_out(seen, sigma), matched_db(seen, ground, sigma, step)


def _stands_out(seen: F8, sigma: F8) -> list[float]:
    """dB of each object, (objects, n, coils, values), over the white noise of a reading."""
    power = ((seen / sigma) ** 2).sum(axis=3).max(axis=(1, 2)) if len(seen) else np.empty(0)
    return [10 * np.log10(p) if p > 0 else -np.inf for p in power]


def _block(stream: StreamDescription, x_m: F8, speed: float, raw: NDArray[np.generic]) -> SampleBlock:
    tick = np.round(x_m / speed * TICK_HZ).astype(np.int64)
    utc = EPOCH_NS + np.round(tick * (1e9 / TICK_HZ)).astype(np.int64)
    odometer = np.round(x_m * 1e6).astype(np.int64)
    return SampleBlock(stream, np.arange(len(tick), dtype=np.int64), tick, utc, odometer, raw)


def _with_losses(rng: np.random.Generator, block: SampleBlock) -> SampleBlock:
    """In one lane of three a few single A-scans never arrived."""
    if rng.random() > 1 / 3:
        return block
    keep = rng.random(len(block)) > rng.uniform(0.0, 0.003)
    return SampleBlock(
        block.stream, block.seq[keep], block.tick[keep], block.utc_ns[keep], block.odometer_um[keep], block.raw[keep]
    )
