"""The scope's page: each viewer chooses a view of its own; one of them at a time may turn parameters."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from firmware_host.console.access import COOKIE, Access, Role, is_loopback, same_origin
from firmware_host.console.server import STATIC as CONSOLE_STATIC
from firmware_host.console.server import Cautious
from firmware_host.errors import ConsoleError
from firmware_host.scope.traces import Show, View, as_message
from firmware_host.scope.turning import TurningSource, Wish
from firmware_host.scope.watching import ScopeListener

STATIC: Final = Path(__file__).parent / "static"

_PAUSE_S: Final = 0.1
"""Between two messages to one viewer: ten pictures a second."""
_SEND_S: Final = 3.0
_MOST_VIEWERS: Final = 4
_MOST_AVERAGED: Final = 4096
_MESSAGE_BYTES: Final = 2048


class ScopeServer:
    """A context manager; `url` is where the page is.

    Raises
    ------
    ConsoleError
        if the port is taken or the address is not this machine's.
    """

    def __init__(self, scope: ScopeListener, head: TurningSource, address: str, port: int) -> None:
        self._scope, self._head = scope, head
        self.access = Access(open_here=is_loopback(address))
        self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((address, port))
            self._socket.listen()
        except OSError as e:
            self._socket.close()
            raise ConsoleError(
                f"The page cannot be served on {address} port {port} ({e.strerror}). Is another groundsweep running? "
                "Choose another --page-port, or an address of this machine for --bind."
            ) from e
        port = self._socket.getsockname()[1]
        shown = f"[{address}]" if ":" in address else address
        self.url = f"http://{shown}:{port}/"
        self._viewers: set[WebSocket] = set()
        app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/pair", self._pair_page, methods=["GET"]),
                Route("/pair", self._pair, methods=["POST"]),
                WebSocketRoute("/ws", self._viewer),
                Mount("/scope", StaticFiles(directory=STATIC)),
                Mount("/static", StaticFiles(directory=CONSOLE_STATIC)),
            ]
        )
        names = frozenset(f"{n}:{port}" for n in (shown, "localhost", "127.0.0.1", "[::1]"))
        config = uvicorn.Config(
            Cautious(app, names if self.access.open_here else None), log_level="error", access_log=False,
            ws="websockets-sansio", ws_max_size=_MESSAGE_BYTES, timeout_graceful_shutdown=1, server_header=False,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="scope page", daemon=True)

    def __enter__(self) -> ScopeServer:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=5.0)
        self._socket.close()

    def _serve(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    async def _page(self, request: Request) -> Response:
        if self.access.role(request.cookies.get(COOKIE)) is None:
            return RedirectResponse("/pair", 303)
        return FileResponse(STATIC / "scope.html")

    async def _pair_page(self, request: Request) -> Response:
        return FileResponse(CONSOLE_STATIC / "pair.html")

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
            await ws.close(1008)
            return
        await ws.accept()
        if len(self._viewers) >= _MOST_VIEWERS:
            await ws.close(1013, "too many viewers")
            return
        self._viewers.add(ws)
        view = [View(self._scope.device.streams[0].name)]
        sending = asyncio.create_task(self._send(ws, role, lambda: view[0]))
        try:
            while True:
                view[0], answer = self._obey(role, await ws.receive_text(), view[0])
                if answer:
                    await asyncio.wait_for(ws.send_text(json.dumps({"answer": answer})), _SEND_S)
        except (WebSocketDisconnect, TimeoutError, RuntimeError, KeyError):
            pass  # gone; its page comes back by itself
        finally:
            sending.cancel()
            self._viewers.discard(ws)

    async def _send(self, ws: WebSocket, role: Role, view: Callable[[], View]) -> None:
        cursor = 0
        try:
            while True:
                now = view()
                # spectra take a while: not in the loop that other viewers wait for
                curve = await asyncio.to_thread(self._scope.traces[now.stream].curve, now)
                cursor, events = self._scope.events_since(cursor)
                message: dict[str, Any] = {
                    "view": {"stream": now.stream, "show": now.show, "channel": now.channel, "value": now.value},
                    "curve": as_message(curve) if curve is not None else None,
                    "state": self._scope.state(),
                    "events": [{"severity": e.severity, "text": e.text} for e in events],
                    "parameters": self._parameters(),
                    "may_turn": role is Role.OPERATOR,
                    "streams": [
                        {"name": s.name, "kind": s.kind, "channels": s.channels, "values": s.values}
                        for s in self._scope.device.streams
                    ],
                    "head": f"{self._scope.device.model}, serial {self._scope.device.serial}",
                }
                await asyncio.wait_for(ws.send_text(json.dumps(message, allow_nan=False)), _SEND_S)
                await asyncio.sleep(_PAUSE_S)
        except TimeoutError:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await ws.close(1013, "too slow")
        except (WebSocketDisconnect, RuntimeError):
            pass  # gone

    def _parameters(self) -> list[dict[str, Any]]:
        return [
            {
                "name": p.name, "unit": p.unit, "about": p.description, "low": p.low, "high": p.high,
                "value": p.value, "default": p.default, "kind": p.kind.name.lower(), "writable": p.writable,
            }
            for p in self._head.table()
        ]  # fmt: skip

    def _obey(self, role: Role, text: str, view: View) -> tuple[View, str]:
        """The view from now on, and what to tell the viewer."""
        try:
            message = json.loads(text)
            if message["command"] == "view":
                new = View(
                    str(message["stream"]), Show(message["show"]), int(message["channel"]), int(message["value"]),
                    min(_MOST_AVERAGED, max(1, int(message["average"]))),
                )  # fmt: skip
                return (new, "") if new.stream in self._scope.traces else (view, f"There is no stream {new.stream}.")
            if message["command"] == "set":
                if role is not Role.OPERATOR:
                    return view, "You may watch only."
                who = str(message.get("who", "")).strip()[:64]
                if not who:
                    return view, "Give your name: it stands with every change in the recording."
                return view, self._head.wish(Wish(str(message["name"]), float(message["value"]), who))
        except (ValueError, TypeError, KeyError):
            return view, "That was not understood."
        return view, "That command is not known."
