"""Where a sample was taken: between the fixes of a satellite receiver, with an accuracy that says how far to trust it.

Places are latitude and longitude, WGS-84. Between two neighbouring fixes the path is taken in the plane that
touches the ellipsoid at the first of them, from its two radii of curvature. docs/positions.md has the model
in prose.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.errors import SampleError
from detector.samples import NO_TIME, Float64Array, Int64Array, Position
from detector.settings import Settings, quantity

SEMI_MAJOR_M: Final = 6_378_137.0
FLATTENING: Final = 1 / 298.257223563
"""WGS-84, NIMA TR8350.2."""

_ECCENTRICITY2: Final = FLATTENING * (2 - FLATTENING)
_CLOCK_WINDOW_NS: Final = 60_000_000_000
_SLOWEST_NS: Final = 1_000_000_000
_ODOMETER_GAP_NS: Final = 250_000_000
"""Between odometer readings further apart in time nobody knows how the way was spread."""


class PlacingSettings(Settings):
    """When samples have a place, and how sure it is."""

    max_gap_s: float = quantity(
        3.0, "s", 0.1, 60.0, "no place between fixes further apart in time: three missed fixes of a 1 Hz receiver"
    )
    max_gap_m: float = quantity(
        3.0, "m", 0.1, 100.0, "no place between fixes further apart: survey practice with magnetometer carts"
    )
    max_speed_m_per_s: float = quantity(
        10.0, "m/s", 0.5, 100.0, "a faster step from fix to fix is an error: no sweep is as fast as a sprint"
    )
    acceleration_m_per_s2: float = quantity(
        1.0, "m/s2", 0.0, 50.0, "the antenna turns and halts no harder: from a walk to a stand in a second; assumed"
    )
    latency_s: float = quantity(
        0.1, "s", 0.0, 5.0, "least time from a fix to its first sentence: middle of 0 to 0.2 s; assumed, measure yours"
    )
    time_sigma_s: float = quantity(
        0.1, "s", 0.0, 5.0, "how well the times of fixes and samples are aligned: half of that range; assumed"
    )


@dataclass(frozen=True, slots=True)
class Places:
    """Places of n samples; all three NaN where a sample has none.

    Attributes
    ----------
    latitude_deg, longitude_deg : (n,) float64, WGS-84
    sigma_m : (n,) float64, horizontal accuracy as in Position, m
    """

    latitude_deg: Float64Array
    longitude_deg: Float64Array
    sigma_m: Float64Array

    def __len__(self) -> int:
        return len(self.sigma_m)

    @property
    def known(self) -> NDArray[np.bool_]:
        """(n,) whether a sample has a place."""
        return np.isfinite(self.sigma_m)


def metres_per_degree(latitude_deg: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Length of a degree of longitude and of latitude on the ellipsoid, m.

    The radii of curvature in the prime vertical and in the meridian (Torge and Müller, Geodesy, 4th edition,
    section 4.1). A plane with these scales is off by less than 0.1 mm within 10 m of its origin and by less than
    6 mm within 100 m, up to 80 degrees of latitude; a height of 3000 m adds 0.05 % of the distance.
    """
    phi = np.radians(latitude_deg)
    w2 = 1 - _ECCENTRICITY2 * np.sin(phi) ** 2
    prime_vertical = SEMI_MAJOR_M / np.sqrt(w2)
    meridian = SEMI_MAJOR_M * (1 - _ECCENTRICITY2) / w2**1.5
    degree = np.pi / 180
    return prime_vertical * np.cos(phi) * degree, meridian * degree


def east_north_m(
    from_latitude_deg: Float64Array,
    from_longitude_deg: Float64Array,
    latitude_deg: Float64Array,
    longitude_deg: Float64Array,
) -> tuple[Float64Array, Float64Array]:
    """East and north of places near to other places, m; arrays of one shape. The antimeridian is no border."""
    per_longitude, per_latitude = metres_per_degree(from_latitude_deg)
    turn = (longitude_deg - from_longitude_deg + 180.0) % 360.0 - 180.0
    return turn * per_longitude, (latitude_deg - from_latitude_deg) * per_latitude


def too_fast(distance_m: Float64Array, sigma_m: Float64Array, seconds: Float64Array, limit: float) -> NDArray[np.bool_]:
    """Whether a step between two fixes is faster than can be, even with three sigma of error in each, added as squares.

    Parameters
    ----------
    distance_m, seconds : (n,) of the steps
    sigma_m : (n,) square root of the sum of both fixes' squared sigma, m
    limit : m/s
    """
    return np.asarray(distance_m - 3 * sigma_m > limit * seconds)


