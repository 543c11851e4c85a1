"""A product and a sum rounded once: exact arithmetic is the judge, and a processor without the instruction agrees."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from numba import njit

from detector.kernels.vector import WIDTH, fused, load, store


@njit
def both(a, b, c, lanes, one):
    for k in range(0, a.size, WIDTH):
        store(lanes, k, fused(load(a, k), load(b, k), load(c, k)))
    for k in range(a.size):
        one[k] = fused(a[k], b[k], c[k])


def numbers() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(5)
    a, b = (rng.normal(size=20 * WIDTH).astype(np.float32) for _ in range(2))
    # so near the product that a second rounding would show
    return a, b, (-a * b * (1 + rng.normal(size=a.size) * 1e-6)).astype(np.float32)


def results() -> tuple[np.ndarray, np.ndarray]:
    a, b, c = numbers()
    lanes, one = np.empty_like(a), np.empty_like(a)
    both(a, b, c, lanes, one)
    return lanes, one


def test_it_is_the_exact_result_rounded_once_in_vectors_and_alone() -> None:
    a, b, c = numbers()
    lanes, one = results()
    twice = a * b + c
    assert np.count_nonzero(twice != lanes) > a.size // 10
    assert lanes.tobytes() == one.tobytes()
    for x, y, z, got in zip(a, b, c, lanes, strict=True):
        exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
        off = abs(Fraction(float(got)) - exact)
        for other in (np.nextafter(got, np.float32(-np.inf)), np.nextafter(got, np.float32(np.inf))):
            assert off <= abs(Fraction(float(other)) - exact)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names a processor of that family")
def test_a_processor_without_the_instruction_gives_the_same_bits(tmp_path) -> None:
    code = "from tests.detector.kernels.test_fused import results; print(*(r.tobytes().hex() for r in results()))"
    old = {"NUMBA_CPU_NAME": "nocona", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    said = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **old}, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == [r.tobytes().hex() for r in results()]
