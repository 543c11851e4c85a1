"""Evidence: what was changed is found and located, and what was added says who did it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest

from detector.detections import Label, LabelClass
from detector.errors import RecordingError
from detector.recording.amending import append_corrections, append_labels
from detector.recording.integrity import verify
from detector.recording.journal import JournalReader, journal_of
from detector.recording.reader import open_recording
from detector.recording.recovery import recover
from detector.recording.stored_tables import Correction
from detector.recording.writer import RecordingWriter
from detector.samples import DeviceDescription, Event, SampleBlock, Severity

DualHead = tuple[DeviceDescription, list[SampleBlock]]


def begin(path: Path, head: DualHead) -> RecordingWriter:
    device, blocks = head
    w = RecordingWriter(path, device, software="test", created_utc_ns=5, note="as it was")
    for block in blocks:
        for at in range(0, len(block), 100):
            w.write(block[at : at + 100])
            w.flush()
    w.event(Event(9, Severity.INFO, "session", "begun"))
    return w


@pytest.fixture
def path(tmp_path: Path, dual_head: DualHead) -> Path:
    begin(tmp_path / "a.h5", dual_head).close()
    return tmp_path / "a.h5"


def test_an_untouched_recording_is_as_it_was_written(path: Path) -> None:
    verdict = verify(path)
    assert verdict.sound
    assert verdict.n_digests == 1 + 12 + 2 + 1 + 1
    assert not journal_of(path).exists()


def test_one_changed_sample_is_found_and_located(path: Path) -> None:
    with h5py.File(path, "r+") as f:
        f["streams/metal/raw"][345, 0, 2] += 1
    assert verify(path).problems == ["stream 'metal', records 300 to 399 (digest 4): not as it was written"]


@pytest.mark.parametrize("column", ["seq", "tick", "utc_ns", "odometer_um"])
def test_a_changed_time_or_place_is_found(path: Path, column: str) -> None:
    with h5py.File(path, "r+") as f:
        f[f"streams/radar/{column}"][5] += 1
    assert len(verify(path).problems) == 1


def test_two_changes_are_found_each_at_its_place(path: Path) -> None:
    with h5py.File(path, "r+") as f:
        f["streams/metal/raw"][5, 0, 0] += 1
        f["streams/radar/raw"][110, 0, 0] += 1
    first, second = verify(path).problems
    assert "records 0 to 99" in first
    assert "'radar', records 100 to 119" in second


def test_a_changed_attribute_is_found(path: Path) -> None:
    with h5py.File(path, "r+") as f:
        f.attrs["note"] = "not as it was"
    assert "the description" in verify(path).problems[0]


def test_rows_added_by_other_means_are_found(path: Path) -> None:
    with h5py.File(path, "r+") as f:
        f["labels"].resize(1, axis=0)
    assert "table 'labels': the last 1 rows have no digest" in verify(path).problems[0]


def test_an_end_that_was_taken_off_is_found(path: Path) -> None:
    with h5py.File(path, "r+") as f:
        for column in f["streams/radar"].values():
            column.resize(100, axis=0)
        f["digests"].resize(14, axis=0)
        f["events"].resize(0, axis=0)
    assert "its end was taken off" in verify(path).problems[-1]


def test_labels_and_corrections_extend_the_chain(path: Path) -> None:
    before = verify(path).digests
    append_labels(path, [Label(1, LabelClass.MINE, "ana", 2, True, 0.1, "dug")])
    append_corrections(path, [Correction(3, "ben", "note", "lane 4", "the marker")])
    verdict = verify(path)
    assert verdict.sound
    assert verdict.digests[: len(before)] == before
    assert verdict.n_digests == len(before) + 2
    with open_recording(path) as r:
        assert r.corrections() == [Correction(3, "ben", "note", "lane 4", "the marker")]
    with h5py.File(path, "r+") as f:
        row = f["labels"][0]
        row["label"] = b"nothing-found"
        f["labels"][0] = row
    assert "table 'labels', rows 0 to 0" in verify(path).problems[0]


def test_what_fails_while_it_is_added_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RecordingError, match="stays as it was"):
        append_labels(path, [Label(1, LabelClass.MINE, "ana", 2, True)])
    assert path.read_bytes() == before
    assert sorted(p.name for p in path.parent.iterdir()) == ["a.h5"]


def test_a_damaged_journal_gives_what_is_before_and_after_the_damage(tmp_path: Path, dual_head: DualHead) -> None:
    w = begin(tmp_path / "a.h5", dual_head)
    w.flush()
    journal = journal_of(w.path)
    whole = list(JournalReader(journal))
    data = bytearray(journal.read_bytes())
    data[len(data) // 3] ^= 1
    w.close()
    (tmp_path / "b.h5.journal").write_bytes(data)
    reader = JournalReader(tmp_path / "b.h5.journal")
    assert len(list(reader)) == len(whole) - 1
    assert len(reader.damage) == 1
    found = recover(tmp_path / "b.h5", tmp_path / "out.h5", 1)
    assert found.lost == ["records of 'metal', 500 to 599"]
    with open_recording(tmp_path / "out.h5") as r:
        (gap,) = r.gaps()
        assert (gap.first_seq, gap.n_records) == (500, 100)
        assert r.n_records("metal") == 1100
        assert any("Lost: records of 'metal'" in e.text for e in r.events())
    assert verify(tmp_path / "out.h5").sound


def test_what_the_journal_lost_is_taken_from_the_file(tmp_path: Path, dual_head: DualHead) -> None:
    _, blocks = dual_head
    w = begin(tmp_path / "a.h5", dual_head)
    w.flush()
    data = bytearray(journal_of(w.path).read_bytes())
    data[len(data) // 3] ^= 1
    file = w.path.read_bytes()
    w.close()
    (tmp_path / "b.h5.journal").write_bytes(data)
    (tmp_path / "b.h5").write_bytes(file)
    found = recover(tmp_path / "b.h5", tmp_path / "out.h5", 1)
    assert found.lost == []
    with open_recording(tmp_path / "out.h5") as r:
        assert r.block("metal", 0, 1200).raw.tobytes() == blocks[0].raw.tobytes()


def test_what_the_journal_lost_and_the_file_has_spoilt_is_a_gap_and_not_a_signal(
    tmp_path: Path, dual_head: DualHead
) -> None:
    """A power cut: the journal ends early, and the file's samples after that end are zeros in one place."""
    _, (metal, _) = dual_head
    w = begin(tmp_path / "a.h5", dual_head)
    w.flush()
    journal, file = journal_of(w.path).read_bytes(), bytearray(w.path.read_bytes())
    w.close()
    spoilt = metal.raw[640:650].tobytes()
    assert file.count(spoilt) == 1
    at = file.index(spoilt)
    file[at : at + len(spoilt)] = bytes(len(spoilt))
    (tmp_path / "b.h5").write_bytes(file)
    (tmp_path / "b.h5.journal").write_bytes(journal[: len(journal) // 4])
    found = recover(tmp_path / "b.h5", tmp_path / "out.h5", 1)
    assert found.lost == ["records of 'metal', 600 to 699"]
    with open_recording(tmp_path / "out.h5") as r:
        (gap,) = r.gaps()
        assert (gap.first_seq, gap.n_records) == (600, 100)
        kept = np.r_[0:600, 700:1200]
        assert r.block("metal", 0, 1200).raw.tobytes() == metal.raw[kept].tobytes()
    assert verify(tmp_path / "out.h5").sound


def test_rows_that_no_digest_covers_are_not_believed_beside_a_journal(tmp_path: Path, dual_head: DualHead) -> None:
    w = begin(tmp_path / "a.h5", dual_head)
    w.flush()
    journal = journal_of(w.path).read_bytes()
    w.close()
    (tmp_path / "b.h5").write_bytes(w.path.read_bytes())
    with h5py.File(tmp_path / "b.h5", "r+") as f:
        f["digests"].resize(10, axis=0)  # up to record 899
    (tmp_path / "b.h5.journal").write_bytes(journal[: len(journal) // 4])
    found = recover(tmp_path / "b.h5", tmp_path / "out.h5", 1)
    assert found.lost[0] == "records of 'metal', 900 to 1199"
    with open_recording(tmp_path / "out.h5") as r:
        assert r.n_records("metal") == 900


def test_a_file_alone_whose_chain_is_gone_is_brought_back_and_said_to_be_unproven(path: Path, tmp_path: Path) -> None:
    with h5py.File(path, "r+") as f:
        f["digests"].resize(0, axis=0)
    found = recover(path, tmp_path / "out.h5", 1)
    assert any("nothing proves what the file holds" in d for d in found.damage)
    with open_recording(tmp_path / "out.h5") as r:
        assert r.n_records("metal") == 1200
        assert any("nothing proves" in e.text for e in r.events())


def test_a_recording_that_still_runs_is_neither_recovered_nor_labelled(tmp_path: Path, dual_head: DualHead) -> None:
    w = begin(tmp_path / "a.h5", dual_head)
    with pytest.raises(RecordingError, match="still being recorded"):
        recover(w.path, tmp_path / "b.h5", 1)
    with pytest.raises(RecordingError, match="still being recorded"):
        append_labels(w.path, [Label(1, LabelClass.MINE, "ana", 2, True)])
    w.close()


def test_a_signature_holds_until_what_it_covers_is_changed(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="signatures need the extra 'sign'")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from detector.recording.signing import public_key_hex, sign, signatures

    private = Ed25519PrivateKey.generate()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (tmp_path / "key.pem").write_bytes(private.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    public = private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "public.pem").write_bytes(public)
    sign(path, tmp_path / "key.pem", "ana", 7)
    append_labels(path, [Label(1, LabelClass.MINE, "ben", 8, True)])
    (signature,) = signatures(verify(path))
    assert signature.good
    assert signature.public_key == public_key_hex(tmp_path / "public.pem")
    assert signature.n_digests == verify(path).n_digests - 1
    with h5py.File(path, "r+") as f:  # someone who rewrites a digest of the chain, too
        row = f["digests"][signature.n_digests - 1]
        row["sha256"] = b"00" * 32
        f["digests"][signature.n_digests - 1] = row
    assert not signatures(verify(path))[0].good


def test_the_command_line_finds_what_was_changed(path: Path) -> None:
    import sys

    command = [sys.executable, "-m", "firmware_host.cli.main", "verify", str(path)]
    assert subprocess.run(command, capture_output=True, timeout=120).returncode == 0
    with h5py.File(path, "r+") as f:
        f["streams/metal/raw"][0, 0, 0] += 1
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "NOT AS WRITTEN" in done.stdout
    assert np.all([word in done.stdout for word in ("metal", "records 0 to 99")])