class Track:
    """A satellite receiver's fixes in host time, to place samples on.

    Every fix is moved from the receiver's time to the host's by the smallest delay within a minute of it
    (a minimum-delay filter, as for the head's own ticks), so that a slow sentence does not move a place.

    Parameters
    ----------
    positions : in the order in which they came, also those without a fix: no path leads through them
    settings : limits and assumptions
    odometer : (m,) int64 host times, strictly increasing, ns, and (m,) float64 distances along the track at them,
        m, NaN where unknown; with them, distance instead of time tells how far from one fix to the next a sample
        lies, wherever that is surer

    Raises
    ------
    SampleError
        when the odometer's times and distances differ in number, or its times do not increase.
    """

    def __init__(
        self,
        positions: Sequence[Position],
        settings: PlacingSettings | None = None,
        odometer: tuple[Int64Array, Float64Array] | None = None,
    ) -> None:
        self.settings = settings or PlacingSettings()
        times, sure, kept = _in_host_time(positions, self.settings)
        self.utc_ns: Int64Array = times
        """(n,) when each fix was taken, host time, strictly increasing."""
        self._latitude = np.array([positions[i].latitude_deg for i in kept], np.float64)
        self._longitude = np.array([positions[i].longitude_deg for i in kept], np.float64)
        self._sigma = np.array([positions[i].sigma_m for i in kept], np.float64)
        self._seconds = np.diff(times).astype(np.float64) * 1e-9
        self._east, self._north = east_north_m(
            self._latitude[:-1], self._longitude[:-1], self._latitude[1:], self._longitude[1:]
        )
        self._distance = np.hypot(self._east, self._north)
        self._noise = np.hypot(self._sigma[:-1], self._sigma[1:])
        with np.errstate(invalid="ignore"):
            self._open = (
                sure[:-1]
                & sure[1:]
                & (self._seconds <= self.settings.max_gap_s)
                & (self._distance <= self.settings.max_gap_m)
                & ~too_fast(self._distance, self._noise, self._seconds, self.settings.max_speed_m_per_s)
            )
        self._odometer = None if odometer is None else _Odometer(*odometer)

    def places(self, utc_ns: Int64Array) -> Places:
        """Places of samples, each by itself.

        Parameters
        ----------
        utc_ns : (n,) host times of the samples, as in SampleBlock, in any order
        """
        n = len(utc_ns)
        if len(self.utc_ns) < 2:
            return Places(*(np.full(n, np.nan) for _ in range(3)))
        k = np.clip(np.searchsorted(self.utc_ns, utc_ns, side="right") - 1, 0, len(self._open) - 1)
        known = self._open[k] & (utc_ns >= self.utc_ns[0]) & (utc_ns <= self.utc_ns[-1])
        since = (utc_ns - self.utc_ns[k]).astype(np.float64) * 1e-9
        along = since / self._seconds[k]
        # linear interpolation of a path with bounded acceleration a errs by at most a t (T - t) / 2
        stray: Float64Array = 0.5 * self.settings.acceleration_m_per_s2 * since * (self._seconds[k] - since)
        if self._odometer is not None:
            along, stray = self._by_odometer(self._odometer, utc_ns, k, along, stray)
        # errors of neighbouring fixes are nearly the same error: they do not average out
        of_fixes = (1 - along) * self._sigma[k] + along * self._sigma[k + 1]
        of_time = self._distance[k] / self._seconds[k] * self.settings.time_sigma_s
        sigma = np.sqrt(of_fixes**2 + stray**2 + of_time**2)
        per_longitude, per_latitude = metres_per_degree(self._latitude[k])
        latitude = self._latitude[k] + along * self._north[k] / per_latitude
        longitude = self._longitude[k] + along * self._east[k] / per_longitude
        longitude = np.where(np.abs(longitude) > 180.0, (longitude + 180.0) % 360.0 - 180.0, longitude)
        return Places(*(np.where(known, x, np.nan) for x in (latitude, longitude, sigma)))

    def _by_odometer(
        self, odometer: _Odometer, utc_ns: Int64Array, k: Int64Array, along: Float64Array, stray: Float64Array
    ) -> tuple[Float64Array, Float64Array]:
        """Share of the way from fix k to the next, and greatest error across it, where the odometer knows better.

        A point at distance s along a way of length L between places d apart lies within
        sqrt(u (1 - u) (L^2 - d^2)), u = s / L, of the point at share u of the straight line: Stewart's theorem,
        since it is at most s from one end and at most L - s from the other.
        """
        at_fix, way_at_fix = odometer.at(self.utc_ns)
        net, way = np.diff(at_fix), np.diff(way_at_fix)
        here, _ = odometer.at(utc_ns)
        with np.errstate(invalid="ignore", divide="ignore"):
            # a way shorter than its chord slipped; one that turned back does not tell how far along
            usable = (way > 0.01) & (np.abs(net) > way - 1e-6) & (way > self._distance - 3 * self._noise)
            share = np.clip((here - at_fix[k]) / net[k], 0.0, 1.0)
            bound = np.sqrt(share * (1 - share) * np.maximum(0.0, way[k] ** 2 - self._distance[k] ** 2))
            better = usable[k] & (bound < stray)
        return np.where(better, share, along), np.where(better, bound, stray)


