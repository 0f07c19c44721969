"""The paper's own generator: the flat sparse render of the face at two poses goes in, a finished face crop comes out.

A square stands still around the photo's face. The network sees it at 128 x 128: the photo, the sparse render at the
photo's pose, the sparse render at the target's; it answers with premultiplied colour and mask, so that the finished
crop is photo * (1 - mask) + colour. That is laid over the photo at the photo's own resolution; outside the square the
photo stands still, as in the paper. The photo's part of the network runs once a photo. The engine is made for `live`
(`models/generator.py`); this is what it is compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from kernels import map_texture, paste
from kernels.texture import render_flat, vertex_colours
from models.face import F32, F64, U8, InnerLight
from models.generator_crop import cut, face_axes
from models.inference import open_network
from models.morphable import N_MESH, load_morphable

DATA = Path(__file__).parent / "data"
PIXELS = 128  # of the network's pictures
SIDE_IOD = 3.2  # side of the square in the photo, inter-ocular distances: the head, its hair and room to turn
RAISED_IOD = 0.2  # from the middle of the face mesh up to the square's centre, for the hair
_RIM = 0.10  # share of the square's side over which the network's mask fades out towards its border
MIN_IOD_PX = 12.0


class Published:
    """Makes frames of one source face by the paper's network; used from one thread."""

    whole = True  # it needs no warped frame

    def __init__(self, source_rgb: U8, source_points: F32, device: str = "auto", threads: int = 2,
                 runtime: str = "auto", data: Path = DATA, precision: str = "auto",
                 clock: Callable[[], int] | None = None) -> None:  # fmt: skip
        """Open the network and encode the photo.

        source_rgb (H, W, 3); source_points (478, 3) landmarks, px, z smaller nearer; the rest as `open_network`.
        Raises UserError without weights or runtime.
        """
        self._net = open_network(data / "published.onnx", device, threads, runtime, precision, clock)
        self._source = open_network(data / "published_source.onnx", device, threads, runtime, "f32")
        self._triangles = load_morphable().triangles
        self._vertices = np.empty((N_MESH, 3))
        self.set_source(source_rgb, source_points)
        self.paint(source_rgb.copy(), self._rest)  # the kernels are compiled now

    @property
    def report(self) -> dict[str, Any]:
        """Say what was asked for and what runs, for reports."""
        return asdict(self._net.choice)

    def set_source(self, source_rgb: U8, source_points: F32) -> None:
        """Encode another photo: source_rgb (H, W, 3), kept; source_points (478, 3) px, z smaller nearer."""
        self._rest = np.asarray(source_points[:N_MESH] * np.array([1, 1, -1], np.float32), np.float32)
        self._matrix = square(source_points)
        self._paste = self._matrix.astype(np.float64)
        crop = cut(source_rgb, self._matrix, PIXELS)
        vertices = to_square(self._rest, self._matrix)
        self._colours = vertex_colours(crop, vertices)
        self._source.inputs["image"][0] = crop
        self._source.inputs["render"][0] = map_texture(crop, vertices, vertices, self._triangles, "flat")[0]
        self._source.run()
        for name, array in self._net.inputs.items():
            if name != "render":
                array[...] = self._source.outputs[name]
        self._photo = source_rgb

    def forget(self) -> None:
        """Nothing was kept."""

    def paint(self, frame: U8, target: F32, light: InnerLight | None = None) -> None:
        """Fill a frame, whatever is in it, with the photo and the network's face in its square.

        frame (H, W, 3) uint8 of the photo's size; target (468 or more, 3) float32 vertices of the face in it, px,
        larger z nearer. For a face that is too small or not finite it is the photo alone. `light` is for the
        other generator: this network paints every mouth alike.
        """
        del light
        np.copyto(frame, self._photo)
        points = target[:N_MESH]
        if not np.isfinite(points).all() or face_axes(points)[1] < MIN_IOD_PX:
            return
        to_square(points, self._matrix, self._vertices)
        render_flat(self._vertices, self._colours, self._triangles, self._net.inputs["render"][0], threads=1)
        self._net.run()
        paste.lay_over(frame, self._net.outputs["painted"][0], self._paste)


def square(points: F32) -> F32:
    """Upright square around a face, (2, 3): from its 128 x 128 px to picture px; points (468+, 3) px of the photo."""
    _, iod = face_axes(points)
    middle = (points[:N_MESH, :2].min(0) + points[:N_MESH, :2].max(0)) / 2
    k = np.float32(SIDE_IOD * iod / PIXELS)
    matrix = np.array([[k, 0, 0], [0, k, 0]], np.float32)
    matrix[:, 2] = middle - (0, RAISED_IOD * iod) - k * (PIXELS - 1) / 2
    return matrix


def to_square(points: F32, matrix: F32, out: F64 | None = None) -> F64:
    """Vertices (468, 3) px of the picture, z included, to px of the square."""
    vertices = np.empty((len(points), 3)) if out is None else out
    np.subtract(points, np.append(matrix[:, 2], 0), out=vertices)
    vertices /= matrix[0, 0]
    return vertices


def fade(distance: F32, pixels: float) -> F32:
    """Weight 0..1 of px at a distance from the middle of a square of `pixels`: 1 inside, 0 on its border, smooth."""
    t = np.clip((pixels / 2 - 1.5 * pixels / PIXELS - distance) / (_RIM * pixels), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


__all__ = ["DATA", "Published", "fade", "square", "to_square"]
