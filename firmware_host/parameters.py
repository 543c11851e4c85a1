"""Parameters of a head: its table, kept on disk by its hash; presets in TOML; what differs between two.

The table (names, units, ranges) is the same for the life of a firmware, so it is fetched once and known
from then on. Values are always asked of the head.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import platformdirs
import tomlkit

from detector.samples import DeviceDescription, ParameterReading
from firmware_host.errors import HeadError, PresetError
from firmware_host.head import Head
from firmware_host.wire.messages import Parameter, ParameterKind, parameter_hash, same_value

_CACHE_FORMAT: Final = 1

PULSE_PARAMETER: Final = "pulse_us"
"""By this name a pulse-induction head states the length of its transmit pulse, us; see docs/firmware-guide.md."""


def stated_pulse_us(tables: Sequence[Sequence[Parameter | ParameterReading]]) -> float:
    """Length of the transmit pulse as the heads of a session state it, us; NaN if none does or two differ.

    tables : of each head, or what a recording holds of them
    """
    stated = {p.value for table in tables for p in table if p.name == PULSE_PARAMETER and p.unit == "us"}
    return stated.pop() if len(stated) == 1 else float("nan")


class TableCache:
    """Parameter tables on disk, each named by its hash. What is damaged there is as if it were not there.

    Parameters
    ----------
    folder : default is the user's cache folder (~/.cache/groundsweep/parameters; XDG_CACHE_HOME is obeyed)
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or platformdirs.user_cache_path("groundsweep") / "parameters"

    def _path(self, table_hash: int) -> Path:
        return self._folder / f"{table_hash:08x}.json"

    def load(self, table_hash: int) -> list[Parameter] | None:
        """The table of this hash, values 0; None if it is not there, or not whole: the hash proves it."""
        try:
            data = json.loads(self._path(table_hash).read_text())
            if data["format"] != _CACHE_FORMAT:
                return None
            table = [Parameter(**{**row, "kind": ParameterKind(row["kind"])}) for row in data["parameters"]]
            return table if parameter_hash(table) == table_hash else None
        # whatever nonsense the file holds, packing it for the hash trips over it too
        except Exception:
            return None

    def store(self, table: Sequence[Parameter]) -> None:
        """Keep a table under its hash. A cache that cannot be written is only slower, so that is no error."""
        rows = [asdict(replace(p, value=0.0)) for p in table]
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._folder, suffix=".new", delete=False) as f:
                json.dump({"format": _CACHE_FORMAT, "parameters": rows}, f)
            os.replace(f.name, self._path(parameter_hash(table)))


class HeadParameters:
    """The parameters of a head that has described itself.

    A value is refused here in the words of the firmware, before anything is sent.

    Raises
    ------
    HeadError
        when the head does not answer or refuses, and for names and values that cannot be
    """

    def __init__(self, head: Head, cache: TableCache | None = None) -> None:
        self._head = head
        self._cache = cache or TableCache()
        self._table: dict[str, Parameter] | None = None
        known = self._cache.load(head.parameter_hash) if head.parameter_hash else None
        self.from_cache = known is not None
        """Whether the table was known already."""
        if known is not None:
            self._table = {p.name: p for p in known}

    def table(self) -> dict[str, Parameter]:
        """Every parameter by name, in the head's order; values are not current ones."""
        if self._table is None:
            self.read()
        assert self._table is not None
        return self._table

    def read(self, names: Sequence[str] | None = None) -> list[Parameter]:
        """Parameters with their values of now: those named, or all."""
        if self._table is None:
            table = self._head.parameters()
            self._table = {p.name: p for p in table}
            # a firmware that computes its hash wrongly must not hide a later change of its table
            if table and parameter_hash(table) == self._head.parameter_hash:
                self._cache.store(table)
            if names is None:
                return table
        wanted = [self.named(n) for n in (self._table if names is None else names)]
        return [replace(p, value=self._head.get_parameter(p.name)) for p in wanted]

    def named(self, name: str) -> Parameter:
        """One parameter of the table."""
        table = self.table()
        if name not in table:
            there = ", ".join(table) or "none"
            raise HeadError(f"there is no parameter {name}. The head has: {there}.")
        return table[name]

    def check(self, values: Mapping[str, float]) -> None:
        """Refuse names and values that the head would refuse, all of them in one error."""
        problems = [self.named(n).refusal(v) for n, v in values.items()]
        if refused := "; ".join(p for p in problems if p):
            raise HeadError(f"{refused}. Nothing was set.")

    def set(self, values: Mapping[str, float]) -> dict[str, tuple[float, float]]:
        """Set parameters, each read back; nothing is set if one of them cannot be.

        Returns
        -------
        name: (value before, value that the head holds now)
        """
        self.check(values)
        done: dict[str, tuple[float, float]] = {}
        for name, value in values.items():
            try:
                before = self._head.get_parameter(name)
                done[name] = before, self._head.set_parameter(name, value)
            except HeadError as e:
                said = ", ".join(f"{n} = {now:g} (was {old:g})" for n, (old, now) in done.items()) or "nothing"
                raise HeadError(f"{e} Set before that: {said}.") from e
        return done


