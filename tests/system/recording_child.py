"""Records made-up samples at full rate for a while, tells events, and ends in order. Run by test_following.py."""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from crash_child import DEVICE, METAL, RADAR, records

from detector.recording.writer import RecordingWriter
from detector.samples import Event, Severity
from firmware_host.recorder import Recorder


def main(path: Path, steps: int) -> None:
    with (
        RecordingWriter(path, DEVICE, software="test", created_utc_ns=0) as writer,
        Recorder(writer) as recorder,
    ):
        print("begun", flush=True)
        for step in range(steps):
            for stream in (METAL, RADAR):
                each = round(stream.rate_hz / 50)
                recorder.block(records(stream, step * each, (step + 1) * each))
            recorder.event(Event(step, Severity.INFO, "test", f"step {step}"))
            recorder.tick()
            time.sleep(0.02)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
