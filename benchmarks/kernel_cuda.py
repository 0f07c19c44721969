"""The rows of `benchmarks.kernels` on CUDA. Compiled and emulated, not run on a GPU by us."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.kernel_bench import Bench, once
from benchmarks.kernel_rows import MESHES, picture
from kernels import gpu, reference


def cuda_rows(bench: Bench, cupy: Any, sizes: tuple[int, ...], meshes: tuple[str, ...] = tuple(MESHES)) -> None:
    """Check each CUDA kernel against the reference, then time it, device synchronised, arrays on the device."""
    mapper = gpu.Mapper(cupy)
    for size in sizes:
        for mesh in meshes:
            _rows(bench, cupy, mapper, mesh, size)


def _rows(bench: Bench, cupy: Any, mapper: gpu.Mapper, mesh: str, size: int) -> None:
    source, triangles = MESHES[mesh](size)
    target, _ = MESHES[mesh](size, 0.2)
    image, source_xy = picture(size), np.ascontiguousarray(source[:, :2])
    colours = reference.vertex_colours(image, source).astype(np.float32)
    exact = target.astype(np.float64)
    person = np.dstack([image, np.ones((size, size))]).astype(np.float32)
    affine = np.array([[0.9, 0.05, size / 4], [-0.05, 0.9, size / 4]])
    there = {name: cupy.asarray(value) for name, value in {
        "exact": exact, "target": target, "xy": source_xy, "triangles": triangles, "colours": colours,
        "image": image, "person": person, "affine": affine}.items()}  # fmt: skip
    drawn, out = cupy.empty((size, size, 3), np.float32), cupy.empty((size, size, 3), np.uint8)
    crop = cupy.empty((1, 3, 112, 112), np.float16)
    slow, error, off = None, None, None
    mapper.render_flat(there["exact"], there["colours"], there["triangles"], drawn)
    xy, triangle, _ = mapper.render_map(there["target"], there["xy"], there["triangles"], size, size)
    if mesh == "live" or size == 128:
        slow, (expected, _) = once(lambda: reference.flat(colours, exact, triangles, size, size))
        error = float(np.abs(cupy.asnumpy(drawn) - expected).max())
        assert error == 0.0, f"flat differs from the reference by {error}"
        wanted, owner, _ = reference.textured(target, source_xy, triangles, size, size)
        assert ((owner >= 0) == (cupy.asnumpy(triangle) >= 0)).all(), "coverage differs from the reference"
        off = float(np.abs(cupy.asnumpy(xy) - wanted)[owner == cupy.asnumpy(triangle)].max())

    def done(work: Callable[[], object]) -> Callable[[], object]:
        def call() -> None:
            work()
            cupy.cuda.get_current_stream().synchronize()

        return call

    moved = size * size * 12 + exact.nbytes + triangles.nbytes
    flat = done(lambda: mapper.render_flat(there["exact"], there["colours"], there["triangles"], drawn))
    bench.add("render", "flat", size, "cuda", bench.time(flat), moved, error, slow, mesh=mesh)
    map_ = done(lambda: mapper.render_map(there["target"], there["xy"], there["triangles"], size, size))
    bench.add("map", "textured", size, "cuda", bench.time(map_), size * size * 16, off, mesh=mesh)
    mix = done(lambda: mapper.composite(there["person"], there["image"], xy, triangle, out))
    bench.add("composite", "textured", size, "cuda", bench.time(mix), size * size * 34, mesh=mesh)
    cut = done(lambda: mapper.crop_tensor(there["image"], there["affine"], crop))
    bench.add("crop 112", "float16", size, "cuda", bench.time(cut), crop.nbytes * 2, mesh=mesh)
