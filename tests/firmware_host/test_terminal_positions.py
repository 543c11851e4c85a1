"""What the terminal's status line says of the satellite receiver."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from detector.samples import DeviceDescription, Event, FixQuality, Position, SampleBlock, Severity
from firmware_host.console import terminal
from firmware_host.console.terminal import TerminalView
from firmware_host.console.watch import Watch

FIX = Position(5, 4, 45.81, 15.98, 100.0, FixQuality.RTK_FIXED, 0.014, "gst", 17, 0.7, 1.0, "0120")


@pytest.fixture
def view(dual_head: tuple[DeviceDescription, list[SampleBlock]]) -> TerminalView:
    device, blocks = dual_head
    watch = Watch(device)
    for block in blocks:
        watch.block(block)
    return TerminalView(Console(file=io.StringIO(), width=160), device, watch)


def test_without_a_receiver_nothing_is_said_of_positions(view: TerminalView) -> None:
    assert "POSITION" not in view._status_line().plain


def test_a_fix_is_shown_with_its_quality_and_accuracy(view: TerminalView) -> None:
    view.position(FIX)
    assert "RTK fixed ± 0.014 m, 17 satellites" in view._status_line().plain
    view.position(replace(FIX, sigma_m=math.nan, sigma_from=""))
    assert "RTK fixed accuracy not known" in view._status_line().plain


def test_a_lost_fix_and_a_silent_receiver_are_shown(view: TerminalView, monkeypatch: pytest.MonkeyPatch) -> None:
    view.position(replace(FIX, quality=FixQuality.NONE))
    assert "NO POSITION" in view._status_line().plain
    view.position(FIX)
    assert "NO POSITION" not in view._status_line().plain
    later = view._positioned + terminal.SILENCE_S + 0.1
    monkeypatch.setattr(terminal.time, "monotonic", lambda: later)
    assert "NO POSITION" in view._status_line().plain


def test_ground_without_a_place_is_swept_all_the_same(view: TerminalView) -> None:
    view._watch.event(Event(5, Severity.FAULT, "gnss", "No position."))
    assert "searching" in view._status_line().plain
    view._watch.event(Event(5, Severity.FAULT, "head", "No samples."))
    assert "NOT VALID" in view._status_line().plain
