"""What less lag costs: error and apparent lag of the engine's predictor, the more the head leads the more it errs.

The least error hedges: of a motion that is half new it shows the known half, late. `RowPredictor(lead=..)` adds some of
the speed expected at the horizon to the head, but lets it go little further than its present speed would carry it. Lag
is the shift at which the predicted turn fits the tracked one best, one figure a person; the median counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.dynamics_baselines import Hold
from benchmarks.dynamics_measures import Picture, Run, run, seen_errors
from benchmarks.latency import best_shift_ms
from models.dynamics import LEAD, RowPredictor
from models.dynamics_net import DynamicsNet
from models.dynamics_space import N_ROW
from models.trajectories import Track

LATENCIES_MS = (20, 30, 60, 100)
LEADS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
assert LEAD in LEADS


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
            }
            for h in LATENCIES_MS
        }  # fmt: skip
    return out


def turn_lags(runs: list[Run], latency_ms: int) -> list[float]:
    """Apparent lag, ms, of the head's turn of every person who turns, shown `latency_ms` after its frame."""
    found = [
        best_shift_ms(
            (r.track.t * 1e3, r.track.rows[:, :3]), (r.track.t * 1e3 + latency_ms, r.at(latency_ms)[:, :3])
        )
        for r in runs
    ]  # fmt: skip
    return [lag for lag in found if lag is not None]
