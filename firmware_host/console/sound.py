"""Sound on the host itself, for work without a browser: the same tones as on the page.

The synthesiser is a pure function of what is to be heard and of time counted in samples: however a stretch is cut,
the samples are the same. The player asks the watch before every stretch, so that a session that stands still turns
into the fault sound by itself.
"""

from __future__ import annotations

import contextlib
import math
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from firmware_host.console.watch import Kind, State
from firmware_host.errors import ConsoleError

RATE: Final = 22_050
"""Samples a second: twice the highest tone and its first overtones."""

STRETCH: Final = RATE // 50
"""Samples asked for at a time: 20 ms."""

CONFIDENCE_HZ: Final = 180.0
METAL_HZ: Final = (330.0, 1000.0)
"""At the threshold, and at sixteen times it."""
RADAR_HZ: Final = (2000.0, 1100.0)
"""At the surface, and at 40 cm or deeper."""
PULSES_HZ: Final = (2.0, 4.0, 8.0, 16.0)
"""Radar pulses a second, by stage."""
FAULT_HZ: Final = (170.0, 340.0)
FAULT_TURN_HZ: Final = 5.0
WAITING_HZ: Final = 110.0
TRAINING_HZ: Final = 2700.0
"""A thin note above all others, every other second, whatever else sounds."""

_RAMP_S: Final = 0.008
"""Time constant of every loudness: no clicks."""

F8 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Mix:
    """What is heard: loudness of each voice, 0 to 1, and the pitches that vary."""

    confidence: float = 0.0
    metal: float = 0.0
    metal_hz: float = METAL_HZ[0]
    radar: float = 0.0
    radar_hz: float = RADAR_HZ[0]
    pulses_hz: float = PULSES_HZ[0]
    waiting: float = 0.0
    fault: float = 0.0
    training: float = 0.0


def mix_of(state: State) -> Mix:
    """What a state sounds like. Never silent: one of confidence, waiting and fault always sounds."""
    training = 0.05 if state.training else 0.0
    if state.fault:
        return Mix(fault=0.35, training=training)
    if state.kind is Kind.NOT_VALID:
        return Mix(waiting=0.2, training=training)
    share = min(1.0, math.log2(max(1.0, state.metal)) / 4.0)
    depth = 0.5 if state.depth_m != state.depth_m else min(1.0, state.depth_m / 0.4)
    return Mix(
        confidence=0.06,
        metal=0.3 * (0.4 + 0.6 * share) if state.metal > 0 else 0.0,
        metal_hz=METAL_HZ[0] * (METAL_HZ[1] / METAL_HZ[0]) ** share,
        radar=0.25 if state.radar > 0 else 0.0,
        radar_hz=RADAR_HZ[0] * (RADAR_HZ[1] / RADAR_HZ[0]) ** depth,
        pulses_hz=PULSES_HZ[state.stage],
        training=training,
    )


class Synthesiser:
    """Turns mixes into samples. Phases run on where a pitch changes, and loudness glides: no clicks."""

    def __init__(self) -> None:
        self._at = 0
        self._mix = Mix()
        self._changed = 0
        """Sample at which the present mix began."""
        self._gain_then = dict.fromkeys(("confidence", "metal", "radar", "waiting", "fault", "training"), 0.0)
        self._phase_then = dict.fromkeys(("metal", "radar", "pulses"), 0.0)
        """Phases at that sample, in turns."""

    def set(self, mix: Mix) -> None:
        """From the next sample on, this is to be heard."""
        if mix == self._mix:
            return
        n = self._at - self._changed
        self._gain_then = {name: float(self._gain(name, np.array([n]))[0]) for name in self._gain_then}
        self._phase_then = {name: float(self._phase(name, np.array([n]))[0] % 1.0) for name in self._phase_then}
        self._mix, self._changed = mix, self._at

    def render(self, n: int) -> NDArray[np.int16]:
        """The next n samples, (n,) int16."""
        k = np.arange(self._at - self._changed, self._at - self._changed + n)
        t = np.arange(self._at, self._at + n) / RATE
        self._at += n
        out = self._gain("confidence", k) * np.sin(2 * np.pi * CONFIDENCE_HZ * t)
        out += self._gain("metal", k) * _triangle(self._phase("metal", k))
        pulses = self._phase("pulses", k) % 1.0 < 0.5
        out += self._gain("radar", k) * np.sin(2 * np.pi * self._phase("radar", k)) * pulses
        out += self._gain("waiting", k) * _triangle(WAITING_HZ * t) * (t % 1.0 < 0.5)
        out += self._gain("training", k) * np.sin(2 * np.pi * TRAINING_HZ * t) * ((0.5 * t) % 1.0 < 0.5)
        high = (t * FAULT_TURN_HZ) % 1.0 < 0.5
        out += self._gain("fault", k) * np.sign(np.sin(2 * np.pi * np.where(high, FAULT_HZ[1], FAULT_HZ[0]) * t))
        return np.round(32767 * np.clip(out, -1.0, 1.0)).astype(np.int16)

    def _gain(self, name: str, k: NDArray[np.int64]) -> F8:
        wanted = getattr(self._mix, name)
        out: F8 = wanted + (self._gain_then[name] - wanted) * np.exp(-k / (_RAMP_S * RATE))
        return out

    def _phase(self, name: str, k: NDArray[np.int64]) -> F8:
        hz = {"metal": self._mix.metal_hz, "radar": self._mix.radar_hz, "pulses": self._mix.pulses_hz}[name]
        out: F8 = self._phase_then[name] + hz * k / RATE
        return out


