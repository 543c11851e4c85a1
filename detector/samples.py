"""What a sample is: streams, their units and time, and the blocks in which they travel.

Read this file first. A *head* is one detector with one tick counter and one or more *streams*. A
stream is a sequence of *records*: one metal-detector reading (all gates of all coils) or one
ground-penetrating-radar A-scan per antenna. Records travel in :class:`SampleBlock`; how they are
cut into blocks means nothing, and no result may depend on it. Where a satellite receiver is
connected, its fixes come beside them as :class:`Position`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag, StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.errors import SampleError

Int64Array = NDArray[np.int64]
Float64Array = NDArray[np.float64]
Float32Array = NDArray[np.float32]

NO_ODOMETER: Final = int(np.iinfo(np.int64).min)
"""Odometer reading of a record whose place is not known. No place is a legal state."""

NO_TIME: Final = int(np.iinfo(np.int64).min)
"""Receiver time of a fix that came without time or date."""


class StreamKind(StrEnum):
    """What the records of a stream are."""

    METAL_PI = "metal-pi"
    """Pulse induction: values are receive gates of one decay curve; the axis is gate times in s."""
    METAL_CW = "metal-cw"
    """Continuous wave: values are I, Q per frequency; the axis is frequencies in Hz."""
    METAL = "metal"
    """A metal detector whose method was not stated; values are channels without an axis."""
    RADAR = "radar"
    """Impulse radar: values are the samples of one A-scan."""
    RADAR_SFCW = "radar-sfcw"
    """Stepped-frequency radar: values are I, Q per frequency; the axis is frequencies in Hz."""

    @property
    def is_metal(self) -> bool:
        return self not in (StreamKind.RADAR, StreamKind.RADAR_SFCW)


SAMPLE_TYPES: Final[dict[str, np.dtype[Any]]] = {
    "int16": np.dtype("<i2"),
    "uint16": np.dtype("<u2"),
    "int32": np.dtype("<i4"),
    "float32": np.dtype("<f4"),
}
"""Sample types a head may send, by name; all little-endian."""


class Mark(IntFlag):
    """Why a record cannot be trusted; 0 where it can. Ground under a marked record does not count as swept."""

    SATURATED = 1
    """A value stands at the end of its converter's range."""
    FROZEN = 2
    """The values repeat to the last bit, as no live sensor's do."""
    NOISY = 4
    """Noise is far above the reference taken on this head."""
    SOIL = 8
    """The soil's own response is beyond what the ground balance can take out."""
    SURFACE_LOST = 16
    """The radar's surface echo was not where it can be, so depth and background mean nothing."""
    LATE = 32
    """The record came after its stream had been given up as silent, see Silence: it is kept, and was not tested."""


