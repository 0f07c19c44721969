"""The predictor: faithful at rest, ahead in motion, robust to the clock."""

from __future__ import annotations

import numpy as np
import pytest
from faces import NEUTRAL, SOME, any_params, degrees_between, floats, posed, units
from hypothesis import given
from hypothesis import strategies as st

from models import rotation
from models.dynamics import Calmer, Predictor, RestFilter, RowPredictor
from models.dynamics_lead import Lead
from models.dynamics_net import load_net, noise_at
from models.dynamics_space import N_ROW, column
from models.face import N_UNITS, UNIT, FaceParams, InnerLight

MS = 1_000_000
FRAME = 33 * MS


def fed(poses: list[FaceParams], step_ns: int = FRAME) -> Predictor:
    predictor = Predictor()
    for i, params in enumerate(poses):
        predictor.observe(params, i * step_ns)
    return predictor


def test_nothing_is_predicted_from_nothing() -> None:
    predictor = Predictor()
    with pytest.raises(RuntimeError, match="before any observation"):
        predictor.predict(0)
    predictor.observe(NEUTRAL, 0)
    predictor.reset()
    with pytest.raises(RuntimeError):
        predictor.predict(1)


@pytest.mark.parametrize("make", [Predictor, Calmer])
def test_how_light_openings_are_inside_is_passed_on_as_seen_last(make: type) -> None:
    predictor, light = make(), InnerLight(np.ones((3, 8, 8), np.float32), np.ones(3, np.float32))
    predictor.observe(NEUTRAL.with_(light=light), 0)
    assert predictor.predict(FRAME).light is light
    predictor.observe(NEUTRAL, FRAME)
    assert predictor.predict(FRAME).light is None


@SOME
@given(any_params(), st.lists(st.integers(1, 90), min_size=1, max_size=20), st.integers(0, 400))
def test_a_face_at_rest_is_predicted_as_it_is(params: FaceParams, steps: list[int], ahead: int) -> None:
    predictor, now = Predictor(), 10**12
    for step in steps:
        now += step * MS
        predictor.observe(params, now)
    out = predictor.predict(now + ahead * MS)
    assert degrees_between(out, params) < 1e-4
    assert np.allclose(out.translation, params.translation, atol=1e-6)
    assert np.allclose(out.expression, params.expression, atol=1e-6)
    assert np.allclose(out.gaze, params.gaze, atol=1e-6)
    assert out.expression.dtype == out.gaze.dtype == np.float32


@SOME
@given(st.lists(any_params(turn=2.0, learned=6.0), min_size=1, max_size=12), st.integers(-50, 2000))
def test_predictions_are_faces(poses: list[FaceParams], ahead: int) -> None:
    out = fed(poses).predict((len(poses) - 1) * FRAME + ahead * MS)
    assert np.linalg.norm(out.rotation) == pytest.approx(1.0)
    assert 0.0 <= out.expression[:N_UNITS].min() <= out.expression[:N_UNITS].max() <= 1.0
    assert np.abs(out.expression[N_UNITS:]).max() <= 6.0
    assert np.isfinite(out.translation).all()


@pytest.mark.parametrize("horizon_ms", [33, 50, 80])
def test_a_turn_is_met_better_than_by_holding_the_last(horizon_ms: int) -> None:
    def turn(t_ns: int) -> FaceParams:
        u = float(np.clip(t_ns * 1e-9 - 1.0, 0, 1))
        ease = u**3 * (10 - 15 * u + 6 * u * u)
        return posed((0, 40 * ease, 0), translation=np.array([25 * ease, 0.0, 420.0]))

    predictor, ours, held = Predictor(), [], []
    for now in range(0, 3_000 * MS, FRAME):
        predictor.observe(turn(now), now)
        then = now + horizon_ms * MS
        ours.append(degrees_between(predictor.predict(then), turn(then)))
        held.append(degrees_between(turn(now), turn(then)))
    assert np.sqrt(np.mean(np.square(ours))) < 0.7 * np.sqrt(np.mean(np.square(held)))
    assert max(ours[-15:]) < 0.5  # no ringing once the head has stopped


def test_the_head_is_led_and_nothing_else() -> None:
    net = load_net()
    rows = np.zeros((90, N_ROW))
    t = np.arange(90) / 30
    rows[:, 5] = 420.0
    rows += 0.2 * np.sin(2 * np.pi * 0.5 * t)[:, None]
    led, plain = RowPredictor(net), RowPredictor(net, 0.0)
    for at, row in zip(t, rows, strict=True):
        led.observe(row, float(at))
        plain.observe(row, float(at))
        assert np.array_equal(led.predict(0.0), plain.predict(0.0))
    a, b = led.predict(0.05), plain.predict(0.05)
    assert np.array_equal(a[6:], b[6:])
    assert (a[:3] < b[:3]).all()  # the wave falls at its end


