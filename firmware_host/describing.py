"""How a head says who it is: asked for its description, and that held against the one of the sweep."""

from __future__ import annotations

import time

from detector.errors import SampleError
from detector.samples import DeviceDescription, StreamDescription
from firmware_host.errors import HeadError, WireError
from firmware_host.exchange import Exchange
from firmware_host.wire.framing import Frame
from firmware_host.wire.messages import DeviceMessage, Kind, Opcode, read_device, read_stream


def ask_description(exchange: Exchange, timeout_s: float) -> tuple[DeviceDescription, int]:
    """What the head at the other end is, and the hash of its parameter table; asks every half second until it answers.

    Whatever else comes meanwhile is kept. A description that makes no sense is counted, and asked for again.

    Raises
    ------
    HeadError
        if it does not describe itself in time, or as something that cannot be.
    """
    deadline = time.monotonic() + timeout_s
    asked = float("-inf")
    device: DeviceMessage | None = None
    streams: dict[int, StreamDescription] = {}
    while time.monotonic() < deadline:
        if time.monotonic() - asked > 0.5:
            exchange.send(Opcode.DESCRIBE)
            asked = time.monotonic()
        for frame in exchange.frames():
            try:
                if frame.kind == Kind.DEVICE:
                    device, streams = read_device(frame.payload), {}
                elif frame.kind == Kind.STREAM:
                    stream = read_stream(frame.payload)
                    streams[stream.stream_id] = stream
                elif frame.kind != Kind.REPLY:
                    exchange.keep(frame)
            except WireError as e:
                exchange.note_senseless(e)
        if device is not None and len(streams) == device.n_streams:
            try:
                described = DeviceDescription(
                    device.model, device.serial, device.firmware, device.tick_hz, tuple(streams.values())
                )
            except SampleError as e:
                raise HeadError(
                    f"The head on {exchange.reader.port} describes itself as something that cannot be. {e}"
                ) from e
            return described, device.parameter_hash
    c = exchange.counters
    seen = f"{c.bytes} bytes came, {c.frames} good frames and {c.damaged} damaged ones"
    advice = (
        "Nothing came at all: is the head switched on, and is this its port?"
        if c.bytes == 0
        else "Is the baud rate right, and does the firmware speak protocol version 1?"
        + (f" {c.wrong_version} frames were of another version." if c.wrong_version else "")
    )
    if exchange.senseless:
        seen += f"; {exchange.senseless} messages made no sense"
        advice = f"{exchange.last_senseless} {advice}"
    raise HeadError(f"No head described itself on {exchange.reader.port} within {timeout_s:g} s: {seen}. {advice}")


def why_stranger(now: DeviceDescription, then: DeviceDescription, port: str) -> str:
    """Why the head that is `now` on that port is not the one `then`, for a person; '' if it is."""
    if now == then:
        return ""
    text = (
        f"On {port} is {now.model} serial {now.serial}, firmware {now.firmware or 'not stated'}, not the "
        f"head of this sweep (serial {then.serial}, firmware {then.firmware or 'not stated'}) as it was. "
    )
    if (now.model, now.serial, now.firmware) == (then.model, then.serial, then.firmware):
        text += "It says the same name and describes its clock or its streams otherwise. "
    return text + "Plug that one in, or end this sweep and start a new one."


def what_changed(frame: Frame, then: DeviceDescription, port: str) -> str:
    """What a DEVICE or STREAM message says otherwise than the description `then`, for a person; '' if nothing.

    Raises
    ------
    WireError
        if it makes no sense.
    """
    if frame.kind == Kind.DEVICE:
        d = read_device(frame.payload)
        now = (d.model, d.serial, d.firmware, d.tick_hz, d.n_streams)
        same = now == (then.model, then.serial, then.firmware, then.tick_hz, len(then.streams))
        what = f"as {d.model} serial {d.serial}, firmware {d.firmware or 'not stated'}"
    else:
        stream = read_stream(frame.payload)
        same = stream in then.streams
        what = f"with another stream {stream.name!r}"
    if same:
        return ""
    return (
        f"The head on {port} now describes itself {what}; this sweep began with {then.model} serial "
        f"{then.serial}, firmware {then.firmware or 'not stated'}, and its samples are read as that one's. End "
        "this sweep and start a new one."
    )