@dataclass(frozen=True, slots=True)
class StreamDescription:
    """One stream of a head, as the head itself describes it.

    A physical value is ``raw * scale + offset`` in ``unit``.

    Raises
    ------
    SampleError
        when fields contradict each other (see the messages).
    """

    stream_id: int
    """0 to 255, unique in its head."""
    name: str
    """Short name, unique in its head: letters, digits, '-' and '_'."""
    kind: StreamKind
    channels: int
    """Coils or antennas."""
    values: int
    """Values per channel and record: gates, I/Q pairs x 2, or samples per A-scan."""
    sample_type: str
    """A key of SAMPLE_TYPES."""
    rate_hz: float
    """Nominal records per second."""
    scale: float = 1.0
    offset: float = 0.0
    unit: str = "count"
    axis: tuple[float, ...] = ()
    """metal-pi: gate centre times after switch-off, s. metal-cw, radar-sfcw: frequencies, Hz. Else empty."""
    sampling_interval_s: float = 0.0
    """Radar: fast-time interval between samples of an A-scan, s. Else 0."""
    centre_frequency_hz: float = 0.0
    """Radar: nominal centre frequency, Hz. Else 0."""
    step_m: float = 0.0
    """Nominal distance between records where an odometer triggers them, m; 0 if time does."""

    def __post_init__(self) -> None:
        where = f"stream {self.stream_id} ({self.name!r})"
        if not 0 <= self.stream_id <= 255:
            raise SampleError(f"{where}: stream_id must be 0 to 255")
        if not self.name or not all(c.isascii() and (c.isalnum() or c in "-_") for c in self.name):
            raise SampleError(f"{where}: a stream name is letters, digits, '-' and '_'")
        if not (1 <= self.channels <= 65535 and 1 <= self.values <= 65535):
            raise SampleError(f"{where}: channels and values must each be 1 to 65535")
        if self.sample_type not in SAMPLE_TYPES:
            known = ", ".join(SAMPLE_TYPES)
            raise SampleError(f"{where}: sample type {self.sample_type!r} is not one of {known}")
        for field in ("rate_hz", "scale", "offset", "sampling_interval_s", "centre_frequency_hz", "step_m"):
            if not np.isfinite(getattr(self, field)):
                raise SampleError(f"{where}: {field} is not a finite number")
        if self.rate_hz <= 0:
            raise SampleError(f"{where}: rate_hz must be positive")
        if self.scale == 0:
            raise SampleError(f"{where}: scale must not be zero")
        if self.kind is StreamKind.RADAR and self.sampling_interval_s <= 0:
            raise SampleError(f"{where}: a radar stream needs its sampling interval in s")
        wanted = {
            StreamKind.METAL_PI: self.values,
            StreamKind.METAL_CW: self.values // 2,
            StreamKind.RADAR_SFCW: self.values // 2,
        }.get(self.kind, 0)
        if self.kind is StreamKind.RADAR_SFCW and self.values % 2:
            raise SampleError(f"{where}: a stepped-frequency stream holds I and Q per frequency, an even number")
        if len(self.axis) != wanted:
            raise SampleError(
                f"{where}: a {self.kind} stream of {self.values} values needs {wanted} axis entries, "
                f"not {len(self.axis)}"
            )
        if any(not np.isfinite(a) or a <= 0 for a in self.axis):
            raise SampleError(f"{where}: axis entries must be finite and positive")

    @property
    def dtype(self) -> np.dtype[Any]:
        return SAMPLE_TYPES[self.sample_type]

    @property
    def width(self) -> int:
        """Values per record over all channels."""
        return self.channels * self.values

    @property
    def value_names(self) -> list[str]:
        """A short name for each value of a channel."""
        if self.kind is StreamKind.METAL_PI:
            return [f"{t * 1e6:.3g} µs" for t in self.axis]
        if self.kind is StreamKind.METAL_CW:
            return [f"{part} {f / 1e3:.3g} kHz" for f in self.axis for part in ("I", "Q")]
        return [f"channel {v}" for v in range(self.values)]

    @property
    def limits(self) -> tuple[float, float]:
        """Lowest and highest physical value that the sample type can hold; infinite for floating point."""
        if self.dtype.kind == "f":
            return float("-inf"), float("inf")
        info = np.iinfo(self.dtype)
        ends = (info.min * self.scale + self.offset, info.max * self.scale + self.offset)
        return min(ends), max(ends)


@dataclass(frozen=True, slots=True)
class DeviceDescription:
    """Who a head is and what it streams."""

    model: str
    serial: str
    firmware: str
    tick_hz: float
    """Rate of the head's tick counter, Hz."""
    streams: tuple[StreamDescription, ...]

    def __post_init__(self) -> None:
        if not (np.isfinite(self.tick_hz) and self.tick_hz > 0):
            raise SampleError(f"head {self.serial!r}: tick_hz must be positive, not {self.tick_hz}")
        if len({s.stream_id for s in self.streams}) != len(self.streams):
            raise SampleError(f"head {self.serial!r}: two streams share one stream_id")
        if len({s.name for s in self.streams}) != len(self.streams):
            raise SampleError(f"head {self.serial!r}: two streams share one name")

    def stream(self, stream_id: int) -> StreamDescription:
        """The stream of that id; KeyError if the head has none."""
        for s in self.streams:
            if s.stream_id == stream_id:
                return s
        raise KeyError(stream_id)


@dataclass(frozen=True, slots=True)
class SampleBlock:
    """Some successive records of one stream, exactly as they were received.

    Attributes
    ----------
    stream : the stream they belong to
    seq : (n,) int64, record number counted by the head, unwrapped, strictly increasing; a step of
        more than one means that records were lost between
    tick : (n,) int64, the head's tick counter at each record, unwrapped
    utc_ns : (n,) int64, host's estimate of the time of each record, ns since 1970 UTC
    odometer_um : (n,) int64, distance along the track, micrometres; NO_ODOMETER where unknown
    raw : (n, channels, values) of ``stream.dtype``
    head_tick : (n,) int64, where several heads share a session: the head's own counter, while ``tick``
        counts the session's common one; None where the two are the same
    """

    stream: StreamDescription
    seq: Int64Array
    tick: Int64Array
    utc_ns: Int64Array
    odometer_um: Int64Array
    raw: NDArray[Any]
    head_tick: Int64Array | None = None

    def __post_init__(self) -> None:
        n = len(self.seq)
        for name in ("seq", "tick", "utc_ns", "odometer_um", "head_tick"):
            column = getattr(self, name)
            if column is None and name == "head_tick":
                continue
            if column.shape != (n,) or column.dtype != np.int64:
                raise SampleError(f"{self.stream.name}: {name} must be ({n},) int64")
        if self.raw.shape != (n, self.stream.channels, self.stream.values):
            raise SampleError(
                f"{self.stream.name}: raw has shape {self.raw.shape}, its stream says "
                f"({n}, {self.stream.channels}, {self.stream.values})"
            )
        if self.raw.dtype != self.stream.dtype:
            raise SampleError(f"{self.stream.name}: raw is {self.raw.dtype}, not {self.stream.dtype}")

    def __len__(self) -> int:
        return len(self.seq)

    def __getitem__(self, part: slice) -> SampleBlock:
        """The same records, cut: ``block[3:7]``."""
        return SampleBlock(
            self.stream,
            self.seq[part],
            self.tick[part],
            self.utc_ns[part],
            self.odometer_um[part],
            self.raw[part],
            None if self.head_tick is None else self.head_tick[part],
        )

    @property
    def odometer_m(self) -> Float64Array:
        """(n,) float64, m; NaN where the place is not known."""
        known = self.odometer_um != NO_ODOMETER
        return np.where(known, self.odometer_um * 1e-6, np.nan)


