"""Random meshes of the awkward kinds, small enough for the reference and for runs without the JIT."""

from __future__ import annotations

import numpy as np

KINDS = ("floats", "integers", "halves", "huge", "slivers", "coincident", "degenerate", "spoilt")


def random_mesh(
    kind: str, seed: int, count: int = 30, triangles: int = 40
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vertices (N, 3) float32, colours (N, 3) float32 and triangles (T, 3) int32."""
    random = np.random.default_rng([seed, KINDS.index(kind)])
    vertices = random.uniform(-12, 55, (count, 3))
    corners = random.integers(0, count, (triangles, 3)).astype(np.int32)
    if kind == "integers":
        vertices = np.round(vertices)
    elif kind == "halves":
        vertices = np.round(vertices * 2) / 2
    elif kind == "huge":
        vertices[::2, :2] = (vertices[::2, :2] - 20) * 3000
    elif kind == "slivers":
        vertices[:, 1] = vertices[:, 0] * 0.5 + random.normal(0, 1e-3, count)
    elif kind == "coincident":
        vertices[:, 2] = np.round(vertices[:, 2] / 30)
    elif kind == "degenerate":
        corners[::3, 1] = corners[::3, 0]
        corners[1::3, 2] = corners[1::3, 0]
    elif kind == "spoilt":
        vertices[::7, 0] = np.nan
        vertices[1::7, 1] = np.inf
        vertices[2::7, 2] = np.nan
        vertices[3::7, 0] = 1e30
    return vertices.astype(np.float32), random.uniform(0, 255, (count, 3)).astype(np.float32), corners
