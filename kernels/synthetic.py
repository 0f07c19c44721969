"""Two head-like meshes for tests and benchmarks: a live-sized one and one the size of the published mesh."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]


def head_mesh(size: int, yaw: float = 0.0, *, rows: int = 26, columns: int = 18) -> tuple[F32, I32]:
    """Return an open front half of an ellipsoid turned by `yaw` radians, filling a square picture of `size` px.

    Returns vertices (rows * columns, 3) px, larger z nearer, and triangles (2 * (rows - 1) * (columns - 1), 3). The
    default has 468 vertices and 850 triangles.
    """
    up, around = np.meshgrid(np.linspace(-1.25, 1.25, rows), np.linspace(-1.3, 1.3, columns), indexing="ij")
    x, y, z = 0.7 * np.cos(up) * np.sin(around), 0.95 * np.sin(up), 0.8 * np.cos(up) * np.cos(around)
    z = z + 0.18 * np.exp(-((around / 0.22) ** 2) - ((up - 0.1) / 0.35) ** 2)  # a nose, so that something is hidden
    turned = np.stack([x * np.cos(yaw) + z * np.sin(yaw), y, z * np.cos(yaw) - x * np.sin(yaw)], -1).reshape(-1, 3)
    scale = 0.45 * size
    vertices = turned * scale + [size / 2 - 0.35 * scale * np.sin(yaw), size / 2, 0.0]
    first = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1)
    triangles = np.concatenate(
        [
            np.stack([first, first + 1, first + columns], -1),
            np.stack([first + 1, first + columns + 1, first + columns], -1),
        ]
    )
    return vertices.astype(np.float32), triangles.astype(np.int32)


def dense_head(size: int, yaw: float = 0.0) -> tuple[F32, I32]:
    """Return `head_mesh` with 53,215 vertices (as the published mesh) and 105,408 triangles."""
    return head_mesh(size, yaw, rows=367, columns=145)
