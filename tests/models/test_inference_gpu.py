"""The GPU path without a GPU: what is asked of ONNX Runtime, what is bound to what, what happens when it fails.

Not run on a GPU by us. The copying into device buffers is run for real, on the CPU.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import inference, inference_ort
from models.errors import UserError
from models.generator import DATA
from models.inference_ort import OrtNetwork, gpu_providers, provider_list

ort = pytest.importorskip("onnxruntime")
EYE = DATA / "generator_eye_source.onnx"
CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"


class Session:
    """An ONNX Runtime with GPUs: runs on the CPU, says what it was asked for."""

    made: list[dict[str, Any]]
    broken: dict[str, str]  # provider -> what its start raises; "" starts another one instead

    def __init__(self, path: str, options: Any, providers: list[Any], **extra: Any) -> None:
        first = providers[0] if isinstance(providers[0], str) else providers[0][0]
        self.made.append({"first": first, "providers": providers, "options": options, **extra})
        if self.broken.get(first):
            raise Fail(self.broken[first])
        self.names = [CPU] if first in self.broken else [first, CPU]
        self.real = ort_session(path, options, providers=[CPU])
        self.get_inputs, self.get_outputs = self.real.get_inputs, self.real.get_outputs

    def get_providers(self) -> list[str]:
        return self.names

    def io_binding(self) -> Any:
        self.binding = Binding(self.real.io_binding())
        self.made[-1]["binding"] = self.binding
        return self.binding

    def run_with_iobinding(self, binding: Any) -> None:
        self.real.run_with_iobinding(binding.real)


class Fail(Exception):  # noqa: N818 - ONNX Runtime's own exceptions are no RuntimeErrors
    pass


class Binding:
    def __init__(self, real: Any) -> None:
        self.real, self.inputs, self.outputs = real, {}, {}

    def bind_input(self, name: str, device: str, *rest: Any) -> None:
        self.inputs[name] = device
        self.real.bind_input(name, device, *rest)

    def bind_ortvalue_input(self, name: str, value: Any) -> None:
        self.inputs[name] = value.asked
        self.real.bind_ortvalue_input(name, value.real)

    def bind_output(self, name: str, device: str, *rest: Any) -> None:
        self.outputs[name] = device
        self.real.bind_output(name, device, *rest)


class Value:
    """A buffer "on the device"."""

    def __init__(self, real: Any, asked: str) -> None:
        self.real, self.asked, self.copies = real, asked, 0

    @staticmethod
    def ortvalue_from_shape_and_type(shape: list[int], kind: Any, device: str, number: int) -> Value:
        return Value(ort_value.ortvalue_from_shape_and_type(shape, kind, "cpu", number), device)

    def update_inplace(self, array: np.ndarray) -> None:
        self.copies += 1
        self.real.update_inplace(array)


ort_session, ort_value = ort.InferenceSession, ort.OrtValue


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[Session]:
    class Here(Session):
        pass

    Here.made, Here.broken = [], {}
    monkeypatch.setenv("FACEANIME_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(ort, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
    monkeypatch.setattr(ort, "InferenceSession", Here)
    monkeypatch.setattr(ort, "OrtValue", Value)
    return Here


def test_tensorrt_is_tried_first_in_half_precision_with_a_cache(gpu: type[Session], tmp_path: Path) -> None:
    n = inference.open_network(EYE, "auto", 1)
    (made,) = gpu.made
    name, options = made["providers"][0]
    assert name == TENSORRT
    assert (
        options["trt_fp16_enable"] == options["trt_engine_cache_enable"] == options["trt_timing_cache_enable"] == "True"
    )
    assert Path(options["trt_engine_cache_path"]) == tmp_path / "cache" / "tensorrt"
    assert (tmp_path / "cache" / "tensorrt").is_dir()
    assert made["providers"][1][0] == CUDA  # takes over what TensorRT cannot do
    assert made["providers"][2] == CPU
    assert made["enable_fallback"] == 0
    c = n.choice
    assert (c.runtime, c.device, c.precision, c.provider, c.why) == ("onnxruntime", "cuda", "f16", "tensorrt", "")


def test_inputs_lie_on_the_device_and_follow_the_callers_arrays(gpu: type[Session]) -> None:
    n, plain = inference.open_network(EYE, "cuda", 1), OrtNetworkOnCpu(EYE)
    binding = gpu.made[0]["binding"]
    assert set(binding.inputs.values()) == {"cuda"}
    assert set(binding.outputs.values()) == {"cpu"}
    where = {k: a.ctypes.data for k, a in n.outputs.items()}
    rng = np.random.default_rng(0)
    for _ in range(3):
        n.inputs["source"][...] = plain.inputs["source"][...] = rng.integers(0, 256, n.inputs["source"].shape)
        n.run()
        plain.run()
        for k, a in n.outputs.items():
            np.testing.assert_array_equal(a, plain.outputs[k])
            assert a.ctypes.data == where[k]
    assert {v.copies for v, _ in n._uploads} == {3 + inference._WARM_UP_RUNS}  # once a run, warm-up included


def OrtNetworkOnCpu(path: Path) -> OrtNetwork:  # noqa: N802
    inside = pytest.MonkeyPatch()
    inside.setattr(ort, "InferenceSession", ort_session)
    try:
        return OrtNetwork(path, "cpu", "cpu", 1)
    finally:
        inside.undo()


def test_copying_into_buffers_is_real(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = OrtNetwork(EYE, "cpu", "cpu", 1), OrtNetwork(EYE, "cpu", "cpu", 1, buffers="cpu")
    assert len(b._uploads) == 1
    for seed in range(3):
        for n in (a, b):
            n.inputs["source"][...] = np.random.default_rng(seed).integers(0, 256, n.inputs["source"].shape)
            n.run()
        np.testing.assert_array_equal(a.outputs["code"], b.outputs["code"])


@pytest.mark.parametrize("how", ["libnvinfer.so.10: cannot open", ""])
def test_without_tensorrts_libraries_cuda_takes_over_and_says_why(gpu: type[Session], how: str) -> None:
    gpu.broken = {TENSORRT: how}
    c = inference.open_network(EYE, "cuda", 1).choice
    assert [m["first"] for m in gpu.made] == [TENSORRT, CUDA]
    assert (c.provider, c.device, c.precision) == ("cuda", "cuda", "f32")
    assert "tensorrt: " in c.why
    assert how in c.why


def test_a_gpu_that_starts_nothing_falls_back_only_when_not_asked_for(gpu: type[Session]) -> None:
    gpu.broken = {TENSORRT: "no driver", CUDA: "no driver"}
    c = inference.open_network(EYE, "auto", 1, "onnxruntime").choice
    assert (c.device, c.provider) == ("cpu", "cpu")
    assert "tensorrt: no driver" in c.why
    assert "cuda: no driver" in c.why
    with pytest.raises(UserError, match=r"tensorrt: no driver; cuda: no driver.*onnxruntime-gpu"):
        inference.open_network(EYE, "cuda", 1)


def test_cuda_asked_and_absent_does_not_fall_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CPU])
    for runtime in ("auto", "openvino", "onnxruntime"):
        with pytest.raises(UserError, match="cuda"):
            inference.open_network(EYE, "cuda", 1, runtime)


def test_without_onnxruntime_cuda_is_told_and_auto_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    real = inference.importlib.import_module

    def absent(name: str) -> Any:
        if name == "onnxruntime":
            raise ImportError("No module named 'onnxruntime'")
        return real(name)

    monkeypatch.setattr(inference.importlib, "import_module", absent)
    c = inference.open_network(EYE, "auto", 1).choice
    assert c.runtime == "openvino"
    assert "No module named" in c.why


def test_providers_by_what_the_build_has(tmp_path: Path) -> None:
    assert gpu_providers([TENSORRT, CUDA, CPU]) == ["tensorrt", "cuda"]
    assert gpu_providers([CUDA, CPU]) == ["cuda"]
    assert gpu_providers(["AzureExecutionProvider", CPU]) == []
    assert provider_list("cpu", tmp_path) == [CPU]
    assert [p if isinstance(p, str) else p[0] for p in provider_list("cuda", tmp_path)] == [CUDA, CPU]


def test_a_build_without_the_provider_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CPU])
    with pytest.raises(RuntimeError, match=TENSORRT):
        OrtNetwork(EYE, "cuda", "tensorrt", 1)


def test_session_options_are_for_one_small_network(gpu: type[Session]) -> None:
    inference_ort.OrtNetwork(EYE, "cuda", "cuda", 3)
    options = gpu.made[0]["options"]
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (3, 1)
    name, asked = gpu.made[0]["providers"][0]
    assert name == CUDA
    assert asked["cudnn_conv_algo_search"] == "EXHAUSTIVE"  # shapes are fixed: searched once, at warm-up


def test_a_damaged_file_is_a_runtime_error(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"not a network")
    with pytest.raises(RuntimeError):
        OrtNetwork(tmp_path / "bad.onnx", "cpu", "cpu", 1)


def test_devices_says_what_this_onnxruntime_has_for_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    from realtime import doctor

    for available, want in (([CPU], "not here"), ([TENSORRT, CUDA, CPU], "tensorrt, then cuda"), ([CUDA, CPU], "cuda")):
        monkeypatch.setattr(ort, "get_available_providers", lambda available=available: available)
        assert want in next(line for line in doctor.devices()[0] if "--device cuda" in line)
