"""What the kernels are compared with: the published loop as written, a naive loop, OpenCV, another CPU renderer."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numba
import numpy as np


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


def other_renderer(vertices: Any, triangles: Any, colours: Any, size: int) -> tuple[str, Callable[[], object]] | None:
    """Return the best installed CPU renderer from the package index by name and one frame of it, or None.

    `insightface` compiles the z-buffer renderer of the 3D-face field and is asked for the same vertex-colour picture;
    `pytinyrenderer` (extra `bench`) draws the same mesh, textured and lit, seen by a far camera, and its mesh stays in
    place between frames, so that its time is without the upload.
    """
    module = _face3d()
    if module is not None:
        picture, depth = np.zeros((size, size, 3), np.float32), np.empty((size, size), np.float32)

        def field() -> None:
            depth[:] = -999999.0
            picture[:] = 0
            module.render_colors_core(
                picture, vertices, triangles, colours, depth, len(vertices), len(triangles), size, size, 3
            )

        return "insightface face3d x1", field
    if importlib.util.find_spec("pytinyrenderer") is None:
        return None
    tiny = importlib.import_module("pytinyrenderer")
    scene, far, unit = tiny.TinySceneRenderer(), 100.0, 2.0 / size
    world = (vertices - [size / 2, size / 2, 0]) * [unit, -unit, unit]
    uv = np.clip(vertices[:, :2] / size, 0, 1)
    normals = np.tile([0.0, 0.0, 1.0], (len(vertices), 1))
    mesh = scene.create_mesh(world.ravel().tolist(), normals.ravel().tolist(), uv.ravel().tolist(),
                             triangles.ravel().tolist(), [200, 150, 120] * 16, 4, 4, 1.0)  # fmt: skip
    instance = scene.create_object_instance(mesh)
    scene.set_object_double_sided(instance, True)
    opening = float(np.degrees(2 * np.arctan(1 / far)))
    camera = tiny.TinyRenderCamera(size, size, 1.0, 1000.0, opening, opening, [0.0, 0.0, far], [0.0, 0.0, 0.0],
                                   [0.0, 1.0, 0.0])  # fmt: skip
    light = tiny.TinyRenderLight(has_shadow=False)
    return "pytinyrenderer x1", lambda: scene.get_camera_image([instance], light, camera)


def missing() -> str:
    """Return why there is no row of another CPU renderer, or nothing."""
    if _face3d() is None and importlib.util.find_spec("pytinyrenderer") is None:
        return "neither pytinyrenderer (pip install pytinyrenderer) nor insightface is installed"
    return ""


def _face3d() -> Any | None:
    found = importlib.util.find_spec("insightface")
    for folder in (found.submodule_search_locations or []) if found else []:
        for library in Path(folder).glob("thirdparty/face3d/mesh/cython/mesh_core_cython*.so"):
            spec = importlib.util.spec_from_file_location("mesh_core_cython", library)
            if spec and spec.loader:
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
                return module
    return None
