"""Ground counts on the map where its records were tested, and nowhere else: what a replay says of a recording."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from detector.coverage import Coverage
from detector.decide.alarm import Tail
from detector.decide.classifier import model_from
from detector.decide.training import untrained
from detector.ground_map import Ground
from detector.kept_ground import kept_ground
from detector.pipeline import Pipeline
from detector.profile import parse_profile
from detector.recording.reader import open_recording
from detector.recording.writer import RecordingWriter
from detector.samples import DeviceDescription, Event, SampleBlock, Severity, StreamDescription, StreamKind
from firmware_host.console.lane_text import gaps_text, map_text
from firmware_host.console.sweeping import Sweeping
from firmware_host.console.watch import Kind, State
from firmware_host.recorder import Recorder
from firmware_host.session import Listener, RecordingSource, run

METAL = StreamDescription(
    0, "metal", StreamKind.METAL_PI, 1, 4, "float32", 50.0, unit="V", axis=(2e-5, 5e-5, 1e-4, 2e-4)
)
RADAR = StreamDescription(
    1, "radar", StreamKind.RADAR, 1, 64, "float32", 25.0, sampling_interval_s=1e-10, centre_frequency_hz=1e9
)
HEAD = DeviceDescription("made up", "1", "1", 1e6, (METAL, RADAR))
MODEL = model_from(
    untrained(dict.fromkeys(("radar", "metal", "radar-search", "metal-search"), Tail(3.0, 0.3, 0.1))), ""
)
QUICK = parse_profile("bridge_records = 2", "here")
SPEED = 0.5
SHORT_M = 1.5
"""Metal in a shorter piece is not told from its ground."""


def sweep(length_m: float) -> list[SampleBlock]:
    """Noise, and the radar's direct wave, over that much ground."""
    rng = np.random.default_rng(1)
    out = []
    for s in HEAD.streams:
        n = round(length_m / SPEED * s.rate_hz)
        seq = np.arange(n, dtype=np.int64)
        tick = np.round(seq / s.rate_hz * 1e6).astype(np.int64)
        raw = rng.normal(size=(n, 1, s.values))
        if s is RADAR:
            t = (np.arange(64) - 12) * 0.1
            raw = 30.0 * raw + 10_000.0 * (1 - 2 * (np.pi * t) ** 2) * np.exp(-((np.pi * t) ** 2))
        raw = raw.astype(np.float32)
        out.append(SampleBlock(s, seq, tick, tick * 1000, np.round(tick * SPEED).astype(np.int64), raw))
    return out


def without(block: SampleBlock, lost: list[tuple[float, float]]) -> SampleBlock:
    x = block.odometer_m
    keep = np.ones(len(x), bool)
    for a, b in lost:
        keep &= (x < a) | (x >= b)
    return SampleBlock(
        block.stream, block.seq[keep], block.tick[keep], block.utc_ns[keep], block.odometer_um[keep], block.raw[keep]
    )


class Live:
    """A source of blocks that is gone once it ends."""

    device = HEAD

    def __init__(self, blocks: list[SampleBlock], every_s: float) -> None:
        self._blocks, self._every = blocks, every_s

    def items(self):  # type: ignore[no-untyped-def]
        end = max(int(b.tick[-1]) for b in self._blocks if len(b))
        for t in np.arange(0, end + 1, round(self._every * 1e6)):
            parts = (b[slice(*np.searchsorted(b.tick, (t, t + round(self._every * 1e6))))] for b in self._blocks)
            yield [p for p in parts if len(p)]


class Replayed(Listener):
    """What of each stream was tested and can be trusted."""

    def __init__(self) -> None:
        self.bad = {s.name: set[int]() for s in HEAD.streams}
        self.untested = {s.name: set[int]() for s in HEAD.streams}
        self.told = {s.name: list[int]() for s in HEAD.streams}

    def marks(self, marks) -> None:  # type: ignore[no-untyped-def]
        self.bad[marks.stream] |= set(marks.seq[marks.marks.any(axis=1)].tolist())

    def stretch(self, stretch) -> None:  # type: ignore[no-untyped-def]
        records = range(stretch.first_seq, stretch.last_seq + 1)
        self.told[stretch.stream] += records
        if not stretch.tested:
            self.untested[stretch.stream] |= set(records)


class Session:
    """A live session with its map and its recording."""

    def __init__(self, blocks: list[SampleBlock], path: Path, every_s: float = 0.2) -> None:
        self.now = 0.0
        self.events: list[Event] = []
        self.seen: list[tuple[float, float]] = []
        """Newest place, and metres that counted then."""
        # what is valid here hangs on the records alone
        calm = SimpleNamespace(state=lambda: State(Kind.SEARCHING))
        self.sweeping = Sweeping(
            HEAD, calm, publish=self.events.append, clock=lambda: 0, monotonic=lambda: self.now
        )  # type: ignore[arg-type]
        session = self

        class Clock(Listener):
            def tick(self) -> None:
                session.now += every_s
                g = session.sweeping.standing.ground
                if g is not None:
                    session.seen.append((session.sweeping.place_m[0], g.counted_m2 / g.cell_m))

        writer = RecordingWriter(path, HEAD, software="test", created_utc_ns=1)
        with writer, Recorder(writer) as recorder:
            self.sweeping.record(recorder.rows)
            listeners = [recorder, Clock(), self.sweeping]
            self.summary = run(
                Live(blocks, every_s), Pipeline(HEAD, QUICK, MODEL), listeners, clock=lambda: 0
            )
            self.sweeping.finish()

    def counted(self) -> set[int]:
        """Cells along the track that counted at the end."""
        standing = self.sweeping.standing
        assert standing.ground is not None
        first = round(standing.origin_m / standing.ground.cell_m)
        return set((first + np.flatnonzero(standing.ground.counts[:, 0])).tolist())


