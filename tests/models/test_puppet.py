"""The puppet: at its own params it is the photo; moved, it moves the person and nothing else."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from faces import NEUTRAL, any_params, posed, synthetic_source, units
from hypothesis import HealthCheck, given, settings

from models import lids, rotation
from models.face import FaceParams
from models.fitting import Camera
from models.morphable import EYES, INNER_LIPS, LOWER_INNER_LIP, N_MESH, UPPER_INNER_LIP
from models.plate import premultiplied_person
from models.puppet import Puppet, close_lids, part_lips
from models.transfer import Gains

TURNS = [(0, 15, 0), (0, -25, 0), (12, 0, 0), (0, 0, 15)]


def driven(puppet: Puppet, degrees: tuple[float, float, float] = (0, 0, 0), **expression: float) -> FaceParams:
    return puppet.retarget(posed(degrees, expression=units(**expression)), NEUTRAL)


def openings(puppet: Puppet) -> np.ndarray:
    """Eyes and mouth with a little around them, where the photo is rebuilt rather than copied."""
    mask = np.zeros(puppet.source.image.shape[:2], np.uint8)
    for loop in (*(e.contour for e in EYES), INNER_LIPS):
        cv2.fillPoly(mask, [np.rint(puppet.source.points[list(loop), :2]).astype(np.int32)], 1)
    return cv2.dilate(mask, np.ones((5, 5), np.uint8)) > 0


def face_region(puppet: Puppet, *poses: FaceParams, reach_iod: float = 0.0) -> np.ndarray:
    """Hull of the face over some poses, grown by the shell's reach."""
    mask = np.zeros(puppet.source.image.shape[:2], np.uint8)
    for params in (puppet.source.params, *poses):
        face = puppet.vertices(params)[:N_MESH, :2]
        cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(face).astype(np.int32)), 1)
    iod = np.linalg.norm(puppet.source.points[33, :2] - puppet.source.points[263, :2])
    reach = int(reach_iod * iod)
    return cv2.dilate(mask, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0


def reached(puppet: Puppet, target: FaceParams) -> np.ndarray:
    """Where the person can come to stand, strays that the matte missed included: (H, W) of bool."""
    v, rest = puppet.vertices(target)[:, :2], puppet.vertices(puppet.source.params)[:, :2]
    far = int(np.ceil(np.linalg.norm(v - rest, axis=1).max())) + 3
    source = puppet.source
    person = premultiplied_person(source.image, source.matte, source.plate)[..., 3] > 0
    return cv2.dilate(person.astype(np.uint8), np.ones((2 * far + 1, 2 * far + 1), np.uint8)) > 0


def test_at_its_own_params_the_puppet_is_the_photo(puppet: Puppet) -> None:
    frame = puppet.render(puppet.source.params)
    off = np.abs(frame.astype(int) - puppet.source.image).max(2)
    assert (off <= 1)[~openings(puppet)].mean() >= 0.99
    assert np.median(off[openings(puppet)]) <= 12  # and the openings look like it
    v = puppet.vertices(puppet.source.params)
    assert np.abs(v[:N_MESH, :2] - puppet.source.points[:N_MESH, :2]).max() < 0.01


@pytest.mark.parametrize("degrees", [(0, 0, 0), (0, 15, 0)])
def test_the_matte_is_what_two_grounds_tell(puppet: Puppet, degrees: tuple[float, float, float]) -> None:
    target, own, shown = driven(puppet, degrees), puppet.plate, {}
    try:
        for level in (0, 255):
            puppet.plate = np.full_like(own, level)
            shown[level] = puppet.warp(target)[0].astype(int)
    finally:
        puppet.plate = own
    puppet.warp(target)
    alpha = puppet.matte().astype(int)
    off = np.abs(alpha - (255 - (shown[255] - shown[0]).mean(2)))
    assert np.percentile(off, 99.5) <= 2
    assert alpha.max() == 255
    assert (alpha == 0).mean() > 0.1


def test_a_driver_at_rest_draws_the_photo(puppet: Puppet) -> None:
    rest = posed((3, -7, 2), expression=units(jawOpen=0.04, mouthSmile=0.2, browDown=0.4))
    assert np.array_equal(puppet.render(puppet.retarget(rest, rest)), puppet.render(puppet.source.params))


@pytest.mark.parametrize("degrees", TURNS)
def test_the_background_outside_the_moved_person_is_bit_identical(
    puppet: Puppet, degrees: tuple[float, float, float]
) -> None:
    target = driven(puppet, degrees)
    frame = puppet.render(target)
    person = reached(puppet, target)
    assert (~person).mean() > 0.1
    assert np.array_equal(frame[~person], puppet.source.image[~person])
    assert not np.array_equal(frame, puppet.source.image)


@pytest.mark.parametrize("degrees", TURNS)
def test_the_meshs_own_transparent_edges_stir_nothing(degrees: tuple[float, float, float]) -> None:
    source = synthetic_source()
    wall = np.random.default_rng(3).integers(0, 255, source.image.shape, np.uint8)  # every mixed pair of pixels shows
    clear = source.matte <= 0
    puppet = Puppet(replace(source, plate=wall, image=np.where(clear[..., None], wall, source.image)))
    target = driven(puppet, degrees)
    frame, far = puppet.render(target), ~reached(puppet, target)
    assert far.mean() > 0.1
    assert np.array_equal(frame[far], wall[far])


@pytest.mark.parametrize("degrees", [*TURNS, (0, 45, 0), (-20, -30, 15)])
@pytest.mark.parametrize("face", [{}, {"jawOpen": 1.0}, {"eyeWide": 1.0, "mouthSmile": 1.0, "jawOpen": 0.6}])
def test_the_background_never_shines_through_the_face(
    puppet: Puppet, degrees: tuple[float, float, float], face: dict[str, float]
) -> None:
    v = puppet.warp(driven(puppet, degrees, **face))[1]
    hull = np.zeros(puppet.source.image.shape[:2], np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.rint(v[:N_MESH, :2]).astype(np.int32)), 1)
    hull = cv2.erode(hull, np.ones((5, 5), np.uint8))
    assert np.isfinite(puppet._depth[hull > 0]).all()


