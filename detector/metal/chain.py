"""The metal-detector chain of one head: readings in, offset-free gates and alarm cells out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.metal.drift import DriftRemoval, DriftSettings
from detector.metal.geometry import MetalGeometry
from detector.metal.ground_balance import GroundBalance, GroundBalanceSettings
from detector.metal.impulse import ImpulseRejection, ImpulseSettings
from detector.metal.mains import MainsNotch, MainsSettings
from detector.metal.response import Response, ResponseSettings
from detector.settings import Settings

F8 = NDArray[np.float64]


class MetalSettings(Settings):
    impulse: ImpulseSettings = ImpulseSettings()
    mains: MainsSettings = MainsSettings()
    drift: DriftSettings = DriftSettings()
    ground_balance: GroundBalanceSettings = GroundBalanceSettings()
    response: ResponseSettings = ResponseSettings()


@dataclass(frozen=True, slots=True)
class MetalOutput:
    """What the chain gives for some readings. `gates` runs ahead of `energy` by the filters' latency."""

    gates: F8
    """(n, channels * values) offset and drift removed, stream's unit."""
    soil_share: F8
    """(n, channels) share of the whitened energy that lies along the soil's direction, 0 to 1."""
    energy: F8
    """(n', channels, cells); unit white noise gives 1."""


class MetalChain:
    """Impulse rejection, mains notch, drift removal, ground balance, response: in that order.

    One instance serves one unbroken segment of one stream.
    """

    def __init__(self, settings: MetalSettings, geometry: MetalGeometry) -> None:
        self.geometry = geometry
        self._impulse = ImpulseRejection(settings.impulse, geometry)
        self._mains = MainsNotch(settings.mains, geometry)
        self._drift = DriftRemoval(settings.drift, geometry)
        self._balance = GroundBalance(settings.ground_balance, geometry)
        self.response = Response(settings.response, geometry, self._balance.active)

    @property
    def latency(self) -> int:
        """Readings between input and energy."""
        return self._impulse.latency + self._drift.latency + self.response.latency

    def process(self, readings: F8) -> MetalOutput:
        """(n, channels * values) float64 in the stream's unit."""
        return self._after(*self._drift.process(self._mains.process(self._impulse.process(readings))))

    def finish(self) -> MetalOutput:
        """What is still owed at the end of the segment."""
        kept, sigma = self._drift.process(self._mains.process(self._impulse.finish()))
        owed, owed_sigma = self._drift.finish()
        out = self._after(np.concatenate((kept, owed)), np.concatenate((sigma, owed_sigma)))
        energy = np.concatenate((out.energy, self.response.finish()))
        return MetalOutput(out.gates, out.soil_share, energy)

    def _after(self, gates: F8, sigma: F8) -> MetalOutput:
        white, balanced, share = self._balance.process(gates, sigma)
        return MetalOutput(gates, share, self.response.process(white, balanced))
