"""How fast the kernels are: checked against the reference first, then timed beside memcpy, OpenCV and others.

`python -m benchmarks.kernels --report FILE.json [--pictures docs/images] [--device cpu|cuda] [--quick]`
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numba
import numpy as np

import kernels
from kernels import cpu, gpu, reference, texture
from kernels.synthetic import dense_head, head_mesh

SIZES = (128, 256, 512, 1024)
Row = dict[str, Any]


def timed(call: Callable[[], object], *, budget_s: float = 0.4, least: int = 5) -> float:
    """Return the median milliseconds of one call after a warm-up, over as many calls as the budget allows."""
    call()
    times: list[float] = []
    end = time.perf_counter() + budget_s
    while len(times) < least or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def once(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the milliseconds of one call, for things too slow to repeat, and its result."""
    start = time.perf_counter()
    result = call()
    return (time.perf_counter() - start) * 1e3, result


def memcpy_gbps() -> float:
    """Return this machine's copy speed, bytes read plus bytes written, for a buffer well above its caches."""
    source = np.ones(64 << 20, np.uint8)
    target = np.empty_like(source)
    return 2 * source.nbytes / 1e6 / timed(lambda: np.copyto(target, source))


def literal_flat(colours: Any, vertices: Any, triangles: Any, height: int, width: int) -> Any:
    """Draw flat as the published program is written, pixel by pixel in Python."""
    image = np.zeros((height, width, 3))
    nearest = np.zeros((height, width)) - 999999.0
    for corners in triangles:
        p = vertices[corners]
        depth, colour = p[:, 2].sum() / 3.0, colours[corners].sum(0) / 3.0
        left, right = max(int(np.ceil(p[:, 0].min())), 0), min(int(np.floor(p[:, 0].max())), width - 1)
        top, bottom = max(int(np.ceil(p[:, 1].min())), 0), min(int(np.floor(p[:, 1].max())), height - 1)
        for x in range(left, right + 1):
            for y in range(top, bottom + 1):
                if depth <= nearest[y, x]:
                    continue
                a, b, c = p[2, :2] - p[0, :2], p[1, :2] - p[0, :2], np.array([x, y]) - p[0, :2]
                aa, ab, ac, bb, bc = a @ a, a @ b, a @ c, b @ b, b @ c
                area = aa * bb - ab * ab
                inverse = 0 if area == 0 else 1 / area
                u, v = (bb * ac - ab * bc) * inverse, (aa * bc - ab * ac) * inverse
                if u >= 0 and v >= 0 and u + v < 1:
                    nearest[y, x] = depth
                    image[y, x] = colour
    return image


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]
def naive_flat(colours: Any, vertices: Any, triangles: Any, nearest: Any, image: Any) -> None:
    """Draw flat as a plain compiled loop on one thread: what the tiled form has to beat."""
    height, width = nearest.shape
    nearest[:] = -999999.0
    image[:] = 0
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t]
        x1, y1 = vertices[i, 0], vertices[i, 1]
        ax, ay, bx, by = vertices[k, 0] - x1, vertices[k, 1] - y1, vertices[j, 0] - x1, vertices[j, 1] - y1
        aa, ab, bb = ax * ax + ay * ay, ax * bx + ay * by, bx * bx + by * by
        area = aa * bb - ab * ab
        inverse = 0.0 if area == 0.0 else 1.0 / area
        depth = (vertices[i, 2] + vertices[j, 2] + vertices[k, 2]) / 3.0
        left = max(int(np.ceil(min(x1, vertices[j, 0], vertices[k, 0]))), 0)
        right = min(int(np.floor(max(x1, vertices[j, 0], vertices[k, 0]))), width - 1)
        top = max(int(np.ceil(min(y1, vertices[j, 1], vertices[k, 1]))), 0)
        bottom = min(int(np.floor(max(y1, vertices[j, 1], vertices[k, 1]))), height - 1)
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                ac, bc = ax * (x - x1) + ay * (y - y1), bx * (x - x1) + by * (y - y1)
                u, v = (bb * ac - ab * bc) * inverse, (aa * bc - ab * ac) * inverse
                if depth > nearest[y, x] and u >= 0.0 and v >= 0.0 and u + v < 1.0:
                    nearest[y, x] = depth
                    for c in range(3):
                        image[y, x, c] = (colours[i, c] + colours[j, c] + colours[k, c]) / 3.0 + 0.5


