"""Our runs of MediaPipe's networks, held to MediaPipe's own answer."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from faces import MODEL

from models.assets import asset_path
from models.landmarks import FaceNetworks, Landmarks, roi_from_points
from models.tracking import find_face


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
