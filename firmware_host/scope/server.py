"""The scope's page: each viewer chooses a view of its own; one of them at a time may turn parameters."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from firmware_host.console.access import Role
from firmware_host.console.serving import PageServer
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
        self._pages = PageServer(
            STATIC / "scope.html", self._viewer, address, port,
            message_bytes=_MESSAGE_BYTES, folders={"/scope": STATIC},
        )  # fmt: skip
        self.access, self.url = self._pages.access, self._pages.url
        self._viewers: set[WebSocket] = set()

    def __enter__(self) -> ScopeServer:
        self._pages.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._pages.__exit__(*exc)

    async def _viewer(self, ws: WebSocket) -> None:
        role = self._pages.role(ws)
        if role is None:
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