def joined(blocks: Sequence[SampleBlock]) -> SampleBlock:
    """Blocks of one stream that follow each other as one; at least one."""
    heads = [b.head_tick for b in blocks if b.head_tick is not None]
    columns = ("seq", "tick", "utc_ns", "odometer_um", "raw")
    seq, tick, utc_ns, odometer_um, raw = (np.concatenate([getattr(b, name) for b in blocks]) for name in columns)
    head_tick = np.concatenate(heads) if len(heads) == len(blocks) else None
    return SampleBlock(blocks[0].stream, seq, tick, utc_ns, odometer_um, raw, head_tick)


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that the head counted and the host never got."""

    stream_id: int
    first_seq: int
    """First missing record."""
    n_records: int
    tick_before: int
    """Tick of the last record before the gap."""
    tick_after: int
    """Tick of the first record after the gap."""
    utc_ns: int
    """When the host noticed, ns since 1970 UTC."""
    cause: str


@dataclass(frozen=True, slots=True)
class Silence:
    """A stream that says nothing while others go on: nothing of it up to a tick is waited for any more."""

    utc_ns: int
    """When the host gave it up, ns since 1970 UTC."""
    stream_id: int
    after_seq: int
    """Its last record before; -1 if none had come."""
    until_tick: int
    """A record that comes after this silence with a tick up to here is kept, and not tested."""


@dataclass(frozen=True, slots=True)
class Soil:
    """What a metal stream learned of the soil on a person's command, and from which record on it is used."""

    utc_ns: int
    """When it was learned, ns since 1970 UTC."""
    who: str
    stream_id: int
    first_seq: int
    """First and ..."""
    last_seq: int
    """... last record that it was learned from."""
    n_records: int
    from_seq: int
    """The first record that is balanced with it; -1: the next one that comes."""
    direction: tuple[tuple[float, ...], ...]
    """Coil by coil: the soil's answer in each value, unit length."""
    snr: tuple[float, ...]
    """Coil by coil: the soil's standard deviation over the noise's."""
    share: tuple[float, ...]
    """Coil by coil: share of the change along the direction, 0 to 1."""
    residual: tuple[float, ...]
    """Coil by coil: standard deviation of the largest change that is left, over the noise's; 1 = noise alone."""
    exponent: tuple[float, ...]
    """Coil by coil: p of the fitted 1/t^p; NaN where there are no gates."""
    swing: tuple[float, ...]
    """Coil by coil: largest less smallest answer along the direction, stream's unit."""


@dataclass(frozen=True, slots=True)
class TrackedSoil:
    """The direction of the soil as a metal stream tracked it by itself. It follows from the records."""

    utc_ns: int
    """Of the record from_seq, ns since 1970 UTC."""
    stream_id: int
    since_seq: int
    """First record of the unbroken segment in which it was tracked."""
    from_seq: int
    """The first record that is balanced with it."""
    direction: tuple[tuple[float, ...], ...]
    """Coil by coil: the soil's answer in each value, unit length."""
    tangent: tuple[float, ...]
    """Coil by coil: of the angle from the direction given, in whitened values; at most `track_limit`."""
    snr: tuple[float, ...]
    """Coil by coil: the soil's root mean square over the noise's, both behind the smoothing of the search."""
    n_records: tuple[int, ...]
    """Coil by coil: records since since_seq that taught it; the later ones count most, see `track_s`."""


@dataclass(frozen=True, slots=True)
class ClockFit:
    """How a head's ticks lie in host time, as fitted on arrival times up to now."""

    utc_ns: int
    """Time of the newest record."""
    tick: int
    """A tick of the head, unwrapped, ..."""
    offset_ns: int
    """... and how far host time is ahead of it, once it is turned into ns at the nominal rate."""
    drift_ppm: float
    """Positive: the head's counter is slow against the host. NaN before there is enough to tell."""
    span_s: float
    """Time over which it was fitted, s."""
    residual_median_us: float
    """Delay of the least delayed record of each second above the fitted line, us: median, ..."""
    residual_p95_us: float
    """... and 95 % quantile."""
    head: str = ""
    """Serial number of the head."""


