"""The network that finishes the face: mouth interior and lids, painted into the warped picture in place.

For each part a crop that stands still on the skull is cut out of the warped frame, the network returns premultiplied
colour and cover, and both are laid over the frame at its own resolution: picture * (1 - cover) + colour. Where both are
0 the frame keeps its bytes. What depends on the photo alone is computed once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from kernels import paste
from kernels.sharpen import sharpen
from models.face import F32, U8, InnerLight
from models.generator_crop import (
    EYE,
    MOUTH,
    CropSpec,
    crop_matrix,
    cut,
    cut_into,
    eye_masks,
    face_axes,
    mouth_masks,
    opening_px,
    skin_around,
    to_crop,
    to_picture,
    turn,
)
from models.generator_rest import Rest
from models.inference import open_network
from models.inner_light import COLUMNS, ROWS, TEETH_PX
from models.morphable import EYES, INNER_LIPS, N_MESH, OUTER_LIPS
from models.relight import Relight
from models.source import SourceFace

DATA = Path(__file__).parent / "data"
_RESTS_PX = (0.3, 0.12, 0.12)  # of the crops, a hundredth of the inter-ocular distance: lips and lids so near rest
_OUTLINES = tuple(list(points) for points in ((*INNER_LIPS, *OUTER_LIPS), *(e.contour for e in EYES)))
MIN_IOD_PX = 12.0  # a smaller face has no mouth interior to speak of
SHARPEN_MOUTH, SHARPEN_EYES = 0.45, 0.48  # of the detail under the paint, added once more (docs/decisions/0409, 0410)


class Generator:
    """Finishes frames of one source face; used from one thread."""

    def __init__(self, source_rgb: U8, source_points: F32, device: str = "auto", threads: int = 2,
                 runtime: str = "auto", data: Path = DATA, precision: str = "auto",
                 clock: Callable[[], int] | None = None) -> None:  # fmt: skip
        """Open the networks and encode the photo.

        source_rgb (H, W, 3); source_points (478, 3) landmarks, px; the rest as `open_network`. Raises UserError
        without weights or runtime.
        """
        self._mouth = open_network(data / "generator_mouth.onnx", device, threads, runtime, precision, clock)
        self._eyes = open_network(data / "generator_eye.onnx", device, threads, runtime, precision, clock)
        self._crops = ((self._mouth, 0, SHARPEN_MOUTH), (self._eyes, 0, SHARPEN_EYES), (self._eyes, 1, SHARPEN_EYES))
        self._rests = [
            Rest(n.inputs["picture"][i], n.outputs["painted"][i], px)
            for (n, i, _), px in zip(self._crops, _RESTS_PX, strict=True)
        ]
        self._lights = (Relight(mouth=True), *(Relight(mouth=False) for _ in EYES))
        self._options = (device, threads, runtime)
        self._data = data
        self.set_source(source_rgb, source_points)
        self._warm_up(source_points)

    @property
    def report(self) -> dict[str, Any]:
        """Say what was asked for and what runs, for reports."""
        return asdict(self._mouth.choice)

    @property
    def stamp(self) -> str:
        """Name the weights by their content."""
        files = sorted(self._data.glob("generator_*.onnx"))
        return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()[:16]

    def set_source(self, source_rgb: U8, source_points: F32) -> None:
        """Encode another photo: source_rgb (H, W, 3), source_points (478, 3) px."""
        crops = (("mouth", MOUTH, [crop_matrix(source_points, MOUTH)], self._mouth),
                 ("eye", EYE, [crop_matrix(source_points, EYE, e) for e in EYES], self._eyes))  # fmt: skip
        for name, spec, matrices, network in crops:
            branch = open_network(self._data / f"generator_{name}_source.onnx", *self._options, "f32")
            for i, m in enumerate(matrices):
                branch.inputs["source"][i] = cut(source_rgb, m, spec.pixels)
            branch.run()
            for feature in ("fine", "code"):
                network.inputs[feature][...] = branch.outputs[feature]
        for rest in self._rests:
            rest.rest_on(None, None)
        m = crop_matrix(source_points, MOUTH)
        teeth = opening_px(mouth_masks(source_points, m)) >= TEETH_PX
        self._lights[0].colour(skin_around(cut(source_rgb, m, MOUTH.pixels), source_points, m), teeth=teeth)
        self.forget()

    def rest_on(self, frame: U8, target: F32) -> None:
        """Take a warped frame, as `paint` does, for the photo at rest: what looks like it needs no paint."""
        self.forget()
        self.paint(frame.copy(), target)
        if not np.isfinite(target[:N_MESH]).all():
            return
        matrices = (crop_matrix(target, MOUTH), *(crop_matrix(target, EYE, e) for e in EYES))
        for (network, i, _), rest, m, ids in zip(self._crops, self._rests, matrices, _OUTLINES, strict=True):
            rest.rest_on(network.inputs["picture"][i], to_crop(target[ids], m))
        self.forget()

    def forget(self) -> None:
        """Forget the frames painted before: the next one stands for itself."""
        for rest, light in zip(self._rests, self._lights, strict=True):
            rest.forget()
            light.forget()

    def _warm_up(self, points: F32) -> None:
        """Run everything once, on a face that is sure to be visible."""
        small = (points * (40 / max(1.0, face_axes(points)[1]))).astype(np.float32)
        small[:, :2] += 32 - small[:, :2].mean(0)
        self.paint(np.zeros((64, 64, 3), np.uint8), small)
        for (network, i, _), light in zip(self._crops, self._lights, strict=True):  # that face's mouth may be shut
            picture = network.inputs["picture"][i]
            picture[20:40, 20:40, 3:] = 255
            light.apply(picture, network.outputs["painted"][i], np.ones((ROWS, COLUMNS), np.float32), 1.0)
        self.forget()

    def paint(self, frame: U8, target: F32, light: InnerLight | None = None) -> None:
        """Finish a warped frame in place.

        frame (H, W, 3) uint8; target (468 or more, 3) float32 vertices of the face in it, px, larger z nearer;
        light of the source's openings as the driver shows them, None where that is not known. A face that is too small
        or not finite is left as it is; parts beyond the picture's border are not painted.
        """
        points = target[:N_MESH]
        if not np.isfinite(points).all() or face_axes(points)[1] < MIN_IOD_PX:
            return
        # All is cut before anything is laid over: the crops overlap where a face is turned.
        mouth = crop_matrix(points, MOUTH)
        eyes = [crop_matrix(points, EYE, e) for e in EYES]
        seen = [_visible(frame, m, spec) for m, spec in ((mouth, MOUTH), (eyes[0], EYE), (eyes[1], EYE))]
        if seen[0]:
            x = self._mouth.inputs["picture"][0]
            cut_into(frame, mouth, x)
            mouth_masks(points, mouth, x[:, :, 3:])
            self._mouth.inputs["turn"][0] = turn(points)
            self._mouth.run()
        if seen[1] or seen[2]:
            for i, (eye, m) in enumerate(zip(EYES, eyes, strict=True)):
                x = self._eyes.inputs["picture"][i]
                cut_into(frame, m, x)
                eye_masks(points, m, eye, x[:, :, 3:])
                self._eyes.inputs["turn"][i] = turn(points, mirrored=i == 1)
            self._eyes.run()
        for part, ((network, i, strength), m, rest, visible, ids) in enumerate(
            zip(self._crops, (mouth, *eyes), self._rests, seen, _OUTLINES, strict=True)
        ):
            if visible:
                picture, new = network.inputs["picture"][i], network.outputs["painted"][i]
                share, known = (None, 0.0) if light is None else (light.share[part], float(light.known[part]))
                self._lights[part].apply(picture, new, share, known)
                painted = rest.settle(picture, new, to_crop(points[ids], m))
                if painted is None:
                    continue
                affine = m.astype(np.float64)
                paste.lay_over(frame, painted, affine)
                sharpen(frame, painted, affine, strength)
            else:
                rest.forget()


def load_generator(source: SourceFace, device: str = "auto", threads: int = 2) -> Generator:
    """Open the generator for a prepared source; raises UserError when weights or runtimes are missing."""
    return Generator(source.image, source.points, device, threads)


def _visible(frame: U8, matrix: F32, spec: CropSpec) -> bool:
    corners = to_picture(spec.pixels, matrix)
    h, w = frame.shape[:2]
    return bool((corners.max(0) > 0).all() and corners[:, 0].min() < w - 1 and corners[:, 1].min() < h - 1)


__all__ = ["DATA", "Generator", "load_generator"]
