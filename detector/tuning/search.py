"""The search: an optimiser proposes values, lanes say what they bring, lanes kept aside say whether it holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from detector.errors import ProfileError
from detector.profile import Profile
from detector.score.paired import Paired, mcnemar
from detector.tuning.space import Axis, with_values
from detector.tuning.standing import Lane, Reached, Standing, reached, standing

Goal = Literal["pod", "margin"]
GOALS: Final = {
    "pod": "targets found at the false-alarm rate, then how far they stand above its threshold",
    "margin": "mean dB by which targets stand above that threshold: for a reference item, its signal-to-ground ratio",
}

_MARGIN_WEIGHT: Final = 0.01
"""What 10 dB of margin are worth beside all targets found: it only decides between equals."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting that was tried, on the lanes for tuning."""

    values: dict[str, float]
    goal: float
    reached: Reached


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a search came to."""

    trials: tuple[Trial, ...]
    """In the order tried; the first is the profile as it was."""
    best: Trial
    before: Reached
    """The profile as it was, on the lanes kept aside."""
    after: Reached
    """The best one there."""
    paired: Paired
    """Targets of the lanes kept aside, as it was (a) against the best (b)."""
    aside: tuple[str, ...]
    """Grounds kept aside."""

    @property
    def holds(self) -> bool:
        """Whether the best is at least as good on the lanes kept aside, and better in something."""
        if self.after.found != self.before.found:
            return self.after.found > self.before.found
        return self.after.margin_db > self.before.margin_db


def split(lanes: Sequence[Lane], share: float, seed: int) -> tuple[list[Lane], list[Lane]]:
    """Lanes for tuning and lanes kept aside, by the ground that they are sweeps of, so that no ground is in both.

    Raises
    ------
    ProfileError
        if there are too few grounds to keep any aside.
    """
    places = sorted({lane.place for lane in lanes})
    n = max(1, round(share * len(places)))
    if len(places) - n < 1:
        raise ProfileError(
            f"Tuning needs lanes over two grounds or more, one to be kept aside; there is {len(places)}. "
            "Add recordings with truth of other lanes."
        )
    aside = {places[i] for i in np.random.default_rng(seed).permutation(len(places))[:n]}
    return [x for x in lanes if x.place not in aside], [x for x in lanes if x.place in aside]


def tune(
    lanes: Sequence[Lane],
    profile: Profile,
    axes: Sequence[Axis],
    goal: Goal = "pod",
    false_alarms_per_m: float = 0.1,
    trials: int = 60,
    aside: float = 0.34,
    seed: int = 0,
    told: Callable[[Trial], None] = lambda trial: None,
    stop: Callable[[], bool] = lambda: False,
) -> Tuned:
    """Search the axes; the same arguments give the same outcome.

    Tree-structured Parzen estimator, multivariate (Bergstra et al. 2011, Falkner et al. 2018; optuna), after the
    present values and a tenth of random ones. Neither truth nor ground of the lanes kept aside is used in the search.

    Raises
    ------
    ProfileError
        if optuna is missing, a lane has no places, or there are too few lanes, targets or trials.
    """
    try:
        import optuna
    except ImportError as e:
        raise ProfileError("Tuning needs optuna: pip install 'groundsweep[tune]'.") from e
    if trials < 2 or not axes:
        raise ProfileError("Tuning needs two trials or more and a key to tune.")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    here, there = split(lanes, aside, seed)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(4, trials // 10), multivariate=True),
    )
    now = {a.key: int(a.now) if a.whole else a.now for a in axes}
    done: list[Trial] = []
    while len(done) < trials and not (done and stop()):
        asked = None
        values = now
        if done or all(a.low <= a.now <= a.high for a in axes):
            # the present values may lie outside what is tried, such as a 0 that means 'as the head says'
            if not done:
                study.enqueue_trial(now)
            asked = study.ask()
            values = {a.key: _suggest(asked, a) for a in axes}
        try:
            got = reached(_all(here, with_values(profile, values)), false_alarms_per_m)
        except ProfileError:
            if not done or asked is None:
                raise
            # numbers that are allowed one by one need not be so together: the search learns to keep away
            study.tell(asked, -math.inf)
            done.append(Trial(values, -math.inf, done[0].reached))
            continue
        if got.targets == 0:
            raise ProfileError("The lanes for tuning hold no mine or ERW. Give recordings with truth.")
        trial = Trial(values, _worth(got, goal), got)
        if asked is not None:
            study.tell(asked, trial.goal)
        done.append(trial)
        told(trial)
    best = max(done, key=lambda t: t.goal)
    before = _all(there, with_values(profile, now))
    after = _all(there, with_values(profile, best.values))
    was, became = reached(before, false_alarms_per_m), reached(after, false_alarms_per_m)
    if was.targets == 0:
        raise ProfileError("The lanes kept aside hold no mine or ERW. Give more lanes, or another --seed.")
    return Tuned(
        trials=tuple(done),
        best=best,
        before=was,
        after=became,
        paired=mcnemar(_found(before, was.threshold), _found(after, became.threshold)),
        aside=tuple(sorted({x.place for x in there})),
    )


def _found(lanes: Sequence[Standing], threshold: float) -> list[bool]:
    return [t > threshold for s in lanes for t in s.targets]


def _worth(got: Reached, goal: Goal) -> float:
    if goal == "margin":
        return got.margin_db
    return got.pod + _MARGIN_WEIGHT * math.tanh(got.margin_db / 10.0)


def _suggest(asked: object, a: Axis) -> float:
    suggest = getattr(asked, "suggest_int" if a.whole else "suggest_float")
    low, high = (int(a.low), int(a.high)) if a.whole else (a.low, a.high)
    return float(suggest(a.key, low, high, log=a.log)) if not a.whole else int(suggest(a.key, low, high))


def _all(lanes: Sequence[Lane], profile: Profile) -> list[Standing]:
    out = []
    for lane in lanes:
        s = standing(lane, profile)
        if s is None:
            raise ProfileError(
                f"{lane.name} has records without a place, so it has no false alarms per metre. Leave it out."
            )
        out.append(s)
    return out


def as_numbers(tuned: Tuned, axes: Sequence[Axis], origin: Mapping[str, object]) -> dict[str, object]:
    """For JSON."""

    def numbers(r: Reached) -> dict[str, object]:
        low, high = r.bounds
        return {
            "found": r.found, "targets": r.targets, "pod": r.pod, "pod_95": [low, high], "false_alarms": r.false,
            "free_m": round(r.free_m, 2), "margin_db": round(r.margin_db, 3), "missed": list(r.missed),
        }  # fmt: skip

    return {
        "origin": dict(origin),
        "axes": [{"key": a.key, "low": a.low, "high": a.high, "was": a.now, "unit": a.unit} for a in axes],
        "best": tuned.best.values,
        "tuning": {"was": numbers(tuned.trials[0].reached), "best": numbers(tuned.best.reached)},
        "kept_aside": {
            "grounds": list(tuned.aside), "was": numbers(tuned.before), "best": numbers(tuned.after),
            "mcnemar_p": tuned.paired.p_value, "holds": tuned.holds,
        },
        "trials": [{"values": t.values, "goal": t.goal, "found": t.reached.found} for t in tuned.trials],
    }  # fmt: skip
