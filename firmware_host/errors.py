"""What can go wrong between the head and the host, as sentences for the person at the keyboard."""

from detector.errors import GroundsweepError


class LinkError(GroundsweepError):
    """A port cannot be opened, read or written."""


class WireError(GroundsweepError):
    """Bytes from the head do not follow the wire protocol."""


class PresetError(GroundsweepError):
    """A parameter preset cannot be read or written, or does not fit the head."""


class CaptureError(GroundsweepError):
    """A capture of raw bytes cannot be read or written."""


class HeadError(GroundsweepError):
    """The head does not answer, refuses a command, or is not one that this software knows."""


class FirmwareError(GroundsweepError):
    """The reference firmware cannot be built, or its emulated board does not run."""


class ReferenceFileError(GroundsweepError):
    """A head's stored reference cannot be read or kept."""


class HistoryError(GroundsweepError):
    """A learner's history cannot be read or kept."""


class ConsoleError(GroundsweepError):
    """The operator's page cannot be served."""
