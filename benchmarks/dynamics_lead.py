"""What less lag costs: error and apparent lag of the engine's predictor, the more the head leads the more it errs.

The least error hedges: of a motion that is half new it shows the known half, late. `RowPredictor(lead=..)` adds some of
the speed expected at the horizon to the head: as much as it has learned of this driver (1), or a share of that. Lag is
the shift at which the predicted turn fits the tracked one best, one figure a person; the median counts.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.dynamics_baselines import Hold
from benchmarks.dynamics_measures import Make, Picture, Run, run, seen_errors
from benchmarks.latency import best_shift_ms
from models.dynamics import LEAD, Predictor, RowPredictor
from models.dynamics_net import DynamicsNet
from models.dynamics_space import N_ROW
from models.trajectories import Take, Track

LATENCIES_MS = (20, 30, 60, 100)
LEADS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
assert LEAD in LEADS
TURN_DEG, TURN_MM = 40.0, 25.0
TURNS_S = (1.0, 0.5)  # how long the made turns take


def price(net: DynamicsNet, people: list[Track], picture: Picture) -> dict[str, Any]:
    """RMSE against holding and apparent lag of every latency for every lead."""
    held = [run(lambda: Hold(np.zeros((1, N_ROW, 1))), k, LATENCIES_MS) for k in people]
    worst = {h: seen_errors(picture, held, h) for h in LATENCIES_MS}
    out: dict[str, Any] = {"shipped": LEAD, "held_lag_ms": {}, "leads": {}}
    out["held_lag_ms"] = {f"{h}_ms": float(np.median(turn_lags(held, h))) for h in LATENCIES_MS}
    for lead in LEADS:
        runs = [run(lambda lead=lead: RowPredictor(net, lead), k, LATENCIES_MS) for k in people]  # type: ignore[misc]
        out["leads"][str(lead)] = {
            f"{h}_ms": {
                "rmse_against_hold": round(seen_errors(picture, runs, h) / worst[h] - 1.0, 4),
                "lag_ms": float(np.median(turn_lags(runs, h))),
                "lag_ms_of_people": turn_lags(runs, h),
                "shift_lag_ms": float(np.median(shift_lags(runs, h))),
            }
            for h in LATENCIES_MS
        }  # fmt: skip
    return out


def turn_lags(runs: list[Run], latency_ms: int) -> list[float]:
    """Apparent lag, ms, of the head's turn of every person who turns, shown `latency_ms` after its frame."""
    return _lags(runs, latency_ms, slice(0, 3), 1.0)


def shift_lags(runs: list[Run], latency_ms: int) -> list[float]:
    """The same of the head's place."""
    return _lags(runs, latency_ms, slice(3, 6), 0.01)


def _lags(runs: list[Run], latency_ms: int, columns: slice, unit: float) -> list[float]:
    found = []
    for r in runs:
        seen, shown = r.track.rows[:, columns] * unit, r.at(latency_ms)[:, columns] * unit
        found.append(best_shift_ms((r.track.t * 1e3, seen), (r.track.t * 1e3 + latency_ms, shown)))
    return [lag for lag in found if lag is not None]


def made_turn(seconds: float, fps: float = 30.0) -> Track:
    """A clean turn to the side without noise: still, `seconds` of minimum jerk, still again; 3 s in all."""
    t = np.arange(0.0, 3.0, 1 / fps)
    u = np.clip((t - 1.0) / seconds, 0.0, 1.0)
    ease = u**3 * (10 - 15 * u + 6 * u * u)
    rows = np.zeros((len(t), N_ROW))
    rows[:, 1], rows[:, 3], rows[:, 5] = np.radians(TURN_DEG) * ease, TURN_MM * ease, 420.0
    return Track(f"turn of {seconds:g} s", fps, t, rows, rows)


def overshoots(make: Make) -> dict[str, list[float]]:
    """How far beyond a made turn's end a method goes, degrees, 20, 30, 60 and 66 ms ahead, for each of `TURNS_S`."""
    latencies = (20, 30, 60, 66)
    out = {}
    for seconds in TURNS_S:
        r = run(make, made_turn(seconds), latencies)
        out[f"{seconds:g}_s"] = [round(float(np.degrees(r.at(h)[:, 1]).max()) - TURN_DEG, 2) for h in latencies]
    return out


def call_us(take: Take, ahead_ms: float = 40.0, passes: int = 5) -> float:
    """Median time of one `observe` and one `predict` of the engine's predictor on a take's params, us."""
    seen = [take.params(i) for i in range(len(take.frame))]
    took = []
    for k in range(passes + 1):
        predictor = Predictor()
        for params, stamp in zip(seen, take.stamps_ns.tolist(), strict=True):
            start = time.perf_counter_ns()
            predictor.observe(params, stamp)
            predictor.predict(stamp + round(ahead_ms * 1e6))
            if k > 0:  # the first pass warms up
                took.append(time.perf_counter_ns() - start)
    return float(np.median(took)) / 1e3
