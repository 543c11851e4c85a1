"""What several commands open alike: a recording of ours or of another program, a profile, a model."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path
from typing import Annotated, Any

import h5py
import typer
from rich.console import Console

from detector import __version__
from detector.decide.classifier import Model, load_model
from detector.formats.foreign import ForeignRecording
from detector.profile import Profile, load_profile
from detector.recording.writer import RecordingWriter
from detector.samples import DeviceDescription

ProfileOption = Annotated[
    str, typer.Option("--profile", "-p", help="A shipped profile's name, or a TOML file. See 'groundsweep profiles'.")
]
ModelOption = Annotated[Path | None, typer.Option("--model", help="A model file; default is the shipped one.")]

console = Console(highlight=False)


class ForeignSource:
    """A file of another program, as a source for a session."""

    def __init__(self, recording: ForeignRecording) -> None:
        self.recording = recording

    @property
    def device(self) -> DeviceDescription:
        return self.recording.device

    def items(self) -> Generator[list[Any]]:
        for block in self.recording.blocks:
            for start in range(0, len(block), 256):
                yield [block[start : start + 256]]


def is_ours(path: Path) -> bool:
    """Whether to open a file as a recording of ours, so that its damage is explained as such.

    An .h5 is ours unless it is an HDF5 file that holds a simulator's output.
    """
    if path.is_dir() or path.suffix.lower() not in {".h5", ".hdf5"}:
        return False
    try:
        with h5py.File(path, "r") as f:
            return "format" in f.attrs or ("ascans" not in f and "gprMax" not in f.attrs)
    except OSError:
        return True


def chain(profile_name: str, model_path: Path | None) -> tuple[Profile, Model]:
    """The profile and the model that a command was asked to use."""
    return load_profile(profile_name), load_model(model_path)


def new_writer(
    path: Path,
    device: DeviceDescription,
    profile: Profile,
    model: Model,
    *,
    kind: str = "survey",
    note: str = "",
    several_heads: bool = False,
    journal: bool = True,
) -> RecordingWriter:
    """A recording that says what made it; without a journal only if it can be made anew."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return RecordingWriter(
        path,
        device,
        software=f"groundsweep {__version__}",
        recording_type=kind,
        created_utc_ns=time.time_ns(),
        profile_toml=profile.to_toml(),
        profile_hash=profile.hash,
        model_hash=model.hash,
        note=note,
        several_heads=several_heads,
        journal=journal,
    )

