"""Which scenes a model learns from: one seed, one scene, kind of head included."""

from __future__ import annotations

from typing import Final

from detector.simulate.scene import HeadWish, Scene, dual_scene

WAVE_SEEDS: Final = 1_000_000
"""Scenes from this seed on are swept by a continuous-wave head; those before by pulse induction and one antenna."""

DUAL_OF: Final = 4
"""One continuous-wave scene of so many has a radar too, over a head with one coil: the radar's part learns from the
other scenes, and the head's own part needs none."""


def teaching_scene(seed: int) -> Scene:
    """The scene of that seed."""
    if seed < WAVE_SEEDS:
        return dual_scene(seed)
    if seed % DUAL_OF == 0:
        return dual_scene(seed, wish=HeadWish(metal="cw", coils=1))
    return dual_scene(seed, sensors="metal", wish=HeadWish(metal="cw"))


def teaching_seeds(first: int, count: int, waves: int) -> list[int]:
    """`count` scenes from `first` on, and `waves` continuous-wave ones."""
    return [*range(first, first + count), *range(WAVE_SEEDS + first, WAVE_SEEDS + first + waves)]
