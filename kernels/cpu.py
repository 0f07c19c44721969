"""The Numba CPU backend: backward maps, sampling and compositing on the caller's thread count.

Pixel centres lie at integer coordinates, y points down and a larger z is nearer the viewer. Arrays must have the stated
dtype and be C-contiguous: a silent copy in every frame would be a hidden cost. Every function may be called from
several threads at once, on different outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kernels import bands, coverage, fused, mapping, raster, sampling, shade
from kernels.arrays import (
    check,
    check_map,
    check_picture,
    check_size,
    check_texture,
    check_writable,
    raise_bad_triangle,
)
from kernels.workers import MANY_TRIANGLES, band_shift, first_bad, parallel_region, worth

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]
Winding = Literal["both", "clockwise", "counterclockwise"]
_NO_DEPTH = np.empty((0, 0), np.float32)
_FACING: dict[str, int] = {"both": 0, "clockwise": 1, "counterclockwise": -1}


@dataclass(frozen=True, eq=False)
class BackwardMap:
    """For each output pixel, where in the source picture its colour comes from."""

    xy: F32  # (H, W, 2) source column and row, px, pixel centres at integers; 0 where not covered
    triangle: I32  # (H, W) index of the visible triangle, -1 where not covered
    depth: F32  # (H, W) larger is nearer; -inf where not covered

    @staticmethod
    def empty(height: int, width: int) -> BackwardMap:
        """Return a map to be handed to `render_map(out=...)`, its contents undefined."""
        check_size(height, width)
        return BackwardMap(
            np.empty((height, width, 2), np.float32),
            np.empty((height, width), np.int32),
            np.empty((height, width), np.float32),
        )


def render_map(
    target_vertices: F32, source_xy: F32, triangles: I32, height: int, width: int, *, out: BackwardMap | None = None,
    threads: int | None = None, winding: Winding = "both",
) -> BackwardMap:  # fmt: skip
    """Rasterise the mesh at its target pose into source positions, triangle ids and depth.

    target_vertices (N, 3) float32 px, larger z nearer; source_xy (N, 2) float32 px; triangles (T, 3) int32.
    Interpolation is affine, which is exact here because the camera is weak-perspective. Top-left fill rule on vertices
    snapped to 1/4096 px; strictly larger z wins, so the earlier triangle keeps a tie. Triangles with a NaN, infinite or
    farther than 131,072 px vertex and triangles without area are not drawn. `winding` draws only the triangles that
    run that way round on the screen; `threads` None takes the cores that repay their start. `out` is reused, returned.
    Raises TypeError or ValueError, naming the array.
    """
    check_size(height, width)
    check("target_vertices", target_vertices, (np.float32,), (None, 3))
    check("source_xy", source_xy, (np.float32,), (target_vertices.shape[0], 2))
    check("triangles", triangles, (np.int32,), (None, 3))
    target = BackwardMap.empty(height, width) if out is None else out
    check_map(target, height, width, "out", writable=True)
    workers = worth(threads, height * width, triangles.shape[0])
    mesh = prepare(target_vertices, source_xy, triangles, height, width, winding, workers)
    _run(mapping.draw_bands, mapping.draw, mesh, workers, target.xy, target.triangle, target.depth)
    return target


def composite(person: F32, plate: U8, map_: BackwardMap, out: U8, *, threads: int | None = None) -> U8:
    """Sample the person through the map and lay it over the plate: round(clip(rgb + (1 - alpha) * plate)).

    person (Hs, Ws, 4) float32: colour 0..255 already multiplied by alpha (small negative values are allowed), then
    alpha 0..1; plate and out (H, W, 3) uint8, which may be the same array; returns `out`. Bilinear, edge pixels
    repeated, halves round up; where the map is not covered the plate is copied. Under strong minification bilinear
    sampling aliases, which is accepted. Raises TypeError or ValueError, naming the array.
    """
    check("person", person, (np.float32,), (None, None, 4))
    check("plate", plate, (np.uint8,), (None, None, 3))
    height, width = plate.shape[:2]
    check_map(map_, height, width, "map_")
    check_picture(person.shape)
    check("out", out, (np.uint8,), (height, width, 3))
    check_writable("out", out)
    workers = worth(threads, height * width, 0)
    if out is not plate:
        np.copyto(out, plate)
    if workers == 1:
        sampling.compose_band(person, plate, map_.xy, map_.triangle, out)
        return out
    with parallel_region():
        sampling.compose(person, plate, map_.xy, map_.triangle, workers, out)
    return out


def render_composite(
    target_vertices: F32, source_xy: F32, triangles: I32, person: F32, plate: U8, out: U8, *,
    depth: F32 | None = None, threads: int | None = None, winding: Winding = "both",
) -> U8:  # fmt: skip
    """Rasterise the mesh and compose the person over the plate in one pass, with no map in memory.

    Arguments as for `render_map` and `composite`, whose result it equals but for the rounding of a position to
    float32; returns `out`. `depth` (H, W) float32, when given, receives the map's. Raises TypeError or ValueError,
    naming the array.
    """
    check("target_vertices", target_vertices, (np.float32,), (None, 3))
    check("source_xy", source_xy, (np.float32,), (target_vertices.shape[0], 2))
    check("triangles", triangles, (np.int32,), (None, 3))
    check("person", person, (np.float32,), (None, None, 4))
    check_picture(person.shape)
    check("plate", plate, (np.uint8,), (None, None, 3))
    height, width = plate.shape[:2]
    check_size(height, width)
    check("out", out, (np.uint8,), (height, width, 3))
    check_writable("out", out)
    if depth is not None:
        check("depth", depth, (np.float32,), (height, width))
        check_writable("depth", depth)
    workers = worth(threads, height * width, triangles.shape[0])
    mesh = prepare(target_vertices, source_xy, triangles, height, width, winding, workers)
    if out is not plate:
        np.copyto(out, plate)
    kept = _NO_DEPTH if depth is None else depth
    _run(fused.compose_bands, fused.compose, mesh, workers, person, plate, out, kept)
    return out


def render_texture(
    target_vertices: F32, source_xy: F32, triangles: I32, image: U8, out: U8, *, threads: int | None = None,
    winding: Winding = "both",
) -> U8:  # fmt: skip
    """Rasterise the mesh and sample the picture through it in one pass, bilinearly; 0 where nothing is drawn.

    image (Hs, Ws, 3) uint8 of two by two pixels or more; out (H, W, 3) uint8, returned; the others as for `render_map`.
    Edge pixels are repeated, halves rounded up. Raises TypeError or ValueError, naming the array.
    """
    check("target_vertices", target_vertices, (np.float32,), (None, 3))
    check("source_xy", source_xy, (np.float32,), (target_vertices.shape[0], 2))
    check("triangles", triangles, (np.int32,), (None, 3))
    check_texture(image)
    check("out", out, (np.uint8,), (None, None, 3))
    check_writable("out", out)
    height, width = out.shape[:2]
    check_size(height, width)
    workers = worth(threads, height * width, triangles.shape[0])
    mesh = prepare(target_vertices, source_xy, triangles, height, width, winding, workers)
    out.fill(0)
    _run(fused.sample_bands, fused.sampled, mesh, workers, image, out)
    return out


def render_tensor(
    target_vertices: F32, source_xy: F32, triangles: I32, image: U8, out: npt.NDArray[Any], *, scale: float = 1.0,
    offset: float = 0.0, threads: int | None = None, winding: Winding = "both",
) -> npt.NDArray[Any]:  # fmt: skip
    """Rasterise and sample straight into a network's planes: out[0, c, y, x] = sample * scale + offset.

    out (1, 3, H, W) float32, float16 or uint8 (clipped, rounded), returned; where nothing is drawn the sample is 0;
    the others as for `render_texture`. Raises TypeError or ValueError, naming the array.
    """
    check("target_vertices", target_vertices, (np.float32,), (None, 3))
    check("source_xy", source_xy, (np.float32,), (target_vertices.shape[0], 2))
    check("triangles", triangles, (np.int32,), (None, 3))
    check_texture(image)
    check("out", out, (np.float32, np.float16, np.uint8), (1, 3, None, None))
    check_writable("out", out)
    height, width = out.shape[2:]
    check_size(height, width)
    workers = worth(threads, height * width, triangles.shape[0])
    mesh = prepare(target_vertices, source_xy, triangles, height, width, winding, workers)
    half = out.dtype == np.float16
    out.fill(np.clip(np.floor(offset + 0.5), 0, 255) if out.dtype == np.uint8 else offset)
    planes = (out.view(np.uint16) if half else out)[0]
    _run(fused.tensor_bands, fused.tensor, mesh, workers, image, np.float32(scale), np.float32(offset), half, planes)
    return out


def resample(
    image: npt.NDArray[Any], map_: BackwardMap, out: npt.NDArray[Any], *, threads: int | None = None
) -> npt.NDArray[Any]:
    """Sample a picture through the map, bilinearly; 0 where the map is not covered.

    image (Hs, Ws, C) uint8 or float32; out (H, W, C) of the same dtype, returned. Edge pixels are repeated; bytes are
    rounded, halves up. Raises TypeError or ValueError, naming the array.
    """
    check("image", image, (np.uint8, np.float32), (None, None, None))
    check_picture(image.shape)
    height, width = map_.triangle.shape
    check_map(map_, height, width, "map_")
    check("out", out, (image.dtype.type,), (height, width, image.shape[2]))
    check_writable("out", out)
    workers = worth(threads, height * width, 0)
    if workers == 1:
        sampling.resample_band(image, map_.xy, map_.triangle, out)
        return out
    with parallel_region():
        sampling.resample(image, map_.xy, map_.triangle, workers, out)
    return out


def warm_up() -> None:
    """Compile, or load from Numba's cache, the kernel of a live frame: `render_composite` with its depth.

    The others compile at their first call: a cold start must not wait for what no frame needs.
    """
    vertices = np.array([[0, 0, 0], [3, 0, 0], [0, 3, 0]], np.float32)
    source_xy = np.ascontiguousarray(vertices[:, :2])
    plate, depth = np.zeros((4, 4, 3), np.uint8), np.empty((4, 4), np.float32)
    render_composite(vertices, source_xy, np.array([[0, 1, 2]], np.int32), np.zeros((4, 4, 4), np.float32), plate,
                     np.empty_like(plate), depth=depth)  # fmt: skip


def prepare(
    vertices: F32, source_xy: F32, triangles: I32, height: int, width: int, winding: Winding, workers: int
) -> Any:
    """Snap, list and sort a mesh into bands: the first nine arguments of every band kernel.

    Raises ValueError when a triangle names a vertex that does not exist, or for an unknown winding.
    """
    if winding not in _FACING:
        raise ValueError(f"winding: expected one of {', '.join(_FACING)}, got {winding!r}")
    facing, count = _FACING[winding], triangles.shape[0]
    shift = band_shift(height, width, 8, workers)
    snapped = np.empty((vertices.shape[0], 2), np.int64)
    kept, box = np.empty(count, np.int32), np.empty((count, 4), np.int32)
    coverage.snap(vertices, snapped)
    if workers == 1 or count <= MANY_TRIANGLES:
        found, starts, listed = raster.list_bands(snapped, triangles, facing, height, width, shift, kept, box)
    else:
        counts = np.empty(workers, np.int64)
        with parallel_region():
            raster.list_boxes(snapped, triangles, facing, height, width, kept, box, counts)
        found = first_bad(counts)
        starts, listed = bands.bands_of(box, np.maximum(counts, 0), count, shift, height)
    if found < 0:
        raise_bad_triangle(triangles, found, vertices.shape[0])
    return vertices, source_xy, triangles, snapped, kept, box, starts, listed, shift


def _run(one: Any, several: Any, mesh: Any, workers: int, *rest: Any) -> None:
    # a single worker is called directly: starting threads costs as much as a tenth of a small picture
    if workers == 1:
        one(*mesh, 0, 1, *rest)
        return
    with parallel_region():
        several(*mesh, workers, *rest)


def source_visibility(map_: BackwardMap, source_vertices: F32, triangles: I32, source_depth: F32) -> U8:
    """Return 1 for each covered pixel whose source texel the photo really shows, 0 for hidden and uncovered ones.

    source_vertices (N, 3) float32 px; triangles (T, 3) int32 as drawn; source_depth (Hs, Ws) float32, the depth of
    `render_map` at the source pose; returns (H, W) uint8. Shadow-map test at the nearest source pixel, biased by one
    pixel of the triangle's slope plus 1/64 px. Raises TypeError or ValueError, naming the array.
    """
    height, width = map_.triangle.shape
    check_map(map_, height, width, "map_")
    check("source_vertices", source_vertices, (np.float32,), (None, 3))
    check("triangles", triangles, (np.int32,), (None, 3))
    check("source_depth", source_depth, (np.float32,), (None, None))
    out = np.empty((height, width), np.uint8)
    shade.visible(source_vertices, triangles, source_depth, map_.xy, map_.triangle, out)
    return out


def crop_tensor(
    image: npt.NDArray[Any], affine: npt.NDArray[np.float64], out: npt.NDArray[Any], *, scale: float = 1.0,
    offset: float = 0.0,
) -> npt.NDArray[Any]:  # fmt: skip
    """Crop at an affine straight into a network's planes: out[0, c, y, x] = sample * scale + offset.

    image (Hs, Ws, C) uint8 or float32; affine (2, 3) float64 takes output (x, y, 1) to source (column, row), px, pixel
    centres at integers; out (1, C, H, W) float32, float16 or uint8 (clipped, rounded), returned. Bilinear, edge pixels
    repeated; a minifying affine aliases. Raises TypeError or ValueError, naming the array.
    """
    check("image", image, (np.uint8, np.float32), (None, None, None))
    check_picture(image.shape)
    check("affine", affine, (np.float64,), (2, 3))
    check("out", out, (np.float32, np.float16, np.uint8), (1, image.shape[2], None, None))
    check_writable("out", out)
    half = out.dtype == np.float16
    planes = (out.view(np.uint16) if half else out)[0]
    shade.tensor_from_affine(image, affine, np.float32(scale), np.float32(offset), half, planes)
    return out
