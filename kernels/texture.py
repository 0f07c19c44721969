"""`map_texture`: a picture and a mesh at two poses in, its sparse render at both poses out (Numba CPU backend)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from kernels import bands, coverage, cpu, flat, shade
from kernels.arrays import check, check_size, raise_bad_triangle
from kernels.workers import MANY_TRIANGLES, band_shift, first_bad, parallel_region, worth

Array = npt.NDArray[Any]
Mode = Literal["flat", "gouraud", "textured"]
MODES: tuple[Mode, ...] = ("flat", "gouraud", "textured")


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
        return _flat_pair(picture, source, target, corners, threads)
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
    return _colours_and_moved(image, vertices)[0]


def _colours_and_moved(image: Array, vertices: npt.NDArray[np.float64]) -> tuple[Array, npt.NDArray[np.float64]]:
    colours = np.empty((vertices.shape[0], 3), np.float64 if image.dtype == np.float64 else np.float32)
    onto = np.empty_like(vertices)
    flat.vertex_colours(image, vertices, colours, onto)
    return colours, onto


def render_flat(
    vertices: npt.NDArray[np.float64], colours: Array, triangles: npt.NDArray[np.int32], out: Array, *,
    threads: int | None = None,
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
    workers = worth(threads, height * width, count)
    shift = band_shift(height, width, 12, workers)
    kept, box = np.empty(count, np.int32), np.empty((count, 4), np.int32)
    three, bias = _rounding(colours, out)
    out.fill(0)
    if workers == 1 or count <= MANY_TRIANGLES:
        found, starts, listed = flat.list_bands(vertices, triangles, height, width, shift, kept, box)
    else:
        counts = np.empty(workers, np.int64)
        with parallel_region():
            flat.list_boxes(vertices, triangles, height, width, kept, box, counts)
        found = first_bad(counts)
        starts, listed = bands.bands_of(box, np.maximum(counts, 0), count, shift, height)
    if found < 0:
        raise_bad_triangle(triangles, found, vertices.shape[0])
    if workers == 1:
        flat.render_bands(vertices, triangles, colours, kept, box, starts, listed, shift, 0, 1, three, bias, out)
        return out
    with parallel_region():
        flat.render(vertices, triangles, colours, kept, box, starts, listed, shift, workers, three, bias, out)
    return out


def _flat_pair(
    picture: Array, source: npt.NDArray[np.float64], target: npt.NDArray[np.float64], triangles: npt.NDArray[np.int32],
    threads: int | None,
) -> tuple[Array, Array]:  # fmt: skip
    colours, onto = _colours_and_moved(picture, source)
    height, width, _ = picture.shape
    count = triangles.shape[0]
    out = np.zeros((2, height, width, 3), picture.dtype)
    if worth(threads, 2 * height * width, 2 * count) == 2:  # a pose for each thread needs no hand-over in between
        found = np.empty(2, np.int64)
        with parallel_region():
            flat.render_pair(
                onto, target, triangles, colours, band_shift(height, width, 12, 1), *_rounding(colours, out), found, out
            )
        if found[0] < 0:
            raise_bad_triangle(triangles, int(found[0]), source.shape[0])
    else:
        for vertices, render in zip((onto, target), out, strict=True):
            render_flat(vertices, colours, triangles, render, threads=threads)
    return out[0], out[1]


def _rounding(colours: Array, out: Array) -> tuple[Any, Any]:
    return colours.dtype.type(3), colours.dtype.type(0.5 if out.dtype == np.uint8 else 0.0)


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
    vertices = np.asarray(target, np.float32)
    if image.dtype == np.uint8 and min(height, width) > 1:
        return cpu.render_texture(vertices, source_xy, triangles, image, np.empty_like(image), threads=threads)
    map_ = cpu.render_map(vertices, source_xy, triangles, height, width, threads=threads)
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
    if value.dtype == np.int32:
        plain = np.ascontiguousarray(value)
        check("triangles", plain, (np.int32,), (None, 3))
        return plain  # the kernels look at every index themselves
    check("triangles", np.ascontiguousarray(value), (value.dtype.type,), (None, 3))
    # another integer type is looked at before it is cut to 32 bits
    if value.size and (value.min() < 0 or value.max() >= count):
        bad = ((value < 0) | (value >= count)).any(1)
        raise_bad_triangle(value, -1 - int(np.argmax(bad)), count)
    return np.ascontiguousarray(value, np.int32)
