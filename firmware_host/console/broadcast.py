"""What viewers are told: one bounded memory of what is to be seen, and for each viewer what is new to it.

The session writes and never waits. A viewer holds a cursor and asks for everything since; one that was too slow
finds its cursor behind the memory and gets the whole picture anew. So memory does not grow with viewers or time.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

from detector.decide.alarm import Alarm
from detector.detections import LEVELS, Detection, Label, LabelClass
from detector.ground_map import OUTSIDE, Ground
from detector.samples import DeviceDescription, Event, Gap, Position, SampleBlock
from firmware_host.console.height import HeightGauge
from firmware_host.console.picture import DRAWN_HZ, SPEED_M_PER_S, MetalPicture, RadarPicture
from firmware_host.console.sweeping import Sweeping
from firmware_host.console.watch import Watch
from firmware_host.gnss import SILENCE_S as POSITION_SILENCE_S
from firmware_host.gnss import accuracy_text
from firmware_host.session import Listener
from firmware_host.startup import INSTRUCTIONS, Readiness
from firmware_host.wire.framing import FrameCounters
from firmware_host.wire.messages import HeadStatus

HISTORY_S: Final = 20.0
"""Metal signal and B-scan kept for a viewer who comes, s of device time."""

_KEPT: Final = {"metal": 2000, "bscan": 2000, "alarm": 200, "detection": 500, "label": 500, "event": 100}
"""Entries of each kind that are kept at most."""

_SLOW_S: Final = 0.5
"""How often figures that change slowly are worked out, s: disk, coverage, rates."""

MOST_CELLS_SHOWN: Final = 12_000
"""Of the map: more would not be seen on a tablet, and have to go over the air at every look."""

MOST_GAPS_SHOWN: Final = 60
"""The rest is counted; the map shows them all."""

Message = dict[str, Any]


class Broadcast(Listener):
    """A listener that viewers ask. `since` may be called from any thread; the rest is the session's.

    Parameters
    ----------
    watch, readiness, sweeping : stand before this one among the listeners
    counters : what went over the wires so far, one per head
    wake : called after every turn of the session, from its thread; must not block
    """

    def __init__(
        self,
        device: DeviceDescription,
        watch: Watch,
        readiness: Readiness,
        sweeping: Sweeping,
        counters: Callable[[], Sequence[FrameCounters]] = tuple,
        height: HeightGauge | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.wake: Callable[[], None] = lambda: None
        self.disk: Callable[[], tuple[str, bool]] = lambda: ("not measured yet", False)
        """What to say of the disk, and whether it is bad, once there is a recording."""
        self._device = device
        self._watch, self._readiness, self._sweeping = watch, readiness, sweeping
        self._counters, self._now = counters, monotonic
        self._height = height
        self._ground: tuple[int, int, Message] = (0, 0, {})
        """Number among the messages, number of the look, and the map as it is sent: only the newest is kept."""
        self._lock = threading.Lock()
        self._number = 0
        self._kept: dict[str, deque[tuple[int, Any]]] = {k: deque(maxlen=n) for k, n in _KEPT.items()}
        self._dropped = dict.fromkeys(_KEPT, 0)
        """Newest number of each kind that is no longer kept."""
        self._beat = 0
        self._metal = {s.stream_id: MetalPicture(s, device.tick_hz) for s in device.streams if s.kind.is_metal}
        self._radar = {s.stream_id: RadarPicture(s, device.tick_hz) for s in device.streams if not s.kind.is_metal}
        self._records = {s.name: 0 for s in device.streams}
        self._missing = self._gaps = 0
        self._status: dict[str, HeadStatus] = {}
        self._position: tuple[Position, float] | None = None
        self._slow_at = float("-inf")
        self._slow: Message = {}
        self._rate_at = (monotonic(), dict(self._records))

    def block(self, block: SampleBlock) -> None:
        id_ = block.stream.stream_id
        self._records[block.stream.name] += len(block)
        if id_ in self._metal and id_ == min(self._metal):
            for p in self._metal[id_].add(block):
                self._keep("metal", [round(p.t_s, 3), round(p.strength, 2)])
        if id_ in self._radar and id_ == min(self._radar):
            for c in self._radar[id_].add(block):
                self._keep("bscan", [round(c.t_s, 3), c.cells])

    def gap(self, gap: Gap) -> None:
        self._gaps += 1
        self._missing += gap.n_records

    def event(self, event: Event) -> None:
        self._keep(
            "event", {"utc_ns": event.utc_ns, "severity": event.severity, "kind": event.kind, "text": event.text}
        )

    def status(self, status: HeadStatus) -> None:
        self._status[status.head] = status

    def position(self, position: Position) -> None:
        self._position = (position, self._now())

    def alarm(self, alarm: Alarm) -> None:
        self._keep(
            "alarm",
            {
                "t_s": round(alarm.peak_tick / self._device.tick_hz, 3),
                "sensor": alarm.sensor,
                "score": round(alarm.score, 2),
                "two_way_ns": _known(1e9 * alarm.two_way_s, 2),
            },
        )

    def detection(self, detection: Detection) -> None:
        d = detection
        self._keep(
            "detection",
            {
                "id": d.id,
                "t_s": round(d.t_peak_s, 3),
                "x_m": _known(d.x_m, 2),
                "level": LEVELS[d.level],
                "stage": d.level,
                "decision": d.decision,
                "seen_by": d.seen_where,
                "score": round(d.score, 2),
                "depth_cm": _known(100 * d.depth_m, 0),
                "depth_sigma_cm": _known(100 * d.depth_sigma_m, 0),
                "p_mine": round(d.probability[0], 2),
                "hides": d.metal.hides if d.metal is not None else "",
            },
        )

    def label(self, label: Label) -> None:
        self._keep(
            "label",
            {
                "id": label.detection_id,
                "label": label.label,
                "who": label.who,
                "depth_cm": _known(100 * label.depth_m, 0),
                "note": label.note,
            },
        )

    def tick(self) -> None:
        now = self._now()
        if now - self._slow_at >= _SLOW_S:
            self._slow_at = now
            slow = self._slow_figures(now)
            with self._lock:
                self._slow = slow
            self._look_at_ground()
        with self._lock:
            self._beat += 1
        self.wake()

    @property
    def training(self) -> bool:
        """Whether this is practice, in which places can be marked."""
        return self._watch.training

    def known_detections(self) -> set[int]:
        """Numbers of the detections that a viewer can see, and so label."""
        with self._lock:
            return {item["id"] for _, item in self._kept["detection"]}

    def since(self, cursor: int) -> tuple[int, Message]:
        """What is new since a cursor, and the next cursor; -1 asks for everything.

        The message is whole in itself ('full') where the cursor is -1 or too old.
        """
        with self._lock:
            full = cursor < 0 or any(dropped > cursor for dropped in self._dropped.values())
            first = -1 if full else cursor
            message: Message = {"beat": self._beat, "full": full, **self._slow}
            for kind, kept in self._kept.items():
                new: list[Any] = []
                for number, item in reversed(kept):
                    if number <= first:
                        break
                    new.append(item)
                if new:
                    message[kind] = new[::-1]
            number = self._number
            if self._ground[0] > max(first, 0):
                message["ground"] = self._ground[2]
        state = self._watch.state()
        message["state"] = {
            "kind": state.kind,
            "reasons": state.reasons,
            "fault": state.fault,
            "metal": round(state.metal, 2),
            "radar": round(state.radar, 2),
            "depth_cm": _known(100 * state.depth_m, 0),
            "stage": state.stage,
            "training": state.training,
        }
        message["startup"] = self._startup()
        if full:
            message["about"] = self._about()
        return number, message

    def _startup(self) -> Message:
        r = self._readiness
        current = r.current
        return {
            "ready": r.ready,
            "skipped": r.skipped,
            "again": r.again,
            "current": current.name if current else "",
            "steps": [
                {**asdict(s), "done": s.done, "instruction": INSTRUCTIONS[s.name], "progress": round(s.progress, 2)}
                for s in r.steps
            ],
        }

    def _about(self) -> Message:
        d = self._device
        radar = next(iter(self._radar.values()), None)
        return {
            "model": d.model,
            "serial": d.serial,
            "firmware": d.firmware,
            "streams": [{"name": s.name, "kind": s.kind, "rate_hz": s.rate_hz} for s in d.streams],
            "history_s": HISTORY_S,
            "drawn_hz": DRAWN_HZ,
            "rows": radar.rows if radar else 0,
            "window_ns": 1e9 * radar.window_s if radar else 0.0,
            "cm_per_ns": 0.5 * SPEED_M_PER_S * 100 / 1e9,
            "levels": LEVELS,
            "states": [g.text for g in Ground],
            "labels": [c for c in LabelClass if c is not LabelClass.UNKNOWN],
        }

    def _slow_figures(self, now: float) -> Message:
        then, before = self._rate_at
        if now - then >= 2.0:
            self._rate_at = (now, dict(self._records))
        seconds = max(0.5, now - then)
        battery = min((s.battery_mv for s in self._status.values() if s.battery_mv), default=0)
        wires = list(self._counters())
        radar = next(iter(self._radar.values()), None)
        out: Message = {
            "records": {n: [k, round((k - before[n]) / seconds, 1)] for n, k in self._records.items()},
            "link": {
                "missing": self._missing,
                "gaps": self._gaps,
                "damaged": sum(c.damaged for c in wires),
                "lost": sum(c.lost for c in wires),
            },
            "battery_v": battery / 1e3 if battery else None,
            "disk": self.disk(),
            "speed_m_per_s": _known(self._sweeping.speed_m_per_s, 2),
            "fastest_m_per_s": round(self._sweeping.fastest_m_per_s, 2),
            "height": self._height.text if self._height else "not measured",
            "lane": self._lane_figures(),
            "surface_ns": round(1e9 * radar.surface_s, 2) if radar else None,
            "position": None,
        }
        if self._position is not None:
            p, at = self._position
            stale = now - at > POSITION_SILENCE_S
            out["position"] = {
                "text": "no position" if stale else f"{p.quality.text} {accuracy_text(p)}",
                "good": not stale and p.sure,
                "satellites": p.satellites,
            }
        return out

    def _lane_figures(self) -> Message:
        """What changes while the head moves; the map itself comes with `ground`, when it has changed."""
        s = self._sweeping
        standing, strips = s.standing, s.strips
        records = s.placed + s.unplaced
        return {
            "lane": standing.lane.text if standing.lane else "",
            "how": s.how,
            "text": standing.text,
            "at": [_known(v, 3) for v in s.place_m],
            "strip": {"number": strips.number, "count": strips.count, "y_m": round(strips.y_m, 3)} if strips else None,
            "unplaced_percent": round(100 * s.unplaced / records, 1) if records else 0.0,
        }

    def _look_at_ground(self) -> None:
        standing = self._sweeping.standing
        if standing.ground is None or standing.number == self._ground[1]:
            return
        cells, step = standing.ground.coarse(MOST_CELLS_SHOWN)
        shown = {
            "columns": cells.shape[0],
            "rows": cells.shape[1],
            "cell_m": standing.ground.cell_m * step,
            "origin_m": round(standing.origin_m, 3),
            "lane": standing.lane is not None,
            "length_m": round(standing.ground.states.shape[0] * standing.ground.cell_m, 3),
            "width_m": round(standing.ground.states.shape[1] * standing.ground.cell_m, 3),
            # row by row, from the left edge of the lane; a blank is no ground of it
            "cells": "".join(" " if c == OUTSIDE else str(c) for c in cells.T.ravel()),
            "gaps": [
                {"text": standing.line(k), "x_m": h.x_m, "y_m": h.y_m, "at_m": h.place_m, "doubted": h.doubted}
                for k, h in enumerate(standing.holes[:MOST_GAPS_SHOWN])
            ],
            "more_gaps": max(0, len(standing.holes) - MOST_GAPS_SHOWN),
        }
        with self._lock:
            self._number += 1
            self._ground = (self._number, standing.number, shown)

    def _keep(self, kind: str, item: Any) -> None:
        with self._lock:
            kept = self._kept[kind]
            if len(kept) == kept.maxlen:
                self._dropped[kind] = kept[0][0]
            self._number += 1
            kept.append((self._number, item))


def _known(value: float, digits: int) -> float | None:
    """Rounded; None where it is not known, since JSON has no NaN."""
    return round(value, digits) if value == value else None
