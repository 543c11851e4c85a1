"""Metal readings that are no numbers before any that is: marked, not covered, and without an effect on what follows."""

from __future__ import annotations

import numpy as np
import pytest

from detector.decide.classifier import load_model
from detector.pipeline import Output, Pipeline
from detector.profile import load_profile
from detector.samples import DeviceDescription, Mark, SampleBlock, StreamDescription, StreamKind
from detector.simulate.pulse_induction import TARGETS, Head, target_signal

HEAD = Head()
STREAM = StreamDescription(
    0, "metal", StreamKind.METAL_PI, 1, len(HEAD.gates_s), "float32", 500.0, unit="V", axis=HEAD.gates_s
)
DEVICE = DeviceDescription("made up", "1", "1", 1e6, (STREAM,))
N = 5000


def readings() -> np.ndarray:
    """5 m over a small mine at 2.5 m, on an offset of 20 times the noise."""
    x = np.arange(N) * 0.001
    answer = target_signal(HEAD, TARGETS["minimum-metal"], x - 2.5, 0.1, np.full(N, 0.05))
    answer *= 50.0 / np.abs(answer).max()
    return (answer + np.random.default_rng(1).normal(size=answer.shape) + 20.0)[:, None, :].astype(np.float32)


def swept(raw: np.ndarray, first: int, block: int) -> tuple[list[Output], Pipeline]:
    seq = np.arange(first, N, dtype=np.int64)
    whole = SampleBlock(STREAM, seq, seq * 2000, seq * 2_000_000, seq * 1000, raw[first:])
    pipeline = Pipeline(DEVICE, load_profile(), load_model())
    outputs = [pipeline.process(whole[i : i + block]) for i in range(0, len(seq), block)]
    return [*outputs, pipeline.finish()], pipeline


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("block", [1, 77, N])
def test_they_are_marked_and_not_covered_and_what_follows_is_as_without_them(value: float, block: int) -> None:
    spoilt = readings()
    spoilt[:40, 0, 3] = value
    outputs, pipeline = swept(spoilt, 0, block)
    marks = {int(s): int(m[0]) for o in outputs for b in o.marks for s, m in zip(b.seq, b.marks, strict=True)}
    assert sorted(marks) == list(range(N))
    assert [s for s, m in marks.items() if m & Mark.SATURATED] == list(range(40))
    coverage = pipeline.coverage()[0]
    assert (coverage.untested, coverage.marked["SATURATED"], coverage.received) == (40, 40, N)
    later, _ = swept(readings(), 40, N)
    want = [(a.x_m, a.score) for o in later for a in o.alarms]
    assert want == [(a.x_m, a.score) for o in outputs for a in o.alarms]
    assert any(abs(x - 2.5) < 0.06 for x, _ in want)


def test_a_head_that_never_gives_a_number_is_not_covered_at_all() -> None:
    outputs, pipeline = swept(np.full_like(readings(), np.nan), 0, 500)
    assert all((b.marks & Mark.SATURATED).all() for o in outputs for b in o.marks)
    assert pipeline.coverage()[0].unswept == pipeline.coverage()[0].untested == N
    assert not any(o.alarms or o.signals for o in outputs)
