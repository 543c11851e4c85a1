"""Speed of the metal chain: against the same chain in scipy, and against one pass over the memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage, signal

from detector.metal.chain import MetalChain, MetalSettings
from detector.metal.geometry import MetalGeometry
from detector.metal.impulse import ImpulseRejection, ImpulseSettings
from detector.metal.mains import MainsSettings, MainsTracker
from detector.metal.response import Response, ResponseSettings
from detector.metal.trust import RawTrust, TrustSettings
from detector.samples import StreamKind

pytestmark = pytest.mark.benchmark

RATE_HZ = 1000.0
GATES = 32


def geometry(gates: int = GATES, coils: int = 1) -> MetalGeometry:
    axis = tuple(float(t) for t in np.geomspace(15e-6, 400e-6, gates))
    return MetalGeometry(StreamKind.METAL_PI, coils, gates, axis, RATE_HZ, 0.5 / RATE_HZ, 1e-6, -2147.0, 2147.0)


def readings(n: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    t = np.arange(n)[:, None] / RATE_HZ
    return rng.normal(scale=1e-3, size=(n, width)) + 2e-3 * np.sin(2 * np.pi * 50.1 * t) + 0.5


def scipy_chain(x: np.ndarray, g: MetalGeometry) -> tuple[np.ndarray, np.ndarray]:
    """The same stages as a good user would write them, over the whole recording at once."""
    middle = ndimage.median_filter(x, size=(5, 1))
    spread = 1.4826 * np.median(np.abs(x - middle), axis=0)
    x = np.where(np.abs(x - middle) > 6 * spread, middle, x)
    for h in range(1, 6):
        b, a = signal.iirnotch(50.0 * h, 50.0 * h / 2.0, fs=RATE_HZ)
        x = signal.lfilter(b, a, x, axis=0)
    high = signal.butter(2, 0.16, "highpass", fs=RATE_HZ, output="sos")
    gates = signal.sosfilt(high, x, axis=0)
    noise = np.cov(np.diff(x, axis=0).T) / 2.0
    factor = np.linalg.cholesky(noise)
    white = np.linalg.solve(factor, gates.T).T
    soil = np.linalg.solve(factor, np.array(g.axis) ** -1.0)
    soil /= np.linalg.norm(soil)
    balanced = white - np.outer(white @ soil, soil)
    smooth = signal.lfilter([0.04], [1.0, -0.96], balanced, axis=0)
    search = np.mean(smooth**2, axis=1)
    cells = []
    bank = Response(ResponseSettings(), g, 1, True)
    for taps, half in zip(bank.filters, bank.halves, strict=True):
        kernel = np.concatenate((taps[half:0:-1], taps[: half + 1]))
        for stream in (balanced, white):
            y = signal.oaconvolve(stream, kernel[:, None], mode="same", axes=0)
            cells.append(np.mean(y**2, axis=1))
    return search, np.stack(cells, axis=1)


def medians(tasks: dict[str, Callable[[], object]], rounds: int = 5) -> dict[str, float]:
    """Median processor seconds of each, one of each per round: what other programs take does not count."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for task in tasks.values():
        task()
    for _ in range(rounds):
        for name, task in tasks.items():
            start = time.thread_time()
            task()
            times[name].append(time.thread_time() - start)
    return {name: statistics.median(t) for name, t in times.items()}


def run(x: np.ndarray, g: MetalGeometry, size: int | None = None) -> None:
    chain = MetalChain(MetalSettings(), g)
    step = size or len(x)
    for i in range(0, len(x), step):
        chain.process(x[i : i + step])
    chain.finish()


