"""Makes vectors/cmsis.npz: what CMSIS-DSP itself computes. Needs cmsisdsp (pip install cmsisdsp builds it).

Run as a program; the version is kept in the file. Signals are seeded: full-scale noise, steps, and a decaying ring.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import cmsisdsp
import numpy as np
from scipy import signal

VECTORS = Path(__file__).parent / "vectors" / "cmsis.npz"


def cases() -> list[tuple[int, int, np.ndarray, np.ndarray]]:
    """(word, post_shift, coefficients (S, 5), input) of every case."""
    rng = np.random.default_rng(20)
    out = []
    for word in (31, 15):
        for order, band in ((1, (0.05, 0.4)), (2, (0.1, 0.6)), (3, (0.2, 0.5))):
            sos = signal.butter(order, band, "bandpass", output="sos")
            sos[:, :3] /= np.abs(sos[:, :3]).sum(axis=1, keepdims=True)
            k = np.round(sos[:, [0, 1, 2, 4, 5]] * [1, 1, 1, -1, -1] * 2.0 ** (word - 1)).astype(np.int64)
            full = 2**word - 1
            x = np.concatenate((
                rng.integers(-full // 5, full // 5, 700), np.full(150, full // 5), np.full(150, -full // 5),
                np.round(full / 5 * np.cos(0.3 * np.arange(300)) * 0.97 ** np.arange(300)).astype(np.int64),
            ))  # fmt: skip
            out.append((word, 1, k, x))
            if word == 15:  # saturation on purpose
                out.append((word, 1, k, np.clip(x * 5, -(2**15), 2**15 - 1)))
    return out


def by_cmsis(word: int, post_shift: int, k: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Output words of arm_biquad_cascade_df1_q31 or _q15 from rest."""
    s = len(k)
    if word == 31:
        f = cmsisdsp.arm_biquad_casd_df1_inst_q31()
        table = k.reshape(-1).astype(np.int32)
        cmsisdsp.arm_biquad_cascade_df1_init_q31(f, s, table, np.zeros(4 * s, np.int32), post_shift)
        return np.asarray(cmsisdsp.arm_biquad_cascade_df1_q31(f, x.astype(np.int32)))
    padded = np.column_stack((k[:, :1], np.zeros((s, 1)), k[:, 1:])).reshape(-1).astype(np.int16)
    f = cmsisdsp.arm_biquad_casd_df1_inst_q15()
    cmsisdsp.arm_biquad_cascade_df1_init_q15(f, s, padded, np.zeros(4 * s, np.int16), post_shift)
    return np.asarray(cmsisdsp.arm_biquad_cascade_df1_q15(f, x.astype(np.int16)))


if __name__ == "__main__":
    arrays: dict[str, np.ndarray] = {"version": np.array(version("cmsisdsp"))}
    for i, (word, post_shift, k, x) in enumerate(cases()):
        arrays |= {
            f"{i}_word": np.array([word, post_shift]), f"{i}_coefficients": k, f"{i}_in": x,
            f"{i}_out": by_cmsis(word, post_shift, k, x),
        }  # fmt: skip
    VECTORS.parent.mkdir(exist_ok=True)
    np.savez_compressed(VECTORS, **arrays)
    print(VECTORS, len(cases()))
