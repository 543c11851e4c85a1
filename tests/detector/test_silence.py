"""A stream that falls silent: the other one settles without it, exactly, and says that it was alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.decide.classifier import FLAGS, Model, Verdict
from detector.detections import Detection, detection_table
from detector.pipeline import Coverage, Output, Pipeline
from detector.profile import Profile
from detector.samples import DeviceDescription, Mark, SampleBlock, Silence

DualHead = tuple[DeviceDescription, list[SampleBlock]]
Piece = SampleBlock | Silence


class Witness:
    """A model that remembers with which flags it was asked."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.tails, self.hash, self.second_look = model.tails, model.hash, model.second_look
        self.flags: list[dict[str, float]] = []

    def judge(self, features: np.ndarray, flags: tuple[float, float]) -> Verdict:
        self.flags.append(dict(zip(FLAGS, flags, strict=True)))
        return self._model.judge(features, flags)


def take(pipeline: Pipeline, piece: Piece) -> Output:
    return pipeline.skip(piece) if isinstance(piece, Silence) else pipeline.process(piece)


def run(device: DeviceDescription, pieces: list[Piece], model: Model) -> tuple[list[Detection], list[Coverage]]:
    pipeline = Pipeline(device, Profile(), model)
    found = [d for p in pieces for d in take(pipeline, p).detections]
    return [*found, *pipeline.finish().detections], pipeline.coverage()


def bits(found: list[Detection]) -> bytes:
    return detection_table(found).tobytes()


def gone(block: SampleBlock, first: int, stop: int) -> SampleBlock:
    keep = np.r_[0:first, stop : len(block)]
    columns = (block.seq[keep], block.tick[keep], block.utc_ns[keep], block.odometer_um[keep])
    return SampleBlock(block.stream, *columns, block.raw[keep])


def broken(block: SampleBlock, silences: list[Silence], sizes: list[int]) -> list[Piece]:
    """One stream in pieces of these sizes, each silence right after its record."""
    out: list[Piece] = [s for s in silences if s.after_seq < 0]
    at = i = 0
    while at < len(block):
        stop = min(len(block), at + sizes[i % len(sizes)])
        ahead = [s for s in silences if int(block.seq[at]) <= s.after_seq]
        if ahead:
            stop = min(stop, int(np.searchsorted(block.seq, ahead[0].after_seq, side="right")))
        out.append(block[at:stop])
        out += [s for s in silences if s.after_seq == int(block.seq[stop - 1])]
        at, i = stop, i + 1
    return out


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    died=st.integers(-1, 110),
    absent=st.integers(0, 60),
    given_up=st.lists(st.integers(0, 4_000_000), min_size=1, max_size=4),
    sizes=st.lists(st.integers(1, 300), min_size=1, max_size=8),
    order=st.randoms(use_true_random=False),
)
def test_any_cut_and_any_interleaving_round_silences_give_the_same_bits(
    dual_head: DualHead, model: Model, died: int, absent: int, given_up: list[int], sizes: list[int], order
) -> None:
    """The stream loses `absent` records, and of what comes afterwards some may be late."""
    device, (metal, radar) = dual_head
    holed = gone(radar, died + 1, min(120, died + 1 + absent))
    last = int(radar.tick[died]) if died >= 0 else 0
    silences = [Silence(0, 1, died, last + wait) for wait in sorted(given_up)]
    whole, coverage = run(device, [metal, *broken(holed, silences, [1000])], model)
    queues = [broken(metal, [], sizes), broken(holed, silences, sizes)]
    mixed: list[Piece] = []
    while any(queues):
        mixed.append(order.choice([q for q in queues if q]).pop(0))
    again, same = run(device, mixed, model)
    assert bits(again) == bits(whole)
    assert same == coverage
    late = int(np.count_nonzero((holed.seq > died) & (holed.tick <= silences[-1].until_tick)))
    of_radar = next(c for c in coverage if c.stream == "radar")
    assert of_radar.marked["LATE"] == late
    assert of_radar.untested >= late
    assert of_radar.unswept >= late
    assert of_radar.received == len(holed)


