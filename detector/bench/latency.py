"""How long the head and its line take to answer, how even its records come, and what of them never came."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detector.bench.bounds import quantile_interval, sd_interval, variance_dof
from detector.bench.result import Chart, Curve, Figure, Limit, Result
from detector.bench.steps import Planned, Taken, in_role
from detector.errors import BenchError
from detector.score.bounds import clopper_pearson
from detector.settings import Settings, quantity

TITLE = "Latency and jitter"
SOURCE = "Round trips of a command on the streaming line; intervals of the head's own ticks"


class LatencySettings(Settings):
    """How latency is measured."""

    seconds: float = quantity(20.0, "s", 1.0, 3600.0, "of streaming; assumed")
    answers: int = quantity(100, "1", 1, 10000, "commands whose round trip is timed; assumed")
    fewest: int = quantity(60, "1", 1, 10000, "answers without which no quantile is given; assumed")
    most_p95_s: float = quantity(
        0.05, "s", 0.0, 10.0, "95 % quantile of a round trip that passes: the budget from sample to sound; 0: no limit"
    )


def plan(settings: LatencySettings) -> list[Planned]:
    """Streaming, then round trips while it goes on."""
    return [
        Planned("stream", "Leave the head streaming.", settings.seconds, settle_s=1.0),
        Planned("answers", "Leave the head streaming; commands are timed.", 0.0, {"wanted": float(settings.answers)}),
    ]


def measure(steps: Sequence[Taken], settings: LatencySettings) -> Result:
    """Round trip: median, 95 % and largest; jitter of the records; share that was lost.

    Raises
    ------
    BenchError
        if there is no stream step, or too few answers were timed.
    """
    streams = in_role(steps, "stream")
    if not streams or len(streams[0].t_s) < 20:
        raise BenchError("There is no stream step with 20 or more records. Take it again.")
    s = streams[0]
    answers = np.array([a.number("seconds") for a in in_role(steps, "answer")])
    if len(answers) < settings.fewest:
        raise BenchError(f"Too few repeats: {len(answers)} answers were timed, at least {settings.fewest} are needed.")
    limit = Limit(None, settings.most_p95_s, "budget from sample to sound, 50 ms") if settings.most_p95_s > 0 else None
    how = f"order statistics of {len(answers)} answers"
    figures = [
        Figure("round trip, median", *_ordered(answers, 0.5), how),
        Figure("round trip, 95 % quantile", *_ordered(answers, 0.95), how, limit),
    ]
    steps_s = np.diff(s.t_s)
    even = steps_s[np.abs(steps_s - np.median(steps_s)) < 0.5 * np.median(steps_s)]
    sd = float(even.std(ddof=1))
    if sd > 1e-9:  # below that it is rounding, not a clock
        low, high = sd_interval(sd, variance_dof(even))
        figures.append(Figure("jitter of the records, rms", sd, "s", low, high, "chi square, head's ticks"))
    rate = 1.0 / even.mean()
    error = 1.96 * sd / np.sqrt(len(even)) / even.mean() + 1e-6 / s.seconds  # and a tick of a microsecond
    figures.append(
        Figure("records per second", float(rate), "1/s", float(rate * (1 - error)), float(rate * (1 + error)), "t")
    )
    total = len(s.t_s) + s.missing
    share = clopper_pearson(s.missing, total)
    figures.append(Figure("share of records lost", s.missing / total, "1", *share, "Clopper and Pearson"))
    notes = (
        f"Largest round trip {1e3 * answers.max():.1f} ms. A round trip is an upper bound of the way of a sample plus "
        "that of the command; it is of this line and host, not of the head alone.",
    )
    x = np.sort(answers)
    shares = (np.arange(len(x)) + 0.5) / len(x)
    chart = Chart(
        "round trip (s)", "share of answers that came sooner", (Curve("answers", x.tolist(), shares.tolist()),)
    )
    samples = {"round trip": tuple(answers.tolist())}
    return Result("latency", TITLE, SOURCE, tuple(figures), chart, notes, samples=samples)


def _ordered(x: np.ndarray, q: float) -> tuple[float, str, float, float]:
    value, low, high = quantile_interval(x, q)
    return value, "s", low, high
