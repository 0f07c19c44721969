"""Imagined motion: the same for the same seed, whole, calm, alive."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from faces import NEUTRAL, SOME, degrees_between
from hypothesis import given
from hypothesis import strategies as st

from models.face import N_UNITS, UNIT
from models.imagine import Imagine
from models.motion import N_EXPRESSION

MS = 1_000_000
MINUTE = [i * 33 * MS for i in range(1820)]


@SOME
@given(st.integers(0, 2**31), st.integers(0, 10**15))
def test_any_instant_of_any_seed_is_a_face(seed: int, t_ns: int) -> None:
    params = Imagine(seed).params_at(t_ns)
    assert np.linalg.norm(params.rotation) == pytest.approx(1.0)
    assert params.expression.shape == (N_EXPRESSION,)
    assert params.expression.dtype == params.gaze.dtype == np.float32
    assert 0.0 <= params.expression.min() <= params.expression.max() <= 1.0
    assert not params.expression[N_UNITS:].any()
    assert degrees_between(params, NEUTRAL) < 20.0
    assert np.abs(params.translation).max() < 15.0
    assert np.abs(params.gaze).max() < 0.8
    assert params.gaze.shape == (2, 2)


def test_the_same_seed_moves_the_same_in_any_order_and_another_seed_differently() -> None:
    a, b, other = Imagine(7), Imagine(7), Imagine(8)
    forward = [a.params_at(t) for t in MINUTE[:200]]
    backward = [b.params_at(t) for t in reversed(MINUTE[:200])][::-1]
    for p, q in zip(forward, backward, strict=True):
        assert np.array_equal(p.expression, q.expression)
        assert np.array_equal(p.rotation, q.rotation)
    assert any(degrees_between(p, other.params_at(t)) > 1.0 for p, t in zip(forward, MINUTE, strict=False))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_minute_has_blinks_words_glances_and_no_jumps(seed: int) -> None:
    imagine = Imagine(seed)
    seen = [imagine.params_at(t) for t in MINUTE]
    blink = np.array([p.expression[UNIT["eyeBlinkLeft"]] for p in seen])
    blinks = int(((blink[1:] > 0.5) & (blink[:-1] <= 0.5)).sum())
    assert 8 <= blinks <= 40
    assert blink.max() == 1.0
    assert (blink > 0.5).mean() < 0.12
    assert np.array([p.expression[UNIT["jawOpen"]] for p in seen]).max() > 0.1
    gaze = np.array([p.gaze for p in seen])
    assert gaze.std() > 0.02
    assert (np.abs(gaze) < 0.1).all((1, 2)).mean() > 0.5  # mostly at the camera
    turns = [degrees_between(p, NEUTRAL) for p in seen]
    assert max(turns) > 3.0
    steps = [degrees_between(p, q) for p, q in pairwise(seen)]
    assert max(steps) < 2.5


def test_motion_is_continuous() -> None:
    imagine = Imagine(3)
    at = [i * 4 * MS for i in range(5000)]
    seen = np.array([np.concatenate([p.expression[:N_UNITS], p.gaze.ravel(), p.translation, p.rotation])
                     for p in map(imagine.params_at, at)])  # fmt: skip
    step = np.abs(np.diff(seen, axis=0)).max(0)
    assert step[: N_UNITS + 4].max() < 0.15  # 4 ms of a blink that takes 70
    assert step[N_UNITS + 4 :].max() < 0.2


def test_both_eyes_blink_together() -> None:
    imagine = Imagine(0)
    for t in MINUTE[::7]:
        e = imagine.params_at(t).expression
        assert e[UNIT["eyeBlinkLeft"]] == e[UNIT["eyeBlinkRight"]]
