"""A lane: the ground that is to be swept, as a polygon in metres with, if it is known, its place on Earth.

The lane's own frame has x ahead along its heading and y to the right, both from its near left corner: what a person
who stands at the start and looks ahead would say.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detector.errors import LaneError
from detector.positions import east_north_m, metres_per_degree
from detector.recording.tables import TABLES

F8 = NDArray[np.float64]

MOST_EXTENT_M: Final = 500.0
"""Largest side of a lane. Within 100 m of its anchor the plane it is drawn on is off by less than 1 mm at 45 degrees of
latitude and 6 mm at 80, within 250 m by 6 and 33 mm, at the far corner of the largest typed lane by 5 and 26 cm. A
longer step between two corners is a slip of the pen."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where a lane lies on Earth: one place of it, and the direction of its x axis.

    Raises
    ------
    LaneError
        for a place or heading that cannot be.
    """

    latitude_deg: float
    longitude_deg: float
    heading_deg: float
    """Clockwise from true north."""
    x_m: float = 0.0
    """Of that place in the lane's frame."""
    y_m: float = 0.0

    def __post_init__(self) -> None:
        if not (abs(self.latitude_deg) <= 89.0 and abs(self.longitude_deg) <= 180.0):
            raise LaneError(
                f"A lane starts at latitude -89 to 89 and longitude -180 to 180 in decimal degrees (WGS-84), not at "
                f"{self.latitude_deg:g}, {self.longitude_deg:g}."
            )
        if not 0.0 <= self.heading_deg <= 360.0:
            raise LaneError(f"A heading is 0 to 360 degrees clockwise from true north, not {self.heading_deg:g}.")


@dataclass(frozen=True, slots=True)
class Lane:
    """Ground to sweep.

    Attributes
    ----------
    rings_m : (n, 2) corners along and across, not closed: the outline first, then what is left out inside
    anchor : its place on Earth; None where it is not known
    """

    rings_m: tuple[F8, ...]
    anchor: Anchor | None = None
    name: str = ""
    _turn: F8 = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        heading = math.radians(self.anchor.heading_deg if self.anchor else 0.0)
        turn = np.array([[math.sin(heading), math.cos(heading)], [math.cos(heading), -math.sin(heading)]])
        object.__setattr__(self, "_turn", turn)
        if not (0.1 <= self.length_m <= MOST_EXTENT_M and 0.1 <= self.width_m <= MOST_EXTENT_M):
            raise LaneError(
                f"A lane is 0.1 to {MOST_EXTENT_M:g} m long and wide, not {self.length_m:.2f} by {self.width_m:.2f} m. "
                "Split a larger one."
            )

    @property
    def length_m(self) -> float:
        return float(self.rings_m[0][:, 0].max())

    @property
    def width_m(self) -> float:
        return float(self.rings_m[0][:, 1].max())

    @property
    def text(self) -> str:
        """For a person."""
        name = f"{self.name}: " if self.name else ""
        where = ""
        if self.anchor is not None:
            a = self.anchor
            where = f", at {a.latitude_deg:.7f}, {a.longitude_deg:.7f} heading {a.heading_deg:.1f} degrees"
        shape = "" if len(self.rings_m) == 1 and len(self.rings_m[0]) == 4 else f", {len(self.rings_m[0])} corners"
        return f"{name}{self.length_m:.2f} by {self.width_m:.2f} m{shape}{where}"

    def from_earth(self, latitude_deg: F8, longitude_deg: F8) -> tuple[F8, F8]:
        """Along and across of places, m; NaN where the lane has no place on Earth.

        The plane touches the ellipsoid at the anchor, with the scales of :func:`metres_per_degree`.
        """
        if self.anchor is None:
            nowhere = np.full(len(latitude_deg), np.nan)
            return nowhere, nowhere
        a = self.anchor
        n = len(latitude_deg)
        east, north = east_north_m(
            np.full(n, a.latitude_deg), np.full(n, a.longitude_deg), latitude_deg, longitude_deg
        )
        x, y = self._turn.T @ np.stack((east, north))
        return x + a.x_m, y + a.y_m

    def to_earth(self, x_m: F8, y_m: F8) -> tuple[F8, F8]:
        """Latitude and longitude of places in the lane, degrees WGS-84; NaN where it has no place on Earth."""
        if self.anchor is None:
            nowhere = np.full(len(x_m), np.nan)
            return nowhere, nowhere
        a = self.anchor
        east, north = self._turn @ np.stack((x_m - a.x_m, y_m - a.y_m))
        per_longitude, per_latitude = metres_per_degree(np.full(len(x_m), a.latitude_deg))
        longitude = (a.longitude_deg + east / per_longitude + 180.0) % 360.0 - 180.0
        return a.latitude_deg + north / per_latitude, longitude

    def place_of(self, x_m: float, y_m: float) -> tuple[float, float]:
        """Latitude and longitude of one place, degrees WGS-84; NaN where the lane has no place on Earth."""
        latitude, longitude = self.to_earth(np.array([x_m]), np.array([y_m]))
        return float(latitude[0]), float(longitude[0])

    def rows(self, number: int, utc_ns: int, asked: int) -> NDArray[Any]:
        """(n,) rows of the table `lanes` of a recording."""
        nan = float("nan")
        a = self.anchor or _NOWHERE
        name = self.name.encode()[:64].decode(errors="ignore").encode()
        rows = [(number, utc_ns, name, -1, a.x_m, a.y_m, a.latitude_deg, a.longitude_deg, a.heading_deg, asked)]
        for k, ring in enumerate(self.rings_m):
            latitude, longitude = self.to_earth(ring[:, 0], ring[:, 1])
            for (x, y), lat, lon in zip(ring, latitude, longitude, strict=True):
                rows.append((number, utc_ns, name, k, x, y, lat, lon, nan, asked))
        return np.array(rows, TABLES["lanes"].dtype)


