"""The small file beside plain arrays that says what they are: NAME.toml or NAME.json beside NAME.npy, .npz or .csv."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from detector.errors import FormatError, SampleError
from detector.formats.bounded import read_text, twin
from detector.samples import SAMPLE_TYPES, StreamDescription, StreamKind

LATEST_GATE_S: Final = 0.1
"""The longest decays that are looked at, of large bombs, end at a quarter of it."""
LEAST_HZ: Final = 10.0
"""Continuous waves for metal begin at some 30 Hz."""


class Description(BaseModel):
    """What the numbers are. Units are SI; a physical value is ``raw * scale + offset`` in `unit`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: StreamKind
    """metal-pi, metal-cw, metal or radar."""
    rate_hz: float | None = Field(None, gt=0, le=1e6)
    """Records per second. Needed unless times or a step are there."""
    name: str = Field("", max_length=64, pattern=r"^[A-Za-z0-9_-]*$")
    """Of the stream; default 'radar' or 'metal'."""
    channels: int = Field(1, ge=1, le=65535)
    """Coils or antennas; the values of a record are those of the first channel, then of the next."""
    sample_type: str = ""
    """int16, uint16, int32 or float32; default: the narrowest of these that holds the array's own type."""
    scale: float = 1.0
    offset: float = 0.0
    unit: str = Field("count", max_length=32)
    gate_times_s: tuple[float, ...] = ()
    """metal-pi: centre of each gate after switch-off."""
    frequencies_hz: tuple[float, ...] = ()
    """metal-cw: one of each I, Q pair."""
    sampling_interval_s: float = Field(0.0, ge=0, le=1)
    """radar: between two samples of an A-scan."""
    centre_frequency_hz: float = Field(0.0, ge=0, le=1e12)
    """radar; 0: taken from the spectrum."""
    step_m: float = Field(0.0, ge=0, le=1000)
    """Between records, where distance triggers them; 0: time does."""
    model: str = Field("", max_length=200)
    """Of the detector."""
    serial: str = Field("", max_length=200)
    licence: str = Field("", max_length=200)
    note: str = Field("", max_length=2000)
    value_columns: tuple[str, ...] = ()
    """CSV: headings of the values, in order; default: every column that is none of those below."""
    time_column: str = ""
    """CSV: heading of seconds since 1970 UTC, or of ns if it ends in _ns; npz: the array's name."""
    x_column: str = ""
    """CSV: heading of the along-track place in m; npz: the array's name."""
    record_column: str = ""
    """CSV: heading of the record number, where some are missing; npz: the array's name."""
    samples: str = ""
    """npz: name of the array of samples, if there are several."""

    def stream(self, values: int, sample_type: str, centre_frequency_hz: float) -> StreamDescription:
        """The stream of an array with that many values a channel.

        Raises
        ------
        FormatError
            if the description contradicts itself or the array.
        """
        if self.sample_type and self.sample_type not in SAMPLE_TYPES:
            raise FormatError(f"Sample type {self.sample_type!r} is none of {', '.join(SAMPLE_TYPES)}.")
        rate = self.rate_hz or (0.25 / self.step_m if self.step_m >= 1e-4 else 0.0)
        if rate == 0.0:
            raise FormatError("The description gives neither rate_hz nor step_m. Add one of them.")
        self._refuse_other_units()
        try:
            return StreamDescription(
                stream_id=0,
                name=self.name or ("metal" if self.kind.is_metal else "radar"),
                kind=self.kind,
                channels=self.channels,
                values=values,
                sample_type=self.sample_type or sample_type,
                rate_hz=rate,
                scale=self.scale,
                offset=self.offset,
                unit=self.unit,
                axis=self.gate_times_s or self.frequencies_hz,
                sampling_interval_s=self.sampling_interval_s,
                centre_frequency_hz=self.centre_frequency_hz or centre_frequency_hz,
                step_m=self.step_m,
            )
        except SampleError as e:
            raise FormatError(f"The description does not fit the array: {e}.") from e

    def _refuse_other_units(self) -> None:
        """Against the rate where it is stated: one that is guessed from the step says little of the head's pulses."""
        last_s, every = LATEST_GATE_S, "no gate is so late"
        least_hz, below = LEAST_HZ, "those of any metal detector"
        mend = ""
        if self.rate_hz:
            last_s, least_hz = 1.0 / self.rate_hz, self.rate_hz
            mend = ", or correct rate_hz; of a logger that is faster than the head keep every n-th record"
            every = f"a record comes every {last_s:g} s, after its last gate"
            below = f"the {least_hz:g} records per second that are measured with it"
        if self.gate_times_s and max(self.gate_times_s) >= last_s:
            raise FormatError(
                f"gate_times_s go up to {max(self.gate_times_s):g} s, and {every}. Write gates in s (20e-6 is 20 us)"
                f"{mend}."
            )
        if self.frequencies_hz and min(self.frequencies_hz) < least_hz:
            raise FormatError(
                f"frequencies_hz begin at {min(self.frequencies_hz):g} Hz, below {below}. Write them in Hz{mend}."
            )


def describe(path: Path) -> Description:
    """The description beside `path`.

    Raises
    ------
    FormatError
        if there is none, or it holds a key or a value that it cannot.
    """
    beside = twin(path, ".toml", ".json")
    if beside is None:
        raise FormatError(
            f"{path} holds bare numbers. Write {path.stem}.toml beside it, with at least kind and rate_hz (and for a "
            "radar sampling_interval_s); docs/formats.md lists the keys."
        )
    text = read_text(beside)
    try:
        content: Any = tomllib.loads(text) if beside.suffix.lower() == ".toml" else json.loads(text)
    except (ValueError, RecursionError) as e:
        raise FormatError(f"{beside} is not {beside.suffix[1:].upper()} ({e}). Correct it.") from e
    return checked(content, str(beside))


def checked(content: Any, where: str) -> Description:
    """A description from parsed TOML or JSON; FormatError names the key that is wrong, and `where`."""
    try:
        return Description.model_validate(content)
    except ValidationError as e:
        first = e.errors()[0]
        key = ".".join(str(k) for k in first["loc"]) or "it"
        raise FormatError(f"{where}: {key}: {first['msg']}. docs/formats.md lists the keys.") from e
