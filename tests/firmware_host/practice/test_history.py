"""A learner's history: appended to, never rewritten, with a trend that does not claim more than it knows."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from detector.score.bounds import clopper_pearson, poisson_rate
from firmware_host.errors import HistoryError
from firmware_host.practice.history import History, Session, trend
from firmware_host.practice.report import history_text


def session(learner: str, hits: int, tried: int, false_marks: int = 1) -> Session:
    score = {
        "hits": hits, "tried": tried, "false_marks": false_marks, "free_m": 8.0, "swept_m": 10.0, "seconds": 60.0,
    }  # fmt: skip
    return Session(1_700_000_000_000_000_000, learner, "head S-1", True, 3, "t.h5", score)


def test_sessions_append_and_earlier_lines_stay_as_they_were(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.add(session("A. Deminer", 1, 4))
    (path,) = tmp_path.iterdir()
    first = path.read_bytes()
    history.add(session("A. Deminer", 3, 4))
    assert path.read_bytes().startswith(first)
    assert history.sessions("A. Deminer") == [session("A. Deminer", 1, 4), session("A. Deminer", 3, 4)]


def test_learners_are_kept_apart_whatever_their_names(tmp_path: Path) -> None:
    history = History(tmp_path / "data")
    names = ["A", "a/../B", "..", "é1", "\u0e91", "A B"]
    for n, name in enumerate(names):
        history.add(session(name, n, 9))
    assert [[s.score["hits"] for s in history.sessions(name)] for name in names] == [[n] for n in range(len(names))]
    assert len(list((tmp_path / "data").iterdir())) == len(names)
    assert history.sessions("nobody") == []


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.add(session("A", 1, 4))
    with (tmp_path / "A.jsonl").open("a") as f:
        f.write('{"learner": "A"}\n')
    with pytest.raises(HistoryError, match="Line 2"):
        history.sessions("A")


def test_the_trend_compares_the_earlier_half_with_the_later_exactly() -> None:
    sessions = [session("A", 2, 10, 5), session("A", 3, 10, 4), session("A", 9, 10, 1), session("A", 10, 10, 0)]
    halves = trend(sessions)
    assert halves is not None
    assert halves[0].pod == (0.25, *clopper_pearson(5, 20))
    assert halves[1].pod == (0.95, *clopper_pearson(19, 20))
    assert halves[0].false_per_m == (9 / 16, *poisson_rate(9, 16.0))
    assert trend(sessions[:1]) is None


@pytest.mark.parametrize(
    ("hits", "said"), [((2, 19), "better"), ((19, 2), "worse"), ((10, 12), "not told apart from chance")]
)
def test_the_trend_is_only_called_one_where_the_intervals_part(hits: tuple[int, int], said: str) -> None:
    screen = Console(width=200, record=True, file=io.StringIO())
    screen.print(history_text([session("A", n, 20) for n in hits]))
    assert f"against the earlier: {said}" in screen.export_text()
