"""A page served on the device itself: files, pairing, cautious headers; each page brings its own socket for viewers."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
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
from starlette.websockets import WebSocket

from firmware_host.console.access import COOKIE, Access, Role, is_loopback, same_origin
from firmware_host.errors import ConsoleError

STATIC: Final = Path(__file__).parent / "static"

_PAIRING_BYTES: Final = 4096
"""Longest form that is read."""

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


class _Cautious:
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


class PageServer:
    """One page in a thread of its own. A context manager; `url` is where it is, `access` who may look and touch.

    Parameters
    ----------
    page : the file behind '/'
    viewer : serves a viewer's socket, '/ws'; asks `role` first
    address, port : where it listens; port 0 takes any free one
    folders : more files, by where they are mounted; the console's own are at '/static'
    message_bytes : longest message from a viewer
    lifespan : round the server's event loop

    Raises
    ------
    ConsoleError
        if the port is taken or the address is not this machine's.
    """

    def __init__(
        self,
        page: Path,
        viewer: Callable[[WebSocket], Awaitable[None]],
        address: str,
        port: int,
        *,
        message_bytes: int,
        folders: Mapping[str, Path] | None = None,
        lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None,
    ) -> None:
        self._page_file = page
        self.access = Access(open_here=is_loopback(address))
        self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
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
        app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/pair", self._pair_page, methods=["GET"]),
                Route("/pair", self._pair, methods=["POST"]),
                WebSocketRoute("/ws", viewer),
                Mount("/static", StaticFiles(directory=STATIC)),
                *(Mount(where, StaticFiles(directory=folder)) for where, folder in (folders or {}).items()),
            ],
            lifespan=lifespan,
        )
        config = uvicorn.Config(
            _Cautious(app, names if self.access.open_here else None),
            log_level="error",
            access_log=False,
            ws="websockets-sansio",
            ws_max_size=message_bytes,
            ws_ping_interval=5.0,
            ws_ping_timeout=10.0,
            timeout_graceful_shutdown=1,
            server_header=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="page", daemon=True)

    def __enter__(self) -> PageServer:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=5.0)
        self._socket.close()

    def role(self, ws: WebSocket) -> Role | None:
        """What a viewer may do; None for strangers and for pages from elsewhere: close their socket unaccepted."""
        if not same_origin(ws.headers.get("origin"), ws.headers.get("host")):
            return None
        return self.access.role(ws.cookies.get(COOKIE))

    def _serve(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    async def _page(self, request: Request) -> Response:
        if self.access.role(request.cookies.get(COOKIE)) is None:
            return RedirectResponse("/pair", 303)
        return FileResponse(self._page_file)

    async def _pair_page(self, request: Request) -> Response:
        return FileResponse(STATIC / "pair.html")

    async def _pair(self, request: Request) -> Response:
        if not same_origin(request.headers.get("origin"), request.headers.get("host")):
            return JSONResponse({"error": "This is not our own page."}, 403)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _PAIRING_BYTES:
                return JSONResponse({"error": "Too long."}, 413)
        cookie = self.access.pair(parse_qs(body.decode("latin-1")).get("code", [""])[0])
        if cookie is None:
            return RedirectResponse("/pair?wrong", 303)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, cookie, httponly=True, samesite="strict")
        return answer
