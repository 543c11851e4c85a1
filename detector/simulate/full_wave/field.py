"""The kernel: one A-scan as fields stepped through a plane."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F4 = NDArray[np.float32]


# Stages that samples stream through must not use fastmath: their bits would hang on how the samples are cut. Nothing
# streams through this one: an A-scan is always stepped whole, by one compiled function. Its bits are the same each time
# on one kind of processor; without fastmath, so perhaps on another kind, values differ by 2e-6 of the largest.
@njit(cache=True, fastmath=True, nogil=True)
def ascan(
    ca: F4, cb: F4, bd: F4, kp: np.float32, ax: F4, bx: F4, axh: F4, bxh: F4, ay: F4, by: F4, ayh: F4, byh: F4,
    npml: int, ch: np.float32, src: F4, jscale: F4, sx: int, sy: int, rx: int, ry: int, steps: int,
) -> F4:  # fmt: skip
    """Electric field across the plane at the receiver after a line current, V/m: (steps,) float32.

    Transverse magnetic fields (Ez, Hx, Hy) on Yee's staggered grid (Yee 1966), leapfrog in time, float32. One Debye
    pole a node by an auxiliary current that is stepped with the field (Taflove & Hagness 2005, ch. 9.4). Convolutional
    absorbing layers all round (Roden & Gedney 2000) with no stretching of the real part.

    Parameters
    ----------
    ca, cb, bd : (nx, ny) of each Ez node: share of the field that is kept a step; field that a current density gives in
        a step, ohm m; polarisation current that a change of field gives, S/m
    kp : share of the polarisation current that is kept a step
    ax, bx, ay, by : (nx,), (ny,) recursion of the layers at Ez nodes, 1; axh, bxh, ayh, byh : half a cell on, at H's
    npml : cells of absorbing layer at each side
    ch : time step over permeability and cell, S
    src : (steps,) current of the source, A
    jscale : (2,) 1 / cell^2 (1/m2) and 1 / cell (1/m)
    sx, sy, rx, ry : nodes of source and receiver
    """
    nx, ny = ca.shape
    ez = np.zeros((nx, ny), np.float32)
    hx = np.zeros((nx, ny), np.float32)
    hy = np.zeros((nx, ny), np.float32)
    jz = np.zeros((nx, ny), np.float32)
    p_hy = np.zeros((nx, ny), np.float32)
    p_hx = np.zeros((nx, ny), np.float32)
    p_ex = np.zeros((nx, ny), np.float32)
    p_ey = np.zeros((nx, ny), np.float32)
    out = np.zeros(steps, np.float32)
    half = np.float32(0.5) * (np.float32(1.0) + kp)
    idl = jscale[1]
    for n in range(steps):
        out[n] = ez[rx, ry]
        # outside of these rows nothing has come from the source, or can come to the receiver in time: exact
        r = min(n, steps - n) + 3
        for i in range(max(0, min(sx, rx) - r), min(nx, max(sx, rx) + r)):
            # H of this row from the old E
            for j in range(ny - 1):
                hx[i, j] -= ch * (ez[i, j + 1] - ez[i, j])
            for j in range(npml):
                d = ez[i, j + 1] - ez[i, j]
                p_hx[i, j] = byh[j] * p_hx[i, j] + ayh[j] * d
                hx[i, j] -= ch * p_hx[i, j]
            for j in range(ny - 1 - npml, ny - 1):
                d = ez[i, j + 1] - ez[i, j]
                p_hx[i, j] = byh[j] * p_hx[i, j] + ayh[j] * d
                hx[i, j] -= ch * p_hx[i, j]
            if i < nx - 1:
                for j in range(ny):
                    hy[i, j] += ch * (ez[i + 1, j] - ez[i, j])
                if i < npml or i >= nx - 1 - npml:
                    for j in range(ny):
                        d = ez[i + 1, j] - ez[i, j]
                        p_hy[i, j] = bxh[i] * p_hy[i, j] + axh[i] * d
                        hy[i, j] += ch * p_hy[i, j]
            # E of this row: H of this row and the one before are new, and no later H asks for this row's old E
            if i == 0 or i == nx - 1:
                continue
            for j in range(1, ny - 1):
                curl = (hy[i, j] - hy[i - 1, j]) - (hx[i, j] - hx[i, j - 1])
                old = ez[i, j]
                new = ca[i, j] * old + cb[i, j] * (curl * idl - half * jz[i, j])
                ez[i, j] = new
                jz[i, j] = kp * jz[i, j] + bd[i, j] * (new - old)
            if i <= npml or i >= nx - 1 - npml:
                for j in range(1, ny - 1):
                    p_ex[i, j] = bx[i] * p_ex[i, j] + ax[i] * (hy[i, j] - hy[i - 1, j])
                    add = cb[i, j] * idl * p_ex[i, j]
                    ez[i, j] += add
                    jz[i, j] += bd[i, j] * add
            for j in range(1, npml + 1):
                p_ey[i, j] = by[j] * p_ey[i, j] + ay[j] * (hx[i, j] - hx[i, j - 1])
                add = -cb[i, j] * idl * p_ey[i, j]
                ez[i, j] += add
                jz[i, j] += bd[i, j] * add
            for j in range(ny - 1 - npml, ny - 1):
                p_ey[i, j] = by[j] * p_ey[i, j] + ay[j] * (hx[i, j] - hx[i, j - 1])
                add = -cb[i, j] * idl * p_ey[i, j]
                ez[i, j] += add
                jz[i, j] += bd[i, j] * add
        ez[sx, sy] -= cb[sx, sy] * src[n] * jscale[0]
    return out
