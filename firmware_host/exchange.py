"""What goes to a head and comes from it: frames, commands and their answers, and what comes meanwhile put by."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from firmware_host.errors import HeadError, WireError
from firmware_host.reader import QUEUE_BYTES, Direct, Reader
from firmware_host.wire.framing import Frame, FrameCounters, FrameDecoder, encode_frame
from firmware_host.wire.messages import Command, Kind, Opcode, Reply, Result, pack_command, read_reply

KEPT_BYTES: Final = 1 << 24
"""Most payload that is put by while a command waits for its answer: 14 s of a 12 Mbaud line."""


class Exchange:
    """Frames with one head over one link.

    Parameters
    ----------
    reader : of the link, open
    clock : host time, ns
    """

    def __init__(self, reader: Reader | Direct, clock: Callable[[], int]) -> None:
        self.reader = reader
        self._clock = clock
        self._decoder = FrameDecoder()
        self._sequence = 0
        self._request = 0
        self._kept: list[Frame] = []
        self._kept_bytes = 0
        self.arrival_ns = 0
        """Host time at which the last bytes were fetched."""
        self.dropped_bytes = 0
        """That the reader, ..."""
        self.dropped_frames = 0
        """... and frames that this exchange had to throw away, and nobody was told of yet."""
        self.senseless = 0
        """Messages that made no sense, and nobody was told of yet; ..."""
        self.last_senseless = ""
        """... what was wrong with the last one."""

    @property
    def counters(self) -> FrameCounters:
        """What went over the wire so far; counts on."""
        return self._decoder.counters

    @property
    def kept(self) -> list[Frame]:
        """Frames put by, in order."""
        return self._kept

    def take_kept(self) -> list[Frame]:
        """Those, which are not put by any more."""
        kept, self._kept, self._kept_bytes = self._kept, [], 0
        return kept

    def drop(self, unwanted: Callable[[Frame], bool]) -> None:
        """Put by no more what nobody will ask for."""
        self._kept = [f for f in self._kept if not unwanted(f)]
        self._kept_bytes = sum(len(f.payload) for f in self._kept)

    def go_on_with(self, other: Exchange) -> None:
        """Close this link and take over another one's, which is not to be used any more; what was counted counts."""
        self.reader.close()
        self.count_in(other)
        counters = self._decoder.counters
        self.reader, self._decoder = other.reader, other._decoder
        self._decoder.counters = counters
        self._kept = [*self._kept, *other._kept]
        self._kept_bytes += other._kept_bytes
        self._sequence, self._request = other._sequence, other._request

    def count_in(self, other: Exchange) -> None:
        """What was damaged, lost or thrown away on another link of this head counts here, and is told."""
        for name in FrameCounters.__dataclass_fields__:
            setattr(self.counters, name, getattr(self.counters, name) + getattr(other.counters, name))
        self.dropped_bytes += other.dropped_bytes
        self.dropped_frames += other.dropped_frames
        self.senseless += other.senseless
        self.last_senseless = other.last_senseless or self.last_senseless

    def note_senseless(self, e: WireError) -> None:
        """Count a message that made no sense."""
        self.senseless += 1
        self.last_senseless = str(e)

    def frames(self, wait_s: float = 0.02) -> list[Frame]:
        """Frames that have come in since the last call."""
        got = self.reader.read(wait_s)
        self.dropped_bytes += got.dropped
        self.arrival_ns = got.arrival_ns or self.arrival_ns or self._clock()
        return self._decoder.feed(got.data)

    def keep(self, frame: Frame) -> None:
        """Put a frame by for `read`, while somebody waits for another. What is too much becomes a gap, and is told."""
        if self._kept_bytes <= KEPT_BYTES + QUEUE_BYTES:  # a command gives up before that
            self._kept.append(frame)
            self._kept_bytes += len(frame.payload)
        else:
            self.dropped_frames += 1

    def send(self, opcode: Opcode, name: str = "", value: float = 0.0) -> int:
        """Send a command, and wait for nothing; returns the number that its reply will bear."""
        self._request = (self._request + 1) & 0xFFFF
        payload = pack_command(Command(self._request, opcode, name, value))
        # the leading zero ends whatever noise the head may have taken for the start of a frame
        self.reader.write(b"\0" + encode_frame(Kind.COMMAND, self._sequence, payload))
        self._sequence = (self._sequence + 1) & 0xFFFF
        return self._request

    def command(
        self, opcode: Opcode, name: str = "", value: float = 0.0, timeout_s: float = 2.0, again_s: float = 0.5
    ) -> Reply:
        """Send a command, every `again_s` anew while no reply comes: command or reply may have been damaged.

        Raises
        ------
        HeadError
            if no reply comes, or the head refuses.
        """
        requests: set[int] = set()
        reply: Reply | None = None

        def ask() -> None:
            requests.add(self.send(opcode, name, value))

        def take(frame: Frame) -> bool | None:
            nonlocal reply
            if frame.kind == Kind.REPLY:
                answer: Reply = read_reply(frame.payload)
                if answer.request in requests:
                    reply = answer
                    return True
            return None

        self.wait(take, timeout_s, ask, again_s)
        if reply is None:
            raise HeadError(
                f"The head on {self.reader.port} did not answer {opcode.name} within {timeout_s:g} s. "
                "Switch it off and on, and start again."
            )
        if reply.result is not Result.OK:
            raise HeadError(f"The head refused {opcode.name} {name}: {reply.text}")
        return reply

    def wait(
        self, take: Callable[[Frame], bool | None], timeout_s: float, ask: Callable[[], None], again_s: float
    ) -> None:
        """Ask, then give frames to `take` until it says True, or for that long; those that it answers with None are
        kept for `read`, in order. Samples outrank commands: before too many wait, the command fails, and none is lost.
        """
        ask()
        asked = time.monotonic()
        deadline = asked + timeout_s
        done = False
        while not done and time.monotonic() < deadline:
            if self._kept_bytes > KEPT_BYTES:
                raise HeadError(
                    f"The head on {self.reader.port} sent {self._kept_bytes >> 20} MB and no answer to a command. No "
                    "samples were lost; whether the command was obeyed is not known. Stop the head, then try again."
                )
            if time.monotonic() - asked > again_s:
                ask()
                asked = time.monotonic()
            for frame in self.frames():
                try:
                    taken = None if done else take(frame)
                except WireError as e:
                    self.note_senseless(e)
                    continue
                done = done or bool(taken)
                if taken is None:
                    self.keep(frame)
