"""The tracker: finds, follows, loses and finds again; it remembers one head and its open eyes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from faces import CAMERA, NEUTRAL, FakeNetworks, degrees_between, landmarks_of, posed, units

from models import lids
from models.face import N_UNITS, UNIT
from models.landmarks import FaceNetworks
from models.morphable import INNER_LIPS
from models.second_look import EVERY
from models.tracking import FaceTracker, find_face

BLANK = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)


def tracker_of(fake: FakeNetworks) -> FaceTracker:
    return FaceTracker(networks=fake)  # type: ignore[arg-type]


def show(fake: FakeNetworks, **expression: float) -> None:
    fake.params = posed(expression=units(**expression))
    fake.said = units(**expression)[:N_UNITS]


def test_a_face_is_followed_without_detecting_again() -> None:
    fake = FakeNetworks()
    tracker = tracker_of(fake)
    for i in range(20):
        fake.params = posed((0, i, i / 2), translation=np.array([i * 1.0, -20.0, 420.0]))
        params, confidence = tracker.track(BLANK, i * 33_000_000)
        assert params is not None
        assert confidence > 0.9
        assert degrees_between(params, fake.params) < 0.5
        assert np.allclose(params.translation[:2], fake.params.translation[:2], atol=1.0)
    assert fake.detections == 1
    assert tracker.points is not None


def test_what_an_open_mouth_shows_goes_along_unless_it_is_not_wanted() -> None:
    fake = FakeNetworks()
    show(fake, jawOpen=0.8)
    inner = np.rint(landmarks_of(posed(expression=units(jawOpen=0.8)))[list(INNER_LIPS), :2]).astype(np.int32)
    seen = []
    for grey in (100, 180):
        picture = np.full_like(BLANK, 100)
        cv2.fillPoly(picture, [inner], (grey, grey, grey))
        params, _ = tracker_of(fake).track(picture, 0)
        assert params is not None
        assert params.light is not None
        seen.append(float(params.light.share[0, 1:3, 2:6].mean()))
    assert seen[0] == pytest.approx(1.0, abs=0.01)
    assert seen[1] > 1.2
    blind, _ = FaceTracker(networks=fake, inside=False).track(picture, 0)  # type: ignore[arg-type]
    assert blind is not None
    assert blind.light is None


def test_a_lost_face_is_data_and_comes_back() -> None:
    fake = FakeNetworks()
    tracker = tracker_of(fake)
    assert tracker.track(BLANK, 0)[0] is not None
    fake.params = None
    assert tracker.track(BLANK, 1) == (None, 0.0)
    assert tracker.track(BLANK, 2) == (None, 0.0)
    assert tracker.points is None
    fake.params = posed((0, 25, 0))
    params, _ = tracker.track(BLANK, 3)
    assert params is not None
    assert degrees_between(params, fake.params) < 0.5


def test_a_face_that_jumps_is_detected_anew() -> None:
    fake = FakeNetworks()
    tracker = tracker_of(fake)
    tracker.track(BLANK, 0)
    fake.params = posed(translation=np.array([230.0, -20.0, 420.0]))
    params, _ = tracker.track(BLANK, 1)
    assert fake.detections == 2
    assert params is not None


def test_eyes_are_measured_on_the_lids_not_by_the_scores() -> None:
    fake = FakeNetworks()
    tracker = tracker_of(fake)
    tracker.track(BLANK, 0)
    show(fake, eyeBlink=1.0)
    fake.said[:] = 0.0  # a score network that misses the blink altogether
    params, _ = tracker.track(BLANK, 1)
    assert params is not None
    assert lids.read_units(params.expression).min() > 0.5
    show(fake)
    params, _ = tracker.track(BLANK, 2)
    assert params is not None
    assert np.abs(lids.read_units(params.expression)).max() < 0.1


def test_resetting_forgets_the_person() -> None:
    fake = FakeNetworks()
    tracker = tracker_of(fake)
    show(fake, jawOpen=0.5)
    tracker.track(BLANK, 0)
    tracker.reset()
    assert tracker.points is None
    show(fake)
    params, _ = tracker.track(BLANK, 1)
    assert params is not None
    assert params.expression[UNIT["jawOpen"]] < 0.05
    assert fake.detections == 2
    tracker.close()


def test_unknown_devices_are_refused() -> None:
    with pytest.raises(ValueError, match="expected auto, cpu or cuda"):
        FaceTracker(device="abacus", networks=FakeNetworks())  # type: ignore[arg-type]


def test_find_face_wants_presence_not_just_a_box() -> None:
    fake = FakeNetworks()
    fake.landmarks = lambda rgb, roi: FakeNetworks.landmarks(_gone(fake), rgb, roi)  # type: ignore[method-assign]
    assert find_face(fake, BLANK) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("every", [0, 1, 3])
def test_a_tracker_looks_twice_as_often_as_it_is_told_and_at_every_new_face(every: int) -> None:
    fake = FakeNetworks()
    tracker = FaceTracker(networks=fake, every=every)  # type: ignore[arg-type]
    for i in range(7):
        tracker.track(BLANK, i)
    seen = fake.mirrored
    assert seen == (1 if every == 0 else 7 if every == 1 else 3)
    for i in range(2):  # somebody else, then a face that was gone
        if i == 0:
            tracker.reset()
        else:
            fake.params = None
            assert tracker.track(BLANK, 8)[0] is None
            fake.params = NEUTRAL
        tracker.track(BLANK, 9 + i)
        assert fake.mirrored == seen + i + 1


def test_a_new_face_is_corrected_from_its_first_frame_on() -> None:
    fake = FakeNetworks()
    plain = FaceTracker(networks=fake)  # type: ignore[arg-type]
    plain.track(BLANK, 0)
    fake.shift = 2.0
    tracker = FaceTracker(networks=fake)  # type: ignore[arg-type]
    for i in range(3):  # or neutral would be read one way and motion another
        tracker.track(BLANK, i)
        assert plain.points is not None
        assert tracker.points is not None
        assert np.allclose(tracker.points[:, 0] - plain.points[:, 0], 1.0, atol=1e-3)  # half of what the look says


def test_spare_time_is_used_once_a_while() -> None:
    fake = FakeNetworks()
    tracker = FaceTracker(networks=fake)  # type: ignore[arg-type]
    assert not tracker.use_spare_time()  # nobody was seen yet
    looked = []
    for i in range(1 + 3 * EVERY):
        tracker.track(BLANK, i)
        looked.append(tracker.use_spare_time())
        assert not tracker.use_spare_time()
    assert sum(looked) == 3
    assert fake.mirrored == 4


def _gone(fake: FakeNetworks) -> FakeNetworks:
    other = FakeNetworks()
    other.params = None
    return other


def test_the_default_portrait_has_a_face(networks: FaceNetworks, portrait: np.ndarray) -> None:
    tracker = FaceTracker(networks=networks)
    first, confidence = tracker.track(portrait, 0)
    assert first is not None
    assert confidence > 0.9
    assert tracker.points is not None
    eyes = tracker.points[[468, 473], :2]
    assert np.allclose(eyes, [[222, 191], [305, 186]], atol=6)
    for i in range(1, 4):
        params, _ = tracker.track(portrait, i)
        assert params is not None
        assert degrees_between(params, first) < 2.0
    assert degrees_between(first, NEUTRAL) < 25


def test_a_mirrored_portrait_gives_mirrored_params(networks: FaceNetworks, portrait: np.ndarray) -> None:
    a = FaceTracker(networks=networks).track(portrait, 0)[0]
    b = FaceTracker(networks=networks).track(np.ascontiguousarray(portrait[:, ::-1]), 0)[0]
    assert a is not None
    assert b is not None
    mirrored = a.rotation * np.array([1.0, 1.0, -1.0, -1.0])
    assert degrees_between(b, a.with_(rotation=mirrored)) < 4.0
    assert b.translation[0] == pytest.approx(-a.translation[0], abs=3.0)


@pytest.mark.parametrize("size", [(240, 320), (31, 47), (8, 8)])
def test_noise_has_no_face(networks: FaceNetworks, size: tuple[int, int]) -> None:
    tracker = FaceTracker(networks=networks)
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    for i in range(3):
        assert tracker.track(noise, i) == (None, 0.0)
    assert tracker.points is None
    for flat in (0, 255):
        assert tracker.track(np.full((*size, 3), flat, np.uint8), 9) == (None, 0.0)


def test_a_face_that_leaves_is_lost(networks: FaceNetworks, portrait: np.ndarray) -> None:
    tracker = FaceTracker(networks=networks)
    assert tracker.track(portrait, 0)[0] is not None
    assert tracker.track(np.zeros_like(portrait), 1) == (None, 0.0)
