"""`map_texture`: a picture and a mesh at two poses in, its sparse render at both poses out (Numba CPU backend)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kernels import coverage, cpu, flat, shade
from kernels.arrays import check, check_size
from kernels.workers import band_rows, parallel_region, worker_count

Array = npt.NDArray[Any]
Mode = Literal["flat", "gouraud", "textured"]
MODES: tuple[Mode, ...] = ("flat", "gouraud", "textured")

_MANY_TRIANGLES = 8192  # above this, listing the visible triangles is worth a parallel pass of its own


@dataclass(frozen=True, eq=False)
class FlatScratch:
    """Buffers of one flat render, to be reused from frame to frame."""

    triangle: npt.NDArray[np.int32]  # (H, W)
    depth: npt.NDArray[np.float64]  # (H, W)
    kept: npt.NDArray[np.int32]  # (T,)
    box: npt.NDArray[np.int32]  # (T, 4)

    @staticmethod
    def empty(height: int, width: int, count: int) -> FlatScratch:
        """Return scratch for pictures of this size and meshes of `count` triangles."""
        return FlatScratch(
            np.empty((height, width), np.int32), np.empty((height, width)), np.empty(count, np.int32),
            np.empty((count, 4), np.int32),
        )  # fmt: skip


def map_texture(
    image: Array, source_vertices: Array, target_vertices: Array, triangles: Array, mode: Mode = "flat", *,
    threads: int | None = None,
) -> tuple[Array, Array]:  # fmt: skip
    """Take vertex colours from the picture and draw the mesh in them at the source pose and at the target pose.

    image (H, W, 3) uint8, float32 or float64; source_vertices, target_vertices (N, 3) px in image coordinates, larger
    z nearer; triangles (T, 3) integers. Returns (source_render, target_render), (H, W, 3) of the image's dtype, 0 where
    nothing is drawn; uint8 is rounded. `flat` is the published algorithm decision for decision, which also moves source
    vertices that lie outside the picture onto its border before it draws them; `gouraud` interpolates vertex colours;
    `textured` resamples the picture, bilinearly. Raises TypeError or ValueError, naming the array.
    Source: X. Tu et al., Image-to-Video Generation via 3D Facial Dynamics (triD_downSmp_zyt.py of its repository).
    """
    check("image", np.ascontiguousarray(image) if isinstance(image, np.ndarray) else image,
          (np.uint8, np.float32, np.float64), (None, None, 3))  # fmt: skip
    height, width = image.shape[:2]
    check_size(height, width)
    picture = np.ascontiguousarray(image)
    source = _vertices("source_vertices", source_vertices, None)
    target = _vertices("target_vertices", target_vertices, source.shape[0])
    corners = _triangles(triangles, source.shape[0])
    if mode == "flat":
        colours = vertex_colours(picture, source)
        onto = source.copy()  # the published program clips the vertices themselves when it reads their colours
        np.clip(source[:, 0], 0, width - 1, out=onto[:, 0])
        np.clip(source[:, 1], 0, height - 1, out=onto[:, 1])
        renders = [np.empty_like(picture) for _ in range(2)]
        scratch = FlatScratch.empty(height, width, corners.shape[0])
        for vertices, out in zip((onto, target), renders, strict=True):
            render_flat(vertices, colours, corners, out, scratch=scratch, threads=threads)
        return renders[0], renders[1]
    if mode == "gouraud":
        colours = vertex_colours(picture, source).astype(np.float32)
        return (
            render_gouraud(source.astype(np.float32), colours, corners, np.empty_like(picture), threads=threads),
            render_gouraud(target.astype(np.float32), colours, corners, np.empty_like(picture), threads=threads),
        )
    if mode == "textured":
        return (
            _textured(picture, source, source, corners, threads),
            _textured(picture, source, target, corners, threads),
        )
    raise ValueError(f"mode: expected one of {', '.join(MODES)}, got {mode!r}")


def vertex_colours(image: Array, vertices: npt.NDArray[np.float64]) -> Array:
    """Return the colour of the pixel nearest each vertex: halves to the even pixel, clipped to the picture.

    image (H, W, 3) uint8, float32 or float64; vertices (N, 3) float64 px; returns (N, 3) float64 for a float64 image,
    float32 otherwise; 0 where a vertex is not finite.
    """
    colours = np.empty((vertices.shape[0], 3), np.float64 if image.dtype == np.float64 else np.float32)
    flat.vertex_colours(image, vertices, colours)
    return colours


def render_flat(
    vertices: npt.NDArray[np.float64], colours: Array, triangles: npt.NDArray[np.int32], out: Array, *,
    scratch: FlatScratch | None = None, threads: int | None = None,
) -> Array:  # fmt: skip
    """Draw each triangle in the mean of its vertex colours at the mean of its depths, background 0.

    vertices (N, 3) float64 px; colours (N, 3) float32 or float64; triangles (T, 3) int32; out (H, W, 3) uint8, float32
    or float64, returned. Strictly larger depth wins, and only above -999,999. Raises TypeError or ValueError.
    """
    check("vertices", vertices, (np.float64,), (None, 3))
    check("colours", colours, (np.float32, np.float64), (vertices.shape[0], 3))
    check("triangles", triangles, (np.int32,), (None, 3))
    check("out", out, (np.uint8, np.float32, np.float64), (None, None, 3))
    height, width = out.shape[:2]
    count = triangles.shape[0]
    held = FlatScratch.empty(height, width, count) if scratch is None else scratch
    check("scratch.triangle", held.triangle, (np.int32,), (height, width))
    check("scratch.kept", held.kept, (np.int32,), (count,))
    workers = worker_count(threads)
    runs = workers if count > _MANY_TRIANGLES else 1
    counts, unions = np.zeros(runs, np.int64), np.empty((runs, 4), np.int64)
    if runs == 1:
        counts[0] = flat.boxes(vertices, triangles, height, width, 0, count, held.kept, held.box, unions[0])
    else:
        with parallel_region():
            flat.list_boxes(vertices, triangles, height, width, held.kept, held.box, counts, unions)
    if counts.min() < 0:
        _bad_triangle(triangles, int(-1 - counts[counts < 0].max()), vertices.shape[0])
    around = unions[0]
    if runs > 1:
        around = np.concatenate([unions[:, :2].min(0), unions[:, 2:].max(0)])
    three, bias = colours.dtype.type(3), colours.dtype.type(0.5 if out.dtype == np.uint8 else 0.0)
    out.fill(0)
    with parallel_region():
        flat.render(vertices, triangles, colours, held.kept, held.box, counts, around, workers,
                    band_rows(height, count, workers), three, bias,
                    held.triangle, held.depth, out)  # fmt: skip
    return out


def render_gouraud(
    vertices: npt.NDArray[np.float32], colours: npt.NDArray[np.float32], triangles: npt.NDArray[np.int32], out: Array,
    *, threads: int | None = None,
) -> Array:  # fmt: skip
    """Draw the mesh with vertex colours interpolated affinely, background 0.

    vertices (N, 3) float32 px; colours (N, 3) float32; triangles (T, 3) int32; out (H, W, 3), returned; uint8 is
    rounded. Coverage and depth as in `cpu.render_map`. Raises TypeError or ValueError, naming the array.
    """
    check("colours", colours, (np.float32,), (vertices.shape[0], 3))
    check("out", out, (np.uint8, np.float32, np.float64), (None, None, 3))
    height, width = out.shape[:2]
    found = cpu.render_map(vertices, np.ascontiguousarray(vertices[:, :2]), triangles, height, width, threads=threads)
    snapped = np.empty((vertices.shape[0], 2), np.int64)
    coverage.snap(vertices, snapped)
    bias = np.float32(0.5 if out.dtype == np.uint8 else 0.0)
    shade.gouraud(colours, triangles, snapped, found.triangle, 0, height, bias, out)
    return out


def _textured(image: Array, source: Array, target: Array, triangles: Array, threads: int | None) -> Array:
    height, width = image.shape[:2]
    source_xy = np.ascontiguousarray(source[:, :2], np.float32)
    map_ = cpu.render_map(np.asarray(target, np.float32), source_xy, triangles, height, width, threads=threads)
    picture = np.asarray(image, np.float32) if image.dtype == np.float64 else image
    return np.asarray(cpu.resample(picture, map_, np.empty_like(picture), threads=threads), image.dtype)


def _vertices(name: str, value: Any, count: int | None) -> npt.NDArray[np.float64]:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        got = f"{value.dtype.name} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
        raise TypeError(f"{name}: expected a real NumPy array (N, 3), got {got}")
    # asarray first: a subclass or a strided view becomes a plain contiguous array here, once
    plain = np.ascontiguousarray(value, np.float64)
    check(name, plain, (np.float64,), (count, 3))
    return plain


def _triangles(value: Any, count: int) -> npt.NDArray[np.int32]:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iu":
        got = f"{value.dtype.name} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
        raise TypeError(f"triangles: expected an integer NumPy array (T, 3), got {got}")
    check("triangles", np.ascontiguousarray(value), (value.dtype.type,), (None, 3))
    if value.size and (value.min() < 0 or value.max() >= count):
        bad = ((value < 0) | (value >= count)).any(1)
        _bad_triangle(value, int(np.argmax(bad)), count)
    return np.ascontiguousarray(value, np.int32)


def _bad_triangle(triangles: Array, index: int, count: int) -> None:
    raise ValueError(f"triangles[{index}]: {triangles[index].tolist()} names a vertex outside 0..{count - 1}")
