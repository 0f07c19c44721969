"""The shell: stays where it is until the head moves, never lets the picture's border in, never folds."""

from __future__ import annotations

import numpy as np
import pytest
from faces import CAMERA, NEUTRAL, SOME, any_params, landmarks_of, posed, synthetic_source, vectors
from hypothesis import given

from models import rotation
from models.face import FaceParams
from models.fitting import Camera
from models.morphable import FACE_OVAL, N_MESH
from models.shell import PIVOT_MM, Shell, at_depth, build_shell, face_outline, pose_shell, skull_share, smoothstep
from models.source import SourceFace


def build(source: SourceFace) -> Shell:
    return build_shell(
        source.points, source.params, source.camera, source.matte, source.head[:N_MESH].astype(np.float32)
    )


SOURCE = synthetic_source()
SHELL = build(SOURCE)


def pose(target: FaceParams, shell: Shell = SHELL, source: SourceFace = SOURCE) -> np.ndarray:
    head = source.head[shell.outline].astype(np.float32)
    return pose_shell(shell, source.params, target, source.camera, source.camera.project(head, target)[:, :2], head)


@pytest.mark.parametrize("degrees", [(0, 0, 0), (0, 20, 0), (15, -10, 25), (0, 38, 0)])
def test_the_identity_pose_leaves_every_vertex_in_place(degrees: tuple[float, float, float]) -> None:
    source = synthetic_source(posed(degrees))
    shell = build(source)
    out = pose(source.params, shell, source)
    assert np.abs(out[:, :2] - shell.points).max() < 2e-3
    assert np.isfinite(out).all()


@SOME
@given(any_params(turn=0.8, shift=120.0))
def test_border_vertices_never_move_inward_where_the_border_cuts_the_person(target: FaceParams) -> None:
    out = pose(target)
    w, h = CAMERA.width, CAMERA.height
    p = SHELL.points
    x = np.clip(np.rint(p).astype(int), 0, [w - 1, h - 1])
    cut = SOURCE.matte[x[:, 1], x[:, 0]] > 0.5
    left, right = cut & (p[:, 0] <= -0.5 + 1e-4), cut & (p[:, 0] >= w - 0.5 - 1e-4)
    top, bottom = cut & (p[:, 1] <= -0.5 + 1e-4), cut & (p[:, 1] >= h - 0.5 - 1e-4)
    assert bottom.any()
    assert (out[left, 0] <= p[left, 0] + 1e-3).all()
    assert (out[right, 0] >= p[right, 0] - 1e-3).all()
    assert (out[top, 1] <= p[top, 1] + 1e-3).all()
    assert (out[bottom, 1] >= p[bottom, 1] - 1e-3).all()


def test_triangles_are_sound_and_leave_the_face_to_the_mesh() -> None:
    n = N_MESH + len(SHELL.points)
    tri = SHELL.triangles
    assert tri.min() >= 0
    assert tri.max() < n
    assert len(np.unique(np.sort(tri, axis=1), axis=0)) == len(tri)
    from_mesh = tri[tri < N_MESH]
    assert set(from_mesh.tolist()) <= set(SHELL.outline.tolist())
    edges = np.sort(np.concatenate([tri[:, [0, 1]], tri[:, [1, 2]], tri[:, [2, 0]]]), axis=1)
    assert np.unique(edges, axis=0, return_counts=True)[1].max() == 2
    shared = {tuple(e) for e in edges.tolist()}
    loop = SHELL.outline
    rim = [tuple(sorted((int(a), int(b)))) for a, b in zip(loop, np.roll(loop, -1), strict=True)]
    assert np.mean([e in shared for e in rim]) > 0.95  # the face hangs in the shell without a slit


@pytest.mark.parametrize("degrees", [(0, 20, 0), (0, -20, 0), (15, 0, 0), (-15, 0, 0), (0, 0, 20), (10, 15, -10)])
def test_no_triangle_of_the_shell_turns_over_within_twenty_degrees(degrees: tuple[float, float, float]) -> None:
    target = posed(degrees)
    face = CAMERA.project(SOURCE.head[:N_MESH], target)[:, :2]
    after = np.concatenate([face, pose(target)[:, :2]])
    before = np.concatenate([SOURCE.points[:N_MESH, :2], SHELL.points])

    def area(p: np.ndarray) -> np.ndarray:
        a, b, c = (p[SHELL.triangles[:, i]] for i in range(3))
        return (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]

    turned = np.sign(area(after)) != np.sign(area(before))
    assert np.abs(area(after))[turned].sum() < 0.01 * np.abs(area(after)).sum()


def test_hair_travels_with_the_head_and_shoulders_stay() -> None:
    tilt = posed((0, 0, 15))
    neck = (np.eye(3) - rotation.matrix(tilt.rotation)) @ PIVOT_MM  # the neck stays in its place
    out = pose(tilt.with_(translation=tilt.translation + neck * (1, 1, 0)))
    move = np.linalg.norm(out[:, :2] - SHELL.points, axis=1)
    crown = SHELL.points[:, 1] < SOURCE.points[10, 1]
    bottom = SHELL.points[:, 1] > CAMERA.height - 30
    assert move[crown].min() > 10
    assert move[bottom].max() < 4


