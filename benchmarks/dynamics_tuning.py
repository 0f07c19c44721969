"""Gives every baseline the best parameters it can have, region by region, on the people that are trained on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product

import numpy as np

from benchmarks.dynamics_baselines import (
    Autoregression,
    DampedVelocity,
    DoubleExponential,
    Filter,
    Hold,
    Kalman,
    MovingAverage,
    OneEuro,
)
from benchmarks.dynamics_measures import Make, errors, motion_scale, run
from models.dynamics_space import N_ROW, REGION_OF, REGIONS
from models.face import F64
from models.trajectories import Track, sample

_TUNE_MS = (33, 66, 100, 150)
Maker = Callable[[F64], Filter]


def baselines(tracks: list[Track]) -> dict[str, Make]:
    """Return makers of all baselines, tuned on `tracks`; parameters are in units of each region's motion."""
    scale = motion_scale(tracks)[REGION_OF]
    grids: dict[str, tuple[Maker, list[tuple[float, ...]]]] = {
        "moving_average": (MovingAverage, [(float(n),) for n in (2, 3, 4, 6)]),
        "one_euro": (
            lambda p: OneEuro(_gain_per_speed(p, scale)),
            list(product((0.5, 1.0, 2.0, 4.0, 8.0), (0.0, 0.1, 0.3, 1.0, 3.0))),
        ),
        "double_exponential": (DoubleExponential, [(v,) for v in (0.015, 0.025, 0.04, 0.06, 0.09, 0.13, 0.2)]),
        "kalman_velocity": (lambda p: Kalman(p, 2), [(v,) for v in np.arange(-1.0, 6.1, 0.5)]),
        "kalman_acceleration": (lambda p: Kalman(p, 3), [(v,) for v in np.arange(0.0, 9.1, 0.75)]),
    }
    out: dict[str, Make] = {"hold": lambda: Hold(np.zeros((1, N_ROW, 1)))}
    for name, (maker, grid) in grids.items():
        best = tune(maker, grid, tracks)
        out[name] = lambda maker=maker, best=best: maker(best)  # type: ignore[misc]
    rest, gain = _before()
    out["damped_velocity"] = lambda: DampedVelocity(rest, gain)
    weights, horizons = autoregression(tracks)
    out["autoregression"] = lambda: Autoregression(weights, horizons)
    return out


def _before() -> tuple[F64, F64]:
    """Cutoffs (Hz) and gains of the engine's predictor before it learned, tuned by eye."""
    by_region = {
        "turn": (2.0, 18.0),
        "shift": (2.0, 0.08),
        "lids": (9.0, 25.0),
        "gaze": (4.0, 14.0),
        "learned": (3.5, 1.2),
    }
    table = np.array([by_region.get(name, (3.5, 4.0)) for name in REGIONS])[REGION_OF]
    return table[:, 0], table[:, 1]


def _gain_per_speed(p: F64, scale: F64) -> F64:
    """Write One-Euro's gain per unit of speed for coordinates that move `scale` within 100 ms."""
    return np.stack([p[..., 0], p[..., 1] / (10 * scale)], axis=-1)


def tune(maker: Maker, grid: list[tuple[float, ...]], tracks: list[Track]) -> F64:
    """Return the parameters (1, N, K) of the smallest mean relative RMSE over 33 to 150 ms, each region its own."""
    every = np.broadcast_to(np.array(grid)[:, None, :], (len(grid), N_ROW, len(grid[0])))
    runs = [run(lambda: maker(every), k, _TUNE_MS, every=True) for k in tracks]
    score = np.zeros((len(REGIONS), len(grid)))
    for h in _TUNE_MS:
        e = errors(runs, h)
        score += e / e.min(1, keepdims=True)
    best = np.argmin(score, axis=1)
    return np.asarray(np.array(grid)[best][REGION_OF][None])


def autoregression(tracks: list[Track]) -> tuple[F64, F64]:
    """Return ridge-fitted weights (H, LAGS, N) and their horizons, s."""
    horizons = np.array([0.0, 0.033, 0.066, 0.1, 0.15])
    series = [(k.t, k.rows, partial(sample, k.t, k.truth)) for k in tracks]
    groups = list(REGIONS.values())
    return Autoregression.fit(series, horizons, groups, 1e-4), horizons