@dataclass(frozen=True, slots=True)
class ParameterReading:
    """What a parameter of the head stood at, at one time: part of the settings that explain a detection."""

    utc_ns: int
    """When the host learned it, ns since 1970 UTC."""
    name: str
    unit: str
    """Of all the numbers below."""
    value: float
    low: float
    high: float
    default: float
    writable: bool
    persistent: bool
    """Whether the head can keep it over a power cut."""
    head: str = ""
    """Serial number of the head."""


@dataclass(frozen=True, slots=True)
class Check:
    """A calibration or a function check of a head: what was measured against what, and whether it passed."""

    utc_ns: int
    """When, ns since 1970 UTC."""
    kind: str
    """'calibration' or 'function'."""
    name: str
    """What was calibrated or checked."""
    unit: str
    """Of the numbers below."""
    value: float
    low: float
    """Least value that passes; NaN if none."""
    high: float
    """Largest value that passes; NaN if none."""
    passed: bool
    who: str
    note: str = ""


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a session and belongs in its record."""

    utc_ns: int
    severity: Severity
    kind: str
    """Short machine-readable word: 'link', 'wire', 'head', 'operator', 'session'."""
    text: str
    """One sentence for a person."""


class FixQuality(IntEnum):
    """How a satellite receiver came by a position: the quality indicator of NMEA 0183, sentence GGA."""

    NONE = 0
    SINGLE = 1
    DIFFERENTIAL = 2
    PPS = 3
    RTK_FIXED = 4
    RTK_FLOAT = 5
    ESTIMATED = 6
    MANUAL = 7
    SIMULATED = 8

    @property
    def measured(self) -> bool:
        """Whether satellites were measured: an estimated, typed-in or simulated position places nothing."""
        return FixQuality.SINGLE <= self <= FixQuality.RTK_FLOAT

    @property
    def text(self) -> str:
        """For a person."""
        return _QUALITY_TEXT[self]


_QUALITY_TEXT: Final = {
    FixQuality.NONE: "no fix",
    FixQuality.SINGLE: "single",
    FixQuality.DIFFERENTIAL: "differential",
    FixQuality.PPS: "PPS",
    FixQuality.RTK_FIXED: "RTK fixed",
    FixQuality.RTK_FLOAT: "RTK float",
    FixQuality.ESTIMATED: "dead reckoning",
    FixQuality.MANUAL: "typed in",
    FixQuality.SIMULATED: "simulated",
}


@dataclass(frozen=True, slots=True)
class Position:
    """What a satellite receiver said of one moment. Whatever it did not say is NaN, -1, '' or NO_TIME.

    Raises
    ------
    SampleError
        when a measured position has no latitude or longitude, or one outside its range.
    """

    utc_ns: int
    """Host time at which the first sentence of this moment was whole, ns since 1970 UTC."""
    receiver_utc_ns: int
    """The receiver's own time of the fix, ns since 1970 UTC; NO_TIME if it did not say the date or the time."""
    latitude_deg: float
    """North positive, WGS-84; NaN without a fix, also where the receiver repeats its last one."""
    longitude_deg: float
    """East positive, WGS-84; NaN without a fix."""
    altitude_m: float
    """Above mean sea level, by the receiver's geoid."""
    quality: FixQuality
    sigma_m: float
    """Horizontal accuracy, 1 sigma: root mean square of the distance from the true place, m."""
    sigma_from: str
    """'gst' if the receiver stated sigma_m, 'hdop' if it is HDOP times the user equivalent range error, else ''."""
    satellites: int
    """Used in the fix; -1 if not said."""
    hdop: float
    correction_age_s: float
    """Age of the differential correction."""
    station: str
    """Reference station of the correction, as the receiver writes it."""

    def __post_init__(self) -> None:
        if self.quality.measured and not (abs(self.latitude_deg) <= 90.0 and abs(self.longitude_deg) <= 180.0):
            raise SampleError(
                f"A {self.quality.text} position needs a latitude of -90 to 90 and a longitude of -180 to 180 degrees, "
                f"not {self.latitude_deg} and {self.longitude_deg}."
            )
        if self.sigma_m <= 0:
            raise SampleError(f"The accuracy of a position is more than 0 m, not {self.sigma_m}; NaN if not known.")

    @property
    def sure(self) -> bool:
        """Whether it can place a sample: measured, and with a known accuracy."""
        return self.quality.measured and self.sigma_m > 0
