"""Synthetic faces for the tests: the model itself projected, so that pose, expression and lids are known exactly."""

from __future__ import annotations

from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from models import rotation
from models.face import N_UNITS, UNIT, FaceParams
from models.fitting import Camera
from models.landmarks import Landmarks, Roi
from models.lids import openness
from models.morphable import FACE_OVAL, N_MESH, Morphable, load_morphable
from models.motion import N_EXPRESSION
from models.source import SourceFace

MODEL: Morphable = load_morphable()
CAMERA = Camera(320, 360)
PORTRAIT = Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg"
SOME = settings(deadline=None, max_examples=40)
FEW = settings(deadline=None, max_examples=12)

NEUTRAL = FaceParams(
    rotation.identity(),
    np.array([0.0, -20.0, 420.0]),
    np.zeros(N_EXPRESSION, np.float32),
    np.zeros((2, 2), np.float32),
)


def floats(lo: float, hi: float) -> st.SearchStrategy[float]:
    return st.floats(lo, hi, allow_nan=False)


def vectors(size: int, lo: float, hi: float) -> st.SearchStrategy[np.ndarray]:
    return st.lists(floats(lo, hi), min_size=size, max_size=size).map(np.array)


@st.composite
def any_params(draw: st.DrawFn, turn: float = 0.6, shift: float = 60.0, learned: float = 2.0) -> FaceParams:
    """A face as the fitter gives it: an eye is shut or wide, never both."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    expression = np.zeros(N_EXPRESSION, np.float32)
    active = rng.random(N_UNITS) < draw(floats(0.0, 0.5))
    expression[:N_UNITS] = np.where(active, rng.random(N_UNITS), 0.0)
    expression[N_UNITS:] = np.clip(rng.normal(0, learned / 2, N_EXPRESSION - N_UNITS), -learned, learned)
    for side in ("Left", "Right"):
        expression[UNIT[f"eyeBlink{side}" if rng.random() < 0.5 else f"eyeWide{side}"]] = 0.0
    return FaceParams(
        rotation.exp(draw(vectors(3, -turn, turn))),
        np.array([*draw(vectors(2, -shift, shift)), draw(floats(300.0, 700.0))]),
        expression,
        draw(vectors(4, -0.5, 0.5)).reshape(2, 2).astype(np.float32),
    )


def units(**values: float) -> np.ndarray:
    """An expression by unit names, (N_EXPRESSION,); a name without its side sets both."""
    out = np.zeros(N_EXPRESSION, np.float32)
    for name, value in values.items():
        for full in (name,) if name in UNIT else (f"{name}Left", f"{name}Right"):
            out[UNIT[full]] = value
    return out


def posed(degrees: tuple[float, float, float] = (0.0, 0.0, 0.0), **changes: object) -> FaceParams:
    """`NEUTRAL` turned by a rotation vector in degrees."""
    return NEUTRAL.with_(rotation=rotation.exp(np.radians(degrees)), **changes)


def landmarks_of(
    params: FaceParams, camera: Camera = CAMERA, head: np.ndarray | None = None, noise_px: float = 0.0, seed: int = 0
) -> np.ndarray:
    """What a perfect landmark network would see, (478, 3) px, z smaller nearer."""
    base = MODEL.mean if head is None else head
    points = camera.project(base + MODEL.offsets(params.expression), params)
    points[:, 2] *= -1
    rng = np.random.default_rng(seed)
    return (points + rng.normal(0, 1, points.shape) * noise_px).astype(np.float32)


def degrees_between(a: FaceParams, b: FaceParams) -> float:
    return float(np.degrees(np.linalg.norm(rotation.log(rotation.multiply(a.rotation, rotation.inverse(b.rotation))))))


def synthetic_source(params: FaceParams = NEUTRAL, camera: Camera = CAMERA) -> SourceFace:
    """A prepared source nobody has to download anything for: a patterned person before a patterned wall."""
    w, h = camera.width, camera.height
    points = landmarks_of(params, camera)
    y, x = np.mgrid[:h, :w].astype(np.float32)
    wall = np.stack([60 + x / 4, 120 + 20 * np.sin(x / 9), 190 - y / 4], -1)
    skin = np.stack([170 + 30 * np.sin(x / 11), 120 + 25 * np.sin(y / 13), 100 + 20 * np.cos((x + y) / 17)], -1)
    mask = np.zeros((h, w), np.uint8)
    oval = np.rint(points[list(FACE_OVAL), :2]).astype(np.int32)
    centre, size = oval.mean(0), np.ptp(oval, axis=0)
    cv2.ellipse(mask, tuple(centre.astype(int).tolist()), tuple((size * 0.72).astype(int).tolist()), 0, 0, 360, 255, -1)
    chin = int(points[152, 1])
    cv2.rectangle(mask, (int(centre[0] - size[0] * 0.3), chin - 5), (int(centre[0] + size[0] * 0.3), h), 255, -1)
    cv2.rectangle(mask, (int(centre[0] - size[0] * 0.9), chin + 40), (int(centre[0] + size[0] * 0.9), h), 255, -1)
    matte = cv2.GaussianBlur(mask, (0, 0), 1.5).astype(np.float32) / 255
    matte[matte < 0.02] = 0.0
    image = np.rint(matte[..., None] * skin + (1 - matte[..., None]) * wall).astype(np.uint8)
    plate = np.where(matte[..., None] > 0, np.rint(wall), image).astype(np.uint8)
    gap = openness(MODEL.mean)
    return SourceFace(image, points, MODEL.mean.astype(np.float64), params, gap, matte, plate)


class FakeNetworks:
    """Answers like `FaceNetworks` with a face the test poses."""

    def __init__(self) -> None:
        self.params: FaceParams | None = NEUTRAL
        self.camera = CAMERA
        self.said = np.zeros(N_UNITS, np.float32)
        self.detections = self.mirrored = 0
        self.shift = 0.0  # px that the mirrored look differs by

    def detect(self, rgb: np.ndarray, limit: int = 5, min_score: float = 0.5) -> list[tuple[Roi, float]]:
        self.detections += 1
        if self.params is None:
            return []
        xy = landmarks_of(self.params, self.camera)[:N_MESH, :2]
        side = float(np.ptp(xy, axis=0).max() * 1.5)
        return [(Roi(*(float(v) for v in (xy.min(0) + xy.max(0)) / 2), side, 0.0), 0.9)]

    def landmarks(self, rgb: np.ndarray, roi: Roi) -> Landmarks:
        if self.params is None:
            return Landmarks(landmarks_of(NEUTRAL, self.camera), self.said, 0.01)
        return Landmarks(landmarks_of(self.params, self.camera), self.said.copy(), 0.98)

    def look(self, rgb: np.ndarray, roi: Roi, mirror: np.ndarray | None = None) -> tuple[np.ndarray, float]:
        face = self.landmarks(rgb, roi)
        self.mirrored += mirror is not None
        return face.points + np.float32([self.shift * (mirror is not None), 0, 0]), face.presence

    def scores(self, points: np.ndarray) -> np.ndarray:
        del points
        return self.said.copy()
