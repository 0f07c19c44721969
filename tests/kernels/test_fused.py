"""One pass from mesh to bytes or planes equals the two steps through a map, and the slow reference."""

from __future__ import annotations

import numpy as np
import pytest
from meshes import KINDS, random_mesh

from kernels import cpu, reference
from kernels.synthetic import head_mesh


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("size", [(2, 2), (2, 9), (9, 2), (3, 3), (40, 44)])
@pytest.mark.parametrize("threads", [1, 2])
def test_texture_equals_map_then_resample(size: tuple[int, int], threads: int) -> None:
    vertices, triangles = head_mesh(60, 0.3)
    # positions reach beyond the picture on every side, so that its last bytes and its border are read
    source = (head_mesh(60)[0][:, :2] * (np.array(size[::-1]) + 6) / 60 - 3).astype(np.float32)
    image = picture(*size)
    map_ = cpu.render_map(vertices, source, triangles, 70, 61, threads=threads)
    out = np.full((70, 61, 3), 77, np.uint8)
    assert cpu.render_texture(vertices, source, triangles, image, out, threads=threads) is out
    expected = reference.sample(image, map_.xy[..., 0].astype(float), map_.xy[..., 1].astype(float))
    covered = map_.triangle >= 0
    assert covered.any()
    assert not out[~covered].any()
    off = np.abs(out[covered] - expected[covered])
    assert off.max() <= 0.51
    two_steps = cpu.resample(image, map_, np.empty_like(out))
    assert np.abs(out.astype(int) - two_steps).max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_texture_of_awkward_meshes(kind: str) -> None:
    image = picture(31, 43)
    for seed in range(2):
        vertices, _, triangles = random_mesh(kind, seed)
        source = np.ascontiguousarray(np.nan_to_num(vertices[:, :2], nan=3, posinf=9, neginf=1).clip(-50, 90))
        map_ = cpu.render_map(vertices, source, triangles, 31, 43, threads=2)
        out = cpu.render_texture(vertices, source, triangles, image, np.empty_like(image), threads=2)
        expected = reference.sample(image, map_.xy[..., 0].astype(float), map_.xy[..., 1].astype(float))
        covered = map_.triangle >= 0
        # a sliver's position moves by thousands of pixels a column: its last bit is a visible step
        tolerance = 0.6 if kind not in ("slivers", "huge") else 30.0
        assert np.abs(out[covered] - expected[covered]).max(initial=0) <= tolerance
        assert not out[~covered].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint8])
@pytest.mark.parametrize("threads", [1, 2])
def test_tensor_is_the_normalised_picture_in_planes(dtype: type, threads: int) -> None:
    vertices, triangles = head_mesh(48, 0.2)
    source = np.ascontiguousarray(head_mesh(40)[0][:, :2])
    image = picture(40, 44)
    scale, offset = (1.0, 0.0) if dtype == np.uint8 else (1 / 127.5, -1.0)
    out = np.full((1, 3, 50, 48), 7, dtype)
    assert cpu.render_tensor(
        vertices, source, triangles, image, out, scale=scale, offset=offset, threads=threads
    ) is out  # fmt: skip
    map_ = cpu.render_map(vertices, source, triangles, 50, 48)
    sample = reference.sample(image, map_.xy[..., 0].astype(float), map_.xy[..., 1].astype(float))
    sample = np.where((map_.triangle >= 0)[..., None], sample, 0).transpose(2, 0, 1)
    tolerance = {np.float32: 1e-4, np.float16: 2e-3, np.uint8: 0.51}[dtype]
    np.testing.assert_allclose(out[0].astype(float), sample * scale + offset, atol=tolerance)


def test_the_mesh_may_be_empty_and_wrong_arguments_are_named() -> None:
    nothing = np.zeros((0, 3), np.float32), np.zeros((0, 2), np.float32), np.zeros((0, 3), np.int32)
    out = cpu.render_texture(*nothing, picture(4, 4), np.ones((5, 6, 3), np.uint8))
    assert not out.any()
    planes = cpu.render_tensor(*nothing, picture(4, 4), np.ones((1, 3, 5, 6), np.float32), offset=-1.0)
    assert (planes == -1).all()
    with pytest.raises(ValueError, match=r"image: expected two rows and columns or more, got uint8 \(1, 4, 3\)"):
        cpu.render_texture(*nothing, picture(1, 4), np.ones((5, 6, 3), np.uint8))
    with pytest.raises(TypeError, match=r"out: expected float32 or float16 or uint8 \(1, 3, any, any\), got float64"):
        cpu.render_tensor(*nothing, picture(4, 4), np.ones((1, 3, 5, 6)))


def test_threads_change_nothing() -> None:
    vertices, triangles = head_mesh(200, 0.4)
    source = np.ascontiguousarray(head_mesh(200)[0][:, :2])
    image = picture(200, 200)
    one = cpu.render_texture(vertices, source, triangles, image, np.empty_like(image), threads=1)
    for threads in (2, 3, 7):
        again = cpu.render_texture(vertices, source, triangles, image, np.empty_like(image), threads=threads)
        np.testing.assert_array_equal(again, one)
