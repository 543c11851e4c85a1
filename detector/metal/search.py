"""The causal search statistic: what the operator hears at once, with baseline, noise and soil learned on the way."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detector.cache_lines import zeros_on_cache_lines
from detector.kernels.gates import READY, SearchRates, SearchState, refresh_rows, search_rows
from detector.metal.drift import DriftSettings, stored_offset
from detector.metal.geometry import MetalGeometry
from detector.metal.ground_balance import GroundBalanceSettings, soil_directions
from detector.metal.tracked import Turn
from detector.metal.trust import TrustSettings, reference_weights
from detector.settings import Settings, quantity

F8 = NDArray[np.float64]
U1 = NDArray[np.uint8]

_STRETCH: Final = 0.5
_DOUBTFUL: Final = 4.0
"""Of `level_s`: a stretch of ground that may prove the level of a segment's start wrong, and for how long it may."""


class SearchSettings(Settings):
    time_ms: float = quantity(25.0, "ms", 0.0, 500.0, "mean delay of the causal smoothing: alarm latency against noise")
    level_s: float = quantity(
        4.0, "s", 0.2, 120.0, "memory of the ground's own level, by which the statistic is divided where it exceeds 1"
    )
    hold: float = quantity(
        6.0, "standard deviations", 3.0, 50.0, "excess over clean noise's mean from which the baseline holds"
    )


class NoiseSettings(Settings):
    memory_s: float = quantity(2.0, "s", 0.2, 120.0, "memory of the noise covariance of a coil's values")
    shrinkage: float = quantity(
        0.1, "1", 0.0, 1.0, "share of the bare diagonal in the covariance; 1 = values are taken as independent"
    )


class Search:
    """Whitened energy per reading and coil without look-ahead, the soil's share at its usual worth.

    On clean white noise the statistic is distributed as chi-square over its degrees of freedom, which are the
    values of a coil; readings twice `time_ms` apart are independent. Along the soil's directions the energy is
    divided by its recent mean, and so is the whole, where these exceed the noise's. It is 0 for the first 64
    readings of a segment, from which the noise is learned. Latency 0 beside the mean delay of the smoothing.
    See docs/algorithms-metal.md, "Search statistic".
    """

    latency = 0

    def __init__(
        self,
        settings: SearchSettings,
        noise: NoiseSettings,
        drift: DriftSettings,
        balance: GroundBalanceSettings,
        trust: TrustSettings,
        geometry: MetalGeometry,
        moves: bool,
    ) -> None:
        fs = geometry.rate_hz
        coils, g, width = geometry.channels, geometry.values, geometry.width
        soil = soil_directions(balance, geometry)
        k = soil.shape[1]
        self.directions = k
        """Soil directions left out."""
        self.dof = g
        """Degrees of freedom of the statistic on clean noise."""
        self.delay_s = settings.time_ms * 1e-3
        self.state = SearchState(
            before=np.zeros((2, width)), smooth=zeros_on_cache_lines((width,)), base=zeros_on_cache_lines((width,)),
            slope=zeros_on_cache_lines((width,)), covariance=zeros_on_cache_lines((coils, g, g)),
            factor=np.zeros((coils, g, g)), whitener=zeros_on_cache_lines((coils, g, g)),
            soil=soil.copy(), nominal=soil, cross=np.zeros((coils, g)), power=np.zeros(coils),
            learned=np.zeros(coils), tangent=np.zeros(coils), level=np.zeros(coils),
            usual=np.zeros((coils, k)), share=np.zeros(coils), fresh=np.zeros((coils, 1 + k)),
            held=np.zeros(coils, np.int64), seated=np.zeros(coils, np.int64),
            reference=reference_weights(trust, geometry), unit=np.zeros(coils),
        )  # fmt: skip
        if not moves:
            self.state.base[:] = stored_offset(drift, geometry)
        tiny = float(np.finfo(np.float64).tiny)
        self._rates = SearchRates(
            smooth=1.0 / (1.0 + self.delay_s * fs),
            base=min(1.0, 1.0 / (drift.memory_s * fs)),
            noise=min(0.1, 1.0 / (noise.memory_s * fs)),
            level=min(0.1, 1.0 / (settings.level_s * fs)),
            soil=min(0.1, 1.0 / (balance.track_s * fs)),
            hold=1.0 + settings.hold * math.sqrt(2.0 / self.dof),
            release=1.0 + 0.5 * settings.hold * math.sqrt(2.0 / self.dof),
            hold_rows=round(drift.hold_s * fs),
            start_rows=max(2 * READY, round(0.5 * fs)),
            stretch=max(READY, round(_STRETCH * settings.level_s * fs)),
            doubtful=max(2 * READY, round(_DOUBTFUL * settings.level_s * fs)),
            outlier=1.0 + 6.0 * math.sqrt(2.0 / g),
            shrinkage=noise.shrinkage,
            floor=max(geometry.lsb**2 / 12.0, tiny**0.5),
            bound=balance.track_limit if k else 0.0,
            soil_limit=trust.soil**2,
            noisy_limit=trust.noisy**2,
            moves=moves,
        )
        self._count = 0
        self._turns: list[Turn] = []

    @property
    def tracks(self) -> bool:
        """Whether the soil's directions turn: rows may then not reach over a taking over of noise and soil."""
        return self._rates.bound > 0.0

    @property
    def held(self) -> NDArray[np.bool_]:
        """(coils,) whether the baseline is held under a target now."""
        return self.state.held > 0

    def process(self, rows: F8, gates: F8, share: F8, search: F8, marks: U1) -> None:
        """(n, width) into gates less baseline (n, width), soil's share and statistic (n, coils), bits of marks (n,).

        Rows that reach over a taking over of noise and soil hide its turn; MetalChain gives none such.
        """
        if self._count == 0 and len(rows):
            # floating-point samples have no count: 240 dB under the offset is as good as nothing
            offset = 1e-12 * float(np.max(np.abs(rows[0])))
            self._rates = self._rates._replace(floor=max(self._rates.floor, offset**2))
        s, r = self.state, self._rates
        taken = r.bound > 0.0 and len(rows) > 0 and refresh_rows(self._count)
        power, learned = (s.power.copy(), s.learned.copy()) if taken else (s.power, s.learned)
        search_rows(np.ascontiguousarray(rows), s, r, self._count, gates, share, search, marks)
        if taken:
            snr = np.sqrt(power * (2.0 - r.smooth) / r.smooth)
            self._turns.append(Turn(self._count, s.soil[:, 0].copy(), s.tangent.copy(), snr, learned))
        self._count += len(rows)

    def turns(self) -> tuple[Turn, ...]:
        """The soil's directions at each taking over since this was asked last; none where they are not tracked."""
        turns, self._turns = tuple(self._turns), []
        return turns
