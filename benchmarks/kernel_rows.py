"""The rows of `benchmarks.kernels` on the CPU: each kernel is compared with the reference, then timed."""

from __future__ import annotations

import functools
from typing import Any

import cv2
import numba
import numpy as np

import kernels
from benchmarks.kernel_bench import Bench, Time, Work, once
from benchmarks.kernel_rivals import literal_flat, naive_flat, other_renderer, warp_per_triangle
from kernels import cpu, reference, texture
from kernels.synthetic import dense_head, head_mesh

MESHES = {"live": head_mesh, "dense": dense_head}


def picture(size: int) -> Any:
    """Return a soft random RGB picture, (size, size, 3) uint8."""
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


def cores() -> int:
    """Return how many threads the kernels were given."""
    return int(numba.config.NUMBA_NUM_THREADS)


def ratios(name: str, over: Time, under: Time) -> dict[str, Any]:
    """Return the ratio of the medians and that of the fastest calls."""
    return {name: over.p50 / under.p50, f"{name}_least": over.least / under.least}


def flat_rows(bench: Bench, mesh: str, size: int, literal: bool, check: bool) -> None:
    """Time `flat` on one mesh and size beside the reference, the literal Python form and a naive compiled loop."""
    source, triangles = MESHES[mesh](size)
    target, _ = MESHES[mesh](size, 0.2)
    image, exact = picture(size), target.astype(np.float64)
    colours = texture.vertex_colours(image, source.astype(np.float64))
    out, nearest, plain = np.empty_like(image), np.empty((size, size)), np.empty_like(image)
    texture.render_flat(exact, colours, triangles, out)
    error, slow = None, None
    if check:
        slow, (expected, _) = once(lambda: reference.flat(colours, exact, triangles, size, size))
        error = float(np.abs(out - np.floor(expected + 0.5)).max())
        assert error == 0.0, f"flat differs from the reference by {error}"
    naive_flat(colours, exact, triangles, nearest, plain)
    assert np.abs(plain.astype(int) - out).max() <= 1
    times = bench.compare({
        "numba x1": functools.partial(texture.render_flat, exact, colours, triangles, out, threads=1),
        f"numba x{cores()}": functools.partial(texture.render_flat, exact, colours, triangles, out, threads=cores()),
        "numba": functools.partial(texture.render_flat, exact, colours, triangles, out),
        "naive numba x1": functools.partial(naive_flat, colours, exact, triangles, nearest, plain),
        "map_texture": functools.partial(kernels.map_texture, image, source, target, triangles),
    })  # fmt: skip
    moved = out.nbytes + exact.nbytes + triangles.nbytes
    for backend, ms in times.items():
        op = "map_texture, both" if backend == "map_texture" else "render"
        bench.add(op, "flat", size, "numba" if backend == "map_texture" else backend, ms,
                  moved * (2 if backend == "map_texture" else 1), error if "naive" not in backend else None, slow,
                  mesh=mesh)  # fmt: skip
    if literal:
        there, drawn = once(lambda: literal_flat(colours, exact, triangles, size, size))
        assert np.abs(np.floor(drawn + 0.5) - out).max() <= 1
        here, _ = once(lambda: literal_flat(colours, source.astype(np.float64), triangles, size, size))
        both = Time(here.p50 + there.p50, here.least + there.least)
        bench.add("render", "flat", size, "literal python", there, moved, None, slow, mesh=mesh,
                  **ratios("ours_is_faster", there, times["numba"]),
                  **ratios("both_poses_faster", both, times["map_texture"]))  # fmt: skip


