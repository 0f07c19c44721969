"""Our runs of MediaPipe's networks, held to MediaPipe's own answer."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from faces import MODEL
from hypothesis import given
from hypothesis import strategies as st

from models.assets import asset_path
from models.landmarks import FaceNetworks, Landmarks, Roi, follow, roi_from_points
from models.tracking import FaceTracker, find_face


def settled(networks: FaceNetworks, rgb: np.ndarray) -> Landmarks:
    face = find_face(networks, rgb, rounds=4)
    assert face is not None
    return face


def iod(points: np.ndarray) -> float:
    return float(np.linalg.norm(points[33, :2] - points[263, :2]))


@pytest.fixture(scope="module")
def mediapipe_says(networks: FaceNetworks) -> Any:
    """MediaPipe's landmarks (478, 3) px and scores (51,) of a picture, settled as in a video that stands still."""
    mp = pytest.importorskip("mediapipe", reason="mediapipe is not installed")
    try:
        from mediapipe.tasks.python import BaseOptions, vision
    except (ImportError, OSError) as error:
        pytest.skip(f"mediapipe does not load here: {error}")

    def ask(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(asset_path("face_landmarker.task"))),
            output_face_blendshapes=True,
            running_mode=vision.RunningMode.VIDEO,
        )
        with vision.FaceLandmarker.create_from_options(options) as landmarker:
            image = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(rgb))
            for i in range(30):  # its video mode smooths: let it come to rest
                answer = landmarker.detect_for_video(image, i * 33)
        h, w = rgb.shape[:2]
        points = np.array([[p.x * w - 0.5, p.y * h - 0.5, p.z * w] for p in answer.face_landmarks[0]])
        return points, np.array([s.score for s in answer.face_blendshapes[0]][1:])

    return ask


def variant(rgb: np.ndarray, kind: str) -> np.ndarray:
    h, w = rgb.shape[:2]
    if kind == "mirrored":
        return np.ascontiguousarray(rgb[:, ::-1])
    if kind == "tilted":
        return cv2.warpAffine(rgb, cv2.getRotationMatrix2D((w / 2, h / 2), -20, 1), (w, h))
    if kind == "small":
        return cv2.resize(rgb, (171, 200), interpolation=cv2.INTER_AREA)
    if kind == "large":
        return cv2.resize(rgb, None, fx=2.5, fy=2.5, interpolation=cv2.INTER_CUBIC)
    return rgb


@pytest.mark.parametrize("kind", ["as it is", "mirrored", "tilted", "small", "large"])
def test_we_agree_with_mediapipe(networks: FaceNetworks, portrait: np.ndarray, mediapipe_says: Any, kind: str) -> None:
    picture = variant(portrait, kind)
    ours = settled(networks, picture)
    theirs, scores = mediapipe_says(picture)
    off = np.linalg.norm(ours.points[:, :2] - theirs[:, :2], axis=1) / iod(theirs)
    assert off.mean() < 0.012
    assert off.max() < 0.015 if kind != "small" else off.max() < 0.02
    assert np.abs(ours.points[:, 2] - theirs[:, 2]).mean() / iod(theirs) < 0.015
    assert np.abs(ours.scores[:51] - scores).max() < 0.1


def test_a_mirrored_picture_gives_mirrored_landmarks_without_a_sideways_bias(
    networks: FaceNetworks, portrait: np.ndarray
) -> None:
    a = settled(networks, portrait).points
    b = settled(networks, variant(portrait, "mirrored")).points.copy()
    b[:, 0] = portrait.shape[1] - 1 - b[:, 0]
    off = (a - b[MODEL.mirror])[:, :2] / iod(a)
    assert np.linalg.norm(off, axis=1).mean() < 0.02
    assert abs(off[:, 0].mean()) < 0.006  # half a pixel of the network's crop is 0.009


def test_landmarks_do_not_depend_on_where_the_face_lies(networks: FaceNetworks, portrait: np.ndarray) -> None:
    padded = cv2.copyMakeBorder(portrait, 60, 10, 33, 140, cv2.BORDER_REPLICATE)
    a, b = settled(networks, portrait).points, settled(networks, padded).points
    assert np.linalg.norm((b - a)[:, :2] - (33, 60), axis=1).mean() < 0.01 * iod(a)


def test_strided_pictures_are_read_right(networks: FaceNetworks, portrait: np.ndarray) -> None:
    wide = np.zeros((portrait.shape[0], portrait.shape[1] * 2, 3), np.uint8)
    wide[:, ::2] = portrait
    a, b = settled(networks, portrait), settled(networks, wide[:, ::2])
    assert np.array_equal(a.points, b.points)


def test_scores_are_named_and_ranged(networks: FaceNetworks, portrait: np.ndarray) -> None:
    face = settled(networks, portrait)
    assert face.scores.shape == (52,)
    assert face.scores.min() >= 0
    assert face.scores.max() <= 1
    assert face.scores[51] == 0  # tongueOut has no score
    assert face.presence > 0.9


def test_every_face_of_a_group_is_detected(networks: FaceNetworks, portrait: np.ndarray) -> None:
    pair = np.hstack([portrait, variant(portrait, "mirrored")])
    found = networks.detect(pair)
    assert len(found) == 2
    assert {roi.cx < portrait.shape[1] for roi, _ in found} == {True, False}
    assert all(0.5 < score <= 1.0 for _, score in found)
    assert len(networks.detect(pair, limit=1)) == 1


def test_the_region_turns_with_the_eyes() -> None:
    points = MODEL.mean * 2 + (200.0, 300.0, 0.0)
    turn = np.radians(30)
    points[:, :2] = (points[:, :2] - (200, 300)) @ np.array(
        [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    ) + (200, 300)
    assert roi_from_points(points.astype(np.float32)).angle == pytest.approx(turn, abs=1e-3)


@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(0.5, 2.0), st.floats(-6.0, 6.0))
def test_a_region_moves_towards_the_new_one_hardly_when_near_and_wholly_when_far(
    dx: float, dy: float, scale: float, turn: float
) -> None:
    last = Roi(300.0, 200.0, 250.0, 3.0)
    new = Roi(300 + 250 * dx, 200 + 250 * dy, 250 * scale, 3.0 + turn)
    got = follow(last, new)
    short = (turn + np.pi) % (2 * np.pi) - np.pi  # never the long way round
    far = np.hypot(np.hypot(dx, dy), np.hypot(scale - 1, short))
    share = far**2 / (far**2 + 0.005**2)
    assert got.cx == pytest.approx(300 + share * 250 * dx)
    assert got.cy == pytest.approx(200 + share * 250 * dy)
    assert got.side == pytest.approx(250 * (1 + share * (scale - 1)))
    assert got.angle == pytest.approx(3.0 + share * short)
    assert share < 0.2 or far > 0.002
    assert share > 0.9 or far < 0.017


def test_the_landmarks_of_a_still_face_do_not_wander(networks: FaceNetworks, portrait: np.ndarray) -> None:
    """Sensor noise only: what is read drifts by no more than it trembles."""
    rng = np.random.default_rng(0)
    tracker = FaceTracker(networks=networks)
    seen = []
    for i in range(40):
        noisy = np.clip(np.rint(portrait + rng.normal(0, 2, portrait.shape)), 0, 255).astype(np.uint8)
        tracker.track(noisy, i)
        assert tracker.points is not None
        seen.append(tracker.points[:, :2].copy())
    steps = np.linalg.norm(np.diff(seen, axis=0), axis=2).mean()
    drift = np.linalg.norm(np.mean(seen[30:], 0) - np.mean(seen[2:12], 0), axis=1).mean()
    assert drift < steps
