"""A metal stretch too short to tell metal from its ground is not said to be tested."""

from __future__ import annotations

import numpy as np
import pytest

from detector.decide.alarm import Tail
from detector.decide.classifier import model_from
from detector.decide.training import untrained
from detector.pipeline import Absence, Pipeline
from detector.profile import Profile
from detector.samples import DeviceDescription, SampleBlock, StreamDescription, StreamKind
from detector.score.truth_file import LaneTruth
from detector.scoring import Chain, score_recording
from detector.simulate.pulse_induction import TARGETS, Head, target_signal

HEAD = Head()
STREAM = StreamDescription(
    0, "metal", StreamKind.METAL_PI, 1, len(HEAD.gates_s), "float32", 500.0, unit="V", axis=HEAD.gates_s
)
DEVICE = DeviceDescription("made up", "1", "1", 1e6, (STREAM,))
MODEL = model_from(
    untrained(dict.fromkeys(("radar", "metal", "radar-search", "metal-search"), Tail(0.9, 0.3, 0.1))), ""
)
STEP_M = 0.001


def lane(length_m: float, mine_m: float) -> SampleBlock:
    """A mine 100 times the noise, 10 cm deep."""
    n = round(length_m / STEP_M)
    seq = np.arange(n, dtype=np.int64)
    answer = target_signal(HEAD, TARGETS["minimum-metal"], seq * STEP_M - mine_m, 0.1, np.full(n, 0.05))
    raw = np.random.default_rng(1).normal(size=answer.shape) + 100.0 * answer / np.abs(answer).max()
    return SampleBlock(STREAM, seq, seq * 2000, seq * 2_000_000, seq * 1000, raw[:, None, :].astype(np.float32))


def without(block: SampleBlock, first: int, last: int) -> list[SampleBlock]:
    return [block[:first], block[last:]]


def swept(blocks: list[SampleBlock], profile: Profile | None = None) -> tuple[list[float], Pipeline, list[Absence]]:
    absences: list[Absence] = []
    pipeline = Pipeline(DEVICE, profile or Profile(), MODEL, absences.append)
    alarms = [a for b in blocks for a in pipeline.process(b).alarms] + pipeline.finish().alarms
    return [a.x_m for a in alarms], pipeline, absences


@pytest.mark.parametrize("length_m", [0.05, 0.4, 0.9, 1.2, 1.6, 2.0])
def test_a_mine_alarms_or_its_ground_is_not_tested(length_m: float) -> None:
    block = lane(length_m, length_m / 2)
    found, pipeline, _ = swept([block])
    untested = pipeline.coverage()[0].untested
    assert untested in (0, len(block))
    assert untested or any(abs(x - length_m / 2) < 0.1 for x in found)


def test_what_lies_between_two_losses_is_not_tested_and_the_rest_is() -> None:
    block = lane(8.0, 6.0)
    pieces = without(block, 3000, 3050)
    pieces = [pieces[0], *without(pieces[1], 500, 550)]
    found, pipeline, absences = swept(pieces)
    assert pipeline.coverage()[0].untested == 500
    assert [x for x in found if abs(x - 6.0) < 0.1]
    # the sensor was not silent there: it could not tell
    between = [a for a in absences if a.after_tick < int(pieces[1].tick[0]) and a.before_tick > int(pieces[1].tick[-1])]
    assert len(between) == 1


def test_a_target_looked_at_with_the_head_at_rest_needs_no_ground() -> None:
    offset = {"offset": [0.0] * len(HEAD.gates_s)}
    static = Profile.model_validate({"metal": {"mode": "static", "drift": offset}})
    _, pipeline, _ = swept([lane(0.5, 0.25)], static)
    assert pipeline.coverage()[0].untested == 0


def test_a_piece_too_short_is_not_in_the_metres_that_a_score_divides_by() -> None:
    block = lane(8.0, 6.0)
    # 3.0 m, 1.2 m, 3.2 m, and 0.3 m lost between them
    pieces = [block[:3000], block[3300:4500], block[4800:]]
    scored = score_recording("lane", DEVICE, pieces, LaneTruth(()), Chain(Profile(), MODEL))
    assert scored.lane.free_m == pytest.approx(6.2, abs=0.05)