def test_a_wide_open_mouth_changes_the_face_only(puppet: Puppet) -> None:
    target = driven(puppet, jawOpen=1.0)
    shut, opened = puppet.render(puppet.source.params), puppet.render(target)
    changed = (shut != opened).any(2)
    assert not changed[~face_region(puppet, target, reach_iod=0.65)].any()  # the skin below the chin follows
    strong = np.abs(shut.astype(int) - opened).max(2) > 40
    assert strong.sum() > 50
    mouth = puppet.vertices(target)[list(INNER_LIPS), :2]
    inside = np.zeros(changed.shape, np.uint8)
    cv2.fillPoly(inside, [np.rint(mouth).astype(np.int32)], 1)
    assert changed[inside > 0].mean() > 0.9


def test_shut_eyes_are_shut_in_the_picture(puppet: Puppet) -> None:
    target = driven(puppet, eyeBlink=1.0)
    assert (lids.openness(puppet.head(target)) < 1e-3).all()
    v = puppet.vertices(target)
    for eye in EYES:
        assert np.abs(v[list(eye.upper), 1] - v[list(eye.lower), 1]).max() < 0.2
    assert (puppet.render(target) != puppet.render(puppet.source.params)).any()


def test_gaze_moves_the_irises_and_the_lids_stay(puppet: Puppet) -> None:
    source = puppet.source.params
    target = source.with_(gaze=source.gaze + np.float32([[0.25, 0.0]]))
    v, rest = puppet.vertices(target), puppet.vertices(source)
    skin = N_MESH + len(puppet._sheet.shell.points)
    assert np.array_equal(v[:skin], rest[:skin])
    eyes = sum(len(p.head) for p in puppet._sheet.patches[:2])
    step = (v - rest)[skin : skin + eyes, 0]
    assert step.max() > 1.0  # a positive yaw is to the image right
    assert step.min() > -0.5
    assert (puppet.render(target) != puppet.render(source)).any(2).sum() < openings(puppet).sum() * 2


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(params=any_params(turn=3.0, shift=2000.0, learned=6.0))
def test_no_params_make_nan_or_crash(puppet: Puppet, params: FaceParams) -> None:
    for p in (params, puppet.retarget(params, NEUTRAL), puppet.retarget(params, NEUTRAL, absolute=True)):
        assert np.isfinite(puppet.vertices(p)).all()
        assert puppet.render(p).shape == puppet.source.image.shape


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_units_at_once_are_drawn(puppet: Puppet, value: float) -> None:
    params = puppet.source.params
    e = params.expression.copy()
    e[:52], e[52:] = value, 4.5 * (2 * value - 1)
    assert np.isfinite(puppet.vertices(params.with_(expression=e))).all()
    assert puppet.render(params.with_(expression=e)).dtype == np.uint8


def test_frames_are_new_arrays_and_stages_are_marked_in_order() -> None:
    puppet = Puppet(synthetic_source())
    heard: list[str] = []
    a = puppet.render(puppet.source.params, heard.append)
    kept = a.copy()
    b = puppet.render(driven(puppet, (0, 20, 0)), heard.append)
    assert heard == ["map", "generate", "compose"] * 2
    assert a is not b
    assert np.array_equal(a, kept)
    assert puppet.size == (a.shape[1], a.shape[0])


