"""Recordings: one HDF5 file each, docs/recording-format.md. `open` reads one, also while it is written."""

from detector.recording.reader import open_recording as open

__all__ = ["open"]
