"""The CUDA kernels: they compile for every architecture, and emulated on the host they equal the reference."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_cupy import FakeCupy
from meshes import KINDS, random_mesh

from benchmarks import kernel_bench, kernel_cuda
from benchmarks import kernels as kernels_benchmark
from kernels import cpu, gpu, reference

COMPILER = shutil.which("g++") or shutil.which("clang++")
NVCC = shutil.which("nvcc")
ARCHITECTURES = ("75", "80", "86", "89", "90", "100")


@pytest.fixture(scope="module")
def cupy(tmp_path_factory: pytest.TempPathFactory) -> FakeCupy:
    if COMPILER is None:
        pytest.skip("no C++ compiler to emulate the CUDA kernels with")
    return FakeCupy(tmp_path_factory.mktemp("emulated"), COMPILER)


@pytest.fixture(scope="module")
def mapper(cupy: FakeCupy) -> gpu.Mapper:
    return gpu.Mapper(cupy)


@pytest.mark.parametrize("kind", KINDS)
def test_flat_equals_the_reference_whatever_the_order_of_blocks(mapper: gpu.Mapper, kind: str) -> None:
    for seed in range(3):
        vertices, colours, triangles = random_mesh(kind, seed)
        exact = vertices.astype(np.float64)
        expected, _ = reference.flat(colours, exact, triangles, 31, 43)
        for _ in range(2):
            out = mapper.render_flat(exact, colours, triangles, np.empty((31, 43, 3), np.float32))
            np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_map_equals_the_reference_whatever_the_order_of_blocks(mapper: gpu.Mapper, kind: str) -> None:
    vertices, colours, triangles = random_mesh(kind, 7)
    source = np.ascontiguousarray(colours[:, :2])
    expected, owner, depth = reference.textured(vertices, source, triangles, 31, 43)
    for facing in (0, 1, -1):
        if facing:
            expected, owner, depth = reference.textured(vertices, source, triangles, 31, 43, facing)
        xy, triangle, z = mapper.render_map(vertices, source, triangles, 31, 43, facing=facing)
        # two triangles may meet a pixel at depths that differ by rounding alone
        same = triangle == owner
        covered = owner >= 0
        assert ((triangle >= 0) == covered).all()
        np.testing.assert_allclose(z[covered], depth[covered], rtol=1e-6, atol=1e-4)
        np.testing.assert_allclose(xy[same], expected[same], rtol=1e-6, atol=1e-4)
        assert same.mean() > 0.97


def test_composite_and_crop_equal_the_cpu(mapper: gpu.Mapper) -> None:
    random = np.random.default_rng(3)
    vertices, colours, triangles = random_mesh("floats", 2)
    map_ = cpu.render_map(vertices, np.ascontiguousarray(colours[:, :2]) * 0.1, triangles, 31, 43)
    person = random.uniform(-3, 258, (29, 37, 4)).astype(np.float32)
    person[..., 3] = random.uniform(0, 1, (29, 37))
    plate = random.integers(0, 256, (31, 43, 3)).astype(np.uint8)
    ours = mapper.composite(person, plate, map_.xy, map_.triangle, np.empty_like(plate))
    theirs = cpu.composite(person, plate, map_, np.empty_like(plate))
    np.testing.assert_array_equal(ours, theirs)
    affine = np.array([[0.7, 0.1, 3.0], [-0.1, 0.8, 5.0]])
    for dtype in (np.float32, np.float16, np.uint8):
        wanted = cpu.crop_tensor(plate, affine, np.empty((1, 3, 16, 20), dtype), scale=0.5, offset=1.0)
        got = mapper.crop_tensor(plate, affine, np.empty((1, 3, 16, 20), dtype), scale=0.5, offset=1.0)
        # a fused multiply-add on the CPU may turn the last bit of a float or, once in a while, a byte's half
        step = 1.0 if dtype == np.uint8 else 1e-4
        np.testing.assert_allclose(got.astype(float), wanted.astype(float), rtol=1e-3, atol=step)
        assert got.any()


def test_the_wrapper_sizes_grids_and_passes_the_stream(cupy: FakeCupy, mapper: gpu.Mapper) -> None:
    class Stream:
        def __enter__(self) -> None: ...
        def __exit__(self, *_: object) -> None: ...

    stream = Stream()
    vertices, colours, triangles = random_mesh("floats", 1)
    cupy.launches.clear()
    mapper.render_flat(
        vertices.astype(np.float64), colours, triangles, np.empty((30, 50, 3), np.float32), stream=stream
    )
    assert [(name, grid, block) for name, grid, block, *_ in cupy.launches] == [
        ("flat_draw", (len(triangles),), (64,)),
        ("flat_draw", (len(triangles),), (64,)),
        ("flat_paint", (6,), (256,)),  # 1,500 pixels in blocks of 256
    ]
    assert all(launch[4] is stream for launch in cupy.launches)
    assert "-fmad=false" in cupy.options


def test_an_empty_mesh_launches_no_empty_grid(mapper: gpu.Mapper) -> None:
    out = mapper.render_flat(np.zeros((0, 3)), np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32),
                             np.ones((4, 5, 3), np.float32))  # fmt: skip
    assert not out.any()


def test_wrong_arrays_are_named(mapper: gpu.Mapper) -> None:
    good = np.zeros((3, 3), np.float64)
    triangles = np.zeros((1, 3), np.int32)
    out = np.zeros((4, 4, 3), np.float32)
    with pytest.raises(TypeError, match=r"vertices: expected float64 \(any, 3\), got float32 \(3, 3\)"):
        mapper.render_flat(good.astype(np.float32), good.astype(np.float32), triangles, out)
    with pytest.raises(ValueError, match=r"colours: expected C-contiguous \(3, 3\)"):
        mapper.render_flat(good, np.zeros((4, 3), np.float32), triangles, out)
    with pytest.raises(TypeError, match="on the device"):
        mapper.render_flat([[0, 0, 0]], good, triangles, out)


def test_no_cupy_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(gpu.importlib, "import_module", missing)
    with pytest.raises(gpu.CudaUnavailableError, match="pip install cupy"):
        gpu.load_cupy()


def test_the_cuda_rows_of_the_benchmark_come_out(cupy: FakeCupy) -> None:
    bench = kernel_bench.Bench(rounds=1, round_s=0.0)
    kernel_cuda.cuda_rows(bench, cupy, (32,), meshes=("live",))
    assert [(r["op"], r["backend"]) for r in bench.rows] == [
        ("render", "cuda"), ("map", "cuda"), ("composite", "cuda"), ("crop 112", "cuda")]  # fmt: skip
    assert bench.rows[0]["max_abs_err"] == 0.0
    assert bench.rows[1]["max_abs_err"] < 1e-3


def test_the_benchmark_without_cuda_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def unavailable() -> None:
        raise gpu.CudaUnavailableError("CUDA needs CuPy: pip install cupy-cuda12x (or use --device cpu)")

    monkeypatch.setattr(gpu, "load_cupy", unavailable)
    monkeypatch.setattr("sys.argv", ["kernels", "--device", "cuda", "--report", str(tmp_path / "r.json")])
    assert kernels_benchmark.main() == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "pip install cupy" in said.err
    assert not said.out
    assert not (tmp_path / "r.json").exists()


@pytest.fixture(scope="module")
def device() -> tuple[Any, gpu.Mapper]:
    """CuPy and the kernels on a real GPU; nobody has run what uses this yet."""
    try:
        found = gpu.load_cupy()
    except gpu.CudaUnavailableError as error:
        pytest.skip(str(error))
    return found, gpu.Mapper(found)


@pytest.mark.parametrize("kind", KINDS)
def test_a_real_gpu_equals_the_reference(device: tuple[Any, gpu.Mapper], kind: str) -> None:
    cupy, mapper = device
    vertices, colours, triangles = random_mesh(kind, 3)
    exact, source = vertices.astype(np.float64), np.ascontiguousarray(colours[:, :2])
    expected, _ = reference.flat(colours, exact, triangles, 31, 43)
    send = cupy.asarray
    out = mapper.render_flat(send(exact), send(colours), send(triangles), cupy.empty((31, 43, 3), np.float32))
    np.testing.assert_array_equal(cupy.asnumpy(out), expected)
    xy, triangle, depth = mapper.render_map(send(vertices), send(source), send(triangles), 31, 43)
    wanted, owner, nearest = reference.textured(vertices, source, triangles, 31, 43)
    covered, same = owner >= 0, cupy.asnumpy(triangle) == owner
    np.testing.assert_array_equal(cupy.asnumpy(triangle) >= 0, covered)
    np.testing.assert_allclose(cupy.asnumpy(depth)[covered], nearest[covered], rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(cupy.asnumpy(xy)[same], wanted[same], rtol=1e-6, atol=1e-4)
    assert same.mean() > 0.97


def test_a_real_gpu_composites_and_crops_as_the_cpu(device: tuple[Any, gpu.Mapper]) -> None:
    cupy, mapper = device
    random = np.random.default_rng(3)
    vertices, colours, triangles = random_mesh("floats", 2)
    map_ = cpu.render_map(vertices, np.ascontiguousarray(colours[:, :2]) * 0.1, triangles, 31, 43)
    person = random.uniform(0, 255, (29, 37, 4)).astype(np.float32)
    person[..., 3] = random.uniform(0, 1, (29, 37))
    plate = random.integers(0, 256, (31, 43, 3)).astype(np.uint8)
    send = cupy.asarray
    ours = mapper.composite(
        send(person), send(plate), send(map_.xy), send(map_.triangle), cupy.empty((31, 43, 3), "u1")
    )
    np.testing.assert_array_equal(cupy.asnumpy(ours), cpu.composite(person, plate, map_, np.empty_like(plate)))
    affine = np.array([[0.7, 0.1, 3.0], [-0.1, 0.8, 5.0]])
    got = mapper.crop_tensor(send(plate), send(affine), cupy.empty((1, 3, 16, 20), np.float32))
    wanted = cpu.crop_tensor(plate, affine, np.empty((1, 3, 16, 20), np.float32))
    np.testing.assert_allclose(cupy.asnumpy(got), wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.skipif(NVCC is None, reason="nvcc is not installed")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_compiles_for(architecture: str, tmp_path: Path) -> None:
    target = tmp_path / "kernels.cubin"
    done = subprocess.run(
        [str(NVCC), "-cubin", f"-arch=sm_{architecture}", *gpu.OPTIONS, str(gpu.SOURCE), "-o", str(target)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert target.stat().st_size > 1000
