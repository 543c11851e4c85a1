"""A cascade in fixed point: scaling chosen so that nothing can overflow, and how far it can be off.

Everything here is a worst case, proven from the filter's own impulse responses: the largest value behind a filter h
is the largest in front of it times sum |h[n]| (Jackson, "On the interaction of roundoff noise and dynamic range in
digital filters", Bell System Technical Journal 49, 1970; Oppenheim and Schafer, Discrete-Time Signal Processing, 6.9).
Direct form 1 keeps no hidden state, so bounds on the sections' outputs are all that is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy
from numpy.typing import NDArray

from detector.embedded.cascade import Cascade
from detector.errors import ProfileError
from detector.kernels.fixed_point import filter_ascans_fixed, filter_rows

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

RANGES: Final = {"int16": 2.0**15, "uint16": 2.0**15, "int32": 2.0**31}
"""Largest magnitude of a converter's counts, the middle of unsigned ones taken off."""

_LEAST_TAIL: Final = 1e-12
_LONGEST: Final = 1 << 21


@dataclass(frozen=True, slots=True)
class Quantised:
    """A cascade for words of 16 or 32 bits, laid out as CMSIS-DSP wants it."""

    cascade: Cascade
    word: int
    """31 for Q31, 15 for Q15: bits behind the sign."""
    coefficients: I8
    """(S, 5) b0 b1 b2 a1 a2, the signs of a turned; Q(word - post_shift)."""
    post_shift: int
    rest: I8
    """(S,) gain at rest from the input to each section's output, Q31."""
    shift: int
    """A count of the converter is 2^shift in Q31, and 2^(shift - 16) in Q15; negative: counts are cut."""
    reciprocals: I8
    """(half + 1,) of the dewow windows, Q31."""
    unit: float
    """Counts of the converter that one unit of the output stands for."""
    limit: float
    """Samples beyond this many counts are cut to it."""
    peak: float
    """Largest magnitude that any section's output can reach, of full scale."""
    accumulator: float
    """Largest magnitude that the accumulator can reach, of its 64 bits (of 32 bits plus guard it needs none)."""
    error: float
    """Bound on the departure from the cascade in exact arithmetic, counts at the output."""

    def run(self, raw: I8) -> I8:
        """(n, lines) records from the start of a stream, or (n, samples) A-scans, as counts; returns words."""
        c = self.cascade
        x = np.clip(raw.astype(np.int64), -int(self.limit), int(self.limit))
        if c.zero_phase:
            return np.asarray(
                filter_ascans_fixed(
                    x, self.shift, c.blank, c.half, self.reciprocals, c.pad,
                    self.coefficients, self.rest, self.post_shift, self.word,
                )
            )  # fmt: skip
        x = x << self.shift if self.shift >= 0 else x >> -self.shift
        if self.word == 15:
            x = (x + 0x8000) >> 16
        state = np.zeros((x.shape[1], len(self.coefficients), 4), np.int64)
        return np.asarray(filter_rows(x, self.coefficients, self.rest, self.post_shift, self.word, state, False))


def quantise(cascade: Cascade, word: int, sample_type: str, limit: float | None = None) -> Quantised:
    """Choose scaling, section gains and shifts for words of `word` + 1 bits.

    limit : largest magnitude of the counts, where the converter has fewer bits than its samples; samples
    beyond it are cut to it.

    Each section is scaled so that the largest output it can ever have is that of the cascade's input, and the
    input is shifted up as far as that leaves room for, rounding included.

    Raises
    ------
    ProfileError
        for samples that are not counts of a converter, and for filters that ring too long for the word.
    """
    if sample_type not in RANGES:
        raise ProfileError(
            f"The stream {cascade.stream!r} sends {sample_type} samples, which have no fixed-point range. "
            "Export it as float32, or let the head send counts (int16, uint16, int32)."
        )
    if cascade.zero_phase and sample_type == "int32":
        raise ProfileError(
            f"The stream {cascade.stream!r} sends 32-bit A-scans; the fixed-point front end takes 16-bit ones. "
            "Export it as float32, or let the head send int16."
        )
    span = RANGES[sample_type] if limit is None else limit
    if not 1.0 <= span <= RANGES[sample_type]:
        raise ProfileError(
            f"A largest count of {span:g} is not allowed: {sample_type} holds 1 to {RANGES[sample_type]:g}."
        )
    full = span
    if cascade.zero_phase:
        # less its mean a sample can be twice as large, mirrored at an end three times that
        full = span * (2.0 if cascade.half else 1.0) * (3.0 if len(cascade.sos) else 1.0)
    sos, gain = _balanced(cascade.sos)
    bits = word + 1
    post_shift, coefficients = 0, np.zeros((0, 5), np.int64)
    for post_shift in range(8):
        coefficients = _in_words(sos, word, post_shift)
        reach = np.sum(np.abs(coefficients.astype(np.float64)), axis=1) / 2.0 ** (word - post_shift)
        fits = np.all(np.abs(coefficients) < 2**word)
        # 64 bits hold twice the product of two full Q31 words; the result before the shift must stay within
        if fits and (word == 15 or np.all(reach < 2.0 ** (1 + post_shift))):
            break
    else:
        raise ProfileError(f"The filter of {cascade.stream!r} has coefficients beyond 2^7. Widen its narrowest band.")
    exact = _as_sos(coefficients, word, post_shift)
    _refuse_unstable(exact, cascade, bits)
    passes = 2 if cascade.zero_phase else 1
    difference, rounding, widest = _departures(sos, exact)
    # words of Q31 per count, as a power of two, with room for what rounding can add
    shift = int(np.floor(np.log2((2.0**31 - 1.0) / (full * max(1.0, widest)))))
    while True:
        per_count = 2.0 ** (shift - (31 - word))
        input_error = _input_error(cascade, shift, word)
        one = full * per_count * difference + rounding + input_error
        error = one if passes == 1 else one * (1.0 + widest) + input_error
        if full * per_count * widest + error < 2.0**word - 1.0:
            break
        shift -= 1
        if full * 2.0 ** (shift - (31 - word)) < 4.0:
            raise ProfileError(
                f"In {bits} bits the rounding of {cascade.stream!r}'s filter can reach {rounding:.3g} words, which "
                "leaves no room for the signal: it rings too long. Use 32 bits or float32, or widen its narrowest band."
            )
    counts = np.arange(cascade.half + 1, 2 * cascade.half + 2) if cascade.half else np.zeros(0)
    at_rest = np.cumprod(exact[:, :3].sum(axis=1) / exact[:, 3:].sum(axis=1)) if len(exact) else np.zeros(0)
    reach = np.sum(np.abs(coefficients.astype(np.float64)), axis=1) if len(coefficients) else np.zeros(1)
    peak = (full * per_count * widest + error) / 2.0**word
    return Quantised(
        cascade=cascade,
        word=word,
        coefficients=coefficients,
        post_shift=post_shift,
        rest=np.clip(np.round(at_rest * 2.0**31), -(2**31), 2**31 - 1).astype(np.int64),
        shift=shift,
        reciprocals=np.round(2.0**31 / counts).astype(np.int64) if cascade.half else np.zeros(0, np.int64),
        unit=1.0 / (per_count * gain**passes),
        limit=span,
        peak=peak,
        accumulator=float(reach.max()) * peak * 2.0**word / 2.0**63,
        error=error / (per_count * gain**passes),
    )


