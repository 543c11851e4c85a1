"""The radar chain of one head: records of all its antennas in, background-free B-scans and alarm cells out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from detector.radar.background import Background, BackgroundSettings
from detector.radar.filters import BandpassSettings, DewowSettings, Filters
from detector.radar.front import FrontEnd
from detector.radar.gain import GainSettings, gain_curve
from detector.radar.geometry import RadarGeometry
from detector.radar.height import Height, HeightSettings
from detector.radar.prescreener import DepthBins, Prescreener, PrescreenerSettings, prescreener_latency
from detector.radar.search import CausalEnergy, CausalSettings
from detector.radar.stepped import Stepped, SteppedSettings
from detector.radar.surface_doubt import SurfaceDoubt
from detector.radar.time_zero import Alignment, TimeZeroSettings, find_surfaces, sought, time_zero
from detector.radar.trust import Trust, TrustSettings
from detector.samples import Mark
from detector.settings import Settings, choice, quantity

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
U1 = NDArray[np.uint8]
I8 = NDArray[np.int64]

Stage = Literal["dewow", "bandpass", "time_zero", "height", "background", "gain"]
Watch = Callable[[str], Callable[[NDArray[Any]], None] | None]
"""Who watches a stage: by its name, a function that wants the stage's rows, or None."""

ORDER_RULES: Final[tuple[tuple[Stage, Stage, str], ...]] = (
    ("dewow", "bandpass", "the band-pass would ring on the swing that dewow takes off"),
    ("dewow", "background", "the background would follow the swing instead of the ground"),
    ("bandpass", "background", "the background's spread would be that of noise outside the band"),
    ("time_zero", "height", "height is counted from the direct wave that time zero holds still"),
    ("time_zero", "background", "A-scans that are not aligned leave the surface echo behind"),
    ("height", "background", "a bounce that moves leaves itself behind"),
    ("time_zero", "gain", "the gain is counted from the surface that time zero holds still"),
    ("height", "gain", "the gain is counted from the ground bounce"),
)
"""(earlier, later, why): orders other than these are refused; what is not listed here may stand either way."""


class RadarSettings(Settings):
    centre_frequency_mhz: float = quantity(
        0.0, "MHz", 0.0, 10000.0, "0 = as the head says; set it where the head or file does not"
    )
    depth_speed_m_per_ns: float = quantity(
        0.07, "m/ns", 0.0, 0.3,
        "half of it times an echo's time is its depth: air under a raised antenna bends hyperbolas, so that their speed"
        " comes out too high. 0 = as the hyperbola says, for antennas that lie on the ground",
    )  # fmt: skip
    velocity_sigma: float = quantity(0.35, "1", 0.01, 1.0, "relative uncertainty of that speed, for the depth interval")
    stages: tuple[Stage, ...] = choice(
        ("dewow", "bandpass", "time_zero", "background", "gain"),
        "what an A-scan passes before the prescreener, in order; a stage that is not listed is left out",
    )
    stepped: SteppedSettings = SteppedSettings()
    dewow: DewowSettings = DewowSettings()
    bandpass: BandpassSettings = BandpassSettings()
    time_zero: TimeZeroSettings = TimeZeroSettings()
    height: HeightSettings = HeightSettings()
    background: BackgroundSettings = BackgroundSettings()
    gain: GainSettings = GainSettings()
    prescreener: PrescreenerSettings = PrescreenerSettings()
    search: CausalSettings = CausalSettings()
    trust: TrustSettings = TrustSettings()

    @model_validator(mode="after")
    def _in_order(self) -> RadarSettings:
        for stage in self.stages:
            if self.stages.count(stage) > 1:
                raise ValueError(f"stages lists '{stage}' twice; list each stage once")
        for earlier, later, why in ORDER_RULES:
            if earlier in self.stages and later in self.stages:
                if self.stages.index(earlier) > self.stages.index(later):
                    raise ValueError(f"stages must have '{earlier}' before '{later}': {why}")
            elif earlier == "time_zero" and later == "height" and later in self.stages:
                raise ValueError(f"stages has 'height' without 'time_zero': {why}")
        return self


