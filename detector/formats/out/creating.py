"""Making a new file: nothing is overwritten, and half a file does not stay."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from detector.errors import FormatError


@contextmanager
def creating(*paths: Path) -> Generator[None]:
    """Round the making of files that must not exist yet; what was begun is removed if it fails.

    Raises
    ------
    FormatError
        if one exists, or cannot be written.
    """
    for path in paths:
        if path.exists():
            raise FormatError(f"{path} exists already, and is not overwritten. Choose another name.")
        if not path.parent.is_dir():
            raise FormatError(f"There is no folder {path.parent}. Make it, or choose another.")
    try:
        yield
    except BaseException as e:
        for path in paths:
            path.unlink(missing_ok=True)
        if isinstance(e, OSError):
            raise FormatError(f"{paths[0]} cannot be written ({e}). Check the folder, its rights and the disk.") from e
        raise
