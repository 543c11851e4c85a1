"""Ten minutes at a megabyte a second: not one record missing, not one sample wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest

from detector.samples import NO_ODOMETER, DeviceDescription, Event, Gap, SampleBlock, StreamDescription, StreamKind
from firmware_host.head import Head
from firmware_host.live_source import LiveSource
from firmware_host.virtual.head import VirtualHead

SECONDS = float(os.environ.get("GROUNDSWEEP_SOAK_S", "600"))
RADAR = StreamDescription(0, "radar", StreamKind.RADAR, 1, 512, "int16", 1000.0, sampling_interval_s=1e-10)
DEVICE = DeviceDescription("soak", "S-1", "1", 1e6, (RADAR,))
RAMP = np.arange(512)


def values(seq: np.ndarray) -> np.ndarray:
    """Samples that tell which record they are of."""
    return ((seq[:, None] * 31 + RAMP * 7) % 32000 - 16000).astype("<i2")[:, None, :]


def blocks() -> Iterator[SampleBlock]:
    for first in range(0, round(SECONDS * RADAR.rate_hz), 20):
        seq = np.arange(first, first + 20, dtype=np.int64)
        empty = np.full(20, NO_ODOMETER, np.int64)
        yield SampleBlock(RADAR, seq, seq * 1000, np.zeros(20, np.int64), empty, values(seq))


def be_a_head() -> None:
    with VirtualHead(DEVICE, blocks, 1.0) as head:
        print(head.path, flush=True)
        sys.stdin.read()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_megabyte_a_second_loses_nothing() -> None:
    process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    following, late_ns = 0, 0
    began, cpu = time.monotonic(), time.process_time()
    with Head.open(process.stdout.readline().strip()) as head:
        for items in LiveSource(head).items():
            for i in items:
                assert not isinstance(i, Gap), i
                assert not (isinstance(i, Event) and i.severity != "info"), i
                if isinstance(i, SampleBlock):
                    assert int(i.seq[0]) == following
                    assert (i.raw == values(i.seq)).all()
                    following += len(i)
                    late_ns = max(late_ns, head.now_ns() - int(i.utc_ns[-1]))
        counters, fit, waited = head.counters, head.clock_fit(), head.most_waiting_bytes
    took = time.monotonic() - began
    process.stdin.close()
    process.wait(timeout=10)
    assert following == round(SECONDS * RADAR.rate_hz)
    assert (counters.damaged, counters.lost) == (0, 0)
    print(
        f"{counters.bytes / 1e6:.0f} MB in {took:.0f} s ({counters.bytes / took / 1e6:.2f} MB/s), {following} "
        f"records, none missing, {100 * (time.process_time() - cpu) / took:.1f} % of a core to check every sample, "
        f"at most {waited / 1e3:.0f} kB waiting, {late_ns * 1e-6:.0f} ms from a record to its check; {fit}"
    )


if __name__ == "__main__":
    be_a_head()