def nodding(hz: float, seconds: float, wobble: float, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """A head that swings and stops at random instants, in rows; the more wobble, the less can be foreseen."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(30 * seconds)) / 30
    phase = 2 * np.pi * hz * t + np.cumsum(rng.normal(0, wobble, len(t)))
    rows = np.zeros((len(t), N_ROW))
    rows[:, 1] = 0.15 * np.sin(phase)
    rows[:, 5] = 420.0
    return t, rows


def test_lead_is_learned_from_what_was_missed() -> None:
    net, late = load_net(), []
    for share in (0.0, 1.0):
        t, rows = nodding(1.2, 20.0, 0.25)
        predictor, shown = RowPredictor(net, share), []
        for at, row in zip(t, rows, strict=True):
            predictor.observe(row, float(at))
            shown.append(predictor.predict(0.066)[1])
        v = np.gradient(rows[:, 1], t)
        missed = rows[302:, 1] - np.array(shown)[300:-2]  # 66 ms are two frames
        late.append(float(missed @ v[302:] / (v[302:] @ v[302:])))
    assert late[0] > 0.02
    assert abs(late[1]) < 0.5 * late[0]


def test_what_was_learned_outlives_a_gap_and_not_a_reset() -> None:
    t, rows = nodding(1.0, 8.0, 0.5)
    predictor = Predictor()
    for at, row in zip(t, rows, strict=True):
        predictor.observe(posed((0, float(np.degrees(row[1])), 0)), round(at * 1e9))
    rows_before = predictor._rows
    assert rows_before is not None
    learned = rows_before.learned.seconds[0]
    assert (learned != Lead().seconds[0]).all()
    predictor.observe(NEUTRAL, 20_000 * MS)
    assert predictor._rows is not None
    assert predictor._rows is not rows_before
    assert np.allclose(predictor._rows.learned.seconds[0], learned, rtol=0.05)
    predictor.reset()
    predictor.observe(NEUTRAL, 21_000 * MS)
    assert predictor._rows is not None
    assert np.array_equal(predictor._rows.learned.seconds[0], Lead().seconds[0])


def test_what_a_still_face_teaches_does_not_move_it() -> None:
    net, rng = load_net(), np.random.default_rng(1)
    predictor = RowPredictor(net)
    row = np.zeros(N_ROW)
    row[5] = 420.0
    seen = row + rng.normal(0, 1, (900, N_ROW)) * net.noise
    shown = []
    for i, x in enumerate(seen):
        predictor.observe(x, i / 30)
        shown.append(predictor.predict(0.06))
    assert np.abs(predictor.learned.seconds[1]).max() < 0.02
    moved = np.diff(np.array(shown)[450:, :6], axis=0).std(0) / np.diff(seen[450:, :6], axis=0).std(0)
    assert moved.max() < 0.5


def test_the_noise_of_a_far_head_is_larger() -> None:
    noise = load_net().noise
    near, far = noise_at(noise, 400.0), noise_at(noise, np.array([800.0, 1e9]))
    assert np.allclose(near, noise)
    assert np.allclose(far[0, 5], 2 * noise[5])
    assert np.isfinite(far).all()
    assert np.array_equal(np.delete(far[0], 5), np.delete(noise, 5))


def test_prediction_does_not_run_away() -> None:
    predictor = fed([posed((0, 2.0 * i, 0)) for i in range(12)])
    far = [degrees_between(predictor.predict(11 * FRAME + ms * MS), NEUTRAL) for ms in (0, 100, 1000, 60_000)]
    assert far[2] - far[0] < 9.0
    assert far[3] == pytest.approx(far[2], abs=0.1)


def test_noise_at_rest_is_calmed() -> None:
    rng = np.random.default_rng(3)
    poses = [
        posed(tuple(rng.normal(0, 0.15, 3)), translation=NEUTRAL.translation + rng.normal(0, 0.25, 3))
        for _ in range(90)
    ]
    predictor, out = Predictor(), []
    for i, params in enumerate(poses):
        predictor.observe(params, i * FRAME)
        out.append(predictor.predict(i * FRAME))

    def jitter(seen: list[FaceParams]) -> float:
        v = np.array([rotation.log(p.rotation) for p in seen])[10:]
        return float(np.diff(v, axis=0).std())

    assert jitter(out) < 0.5 * jitter(poses)


def test_a_blink_is_not_smoothed_away() -> None:
    closure = [0.0] * 20 + [0.5, 1.0, 1.0, 0.5] + [0.0] * 10
    predictor, seen = Predictor(), []
    for i, c in enumerate(closure):
        predictor.observe(NEUTRAL.with_(expression=units(eyeBlink=c)), i * FRAME)
        seen.append(float(predictor.predict(i * FRAME).expression[UNIT["eyeBlinkLeft"]]))
    assert max(seen[20:25]) > 0.85
    assert seen[-3] < 0.1


def test_old_and_repeated_stamps_are_ignored() -> None:
    predictor = fed([NEUTRAL] * 5)
    before = predictor.predict(5 * FRAME)
    predictor.observe(posed((0, 40, 0)), 2 * FRAME)
    predictor.observe(posed((0, 40, 0)), 4 * FRAME)
    assert degrees_between(predictor.predict(5 * FRAME), before) < 1e-9


def test_after_a_gap_the_past_says_nothing() -> None:
    predictor = fed([posed((0, 3.0 * i, 0)) for i in range(8)])
    predictor.observe(posed((0, -30, 0)), 7 * FRAME + 2_000 * MS)
    assert degrees_between(predictor.predict(7 * FRAME + 2_100 * MS), posed((0, -30, 0))) < 1e-6


def test_asking_for_the_past_gives_the_present() -> None:
    predictor = fed([posed((0, 3.0 * i, 0)) for i in range(8)])
    assert degrees_between(predictor.predict(0), predictor.predict(7 * FRAME)) < 1e-9


def test_predicting_changes_nothing() -> None:
    predictor = fed([posed((0, 3.0 * i, 0)) for i in range(8)])
    a = predictor.predict(8 * FRAME)
    a.translation[:] = 1e9
    predictor.predict(20 * FRAME)
    assert degrees_between(predictor.predict(8 * FRAME), a) < 1e-12
    assert abs(predictor.predict(8 * FRAME).translation[0]) < 1e3


@SOME
@given(st.lists(floats(5.0, 80.0), min_size=25, max_size=25))
def test_irregular_frames_do_not_shake_a_steady_turn(steps: list[float]) -> None:
    predictor, now = Predictor(), 0
    for step in steps:
        now += int(step * MS)
        predictor.observe(posed((0, 40e-9 * now, 0)), now)
    assert degrees_between(predictor.predict(now), posed((0, 40e-9 * now, 0))) < 2.5


def test_half_turns_do_not_break_it() -> None:
    predictor = fed([posed((0, 12.0 * i, 0)) for i in range(40)])  # all the way round and on
    truth = posed((0, 12.0 * 39, 0))
    assert degrees_between(predictor.predict(39 * FRAME), truth) < 25.0  # two frames of that turn


def test_the_sign_of_a_quaternion_means_nothing() -> None:
    poses = [posed((0, 1.0 * i, 0)) for i in range(12)]
    flipped = [p.with_(rotation=-p.rotation) if i % 2 else p for i, p in enumerate(poses)]
    a, b = fed(poses).predict(12 * FRAME), fed(flipped).predict(12 * FRAME)
    assert degrees_between(a, b) < 1e-6


def test_offline_calms_a_still_face_and_delays_a_moving_one_by_nothing() -> None:
    net, rng = load_net(), np.random.default_rng(3)
    calmer = Calmer(net)
    moved = []
    for i in range(120):
        turn = 0.0 if i < 60 else 0.3 * np.sin((i - 60) / 6.0)
        noisy = rng.normal(0.0, net.noise[1]) if i < 60 else 0.0
        q = rotation.exp(np.array([0.0, turn + noisy, 0.0]))
        calmer.observe(NEUTRAL.with_(rotation=q), i)
        moved.append((turn + noisy, float(rotation.log(calmer.predict(i).rotation)[1])))
    raw, shown = np.array(moved).T
    assert shown[5:60].std() < 0.35 * raw[5:60].std()
    assert np.abs(shown[61:] - raw[61:]).max() < 0.01


def test_a_face_that_turns_does_not_rest_elsewhere() -> None:
    net = load_net()
    x = np.zeros(N_ROW)
    small = 1.5 * net.noise[column("jawOpen")]  # a change that a face at rest does not show
    passed = []
    for turn in (0.0, 0.1):
        rest = RestFilter(net)
        rest.calm(x)
        moved = x.copy()
        moved[1], moved[column("jawOpen")] = turn, small
        passed.append(rest.calm(moved)[column("jawOpen")] / small)
    assert passed[0] < 0.05
    assert passed[1] > 0.6


def test_a_slow_change_passes_though_no_step_of_it_stands_out() -> None:
    net = load_net()
    rest, step = RestFilter(net), 0.3 * float(net.noise[1])
    x = np.zeros(N_ROW)
    for _ in range(300):
        shown = rest.calm(x)
        x = x.copy()
        x[1] += step
    assert x[1] - shown[1] < 6.5 * net.noise[1]
