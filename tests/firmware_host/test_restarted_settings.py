"""A head that restarts in a sweep is asked again what it is set to, and what fell back is a fault; samples go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from detector.samples import (
    NO_ODOMETER,
    DeviceDescription,
    Event,
    ParameterReading,
    SampleBlock,
    Severity,
    StreamDescription,
    StreamKind,
)
from firmware_host import restarted_settings
from firmware_host.errors import LinkError
from firmware_host.head import Head, Item
from firmware_host.live_source import LiveSource
from firmware_host.virtual.head import VirtualHead
from firmware_host.virtual.interference import Harm, Interference
from firmware_host.wire.messages import HeadState, HeadStatus, Kind, Parameter, pack_parameter

METAL = StreamDescription(0, "metal", StreamKind.METAL, 1, 4, "int32", 200.0)
DEVICE = DeviceDescription("forgetful", "F-1", "1", 1e6, (METAL,))
FELL_BACK = "status_interval is 250 ms, was 100 ms"


def records() -> Iterator[SampleBlock]:
    """Half a minute of metal records, five at a time."""
    for first in range(0, 6000, 5):
        seq = np.arange(first, first + 5, dtype=np.int64)
        nowhere = np.full(5, NO_ODOMETER, np.int64)
        yield SampleBlock(METAL, seq, seq * 5000, np.zeros(5, np.int64), nowhere, np.ones((5, 1, 4), np.int32))


class Sweep:
    """What came of a sweep with a head whose status_interval was set to 100 ms, not saved unless `saved`."""

    def __init__(self, head: Head, saved: bool = False) -> None:
        self.head = head
        self.items: list[Item] = []
        head.describe()
        head.parameters()
        head.set_parameter("status_interval", 100.0)
        if saved:
            head.save_parameters()
        self.source = LiveSource(head, duration_s=25.0, silence_s=0.2)

    def until(self, enough: Callable[[], bool], then: Callable[[], object] = lambda: None) -> None:
        """Go on with the sweep until it is enough, doing something else once the first samples have come."""
        done = False
        for got in self.source.items():
            self.items += got
            if not done and self.records:
                done = True
                then()
            if done and enough():
                return
        pytest.fail(f"It did not come: {self.told()}")

    @property
    def records(self) -> int:
        return sum(len(i) for i in self.items if isinstance(i, SampleBlock))

    def told(self, severity: Severity | None = None) -> list[str]:
        """Texts of what was told of the head's settings."""
        events = [i for i in self.items if isinstance(i, Event) and severity in (None, i.severity)]
        return [e.text for e in events if "settings" in e.text]

    def streams_after(self, severity: Severity) -> bool:
        """Whether that was told and records have come since."""
        at = [k for k, i in enumerate(self.items) if isinstance(i, Event) and i.text in self.told(severity)]
        return bool(at) and sum(isinstance(i, SampleBlock) for i in self.items[at[-1] :]) > 10


def test_a_setting_that_falls_back_when_the_head_restarts_is_a_fault_and_on_record() -> None:
    with VirtualHead(DEVICE, records) as virtual, Head.open(virtual.path) as head:
        sweep = Sweep(head)
        sweep.until(lambda: sweep.streams_after(Severity.FAULT), virtual.reset)
    (fault,) = sweep.told()
    assert FELL_BACK in fault
    assert "since it restarted" in fault
    assert "playback_speed" not in fault  # comes back as it was
    assert "sample_frames_sent" not in fault  # is no setting
    readings = [i for i in sweep.items if isinstance(i, ParameterReading) and i.name == "status_interval"]
    assert [r.value for r in readings[:2]] == [100.0, 250.0]
    assert {r.value for r in readings[1:]} == {250.0}
    told_at = next(i.utc_ns for i in sweep.items if isinstance(i, Event) and i.text == fault)
    assert readings[0].utc_ns < readings[1].utc_ns <= told_at


def test_settings_that_outlive_the_restart_are_told_to_be_as_before() -> None:
    with VirtualHead(DEVICE, records) as virtual, Head.open(virtual.path) as head:
        sweep = Sweep(head, saved=True)
        sweep.until(lambda: sweep.streams_after(Severity.INFO), virtual.reset)
    assert sweep.told() == ["F-1: its settings were read again since it restarted: as before."]


def told_after(happens: Callable[[VirtualHead], None]) -> str:
    """The one fault of a sweep whose line is lost for a while, in which that happens to the head."""
    with (
        VirtualHead(DEVICE, records) as virtual,
        Interference(virtual.path, Harm()) as cable,
        Head.open(cable.path) as head,
    ):
        sweep = Sweep(head)

        def pull() -> None:
            cable.unplug_for(0.4)
            happens(virtual)

        sweep.until(lambda: sweep.streams_after(Severity.FAULT), pull)
    (fault,) = sweep.told(Severity.FAULT)
    return fault


def test_a_head_that_loses_its_power_while_its_line_is_lost_is_asked_too() -> None:
    fault = told_after(VirtualHead.reset)
    assert FELL_BACK in fault


