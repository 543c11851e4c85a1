"""Simulated scenes to judge a model on that has learned further: of which heads, from seeds nobody learns from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from detector.decide.classifier import Model
from detector.decide.evidence import WAVE
from detector.samples import DeviceDescription, StreamKind
from detector.simulate.scene import PLAIN, HeadWish, Scene, Sensors, dual_scene
from detector.simulate.teaching import WAVE_SEEDS, teaching_scene

REFERENCE_SEEDS: Final = range(700_000, 700_048)
"""Of each kind of head; continuous waves have those as far from WAVE_SEEDS. Never trained on. So many that of each kind
enough mines alarm to show a loss of 5 in 100 (`detector.model_change.Comparison.too_small`)."""

OWN_SEEDS: Final = range(700_100, 700_148)
"""Of a head as the labels come from: other ground."""

_PLAIN_COILS: Final = (1, 3)
"""Of the pulse-induction heads that plain scenes draw."""

_MOST: Final = 5
"""Coils or antennas abreast that a scene can have."""


@dataclass(frozen=True, slots=True)
class ReferenceScene:
    """One of them, to be made."""

    seed: int
    sensors: Sensors = "dual"
    wish: HeadWish = PLAIN
    own: bool = False
    """Whether its head is one as the labels come from."""

    def made(self) -> Scene:
        """The scene."""
        return dual_scene(self.seed, sensors=self.sensors, wish=self.wish) if self.own else teaching_scene(self.seed)

    @property
    def name(self) -> str:
        """Of the lane; no other reference scene has it."""
        parts = (f"scene{self.seed}", self.sensors, self.wish.metal, self.wish.coils, self.wish.radar)
        return "_".join(map(str, (*parts, self.wish.antennas))) if self.own else parts[0]


def reference_scenes(model: Model, heads: Iterable[DeviceDescription], count: int) -> list[ReferenceScene]:
    """`count` of each kind of head: pulse induction with radar, continuous waves where that model knows them or a head
    has them, and each head that is of another make than the first.

    heads : those that the labels come from
    """
    own = [head_like(d) for d in heads]
    out = [ReferenceScene(s) for s in REFERENCE_SEEDS[:count]]
    if WAVE in model.sensors or any(wish.metal == "cw" for _, wish in own):
        out += [ReferenceScene(WAVE_SEEDS + s) for s in REFERENCE_SEEDS[:count]]
    further = dict.fromkeys(kind for kind in own if kind != ("dual", PLAIN))
    return out + [ReferenceScene(s, *kind, own=True) for kind in further for s in OWN_SEEDS[:count]]


def head_like(device: DeviceDescription) -> tuple[Sensors, HeadWish]:
    """What a scene's head is that has the same sensors, methods, coils and antennas; of more than five, five."""
    metal = [s for s in device.streams if s.kind.is_metal]
    radar = [s for s in device.streams if not s.kind.is_metal]
    coils = min(_MOST, sum(s.channels for s in metal))
    waves = any(s.kind is StreamKind.METAL_CW for s in metal)
    stepped = any(s.kind is StreamKind.RADAR_SFCW for s in radar)
    return (
        "dual" if metal and radar else "metal" if metal else "radar",
        HeadWish(
            metal="cw" if waves else "pi",
            coils=coils if waves or coils not in (0, *_PLAIN_COILS) else None,
            radar="stepped" if stepped else "impulse",
            antennas=max(1, min(_MOST, sum(s.channels for s in radar))),
        ),
    )
