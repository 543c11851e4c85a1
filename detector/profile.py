"""A profile: every tunable number of a chain, with unit, range and default; TOML in, validated, hashed."""

from __future__ import annotations

import hashlib
import json
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from detector.decide.abreast import AbreastSettings
from detector.decide.alarm import AlarmSettings
from detector.decide.fusion import FusionSettings
from detector.decide.search import SearchSettings
from detector.decide.second_look import SecondLookSettings
from detector.errors import ProfileError
from detector.metal.chain import MetalSettings
from detector.radar.chain import RadarSettings
from detector.radar.dense import DenseSettings
from detector.settings import Settings, quantity

DEFAULT_PROFILE: Final = "handheld-dual"


class Profile(Settings):
    """Describes a chain completely: two runs with one profile and one model decide alike."""

    name: str = DEFAULT_PROFILE
    nominal_speed_m_per_s: float = quantity(
        0.5, "m/s", 0.01, 20.0, "sweep speed where no odometer tells distance: fielded sets are swept at 0.5 to 1"
    )
    bridge_records: int = quantity(
        2, "records", 0, 100, "a longer gap ends the segment: filters start afresh and the ground there was not swept"
    )
    metal: MetalSettings = MetalSettings()
    metal_alarm: AlarmSettings = AlarmSettings(method="own-ground", ahead_m=0.0, top=1, radius_m=0.15)
    metal_search: SearchSettings = SearchSettings(top=1, guard_m=0.3, warm_m=0.5, smooth_m=0.0)
    radar: RadarSettings = RadarSettings()
    radar_alarm: AlarmSettings = AlarmSettings()
    radar_second_look: SecondLookSettings = SecondLookSettings()
    radar_dense: DenseSettings = DenseSettings()
    radar_abreast: AbreastSettings = AbreastSettings()
    radar_search: SearchSettings = SearchSettings(measure="log-ratio")
    fusion: FusionSettings = FusionSettings()

    @property
    def asked_per_m(self) -> dict[str, float]:
        """False alarms per metre that are asked of each sensor, 'metal' and 'radar'."""
        return {"metal": self.metal_alarm.false_alarms_per_m, "radar": self.radar_alarm.false_alarms_per_m}

    @property
    def hash(self) -> str:
        """SHA-256 of every value, name left out; equal hashes mean equal processing."""
        values = self.model_dump(mode="json", exclude={"name"})
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def with_pulse(self, pulse_us: float) -> Profile:
        """The same where it says itself how long the pulse is, or `pulse_us` is none; else with this length, us."""
        balance = self.metal.ground_balance
        if balance.pulse_us > 0.0 or not 0.0 < pulse_us <= 1e5:
            return self
        metal = self.metal.model_copy(update={"ground_balance": balance.model_copy(update={"pulse_us": pulse_us})})
        return self.model_copy(update={"metal": metal})

    def to_toml(self) -> str:
        """All values as TOML, each with its unit, range and reason as a comment."""
        lines: list[str] = []
        _write_table(self, "", lines)
        return "\n".join(lines) + "\n"


def load_profile(name_or_path: str | Path = DEFAULT_PROFILE) -> Profile:
    """A shipped profile by name, or a TOML file by path.

    Raises
    ------
    ProfileError
        naming the key, the value, its unit and range.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml" or path.exists():
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as e:
            raise ProfileError(f"The profile {path} cannot be read ({e}). Check the path.") from e
        return parse_profile(text, str(path))
    shipped = resources.files("detector") / "profiles" / f"{name_or_path}.toml"
    if not shipped.is_file():
        names = ", ".join(profile_names())
        raise ProfileError(
            f"There is no profile called {str(name_or_path)!r}. Shipped ones are {names}; or give a .toml file."
        )
    return parse_profile(shipped.read_text(), f"profile {name_or_path}")


def profile_names() -> list[str]:
    """Names of the shipped profiles."""
    folder = resources.files("detector") / "profiles"
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))


def parse_profile(text: str, where: str) -> Profile:
    """A profile from TOML text. Keys left out are those of the default profile; unknown ones are refused."""
    try:
        return Profile.model_validate(_over(Profile().model_dump(), tomllib.loads(text)))
    except tomllib.TOMLDecodeError as e:
        raise ProfileError(f"{where} is not valid TOML: {e}. Mend that line.") from e
    except ValidationError as e:
        raise ProfileError(f"{where}: " + " ".join(_explain(err) for err in e.errors())) from e


def _over(base: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The base with what is given in its place: a table keeps the keys of the base that it does not name."""
    out = dict(base)
    for key, value in given.items():
        below = base.get(key)
        out[key] = _over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return out


def _explain(error: Any) -> str:
    path = [p for p in error["loc"] if isinstance(p, str)]
    key = ".".join(path)
    if error["type"] == "extra_forbidden":
        owner = _settings_at(path[:-1])
        known = ", ".join(owner.model_fields) if owner is not None else "none"
        return f"The key '{key}' is not known. Keys there are: {known}."
    owner = _settings_at(path[:-1])
    info = owner.model_fields.get(path[-1]) if owner is not None and path else None
    if error["type"] == "literal_error" and info is not None:
        return f"{key} = {error['input']!r} is not allowed: it must be {error['ctx']['expected']} ({info.description})."
    if error["type"] == "value_error":
        return f"{key or 'the profile'}: {error['ctx']['error']}."
    if info is None or not isinstance(info.json_schema_extra, dict):
        return f"{key}: {error['msg']}."
    unit = info.json_schema_extra["unit"]
    low, high = _range(info)
    return (
        f"{key} = {error['input']!r} is not allowed: it must be from {low:g} to {high:g} {_unit(unit)}".rstrip()
        + f" (default {info.default:g}; {info.description})."
    )


def _unit(unit: Any) -> str:
    return "" if unit == "1" else str(unit)


def _range(info: Any) -> tuple[float, float]:
    low = next(m.ge for m in info.metadata if hasattr(m, "ge"))
    high = next(m.le for m in info.metadata if hasattr(m, "le"))
    return low, high


def _settings_at(path: list[str]) -> type[BaseModel] | None:
    owner: type[BaseModel] = Profile
    for key in path:
        info = owner.model_fields.get(key)
        if info is None or not (isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)):
            return None
        owner = info.annotation
    return owner


def _write_table(settings: BaseModel, prefix: str, lines: list[str]) -> None:
    tables: list[tuple[str, BaseModel]] = []
    for key, info in type(settings).model_fields.items():
        value = getattr(settings, key)
        if isinstance(value, BaseModel):
            tables.append((f"{prefix}{key}", value))
            continue
        text = json.dumps(list(value)) if isinstance(value, tuple) else json.dumps(value)
        comment = ""
        if isinstance(info.json_schema_extra, dict):
            low, high = _range(info)
            unit = _unit(info.json_schema_extra["unit"])
            comment = f"  # {unit + ', ' if unit else ''}{low:g} to {high:g}: {info.description}"
        elif info.description:
            comment = f"  # {info.description}"
        lines.append(f"{key} = {text}{comment}")
    for name, table in tables:
        lines.extend(("", f"[{name}]"))
        _write_table(table, f"{name}.", lines)
