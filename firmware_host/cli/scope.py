"""The command that shows a head's signals and turns its parameters: scope."""

from __future__ import annotations

import contextlib
import datetime
import threading
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live

from detector.errors import RecordingError
from detector.profile import DEFAULT_PROFILE
from firmware_host.cli.opening import chain, console, new_writer
from firmware_host.clock import HostClock
from firmware_host.errors import ConsoleError
from firmware_host.head import Head
from firmware_host.live_source import LiveSource
from firmware_host.parameters import HeadParameters
from firmware_host.recorder import Recorder
from firmware_host.scope.terminal import panel
from firmware_host.scope.traces import Show, View
from firmware_host.scope.turning import TurningSource
from firmware_host.scope.watching import NothingDecided, ScopeListener
from firmware_host.session import Interrupt, Listener, run

PAGE_PORT = 8766


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(scope)


class _Terminal(Listener):
    """Draws the streams a few times a second."""

    def __init__(self, seen: ScopeListener, views: list[View], live: Live) -> None:
        self._seen, self._views, self._live = seen, views, live
        self._drawn = 0.0

    def tick(self) -> None:
        now = time.monotonic()
        if now - self._drawn < 0.25:
            return
        self._drawn = now
        state = {s["stream"]: s for s in self._seen.state()}
        panels = []
        for view in self._views:
            s = state[view.stream]
            text = f"{s['received']} received, {s['missing']} missing" + (", SATURATED" if s["saturated"] else "")
            text += "" if s["live"] else ", NO SAMPLES"
            panels.append(panel(self._seen.traces[view.stream], view, text, s["live"] and not s["saturated"]))
        self._live.update(Group(*panels))


def scope(
    port: Annotated[str, typer.Option("--port", help="Serial port of the head, see 'groundsweep ports'.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Recording to write; default: a dated file in this folder.")
    ] = None,
    baud: Annotated[int, typer.Option(help="Baud rate; ports over USB ignore it.")] = 921600,
    duration: Annotated[float | None, typer.Option(help="Stop after this many seconds.", min=0.1)] = None,
    page: Annotated[bool, typer.Option("--page", help="Serve it as a page, with the head's parameters.")] = False,
    page_port: Annotated[int, typer.Option(help="Its port; 0 takes a free one.", min=0, max=65535)] = PAGE_PORT,
    bind: Annotated[str, typer.Option(help="Address to serve it on; any but this machine's own asks for a code.")] = (
        "127.0.0.1"
    ),
    show: Annotated[Show, typer.Option(help="In the terminal: what is drawn.")] = Show.RECORD,
    channel: Annotated[int, typer.Option(min=0, help="In the terminal: coil or antenna.")] = 0,
    value: Annotated[int, typer.Option(min=0, help="In the terminal: gate or sample, for history and spectrum.")] = 0,
    average: Annotated[int, typer.Option(min=1, max=4096, help="In the terminal: records averaged.")] = 1,
    note: Annotated[str, typer.Option(help="For the recording: what is on the bench.")] = "",
) -> None:
    """Look at a head's signals: decay curves, I and Q, A-scans, noise, spectra; turn its parameters on a page.

    Nothing is decided and no ground counts as swept. All of it is recorded, every change of a parameter too.
    """
    if out is None:
        out = Path(f"bench-{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}.h5")
    if out.exists():
        raise RecordingError(f"{out} exists already, and a recording is never overwritten. Choose another --out.")
    profile, model = chain(DEFAULT_PROFILE, None)
    clock, wake = HostClock(), threading.Event()
    with contextlib.ExitStack() as stack:
        head = stack.enter_context(Head.open(port, baud, clock, wake))
        source = TurningSource(LiveSource(head, duration), HeadParameters(head), head.now_ns)
        seen = ScopeListener(source.device)
        writer = stack.enter_context(new_writer(out, source.device, profile, model, kind="bench", note=note))
        recorder = stack.enter_context(Recorder(writer))
        for p in source.table():
            recorder.parameter(p.reading(head.now_ns(), source.device.serial))
        listeners: list[Listener] = [recorder, seen]
        if page:
            try:
                from firmware_host.scope.server import ScopeServer
            except ImportError as e:
                raise ConsoleError("The page needs more packages: pip install 'groundsweep[console]'.") from e
            server = stack.enter_context(ScopeServer(seen, source, bind, page_port))
            console.print(f"The scope is on [bold]{server.url}[/]. Ctrl-C ends.")
            if not server.access.open_here:
                for role, code in server.access.codes.items():
                    console.print(f"  code for {role}: [bold]{code}[/]")
        else:
            views = [View(s.name, show, channel, value, average) for s in source.device.streams]
            live = stack.enter_context(Live(console=console, refresh_per_second=4, transient=not console.is_terminal))
            listeners.append(_Terminal(seen, views, live))
        stop = stack.enter_context(Interrupt())
        summary = run(source, NothingDecided(), listeners, stop, clock)
    console.print(f"{summary.records} records, {summary.missing} missing. Recorded to [bold]{out}[/]")
    if summary.faults:
        raise typer.Exit(1)
