"""The listener that keeps the record, on a thread of its own: a slow disk never holds up the session."""

from __future__ import annotations

import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final

from numpy.typing import NDArray

from detector.detections import Detection, Label, TrueObject
from detector.errors import RecordingError
from detector.pipeline import Coverage
from detector.recording.writer import RESERVE_BYTES, RecordingWriter
from detector.samples import (
    Check,
    ClockFit,
    Event,
    Gap,
    ParameterReading,
    Position,
    SampleBlock,
    Severity,
    Silence,
    Soil,
    TrackedSoil,
)
from firmware_host.disk_room import Room, RoomWatch, shown
from firmware_host.session import Listener

FLUSH_S: Final = 0.5
"""Time between two flushes, s. With the time that a disk takes for one, a power cut costs less than a second."""

_QUEUE_BYTES: Final = 64 << 20
"""What may wait for a disk that stalls, bytes: a minute of a megabyte a second. Then the session ends, loudly."""
_ROW_BYTES: Final = 512
"""Counted for whatever is not a block."""
_RATE_S: Final = 60.0
"""Time over which the rate of writing is taken, s."""
STALLED_S: Final = 2.0
"""A flush that is overdue by so much is told, s: what comes meanwhile is not safe."""


class Recorder(Listener):
    """Keeps what a session hears. A context manager; at its end everything is on disk.

    Alarms are recorded as the detections that they end in. An error of the disk is raised by the next call on the
    session's side, `tick` at the latest, and by the end of the context. A disk that runs low is told by an event.

    Parameters
    ----------
    publish : takes that event to the session, which hands it to every listener, so back here too; False if it cannot.
        Without one it goes into the recording alone

    Raises
    ------
    RecordingError
        when the disk is full or gone, or has taken nothing for so long that no more can wait for it.
    """

    def __init__(
        self,
        writer: RecordingWriter,
        monotonic: Callable[[], float] = time.monotonic,
        publish: Callable[[Event], object] | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._writer = writer
        self._monotonic = monotonic
        self._publish = publish or writer.event
        self._clock = clock
        self._room_watch = RoomWatch()
        self._waiting: deque[tuple[Callable[[Any], None], Any, int]] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._ending = False
        self._failed: RecordingError | None = None
        self._flushed = monotonic()
        self._room: Room | None = None
        self._sizes: deque[tuple[float, int]] = deque(maxlen=round(_RATE_S / FLUSH_S))
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)

    def __enter__(self) -> Recorder:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join()
        if self._failed is not None and e is None:
            raise self._failed

    @property
    def room(self) -> Room | None:
        """As of the last flush; None before the first."""
        return self._room

    @property
    def disk(self) -> tuple[str, bool]:
        """What to show of the disk, and whether it is bad. From any thread."""
        return shown(self._room, self.stalled_s)

    @property
    def stalled_s(self) -> float:
        """How long the disk has kept a flush waiting, s; 0 while all is well."""
        overdue = self._monotonic() - self._flushed - FLUSH_S
        return overdue if overdue > STALLED_S else 0.0

    def block(self, block: SampleBlock) -> None:
        self._put(self._writer.write, block, block.raw.nbytes + 40 * len(block))

    def gap(self, gap: Gap) -> None:
        self._put(self._writer.gap, gap)

    def silence(self, silence: Silence) -> None:
        self._put(self._writer.silence, silence)

    def soil(self, soil: Soil) -> None:
        self._put(self._writer.soil, soil)

    def tracked(self, soil: TrackedSoil) -> None:
        self._put(self._writer.tracked, soil)

    def event(self, event: Event) -> None:
        self._put(self._writer.event, event)

    def clock(self, fit: ClockFit) -> None:
        self._put(self._writer.clock, fit)

    def parameter(self, reading: ParameterReading) -> None:
        self._put(self._writer.parameter, reading)

    def check(self, check: Check) -> None:
        """A calibration or function check of the head, as it ends."""
        self._put(self._writer.check, check)

    def position(self, position: Position) -> None:
        self._put(self._writer.position, position)

    def label(self, label: Label) -> None:
        self._put(self._writer.label, label)

    def detection(self, detection: Detection) -> None:
        self._put(self._writer.detection, detection)

    def covered(self, coverage: Sequence[Coverage]) -> None:
        self._put(self._writer.coverage, coverage)

    def rows(self, table: str, rows: NDArray[Any]) -> None:
        """Whole rows of a table: lanes and ground. From the session's thread, like everything here."""
        self._put(lambda kept: self._writer.rows(table, kept), rows, rows.nbytes + _ROW_BYTES)

    def truth(self, objects: Sequence[TrueObject]) -> None:
        """What is known to lie in the ground, or was hidden in the samples for practice."""
        self._put(self._writer.truth, objects, _ROW_BYTES * len(objects))

    def tick(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _put(self, write: Callable[[Any], None], item: Any, size: int = _ROW_BYTES) -> None:
        with self._changed:
            if self._failed is None and self._waiting_bytes + size > _QUEUE_BYTES and self._waiting:
                seconds = self._monotonic() - self._flushed
                self._failed = RecordingError(
                    f"The disk of {self._writer.path} has taken nothing for {seconds:.0f} s, and "
                    f"{_QUEUE_BYTES >> 20} MB wait for it: the recording was ended. Stop sweeping: nothing is recorded "
                    "now. Use another disk."
                )
            if self._failed is not None:
                raise self._failed
            self._waiting.append((write, item, size))
            self._waiting_bytes += size
            self._changed.notify()

    def _work(self) -> None:
        try:
            while True:
                with self._changed:
                    due = self._flushed + FLUSH_S - self._monotonic()
                    if not self._waiting and not self._ending and due > 0:
                        self._changed.wait(due)
                    batch = list(self._waiting)
                    self._waiting.clear()
                    ending = self._ending
                for i, (write, item, size) in enumerate(batch):
                    write(item)
                    with self._changed:
                        self._waiting_bytes -= size
                    batch[i] = (write, None, 0)  # written: its memory can go
                if ending or self._monotonic() - self._flushed >= FLUSH_S:
                    self._writer.flush()
                    self._flushed = self._monotonic()
                    self._measure()
                if ending:
                    return
        except RecordingError as e:
            self._failed = e
        except Exception as e:  # whatever it is, silence would be worse
            self._failed = RecordingError(
                f"{self._writer.path} is not written any more ({type(e).__name__}: {e}). Stop sweeping: nothing is "
                "recorded now."
            )
            self._failed.__cause__ = e

    def _measure(self) -> None:
        self._sizes.append((self._flushed, self._writer.bytes_on_disk))
        (t0, size0), (t1, size1) = self._sizes[0], self._sizes[-1]
        rate = (size1 - size0) / (t1 - t0) if t1 - t0 >= 5.0 else 0.0
        free = shutil.disk_usage(self._writer.path.parent).free - RESERVE_BYTES
        self._room = room = Room(max(0, free), rate)
        if said := self._room_watch.look(room):
            event = Event(self._clock(), Severity.WARNING, "disk", said)
            if self._publish(event) is False:
                self._writer.event(event)