def test_the_other_sensor_settles_within_the_silence_and_the_dead_one_is_missing_not_clear(
    dual_head: DualHead, model: Model
) -> None:
    device, (metal, radar) = dual_head
    witness = Witness(model)
    pipeline = Pipeline(device, Profile(), witness)  # type: ignore[arg-type]
    # the radar dies half a metre before the second target, at 1.7 m
    dies = 62
    found = pipeline.process(radar[:dies]).detections
    shift = int(metal.tick[-1]) + 5000
    # to and fro, further than the metal detector's first ground waits for what follows it
    longer = [
        replace(metal, seq=metal.seq + 1200 * k, tick=metal.tick + k * shift, odometer_um=metal.odometer_um + k)
        for k in range(3)
    ]
    for half in longer:
        for i in range(0, 1200, 100):
            found += pipeline.process(half[i : i + 100]).detections
    assert not any(d.x_m > 1.5 for d in found), "without a silence it waits for the radar"
    # extended as it lasts, as the live source does it
    for s in range(4, 20):
        found += pipeline.skip(Silence(0, 1, dies - 1, s * 1_000_000)).detections
    alone = [k for k, d in enumerate(found) if abs(d.x_m - 1.7) < 0.05]
    assert alone
    assert found[alone[0]].seen_by == "metal"
    assert np.isnan(witness.flags[alone[0]]["radar_alarmed"])
    assert witness.flags[alone[0]]["metal_alarmed"] == 1.0
    both = next(k for k, d in enumerate(found) if abs(d.x_m - 0.9) < 0.05)
    assert witness.flags[both] == {"radar_alarmed": 1.0, "metal_alarmed": 1.0}
    coverage = next(c for c in pipeline.coverage() if c.stream == "radar")
    assert coverage.silent_s == pytest.approx(19.0 - float(radar.tick[dies - 1]) * 1e-6)


def test_a_sensor_that_was_there_and_said_nothing_did_not_alarm(dual_head: DualHead, model: Model) -> None:
    device, (metal, radar) = dual_head
    quiet = replace(radar, raw=np.repeat(radar.raw[:20], 6, axis=0))
    witness = Witness(model)
    pipeline = Pipeline(device, Profile(), witness)  # type: ignore[arg-type]
    found = [*pipeline.process(quiet).detections, *pipeline.process(metal).detections, *pipeline.finish().detections]
    alone = [f for f, d in zip(witness.flags, found, strict=True) if d.seen_by == "metal"]
    assert alone
    assert all(f["radar_alarmed"] == 0.0 for f in alone)


def test_a_gap_in_one_stream_is_absence_too(dual_head: DualHead, model: Model) -> None:
    device, (metal, radar) = dual_head
    witness = Witness(model)
    pipeline = Pipeline(device, Profile(), witness)  # type: ignore[arg-type]
    holed = gone(radar, 74, 96)  # 1.48 to 1.92 m, round the second target
    found = [*pipeline.process(metal).detections, *pipeline.process(holed).detections, *pipeline.finish().detections]
    alone = next(k for k, d in enumerate(found) if abs(d.x_m - 1.7) < 0.05 and d.radar_peak_seq < 0)
    assert np.isnan(witness.flags[alone]["radar_alarmed"])


def test_a_late_record_is_marked_once_and_takes_no_part(dual_head: DualHead, model: Model) -> None:
    device, (metal, radar) = dual_head
    pipeline = Pipeline(device, Profile(), model)
    pipeline.process(metal)
    pipeline.process(radar[:50])
    pipeline.skip(Silence(0, 1, 49, int(radar.tick[70])))
    out = pipeline.process(radar[50:90])
    flags = np.concatenate([m.marks[:, 0] for m in out.marks])
    seq = np.concatenate([m.seq for m in out.marks])
    assert seq.tolist() == list(range(50, 90))
    assert np.flatnonzero(flags & Mark.LATE).tolist() == list(range(21))
