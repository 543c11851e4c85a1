"""Numba kernels: plain functions on arrays, state passed in and out. They trust their input.

None uses fastmath: the compiler must not reassociate sums, or the result would depend on how the
samples were cut into blocks.
"""
