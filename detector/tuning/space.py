"""What may be tuned: numbers of a profile, each within a range."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from detector.errors import ProfileError
from detector.profile import Profile

SENSORS: Final = {"metal": "metal", "metal_alarm": "metal", "radar": "radar", "radar_alarm": "radar"}
"""Parts of a profile that bear on alarms, and whose alarms."""

_USUAL: Final = 3.0
"""Without a range, up to this many times the present value either way."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One number, from low to high, both allowed."""

    key: str
    """As in a profile: 'radar.bandpass.low'."""
    low: float
    high: float
    now: float
    unit: str
    whole: bool
    """Whole numbers only."""

    @property
    def log(self) -> bool:
        """Whether ratios rather than differences are alike along it."""
        return self.low > 0.0 and self.high / self.low >= 3.0


def axis(profile: Profile, text: str) -> Axis:
    """An axis from 'key' or 'key=low..high', in the unit of the profile.

    Raises
    ------
    ProfileError
        for keys that are no numbers of an alarm's chain, and for ranges beyond what the profile allows.
    """
    key, _, span = (part.strip() for part in text.partition("="))
    info, now = _field(profile, key)
    extra = info.json_schema_extra
    if not isinstance(extra, dict) or isinstance(now, bool) or not isinstance(now, (int, float)):
        raise ProfileError(f"{key} is not a number, so it cannot be tuned. Tune numbers; try choices one by one.")
    if key.split(".")[0] not in SENSORS or key.endswith("false_alarms_per_m"):
        raise ProfileError(
            f"{key} does not change which places stand out, only what follows from it. Tune keys of "
            f"{', '.join(SENSORS)}, and not the false-alarm rate: that is what settings are compared at."
        )
    least = float(next(m.ge for m in info.metadata if hasattr(m, "ge")))
    most = float(next(m.le for m in info.metadata if hasattr(m, "le")))
    whole = isinstance(now, int)
    if span:
        ends = span.split("..")
        try:
            low, high = (float(e) for e in ends)
        except ValueError as e:
            raise ProfileError(f"{text!r} is no range. Write it as {key}=LOW..HIGH.") from e
        if not least <= low < high <= most:
            raise ProfileError(f"{key} may be tuned from {least:g} to {most:g} {extra['unit']}; {span} is not within.")
    elif now > 0:
        low, high = max(least, now / _USUAL), min(most, now * _USUAL)
    else:
        low, high = least, most
    if whole:
        low, high = math.ceil(low), math.floor(high)
    return Axis(key, low, high, float(now), str(extra["unit"]), whole)


def with_values(profile: Profile, values: Mapping[str, float]) -> Profile:
    """The profile with those numbers in it.

    Raises
    ------
    ProfileError
        if together they are not allowed.
    """
    data: dict[str, Any] = profile.model_dump()
    for key, value in values.items():
        *path, last = key.split(".")
        table = data
        for part in path:
            table = table[part]
        table[last] = value
    try:
        return Profile.model_validate(data)
    except ValidationError as e:
        raise ProfileError(f"{dict(values)} is not allowed together: {e.errors()[0]['msg']}.") from e


def _field(profile: Profile, key: str) -> tuple[FieldInfo, Any]:
    owner: Any = profile
    *path, last = key.split(".")
    for part in path:
        owner = getattr(owner, part, None)
        if not isinstance(owner, BaseModel):
            break
    if not isinstance(owner, BaseModel) or last not in type(owner).model_fields:
        known = ", ".join(type(owner).model_fields) if isinstance(owner, BaseModel) else "see 'groundsweep profiles'"
        raise ProfileError(f"There is no key {key!r} in a profile. Keys there: {known}.")
    return type(owner).model_fields[last], getattr(owner, last)