@pytest.mark.parametrize("whole", [False, True])
def test_what_fills_the_whole_frame_needs_no_warp(puppet: Puppet, monkeypatch: pytest.MonkeyPatch, whole: bool) -> None:
    seen: list[np.ndarray] = []
    pose, warped = driven(puppet, (0, 10, 0)), []
    warp = Puppet.warp
    monkeypatch.setattr(Puppet, "warp", lambda *given: warped.append(given) or warp(*given))
    rested: list[np.ndarray] = []
    painter = SimpleNamespace(
        whole=whole, paint=lambda _, v, light: seen.append(v), rest_on=lambda frame, v: rested.append(v.copy())
    )
    monkeypatch.setattr(puppet, "generator", painter)
    monkeypatch.setattr(puppet, "_rested", False)
    frame = puppet.render(pose)
    puppet.render(pose)
    assert bool(warped) is not whole
    assert len(rested) == (not whole)  # once a photo, at its own pose
    for v in rested:
        np.testing.assert_array_equal(v, puppet.vertices(puppet.source.params)[:N_MESH])
    assert frame.shape == puppet.source.image.shape
    np.testing.assert_array_equal(seen[0], puppet.vertices(pose)[:N_MESH])


def test_another_driver_begins_with_nothing_remembered(puppet: Puppet, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    painter = SimpleNamespace(
        paint=lambda _, v, light: done.append("paint"),
        rest_on=lambda frame, v: None,
        forget=lambda: done.append("forget"),
    )
    monkeypatch.setattr(puppet, "generator", painter)
    monkeypatch.setattr(puppet, "_rested", False)
    pose = driven(puppet, (0, 10, 0))
    puppet.render(pose)
    before = puppet.begin(pose)
    puppet.forget()
    after = puppet.begin(pose)
    before()  # what was begun earlier is finished as it was
    after()
    puppet.render(pose)
    assert done == ["paint", "paint", "forget", "paint", "paint"]


def test_rendering_does_not_depend_on_what_was_rendered_before() -> None:
    source = synthetic_source()
    puppet, other = Puppet(source), Puppet(source, threads=1)
    target = driven(puppet, (5, 12, -4), jawOpen=0.5, mouthSmile=0.4)
    first = puppet.render(target)
    for degrees in TURNS:
        puppet.render(driven(puppet, degrees))
    assert np.array_equal(puppet.render(target), first)
    assert np.array_equal(other.render(target), first)


def test_gains_given_at_the_call_replace_the_puppets_own() -> None:
    puppet = Puppet(synthetic_source())
    driver = posed((0, 10, 0), expression=units(jawOpen=0.6))
    held = puppet.retarget(driver, NEUTRAL, Gains(head=0.0, jaw=0.0))
    assert np.allclose(rotation.log(held.rotation), rotation.log(puppet.source.params.rotation))
    assert held.expression[24] == puppet.source.params.expression[24]


@pytest.mark.parametrize("camera", [Camera(97, 131), Camera(480, 270), Camera(900, 700)])
def test_pictures_of_any_size_and_faces_at_their_edge(camera: Camera) -> None:
    params = NEUTRAL.with_(translation=np.array([90.0, 30.0, 420.0]))
    puppet = Puppet(synthetic_source(params, camera))
    frame = puppet.render(params)
    off = np.abs(frame.astype(int) - puppet.source.image).max(2)
    assert (off <= 1)[~openings(puppet)].mean() >= 0.99
    turned = puppet.render(driven(puppet, (0, 20, 10), jawOpen=1.0))
    assert turned.shape == (camera.height, camera.width, 3)


def test_lips_meet_but_never_cross() -> None:
    puppet = Puppet(synthetic_source())
    up, low = list(UPPER_INNER_LIP), list(LOWER_INNER_LIP)
    rest = (puppet._rest[low, 1] - puppet._rest[up, 1]).copy()
    for names in ({"mouthClose": 1.0}, {"mouthPress": 1.0, "mouthRollLower": 1.0, "mouthRollUpper": 1.0}):
        head = puppet.head(NEUTRAL.with_(expression=units(**names)))
        assert (head[low, 1] - head[up, 1] >= np.minimum(rest, 0.0) - 1e-3).all()
    head = puppet._rest.copy()
    head[low, 1] -= 5.0
    part_lips(head, rest)
    assert (head[low, 1] - head[up, 1] >= np.minimum(rest, 0.0) - 1e-3).all()


def test_lids_without_a_gap_are_left_alone() -> None:
    head = synthetic_source().head.astype(np.float32)
    close_lids(head, np.ones(2), lids.openness(head))
    shut = head.copy()
    close_lids(head, np.zeros(2), np.full(2, 0.3))
    assert np.array_equal(head, shut)
    assert np.isfinite(head).all()