@dataclass(frozen=True, slots=True)
class _Nowhere:
    latitude_deg: float = float("nan")
    longitude_deg: float = float("nan")
    heading_deg: float = float("nan")
    x_m: float = float("nan")
    y_m: float = float("nan")


_NOWHERE: Final = _Nowhere()


def rectangle(length_m: float, width_m: float, anchor: Anchor | None = None, name: str = "") -> Lane:
    """A lane with four corners; an anchor without x and y is its near left corner.

    Raises
    ------
    LaneError
        if it is shorter or narrower than 0.1 m, or longer or wider than 500 m.
    """
    return Lane((np.array([[0.0, 0.0], [length_m, 0.0], [length_m, width_m], [0.0, width_m]]),), anchor, name)


def typed_lane(size: str, start: str = "", heading: str = "") -> Lane:
    """A lane as a person types it: '20x1.2', '45.8123456, 15.9765432' and '90'.

    Raises
    ------
    LaneError
        saying what was typed and what was expected.
    """
    found = re.fullmatch(r"\s*([0-9.]+)\s*m?\s*[xX×*]\s*([0-9.]+)\s*m?\s*", size)
    try:
        length, width = (float(g) for g in found.groups()) if found else (math.nan, math.nan)
        if not (math.isfinite(length) and math.isfinite(width)):
            raise ValueError
    except ValueError:
        raise LaneError(f"A lane is length x width in metres, such as 20x1.2, not {size!r}.") from None
    if not start.strip() and not heading.strip():
        return rectangle(length, width)
    try:
        latitude, longitude = (float(part) for part in start.split(","))
        towards = float(heading)
    except ValueError:
        raise LaneError(
            "A lane's place is its near left corner and its heading, such as '45.8123456, 15.9765432' (decimal "
            f"degrees, WGS-84) and '90' (degrees clockwise from true north); what came is {start!r} and {heading!r}. "
            "Give both or none."
        ) from None
    return rectangle(length, width, Anchor(latitude, longitude, towards))


def kept_lanes(rows: NDArray[Any]) -> dict[int, tuple[Lane, int]]:
    """Lanes of a recording by number, each with the passes that were asked for; from rows of the table `lanes`."""
    out = {}
    for number in np.unique(rows["lane"]):
        mine = rows[rows["lane"] == number]
        first = mine[mine["ring"] == -1][0]
        rings = tuple(
            np.column_stack((mine["x_m"][mine["ring"] == k], mine["y_m"][mine["ring"] == k])).astype(np.float64)
            for k in range(int(mine["ring"].max()) + 1)
        )
        anchor = None
        if np.isfinite(first["latitude_deg"]):
            anchor = Anchor(*(float(first[n]) for n in ("latitude_deg", "longitude_deg", "heading_deg", "x_m", "y_m")))
        out[int(number)] = Lane(rings, anchor, first["name"].decode(errors="replace")), int(first["asked"])
    return out