class _Odometer:
    """Readings of an odometer, and what they are at other times."""

    def __init__(self, utc_ns: Int64Array, distance_m: Float64Array) -> None:
        if len(utc_ns) != len(distance_m):
            raise SampleError(f"{len(utc_ns)} odometer times came with {len(distance_m)} distances.")
        if np.any(np.diff(utc_ns) <= 0):
            raise SampleError("The times of the odometer do not increase; give one reading a time.")
        told = np.isfinite(distance_m)
        self._utc_ns, self._distance = utc_ns[told], distance_m[told]
        self._travelled = np.concatenate(([0.0], np.cumsum(np.abs(np.diff(self._distance)))))

    def at(self, utc_ns: Int64Array) -> tuple[Float64Array, Float64Array]:
        """(n,) distance, and (n,) way travelled forth and back, m; NaN between readings too far apart in time."""
        if len(self._utc_ns) < 2:
            return np.full(len(utc_ns), np.nan), np.full(len(utc_ns), np.nan)
        j = np.clip(np.searchsorted(self._utc_ns, utc_ns), 1, len(self._utc_ns) - 1)
        step = self._utc_ns[j] - self._utc_ns[j - 1]
        share = (utc_ns - self._utc_ns[j - 1]) / step
        told = (step <= _ODOMETER_GAP_NS) & (share >= 0) & (share <= 1)
        return tuple(  # type: ignore[return-value]
            np.where(told, y[j - 1] + share * (y[j] - y[j - 1]), np.nan) for y in (self._distance, self._travelled)
        )


def _in_host_time(
    positions: Sequence[Position], settings: PlacingSettings
) -> tuple[Int64Array, NDArray[np.bool_], list[int]]:
    """When each fix was taken, in host time; whether it can place; which positions these are of."""
    latency_ns = round(settings.latency_s * 1e9)
    smallest = _smallest_delays(positions)
    times: list[int] = []
    sure: list[bool] = []
    kept: list[int] = []
    for i, p in enumerate(positions):
        usable = p.sure
        time = p.utc_ns
        if p.receiver_utc_ns != NO_TIME:
            time = p.receiver_utc_ns + next(smallest)
            # so late a sentence comes of a clock that was set, here or there: its moment is not known
            usable = usable and p.utc_ns - time <= _SLOWEST_NS
        time -= latency_ns
        if times and time <= times[-1]:
            sure[-1] = sure[-1] and usable
            continue
        times.append(time)
        sure.append(usable)
        kept.append(i)
    return np.array(times, np.int64), np.array(sure, np.bool_), kept


def _smallest_delays(positions: Sequence[Position]) -> Iterator[int]:
    """Of each position with a receiver time, the smallest delay of any within a minute before or after, ns."""
    delays = [(p.utc_ns, p.utc_ns - p.receiver_utc_ns) for p in positions if p.receiver_utc_ns != NO_TIME]
    window: deque[tuple[int, int]] = deque()
    """(arrival, delay) that may yet be the smallest: delays increase from left to right."""
    ahead = 0
    for arrival, own in delays:
        while ahead < len(delays) and delays[ahead][0] - arrival <= _CLOCK_WINDOW_NS:
            while window and window[-1][1] >= delays[ahead][1]:
                window.pop()
            window.append(delays[ahead])
            ahead += 1
        while window and arrival - window[0][0] > _CLOCK_WINDOW_NS:
            window.popleft()
        yield min(own, window[0][1]) if window else own
