"""A network on ONNX Runtime: on any CPU, or on NVIDIA GPUs through TensorRT and CUDA.

The GPU path has not been run by its authors: it is tested on the providers, options and bindings it asks for, and its
copying on the CPU. On a GPU every input has a buffer of its own on the device, allocated once, that `run` copies the
caller's array into; outputs are copied into the caller's arrays. An input bound as host memory would be copied at
binding time only and then stand still.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from models.assets import cache_dir
from models.inference_choice import Array, Choice

_KINDS = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}
_NAMES = {"tensorrt": "TensorrtExecutionProvider", "cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}
_WORKSPACE = 1 << 30  # bytes that TensorRT may use while it builds an engine


def gpu_providers(available: list[str]) -> list[str]:
    """GPU providers that this ONNX Runtime was built with, best first: tensorrt, cuda."""
    return [p for p in ("tensorrt", "cuda") if _NAMES[p] in available]


def provider_list(provider: str, cache: Path) -> list[Any]:
    """What a session is asked for: the provider with its options, and those that take over what it cannot do.

    provider tensorrt, cuda or cpu; `cache` keeps TensorRT's engines, which take minutes to build.
    """
    cuda = (_NAMES["cuda"], {"cudnn_conv_algo_search": "EXHAUSTIVE", "use_tf32": "1", "do_copy_in_default_stream": "1"})
    tensorrt = (_NAMES["tensorrt"], {
        "trt_fp16_enable": "True", "trt_max_workspace_size": str(_WORKSPACE),
        "trt_engine_cache_enable": "True", "trt_engine_cache_path": str(cache),
        "trt_timing_cache_enable": "True", "trt_timing_cache_path": str(cache),
    })  # fmt: skip
    after: list[Any] = [_NAMES["cpu"]]
    if provider != "cpu":
        after.insert(0, cuda)
    return [tensorrt, *after] if provider == "tensorrt" else after


class OrtNetwork:
    """A network on ONNX Runtime, its arrays and device buffers made once."""

    def __init__(self, path: Path, asked: str, provider: str, threads: int, why: str = "",
                 buffers: str = "") -> None:  # fmt: skip
        """Open the network on a provider: tensorrt, cuda or cpu.

        `buffers` names the device that inputs are copied to before each run (default: the provider's; none on the
        CPU). Raises ImportError or RuntimeError when the provider cannot be had.
        """
        import onnxruntime as ort

        if provider != "cpu" and provider not in gpu_providers(ort.get_available_providers()):
            raise RuntimeError(f"this onnxruntime has no {_NAMES[provider]}")
        cache = cache_dir() / "tensorrt"
        if provider == "tensorrt":
            cache.mkdir(parents=True, exist_ok=True)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:  # by default a failing provider is exchanged for another, with a word on standard output only
            self._session = ort.InferenceSession(str(path), options, providers=provider_list(provider, cache),
                                                 enable_fallback=0)  # fmt: skip
        except Exception as error:  # ONNX Runtime's own exceptions share no base but this
            raise RuntimeError(str(error)) from error
        got = self._session.get_providers()[0]
        if got != _NAMES[provider]:
            raise RuntimeError(f"ONNX Runtime could not start its {_NAMES[provider]}")
        self._binding = self._session.io_binding()
        self.inputs: dict[str, Array] = {}
        self.outputs: dict[str, Array] = {}
        self._uploads: list[tuple[Any, Array]] = []
        device = buffers or ("" if provider == "cpu" else "cuda")
        for node in self._session.get_inputs():
            array = self.inputs[node.name] = np.zeros(tuple(node.shape), _KINDS[node.type])
            if device:
                value = ort.OrtValue.ortvalue_from_shape_and_type(list(array.shape), array.dtype.type, device, 0)
                self._binding.bind_ortvalue_input(node.name, value)
                self._uploads.append((value, array))
            else:
                self._binding.bind_input(node.name, "cpu", 0, array.dtype.type, list(array.shape), array.ctypes.data)
        for node in self._session.get_outputs():
            array = self.outputs[node.name] = np.zeros(tuple(node.shape), _KINDS[node.type])
            self._binding.bind_output(node.name, "cpu", 0, array.dtype.type, list(array.shape), array.ctypes.data)
        precision = "f16" if provider == "tensorrt" else "f32"
        self.choice = Choice(
            asked, "onnxruntime", "cpu" if provider == "cpu" else "cuda", precision, threads, why, provider
        )

    def run(self) -> None:
        """Compute the outputs from the inputs."""
        for value, array in self._uploads:
            value.update_inplace(array)
        self._session.run_with_iobinding(self._binding)
