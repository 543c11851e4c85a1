"""The wire protocol for the firmware of a head: a C99 library of two files, and a reference firmware on it.

groundsweep_device.h and groundsweep_device.c are copied into a firmware, see docs/firmware-guide.md.
"""