def test_the_chain_against_scipy_and_a_pass_over_the_memory() -> None:
    g, x = geometry(), readings(20000, GATES)
    out = np.empty_like(x)
    took = medians(
        {
            "chain": lambda: run(x, g, 250),
            "scipy": lambda: scipy_chain(x, g),
            "memory pass": lambda: np.multiply(x, 1.5, out=out),
        }
    )
    per_s = len(x) / took["chain"]
    print(
        f"\nmetal chain, {GATES} gates: {per_s / 1e3:.0f} k readings/s, {took['chain'] / x.size * 1e9:.1f} ns a value; "
        f"{took['scipy'] / took['chain']:.1f} x scipy; {took['chain'] / took['memory pass']:.0f} memory passes; "
        f"{per_s / RATE_HZ:.0f} heads of 1 kHz on one core"
    )
    # about 4 where this was written, on a loaded machine; scipy has no three baselines; a lost vector loop costs more
    assert took["scipy"] / took["chain"] > 3.0


def test_stages() -> None:
    g, x = geometry(), readings(20000, GATES)
    pieces = [x[i : i + 256] for i in range(0, len(x), 256)]
    whole = MetalChain(MetalSettings(), g)
    whole.process(x)

    def each(make: Callable[[], Callable[[np.ndarray], object]]) -> Callable[[], None]:
        def task() -> None:
            stage = make()
            for piece in pieces:
                stage(piece)

        return task

    def search() -> Callable[[np.ndarray], object]:
        stage = MetalChain(MetalSettings(), g).search
        room = np.empty((256, GATES)), np.empty((256, 1)), np.empty((256, 1)), np.zeros(256, np.uint8)
        return lambda piece: stage.process(piece, *(a[: len(piece)] for a in room))

    def response() -> Callable[[np.ndarray], object]:
        bank = Response(ResponseSettings(), g, 1, True)
        return lambda piece: bank.process(piece, whole.search.state.whitener)

    took = medians(
        {
            "trust": each(lambda: RawTrust(TrustSettings(), g).process),
            "impulse": each(lambda: ImpulseRejection(ImpulseSettings(), g).process),
            "mains": each(lambda: MainsTracker(MainsSettings(), g).process),
            "search": each(search),
            "response": each(response),
            "all": lambda: run(x, g, 256),
        }
    )
    print()
    for name, t in took.items():
        print(f"  {name:10s} {t / x.size * 1e9:7.2f} ns a value  {t / took['all'] * 100:4.0f} %")
    assert took["all"] < 2.0 * sum(t for name, t in took.items() if name != "all")


def test_cost_against_gates_coils_and_block_size() -> None:
    print()
    tasks: dict[str, Callable[[], object]] = {}
    values: dict[str, int] = {}
    for gates, coils in ((4, 1), (8, 1), (16, 1), (32, 1), (64, 1), (8, 3), (8, 8), (8, 24)):
        x = readings(4000, gates * coils)
        name = f"{coils:2d} coils x {gates:2d} gates"
        head = geometry(gates, coils)
        tasks[name] = lambda x=x, head=head: run(x, head)
        values[name] = len(x)
    g, x = geometry(), readings(4000, GATES)
    for size in (1, 4, 16, 64, 256):
        tasks[f"blocks of {size:4d}"] = lambda size=size: run(x, g, size)
        values[f"blocks of {size:4d}"] = len(x)
    for name, t in medians(tasks, 3).items():
        print(f"  {name}: {t / values[name] * 1e6:7.2f} us a reading")
    took = medians({"one": lambda: run(x, g, 1), "all": lambda: run(x, g)}, 3)
    # one reading at a time must still follow many times the rate of a fast head
    assert took["one"] / took["all"] < 300.0


def test_denormals_do_not_slow_it() -> None:
    g = geometry()
    loud = readings(6000, GATES)
    dying = loud.copy()
    dying[1000:] = 0.0
    tiny = loud * 1e-310
    took = medians({"noise": lambda: run(loud, g), "silence": lambda: run(dying, g), "tiny": lambda: run(tiny, g)})
    silence, denormal = took["silence"] / took["noise"], took["tiny"] / took["noise"]
    print(f"\n  silence {silence:.2f}, denormal input {denormal:.2f} of the time that noise takes")
    assert took["silence"] < 1.5 * took["noise"]
    assert took["tiny"] < 3.0 * took["noise"]
