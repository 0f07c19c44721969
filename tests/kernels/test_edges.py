"""Silhouettes are mixed by the share that each side has of the pixel; everything else stays to the byte."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kernels.cpu import BackwardMap, composite, render_map
from kernels.edges import edge_table, smooth_edges

SIDE = 48
SKIN, WALL = np.float32([200, 150, 120]), np.array([10, 40, 90], np.uint8)
SQUARE = np.array([[0, 0], [20, 0], [20, 20], [0, 20]], np.float32)
TWO = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def draw(corners: np.ndarray, side: int = SIDE) -> tuple[np.ndarray, np.ndarray, BackwardMap]:
    """Draw a flat square of skin in front of a wall."""
    v = np.column_stack([corners, np.full(len(corners), 50)]).astype(np.float32)
    person = np.empty((21, 21, 4), np.float32)
    person[..., :3], person[..., 3] = SKIN, 1.0
    map_ = render_map(v, SQUARE, TWO, side, side)
    picture = composite(person, np.tile(WALL, (side, side, 1)), map_, np.empty((side, side, 3), np.uint8))
    return v, picture, map_


def supersampled(corners: np.ndarray, times: int = 16) -> np.ndarray:
    """The slow reference: the same square drawn `times` finer and averaged."""
    fine = (corners + 0.5) * times - 0.5
    picture = draw(fine, SIDE * times)[1].astype(np.float64)
    return picture.reshape(SIDE, times, SIDE, times, 3).mean((1, 3))


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 6.28), st.floats(-2, 2), st.floats(-2, 2))
@example(0.0, 0.0, 0.5)
@example(0.0, 0.5, 0.5)
def test_a_square_comes_close_to_its_supersampled_picture(angle: float, dx: float, dy: float) -> None:
    c, s = np.cos(angle), np.sin(angle)
    corners = (SQUARE - 10) @ np.array([[c, s], [-s, c]]) + 23.5 + [dx, dy]
    v, picture, map_ = draw(corners)
    truth, before = supersampled(corners), picture.copy()
    smooth_edges(edge_table(TWO, SQUARE), v, TWO, map_.depth, picture)
    rough, smooth = (np.abs(p - truth).sum() for p in (before, picture))
    assert smooth <= 0.45 * rough + 400, (smooth, rough)


def test_the_inside_the_outside_and_the_diagonal_stay() -> None:
    corners = SQUARE + np.float32([10.3, 12.4])
    v, picture, map_ = draw(corners)
    before = picture.copy()
    smooth_edges(edge_table(TWO, SQUARE), v, TWO, map_.depth, picture)
    changed = (picture != before).any(2)
    near = np.zeros_like(changed)
    near[12:34, 10:32] = True
    near[15:31, 13:28] = False
    assert changed.any()
    assert not (changed & ~near).any()


def test_a_surface_that_goes_on_is_no_silhouette() -> None:
    """Two squares side by side at one depth: their common border must not be mixed, whatever the order of triangles."""
    v = np.array([[5, 5, 9], [20.4, 5, 9], [20.4, 30, 9], [5, 30, 9], [20.4, 5, 9], [40, 5, 9], [40, 30, 9],
                  [20.4, 30, 9]], np.float32)  # fmt: skip
    tri = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], np.int32)
    map_ = render_map(v, v[:, :2].copy(), tri, SIDE, SIDE)
    picture = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
    before = picture.copy()
    smooth_edges(edge_table(tri, v[:, :2].copy()), v, tri, map_.depth, picture)
    assert (picture[7:28, 15:25] == before[7:28, 15:25]).all()
    assert (picture != before).any()


def test_the_order_of_triangles_does_not_show() -> None:
    corners = (SQUARE - 10) @ np.array([[0.8, 0.6], [-0.6, 0.8]]) + 23.5
    results = []
    for order in ([0, 1], [1, 0]):
        v, picture, map_ = draw(corners)
        tri = np.ascontiguousarray(TWO[order])
        results.append(smooth_edges(edge_table(tri, SQUARE), v, tri, map_.depth, picture))
    assert np.abs(results[0].astype(int) - results[1]).max() <= 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e9])
def test_unusable_vertices_change_nothing(bad: float) -> None:
    v, picture, map_ = draw(SQUARE + 10)
    v[:] = bad
    before = picture.copy()
    smooth_edges(edge_table(TWO, SQUARE), v, TWO, map_.depth, picture)
    assert (picture == before).all()


def test_an_empty_mesh_and_a_wrong_picture() -> None:
    none = np.empty((0, 3), np.int32)
    table = edge_table(none, SQUARE)
    v, picture, map_ = draw(SQUARE + 10)
    assert smooth_edges(table, v, none, map_.depth, picture) is picture
    with pytest.raises(TypeError, match="picture"):
        smooth_edges(table, v, none, map_.depth, picture.astype(np.float32))
    with pytest.raises(ValueError, match="triangles"):
        smooth_edges(table, v, TWO, map_.depth, picture)
