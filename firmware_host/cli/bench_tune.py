"""bench tune: settings of a live head, tried with and without the test piece."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from detector import __version__
from detector.bench.steps import stream_of
from detector.errors import BenchError
from detector.recording.writer import RecordingWriter
from detector.score.report import finite
from detector.tuning.settings_on_head import Knob, design
from firmware_host.bench.hand import Hand, TerminalHand
from firmware_host.bench.tuning import HeadTuning, Tried
from firmware_host.cli.opening import console
from firmware_host.clock import HostClock
from firmware_host.head import Head
from firmware_host.parameters import HeadParameters
from firmware_host.recorder import Recorder
from firmware_host.wire.messages import Parameter, ParameterKind


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(name="tune")(command)


def command(
    port: Annotated[str, typer.Option("--port", help="The head, see 'groundsweep ports'.")],
    keys: Annotated[
        list[str], typer.Option("--key", "-k", help="A parameter of the head: 'tx_current', or 'tx_current=0.5..2'.")
    ],
    stream: Annotated[str, typer.Option(help="Name of the stream; default: the first metal one, else the radar.")] = "",
    trials: Annotated[int, typer.Option(min=2, max=256, help="Settings to try.")] = 12,
    seconds: Annotated[float, typer.Option(min=0.5, max=600.0, help="Samples at each, s.")] = 3.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the settings that are tried.")] = 0,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the best in the head if its gain is real; else all is as before.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Recording to write. Default: a dated name.")] = None,
    report: Annotated[Path | None, typer.Option(help="JSON file with every setting.")] = None,
    baud: Annotated[int, typer.Option(help="Baud rate; ports over USB ignore it.")] = 921600,
) -> None:
    """Find the settings of a head at which a test piece stands furthest out of the noise.

    The head stays still. All settings are measured without the piece, then all with it; the best and the present
    setting are then measured three times more, in turns, and a gain is believed only if its 95 % interval says so.
    """
    out = out or Path(f"tune-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.h5")
    if out.exists():
        raise BenchError(f"{out} exists already, and a recording is never overwritten. Choose another --out.")
    tried = tuned_head(port, baud, keys, stream, trials, seconds, seed, keep, out, TerminalHand(console))
    _show(tried, keep)
    console.print(f"Recorded to {out}.")
    if report is not None:
        data = {
            "trials": [asdict(t) for t in tried.trials], "best": asdict(tried.best),
            "gain": None if tried.gain is None else {**asdict(tried.gain), "real": tried.gain.real},
        }  # fmt: skip
        report.write_text(json.dumps(finite(data), indent=1) + "\n")


def tuned_head(
    port: str, baud: int, keys: Sequence[str], stream: str, trials: int, seconds: float, seed: int, keep: bool,
    out: Path, hand: Hand,
) -> Tried:  # fmt: skip
    """Try settings on the head at a port, led by a hand, into a recording."""
    with Head.open(port, baud, HostClock()) as head:
        device = head.describe()
        metal = any(s.kind.is_metal for s in device.streams)
        chosen = stream_of(device, stream, not metal)
        knobs = [knob(HeadParameters(head).read([k.partition("=")[0].strip()])[0], k) for k in keys]
        with (
            RecordingWriter(
                out, device, software=f"groundsweep {__version__}", created_utc_ns=time.time_ns(),
                recording_type="bench", note=f"Bench: tune {', '.join(keys)} for the test piece in {chosen.name}.",
            ) as writer,
            Recorder(writer) as recorder,
        ):  # fmt: skip
            return HeadTuning(head, chosen, seconds, hand).run(design(knobs, trials, seed), recorder, keep)


def knob(p: Parameter, text: str) -> Knob:
    """What 'name' or 'name=low..high' asks for of that parameter.

    Raises
    ------
    BenchError
        if it cannot be set, is a switch, or the range is not within its own.
    """
    if not p.writable or p.kind is ParameterKind.SWITCH:
        raise BenchError(f"{p.name} cannot be tuned: it is {'a switch' if p.writable else 'read only'}.")
    low, high = p.low, p.high
    span = text.partition("=")[2].strip()
    if span:
        try:
            low, high = (float(e) for e in span.split(".."))
        except ValueError as e:
            raise BenchError(f"{text!r} is no range. Write it as {p.name}=LOW..HIGH.") from e
    if not p.low <= low < high <= p.high:
        raise BenchError(f"{p.name} may be tuned from {p.low:g} to {p.high:g} {p.unit}; {span} is not within.")
    return Knob(p.name, low, high, p.value, p.unit, p.kind is ParameterKind.WHOLE)


def _show(tried: Tried, keep: bool) -> None:
    table = Table(*tried.trials[0].values, "signal to noise, dB", "sigma, dB", "")
    for i, t in enumerate(tried.trials):
        mark = "best" if t is tried.best else "as it was" if i == 0 else ""
        table.add_row(*(f"{v:g}" for v in t.values.values()), f"{t.snr_db:.2f}", f"{t.sigma_db:.2f}", mark)
    console.print(table)
    g = tried.gain
    if g is None:
        console.print("The present setting is the best of those tried.")
        return
    believed = "It is real." if g.real else "It may be chance: measure longer (--seconds)."
    console.print(
        f"Measured anew: the best is {g.gain_db:+.2f} dB from the present one (95 % {g.low_db:.2f} to "
        f"{g.high_db:.2f}). {believed} The head {'keeps the best' if keep and g.real else 'stands as it was'}.",
        soft_wrap=True,
    )
