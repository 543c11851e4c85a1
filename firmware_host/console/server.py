"""The operator's page: one socket per viewer.

It runs in a thread of its own with its own event loop. It asks the broadcast and leaves wishes on the desk; the
session never waits for it, and would not notice if it died, but the pages would: their heartbeat stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.websockets import WebSocket, WebSocketDisconnect

from detector.detections import Label, LabelClass
from detector.errors import LaneError
from detector.lane_geojson import MOST_BYTES
from detector.samples import Event, Severity
from firmware_host.console.access import Role
from firmware_host.console.broadcast import Broadcast
from firmware_host.console.desk import Desk
from firmware_host.console.lane_order import lane_of_order
from firmware_host.console.serving import STATIC, PageServer
from firmware_host.session import Order

_MOST_VIEWERS: Final = 8
_LEAST_PAUSE_S: Final = 0.01
"""Between two messages to one viewer."""
_LONGEST_PAUSE_S: Final = 0.2
"""A viewer hears of a session that stands still at least this often, and that it stands still."""
_SEND_S: Final = 3.0
"""A viewer that does not take a message for this long is let go; its page sounds the fault and comes back."""
_SOCKET_BYTES: Final = 2 * MOST_BYTES
"""Longest message from a viewer: a GeoJSON lane, quoted."""

_TAKEN: Final = "Lane of"
"""How the answer to a lane begins that was read."""


class ConsoleServer:
    """The page and its viewers. A context manager; `url` is where it is.

    Parameters
    ----------
    address, port : where it listens; port 0 takes any free one
    note : called with a sentence when a viewer comes, goes, or takes control; from the server's thread

    Raises
    ------
    ConsoleError
        if the port is taken or the address is not this machine's.
    """

    def __init__(
        self,
        broadcast: Broadcast,
        desk: Desk,
        address: str,
        port: int,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._broadcast, self._desk, self._clock = broadcast, desk, clock
        self._pages = PageServer(
            STATIC / "index.html", self._viewer, address, port, message_bytes=_SOCKET_BYTES, lifespan=self._lifespan
        )
        self.access, self.url = self._pages.access, self._pages.url
        self._operator: WebSocket | None = None
        self._operator_name = ""
        self._viewers: dict[WebSocket, asyncio.Event] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def __enter__(self) -> ConsoleServer:
        self._pages.__enter__()
        self._broadcast.wake = self._wake
        return self

    def __exit__(self, *exc: object) -> None:
        self._broadcast.wake = lambda: None
        self._pages.__exit__(*exc)

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        yield
        self._loop = None

    def _wake(self) -> None:
        """Something is new. From the session's thread; never blocks."""
        loop = self._loop
        if loop is not None and self._viewers:
            # a loop that has just ended has nobody to tell
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._wake_viewers)

    def _wake_viewers(self) -> None:
        for event in self._viewers.values():
            event.set()

    async def _viewer(self, ws: WebSocket) -> None:
        role = self._pages.role(ws)
        if role is None:
            await ws.close(1008)  # before it is accepted: the browser is told 403
            return
        await ws.accept()
        if len(self._viewers) >= _MOST_VIEWERS:
            await ws.close(1013, "too many viewers")
            return
        self._viewers[ws] = asyncio.Event()
        sending = asyncio.create_task(self._send(ws, role))
        try:
            while True:
                text = await ws.receive_text()
                answer = self._obey(ws, role, text)
                if answer:
                    reply = {"answer": answer, "taken": answer.startswith(_TAKEN)}
                    await asyncio.wait_for(ws.send_text(json.dumps(reply)), _SEND_S)
        except (WebSocketDisconnect, TimeoutError, RuntimeError, KeyError):
            pass  # gone, or sent something that is no text: its page comes back by itself
        finally:
            sending.cancel()
            self._viewers.pop(ws, None)
            if self._operator is ws:
                self._operator, self._operator_name = None, ""

    async def _send(self, ws: WebSocket, role: Role) -> None:
        """Everything new, at most every _LEAST_PAUSE_S; a slow viewer holds up only itself."""
        cursor, event = -1, self._viewers[ws]
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), _LONGEST_PAUSE_S)
                event.clear()
                cursor, message = self._broadcast.since(cursor)
                message["control"] = {
                    "mine": self._operator is ws,
                    "who": self._operator_name,
                    "allowed": role is Role.OPERATOR,
                    "viewers": len(self._viewers),
                }
                await asyncio.wait_for(ws.send_text(json.dumps(message, allow_nan=False)), _SEND_S)
                await asyncio.sleep(_LEAST_PAUSE_S)
        except TimeoutError:
            await _quietly(ws.close(1013, "too slow"))
        except (WebSocketDisconnect, RuntimeError):
            pass  # gone

    def _obey(self, ws: WebSocket, role: Role, text: str) -> str:
        """Do what a viewer asks; what to tell it, '' = nothing."""
        try:
            message = json.loads(text)
            command = message["command"]
        except (ValueError, TypeError, KeyError):
            return "That was no command."
        if role is not Role.OPERATOR:
            return "You may watch only."
        if command == "take control":
            name = str(message.get("who", "")).strip()[:64]
            if not name:
                return "Give your name: it stands with every label."
            self._note(f"{name} has taken control" + (f" from {self._operator_name}." if self._operator_name else "."))
            self._operator, self._operator_name = ws, name
            return ""
        if self._operator is not ws:
            return "Take control first."
        who = self._operator_name
        match command:
            case "release":
                self._note(f"{who} has given up control.")
                self._operator, self._operator_name = None, ""
                return ""
            case "practise" | "mark" if not self._broadcast.training:
                return "That is for training only."
            case "begin" | "store" | "skip" | "strip" | "hold" | "practise" | "mark":
                order = Order(command, who, str(message.get("text", ""))[:200])
                return "" if self._desk.put(order) else "Too much is waiting. Try again."
            case "label":
                return self._label(who, message)
            case "lane":
                return self._lane(who, message)
        return "That command is not known."

    def _label(self, who: str, message: dict[str, Any]) -> str:
        try:
            id_ = int(message["id"])
            found = LabelClass(message["label"])
            depth_cm = message.get("depth_cm")
            depth_m = float("nan") if depth_cm is None else float(depth_cm) / 100.0
        except (ValueError, TypeError, KeyError):
            return "That label was not understood."
        note = str(message.get("note", "")).strip()[:400]
        if id_ not in self._broadcast.known_detections():
            return f"There is no detection {id_}."
        if not math.isnan(depth_m) and not 0.0 <= depth_m <= 5.0:
            return "A depth is 0 to 500 cm."
        if found is LabelClass.NOT_INVESTIGATED and not note:
            return "Say why it was not investigated."
        dug = found is not LabelClass.NOT_INVESTIGATED
        label = Label(id_, found, who, self._clock(), dug, depth_m, note)
        return "" if self._desk.put(label) else "Too much is waiting: the label was NOT kept. Try again."

    def _lane(self, who: str, message: dict[str, Any]) -> str:
        wanted = ("geojson", "name", "size", "start", "heading")
        text = json.dumps({key: message[key] for key in wanted if key in message})
        try:
            lane = lane_of_order(text)
        except LaneError as e:
            return f"The lane was NOT taken. {e}"
        if not self._desk.put(Order("lane", who, text)):
            return "Too much is waiting: the lane was NOT taken. Try again."
        return f"{_TAKEN} {lane.length_m:.2f} by {lane.width_m:.2f} m read."

    def _note(self, text: str) -> None:
        self._desk.put(Event(self._clock(), Severity.INFO, "operator", text))


async def _quietly(closing: Awaitable[None]) -> None:
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await closing