def warp_per_triangle(image: Any, source: Any, target: Any, triangles: Any, out: Any) -> None:
    """Map the texture the usual OpenCV way: one warpAffine and one polygon mask a triangle, far ones first."""
    height, width = out.shape[:2]
    for t in np.argsort(target[triangles, 2].mean(1)):
        here, there = source[triangles[t], :2], target[triangles[t], :2]
        low = np.maximum(np.floor(there.min(0)).astype(int), 0)
        high = np.minimum(np.ceil(there.max(0)).astype(int) + 1, (width, height))
        if (high <= low).any():
            continue
        matrix = cv2.getAffineTransform(here, (there - low).astype(np.float32))
        size = (int(high[0] - low[0]), int(high[1] - low[1]))
        patch = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        mask = np.zeros(size[::-1], np.uint8)
        cv2.fillConvexPoly(mask, np.round(there - low).astype(np.int32), 255)
        cv2.copyTo(patch, mask, out[low[1] : high[1], low[0] : high[0]])


def field_renderer() -> Any | None:
    """Return the z-buffer renderer of the 3D-face field that `insightface` compiles, if that is installed."""
    found = importlib.util.find_spec("insightface")
    for folder in (found.submodule_search_locations or []) if found else []:
        for library in Path(folder).glob("thirdparty/face3d/mesh/cython/mesh_core_cython*.so"):
            spec = importlib.util.spec_from_file_location("mesh_core_cython", library)
            if spec and spec.loader:
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
                return module
    return None


class Bench:
    """Collects the rows of one run."""

    def __init__(self, quick: bool) -> None:
        self.memcpy = memcpy_gbps()
        self.rows: list[Row] = []
        self.budget = 0.1 if quick else 0.4

    def add(
        self, op: str, mode: str, size: int, backend: str, ms: float, moved: float = 0.0, error: float | None = None,
        against_ms: float | None = None, **more: Any,
    ) -> None:  # fmt: skip
        """Append one row: `moved` is the bytes that must cross memory once, `against_ms` the reference's time."""
        gbps = moved / 1e6 / ms
        self.rows.append(
            {"op": op, "mode": mode, "size": size, "backend": backend, "ms_p50": ms, "gbps": gbps, "max_abs_err": error,
             "ratio_vs_reference": against_ms / ms if against_ms else None, "ratio_vs_memcpy": gbps / self.memcpy,
             **more}
        )  # fmt: skip
        print(f"{op:18s} {mode:9s} {size:5d} {backend:22s} {ms:10.3f} ms {gbps:7.2f} GB/s", flush=True)

    def time(self, call: Callable[[], object]) -> float:
        """Return the median milliseconds within this run's budget."""
        return timed(call, budget_s=self.budget)


def flat_rows(bench: Bench, mesh: str, size: int, literal: bool, check: bool) -> None:
    """Time `flat` on one mesh and size beside the reference, the literal Python form and a naive compiled loop."""
    make = head_mesh if mesh == "live" else dense_head
    vertices, triangles = make(size, 0.2)
    exact = vertices.astype(np.float64)
    colours = np.random.default_rng(0).uniform(0, 255, (len(vertices), 3)).astype(np.float32)
    out = np.empty((size, size, 3), np.uint8)
    texture.render_flat(exact, colours, triangles, out)
    error, slow = None, None
    if check:
        slow, (expected, _) = once(lambda: reference.flat(colours, exact, triangles, size, size))
        error = float(np.abs(out - np.floor(expected + 0.5)).max())
        assert error == 0.0, f"flat differs from the reference by {error}"
    moved = out.nbytes + size * size * 12 * 2 + exact.nbytes + triangles.nbytes
    for threads in (1, int(numba.config.NUMBA_NUM_THREADS)):
        ms = bench.time(functools.partial(texture.render_flat, exact, colours, triangles, out, threads=threads))
        bench.add("render", "flat", size, f"numba x{threads}", ms, moved, error, slow, mesh=mesh)
    nearest, plain = np.empty((size, size)), np.empty_like(out)
    ms = bench.time(functools.partial(naive_flat, colours, exact, triangles, nearest, plain))
    assert np.abs(plain.astype(int) - out).max() <= 1
    bench.add("render", "flat", size, "naive numba x1", ms, moved, None, slow, mesh=mesh)
    if literal:
        ms, _ = once(lambda: literal_flat(colours, exact, triangles, size, size))
        bench.add("render", "flat", size, "literal python", ms, moved, None, slow, mesh=mesh)