@dataclass(frozen=True, slots=True)
class Preset:
    """Values of a head's writable parameters, and which head they were saved from."""

    values: dict[str, float]
    model: str = ""
    serial: str = ""
    firmware: str = ""
    table_hash: str = ""
    """8 hex digits; '' if it was written by hand."""

    def misfits(self, device: DeviceDescription, table_hash: int) -> list[str]:
        """In what the head differs from the one that these values were saved from; a sentence each."""
        pairs = (
            ("model", self.model, device.model),
            ("serial number", self.serial, device.serial),
            ("firmware", self.firmware, device.firmware),
            ("parameter table", self.table_hash, f"{table_hash:08x}"),
        )
        return [f"It was saved with {what} {a}, and this head has {b}." for what, a, b in pairs if a and a != b]


def preset_of(parameters: Sequence[Parameter], device: DeviceDescription, table_hash: int) -> Preset:
    """What a preset keeps of a head: the parameters that can be written."""
    values = {p.name: p.value for p in parameters if p.writable}
    return Preset(values, device.model, device.serial, device.firmware, f"{table_hash:08x}")


def write_preset(path: Path, preset: Preset, parameters: Sequence[Parameter], saved: datetime.datetime) -> None:
    """Write a preset as TOML, with unit, range, default and meaning of each value beside it.

    Raises
    ------
    PresetError
        if the file exists, or cannot be written.
    """
    document = tomlkit.document()
    document.add(tomlkit.comment("Parameters of a detector head. 'groundsweep params load' sets them again."))
    head = tomlkit.table()
    head.update(
        model=preset.model,
        serial=preset.serial,
        firmware=preset.firmware,
        table_hash=preset.table_hash,
        saved=saved.replace(microsecond=0),
    )
    document["head"] = head
    values = tomlkit.table()
    known = {p.name: p for p in parameters}
    for name, value in preset.values.items():
        p = known[name]
        item = tomlkit.item(_toml_value(value, p.kind))
        line = f"{p.unit + ', ' if p.unit else ''}{p.low:g} to {p.high:g}, default {p.default:g}: {p.description}"
        # a comment is one line, whatever the firmware wrote
        item.comment("".join(c if c.isprintable() else " " for c in line).rstrip(": "))
        values.add(name, item)
    document["parameters"] = values
    try:
        with path.open("x", encoding="utf-8") as f:
            f.write(tomlkit.dumps(document))
    except FileExistsError as e:
        raise PresetError(f"{path} exists already, and is not overwritten. Choose another name.") from e
    except OSError as e:
        raise PresetError(f"{path} cannot be written ({e}). Check the folder and its rights.") from e


def _toml_value(value: float, kind: ParameterKind) -> bool | int | float:
    if kind is ParameterKind.SWITCH and value in (0.0, 1.0):
        return bool(value)
    return int(value) if kind is ParameterKind.WHOLE and value.is_integer() else value


def read_preset(path: Path) -> Preset:
    """A preset from its TOML file. Only [parameters] is needed; [head] says what it was saved from.

    Raises
    ------
    PresetError
        naming what is wrong with the file.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise PresetError(f"There is no file {path}. Check the name.") from e
    except (OSError, UnicodeDecodeError) as e:
        raise PresetError(f"The preset {path} cannot be read ({e}).") from e
    except (tomllib.TOMLDecodeError, RecursionError) as e:
        raise PresetError(f"{path} is not valid TOML: {e}. Mend that line.") from e
    if unknown := [k for k in data if k not in ("head", "parameters")]:
        raise PresetError(f"{path} has [{unknown[0]}], which a preset has not: values belong in [parameters].")
    raw, head = data.get("parameters"), data.get("head", {})
    if not isinstance(raw, dict) or not isinstance(head, dict):
        raise PresetError(f"{path} has no table [parameters] with lines like 'name = 1.5'.")
    values = {name: _number(path, name, value) for name, value in raw.items()}
    text = {k: str(head.get(k, "")) for k in ("model", "serial", "firmware", "table_hash")}
    return Preset(values, **text)


def _number(path: Path, name: str, value: Any) -> float:
    if not isinstance(value, bool | int | float):
        raise PresetError(f"{path}: {name} = {value!r} is not a number. Write for example '{name} = 1.5', or true.")
    try:
        return float(value)
    except OverflowError as e:
        raise PresetError(f"{path}: {name} is too large for a number.") from e


@dataclass(frozen=True, slots=True)
class Difference:
    """A parameter that differs between two presets or heads; None where one of them does not have it."""

    name: str
    a: float | None
    b: float | None


def differences(a: Mapping[str, float], b: Mapping[str, float]) -> list[Difference]:
    """What differs, in the order of a, then what only b has."""
    names = [*a, *(n for n in b if n not in a)]
    return [
        Difference(n, a.get(n), b.get(n)) for n in names if n not in a or n not in b or not same_value(a[n], b[n])
    ]
