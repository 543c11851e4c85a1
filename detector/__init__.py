"""The science of groundsweep: arrays in, detections out.

Nothing in this package opens a port, reads a clock or starts a thread.
"""

__version__ = "0.1.0"
