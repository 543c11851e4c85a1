"""Ctrl-C before a command has begun."""

from __future__ import annotations

import subprocess
import sys

import pytest

PRESSED = """
import os, signal, sys
from importlib.metadata import entry_points

class Pressed:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Pressed())
sys.argv = ["groundsweep", "--version"]
(script,) = entry_points(group="console_scripts", name="groundsweep")
script.load()()
"""


@pytest.mark.parametrize("module", ["typer", "numba", "detector.pipeline"])
def test_ctrl_c_while_parts_are_loaded_ends_quietly(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRESSED.format(module=module)], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