def map_rows(bench: Bench, mesh: str, size: int, check: bool) -> None:
    """Time the backward map, sampling and compositing, in one pass and in two, beside OpenCV."""
    source, triangles = MESHES[mesh](size)
    target, _ = MESHES[mesh](size, 0.2)
    source_xy = np.ascontiguousarray(source[:, :2])
    image = picture(size)
    person = np.ascontiguousarray(np.dstack([image, np.ones((size, size))]).astype(np.float32))
    plate, out = image[::-1].copy(), np.empty_like(image)
    map_ = cpu.render_map(target, source_xy, triangles, size, size)
    covered = int((map_.triangle >= 0).sum())
    error, slow, sampled, mixed = None, None, None, None
    if check:
        slow, (xy, owner, _) = once(lambda: reference.textured(target, source_xy, triangles, size, size))
        assert ((owner >= 0) == (map_.triangle >= 0)).all(), "coverage differs from the reference"
        error = float(np.abs(map_.xy - xy)[owner == map_.triangle].max())
        cpu.render_texture(target, source_xy, triangles, image, out)
        wanted = reference.sample(image, map_.xy[..., 0].astype(float), map_.xy[..., 1].astype(float))
        sampled = float(np.abs(out - wanted)[map_.triangle >= 0].max())
        cpu.composite(person, plate, map_, out)
        mixed = float(np.abs(out.astype(int) - reference.composite(person, plate, map_.xy, map_.triangle)).max())
        assert sampled < 0.51, f"a sample is off by {sampled}"
        assert mixed <= 1, f"a composited byte is off by {mixed}"
    side = int(covered**0.5)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    positions = np.dstack([x * 0.95 + 0.1 * y, y * 0.97]).astype(np.float32)
    floor = np.empty((side, side, 3), np.uint8)
    found = cv2.getNumThreads()
    for threads in sorted({1, cores()}):
        cv2.setNumThreads(threads)
        times = bench.compare({
            "map+resample": functools.partial(
                cpu.render_texture, target, source_xy, triangles, image, out, threads=threads),
            "remap same area": functools.partial(cv2.remap, image, positions, None, cv2.INTER_LINEAR, dst=floor),
            "map": functools.partial(
                cpu.render_map, target, source_xy, triangles, size, size, out=map_, threads=threads),
            "composite": functools.partial(cpu.composite, person, plate, map_, out, threads=threads),
            "map+composite": functools.partial(
                cpu.render_composite, target, source_xy, triangles, person, plate, out, threads=threads),
        })  # fmt: skip
        whole = size * size
        moved = {"map+resample": whole * 3 + covered * 3, "remap same area": covered * 14, "map": whole * 16,
                 "composite": whole * 18 + covered * 16, "map+composite": whole * 6 + covered * 16}  # fmt: skip
        wrong = {"map+resample": sampled, "map": error, "composite": mixed, "map+composite": mixed}
        for op, ms in times.items():
            backend = f"{'opencv' if 'remap' in op else 'numba'} x{threads}"
            against: dict[str, Any] = (
                ratios("against_remap", ms, times["remap same area"]) if op == "map+resample" else {}
            )
            bench.add(op, "textured", size, backend, ms, moved[op], wrong.get(op), slow if op == "map" else None,
                      mesh=mesh, covered_px=covered, **against)  # fmt: skip
    cv2.setNumThreads(found)
    if mesh == "live":
        both = bench.compare({
            "ours": functools.partial(cpu.render_texture, target, source_xy, triangles, image, out),
            "warp": functools.partial(warp_per_triangle, image, source, target, triangles, np.empty_like(image)),
        })  # fmt: skip
        bench.add("warp per triangle", "textured", size, "opencv", both["warp"], mesh=mesh,
                  **ratios("ours_is_faster", both["warp"], both["ours"]))  # fmt: skip
    colours = reference.vertex_colours(image, source).astype(np.float32)
    drawings: dict[str, Work] = {"numba": functools.partial(texture.render_gouraud, target, colours, triangles, out)}
    other = other_renderer(target, triangles, colours, size)
    if other is not None:
        drawings[other[0]] = other[1]
    times = bench.compare(drawings)
    for backend, ms in times.items():
        more: dict[str, Any] = {} if backend == "numba" else ratios("ours_is_faster", ms, times["numba"])
        bench.add("render", "gouraud", size, backend, ms, size * size * 3, mesh=mesh, **more)


def network_rows(bench: Bench, size: int) -> None:
    """Time what a network eats: a crop at an affine, and the mapped picture, as planes."""
    source, triangles = head_mesh(size)
    target, _ = head_mesh(size, 0.2)
    source_xy, image = np.ascontiguousarray(source[:, :2]), picture(size)
    affine = np.array([[0.9, 0.05, size / 4], [-0.05, 0.9, size / 4]])
    for dtype in (np.float32, np.float16, np.uint8):
        crop, planes = np.empty((1, 3, 112, 112), dtype), np.empty((1, 3, size, size), dtype)
        name = np.dtype(dtype).name
        ms = bench.time(functools.partial(cpu.crop_tensor, image, affine, crop))
        bench.add("crop 112", name, size, "numba x1", ms, crop.nbytes * 2)
        ms = bench.time(functools.partial(cpu.render_tensor, target, source_xy, triangles, image, planes))
        bench.add("map to planes", name, size, "numba", ms, planes.nbytes + image.nbytes)


def frame_row(bench: Bench, size: int) -> None:
    """Time the mapping of one live frame: sheet, layers, three crops, from an atlas twice as fine as the picture."""
    shape = {"rows": 40, "columns": 40}  # 3,042 triangles: face, shell, eyes and mouth of a prepared source
    atlas_mesh, triangles = head_mesh(2 * size, **shape)
    target, _ = head_mesh(size, 0.2, **shape)
    source_xy = np.ascontiguousarray(atlas_mesh[:, :2])
    person = np.dstack([picture(2 * size), np.ones((2 * size, 2 * size))]).astype(np.float32)
    plate = picture(size)
    map_, out = cpu.BackwardMap.empty(size, size), np.empty_like(plate)
    affine = np.array([[0.9, 0.05, size / 4], [-0.05, 0.9, size / 4]])
    crops = [np.empty((1, 3, n, n), np.float32) for n in (112, 64, 64)]

    def frame() -> None:
        cpu.render_map(target, source_xy, triangles, size, size, out=map_)
        cpu.composite(person, plate, map_, out)
        for crop in crops:
            cpu.crop_tensor(out, affine, crop)

    bench.add("whole frame", "textured", size, "numba", bench.time(frame), size * size * 22, mesh="3,042 triangles")
