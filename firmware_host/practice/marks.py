"""What a learner marks while sweeping a practice lane, and how far the head got. Listeners of the session."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detector.detections import Detection, Label, LabelClass
from detector.samples import DeviceDescription, Event, SampleBlock, Severity
from detector.score.practice import PlaceMark
from firmware_host.practice.way import Way
from firmware_host.session import Listener, Order


class Marks(Listener):
    """Finds by place: 'mark' orders at the head's place, and alarms that were labelled as mine or ERW.

    The newest label of an alarm counts. Nothing here says what is hidden.

    Parameters
    ----------
    way : the same as the source's
    publish : takes events that belong into the record
    """

    def __init__(
        self, device: DeviceDescription, way: Way, publish: Callable[[Event], object], clock: Callable[[], int]
    ) -> None:
        self._device, self._way, self._publish, self._clock = device, way, publish, clock
        self._marks: list[PlaceMark] = []
        self._labels: dict[int, PlaceMark | None] = {}
        self._detections: dict[int, float] = {}
        """Number of a detection to its place along the lane, m."""
        self._here: tuple[int, float] | None = None
        """Tick and place of the newest record that has one."""
        self._span: tuple[float, float] | None = None
        self._ticks: tuple[int, int] | None = None

    @property
    def found(self) -> list[PlaceMark]:
        """All marks that count, in places along the lane."""
        return [*self._marks, *(m for m in self._labels.values() if m is not None)]

    @property
    def span_m(self) -> tuple[float, float] | None:
        """First and last place that the head reached; None if there was none."""
        return self._span

    @property
    def seconds(self) -> float:
        """From the first record with a place to the newest, by the head's ticks."""
        return (self._ticks[1] - self._ticks[0]) / self._device.tick_hz if self._ticks else 0.0

    def block(self, block: SampleBlock) -> None:
        x = self._way.x_m(block)
        known = np.flatnonzero(np.isfinite(x))
        if not len(known):
            return
        low, high = float(np.nanmin(x)), float(np.nanmax(x))
        first, last = int(block.tick[known[0]]), int(block.tick[known[-1]])
        self._span = (min(low, self._span[0]), max(high, self._span[1])) if self._span else (low, high)
        self._ticks = (min(first, self._ticks[0]), max(last, self._ticks[1])) if self._ticks else (first, last)
        if self._here is None or last >= self._here[0]:
            self._here = (last, float(x[known[-1]]))

    def detection(self, detection: Detection) -> None:
        x = detection.x_m - self._way.origin_m
        self._detections[detection.id] = x

    def label(self, label: Label) -> None:
        x = self._detections.get(label.detection_id, float("nan"))
        find = label.label in (LabelClass.MINE, LabelClass.ERW)
        if find and x != x:
            self._tell(Severity.WARNING, f"Label of #{label.detection_id} is NO mark: the alarm has no place.")
            find = False
        self._labels[label.detection_id] = PlaceMark(x, label.utc_ns, label.who, "label") if find else None

    def order(self, order: Order) -> None:
        if order.name == "practise":
            self._way.begin()
            self._tell(Severity.INFO, f"The practice lane begins ({order.who}).")
        elif order.name == "mark":
            if self._here is None:
                self._tell(Severity.WARNING, "NOT marked: the head has no place. Begin the lane first.")
            else:
                x = self._here[1]
                self._marks.append(PlaceMark(x, self._clock(), order.who, "mark"))
                self._tell(Severity.INFO, f"Mark {len(self._marks)} at {x:.2f} m ({order.who}).")

    def _tell(self, severity: Severity, text: str) -> None:
        self._publish(Event(self._clock(), severity, "practice", text))


_HEARD = (
    "block", "gap", "silence", "soil", "tracked", "event", "status", "clock", "parameter", "position", "signal",
    "marks", "stretch", "label", "order", "covered", "tick",
)  # fmt: skip
"""All that a listener hears but alarms and detections."""


class Unaided(Listener):
    """Another listener, kept from alarms and detections: the learner works by signal and sound alone."""

    def __init__(self, listener: Listener) -> None:
        for name in _HEARD:
            setattr(self, name, getattr(listener, name))
