"""The CUDA backend through CuPy: arrays go in and stay on the device. Compiled and emulated, not run on a GPU.

A result is an ordinary CuPy array: ONNX Runtime binds its pointer (`io_binding`), anything else takes it by DLPack.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

SOURCE = Path(__file__).with_name("map_texture.cu")
OPTIONS = ("-std=c++14", "-fmad=false")  # a fused multiply-add would round otherwise than the specification
THREADS_PER_TRIANGLE = 64
THREADS_PER_BLOCK = 256
NOBODY = 0x7FFFFFFF
FAR_KEY = 0  # below the key of every finite depth
KINDS: dict[str, int] = {"float32": 0, "float16": 1, "uint8": 2}


class CudaUnavailableError(RuntimeError):
    """CUDA was asked for and is not here; the message ends with what to do."""


def load_cupy() -> Any:
    """Return CuPy with a usable device, or raise `CudaUnavailableError`."""
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise CudaUnavailableError("CUDA needs CuPy: pip install cupy-cuda12x (or use --device cpu)") from error
    try:
        count = int(cupy.cuda.runtime.getDeviceCount())
    except Exception as error:
        raise CudaUnavailableError(f"CuPy finds no usable CUDA driver ({error}); use --device cpu") from error
    if count < 1:
        raise CudaUnavailableError("CuPy finds no CUDA device; use --device cpu")
    return cupy


class Mapper:
    """Every kernel of `map_texture.cu`, compiled once for the current device."""

    def __init__(self, cupy: Any | None = None) -> None:
        self._cupy = load_cupy() if cupy is None else cupy
        self._module = self._cupy.RawModule(code=SOURCE.read_text(), options=OPTIONS)
        names = ("flat_draw", "flat_paint", "map_draw", "map_write", "compose", "crop_tensor")
        self._kernels: dict[str, Any] = {name: self._module.get_function(name) for name in names}

    def render_flat(self, vertices: Any, colours: Any, triangles: Any, out: Any, *, stream: Any = None) -> Any:
        """Draw the published flat render: vertices (N, 3) float64, colours (N, 3) float32, out (H, W, 3) float32.

        triangles (T, 3) int32, indices within N (not checked on the device). Raises TypeError or ValueError.
        """
        self._check("vertices", vertices, "float64", (None, 3))
        self._check("colours", colours, "float32", (vertices.shape[0], 3))
        self._check("triangles", triangles, "int32", (None, 3))
        self._check("out", out, "float32", (None, None, 3))
        height, width = out.shape[:2]
        depth, triangle = self._buffers(height, width, stream)
        for step in (0, 1):
            self._per_triangle("flat_draw", triangles, stream, vertices, triangles, np.int32(triangles.shape[0]),
                               np.int32(height), np.int32(width), np.int32(step), depth, triangle)  # fmt: skip
        self._per_pixel(
            "flat_paint", height * width, stream, colours, triangles, triangle, np.int32(height * width), out
        )
        return out

    def render_map(
        self, vertices: Any, source_xy: Any, triangles: Any, height: int, width: int, *, facing: int = 0,
        stream: Any = None,
    ) -> tuple[Any, Any, Any]:  # fmt: skip
        """Rasterise to (xy (H, W, 2) float32, triangle (H, W) int32, depth (H, W) float32), as `cpu.render_map`.

        vertices (N, 3) float32; source_xy (N, 2) float32; triangles (T, 3) int32. Raises TypeError or ValueError.
        """
        self._check("vertices", vertices, "float32", (None, 3))
        self._check("source_xy", source_xy, "float32", (vertices.shape[0], 2))
        self._check("triangles", triangles, "int32", (None, 3))
        keys, triangle = self._buffers(height, width, stream)
        for step in (0, 1):
            self._per_triangle("map_draw", triangles, stream, vertices, triangles, np.int32(triangles.shape[0]),
                               np.int32(height), np.int32(width), np.int32(facing), np.int32(step), keys,
                               triangle)  # fmt: skip
        xy = self._cupy.empty((height, width, 2), np.float32)
        depth = self._cupy.empty((height, width), np.float32)
        self._per_pixel("map_write", height * width, stream, vertices, source_xy, triangles, np.int32(height),
                        np.int32(width), np.int32(facing), triangle, xy, depth)  # fmt: skip
        return xy, triangle, depth

    def composite(self, person: Any, plate: Any, xy: Any, triangle: Any, out: Any, *, stream: Any = None) -> Any:
        """Lay the sampled person (Hs, Ws, 4) float32 over the plate (H, W, 3) uint8, as `cpu.composite`."""
        self._check("person", person, "float32", (None, None, 4))
        self._check("plate", plate, "uint8", (None, None, 3))
        height, width = plate.shape[:2]
        self._check("xy", xy, "float32", (height, width, 2))
        self._check("triangle", triangle, "int32", (height, width))
        self._check("out", out, "uint8", (height, width, 3))
        self._per_pixel("compose", height * width, stream, person, np.int32(person.shape[0]), np.int32(person.shape[1]),
                        plate, xy, triangle, np.int32(height * width), out)  # fmt: skip
        return out

    def crop_tensor(
        self, image: Any, affine: Any, out: Any, *, scale: float = 1.0, offset: float = 0.0, stream: Any = None
    ) -> Any:
        """Crop at an affine into planes, as `cpu.crop_tensor`: image (Hs, Ws, C) uint8, affine (2, 3) float64."""
        self._check("image", image, "uint8", (None, None, None))
        self._check("affine", affine, "float64", (2, 3))
        self._check("out", out, "float32 float16 uint8", (1, image.shape[2], None, None))
        height, width = out.shape[2:]
        self._per_pixel("crop_tensor", height * width, stream, image, np.int32(image.shape[0]),
                        np.int32(image.shape[1]), np.int32(image.shape[2]), affine, np.float32(scale),
                        np.float32(offset), np.int32(KINDS[out.dtype.name]), np.int32(height), np.int32(width),
                        out)  # fmt: skip
        return out

    def _buffers(self, height: int, width: int, stream: Any) -> tuple[Any, Any]:
        # filled on the caller's stream, or the kernels could overtake the fill
        with stream if stream is not None else self._cupy.cuda.Stream.null:
            keys = self._cupy.full((height, width), FAR_KEY, np.uint64)
            return keys, self._cupy.full((height, width), NOBODY, np.int32)

    def _per_triangle(self, name: str, triangles: Any, stream: Any, *args: Any) -> None:
        count = int(triangles.shape[0])
        if count:  # CUDA refuses an empty grid
            self._kernels[name]((count,), (THREADS_PER_TRIANGLE,), args, stream=stream)

    def _per_pixel(self, name: str, pixels: int, stream: Any, *args: Any) -> None:
        blocks = (pixels + THREADS_PER_BLOCK - 1) // THREADS_PER_BLOCK
        self._kernels[name]((blocks,), (THREADS_PER_BLOCK,), args, stream=stream)

    def _check(self, name: str, value: Any, dtypes: str, shape: tuple[int | None, ...]) -> None:
        if not isinstance(value, self._cupy.ndarray):
            raise TypeError(f"{name}: expected an array on the device, got {type(value).__name__}")
        wanted = "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"
        got = f"{value.dtype.name} {tuple(value.shape)}"
        if value.dtype.name not in dtypes.split():
            raise TypeError(f"{name}: expected {dtypes.replace(' ', ' or ')} {wanted}, got {got}")
        fits = len(value.shape) == len(shape) and all(
            w is None or w == g for w, g in zip(shape, value.shape, strict=True)
        )
        if not fits or not value.flags.c_contiguous:
            raise ValueError(f"{name}: expected C-contiguous {wanted}, got {got}")
