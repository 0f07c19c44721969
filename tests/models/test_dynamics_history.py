"""The past in numbers: streaming equals batch, and no frame rate changes what it says."""

from __future__ import annotations

import numpy as np
import pytest

from models.dynamics_history import LAGS, MEANS_S, N_PAST, STEP_S, History, past_of
from models.dynamics_net import inputs, load_net
from models.dynamics_space import N_ROW


def walk(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    t = np.cumsum(rng.uniform(0.004, 0.06, n))
    return t, np.cumsum(rng.normal(0, 0.01, (n, N_ROW)), axis=0)


def test_streaming_is_batch() -> None:
    t, rows = walk(200)
    want = past_of(t, rows)
    history = History()
    for i in range(len(t)):
        history.observe(rows[i], float(t[i]))
        assert np.allclose(history.past(), want[i], atol=2e-6)


@pytest.mark.parametrize("fps", [15, 30, 60, 120])
def test_a_steady_motion_looks_the_same_at_any_rate(fps: int) -> None:
    history = History()
    for i in range(6 * fps):
        history.observe(np.full(N_ROW, 0.7 * i / fps), i / fps)
    past = history.past()[0]
    lags = -0.7 * STEP_S * np.arange(1, LAGS + 1)
    assert np.allclose(past[:LAGS], lags, atol=1e-5)
    means = -0.7 * np.array(MEANS_S)  # a ramp is behind itself by the time constant
    assert np.allclose(past[LAGS:], means, rtol=0.02)


def test_a_face_at_rest_stays_where_it_is_whatever_is_asked() -> None:
    net = load_net()
    row = np.random.default_rng(3).normal(0, 1, N_ROW)
    past = np.zeros((N_ROW, N_PAST), np.float32)
    seen = net.look(past, row, 0.033)
    for ahead in (0.0, 0.05, 0.15, 9.0):
        there, speed = net.ahead(seen, past, row, ahead)
        assert np.array_equal(there, row)
        assert not speed.any()


def test_one_instant_is_seen_as_in_a_batch() -> None:
    net = load_net()
    t, rows = walk(30, 4)
    past = past_of(t, rows)
    many = inputs(past, rows.astype(np.float32), np.full(30, 0.03, np.float32), net.noise)
    one = net.look(past[17], rows[17], 0.03)
    assert np.allclose(many[17] @ net.w[0] + net.b[0], one, atol=1e-4)