@dataclass(frozen=True, slots=True)
class RadarOutput:
    """What the chain gives for some records. `bscan` runs ahead of `energy` by the prescreener's latency."""

    bscan: F4
    """(n, channels * samples) aligned, background removed, gained."""
    marks: U1
    """(k, channels) Mark flags of the k records that came in."""
    search: F8
    """(k, channels * bins) energy over a causal background, of the k records that came in."""
    energy: F8
    """(n', channels * bins) energy per depth bin."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What all antennas of a segment have in common; its first record shows it."""

    factor: float
    """By which samples are scaled, 1 for counts."""
    loudest: float
    """Strongest surface echo, in the chain's amplitudes."""
    room: int
    """Of :class:`DepthBins`."""


class RadarChain:
    """Stepped-frequency transform if the head needs it, then the profile's stages in order, then the prescreener.

    One instance serves one unbroken segment of one stream: all antennas together, or some of them.

    Parameters
    ----------
    geometry : of the A-scans that the stages see
    dtype, width : of a channel's record as it comes
    stepped : the transform, or None for an impulse head
    watch : asked by stage name who watches, whenever a stage has run
    beginning : what these antennas share with others of the segment; their own first record shows it unless given
    """

    def __init__(
        self,
        settings: RadarSettings,
        geometry: RadarGeometry,
        dtype: np.dtype[Any],
        width: int,
        stepped: Stepped | None = None,
        watch: Watch | None = None,
        beginning: Beginning | None = None,
    ) -> None:
        self._s = settings
        self.geometry = geometry
        self._dtype = dtype
        self._stepped = stepped
        self._watch: Watch = watch if watch is not None else _nobody
        self._trust = Trust(settings.trust, geometry, dtype, width)
        self._background = Background(settings.background, geometry) if "background" in settings.stages else None
        self._steps = _fused(settings.stages)
        last_two = [stage for stage in settings.stages if stage in ("background", "gain")]
        self._background_first = last_two == ["background", "gain"]
        self._filters = {step: self._build_filters(step) for step in self._steps if step in _FILTERS}
        # without a filter in front, the samples still have to become float32
        self._entry = None if self._steps[:1] and self._steps[0] in _FILTERS else Filters(None, None, geometry)
        self._front: FrontEnd | None = None
        self._given = beginning
        self._factor = 1.0 if beginning is None else beginning.factor
        self._offset = 32768.0 if dtype == np.uint16 and stepped is None else 0.0
        self._scaled = geometry.lsb > 0.0 or beginning is not None
        self._surface: I8 | None = None
        self._time_zero: Alignment | None = None
        self._doubt: SurfaceDoubt | None = None
        self._height: Height | None = None
        self._curve: F4 = np.empty((0, 0), np.float32)
        self._prescreener: Prescreener | None = None
        self._causal: CausalEnergy | None = None
        self.floor: F8 = np.empty(0)
        """(channels * bins,) energy of the quantisation step in each bin: quieter ground cannot be told apart."""
        self.first_scan: F4 = np.empty((0, 0), np.float32)
        """(channels, samples) the segment's first aligned A-scan: the head's own pulse off the ground, ungained."""

    def _build_filters(self, step: str) -> Filters:
        s = self._s
        return Filters(
            s.dewow if step != "bandpass" else None, s.bandpass if step != "dewow" else None, self.geometry
        )

    @property
    def latencies(self) -> dict[str, int]:
        """A-scans that each stage holds back."""
        out: dict[str, int] = dict.fromkeys(self._s.stages, 0)
        if self._background is not None:
            out["background"] = self._background.latency
        return {**out, "prescreener": prescreener_latency(self._s.prescreener, self.geometry)}

    @property
    def latency(self) -> int:
        """A-scans between input and energy."""
        return sum(self.latencies.values())

    @property
    def surface(self) -> I8:
        """(channels,) sample of the surface echo in aligned A-scans, known once the first A-scan has been seen."""
        if self._surface is None:
            raise RuntimeError("the chain has not seen an A-scan yet")
        return self._surface

    @property
    def curve(self) -> F4:
        """(channels, samples) gain of amplitudes, known once the first A-scan has been seen."""
        return self._curve

    @property
    def beginning(self) -> Beginning:
        """Known once the first A-scan has been seen."""
        return Beginning(self._factor, self._loudest, self.bins.room)

    @property
    def bins(self) -> DepthBins:
        """Known once the first A-scan showed where the surface is."""
        if self._prescreener is None:
            raise RuntimeError("the chain has not seen an A-scan yet")
        return self._prescreener.bins

    def process(self, raw: NDArray[Any]) -> RadarOutput:
        """(n, channels, values) of the stream's own type, as they came; n at least 1."""
        raw = np.require(raw, requirements=["C", "W"])
        ascans = raw
        if self._stepped is not None:
            ascans = self._stepped.process(raw)
            self._seen("ascans", ascans)
        if not self._scaled:
            self._factor = _power_of_two(ascans[0])
            self._scaled = True
        front = self._unwatched_front()
        if front is not None:
            aligned, lost, out = front.process(ascans, self._offset, self._factor)
            if "gain" in self._s.stages:
                self._seen("gain", out)
        else:
            aligned, lost, out = self._stage_by_stage(ascans)
        assert self._causal is not None
        search = self._causal.process(aligned, lost)
        marks = self._trust.process(raw, self._deep(raw.shape[2]), ascans)
        if self._doubt is not None:
            # the background goes on learning from what matches: only the mark says that it may be by chance
            lost = self._doubt.process(aligned, lost)
        marks[lost > 0] |= np.uint8(Mark.SURFACE_LOST)
        return self._prescreen(out, marks, search, last=False)

    def _unwatched_front(self) -> FrontEnd | None:
        """All up to the gain at once, if the order allows it, all of it has begun, and nobody watches between."""
        if self._steps not in _FRONT or self._background is None or self._time_zero is None:
            return None
        if self._prescreener is None or not self._background.recursive:
            return None
        hidden = self._s.stages if "gain" not in self._s.stages else self._s.stages[:-1]
        if any(self._watch(stage) is not None for stage in hidden):
            return None
        if self._front is None:
            filters = self._filters[self._steps[0]]
            self._front = FrontEnd(filters, self._time_zero, self._background, self._curve, self.geometry)
        return self._front

    def _stage_by_stage(self, ascans: NDArray[Any]) -> tuple[F4, U1, F4]:
        """Aligned A-scans, which of them are lost, and what comes out; every stage's output is there to be watched."""
        x = ascans if self._entry is None else self._entry.process(ascans, self._offset, self._factor)
        lost = np.zeros(ascans.shape[:2], np.uint8)
        aligned: F4 | None = None
        out: F4 | None = None
        for step in self._steps:
            if step in _FILTERS:
                at = (self._offset, self._factor) if x is ascans else (0.0, 1.0)
                if step == "dewow+bandpass" and self._watch("dewow") is not None:
                    self._seen("dewow", Filters(self._s.dewow, None, self.geometry).process(x, *at))
                x = self._filters[step].process(x, *at)
                self._seen(step.split("+")[-1], x)
            elif step == "time_zero":
                x, missed = self._align(x)
                lost |= missed
                self._seen("time_zero", x)
            elif step == "height":
                x, missed = self._level(x)
                lost |= missed
                self._seen("height", x)
            else:
                if aligned is None:
                    self._start(x)
                    aligned = x
                    out = x.reshape(len(x), -1)
                assert out is not None
                out = self._after(step, out, lost)
        if aligned is None or out is None:
            self._start(x)
            aligned, out = x, x.reshape(len(x), -1)
        return aligned, lost, out

    def finish(self) -> RadarOutput:
        """What is still owed at the end of the segment; nothing if it never began."""
        g = self.geometry
        nothing = np.empty((0, g.channels), np.uint8)
        if self._prescreener is None:
            none = np.empty((0, 0))
            return RadarOutput(np.empty((0, g.width), np.float32), nothing, none, none)
        out: F4 = np.empty((0, g.width), np.float32)
        for step in self._steps:
            if step == "background" and self._background is not None:
                out = self._background.finish()
                self._seen("background", out)
            elif step == "gain":
                # ahead of the background there is nothing left to gain
                out = out * self._curve.reshape(1, -1)
                self._seen("gain", out)
        return self._prescreen(out, nothing, np.empty((0, len(self.floor))), last=True)

    def _seen(self, stage: str, rows: NDArray[Any]) -> None:
        watcher = self._watch(stage)
        if watcher is not None:
            watcher(rows)

    def _find(self, x: F4) -> None:
        if self._surface is None:
            self._surface = find_surfaces(x[0], self._s.time_zero, self.geometry)
            echoes = np.abs(x[0, np.arange(len(self._surface)), self._surface])
            self._loudest = float(np.max(echoes)) if self._given is None else self._given.loudest

    def _align(self, x: F4) -> tuple[F4, U1]:
        if self._time_zero is None:
            self._find(x)
            self._time_zero = time_zero(self._s.time_zero, self.geometry, self.surface)
            zero = self._s.time_zero
            self._doubt = SurfaceDoubt(self._time_zero.gates, sought(zero, self.geometry), zero.memory)
        aligned, _, lost = self._time_zero.process(x)
        return aligned, lost

    def _level(self, x: F4) -> tuple[F4, U1]:
        if self._height is None:
            self._height = Height(self._s.height, self.geometry, self.surface)
            self._surface = self._height.surface
        return self._height.process(x)

    def _start(self, x: F4) -> None:
        """Everything that hangs on where the surface is, once the first A-scan has shown it."""
        if self._prescreener is not None:
            return
        self._find(x)
        g, surface = self.geometry, self.surface
        self.first_scan = x[0].copy()
        self._curve = np.ones((g.channels, g.samples), np.float32)
        if "gain" in self._s.stages:
            self._curve = gain_curve(self._s.gain, g, surface)
        room = self._given.room if self._given is not None else None
        self._prescreener = Prescreener(self._s.prescreener, g, surface, self._s.height.antenna_m, room)
        bins = self._prescreener.bins
        self._causal = CausalEnergy(self._s.search, g, bins, self._curve, self._loudest)
        # a count's quantisation noise; floating-point samples have none, so 100 dB under the surface echo
        noise = g.lsb**2 / 12.0 if g.lsb else (1e-5 * self._loudest) ** 2
        floors = []
        for c in range(g.channels):
            middle = np.minimum(bins.first[c] + (bins.starts + bins.length // 2) * bins.stride, g.samples - 1)
            floors.append(noise * self._curve[c, middle].astype(np.float64) ** 2)
        self.floor = np.maximum(np.concatenate(floors), 1e-37)

    def _deep(self, width: int) -> I8:
        """(channels,) value of a record from which clipping hides echoes: of a spectrum, all of it."""
        if self._stepped is not None:
            return np.zeros(self.geometry.channels, np.int64)
        return np.minimum(self.bins.first, width)

    def _after(self, step: str, out: F4, lost: U1) -> F4:
        if step == "background" and self._background is not None:
            out = self._background.process(out, lost)
        else:
            # what the background gives is the chain's own and can be gained where it stands
            out = np.multiply(out, self._curve.reshape(1, -1), out=out if self._background_first else None)
        self._seen(step, out)
        return out

    def _prescreen(self, bscan: F4, marks: U1, search: F8, last: bool) -> RadarOutput:
        assert self._prescreener is not None
        energy, which = self._prescreener.process(bscan)
        if last:
            more_energy, more_which = self._prescreener.finish()
            energy, which = np.concatenate((energy, more_energy)), np.concatenate((which, more_which))
        self._seen("energy", energy)
        self._seen("speed", which)
        self._seen("search", search)
        return RadarOutput(bscan, marks, search, energy)


_FILTERS: Final = ("dewow", "bandpass", "dewow+bandpass")
_FRONT: Final = tuple(
    (first, "time_zero", "background", *gain) for first in _FILTERS for gain in ((), ("gain",))
)
"""Orders that the front end can do at once."""


def _fused(stages: tuple[str, ...]) -> tuple[str, ...]:
    """Dewow and band-pass in one step where they stand next to each other."""
    steps = list(stages)
    for a, b in pairwise(stages):
        if (a, b) == ("dewow", "bandpass"):
            at = steps.index("dewow")
            steps[at : at + 2] = ["dewow+bandpass"]
    return tuple(steps)


def _nobody(stage: str) -> None:
    """Watches no stage."""


def _power_of_two(ascans: NDArray[Any]) -> float:
    """Brings the first A-scan's peak near 2^14, exactly: floating-point streams come in any unit."""
    finite = np.abs(ascans[np.isfinite(ascans)])
    top = float(finite.max(initial=0.0))
    return float(2.0 ** (14 - np.frexp(top)[1])) if top > 0.0 else 1.0