def map_rows(bench: Bench, mesh: str, size: int, check: bool) -> None:
    """Time the backward map, compositing, their fused form and gouraud on one mesh and size."""
    make = head_mesh if mesh == "live" else dense_head
    source, triangles = make(size)
    target, _ = make(size, 0.2)
    source_xy = np.ascontiguousarray(source[:, :2])
    random = np.random.default_rng(0)
    image = cv2.GaussianBlur(random.integers(0, 256, (size, size, 3)).astype(np.uint8), (0, 0), 2)
    person = np.ascontiguousarray(np.dstack([image, np.ones((size, size))]).astype(np.float32))
    plate, out = image[::-1].copy(), np.empty_like(image)
    map_ = cpu.render_map(target, source_xy, triangles, size, size)
    covered = int((map_.triangle >= 0).sum())
    error, slow = None, None
    if check:
        slow, (xy, owner, _) = once(lambda: reference.textured(target, source_xy, triangles, size, size))
        assert ((owner >= 0) == (map_.triangle >= 0)).all(), "coverage differs from the reference"
        error = float(np.abs(map_.xy - xy)[owner == map_.triangle].max())
    threads = int(numba.config.NUMBA_NUM_THREADS)
    name = f"numba x{threads}"
    ms = bench.time(lambda: cpu.render_map(target, source_xy, triangles, size, size, out=map_))
    bench.add("map", "textured", size, name, ms, size * size * 16, error, slow, mesh=mesh, covered_px=covered)
    cpu.composite(person, plate, map_, out)
    wrong = None
    if check:
        wrong = float(np.abs(out.astype(int) - reference.composite(person, plate, map_.xy, map_.triangle)).max())
        assert wrong <= 1
    ms = bench.time(lambda: cpu.composite(person, plate, map_, out))
    bench.add("composite", "textured", size, name, ms, size * size * (12 + 6) + covered * 16, wrong, mesh=mesh)
    ms = bench.time(lambda: cpu.render_composite(target, source_xy, triangles, person, plate, out))
    bench.add("map+composite", "textured", size, name, ms, size * size * 6 + covered * 16, wrong, mesh=mesh)
    side = int(covered**0.5)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    positions = np.dstack([x * 0.95 + 0.1 * y, y * 0.97]).astype(np.float32)
    floor = np.empty((side, side, 3), np.uint8)
    ms_remap = bench.time(lambda: cv2.remap(image, positions, None, cv2.INTER_LINEAR, dst=floor))
    bench.add(
        "remap same area", "textured", size, "opencv", ms_remap, covered * 14, mesh=mesh, ours_ratio=ms / ms_remap
    )
    if mesh == "live":
        ms_warp = bench.time(lambda: warp_per_triangle(image, source, target, triangles, out))
        bench.add("warp per triangle", "textured", size, "opencv", ms_warp, 0, mesh=mesh, ours_ratio=ms_warp / ms)
    colours = reference.vertex_colours(image, source).astype(np.float32)
    ms = bench.time(lambda: texture.render_gouraud(target, colours, triangles, out))
    bench.add("render", "gouraud", size, name, ms, size * size * 3, mesh=mesh)
    module = field_renderer()
    if module is not None:
        picture, depth = np.zeros((size, size, 3), np.float32), np.empty((size, size), np.float32)

        def field() -> None:
            depth[:] = -999999.0
            picture[:] = 0
            module.render_colors_core(
                picture, target, triangles, colours, depth, len(target), len(triangles), size, size, 3
            )

        ms_field = bench.time(field)
        bench.add("render", "gouraud", size, "insightface face3d x1", ms_field, 0, mesh=mesh, ours_ratio=ms_field / ms)


def crop_rows(bench: Bench, size: int) -> None:
    """Time a 112 x 112 network crop straight from the source."""
    image = np.random.default_rng(0).integers(0, 256, (size, size, 3)).astype(np.uint8)
    affine = np.array([[0.9, 0.05, size / 4], [-0.05, 0.9, size / 4]])
    for dtype in (np.float32, np.float16, np.uint8):
        out = np.empty((1, 3, 112, 112), dtype)
        ms = bench.time(functools.partial(cpu.crop_tensor, image, affine, out))
        bench.add("crop 112", np.dtype(dtype).name, size, "numba x1", ms, out.nbytes * 2)


