"""Signing a recording, and checking a signature: Ed25519 (RFC 8032) by the library `cryptography`.

A signature is over the newest digest of the chain, and so over everything that was in the recording when it was made.
Labels added later do not break it; they are just not covered by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from detector.errors import RecordingError
from detector.recording.amending import add_row, amended
from detector.recording.integrity import Verdict, verify
from detector.recording.reader import open_recording
from detector.recording.rows import fields_of

_PURPOSE: Final = b"groundsweep recording, Ed25519, version 1\n"
"""Before what is signed, so that a signature made for something else never fits."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a stored signature is worth."""

    who: str
    utc_ns: int
    n_digests: int
    """Entries of the chain that it covers, of all that there are."""
    public_key: str
    """Hex."""
    good: bool
    """Whether the key made it over the chain as it is; says nothing on whose key it is."""


def _library() -> Any:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as e:
        raise RecordingError("Signatures need a library: pip install 'groundsweep[sign]'.") from e
    return serialization, ed25519


def _message(n_digests: int, newest: str) -> bytes:
    return _PURPOSE + f"{n_digests} {newest}".encode()


def sign(path: Path, key: Path, who: str, utc_ns: int) -> Verdict:
    """Sign a sound, finished recording with a private key, PEM (`openssl genpkey -algorithm ed25519`).

    Raises
    ------
    RecordingError
        if the recording is not sound, or the key is not such a key.
    """
    serialization, ed25519 = _library()
    verdict = verify(path)
    if not verdict.sound:
        found = verdict.problems[0] if verdict.problems else "it has no digests (a format older than 1.2)"
        raise RecordingError(f"{path} is not signed, since it does not verify: {found}.")
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as e:
        raise RecordingError(f"{key} cannot be read as a private key without a password ({e}).") from e
    if not isinstance(private, ed25519.Ed25519PrivateKey):
        raise RecordingError(f"{key} is not an Ed25519 key. Make one with 'openssl genpkey -algorithm ed25519'.")
    signature = private.sign(_message(verdict.n_digests, verdict.digests[-1])).hex()
    public = private.public_key().public_bytes_raw().hex()
    with amended(path) as file:
        row = (utc_ns, who.encode()[:64], verdict.n_digests, public.encode(), signature.encode())
        add_row(file["signatures"], row)
    return verdict


def signatures(verdict: Verdict) -> list[Signature]:
    """The signatures of a verified recording, each checked against its chain."""
    with open_recording(verdict.path) as recording:
        rows = [fields_of(row) for row in recording.table("signatures")]
    if not rows:
        return []
    _, ed25519 = _library()
    from cryptography.exceptions import InvalidSignature

    out = []
    for r in rows:
        n, good = r["n_digests"], False
        if 1 <= n <= len(verdict.digests):
            try:
                key = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(r["public_key"]))
                key.verify(bytes.fromhex(r["signature"]), _message(n, verdict.digests[n - 1]))
                good = True
            except (ValueError, InvalidSignature):
                good = False
        out.append(Signature(r["who"], r["utc_ns"], n, r["public_key"], good))
    return out


def public_key_hex(path: Path) -> str:
    """A public key from its PEM file (`openssl pkey -in KEY.pem -pubout`), as signatures hold it.

    Raises
    ------
    RecordingError
        if it is not such a key.
    """
    serialization, ed25519 = _library()
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as e:
        raise RecordingError(f"{path} cannot be read as a public key ({e}).") from e
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise RecordingError(f"{path} is not an Ed25519 public key.")
    return str(key.public_bytes_raw().hex())
