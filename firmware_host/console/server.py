"""The operator's page, served on the device itself: files, pairing, and one socket per viewer.

It runs in a thread of its own with its own event loop. It asks the broadcast and leaves wishes on the desk; the
session never waits for it, and would not notice if it died, but the pages would: their heartbeat stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from detector.detections import Label, LabelClass
from detector.errors import LaneError
from detector.lane_geojson import MOST_BYTES
from detector.samples import Event, Severity
from firmware_host.console.access import COOKIE, Access, Role, is_loopback, same_origin
from firmware_host.console.broadcast import Broadcast
from firmware_host.console.desk import Desk
from firmware_host.console.lane_order import lane_of_order
from firmware_host.errors import ConsoleError
from firmware_host.session import Order

STATIC: Final = Path(__file__).parent / "static"

_MOST_VIEWERS: Final = 8
_LEAST_PAUSE_S: Final = 0.025
"""Between two messages to one viewer."""
_LONGEST_PAUSE_S: Final = 0.2
"""A viewer hears of a session that stands still at least this often, and that it stands still."""
_SEND_S: Final = 3.0
"""A viewer that does not take a message for this long is let go; its page sounds the fault and comes back."""
_MESSAGE_BYTES: Final = 4096
"""Longest form that is taken."""
_SOCKET_BYTES: Final = 2 * MOST_BYTES
"""Longest message from a viewer: a GeoJSON lane, quoted."""

_TAKEN: Final = "Lane of"
"""How the answer to a lane begins that was read."""

_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


class Cautious:
    """Puts the cautious headers on every answer, and answers only to names that are ours on loopback."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if self._hosts is not None and host not in self._hosts:
            # another name for our address is a page from elsewhere that had its name pointed at us
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            else:
                await Response("This page is not known by that name.", 400, _HEADERS)(scope, receive, send)
            return

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        await self._app(scope, receive, with_headers)


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
        self.access = Access(open_here=is_loopback(address))
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((address, port))
            self._socket.listen()  # so that the address that is printed answers at once
        except OSError as e:
            self._socket.close()
            raise ConsoleError(
                f"The page cannot be served on {address} port {port} ({e.strerror}). Is another groundsweep running? "
                "Choose another --page-port, or an address of this machine for --bind."
            ) from e
        port = self._socket.getsockname()[1]
        shown = f"[{address}]" if ":" in address else address
        self.url = f"http://{shown}:{port}/"
        names = frozenset(f"{n}:{port}" for n in (shown, "localhost", "127.0.0.1", "[::1]"))
        self._operator: WebSocket | None = None
        self._operator_name = ""
        self._viewers: dict[WebSocket, asyncio.Event] = {}
        app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/pair", self._pair_page, methods=["GET"]),
                Route("/pair", self._pair, methods=["POST"]),
                WebSocketRoute("/ws", self._viewer),
                Mount("/static", StaticFiles(directory=STATIC)),
            ],
            lifespan=self._lifespan,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        config = uvicorn.Config(
            Cautious(app, names if self.access.open_here else None),
            log_level="error",
            access_log=False,
            ws="websockets-sansio",
            ws_max_size=_SOCKET_BYTES,
            ws_ping_interval=5.0,
            ws_ping_timeout=10.0,
            timeout_graceful_shutdown=1,
            server_header=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="operator's page", daemon=True)

    def __enter__(self) -> ConsoleServer:
        self._thread.start()
        self._broadcast.wake = self._wake
        return self

    def __exit__(self, *exc: object) -> None:
        self._broadcast.wake = lambda: None
        self._server.should_exit = True
        self._thread.join(timeout=5.0)
        self._socket.close()

    def _serve(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

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

    async def _page(self, request: Request) -> Response:
        if self.access.role(request.cookies.get(COOKIE)) is None:
            return RedirectResponse("/pair", 303)
        return FileResponse(STATIC / "index.html")

    async def _pair_page(self, request: Request) -> Response:
        return FileResponse(STATIC / "pair.html")

    async def _pair(self, request: Request) -> Response:
        if not same_origin(request.headers.get("origin"), request.headers.get("host")):
            return JSONResponse({"error": "This is not our own page."}, 403)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _MESSAGE_BYTES:
                return JSONResponse({"error": "Too long."}, 413)
        cookie = self.access.pair(parse_qs(body.decode("latin-1")).get("code", [""])[0])
        if cookie is None:
            return RedirectResponse("/pair?wrong", 303)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, cookie, httponly=True, samesite="strict")
        return answer

    async def _viewer(self, ws: WebSocket) -> None:
        role = self.access.role(ws.cookies.get(COOKIE))
        if role is None or not same_origin(ws.headers.get("origin"), ws.headers.get("host")):
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
