"""How many threads a radar head's antennas are shared out to."""

from __future__ import annotations

import os
from typing import Final

from detector.errors import GroundsweepError

THREADS: Final = "GROUNDSWEEP_THREADS"
"""Environment variable: the most threads that one radar stream is worked on with; 1 = the caller's alone."""

_MEASURED: Final = 2
"""As many as were measured to pay; more only if told."""

_LEAST: Final = 4096
"""Samples of a record that a thread must have: eight antennas of 512. Hand-held heads stay with the caller's thread."""


def cores() -> int:
    """Processor cores that this process may use."""
    # not every system can say which
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def threads_for(width: int) -> int:
    """Threads for a stream whose records have that many samples over all antennas, at least 1.

    Raises GroundsweepError if the environment asks for what is no number of threads.
    """
    told = os.environ.get(THREADS, "")
    most = min(_MEASURED, cores())
    if told:
        if not told.isdecimal() or not 1 <= int(told) <= 256:
            raise GroundsweepError(
                f"The environment variable {THREADS} is {told!r}; it must be a whole number of threads from 1 to 256. "
                "Set it so, or leave it out."
            )
        most = int(told)
    return max(1, min(most, width // _LEAST))
