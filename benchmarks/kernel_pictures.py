"""The pictures of docs/kernels.md: every mode on one portrait, and cost against pixels and against triangles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
from matplotlib import cbook
from matplotlib import pyplot as plt

import kernels
from benchmarks.kernel_bench import Bench
from kernels import cpu, texture
from kernels.synthetic import head_mesh


def pictures(folder: Path, bench: Bench) -> None:
    """Write the picture of the modes and the plot of both scaling curves."""
    matplotlib.use("Agg")  # files only, no window
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
    cases: list[tuple[str, Any]] = [("flat", "flat"), ("map + resample", "fused")]
    sizes, meshes = (128, 256, 384, 512, 768, 1024), ((10, 8), (26, 18), (40, 30), (60, 50), (90, 70), (130, 100))
    for label, kind in cases:
        by_size = [_one(bench, kind, n, (26, 18), random) for n in sizes]
        by_mesh = [_one(bench, kind, 256, m, random) for m in meshes]
        axes[0].plot([n * n / 1e6 for n in sizes], by_size, "o-", label=label)
        axes[1].plot([2 * (r - 1) * (c - 1) / 1e3 for r, c in meshes], by_mesh, "o-", label=label)
    axes[0].set_xlabel("megapixels (850 triangles)")
    axes[1].set_xlabel("thousand triangles (256 x 256)")
    for axis in axes:
        axis.set_ylabel("ms on one thread, fastest call")
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        axis.legend()
    figure.tight_layout()
    figure.savefig(folder / "kernels_scaling.png", dpi=90)
    plt.close(figure)


def _one(bench: Bench, kind: str, size: int, mesh: tuple[int, int], random: np.random.Generator) -> float:
    vertices, triangles = head_mesh(size, 0.2, rows=mesh[0], columns=mesh[1])
    out = np.empty((size, size, 3), np.uint8)
    if kind == "flat":
        exact, colours = vertices.astype(np.float64), random.uniform(0, 255, (len(vertices), 3)).astype(np.float32)
        return bench.time(lambda: texture.render_flat(exact, colours, triangles, out, threads=1)).least
    source = np.ascontiguousarray(head_mesh(size, rows=mesh[0], columns=mesh[1])[0][:, :2])
    image = random.integers(0, 256, (size, size, 3)).astype(np.uint8)
    return bench.time(lambda: cpu.render_texture(vertices, source, triangles, image, out, threads=1)).least
