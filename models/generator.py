"""The network that finishes the face: mouth interior and lids, painted into the warped picture in place.

For each part a crop that stands still on the skull is cut out of the warped frame, the network returns premultiplied
colour and cover, and both are laid over the frame at its own resolution: picture * (1 - cover) + colour. Where both are
0 the frame keeps its bytes. What depends on the photo alone is computed once.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.face import F32, U8
from models.generator_crop import (
    EYE,
    MOUTH,
    CropSpec,
    crop_matrix,
    cut,
    eye_masks,
    face_axes,
    mouth_masks,
    to_picture,
    turn,
)
from models.inference import open_network
from models.morphable import EYES, N_MESH
from models.source import SourceFace

DATA = Path(__file__).parent / "data"
MIN_IOD_PX = 12.0  # a smaller face has no mouth interior to speak of


class Generator:
    """Finishes frames of one source face; used from one thread."""

    def __init__(self, source_rgb: U8, source_points: F32, device: str = "auto", threads: int = 2,
                 runtime: str = "auto", data: Path = DATA) -> None:  # fmt: skip
        """Open the networks and encode the photo.

        source_rgb (H, W, 3); source_points (478, 3) landmarks, px. Raises UserError without weights or runtime.
        """
        self._mouth = open_network(data / "generator_mouth.onnx", device, threads, runtime)
        self._eyes = open_network(data / "generator_eye.onnx", device, threads, runtime)
        self._options = (device, threads, runtime)
        self._data = data
        self._patch: F32 = np.zeros((0, 0, 4), np.float32)
        self._soft: F32 = np.zeros((0, 0, 3), np.float32)
        self.set_source(source_rgb, source_points)
        blank = np.zeros((64, 64, 3), np.uint8)
        self.paint(blank, (source_points * (40 / max(1.0, face_axes(source_points)[1]))).astype(np.float32))

    @property
    def report(self) -> dict[str, Any]:
        """Say what was asked for and what runs, for reports."""
        return asdict(self._mouth.choice)

    def set_source(self, source_rgb: U8, source_points: F32) -> None:
        """Encode another photo: source_rgb (H, W, 3), source_points (478, 3) px."""
        crops = (("mouth", MOUTH, [crop_matrix(source_points, MOUTH)], self._mouth),
                 ("eye", EYE, [crop_matrix(source_points, EYE, e) for e in EYES], self._eyes))  # fmt: skip
        for name, spec, matrices, network in crops:
            branch = open_network(self._data / f"generator_{name}_source.onnx", *self._options)
            for i, m in enumerate(matrices):
                branch.inputs["source"][i] = cut(source_rgb, m, spec.pixels)
            branch.run()
            for feature in ("fine", "code"):
                network.inputs[feature][...] = branch.outputs[feature]

    def paint(self, frame: U8, target: F32) -> None:
        """Finish a warped frame in place.

        frame (H, W, 3) uint8; target (468 or more, 3) float32 vertices of the face in it, px, larger z nearer. A face
        that is too small or not finite is left as it is; parts beyond the picture's border are not painted.
        """
        points = target[:N_MESH]
        if not np.isfinite(points).all() or face_axes(points)[1] < MIN_IOD_PX:
            return
        done: list[tuple[F32, F32, CropSpec]] = []
        m = crop_matrix(points, MOUTH)
        if _visible(frame, m, MOUTH):
            x = self._mouth.inputs["picture"]
            x[0, :, :, :3] = cut(frame, m, MOUTH.pixels)
            mouth_masks(points, m, x[0, :, :, 3:])
            self._mouth.inputs["turn"][0] = turn(points)
            self._mouth.run()
            done.append((self._mouth.outputs["painted"][0], m, MOUTH))
        matrices = [crop_matrix(points, EYE, e) for e in EYES]
        if any(_visible(frame, m, EYE) for m in matrices):
            x = self._eyes.inputs["picture"]
            for i, (eye, m) in enumerate(zip(EYES, matrices, strict=True)):
                x[i, :, :, :3] = cut(frame, m, EYE.pixels)
                eye_masks(points, m, eye, x[i, :, :, 3:])
                self._eyes.inputs["turn"][i] = turn(points, mirrored=i == 1)
            self._eyes.run()
            done += [(self._eyes.outputs["painted"][i], m, EYE) for i, m in enumerate(matrices)]
        for painted, m, spec in done:
            self._lay_over(frame, painted, m, spec)

    def _lay_over(self, frame: U8, painted: F32, matrix: F32, spec: CropSpec) -> None:
        h, w = frame.shape[:2]
        corners = to_picture(spec.pixels, matrix)
        x0, y0 = (max(0, int(np.floor(v))) for v in corners.min(0))
        x1, y1 = min(w, int(np.ceil(corners[:, 0].max())) + 1), min(h, int(np.ceil(corners[:, 1].max())) + 1)
        if x1 <= x0 or y1 <= y0:
            return
        bh, bw = y1 - y0, x1 - x0
        if self._patch.shape[0] < bh or self._patch.shape[1] < bw:
            side = int(1.25 * max(bh, bw))
            self._patch, self._soft = np.zeros((side, side, 4), np.float32), np.zeros((side, side, 3), np.float32)
        m = matrix.copy()
        m[:, 2] -= (x0, y0)
        patch, soft, part = self._patch[:bh, :bw], self._soft[:bh, :bw], frame[y0:y1, x0:x1]
        finer = float(np.hypot(m[0, 0], m[1, 0])) > 1.0
        cv2.warpAffine(painted, m, (bw, bh), dst=patch, flags=cv2.INTER_CUBIC if finer else cv2.INTER_LINEAR)
        np.clip(patch[:, :, 3], 0.0, 1.0, out=patch[:, :, 3])
        np.subtract(1.0, patch[:, :, 3], out=patch[:, :, 3])
        np.multiply(part, patch[:, :, 3:], out=soft)
        soft += patch[:, :, :3]
        np.clip(soft, 0.0, 255.0, out=soft)
        np.rint(soft, out=soft)
        part[...] = soft


def load_generator(source: SourceFace, device: str = "auto", threads: int = 2) -> Generator:
    """Open the generator for a prepared source; raises UserError when weights or runtimes are missing."""
    return Generator(source.image, source.points, device, threads)


def _visible(frame: U8, matrix: F32, spec: CropSpec) -> bool:
    corners = to_picture(spec.pixels, matrix)
    h, w = frame.shape[:2]
    return bool((corners.max(0) > 0).all() and corners[:, 0].min() < w - 1 and corners[:, 1].min() < h - 1)


__all__ = ["DATA", "Generator", "load_generator"]
