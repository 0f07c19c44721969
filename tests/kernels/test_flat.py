"""`flat` is the published algorithm, decision for decision."""

from __future__ import annotations

import numpy as np
import pytest
from meshes import KINDS, random_mesh

import kernels
from kernels import reference, texture


def literal(vertices: np.ndarray, colours: np.ndarray, triangles: np.ndarray, height: int, width: int) -> np.ndarray:
    """The published loop, pixel by pixel and in its own words: dot products of vectors, one triangle after another."""
    vertices = vertices.astype(np.float64)
    image = np.zeros((height, width, 3))
    nearest = np.zeros((height, width)) - 999999.0
    for corners in triangles:
        p = vertices[corners]
        depth = (p[0, 2] + p[1, 2] + p[2, 2]) / 3.0
        colour = (colours[corners[0]] + colours[corners[1]] + colours[corners[2]]) / 3.0
        x0, x1 = max(int(np.ceil(p[:, 0].min())), 0), min(int(np.floor(p[:, 0].max())), width - 1)
        y0, y1 = max(int(np.ceil(p[:, 1].min())), 0), min(int(np.floor(p[:, 1].max())), height - 1)
        for x in range(x0, x1 + 1):
            for y in range(y0, y1 + 1):
                v0, v1, v2 = p[2, :2] - p[0, :2], p[1, :2] - p[0, :2], np.array([x, y]) - p[0, :2]
                d00, d01, d02 = v0[0] * v0[0] + v0[1] * v0[1], v0 @ v1, v0 @ v2
                d11, d12 = v1 @ v1, v1 @ v2
                area = d00 * d11 - d01 * d01
                inverse = 0 if area == 0 else 1 / area
                u, v = (d11 * d02 - d01 * d12) * inverse, (d00 * d12 - d01 * d02) * inverse
                if depth > nearest[y, x] and u >= 0 and v >= 0 and u + v < 1:
                    nearest[y, x] = depth
                    image[y, x] = colour
    return image


@pytest.mark.parametrize("kind", ["floats", "integers", "halves", "coincident", "degenerate"])
def test_the_reference_is_the_literal_loop(kind: str) -> None:
    vertices, colours, triangles = random_mesh(kind, 5, triangles=12)
    colours = colours.astype(np.float64)
    expected = literal(vertices, colours, triangles, 23, 29)
    assert expected.any()
    np.testing.assert_array_equal(reference.flat(colours, vertices, triangles, 23, 29)[0], expected)


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_equals_the_reference_bit_for_bit(kind: str) -> None:
    drawn = 0
    for seed in range(4):
        vertices, colours, triangles = random_mesh(kind, seed)
        expected, _ = reference.flat(colours, vertices, triangles, 31, 43)
        for threads in (1, 2):
            out = texture.render_flat(
                vertices.astype(np.float64), colours, triangles, np.empty((31, 43, 3), np.float32), threads=threads
            )
            np.testing.assert_array_equal(out, expected)
        drawn += int(expected.any())
    assert drawn


@pytest.mark.parametrize("kind", KINDS)
def test_wide_triangles_are_narrowed_without_losing_a_pixel(kind: str) -> None:
    vertices, colours, triangles = random_mesh(kind, 11, triangles=24)
    vertices[:, :2] *= 7.0
    expected, _ = reference.flat(colours, vertices, triangles, 250, 333)
    out = np.empty((250, 333, 3), np.float32)
    texture.render_flat(vertices.astype(np.float64), colours, triangles, out, threads=3)
    np.testing.assert_array_equal(out, expected)


def test_many_triangles_take_the_parallel_list_and_stay_exact() -> None:
    vertices, colours, triangles = random_mesh("floats", 9, count=60, triangles=9000)
    vertices[:, :2] *= 0.4
    expected, _ = reference.flat(colours, vertices, triangles, 16, 16)
    out = texture.render_flat(
        vertices.astype(np.float64), colours, triangles, np.empty((16, 16, 3), np.float32), threads=2
    )
    np.testing.assert_array_equal(out, expected)


def test_the_earlier_triangle_keeps_a_tie_and_the_nearer_one_wins() -> None:
    vertices = np.array([[0, 0, 1], [9, 0, 1], [0, 9, 1], [0, 0, 2], [9, 0, 2], [0, 9, 2]], float)
    image = np.zeros((10, 10, 3), np.uint8)
    colours = np.zeros((6, 3), np.float32)
    for order, winner in (([[0, 1, 2], [0, 2, 1]], 0), ([[0, 1, 2], [3, 4, 5]], 1), ([[3, 4, 5], [0, 1, 2]], 0)):
        assert reference.flat(colours, vertices, np.array(order), 10, 10)[1][2, 2] == winner
    del image


def test_a_triangle_without_area_fills_its_bounding_box() -> None:
    image = np.full((8, 8, 3), 90, np.uint8)
    vertices = np.array([[1.0, 2.0, 0.0], [1.0, 2.0, 0.0], [4.0, 5.0, 0.0]])
    _, render = kernels.map_texture(image, vertices, vertices, np.array([[0, 1, 2]]))
    expected = np.zeros((8, 8), bool)
    expected[2:6, 1:5] = True
    np.testing.assert_array_equal(render[..., 0] == 90, expected)


def test_source_vertices_outside_the_picture_are_moved_onto_its_border() -> None:
    image = np.random.default_rng(0).uniform(1, 2, (9, 9, 3))
    source = np.array([[-4.0, -6.0, 0.0], [20.0, 1.0, 0.0], [2.0, 17.0, 0.0]])
    ours, _ = kernels.map_texture(image, source, source, np.array([[0, 1, 2]]))
    moved = source.copy()
    moved[:, :2] = moved[:, :2].clip(0, 8)
    expected, _ = reference.flat(reference.vertex_colours(image, source), moved, np.array([[0, 1, 2]]), 9, 9)
    np.testing.assert_array_equal(ours, expected)
    assert (source[0] == [-4, -6, 0]).all(), "the caller's array was changed"


def test_vertex_colours_round_half_to_even_and_clip() -> None:
    image = np.arange(48, dtype=np.float64).reshape(4, 4, 3)
    vertices = np.array([[0.5, 0, 0], [1.5, 0, 0], [2.5, 0, 0], [-9, 99, 0], [np.nan, 0, 0]])
    colours = texture.vertex_colours(image, vertices)
    np.testing.assert_array_equal(colours[:, 0], [0, 6, 6, 36, 0])
    np.testing.assert_array_equal(colours, reference.vertex_colours(image, vertices))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_the_render_has_the_pictures_type_and_size(dtype: type) -> None:
    vertices, _, triangles = random_mesh("floats", 4)
    image = np.random.default_rng(1).uniform(0, 255, (31, 43, 3)).astype(dtype)
    for mode in texture.MODES:
        for render in kernels.map_texture(image, vertices, vertices[::-1].copy(), triangles, mode):
            assert render.dtype == dtype
            assert render.shape == image.shape
            assert render.any()


def test_bytes_are_the_rounded_float_render() -> None:
    vertices, _, triangles = random_mesh("floats", 4)
    image = np.random.default_rng(1).integers(0, 256, (31, 43, 3)).astype(np.uint8)
    _, bytes_ = kernels.map_texture(image, vertices, vertices, triangles)
    _, floats = kernels.map_texture(image.astype(np.float64), vertices, vertices, triangles)
    np.testing.assert_array_equal(bytes_, np.rint(floats))
