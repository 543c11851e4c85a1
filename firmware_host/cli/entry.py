"""The console script: what may take a second to import is imported where an interrupt already ends quietly."""

from __future__ import annotations

import os
import signal

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells use it."""


def run() -> None:
    """Run the command line. Ctrl-C while its parts are loaded ends it at once, quietly: nothing has been opened yet."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # whoever has it ignored (nohup) is not to be interrupted
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    from firmware_host.cli.main import run as command_line

    signal.signal(signal.SIGINT, before)
    command_line()


if __name__ == "__main__":
    run()
