"""One face over the runtimes: open an ONNX network on what the machine has, feed fixed arrays, read fixed arrays.

A `Network` owns its input and output arrays; the caller writes into the first, calls `run`, reads the second. Nothing
is allocated per frame. OpenVINO serves x86 CPUs, in bfloat16 where the CPU has it and it is measured to be faster; ONNX
Runtime serves any CPU, and NVIDIA GPUs through CUDA (that path has not been run by its authors: it is tested on the
options and bindings it asks for).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from models.errors import UserError

Array = npt.NDArray[Any]
DEVICES = ("auto", "cpu", "cuda")
RUNTIMES = ("auto", "openvino", "onnxruntime")
PRECISIONS = ("auto", "f32", "bf16")
_WARM_UP_RUNS = 3
_TRIAL_RUNS = 8
_WORTH = 0.9  # share of the float32 time that bfloat16 must stay below to be taken


@dataclass(frozen=True)
class Choice:
    """What was asked for and what runs."""

    asked: str
    runtime: str  # openvino or onnxruntime
    device: str  # cpu or cuda
    precision: str  # f32 or bf16
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


def open_network(path: Path, device: str = "auto", threads: int = 2, runtime: str = "auto",
                 precision: str = "auto", clock: Callable[[], int] | None = None) -> Network:  # fmt: skip
    """Open a network with fixed shapes and warm it up.

    device auto, cpu or cuda; runtime auto, openvino or onnxruntime; threads on a CPU; precision auto, f32 or bf16 (only
    OpenVINO computes in bf16); `auto` measures which is faster by `clock` (ns), without one it is f32. `device auto`
    falls back to the CPU and says why; `cuda` does not. Raises UserError when the file or every
    runtime is missing, ValueError for other names.
    """
    for name, value, known in (("device", device, DEVICES), ("runtime", runtime, RUNTIMES),
                               ("precision", precision, PRECISIONS)):  # fmt: skip
        if value not in known:
            raise ValueError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
    if not path.is_file():
        raise UserError(f"the network {path.name}", "the file is not there",
                        "restore models/data from the repository, or run with --generator off")  # fmt: skip
    network = _open(path, device, threads, runtime, precision, clock)
    for _ in range(_WARM_UP_RUNS):
        network.run()
    return network


def _open(path: Path, device: str, threads: int, runtime: str, precision: str,
          clock: Callable[[], int] | None) -> Network:  # fmt: skip
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
            return _fastest(path, device, threads, precision, "; ".join(why), clock)
        except (ImportError, RuntimeError) as error:
            why.append(f"openvino: {_short(error)}")
    if runtime in ("auto", "onnxruntime"):
        try:
            return OrtNetwork(path, device, "cpu", threads, "; ".join(why))
        except (ImportError, RuntimeError) as error:
            why.append(f"onnxruntime: {_short(error)}")
    raise UserError("no runtime for the generator's networks", "; ".join(why),
                    "pip install openvino onnxruntime, or run with --generator off")  # fmt: skip


def _fastest(path: Path, device: str, threads: int, precision: str, why: str,
             clock: Callable[[], int] | None) -> OpenVinoNetwork:  # fmt: skip
    """Take bfloat16 where the CPU has it and is faster at it: some with avx512_bf16 are, some are not."""
    import openvino as ov

    able = "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "bf16" and not able:
        why, precision = "; ".join(filter(None, (why, "bf16: this CPU does not have it"))), "f32"
    if precision != "auto" or not able or clock is None:
        return OpenVinoNetwork(path, device, threads, why, "bf16" if precision == "bf16" else "f32")
    both = [OpenVinoNetwork(path, device, threads, why, p) for p in ("f32", "bf16")]
    best = [1 << 62] * 2
    for turn in range(_TRIAL_RUNS + 2):  # by turns, so that other work on the machine slows both alike
        for i, network in enumerate(both):
            start = clock()
            network.run()
            if turn >= 2:
                best[i] = min(best[i], clock() - start)
    return both[int(best[1] < _WORTH * best[0])]


class OpenVinoNetwork:
    """A network on OpenVINO's CPU plugin, in float32 or bfloat16."""

    def __init__(self, path: Path, asked: str, threads: int, why: str = "", precision: str = "f32") -> None:
        import openvino as ov

        core = ov.Core()
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1,
                   "INFERENCE_PRECISION_HINT": precision, "ENABLE_CPU_PINNING": False}  # fmt: skip
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
        self.choice = Choice(asked, "openvino", "cpu", precision, threads, why)

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
