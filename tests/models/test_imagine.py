"""Imagined motion: the same for the same seed, whole, calm, alive."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
from faces import NEUTRAL, SOME, degrees_between
from hypothesis import given
from hypothesis import strategies as st

from models import rotation
from models.face import N_UNITS, UNIT
from models.imagine import STYLES, Imagine, Style, blink_of, start_of
from models.motion import N_EXPRESSION
from models.trajectories import load_takes, split

MS = 1_000_000
MINUTE = [i * 33 * MS for i in range(1820)]


@SOME
@given(st.integers(0, 2**31), st.integers(0, 10**15), st.sampled_from(STYLES))
def test_any_instant_of_any_seed_is_a_face(seed: int, t_ns: int, style: Style) -> None:
    params = Imagine(seed, style).params_at(t_ns)
    assert np.linalg.norm(params.rotation) == pytest.approx(1.0)
    assert params.expression.shape == (N_EXPRESSION,)
    assert params.expression.dtype == params.gaze.dtype == np.float32
    assert 0.0 <= params.expression[:N_UNITS].min() <= params.expression[:N_UNITS].max() <= 1.0
    assert np.abs(params.expression[N_UNITS:]).max() <= 6.0
    assert degrees_between(params, NEUTRAL) < 35.0
    assert np.abs(params.translation).max() < 30.0
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
@pytest.mark.parametrize("style", STYLES)
def test_a_minute_has_blinks_glances_and_no_jumps(seed: int, style: Style) -> None:
    imagine = Imagine(seed, style)
    seen = [imagine.params_at(t) for t in MINUTE]
    blink = np.array([blink_of(p) for p in seen])
    blinks = int(((blink[1:] > 0.5) & (blink[:-1] <= 0.5)).sum())
    assert 5 <= blinks <= 45
    assert blink.max() > 0.9
    assert (blink > 0.5).mean() < 0.15
    gaze = np.array([p.gaze for p in seen])
    assert gaze.std() > 0.02
    turns = [degrees_between(p, NEUTRAL) for p in seen]
    assert max(turns) > 3.0
    steps = [degrees_between(p, q) for p, q in pairwise(seen)]
    assert max(steps) < 4.5  # 135 degrees a second, as quick as real people turn


def test_who_talks_opens_the_mouth_and_who_waits_does_not() -> None:
    def mouth(style: Style) -> float:
        imagine = Imagine(1, style)
        jaw = np.array([imagine.params_at(t).expression[UNIT["jawOpen"]] for t in MINUTE])
        return float(np.abs(np.diff(jaw)).mean())

    talking, listening, idle = (mouth(s) for s in STYLES)
    assert talking > 2.0 * max(listening, idle)


def test_a_style_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="talking, listening, idle"):
        Imagine(0, "singing")  # type: ignore[arg-type]


def test_motion_is_continuous() -> None:
    imagine = Imagine(3)
    at = [i * 4 * MS for i in range(5000)]
    seen = np.array([np.concatenate([p.expression[:N_UNITS], p.gaze.ravel(), p.translation, p.rotation])
                     for p in map(imagine.params_at, at)])  # fmt: skip
    step = np.abs(np.diff(seen, axis=0)).max(0)
    assert step[: N_UNITS + 4].max() < 0.15  # 4 ms of a blink that takes 70
    assert step[N_UNITS + 4 :].max() < 0.6  # mm: 150 mm/s, as quick as a head is thrown


def test_both_eyes_blink_together() -> None:
    imagine = Imagine(0)
    for t in MINUTE[::7]:
        e = imagine.params_at(t).expression
        assert e[UNIT["eyeBlinkLeft"]] == e[UNIT["eyeBlinkRight"]]


def test_ten_minutes_have_no_loop_no_freeze_and_no_drift() -> None:
    imagine = Imagine(4)
    rows = np.array([np.concatenate([rotation.log(p.rotation), p.expression[[UNIT["jawOpen"], UNIT["browInnerUp"]]]])
                     for p in (imagine.params_at(i * 100 * MS) for i in range(6000))])  # fmt: skip
    minutes = rows.reshape(10, 600, 5)
    assert minutes.std(1)[:, :4].min() > 0.002  # no minute stands still
    still = np.abs(np.diff(rows, axis=0)).max(1) < 1e-5
    assert still.mean() < 0.01
    assert np.degrees(np.abs(minutes.mean(1)[:, :3])).max() < 10.0  # no minute has wandered off
    z = (rows - rows.mean(0)) / rows.std(0)
    spectrum = np.fft.rfft(np.pad(z, ((0, 6000), (0, 0))), axis=0)
    same = np.fft.irfft((np.abs(spectrum) ** 2).sum(1))[:6000] / (5 * (6000 - np.arange(6000)))
    assert same[100:5000].max() < 0.5  # at no shift of 10 s or more does it repeat itself


def test_a_real_sequence_goes_on_without_a_jump() -> None:
    track = next(k for k in split(load_takes()).test if k.name == "retalking_4")
    start = start_of(track.rows, track.t)
    for seed in range(5):
        imagine = Imagine(seed, "talking", start)
        first = imagine.params_at(0)
        turn = rotation.log(first.rotation)
        assert np.abs(turn - start.row[:3]).max() < 1e-6
        assert np.abs(first.translation - start.row[3:6]).max() < 1e-6
        after = rotation.log(imagine.params_at(10 * MS).rotation)
        assert np.abs((after - turn) / 0.01 - start.speed[:3]).max() < 0.25 + 0.3 * np.abs(start.speed[:3]).max()


def test_it_starts_in_no_time() -> None:
    began = time.perf_counter()
    for _ in range(3):
        Imagine(5).params_at(0)
    assert (time.perf_counter() - began) / 3 < 0.25  # 25 ms alone on the machine; a busy one gets some slack
