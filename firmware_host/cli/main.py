"""groundsweep: the command line."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from detector import __version__
from detector.errors import GroundsweepError
from firmware_host.cli import (
    bench,
    capture,
    compare,
    convert,
    dug,
    evidence,
    firmware,
    gnss,
    label,
    live,
    params,
    plot,
    practice,
    replay,
    scope,
    score,
    seal,
    show,
    simulate,
    train,
    tune,
)

app = typer.Typer(
    name="groundsweep",
    help="Host side of a humanitarian mine detector: samples in over serial, recorded detections out.\n\n"
    "Start with 'groundsweep demo'. With a head on a port: 'groundsweep ports', then 'groundsweep live --port ...'.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
live.register(app)
gnss.register(app)
replay.register(app)
show.register(app)
label.register(app)
evidence.register(app)
compare.register(app)
scope.register(app)
score.register(app)
seal.register(app)
train.register(app)
dug.register(app)
simulate.register(app)
tune.register(app)
convert.register(app)
params.register(app)
capture.register(app)
firmware.register(app)
plot.register(app)
bench.register(app)
practice.register(app)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"groundsweep {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Host side of a humanitarian mine detector."""


def run() -> None:
    """Entry point. An error that we know of is one paragraph and exit code 2, never a traceback."""
    try:
        app()
    except GroundsweepError as e:
        console = Console(stderr=True, soft_wrap=True, highlight=False)
        console.print("[bold red]error:[/] ", end="")
        console.print(str(e), markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except SystemError as e:
        # an interrupt in a compiled kernel comes back as a SystemError round it
        if isinstance(e.__cause__ or e.__context__, KeyboardInterrupt):
            sys.exit(130)
        raise
    except BrokenPipeError:
        # the reader of our output went away (as `| head` does): nothing to say, and nobody to say it to
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    run()
