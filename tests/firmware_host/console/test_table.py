"""The table of detections on the terminals that people have."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from detector.detections import Detection
from firmware_host.console.terminal import detection_table


@pytest.mark.parametrize("width", [72, 80, 120])
def test_no_figure_is_cut_off_on_a_narrow_terminal(width: int) -> None:
    found = Detection(
        id=12, t_start_s=1.0, t_peak_s=1.5, t_end_s=2.0, utc_ns=0, radar_first_seq=1, radar_peak_seq=2,
        radar_last_seq=3, radar_channel=0, metal_first_seq=1, metal_peak_seq=2, metal_last_seq=3, metal_channel=0,
        x_m=12.34, x_sigma_m=0.05, two_way_s=1e-9, depth_m=0.19, depth_sigma_m=0.12, score=15.07, radar_score=1.5,
        metal_score=5.07, level=3, decision="metal-clutter", probability=(0.87, 0.1, 0.03), novelty=14.97, features=(),
        profile_hash="", model_hash="", radar_llr=-2.6, metal_llr=-4.1,
    )  # fmt: skip
    out = io.StringIO()
    Console(file=out, width=width).print(detection_table([found]))
    lines = out.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    for figure in ("12.34 m", "15.07", "19 ± 12", "0.87", "-2.6", "-4.1", "14.97"):
        assert any(figure in line for line in lines), (figure, lines)
