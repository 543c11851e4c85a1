"""The arrows of the house: who may import whom."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ALLOWED = {
    "detector/kernels": {"kernels"},
    "detector/metal": {
        *("kernels", "samples", "settings", "errors", "cache_lines", "delay_line", "metal", "metal_description"),
    },
    "detector/radar": {"kernels", "samples", "settings", "errors", "cache_lines", "delay_line", "radar"},
    "detector/decide": {
        *("kernels", "samples", "settings", "errors", "delay_line", "detections", "metal_description", "decide"),
    },
    "detector/recording": {"samples", "detections", "errors", "recording", "metal_description"},
    "detector/formats": {"samples", "detections", "errors", "formats", "positions"},
    # a simulated dual lane takes its radar from another simulator's file
    "detector/simulate": {"samples", "detections", "errors", "simulate", "formats"},
    "detector/plotting": {
        *("samples", "detections", "errors", "positions", "formats", "plotting"),
        "bench",  # their charts
        *("pipeline", "profile", "decide"),  # to run the stages anew
    },
    # the filters of a tuned chain, as the chain has them
    "detector/embedded": {"kernels", "samples", "errors", "metal", "radar", "profile", "decide", "embedded"},
    "detector/bench": {"samples", "settings", "errors", "score", "bench"},
    "detector/score": {"samples", "detections", "errors", "score"},
}


def imports(path: Path) -> set[str]:
    """Top-level parts of our packages that a file imports: 'detector.x', 'firmware_host'."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            if name == "detector" or name.startswith(("detector.", "firmware_host")):
                found.add(".".join(name.split(".")[:2]))
    return found


@pytest.mark.parametrize("folder", sorted(ALLOWED))
def test_a_folder_imports_only_what_the_design_allows(folder: str) -> None:
    files = sorted((ROOT / folder).glob("**/*.py"))
    assert files
    for path in files:
        inside = {i.removeprefix("detector.") for i in imports(path) if i != "detector"}
        assert inside <= ALLOWED[folder], f"{path}: {inside - ALLOWED[folder]}"


def test_the_science_never_imports_the_machine() -> None:
    for path in (ROOT / "detector").glob("**/*.py"):
        assert not any(i.startswith("firmware_host") for i in imports(path)), path


def test_the_science_opens_no_port_and_starts_no_thread() -> None:
    forbidden = {"serial", "threading", "socket", "subprocess", "multiprocessing", "asyncio"}
    for path in (ROOT / "detector").glob("**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not {a.name.split(".")[0] for a in node.names} & forbidden, path
            elif isinstance(node, ast.ImportFrom) and node.module:
                assert node.module.split(".")[0] not in forbidden, path


def test_no_kernel_uses_fastmath() -> None:
    for path in (ROOT / "detector" / "kernels").glob("*.py"):
        assert "fastmath=" not in path.read_text(), path
