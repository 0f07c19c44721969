"""The compiled predictor is the NumPy one, and what it looks back at is what a plain loop finds."""

from __future__ import annotations

import numpy as np

from kernels import forecast
from models.dynamics_history import N_PAST, History, past_of
from models.dynamics_net import SPEED_S, inputs, load_net, noise_at, weigh
from models.dynamics_space import N_ROW


def walk(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    t = np.cumsum(rng.uniform(0.008, 0.06, n))
    rows = np.cumsum(rng.normal(0, 0.02, (n, N_ROW)), axis=0)
    rows[:, 5] += rng.uniform(50.0, 6000.0)
    return t, rows


def test_network_and_past_are_as_in_numpy() -> None:
    net = load_net()
    for seed in range(4):
        t, rows = walk(seed)
        history, every = History(), past_of(t, rows)
        for i, (at, row) in enumerate(zip(t, rows, strict=True)):
            history.observe(row, float(at))
            past = history.past()
            assert np.allclose(past, every[i], atol=2e-3 if row[5] > 1000 else 2e-4)
            seen = net.look(past, history.last, history.step_s)
            shown = inputs(past[None], row[None].astype(np.float32), np.full(1, history.step_s, np.float32), net.noise)
            for ahead in (0.0, 0.05, 0.4):
                shown[0, :, N_PAST + 4] = min(ahead, 0.15) / 0.1
                want = weigh(net, shown[0], past)
                place, speed = net.ahead(seen, past, history.last, ahead)
                assert np.allclose(place - row, want[:, 0], rtol=2e-3, atol=2e-4)
                assert np.allclose(speed, want[:6, 1] / SPEED_S, rtol=2e-3, atol=2e-3)
        assert np.allclose(noise_at(net.noise, 400.0), net.noise)


def test_several_horizons_at_once_are_each_alone() -> None:
    net = load_net()
    t, rows = walk(9)
    history = History()
    for at, row in zip(t, rows, strict=True):
        history.observe(row, float(at))
    past = history.past()
    seen = net.look(past, history.last, history.step_s)
    place, speed = net.of(seen, past, np.array([0.02, 0.1]), 6)
    for k, ahead in enumerate((0.02, 0.1)):
        alone, its_speed = net.ahead(seen, past, history.last, ahead)
        assert np.allclose(history.last[:6] + place[k], alone[:6], atol=1e-5)
        assert np.allclose(speed[k], its_speed, atol=1e-5)


def test_looking_back_adds_up_what_was_missed() -> None:
    rng = np.random.default_rng(2)
    t, x = np.arange(20) / 30, rng.normal(0, 1, (20, 6))
    due = np.array([[0.21, 0.3, 0.9]])
    place, speed = rng.normal(0, 1, (1, 3, 6)), rng.normal(0, 1, (1, 3, 6))
    share, used, sums = np.array([[0.03, 0.04, 0.05]]), np.array([[0, 3]]), np.array([[1.0, 2.0, 3.0, 4.0]])
    forecast.look_back(t, x, 20, 0.035, 0.5, due, place, speed, share, used, sums)

    def at(when: float) -> np.ndarray:
        return np.array([np.interp(when, t, c) for c in x.T])

    want = np.array([0.5, 1.0, 1.5, 2.0])
    for q in (0, 1):
        missed, v = at(due[0, q]) - place[0, q], (at(due[0, q] + 0.035) - at(due[0, q] - 0.035)) / 0.07
        s, w = speed[0, q], share[0, q]
        want += w * np.array([missed[:3] @ v[:3], s[:3] @ v[:3], missed[3:] @ s[3:], s[3:] @ s[3:]])
    assert np.allclose(sums[0], want)
    assert used.tolist() == [[2, 3]]  # the third has not come yet
