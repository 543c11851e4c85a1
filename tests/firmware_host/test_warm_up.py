"""No operator waits on a compiler: whatever a sweep with alarms calls was compiled or loaded before it began."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# in a process of its own: here other tests have called every kernel already
SWEEP = """
import sys
from numba.core.dispatcher import Dispatcher
from detector.decide.classifier import load_model
from detector.pipeline import Pipeline
from detector.profile import load_profile
from detector.recording.reader import open_recording
from detector.simulate.scene import HeadWish, dual_scene
from firmware_host.session import warm_up

def loaded():
    modules = [m for name, m in list(sys.modules.items()) if name.startswith("detector.")]
    kernels = {id(k): k for m in modules for k in vars(m).values() if isinstance(k, Dispatcher)}
    return {k.py_func.__qualname__: len(k.overloads) for k in kernels.values()}

if sys.argv[1] == "wave":
    scene = dual_scene(1_000_004, length_m=8.0, wish=HeadWish(metal="cw", coils=1))
    device, blocks = scene.device, list(scene.blocks)
else:
    recording = open_recording(sys.argv[1])
    device, blocks = recording.device, list(recording.blocks(256))
profile, model = load_profile(), load_model()
warm_up(device, profile, model)
before = loaded()
pipeline = Pipeline(device, profile, model)
outputs = [pipeline.process(b) for b in blocks] + [pipeline.finish()]
alarms = [a.sensor for o in outputs for a in o.alarms]
print(alarms.count("metal") > 0, [k for k, n in loaded().items() if n != before.get(k, 0)])
"""


@pytest.mark.parametrize("what", ["lane_dev04.h5", "wave"])
def test_a_sweep_after_the_warm_up_compiles_nothing(recordings: Path, what: str) -> None:
    source = what if what == "wave" else str(recordings / what)
    result = subprocess.run([sys.executable, "-c", SWEEP, source], capture_output=True, text=True, timeout=240)
    assert result.stdout.strip() == "True []", result.stdout + result.stderr
