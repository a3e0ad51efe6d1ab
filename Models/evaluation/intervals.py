"""How sure a figure of some photos is: percentile intervals of the bootstrap (Efron 1979)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

Photo = TypeVar("Photo")
RESAMPLES = 500
COVERED = 0.95


def interval(photos: list[Photo], figure: Callable[[list[Photo]], float]) -> tuple[float, float]:
    """The interval that covers `COVERED` of a figure's values on photos drawn anew, with repeats.

    Values that are not defined on a draw are left out; NaN if none is.
    """
    rng = np.random.default_rng(0)
    draws = (rng.integers(len(photos), size=len(photos)) for _ in range(RESAMPLES))
    values = np.array([figure([photos[i] for i in draw]) for draw in draws])
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, ((1 - COVERED) / 2, (1 + COVERED) / 2))
    return float(low), float(high)