def test_a_knob_turned_while_the_line_was_lost_is_noticed() -> None:
    fault = told_after(lambda head: head._change("status_interval", 250.0))
    assert FELL_BACK in fault
    assert "since its line was lost" in fault


@pytest.mark.parametrize("announces", [False, True])
def test_a_head_that_restarts_and_streams_by_itself_is_asked_too(announces: bool) -> None:
    """Also one that, as it starts, sends its parameters unasked."""

    class Restless(VirtualHead):
        forgot = False

        def _send_samples(self, part: SampleBlock, odometer: bool, frame: int) -> None:
            if self.forgot:
                self.forgot = False
                self._run += 1
                self._change("status_interval", 250.0)
                if announces:
                    self._send(Kind.PARAMETER, pack_parameter(self._parameters["status_interval"], 3))
            super()._send_samples(part, odometer, frame)

    with Restless(DEVICE, records) as virtual, Head.open(virtual.path) as head:
        sweep = Sweep(head)
        sweep.until(lambda: sweep.streams_after(Severity.FAULT), lambda: setattr(virtual, "forgot", True))
    (fault,) = sweep.told()
    assert FELL_BACK in fault


def test_a_stated_pulse_that_is_another_one_is_a_fault_though_nobody_can_set_it() -> None:
    with VirtualHead(DEVICE, records, pulse_us=250.0) as virtual, Head.open(virtual.path) as head:
        sweep = Sweep(head, saved=True)

        def restart() -> None:
            virtual.reset()
            virtual._stored["pulse_us"] = 100.0

        sweep.until(lambda: sweep.streams_after(Severity.FAULT), restart)
    (fault,) = sweep.told()
    assert "pulse_us is 100 us, was 250 us" in fault


def test_a_head_that_does_not_tell_its_settings_is_a_fault_and_its_samples_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(restarted_settings, "ASK_AGAIN_S", 0.1)
    monkeypatch.setattr(restarted_settings, "OVERDUE_S", 0.5)

    class Mute(VirtualHead):
        mute = False

        def _send(self, kind: int, payload: bytes) -> None:
            if not (self.mute and kind == Kind.PARAMETER):
                super()._send(kind, payload)

    with Mute(DEVICE, records) as virtual, Head.open(virtual.path) as head:
        sweep = Sweep(head)

        def restart() -> None:
            virtual.mute = True
            virtual.reset()

        def known_at_last() -> bool:
            if sweep.streams_after(Severity.FAULT):
                virtual.mute = False
            return any(FELL_BACK in t for t in sweep.told())

        sweep.until(known_at_last, restart)
    *unknown, last = sweep.told(Severity.FAULT)
    assert unknown
    assert all("has not said since it restarted" in t and "status_interval" in t for t in unknown)
    assert FELL_BACK in last


def test_a_sweep_that_ends_before_the_head_told_its_settings_ends_with_a_fault() -> None:
    with VirtualHead(DEVICE, records) as virtual, Head.open(virtual.path) as head:
        sweep = Sweep(head)
        send = virtual._send

        def restart() -> None:
            virtual._send = lambda kind, payload: None if kind == Kind.PARAMETER else send(kind, payload)  # type: ignore[method-assign]
            virtual.reset()

        sweep.source._duration_s = 2.0
        with pytest.raises(pytest.fail.Exception):
            sweep.until(lambda: False, restart)
    (fault,) = sweep.told(Severity.FAULT)
    assert "has not said since it restarted" in fault


def test_a_table_that_was_damaged_on_the_way_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarted_settings, "ASK_AGAIN_S", 0.1)
    lost: list[Parameter] = []

    class Lossy(VirtualHead):
        """The first table after its restart comes without status_interval."""

        def _send(self, kind: int, payload: bytes) -> None:
            setting = self._parameters["status_interval"]
            if not lost and setting.value == 250.0 and self._run and payload == pack_parameter(setting, 3):
                lost.append(replace(setting))
                return
            super()._send(kind, payload)

    with Lossy(DEVICE, records) as virtual, Head.open(virtual.path) as head:
        sweep = Sweep(head)
        sweep.until(lambda: sweep.streams_after(Severity.FAULT), virtual.reset)
    assert lost
    (fault,) = sweep.told()
    assert FELL_BACK in fault


def test_what_came_before_a_line_that_is_lost_at_the_restart_is_not_lost_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with VirtualHead(DEVICE, records) as virtual, Head.open(virtual.path) as head:
        sweep = Sweep(head)

        def gone() -> None:
            raise LinkError("The cable is out.")

        def read(wait_s: float) -> list[Item]:
            came.extend(got := plain_read(wait_s))
            return got

        came: list[Item] = []
        plain_read = head.read
        monkeypatch.setattr(head, "read", read)
        monkeypatch.setattr(head, "ask_who", gone)
        sweep.until(
            lambda: any(isinstance(i, Event) and i.text == "The cable is out." for i in sweep.items), virtual.reset
        )
    lost_at = next(k for k, i in enumerate(sweep.items) if isinstance(i, Event) and i.text == "The cable is out.")
    assert HeadState.IDLE in [i.state for i in came if isinstance(i, HeadStatus)]
    assert {id(i) for i in came} <= {id(i) for i in sweep.items[:lost_at]}
