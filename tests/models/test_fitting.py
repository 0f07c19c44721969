"""The fit finds the pose, expression and gaze that made the landmarks."""

from __future__ import annotations

import time

import numpy as np
import pytest
from faces import CAMERA, FEW, MODEL, NEUTRAL, SOME, any_params, degrees_between, floats, landmarks_of, posed, units
from hypothesis import given
from hypothesis import strategies as st

from models.face import N_UNITS, UNIT, FaceParams
from models.fitting import EYEBALL_MM, Camera, Fitter
from models.morphable import EYES, N_MESH

FITTER = Fitter(MODEL)
NOTHING = np.zeros(N_UNITS, np.float32)


@SOME
@given(any_params(), st.sampled_from([(320, 360), (1280, 720), (99, 480)]))
def test_unproject_undoes_project(params: FaceParams, size: tuple[int, int]) -> None:
    camera = Camera(*size)
    seen = camera.project(MODEL.mean, params)
    seen[:, 2] *= -1
    assert np.allclose(camera.unproject(seen, params), MODEL.mean, atol=0.02)


def test_the_camera_looks_along_z_through_the_middle_of_the_picture() -> None:
    camera = Camera(641, 481)
    origin = camera.project(np.zeros((1, 3)), NEUTRAL.with_(translation=np.array([0.0, 0.0, 500.0])))
    assert origin[0].tolist() == [320.0, 240.0, 0.0]
    nose, ear = camera.project(MODEL.mean, NEUTRAL)[[4, 234]]
    assert nose[2] > ear[2]  # larger is nearer


