"""A simulated scene played in real time, as a source: practice without a head."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace

from detector.samples import DeviceDescription, SampleBlock
from detector.simulate.scene import Scene
from firmware_host.practice.way import Way
from firmware_host.session import Item

_PIECE_S = 0.02
"""Stream time of one block, s."""


def pieces(scene: Scene) -> Iterator[SampleBlock]:
    """The scene in short blocks, in the order in which they would come."""

    def cut(block: SampleBlock) -> Iterator[tuple[int, int, SampleBlock]]:
        n = max(1, int(block.stream.rate_hz * _PIECE_S))
        for start in range(0, len(block), n):
            part = block[start : start + n]
            yield int(part.tick[-1]), part.stream.stream_id, part

    for _, _, part in heapq.merge(*(cut(b) for b in scene.blocks), key=lambda item: item[:2]):
        yield part


class SceneSource:
    """Waits until the lane is begun, then gives every block when it is due. Times are stamped as of now.

    Parameters
    ----------
    speed : 1 = as fast as the simulated head was carried
    clock : host time, ns since 1970 UTC
    """

    def __init__(
        self,
        scene: Scene,
        way: Way,
        speed: float,
        clock: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._scene, self._way, self._speed, self._clock = scene, way, speed, clock
        self._now, self._sleep = monotonic, sleep

    @property
    def device(self) -> DeviceDescription:
        return self._scene.device

    def items(self) -> Generator[list[Item]]:
        while not self._way.begun:
            self._sleep(_PIECE_S)
            yield []
        began, began_ns, first_ns = self._now(), self._clock(), None
        for part in pieces(self._scene):
            due = began + int(part.tick[-1]) / self.device.tick_hz / self._speed
            while (wait := due - self._now()) > 0:
                self._sleep(min(wait, _PIECE_S))
                yield []
            if first_ns is None:
                first_ns = int(part.utc_ns[0])
            since = ((part.utc_ns - first_ns) / self._speed).astype("int64")
            yield [replace(part, utc_ns=began_ns + since)]
