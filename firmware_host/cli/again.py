"""A recording made from another by a replay: what is taken over, and to which detection what people said belongs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from detector.detections import Detection, Label, LabelClass, detection_table
from detector.pipeline import Coverage
from detector.recording.comparing import pair_detections
from detector.recording.reader import Recording
from detector.recording.writer import RecordingWriter
from detector.samples import Event, Severity
from firmware_host.cli.opening import console
from firmware_host.recorder import Recorder
from firmware_host.session import Listener

_COPIED: Final = ("gaps", "events", "clock", "truth", "positions", "parameters", "checks", "corrections")
"""Tables that a replay does not make anew. Labels follow once it is known which detection is which."""


def copy_tables(recording: Recording, writer: RecordingWriter) -> None:
    for name in _COPIED:
        writer.rows(name, recording.table(name))


class SaidBefore(Listener):
    """Takes labels over to the detections of a replay that lie where the labelled ones lay. Stands after the recorder.

    A label whose place is not detected any more cannot follow, since a label is of a detection: it becomes an event,
    a fault where it says mine, and is shown.
    """

    def __init__(self, recording: Recording, recorder: Recorder, name: str) -> None:
        self._recording = recording
        self._recorder = recorder
        self._name = name
        self._found: list[Detection] = []

    def detection(self, detection: Detection) -> None:
        self._found.append(detection)

    def covered(self, coverage: Sequence[Coverage]) -> None:
        """The end: every detection is known by now."""
        labels = self._recording.labels()
        if not labels:
            return
        pairs = pair_detections(self._recording.detection_table(), detection_table(self._found))
        became = {p.a.id: p.b.id for p in pairs if p.a is not None and p.b is not None}
        for label in labels:
            if label.detection_id in became:
                self._recorder.label(replace(label, detection_id=became[label.detection_id]))
            else:
                self._lost(label)

    def _lost(self, label: Label) -> None:
        missed = label.label in (LabelClass.MINE, LabelClass.ERW)
        text = (
            f"Detection {label.detection_id} of {self._name}, labelled {label.label} by {label.who}, is not detected "
            f"here{': A MISS' if missed else ''}. {label.note}"
        ).strip()
        severity = Severity.FAULT if missed else Severity.WARNING
        self._recorder.event(Event(label.utc_ns, severity, "label", text))
        console.print(text, style="bold white on red" if missed else "yellow", markup=False, soft_wrap=True)