@FEW
@given(any_params(turn=0.45, learned=1.0), st.integers(0, 99))
def test_known_faces_are_recovered_through_noise(truth: FaceParams, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = np.clip(truth.expression[:N_UNITS] + rng.normal(0, 0.05, N_UNITS), 0, 1).astype(np.float32)
    points = landmarks_of(truth, noise_px=0.25, seed=seed)
    found = FITTER.fit(points, CAMERA, MODEL.mean, scores, iterations=5)
    assert degrees_between(found, truth) < 2.0
    iod_px = 90.0 * CAMERA.focal_px / truth.translation[2]
    again = landmarks_of(found)
    assert np.linalg.norm((again - landmarks_of(truth))[:N_MESH, :2], axis=1).mean() < 0.02 * iod_px
    assert np.abs(found.expression[:N_UNITS] - truth.expression[:N_UNITS]).mean() < 0.06
    assert found.translation[2] == pytest.approx(truth.translation[2], rel=0.03)


@FEW
@given(any_params(turn=0.45))
def test_units_stay_in_range_and_rotations_stay_unit(truth: FaceParams) -> None:
    found = FITTER.fit(landmarks_of(truth, noise_px=3.0), CAMERA, MODEL.mean, NOTHING)
    assert found.expression[:N_UNITS].min() >= 0.0
    assert found.expression[:N_UNITS].max() <= 1.0
    assert np.linalg.norm(found.rotation) == pytest.approx(1.0)
    for side in ("Left", "Right"):
        assert min(found.expression[UNIT[f"eyeBlink{side}"]], found.expression[UNIT[f"eyeWide{side}"]]) == 0.0


@pytest.mark.parametrize(
    "degrees", [(0, 0, 0), (20, 0, 0), (-15, 0, 0), (0, 40, 0), (0, -40, 0), (0, 0, 60), (10, 25, -30)]
)
def test_a_still_face_is_recovered_exactly_from_nothing(degrees: tuple[float, float, float]) -> None:
    truth = posed(degrees)
    found = FITTER.fit(landmarks_of(truth), CAMERA, MODEL.mean, NOTHING, iterations=5)
    assert degrees_between(found, truth) < 0.1
    assert np.allclose(found.translation, truth.translation, atol=0.5)
    assert np.abs(found.expression).max() < 0.05


@pytest.mark.parametrize("unit", ["jawLeft", "mouthRight", "cheekPuff"])
def test_landmarks_speak_where_scores_are_blind(unit: str) -> None:
    truth = NEUTRAL.with_(expression=units(**{unit: 0.8}))
    found = FITTER.fit(landmarks_of(truth), CAMERA, MODEL.mean, NOTHING, iterations=5)
    assert found.expression[UNIT[unit]] > 0.4


def test_a_few_wild_landmarks_do_not_turn_the_head() -> None:
    truth = posed((5, 15, 3))
    points = landmarks_of(truth, noise_px=0.2)
    wild = np.random.default_rng(1).choice(N_MESH, 20, replace=False)
    points[wild, :2] += (35.0, -20.0)
    found = FITTER.fit(points, CAMERA, MODEL.mean, NOTHING, start=posed((0, 10, 0)), iterations=6)
    assert degrees_between(found, truth) < 3.0


def test_two_steps_from_the_frame_before_are_as_good_as_a_fresh_fit() -> None:
    before, now = posed((0, 10, 0)), posed((1, 13, 1), expression=units(jawOpen=0.4))
    scores = now.expression[:N_UNITS]
    start = FITTER.fit(landmarks_of(before), CAMERA, MODEL.mean, NOTHING, iterations=5)
    found = FITTER.fit(landmarks_of(now), CAMERA, MODEL.mean, scores, start, 2)
    assert degrees_between(found, now) < 0.3
    assert found.expression[UNIT["jawOpen"]] == pytest.approx(0.4, abs=0.05)


def test_fitting_does_not_write_to_what_it_is_given() -> None:
    start = posed((0, 5, 0))
    points = landmarks_of(posed((0, 9, 0)))
    copies = [a.copy() for a in (points, start.rotation, start.translation, start.expression)]
    FITTER.fit(points, CAMERA, MODEL.mean, NOTHING, start)
    for a, b in zip((points, start.rotation, start.translation, start.expression), copies, strict=True):
        assert (a == b).all()


@SOME
@given(floats(-0.6, 0.6), floats(-0.5, 0.5), floats(-0.5, 0.5))
def test_gaze_is_read_from_the_irises_in_any_pose(yaw: float, pitch: float, turn: float) -> None:
    truth = NEUTRAL.with_(rotation=posed((0, np.degrees(turn), 0)).rotation)
    head = MODEL.mean.copy()
    for eye in EYES:
        head[eye.iris, :2] = head[list(eye.corners), :2].mean(0) + EYEBALL_MM * np.sin([yaw, pitch])
    points = CAMERA.project(head, truth)
    points[:, 2] *= -1
    gaze = FITTER.gaze(points, CAMERA, truth)
    assert np.allclose(gaze, [[yaw, pitch]] * 2, atol=0.01)


@FEW
@given(any_params(turn=0.35, learned=1.0), st.integers(0, 99))
def test_an_identified_head_projects_exactly_onto_its_landmarks(truth: FaceParams, seed: int) -> None:
    weights = np.random.default_rng(seed).normal(0, 1, len(MODEL.identity))
    person = MODEL.mean + np.tensordot(weights, MODEL.identity, 1)
    points = landmarks_of(truth, head=person)
    head, params = FITTER.identify(points, CAMERA, truth.expression[:N_UNITS])
    again = CAMERA.project(head + MODEL.offsets(params.expression), params)
    assert np.abs(again[:, :2] - points[:, :2]).max() < 0.01
    assert np.isfinite(head).all()


def test_a_frame_takes_about_a_millisecond() -> None:
    points, start = landmarks_of(posed((0, 10, 0))), posed((0, 8, 0))
    took = []
    for _ in range(20):
        began = time.perf_counter()
        FITTER.fit(points, CAMERA, MODEL.mean, NOTHING, start, 2)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.01  # a guard against accidents, not a benchmark