def _balanced(sos: F8) -> tuple[F8, float]:
    """Sections scaled so that every partial cascade has sum |h| = 1; and the gain that this put in."""
    out = sos.copy()
    gain = 1.0
    for s in range(len(sos)):
        norm = float(np.sum(np.abs(_response(out[: s + 1]))))
        out[s, :3] /= norm
        gain /= norm
    return out, gain


def _response(sos: F8) -> F8:
    """Impulse response until it has died away."""
    n = 1 << 12
    while True:
        impulse = np.zeros(n)
        impulse[0] = 1.0
        h = np.asarray(scipy.signal.sosfilt(sos, impulse))
        whole = np.sum(np.abs(h))
        if np.sum(np.abs(h[n // 2 :])) <= _LEAST_TAIL * whole or n >= _LONGEST:
            return h
        n *= 4


def _in_words(sos: F8, word: int, post_shift: int) -> I8:
    scale = 2.0 ** (word - post_shift)
    signs = np.array([1.0, 1.0, 1.0, -1.0, -1.0])
    return np.ascontiguousarray(np.round(sos[:, [0, 1, 2, 4, 5]] * signs * scale).astype(np.int64))


def _as_sos(coefficients: I8, word: int, post_shift: int) -> F8:
    c = coefficients / 2.0 ** (word - post_shift)
    return np.ascontiguousarray(np.column_stack((c[:, :3], np.ones(len(c)), -c[:, 3:])))


def _refuse_unstable(sos: F8, cascade: Cascade, bits: int) -> None:
    for section in sos:
        if np.any(np.abs(np.roots(section[3:])) >= 1.0 - 1e-12):
            raise ProfileError(
                f"In {bits} bits a pole of {cascade.stream!r}'s filter falls on the unit circle: it would never "
                "settle. Use 32 bits or float32, or widen its narrowest band."
            )


def _departures(sos: F8, exact: F8) -> tuple[float, float, float]:
    """Per unit of input: sum |h' - h|; words that cutting adds at the output at most; largest sum |h'| of a part."""
    if len(sos) == 0:
        return 0.0, 0.0, 1.0
    h, rounded = _response(sos), _response(exact)
    n = max(len(h), len(rounded))
    difference = float(np.sum(np.abs(np.pad(h, (0, n - len(h))) - np.pad(rounded, (0, n - len(rounded))))))
    cutting = 0.0
    widest = 1.0
    for s in range(len(exact)):
        behind = exact[s:].copy()
        behind[0, :3] = (1.0, 0.0, 0.0)
        # a word at most is cut at every output, and as much may be wrong with the state at the start
        cutting += (1.0 + float(np.sum(np.abs(exact[s, 4:])))) * float(np.sum(np.abs(_response(behind))))
        widest = max(widest, float(np.sum(np.abs(_response(exact[: s + 1])))))
    return difference, cutting, widest


def _input_error(cascade: Cascade, shift: int, word: int) -> float:
    """Words by which the cascade's input may be off: shifts that cut, reciprocals, and rounding to 16 bits."""
    q31 = 1.0 if shift < 0 else 0.0
    if cascade.half:
        q31 += 2.0 + (2 * cascade.half + 1) * 2.0**15 * 2.0 ** max(0, shift) / 2.0**32
    e = q31 / 2.0 ** (31 - word) + (0.5 if word == 15 else 0.0)
    # mirrored at an end three times as large
    return 3.0 * e if cascade.zero_phase else e


def counts_of(q: Quantised, words: NDArray[Any]) -> F8:
    """Output words in counts of the converter."""
    return np.asarray(words, dtype=np.float64) * q.unit