def _triangle(phase: F8) -> F8:
    """Between -1 and 1, period 1."""
    out: F8 = 4.0 * np.abs((phase - 0.25) % 1.0 - 0.5) - 1.0
    return out


class Output(Protocol):
    """Where samples go; `write` waits until there is room, which sets the pace."""

    def write(self, samples: NDArray[np.int16]) -> None: ...
    def close(self) -> None: ...


class SoundCard:
    """The default output by way of sounddevice (the extra 'sound').

    Raises
    ------
    ConsoleError
        if there is no such library or no sound card.
    """

    def __init__(self) -> None:
        try:
            import sounddevice

            self._stream = sounddevice.RawOutputStream(
                samplerate=RATE, channels=1, dtype="int16", blocksize=STRETCH, latency="low"
            )
            self._stream.start()
        except Exception as e:
            raise ConsoleError(
                f"No sound on this computer ({e}). Install 'groundsweep[sound]' and check the sound card, use "
                "--sound aplay, or turn the sound on in the page."
            ) from e

    def write(self, samples: NDArray[np.int16]) -> None:
        self._stream.write(samples.tobytes())

    def close(self) -> None:
        self._stream.stop()
        self._stream.close()


class Program:
    """A program that plays what it is given: aplay, or any that takes 16-bit mono PCM.

    Raises
    ------
    ConsoleError
        if it cannot be started.
    """

    def __init__(self, command: list[str] | None = None) -> None:
        # a small buffer: what waits in it is what the ear is late
        command = command or ["aplay", "-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", str(RATE), "-B", "60000"]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        except OSError as e:
            raise ConsoleError(f"{command[0]} cannot be started ({e}). Install it, or choose another --sound.") from e

    def write(self, samples: NDArray[np.int16]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(samples.tobytes())
            self._process.stdin.flush()
        except OSError as e:
            raise ConsoleError("The program that plays the sound has ended: THERE IS NO SOUND NOW.") from e

    def close(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.terminate()
        self._process.wait(timeout=5)


class Player:
    """Sounds a watch's state in a thread. A context manager.

    Parameters
    ----------
    state : asked before every stretch; from the player's thread
    output : where samples go
    lost : told in one sentence when the sound is gone, which must not pass for silence
    """

    def __init__(self, state: Callable[[], State], output: Output, lost: Callable[[str], object]) -> None:
        self._state, self._output, self._lost = state, output, lost
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play, name="sound", daemon=True)

    def __enter__(self) -> Player:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(timeout=5.0)
        self._output.close()

    def _play(self) -> None:
        synthesiser = Synthesiser()
        while not self._stop.is_set():
            synthesiser.set(mix_of(self._state()))
            try:
                self._output.write(synthesiser.render(STRETCH))
            except Exception as e:  # whatever a sound driver raises, the sound is gone
                self._lost(str(e) if isinstance(e, ConsoleError) else f"The sound card has failed ({e}): NO SOUND NOW.")
                return
