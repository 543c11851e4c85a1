"""Rebuild every file in this folder, and the shipped model, from the development data beside the checkout.

    python recordings/build.py [--data ../shared/data] [--model] [--full-wave FOLDER]

Everything is seeded: the same data give the same content.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import platformdirs

from detector import __version__
from detector.detections import TrueObject
from detector.formats.foreign import EPOCH_NS
from detector.formats.gprmax_lane import load_lane
from detector.formats.registry import read_foreign
from detector.recording.writer import RecordingWriter
from detector.samples import DeviceDescription, SampleBlock
from detector.simulate.lane import dual_sensor_lane

HERE = Path(__file__).parent
MODEL = HERE.parent / "detector" / "decide" / "models" / "dual-1.json"
SHIPPED_LANES = ("dev01", "dev04", "dev11")
TRAINING_SEEDS = (1, 2, 3, 4)
FULL_WAVE_LANES = 84
FULL_WAVE_SEEDS = (1, 2)
SCENES = 400

REAL = (
    ("rebar_real.h5", "radar/real/charisma_rebar.DZT", "CC0", "github.com/TFHRCFASTNDElab/CHARISMA"),
    ("pipes_real.h5", "radar/real/utility.rd3", "MIT", "github.com/ChMaDowns/GPRPyMini"),
    ("dune_real.h5", "radar/real/dune.DZT", "MIT", "github.com/NSGeophysics/GPRPy"),
    ("metal_mine_real.h5", "metal/hratc2014/Mine01", "BSD", "github.com/goncabrita/hratc2014_field_trials"),
    ("metal_object1_real.h5", "metal/hratc2014/Metal01", "BSD", "github.com/goncabrita/hratc2014_field_trials"),
    ("metal_object2_real.h5", "metal/hratc2014/Metal02", "BSD", "github.com/goncabrita/hratc2014_field_trials"),
)


def write(
    path: Path,
    device: DeviceDescription,
    blocks: list[SampleBlock],
    truth: list[TrueObject],
    *,
    note: str,
    licence: str,
    source: str,
) -> None:
    path.unlink(missing_ok=True)
    with RecordingWriter(
        path, device, software=f"groundsweep {__version__}", created_utc_ns=EPOCH_NS,
        note=note, licence=licence, source=source, compress=True,
    ) as writer:  # fmt: skip
        for block in blocks:
            writer.write(block)
        writer.truth(truth)
    print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB, {len(truth)} known objects")


def write_lane(path: Path, lane: Path, seed: int) -> None:
    device, blocks, truth, note = dual_sensor_lane(lane, seed)
    source = f"radar by {load_lane(lane).simulator}, metal by groundsweep"
    write(path, device, blocks, truth, note=note, licence="Apache-2.0", source=source)


def groundsweep(*args: str) -> None:
    subprocess.run([sys.executable, "-m", "firmware_host.cli.main", *args], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--model", action="store_true", help="train the shipped model too")
    parser.add_argument(
        "--full-wave", type=Path, default=platformdirs.user_cache_path("groundsweep") / "full-wave", metavar="FOLDER",
        help="with --model: full-wave lanes to learn from too; those that are missing are made there first, "
        f"{FULL_WAVE_LANES} of them in some half an hour of one core (default: %(default)s)",
    )  # fmt: skip
    args = parser.parse_args()
    if not args.data.is_dir():
        sys.exit(f"There is no folder {args.data}: give the development data with --data.")
    for name, path, licence, source in REAL:
        r = read_foreign(args.data / path)
        write(HERE / name, r.device, list(r.blocks), r.truth(), note=r.note, licence=licence, source=source)
    lanes = args.data / "radar" / "simulated"
    for lane in SHIPPED_LANES:
        write_lane(HERE / f"lane_{lane}.h5", lanes / f"{lane}.h5", seed=100)
    if args.model:
        groundsweep("simulate", "--full-wave", str(FULL_WAVE_LANES), "--out", str(args.full_wave))
        full_wave = [args.full_wave / f"fullwave{k + 1}.h5" for k in range(FULL_WAVE_LANES)]
        with tempfile.TemporaryDirectory() as scratch:
            files = []
            taught = [(lane, TRAINING_SEEDS) for lane in sorted(lanes.glob("dev*.h5"))]
            for lane_path, seeds in [*taught, *((lane, FULL_WAVE_SEEDS) for lane in full_wave)]:
                for seed in seeds:
                    files.append(Path(scratch) / f"{lane_path.stem}-{seed}.h5")
                    write_lane(files[-1], lane_path, seed)
            groundsweep("train", *map(str, files), "--out", str(MODEL), "--scenes", str(SCENES))


if __name__ == "__main__":
    main()
