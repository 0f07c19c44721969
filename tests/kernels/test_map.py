"""The backward map: coverage, depth, interpolation, sampling, threads and argument checks."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meshes import KINDS, random_mesh

import kernels
from kernels import cpu, reference, texture
from kernels.synthetic import dense_head, head_mesh

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("winding", ["both", "clockwise", "counterclockwise"])
def test_map_equals_the_reference(kind: str, winding: cpu.Winding) -> None:
    vertices, colours, triangles = random_mesh(kind, 3)
    source = np.ascontiguousarray(colours[:, :2])
    facing = {"both": 0, "clockwise": 1, "counterclockwise": -1}[winding]
    xy, owner, depth = reference.textured(vertices, source, triangles, 31, 43, facing)
    found = cpu.render_map(vertices, source, triangles, 31, 43, winding=winding, threads=2)
    covered = owner >= 0
    # coverage is decided in integers: not one pixel may differ, not even on an edge
    np.testing.assert_array_equal(found.triangle >= 0, covered)
    scale = np.abs(depth[covered]).max(initial=1.0)
    np.testing.assert_allclose(found.depth[covered], depth[covered], atol=2e-5 * scale)
    same = found.triangle == owner
    np.testing.assert_allclose(found.xy[same], xy[same], atol=2e-3)
    # another winner is explained only by depths that rounding cannot tell apart
    for y, x in np.argwhere(~same):
        chosen = triangles[[found.triangle[y, x]]]
        _, _, alone = reference.textured(vertices, source, chosen, 31, 43)
        assert abs(alone[y, x] - depth[y, x]) < 2e-5 * scale
    assert (found.xy[~covered] == 0).all()
    assert np.isneginf(found.depth[~covered]).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), whole=st.booleans())
def test_a_grid_owns_each_pixel_exactly_once(seed: int, whole: bool) -> None:
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:5, 0:6].astype(np.float64)
    x, y = x * 5 + random.uniform(-1, 1, x.shape), y * 6 + random.uniform(-1, 1, y.shape)
    if whole:  # vertices and edges through pixel centres: the case the fill rule exists for
        x, y = np.round(x), np.round(y)
    vertices = np.stack([x.ravel(), y.ravel(), random.uniform(0, 9, x.size)], 1).astype(np.float32)
    first = (np.arange(4)[:, None] * 6 + np.arange(5)).ravel()
    triangles = np.concatenate(
        [np.stack([first, first + 1, first + 6], 1), np.stack([first + 1, first + 7, first + 6], 1)]
    )
    triangles = triangles.astype(np.int32)
    source = np.ascontiguousarray(vertices[:, :2])
    owners = np.zeros((28, 30), int)
    for i in range(len(triangles)):
        owners += cpu.render_map(vertices, source, triangles[i : i + 1], 28, 30, threads=1).triangle >= 0
    whole_map = cpu.render_map(vertices, source, triangles, 28, 30, threads=1)
    assert owners.max() == 1
    np.testing.assert_array_equal(owners == 1, whole_map.triangle >= 0)


def test_top_left_rule_of_a_square_on_pixel_centres() -> None:
    vertices = np.array([[2, 3, 0], [6, 3, 0], [6, 7, 0], [2, 7, 0]], np.float32)
    for triangles in ([[0, 1, 2], [0, 2, 3]], [[0, 1, 3], [1, 2, 3]], [[2, 1, 0], [3, 2, 0]]):
        found = cpu.render_map(vertices, vertices[:, :2].copy(), np.array(triangles, np.int32), 10, 10)
        expected = np.zeros((10, 10), bool)
        expected[3:7, 2:6] = True  # left column and top row are in, right column and bottom row are out
        np.testing.assert_array_equal(found.triangle >= 0, expected)


def test_identity_map_gives_positions_back_and_composite_is_exact() -> None:
    vertices, triangles = head_mesh(64)
    found = cpu.render_map(vertices, vertices[:, :2].copy(), triangles, 64, 64)
    y, x = np.nonzero(found.triangle >= 0)
    np.testing.assert_allclose(found.xy[y, x], np.stack([x, y], 1), atol=2e-4)
    random = np.random.default_rng(0)
    alpha = random.uniform(0, 1, (64, 64, 1)).astype(np.float32)
    person = np.concatenate([random.uniform(-2, 256, (64, 64, 3)).astype(np.float32) * alpha, alpha], 2)
    plate = random.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    rows, columns = np.mgrid[0:64, 0:64]
    same = cpu.BackwardMap(
        np.dstack([columns, rows]).astype(np.float32), np.zeros((64, 64), np.int32), np.zeros((64, 64), np.float32)
    )
    expected = np.clip(person[..., :3] + (1 - alpha) * plate, 0, 255)
    out = cpu.composite(person, plate, same, np.empty_like(plate))
    np.testing.assert_array_equal(out, np.floor(expected + np.float32(0.5)).astype(np.uint8))
    np.testing.assert_array_equal(cpu.composite(person, plate, same, plate.copy()), out)
    np.testing.assert_array_equal(cpu.resample(plate, same, np.empty_like(plate)), plate)


def test_composite_follows_the_reference_and_leaves_the_plate_elsewhere() -> None:
    vertices, triangles = head_mesh(48, 0.3)
    source, _ = head_mesh(48)
    found = cpu.render_map(vertices, source[:, :2].copy(), triangles, 48, 48)
    random = np.random.default_rng(1)
    person = random.uniform(-5, 260, (40, 44, 4)).astype(np.float32)
    person[..., 3] = random.uniform(0, 1, (40, 44))
    plate = random.integers(0, 256, (48, 48, 3)).astype(np.uint8)
    out = cpu.composite(person, plate, found, np.empty_like(plate))
    expected = reference.composite(person, plate, found.xy.astype(float), found.triangle)
    off = np.abs(out.astype(int) - expected)
    assert off.max() <= 1
    assert (off > 0).mean() < 1e-3  # only where float32 falls on the other side of a half
    np.testing.assert_array_equal(out[found.triangle < 0], plate[found.triangle < 0])
    assert (out[found.triangle >= 0] != plate[found.triangle >= 0]).any()


def test_fused_equals_map_then_composite() -> None:
    random = np.random.default_rng(1)
    person = random.uniform(-5, 260, (40, 44, 4)).astype(np.float32)
    person[..., 3] = random.uniform(0, 1, (40, 44))
    plate = random.integers(0, 256, (70, 50, 3)).astype(np.uint8)  # 70 rows: the last band is a short one
    vertices, triangles = head_mesh(60, 0.3)
    source_xy = head_mesh(40)[0][:, :2].copy()
    map_ = cpu.render_map(vertices, source_xy, triangles, 70, 50)
    two_steps = cpu.composite(person, plate, map_, np.empty_like(plate))
    for threads in (1, 2):
        out, depth = np.empty_like(plate), np.full((70, 50), np.nan, np.float32)
        one_step = cpu.render_composite(
            vertices, source_xy, triangles, person, plate, out, depth=depth, threads=threads
        )
        assert one_step is out
        np.testing.assert_array_equal(depth, map_.depth)
        without = cpu.render_composite(vertices, source_xy, triangles, person, plate, np.empty_like(plate))
        np.testing.assert_array_equal(one_step, without)
        assert np.abs(one_step.astype(int) - two_steps).max() <= 1
        assert (one_step != two_steps).mean() < 1e-3
    assert (two_steps != plate).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1)])
def test_a_person_of_one_pixel_or_one_line(size: tuple[int, int]) -> None:
    person = np.random.default_rng(0).uniform(0, 200, (*size, 4)).astype(np.float32)
    person[..., 3] = 1
    xy = np.array([[[np.nan, -5.0], [99.0, 99.0], [0.0, np.inf]]], np.float32)
    map_ = cpu.BackwardMap(xy, np.zeros((1, 3), np.int32), np.zeros((1, 3), np.float32))
    out = cpu.composite(person, np.zeros((1, 3, 3), np.uint8), map_, np.empty((1, 3, 3), np.uint8))
    np.testing.assert_array_equal(out[0, 1], np.floor(person[-1, -1, :3] + 0.5))
    np.testing.assert_array_equal(out[0, 0], np.floor(person[0, 0, :3] + 0.5))


def test_round_trip_of_a_texture() -> None:
    rows, columns = np.mgrid[0:96, 0:96]
    picture = np.dstack([np.sin(columns / 9), np.cos(rows / 8), np.sin((rows + columns) / 11)]).astype(np.float32) * 100
    source, triangles = head_mesh(96)
    target, _ = head_mesh(96, 0.15)
    there = cpu.resample(
        picture, cpu.render_map(target, source[:, :2].copy(), triangles, 96, 96), np.empty_like(picture)
    )
    back_map = cpu.render_map(source, target[:, :2].copy(), triangles, 96, 96)
    back = cpu.resample(there, back_map, np.empty_like(picture))
    inner = np.zeros((96, 96), bool)
    inner[30:66, 36:60] = True
    assert (back_map.triangle[inner] >= 0).all()
    assert np.abs(back - picture)[inner].max() < 4.0  # two bilinear resamplings of a wave with a 50 px period
    assert np.abs(there - picture)[inner].max() > 10.0


def test_gouraud_and_hidden_texels() -> None:
    source, triangles = head_mesh(64, 0.6)
    target, _ = head_mesh(64)
    picture = np.random.default_rng(2).uniform(0, 255, (64, 64, 3)).astype(np.float32)
    colours = reference.vertex_colours(picture, source)
    expected, owner, _ = reference.textured(target, colours, triangles, 64, 64)
    _, render = kernels.map_texture(picture, source, target, triangles, "gouraud")
    np.testing.assert_allclose(render, expected, atol=0.02)
    assert (owner >= 0).any()
    source_xy = np.ascontiguousarray(source[:, :2])
    seen = cpu.render_map(source, source_xy, triangles, 64, 64)
    found = cpu.render_map(target, source_xy, triangles, 64, 64)
    visible = cpu.source_visibility(found, source, triangles, seen.depth)
    covered = found.triangle >= 0
    hidden = covered & (visible == 0)
    assert 0.03 < hidden.sum() / covered.sum() < 0.5
    columns = np.nonzero(hidden)[1]
    assert (columns > 32).mean() > 0.85 or (columns < 32).mean() > 0.85, "what hides is the far cheek"
    itself = cpu.source_visibility(seen, source, triangles, seen.depth)
    assert (itself[seen.triangle >= 0] == 1).mean() > 0.99


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint8])
def test_crop_tensor(dtype: type) -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    affine = np.array([[0.5, 0.2, 3.0], [-0.1, 0.7, 4.0]])
    y, x = np.mgrid[0:8, 0:10]
    sample = reference.sample(image, 0.5 * x + 0.2 * y + 3, -0.1 * x + 0.7 * y + 4).transpose(2, 0, 1)
    scale, offset = (1 / 127.5, -1.0) if dtype != np.uint8 else (1.0, 0.0)
    out = cpu.crop_tensor(image, affine, np.empty((1, 3, 8, 10), dtype), scale=scale, offset=offset)
    tolerance = {np.float32: 2e-5, np.float16: 2e-3, np.uint8: 0.501}[dtype]
    np.testing.assert_allclose(out[0].astype(float), sample * scale + offset, atol=tolerance)


def test_half_bits_are_ieee() -> None:
    image = np.array([[[0.0]], [[1.0]]], np.float32)
    for scale in (1e-8, 6e-8, 3e-5, 6.1e-5, 0.1, 1.0, 1.0004884, 2047.5, 65504, 65519, 65521, 1e9):
        for sign in (1.0, -1.0):
            value = np.float32(scale * sign)
            out = cpu.crop_tensor(
                image, np.array([[0, 0, 0], [0, 0, 1.0]]), np.empty((1, 1, 1, 1), np.float16), scale=value
            )
            with np.errstate(over="ignore"):
                assert out.view(np.uint16)[0, 0, 0, 0] == np.float16(value).view(np.uint16)


def test_empty_mesh_and_reused_output() -> None:
    vertices, triangles = head_mesh(32)
    out = cpu.BackwardMap.empty(32, 32)
    first = cpu.render_map(vertices, vertices[:, :2].copy(), triangles, 32, 32, out=out)
    assert first is out
    assert (out.triangle >= 0).any()
    cpu.render_map(
        np.zeros((0, 3), np.float32), np.zeros((0, 2), np.float32), np.zeros((0, 3), np.int32), 32, 32, out=out
    )
    assert (out.triangle == -1).all()
    assert not out.xy.any()


def test_threads_and_callers_do_not_disturb_each_other() -> None:
    vertices, triangles = head_mesh(64, 0.2)
    source = vertices[:, :2].copy()
    expected = cpu.render_map(vertices, source, triangles, 64, 64, threads=1)
    wrong: list[int] = []

    def work(threads: int) -> None:
        out = cpu.BackwardMap.empty(64, 64)
        for _ in range(20):
            cpu.render_map(vertices, source, triangles, 64, 64, out=out, threads=threads)
            same = (out.triangle == expected.triangle).all() and (out.xy == expected.xy).all()
            wrong.append(0 if same else 1)

    callers = [threading.Thread(target=work, args=(n,)) for n in (1, 2, 3, 5)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(wrong) == 80
    assert not any(wrong)


def test_wrong_arguments_are_named() -> None:
    vertices, triangles = head_mesh(16)
    source = vertices[:, :2].copy()
    image = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(TypeError, match=r"target_vertices: expected float32 \(any, 3\), got float64 \(468, 3\)"):
        cpu.render_map(vertices.astype(np.float64), source, triangles, 16, 16)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"source_xy: float32 \(468, 2\) is not C-contiguous"):
        cpu.render_map(vertices, vertices[:, :2], triangles, 16, 16)
    with pytest.raises(ValueError, match=r"source_xy: expected float32 \(468, 2\), got float32 \(400, 2\)"):
        cpu.render_map(vertices, source[:400], triangles, 16, 16)
    bad = triangles.copy()
    bad[3, 1] = 468
    with pytest.raises(ValueError, match=r"triangles\[3\]: .* outside 0\.\.467"):
        cpu.render_map(vertices, source, bad, 16, 16)
    with pytest.raises(ValueError, match=r"triangles\[3\]: .* outside 0\.\.467"):
        kernels.map_texture(image, vertices, vertices, bad)
    with pytest.raises(ValueError, match="height, width"):
        cpu.render_map(vertices, source, triangles, 0, 16)
    with pytest.raises(ValueError, match="threads"):
        cpu.render_map(vertices, source, triangles, 16, 16, threads=0)
    with pytest.raises(ValueError, match="mode: expected one of flat, gouraud, textured"):
        kernels.map_texture(image, vertices, vertices, triangles, "smooth")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"image: .* got int64 \(16, 16, 3\)"):
        kernels.map_texture(image.astype(np.int64), vertices, vertices, triangles)
    with pytest.raises(ValueError, match=r"target_vertices: expected float64 \(468, 3\)"):
        kernels.map_texture(image, vertices, vertices[:9], triangles)
    frozen = image.copy()
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match=r"out: uint8 .* read-only"):
        cpu.resample(image, cpu.BackwardMap.empty(16, 16), frozen)


def test_strided_and_integer_meshes_are_taken_by_map_texture() -> None:
    vertices, triangles = head_mesh(32)
    wide = np.zeros((468, 6), np.float32)
    wide[:, ::2] = vertices
    image = np.random.default_rng(0).integers(0, 256, (32, 64, 3)).astype(np.uint8)
    plain = kernels.map_texture(np.ascontiguousarray(image[:, ::2]), vertices, vertices, triangles)
    strided = kernels.map_texture(image[:, ::2], wide[:, ::2], wide[:, ::2], triangles.astype(np.int64))
    np.testing.assert_array_equal(plain[1], strided[1])


def test_more_than_the_published_size_of_mesh() -> None:
    assert dense_head(40)[0].shape[0] == 53215
    vertices, triangles = head_mesh(40, 0.2, rows=401, columns=151)
    assert (len(vertices), len(triangles)) == (60551, 120000)
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    for mode in ("flat", "gouraud", "textured"):
        _, render = kernels.map_texture(image, vertices, vertices, triangles, mode)
        assert (render.any(-1)).mean() > 0.3


def test_the_earlier_triangle_keeps_a_tie_and_the_nearer_one_wins() -> None:
    vertices = np.array([[0, 0, 1], [9, 0, 1], [0, 9, 1], [0, 0, 2], [9, 0, 2], [0, 9, 2]], np.float32)
    source = np.ascontiguousarray(vertices[:, :2])
    for order, winner in (([[0, 1, 2], [0, 2, 1]], 0), ([[0, 1, 2], [3, 4, 5]], 1), ([[3, 4, 5], [0, 1, 2]], 0)):
        for threads in (1, 3):
            found = cpu.render_map(vertices, source, np.array(order, np.int32), 10, 10, threads=threads)
            assert found.triangle[2, 2] == winner
            assert found.depth[2, 2] == vertices[order[winner][0], 2]


@pytest.mark.parametrize("mode", ["flat", "gouraud", "textured"])
def test_callers_of_map_texture_do_not_disturb_each_other(mode: texture.Mode) -> None:
    source, triangles = head_mesh(64)
    target, _ = head_mesh(64, 0.3)
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    expected = kernels.map_texture(image, source, target, triangles, mode, threads=1)
    wrong: list[int] = []

    def work(threads: int) -> None:
        for _ in range(10):
            found = kernels.map_texture(image, source, target, triangles, mode, threads=threads)
            wrong.append(sum(int((f != e).any()) for f, e in zip(found, expected, strict=True)))

    callers = [threading.Thread(target=work, args=(n,)) for n in (1, 2, 2, 3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(wrong) == 40
    assert not any(wrong)


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="this is that run")
def test_the_same_tests_pass_without_the_jit() -> None:
    chosen = (
        "equals_the_reference and (floats or integers or spoilt) or top_left or one_line or half_bits or bit_for_bit"
        " or awkward_meshes and floats or keeps_a_tie or is_its_specification"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/kernels/test_map.py",
         "tests/kernels/test_flat.py", "tests/kernels/test_fused.py", "tests/kernels/test_paste.py",
         "-k", f"({chosen}) and not huge"],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert done.stdout.count(".") >= 15, done.stdout  # one dot a test: the selection above must not be empty