def test_hair_that_ends_inside_the_picture_is_not_held_by_its_border() -> None:
    iod = float(np.linalg.norm(SOURCE.points[33, :2] - SOURCE.points[263, :2]))
    crown = float(np.argwhere(SOURCE.matte > 0.5)[:, 0].min())
    shift = int(0.15 * iod - crown)  # the crown comes to stand just below the upper border, without touching it
    params = NEUTRAL.with_(translation=NEUTRAL.translation + np.array([0.0, shift * 420.0 / CAMERA.focal_px, 0.0]))
    source = synthetic_source(params)
    shell = build(source)
    assert not (source.matte[:2] > 0.1).any()
    out = pose(params.with_(translation=params.translation + np.array([0.0, 30.0, 0.0])), shell, source)
    sank = (out[:, 1] - shell.points[:, 1])[shell.points[:, 1] < source.points[10, 1]]
    assert sank.min() > 0.9 * 30.0 * CAMERA.focal_px / 420.0


def test_the_outline_of_hair_turns_at_the_skulls_depth_and_a_bare_jaw_at_its_own() -> None:
    centre, face, iod = 100.0, 40.0, 60.0
    y, x = np.mgrid[:200, :200]
    matte = (np.hypot(x - centre, y - centre) < np.where(y < centre, 62.0, face)).astype(np.float32)  # hair above only
    up = np.array([[centre, centre - r] for r in (46, 54, 61, 75)], np.float32)
    share = skull_share(up, np.array([6, 14, 21, 35], np.float32), matte, iod, np.full(4, -40.0, np.float32))
    assert (np.diff(share) > 0.0).all()
    assert share[2:].min() > 0.9
    down = np.array([[centre, centre + r] for r in (46, 54, 75)], np.float32)
    low = np.full(3, 80.0, np.float32)
    assert skull_share(down, np.array([6, 14, 35], np.float32), matte, iod, low).max() < 0.05


def test_a_bare_ear_turns_with_the_hair_above_it_and_a_bare_jaw_does_not() -> None:
    centre, face, iod = 100.0, 40.0, 60.0
    y, x = np.mgrid[:200, :200]
    matte = (np.hypot(x - centre, y - centre) < np.where(y < centre, 62.0, face + 2.0)).astype(np.float32)
    angles = np.radians([40.0, 20.0, 5.0, -15.0, -25.0])  # above and below the edge of the hair
    around = np.column_stack([centre + 54.0 * np.cos(angles), centre - 54.0 * np.sin(angles)]).astype(np.float32)
    beyond = np.full(5, 14.0, np.float32)
    bare = skull_share(around, beyond, matte, iod, np.full(5, 80.0, np.float32))
    ear = skull_share(around, beyond, matte, iod, np.zeros(5, np.float32))
    assert bare[:3].min() > 0.6
    assert bare[4] < 0.3
    assert ear[:3].min() > 0.6
    assert ear[4] > bare[4] + 0.4


@pytest.mark.parametrize("source_yaw", [0, -25])
def test_a_turn_does_not_make_the_head_narrower(source_yaw: int) -> None:
    source = synthetic_source(posed((0, source_yaw, 0)))
    shell = build(source)
    beside = (shell.rim > 0.99) & (np.abs(shell.points[:, 1] - source.points[168, 1]) < 25)
    left, right = (beside & (s * (shell.points[:, 0] - source.points[168, 0]) < 0) for s in (1, -1))
    assert left.any()
    assert right.any()
    for yaw in (source_yaw - 20, source_yaw + 20):
        step = (pose(posed((0, yaw, 0)), shell, source)[:, 0] - shell.points[:, 0]) * shell.turn
        assert abs(step[left].mean() - step[right].mean()) < 1.0  # px; 20 degrees take 10 px from a flat head


def test_weights_are_shares() -> None:
    for weight in (SHELL.turn, SHELL.sway, SHELL.follow, SHELL.pin):
        assert weight.min() >= 0.0
        assert weight.max() <= 1.0 + 1e-6
    assert SHELL.follow.sum(1).max() <= 1.0 + 1e-5


def test_the_outline_is_the_oval_from_the_front_and_the_hull_when_a_turn_folds_it() -> None:
    assert set(face_outline(landmarks_of(NEUTRAL)[:, :2]).tolist()) == set(FACE_OVAL)
    aside = landmarks_of(posed((0, 60, 0)))[:, :2]
    loop = face_outline(aside)
    assert set(loop.tolist()) != set(FACE_OVAL)
    assert len(loop) >= 8


@SOME
@given(any_params(turn=0.7), vectors(3, -60.0, 60.0))
def test_points_put_at_a_depth_project_back(params: FaceParams, z: np.ndarray) -> None:
    px = np.array([[10.0, 20.0], [160.0, 180.0], [300.0, 350.0]])
    head = at_depth(px, z, params, CAMERA)
    assert np.allclose(head[:, 2], z)
    assert np.allclose(CAMERA.project(head, params)[:, :2], px, atol=0.05)


@pytest.mark.parametrize("camera", [Camera(200, 480), Camera(640, 360), Camera(130, 130)])
def test_faces_that_the_picture_cuts_get_a_shell_too(camera: Camera) -> None:
    params = NEUTRAL.with_(translation=np.array([40.0, 60.0, 260.0 if camera.width > 130 else 200.0]))
    source = synthetic_source(params, camera)
    shell = build(source)
    assert np.isfinite(shell.head).all()
    out = pose(params.with_(rotation=rotation.exp(np.array([0.0, 0.3, 0.1]))), shell, source)
    assert np.isfinite(out).all()


def test_smoothstep_is_a_step() -> None:
    assert smoothstep(1.0, 3.0, np.array([0.0, 1.0, 2.0, 3.0, 9.0], np.float32)).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
