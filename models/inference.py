"""One face over the runtimes: open an ONNX network on what the machine has, feed fixed arrays, read fixed arrays.

A `Network` owns its input and output arrays; the caller writes into the first, calls `run`, reads the second. Nothing
is allocated per frame. OpenVINO serves x86 CPUs, ONNX Runtime any CPU, and NVIDIA GPUs through CUDA (that path
has not been run by its authors: it is tested on the options and bindings it asks for).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from models.errors import UserError

Array = npt.NDArray[Any]
DEVICES = ("auto", "cpu", "cuda")
_WARM_UP_RUNS = 3


@dataclass(frozen=True)
class Choice:
    """What was asked for and what runs."""

    asked: str
    runtime: str  # openvino or onnxruntime
    device: str  # cpu or cuda
    precision: str
    threads: int
    why: str = ""  # why it is not what was asked, empty when it is


class Network(Protocol):
    """An opened network with fixed shapes."""

    @property
    def inputs(self) -> Mapping[str, Array]:
        """Arrays to write into, by name."""

    @property
    def outputs(self) -> Mapping[str, Array]:
        """Arrays to read after `run`, by name."""

    @property
    def choice(self) -> Choice:
        """What was asked for and what runs."""

    def run(self) -> None:
        """Compute the outputs from the inputs."""


def open_network(path: Path, device: str = "auto", threads: int = 2, runtime: str = "auto") -> Network:
    """Open a network with fixed shapes and warm it up.

    device auto, cpu or cuda; runtime auto, openvino or onnxruntime; threads on a CPU. `auto` falls back to the CPU and
    says why; `cuda` does not. Raises UserError when the file or every runtime is missing, ValueError for other names.
    """
    if device not in DEVICES:
        raise ValueError(f"device: expected one of {', '.join(DEVICES)}, got {device!r}")
    if runtime not in ("auto", "openvino", "onnxruntime"):
        raise ValueError(f"runtime: expected auto, openvino or onnxruntime, got {runtime!r}")
    if not path.is_file():
        raise UserError(f"the network {path.name}", "the file is not there",
                        "restore models/data from the repository, or run with --generator off")  # fmt: skip
    network = _open(path, device, threads, runtime)
    for _ in range(_WARM_UP_RUNS):
        network.run()
    return network


def _open(path: Path, device: str, threads: int, runtime: str) -> Network:
    why: list[str] = []
    if device in ("auto", "cuda") and runtime != "openvino":
        try:
            return OrtNetwork(path, device, "cuda", threads)
        except (ImportError, RuntimeError) as error:
            if device == "cuda":
                hint = "pip install onnxruntime-gpu, or use --device cpu"
                raise UserError("device cuda", _short(error), hint) from error
            why.append(f"cuda: {_short(error)}")
    if runtime in ("auto", "openvino"):
        try:
            return OpenVinoNetwork(path, device, threads, "; ".join(why))
        except (ImportError, RuntimeError) as error:
            why.append(f"openvino: {_short(error)}")
    if runtime in ("auto", "onnxruntime"):
        try:
            return OrtNetwork(path, device, "cpu", threads, "; ".join(why))
        except (ImportError, RuntimeError) as error:
            why.append(f"onnxruntime: {_short(error)}")
    raise UserError("no runtime for the generator's networks", "; ".join(why),
                    "pip install openvino onnxruntime, or run with --generator off")  # fmt: skip


class OpenVinoNetwork:
    """A network on OpenVINO's CPU plugin, float32 (bf16 is slower on CPUs without AMX, see docs/generator.md)."""

    def __init__(self, path: Path, asked: str, threads: int, why: str = "") -> None:
        import openvino as ov

        core = ov.Core()
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1,
                   "INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False}  # fmt: skip
        self._model = core.compile_model(str(path), "CPU", options)
        self._request = self._model.create_infer_request()
        self.inputs: dict[str, Array] = {}
        self.outputs: dict[str, Array] = {}
        self._tensors: list[Any] = []
        for ports, arrays, bind in (
            (self._model.inputs, self.inputs, self._request.set_tensor),
            (self._model.outputs, self.outputs, self._request.set_tensor),
        ):
            for port in ports:
                array = np.zeros(tuple(port.shape), port.element_type.to_dtype())
                tensor = ov.Tensor(array, shared_memory=True)
                bind(port, tensor)
                self._tensors.append(tensor)
                arrays[port.any_name] = array
        self.choice = Choice(asked, "openvino", "cpu", "f32", threads, why)

    def run(self) -> None:
        """Compute the outputs from the inputs."""
        self._request.infer()


class OrtNetwork:
    """A network on ONNX Runtime, its arrays bound once."""

    def __init__(self, path: Path, asked: str, device: str, threads: int, why: str = "") -> None:
        import onnxruntime as ort

        providers = ort_providers(device, ort.get_available_providers())
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = ort.InferenceSession(str(path), options, providers=providers)
        if device == "cuda" and self._session.get_providers()[0] == "CPUExecutionProvider":
            raise RuntimeError("ONNX Runtime could not start its CUDA provider")
        self._binding = self._session.io_binding()
        self.inputs: dict[str, Array] = {}
        self.outputs: dict[str, Array] = {}
        for nodes, arrays, bind in (
            (self._session.get_inputs(), self.inputs, self._binding.bind_input),
            (self._session.get_outputs(), self.outputs, self._binding.bind_output),
        ):
            for node in nodes:
                kind = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}[node.type]
                array = np.zeros(tuple(node.shape), kind)
                bind(node.name, "cpu", 0, kind, list(array.shape), array.ctypes.data)
                arrays[node.name] = array
        self.choice = Choice(asked, "onnxruntime", device, "f32", threads, why)

    def run(self) -> None:
        """Compute the outputs from the inputs."""
        self._session.run_with_iobinding(self._binding)


def ort_providers(device: str, available: list[str]) -> list[Any]:
    """Execution providers of ONNX Runtime to ask for, best first; RuntimeError when there is no GPU build."""
    if device != "cuda":
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in available:
        raise RuntimeError("this onnxruntime has no CUDA provider")
    cuda = {"cudnn_conv_algo_search": "EXHAUSTIVE", "use_tf32": "1"}
    return [("CUDAExecutionProvider", cuda), "CPUExecutionProvider"]


def _short(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
