"""Many files in several processes: answers in the order of the questions, whatever a process dies of."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final, TypeVar

from detector.cores import THREADS, cores

T = TypeVar("T")
R = TypeVar("R")

_AHEAD: Final = 4
"""Questions handed out per process beyond what was answered: bounds what waits in memory."""


def in_order(ask: Callable[[T], R], items: Sequence[T], jobs: int, died: Callable[[T], R]) -> Iterator[R]:
    """ask(item) of each item, in order; with one job in this process.

    Processes are started afresh (spawn), so that no lock or open file of this one is in them.

    Parameters
    ----------
    ask : a function at the top level of a module; what it takes and gives can be pickled
    died : the answer for an item on which a process died, as of memory that ran out
    """
    if jobs <= 1:
        yield from map(ask, items)
        return
    done = 0
    while done < len(items):
        for answer in _answers(ask, items[done:], jobs):
            yield answer
            done += 1
        if done < len(items):
            # a process died, which takes all of its fellows along: the oldest question is asked again by itself
            alone = next(_answers(ask, items[done : done + 1], 1), None)
            yield died(items[done]) if alone is None else alone
            done += 1


def _answers(ask: Callable[[T], R], items: Sequence[T], jobs: int) -> Iterator[R]:
    """Answers in order, up to the first that a dead process owed."""
    processes = min(jobs, len(items))
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _with_its_share, (processes,))
    waiting: deque[Future[R]] = deque()
    rest = iter(items)
    try:
        for item in rest:
            waiting.append(pool.submit(ask, item))
            if len(waiting) >= _AHEAD * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        return
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _with_its_share(processes: int) -> None:
    """Of so many processes each works with its share of the cores, unless it was told how many threads."""
    os.environ.setdefault(THREADS, str(max(1, cores() // processes)))
