"""Recursions along fast time for many A-scans side by side: sample k of lane r stands at k * LANES + r.

A recursion waits for its own last result; 64 of them together keep a processor busy. Four samples are taken at a
time, so that the state of a lane stays in registers in between. Every lane does the same arithmetic in the same
order whatever the others hold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit
from numba.core import types
from numpy.typing import NDArray

from detector.kernels.vector import intrinsic, make_array

F4 = NDArray[np.float32]

LANES = 64
"""A-scans side by side."""

SIDE = 8
"""Rows and columns of the square that `turn` turns over."""

_ROUNDS = ((1, (0, 8, 1, 9, 4, 12, 5, 13)), (2, (0, 1, 8, 9, 4, 5, 12, 13)), (4, (0, 1, 2, 3, 8, 9, 10, 11)))
"""How far apart two rows are that exchange, and which of their sixteen values the first of them becomes."""

_L2, _L3, _L4 = 2 * LANES, 3 * LANES, 4 * LANES


@intrinsic
def turn(context: Any, source: Any, at: Any, step: Any, target: Any, to: Any, pace: Any) -> Any:
    """Turn a square of float32 over: target[to + pace * j + i] = source[at + step * i + j], i and j below SIDE.

    source, target : (n,) float32. Written as vector shuffles, which the compiler does not find by itself.
    """
    del context
    whole = types.intp
    sig = types.void(source, whole, whole, target, whole, whole)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = context.get_value_type(types.float32)
        vector = ir.VectorType(word, SIDE)
        index = ir.Constant

        def address(kind: Any, array: Any, first: Any, stride: Any, i: int) -> Any:
            data = make_array(kind)(context, builder, array).data
            offset = builder.add(first, builder.mul(stride, index(stride.type, i)))
            return builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())

        rows = []
        for i in range(SIDE):
            row = builder.load(address(signature.args[0], args[0], args[1], args[2], i))
            row.align = 4
            rows.append(row)
        # three rounds of what processors do in one instruction: unpack singles, unpack pairs, exchange halves
        for apart, low in _ROUNDS:
            high = [place + (4 if apart == 4 else 2) for place in low]
            masks = [index(ir.VectorType(ir.IntType(32), SIDE), list(mask)) for mask in (low, high)]
            done = list(rows)
            for i in range(SIDE):
                if not i & apart:
                    # where the two come to stand makes the rows end in order
                    to = (i, i + apart) if apart != 2 else (i + (i & 1), i + (i & 1) + 1)
                    for place, mask in zip(to, masks, strict=True):
                        done[place] = builder.shuffle_vector(rows[i], rows[i + apart], mask)
            rows = done
        for j in range(SIDE):
            place = builder.store(rows[j], address(signature.args[3], args[3], args[4], args[5], j))
            place.align = 4
        return context.get_dummy_value()

    return sig, codegen


@njit(inline="always")
def _two(
    x: F4, z: F4, g0: Any, p0: Any, q0: Any, g1: Any, p1: Any, q1: Any, k0: int, k1: int, k2: int, k3: int
) -> None:
    """Four samples, at k0 to k3 in the order of the recursion, through two sections."""
    for r in range(LANES):
        a, b, c, d = z[r], z[LANES + r], z[_L2 + r], z[_L3 + r]
        u = g0 * x[k0 + r]
        v = u - a
        a, b = b + p0 * v, u + q0 * v
        u = g1 * v
        v = u - c
        c, d = d + p1 * v, u + q1 * v
        x[k0 + r] = v
        u = g0 * x[k1 + r]
        v = u - a
        a, b = b + p0 * v, u + q0 * v
        u = g1 * v
        v = u - c
        c, d = d + p1 * v, u + q1 * v
        x[k1 + r] = v
        u = g0 * x[k2 + r]
        v = u - a
        a, b = b + p0 * v, u + q0 * v
        u = g1 * v
        v = u - c
        c, d = d + p1 * v, u + q1 * v
        x[k2 + r] = v
        u = g0 * x[k3 + r]
        v = u - a
        a, b = b + p0 * v, u + q0 * v
        u = g1 * v
        v = u - c
        c, d = d + p1 * v, u + q1 * v
        x[k3 + r] = v
        z[r], z[LANES + r], z[_L2 + r], z[_L3 + r] = a, b, c, d


@njit(inline="always")
def _one(x: F4, z: F4, g: Any, p: Any, q: Any) -> None:
    """One sample through one section."""
    for r in range(LANES):
        u = g * x[r]
        v = u - z[r]
        z[r], z[LANES + r] = z[LANES + r] + p * v, u + q * v
        x[r] = v


@njit(cache=True, nogil=True)
def start(x: F4, z: F4, sections: F4, k: int) -> None:
    """State in which sample k has stood for ever: only the first section sees it, and rejects it."""
    z[:] = np.float32(0.0)
    if len(sections) > 0:
        row = x[k * LANES : (k + 1) * LANES]
        for r in range(LANES):
            z[r] = sections[0, 0] * row[r]
            z[LANES + r] = z[r]


@njit(cache=True, nogil=True)
def forward(x: F4, z: F4, sections: F4, first: int, last: int) -> None:
    """Filter samples first to last - 1 in place, in that order.

    Each section is v[k] = g (u[k] - u[k-2]) - p v[k-1] - q v[k-2]: zeros at 0 and at half the sampling rate.
    x : (n * LANES,); z : (2 * LANES * sections,), updated; sections : (s, 3) = g, p, q.
    """
    count = len(sections)
    fours = (last - first) // 4
    for i in range(fours):
        at = (first + 4 * i) * LANES
        for s in range(0, count - 1, 2):
            a, b = sections[s], sections[s + 1]
            _two(
                x[at : at + _L4], z[s * _L2 : s * _L2 + _L4], a[0], a[1], a[2], b[0], b[1], b[2], 0, LANES, _L2, _L3
            )
        if count % 2:
            a = sections[count - 1]
            for j in range(4):
                here = at + j * LANES
                _one(x[here : here + LANES], z[(count - 1) * _L2 : count * _L2], a[0], a[1], a[2])
    for k in range(first + 4 * fours, last):
        for s in range(count):
            a = sections[s]
            _one(x[k * LANES : (k + 1) * LANES], z[s * _L2 : (s + 1) * _L2], a[0], a[1], a[2])


@njit(cache=True, nogil=True)
def backward(x: F4, z: F4, sections: F4, first: int, last: int) -> None:
    """The same from sample last - 1 down to first."""
    count = len(sections)
    fours = (last - first) // 4
    for i in range(fours):
        at = (last - 4 - 4 * i) * LANES
        for s in range(0, count - 1, 2):
            a, b = sections[s], sections[s + 1]
            _two(
                x[at : at + _L4], z[s * _L2 : s * _L2 + _L4], a[0], a[1], a[2], b[0], b[1], b[2], _L3, _L2, LANES, 0
            )
        if count % 2:
            a = sections[count - 1]
            for j in range(4):
                here = at + (3 - j) * LANES
                _one(x[here : here + LANES], z[(count - 1) * _L2 : count * _L2], a[0], a[1], a[2])
    for i in range((last - first) - 4 * fours):
        k = last - 4 * fours - 1 - i
        for s in range(count):
            a = sections[s]
            _one(x[k * LANES : (k + 1) * LANES], z[s * _L2 : (s + 1) * _L2], a[0], a[1], a[2])
