"""A full-wave lane as a file, in the form that `detector.formats.gprmax_lane` reads."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

import h5py
import numpy as np

from detector.simulate.full_wave.lane import FullWaveLane

SIMULATOR: Final = "groundsweep full wave (2-D FDTD: Yee, one Debye pole, convolutional absorbing layers)"


def write_full_wave(folder: Path, lane: FullWaveLane) -> Path:
    """NAME.h5 and its truth NAME.json, each put in place when it is whole, the .h5 last. Returns the .h5.

    Raises
    ------
    OSError
        if the folder cannot be written.
    """
    plan, ground = lane.plan, lane.ground
    mean_height = float(lane.height_m.mean())
    path = folder / f"{plan.name}.h5"
    parts = path.with_suffix(".h5.part"), path.with_suffix(".json.part")
    with h5py.File(parts[0], "w") as out:
        out.create_dataset("ascans", data=lane.ascans, compression="gzip", compression_opts=4, shuffle=True)
        out["x_m"] = lane.x_m
        out["antenna_height_m"] = lane.height_m.astype(np.float32)
        out.attrs.update({
            "centre_frequency_hz": plan.frequency_ghz * 1e9, "dt_s": lane.dt_s, "dx_m": lane.step_m,
            "field": "Ez out-of-plane E (V/m), 2D TM", "grid_dl_m": lane.cell_m, "lane": plan.name,
            "length_m": float(lane.x_m[-1]), "n_objects": len(lane.objects), "rx_height_m": mean_height,
            "tx_height_m": mean_height, "seed": lane.seed, "sensor": "handheld" if plan.hand_held else "vehicle",
            "simulator": SIMULATOR,
            "soil": f"{plan.soil}: {ground.words}; surface roughness +/-{ground.rms_m * 1e3:.1f} mm; "
                    f"{ground.pebbles} unlabelled pebbles",
            "source": "ricker (line source), current amplitude 1 A",
            "source_peak_time_s": np.sqrt(2) / (plan.frequency_ghz * 1e9), "split": "new",
            "surface_roughness_m": ground.rms_m, "time_window_s": plan.window_s,
            "tx_rx_separation_m": lane.separation_m,
        })  # fmt: skip
    parts[1].write_text(json.dumps({"lane": plan.name, "split": "new", "objects": lane.objects}, indent=1))
    os.replace(parts[1], path.with_suffix(".json"))
    os.replace(parts[0], path)
    return path
