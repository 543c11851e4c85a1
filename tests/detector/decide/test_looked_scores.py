"""The score along the lane as the second look leaves it."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.decide.looked_scores import LookedScores

REACH = 4


def through(scores: np.ndarray, candidates: list[tuple[int, int, float]], cuts: list[int]) -> np.ndarray:
    """What comes out when rows and candidates come in pieces, each candidate with the piece that holds its row."""
    out: list[np.ndarray] = []
    starts: list[int] = []

    def give(first: int, rows: np.ndarray) -> None:
        starts.append(first)
        out.append(rows)

    stage = LookedScores(scores.shape[1], REACH, give)
    edges = [0, *sorted(set(cuts)), len(scores)]
    for a, b in itertools.pairwise(edges):
        stage.append(scores[a:b])
        for row, group, shift in candidates:
            if a <= row < b:
                stage.looked(row, group, shift)
        stage.settle(b)
    stage.settle(len(scores), last=True)
    assert starts == np.cumsum([0, *(len(o) for o in out[:-1])]).tolist()
    return np.concatenate(out)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.lists(st.integers(0, 39), unique=True, max_size=8),
    cuts=st.lists(st.integers(1, 39), max_size=10),
)
def test_any_cut_moves_each_row_with_the_nearest_candidate(seed: int, rows: list[int], cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(40, 2))
    candidates = [(r, int(rng.integers(2)), float(rng.normal())) for r in sorted(rows)]
    got = through(scores, candidates, cuts)
    for i in range(40):
        for g in range(2):
            near = [(abs(r - i), r, s) for r, group, s in candidates if group == g and abs(r - i) <= REACH]
            assert got[i, g] == scores[i, g] + (min(near)[2] if near else 0.0)


def test_where_nothing_was_looked_at_the_score_is_the_prescreeners() -> None:
    scores = np.arange(20.0)[:, None]
    assert through(scores, [], [3, 11]).tolist() == scores.tolist()
