"""What can go wrong in the science half, as sentences for the person at the keyboard."""


class GroundsweepError(Exception):
    """Base of every error that this project raises on purpose.

    The message says what was seen, where, and what the person can do. The command line prints it
    as one paragraph and ends with exit code 2; it never shows a traceback for one of these.
    """


class SampleError(GroundsweepError):
    """Samples or their description contradict themselves."""


class ProfileError(GroundsweepError):
    """A profile has an unknown key, or a value outside its range."""


class RecordingError(GroundsweepError):
    """A recording cannot be read or written."""


class LaneError(GroundsweepError):
    """A lane cannot be: its file, its corners, or what was typed."""


class FormatError(GroundsweepError):
    """A file of another program is damaged or not of the kind it claims to be."""


class ModelError(GroundsweepError):
    """Stored classifier data are damaged or do not fit this software."""


class PlotError(GroundsweepError):
    """What was asked for cannot be drawn from this recording, or the drawing library is missing."""