def pictures(folder: Path) -> None:
    """Write the picture of the modes and the plot of both scaling curves."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import cbook
    from matplotlib import pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    raw = cv2.imread(str(cbook._get_data_path("sample_data/grace_hopper.jpg")))
    image = np.ascontiguousarray(cv2.cvtColor(raw, cv2.COLOR_BGR2RGB)[:420, 56:476])
    source, triangles = head_mesh(300, 0.6)  # a source that hides a little of one side
    target, _ = head_mesh(300, -0.2)
    moved = [v + np.array([57, 60, 0], np.float32) for v in (source, target)]
    figure, axes = plt.subplots(2, 5, figsize=(12.5, 5.2))
    blank = np.full_like(image, 255)
    lines = image.copy()
    for corners in triangles:
        cv2.polylines(lines, [moved[0][corners, :2].round().astype(np.int32)], True, (90, 255, 120), 1, cv2.LINE_AA)
    tops, bottoms, names = [image], [lines], ["source, mesh"]
    for mode in texture.MODES:
        at_source, at_target = kernels.map_texture(image, moved[0], moved[1], triangles, mode)
        tops.append(np.asarray(at_source))
        bottoms.append(np.asarray(at_target))
        names.append(mode)
    xy = np.ascontiguousarray(moved[0][:, :2])
    found = cpu.render_map(moved[1], xy, triangles, 420, 420)
    seen = cpu.render_map(moved[0], xy, triangles, 420, 420)
    visible = cpu.source_visibility(found, moved[0], triangles, seen.depth)
    scaled = np.clip(found.depth, 0, None) / found.depth.max()
    depth = np.where(np.isfinite(found.depth), scaled * 255, 0).astype(np.uint8)
    tops.append(np.repeat(depth[..., None], 3, 2))
    state = blank.copy()
    state[found.triangle >= 0] = (255, 120, 60)
    state[visible == 1] = (90, 160, 255)
    bottoms.append(state)
    names.append("depth; hidden in source (orange)")
    for column, (top, bottom, name) in enumerate(zip(tops, bottoms, names, strict=True)):
        axes[0, column].imshow(top)
        axes[1, column].imshow(bottom)
        axes[0, column].set_title(name, fontsize=9)
    for axis in axes.ravel():
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(folder / "kernels_modes.png", dpi=80)
    plt.close(figure)

    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6))
    random = np.random.default_rng(0)
    cases: list[tuple[str, Any]] = [("flat", "flat"), ("map + composite", "fused")]
    sizes, meshes = (128, 256, 384, 512, 768, 1024), ((10, 8), (26, 18), (40, 30), (60, 50), (90, 70), (130, 100))
    for label, kind in cases:
        by_size = [_one(kind, n, (26, 18), random) for n in sizes]
        by_mesh = [_one(kind, 256, m, random) for m in meshes]
        axes[0].plot([n * n / 1e6 for n in sizes], by_size, "o-", label=label)
        axes[1].plot([2 * (r - 1) * (c - 1) / 1e3 for r, c in meshes], by_mesh, "o-", label=label)
    axes[0].set_xlabel("megapixels (850 triangles)")
    axes[1].set_xlabel("thousand triangles (256 x 256)")
    for axis in axes:
        axis.set_ylabel("ms, median")
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        axis.legend()
    figure.tight_layout()
    figure.savefig(folder / "kernels_scaling.png", dpi=90)
    plt.close(figure)


def _one(kind: str, size: int, mesh: tuple[int, int], random: np.random.Generator) -> float:
    vertices, triangles = head_mesh(size, 0.2, rows=mesh[0], columns=mesh[1])
    out = np.empty((size, size, 3), np.uint8)
    if kind == "flat":
        exact, colours = vertices.astype(np.float64), random.uniform(0, 255, (len(vertices), 3)).astype(np.float32)
        return timed(lambda: texture.render_flat(exact, colours, triangles, out), budget_s=0.3)
    source = np.ascontiguousarray(head_mesh(size, rows=mesh[0], columns=mesh[1])[0][:, :2])
    person = random.uniform(0, 255, (size, size, 4)).astype(np.float32)
    plate = np.zeros_like(out)
    return timed(lambda: cpu.render_composite(vertices, source, triangles, person, plate, out), budget_s=0.3)


def main() -> int:
    """Run every question once and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--pictures", type=Path, help="also draw the modes and the scaling plot into this folder")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--quick", action="store_true", help="sizes 128 and 256 only, shorter runs")
    arguments = parser.parse_args()
    if arguments.device == "cuda":
        try:
            gpu.Mapper()
        except gpu.CudaUnavailableError as error:
            print(error, file=sys.stderr)
            return 2
        print("the CUDA rows are not written yet: no GPU to check them on", file=sys.stderr)
        return 2
    bench = Bench(arguments.quick)
    for size in SIZES[:2] if arguments.quick else SIZES:
        flat_rows(bench, "live", size, literal=size <= 256, check=True)
        map_rows(bench, "live", size, check=True)
        flat_rows(bench, "dense", size, literal=size == 128 and not arguments.quick, check=size == 128)
        map_rows(bench, "dense", size, check=size == 128)
    crop_rows(bench, 512)
    if arguments.pictures:
        pictures(arguments.pictures)
    machine = {"platform": platform.platform(), "cpu": platform.processor() or platform.machine(),
               "threads": int(numba.config.NUMBA_NUM_THREADS), "memcpy_gbps": bench.memcpy,
               "versions": {"python": platform.python_version(), "numpy": np.__version__, "numba": numba.__version__,
                            "opencv": cv2.__version__}}  # fmt: skip
    if arguments.report:
        arguments.report.write_text(json.dumps({"machine": machine, "rows": bench.rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
