"""The link's speed, as ratios to what nobody can beat: a memory copy, and a loop that reads and drops."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
import tty

import numpy as np
import pytest

from detector.samples import DeviceDescription, StreamDescription, StreamKind
from firmware_host.head import Head
from firmware_host.link import SerialLink
from firmware_host.timeline import Timeline
from firmware_host.wire.framing import FrameDecoder, encode_frame
from firmware_host.wire.messages import Kind, pack_samples, read_samples

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1200)]

RADAR = StreamDescription(1, "radar", StreamKind.RADAR, 1, 512, "int16", 1000.0, sampling_interval_s=1e-10)
METAL = StreamDescription(0, "metal", StreamKind.METAL, 1, 32, "int32", 1000.0)
DEVICE = DeviceDescription("bench", "B-1", "1", 1e6, (METAL, RADAR))


def frames(stream: StreamDescription, per_frame: int, total_bytes: int, seed: int = 0) -> bytes:
    """Sample frames of noise as a sensor's: small numbers, few zero bytes."""
    rng = np.random.default_rng(seed)
    out, seq = bytearray(), 0
    while len(out) < total_bytes:
        raw = rng.normal(scale=900, size=(per_frame, stream.channels, stream.values)).astype(stream.dtype)
        ticks = (seq + np.arange(per_frame, dtype=np.int64)) * 1000
        out += encode_frame(Kind.SAMPLES, seq // per_frame & 0xFFFF, pack_samples(stream, 1, seq, ticks, None, raw))
        seq += per_frame
    return bytes(out)


def medians(jobs: dict[str, object], rounds: int = 9) -> dict[str, float]:
    """Median seconds of each job, interleaved so that a busy spell meets all alike."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            began = time.perf_counter()
            job()  # type: ignore[operator]
            times[name].append(time.perf_counter() - began)
    return {name: float(np.median(t)) for name, t in times.items()}


@pytest.mark.parametrize(("stream", "per_frame"), [(RADAR, 3), (RADAR, 1), (METAL, 20), (METAL, 1)])
def test_decoder_against_a_memory_copy(
    stream: StreamDescription, per_frame: int, capsys: pytest.CaptureFixture[str]
) -> None:
    data = frames(stream, per_frame, 4_000_000)
    pieces = [data[i : i + 65536] for i in range(0, len(data), 65536)]
    streams = {stream.stream_id: stream}

    def decode() -> None:
        decoder = FrameDecoder()
        n = sum(len(decoder.feed(p)) for p in pieces)
        assert n > 0
        assert decoder.counters.damaged == 0

    def to_blocks() -> None:
        decoder, timeline = FrameDecoder(), Timeline(DEVICE)
        for p in pieces:
            timeline.add([read_samples(f.payload, streams) for f in decoder.feed(p)], 0)

    source = np.frombuffer(data, np.uint8)
    room = np.empty_like(source)

    def copy() -> None:
        np.copyto(room, source)

    decode()
    took = medians({"decode": decode, "blocks": to_blocks, "copy": copy})
    mb = len(data) / 1e6
    with capsys.disabled():
        print(
            f"\n{stream.name} x {per_frame} a frame: decode {mb / took['decode']:.0f} MB/s, "
            f"to blocks {mb / took['blocks']:.0f} MB/s, copy {mb / took['copy']:.0f} MB/s, "
            f"decode/copy {took['decode'] / took['copy']:.1f}"
        )


FEEDER = """
import os, sys, time
fd, rate, total, path = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
data = open(path, "rb").read()
sys.stdin.readline()  # opening a port throws away what came before
view, sent, began = memoryview(data), 0, time.monotonic()
while sent < total:
    at = sent % len(data)
    n = min(4096, len(data) - at, total - sent)
    sent += os.write(fd, view[at:at + n])
    if rate:
        late = sent / rate - (time.monotonic() - began)
        if late > 0:
            time.sleep(late)
"""


class Feeder:
    """Another process that writes frames into a pty at a given rate."""

    def __init__(self, data: bytes, tmp_path, rate: float, total: int) -> None:
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)
        file = tmp_path / f"feed-{rate}.bin"
        file.write_bytes(data)
        command = [sys.executable, "-c", FEEDER, str(self.master), str(rate), str(total), str(file)]
        self.process = subprocess.Popen(command, pass_fds=[self.master], stdin=subprocess.PIPE)

    def start(self) -> None:
        """Once the port is open."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def close(self) -> None:
        self.process.wait(timeout=60)
        os.close(self.master)
        os.close(self.slave)


def test_host_against_a_loop_that_reads_and_drops(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    data = frames(RADAR, 3, 3_000_000)
    total = 10 * len(data)
    got: dict[str, list[float]] = {"drop": [], "host": []}
    for _ in range(5):
        for name in got:
            feed = Feeder(data, tmp_path, 0.0, total)
            link = SerialLink(feed.path)
            n, began = 0, 0.0
            feed.start()
            if name == "drop":
                while n < total:
                    n += len(link.read())
                    began = began or time.perf_counter()
                link.close()
            else:
                head = Head(link)
                head._streams = {s.stream_id: s for s in DEVICE.streams}
                head._device, head._timeline = DEVICE, Timeline(DEVICE)
                while head.counters.bytes < total:
                    head.read()
                    began = began or time.perf_counter()
                assert head.counters.damaged == 0
                head.close()
            got[name].append(total / 1e6 / (time.perf_counter() - began))
            feed.close()
    drop, host = float(np.median(got["drop"])), float(np.median(got["host"]))
    with capsys.disabled():
        print(f"\nfrom a pty: read and drop {drop:.0f} MB/s, decoded to blocks {host:.0f} MB/s, {drop / host:.2f} x")


@pytest.mark.parametrize(("rate", "name"), [(1.0e6, "1 MB/s"), (1.2e6, "12 Mbaud")])
def test_processor_share_of_a_live_head(
    rate: float, name: str, tmp_path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = frames(RADAR, 3, 1_000_000)
    total = int(rate * 15)
    feed = Feeder(data, tmp_path, rate, total)
    head = Head(SerialLink(feed.path))
    head._streams = {s.stream_id: s for s in DEVICE.streams}
    head._device, head._timeline = DEVICE, Timeline(DEVICE)
    feed.start()
    began, cpu = time.perf_counter(), time.process_time()
    while head.counters.bytes < total:
        head.read()
    share = (time.process_time() - cpu) / (time.perf_counter() - began)
    assert head.counters.damaged == 0
    head.close()
    feed.close()
    with capsys.disabled():
        print(f"\n{name}: {100 * share:.1f} % of one core for reading, decoding and placing")
