"""An entry: rows that were added together to one stream or table, the unit of the journal and of the chain of digests.

A recording is a sequence of entries. The first describes it ("recording"), those of a stream ("stream:ID") hold its
columns one after the other, those of a table its rows, and the last of a session that ended in order is "closed".
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from detector.errors import RecordingError
from detector.recording import schema
from detector.samples import DeviceDescription, SampleBlock, StreamDescription, StreamKind

RECORDING: Final = "recording"
ENDED: Final = "closed"

HEADER: Final = struct.Struct("<4s64sqqQ")
"""Marker, target, first row, rows, bytes of payload."""
MARKER: Final = b"gsE\xb7"
DIGEST_BYTES: Final = 32

ATTRIBUTES: Final = (
    "format", "schema_version", "software", "recording_type", "created_utc_ns", "profile", "profile_hash",
    "model_hash", "note", "licence", "source",
)  # fmt: skip
"""Of the root group, all of which the first entry holds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Rows `first` to `first + n - 1` of a target, as bytes."""

    target: str
    first: int
    n: int
    payload: bytes

    @property
    def header(self) -> bytes:
        """(96,) bytes that precede the payload in a journal."""
        return HEADER.pack(MARKER, self.target.encode(), self.first, self.n, len(self.payload))


def chained(before: bytes, entry: Entry) -> bytes:
    """SHA-256 of an entry and of the digest before it (nothing before the first)."""
    h = hashlib.sha256(before)
    h.update(entry.header)
    h.update(entry.payload)
    return h.digest()


def stream_target(stream: StreamDescription) -> str:
    return f"stream:{stream.stream_id}"


def columns_of(several_heads: bool) -> tuple[str, ...]:
    """Columns of a stream in the order in which an entry holds them, before the samples."""
    return (*schema.COLUMNS, *((schema.HEAD_TICK,) if several_heads else ()))


def block_entry(first: int, blocks: Sequence[SampleBlock], several_heads: bool) -> Entry:
    """Successive blocks of one stream as an entry.

    Raises
    ------
    RecordingError
        where several heads share the recording and a block does not say its head's own ticks.
    """
    parts = []
    for name in columns_of(several_heads):
        columns = [getattr(b, name) for b in blocks]
        if any(c is None for c in columns):
            raise RecordingError(
                f"Records of {blocks[0].stream.name} lack {name}, which a recording of several heads keeps."
            )
        parts += [np.ascontiguousarray(c, "<i8").data for c in columns]
    parts += [np.ascontiguousarray(b.raw).data for b in blocks]
    return Entry(stream_target(blocks[0].stream), first, sum(len(b) for b in blocks), b"".join(parts))


def entry_columns(entry: Entry, stream: StreamDescription, several_heads: bool) -> dict[str, Any]:
    """The columns and the samples of a stream's entry: name -> array.

    Raises
    ------
    RecordingError
        when the payload is not of the size that its rows take.
    """
    names = columns_of(several_heads)
    width = 8 * len(names) + stream.width * stream.dtype.itemsize
    if entry.n < 1 or len(entry.payload) != entry.n * width:
        raise RecordingError(
            f"An entry of {entry.n} records of {stream.name!r} has {len(entry.payload)} bytes, not {entry.n * width}."
        )
    out: dict[str, Any] = {}
    for i, name in enumerate(names):
        out[name] = np.frombuffer(entry.payload, "<i8", entry.n, 8 * entry.n * i)
    raw = np.frombuffer(entry.payload, stream.dtype, entry.n * stream.width, 8 * entry.n * len(names))
    out["raw"] = raw.reshape(entry.n, stream.channels, stream.values)
    return out


def description(attributes: dict[str, Any], device: DeviceDescription, several_heads: bool) -> Entry:
    """The first entry: what the recording is, in JSON with sorted keys and floats that round-trip."""
    about = {
        "attributes": {k: int(v) if k == "created_utc_ns" else str(v) for k, v in attributes.items()},
        "device": asdict(device),
        "several_heads": several_heads,
    }
    return Entry(RECORDING, 0, 0, json.dumps(about, sort_keys=True, separators=(",", ":")).encode())


def read_description(entry: Entry) -> tuple[dict[str, Any], DeviceDescription, bool]:
    """The inverse of `description`.

    Raises
    ------
    RecordingError
        when it is not one, or of a format that this software does not know.
    """
    try:
        about = json.loads(entry.payload)
        attributes = {name: about["attributes"][name] for name in ATTRIBUTES}
        d = about["device"]
        streams = tuple(
            StreamDescription(**{**s, "kind": StreamKind(s["kind"]), "axis": tuple(s["axis"])}) for s in d["streams"]
        )
        device = DeviceDescription(**{**d, "streams": streams})
    except (ValueError, KeyError, TypeError) as e:
        raise RecordingError(f"The description at the start of the journal makes no sense ({e!r}).") from e
    if attributes["format"] != schema.FORMAT or str(attributes["schema_version"]).split(".")[0] != "1":
        version = attributes["schema_version"]
        raise RecordingError(f"The journal is of format {version}, which this software cannot read. Update it.")
    return attributes, device, bool(about.get("several_heads"))