def replayed(path: Path, blocks: list[SampleBlock]) -> tuple[set[int], Replayed, list[object]]:
    """Cells under what a replay of the recording says was tested by both sensors."""
    found = Replayed()
    with open_recording(path) as r:
        summary = run(RecordingSource(r), Pipeline(r.device, QUICK, MODEL), [found])
    coverage = Coverage(40.0, 0.05, [s.name for s in HEAD.streams])
    for b in blocks:
        none = found.bad[b.stream.name] | found.untested[b.stream.name]
        valid = np.array([int(q) not in none for q in b.seq], bool)
        coverage.add(b.stream.name, b.odometer_m + 1.0, np.full(len(b), 0.025), b.tick * 1e-6, valid)
    return set((np.flatnonzero(coverage.map().counts[:, 0]) - 20).tolist()), found, list(summary.coverage)


@settings(deadline=None, max_examples=6, phases=[Phase.explicit, Phase.generate])
@given(
    st.lists(st.tuples(st.floats(0.05, 3.0), st.floats(0.1, 0.4), st.sampled_from(["both", "metal", "radar"])),
             min_size=1, max_size=7),
    st.sampled_from([0.1, 0.3, 0.8]),
)  # fmt: skip
def test_the_map_counts_what_a_replay_says_was_tested(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[float, float, str]], every_s: float
) -> None:
    x, lost = 0.0, {"metal": [], "radar": []}  # type: ignore[var-annotated]
    for length, gap, which in pieces:
        x += length
        for name in lost if which == "both" else (which,):
            lost[name].append((x, x + gap))
        x += gap
    blocks = [without(b, lost[b.stream.name]) for b in sweep(x + 1.0)]
    path = tmp_path_factory.mktemp("map") / "sweep.h5"
    session = Session(blocks, path, every_s)
    cells, found, coverage = replayed(path, blocks)
    assert session.counted() == cells
    assert list(session.summary.coverage) == coverage
    for c, b in zip(session.summary.coverage, blocks, strict=True):
        # of each record it was said once, in order, and as the figures of the session say
        assert [q for q in found.told[c.stream] if q in set(b.seq.tolist())] == b.seq.tolist()
        assert c.untested == len(found.untested[c.stream] & set(b.seq.tolist()))


def test_a_piece_too_short_is_never_shown_as_swept_and_is_a_gap_everywhere(tmp_path: Path) -> None:
    blocks = [without(b, [(3.0, 3.4), (4.2, 4.6)] if b.stream is METAL else []) for b in sweep(8.0)]
    session = Session(blocks, tmp_path / "a.h5")
    standing = session.sweeping.standing
    assert standing.ground is not None
    middle = standing.origin_m + (np.arange(len(standing.ground.states)) + 0.5) * standing.ground.cell_m
    short = (middle > 3.15) & (middle < 4.45)
    assert (standing.ground.states[short, 0] == Ground.INVALID).all()
    assert standing.ground.counts[(middle > 0.1) & (middle < 2.9), 0].all()
    assert standing.ground.counts[(middle > 4.8) & (middle < 7.9), 0].all()
    # not even while the head was over it: at 4.2 m what had been swept before 3.0 m counted
    assert max(m for x, m in session.seen if 3.2 < x < 5.5) < 3.25
    assert "x" in map_text(standing).plain
    (line,) = [text for text in gaps_text(standing).plain.splitlines() if "GAP" in text]
    assert "reached, not valid" in line
    told = [e for e in session.events if "too short to be tested" in e.text]
    assert [e.severity for e in told] == [Severity.WARNING]
    assert "with metal" in told[0].text
    assert "0.7" in told[0].text or "0.8" in told[0].text
    with open_recording(tmp_path / "a.h5") as r:
        (kept,) = kept_ground(r)
    assert np.array_equal(kept.ground.states, standing.ground.states)


def test_how_much_was_too_short_is_told_whatever_blocks_it_came_in(tmp_path: Path) -> None:
    blocks = [without(b, [(3.0, 3.4), (4.2, 4.6)] if b.stream is METAL else []) for b in sweep(8.0)]
    for every_s in (0.02, 0.3):  # of the metal detector one record, and fifteen
        session = Session(blocks, tmp_path / f"{every_s}.h5", every_s)
        (told,) = [e for e in session.events if "too short to be tested" in e.text]
        assert "0.79 m with metal" in told.text
