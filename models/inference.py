"""One face over the runtimes: open an ONNX network on what the machine has, feed fixed arrays, read fixed arrays.

A `Network` owns its input and output arrays; the caller writes into the first, calls `run`, reads the second. Nothing
is allocated per frame. NVIDIA GPUs are served by ONNX Runtime through TensorRT in float16, then CUDA
(`models/inference_ort.py`; not run by its authors), x86 CPUs by OpenVINO, in bfloat16 where the CPU has it and it is
measured to be faster, any CPU by ONNX Runtime.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import UserError
from models.inference_choice import Array, Choice, Network
from models.inference_ort import OrtNetwork, gpu_providers

DEVICES = ("auto", "cpu", "cuda")
RUNTIMES = ("auto", "openvino", "onnxruntime")
PRECISIONS = ("auto", "f32", "bf16")
_WARM_UP_RUNS = 3
_TRIAL_RUNS = 8
_WORTH = 0.9  # share of the float32 time that bfloat16 must stay below to be taken


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
        for provider in _gpu(why):
            try:
                return OrtNetwork(path, device, provider, threads, "; ".join(why))
            except (ImportError, RuntimeError) as error:
                why.append(f"{provider}: {_short(error)}")
    if device == "cuda":
        raise UserError("device cuda", "; ".join(why) or "openvino has no such device",
                        "pip install onnxruntime-gpu in place of onnxruntime, or use --device cpu")  # fmt: skip
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


def _gpu(why: list[str]) -> list[str]:
    """GPU providers to try, best first; adds to `why` when there is none."""
    try:
        found = gpu_providers(importlib.import_module("onnxruntime").get_available_providers())
    except ImportError as error:
        why.append(f"cuda: {_short(error)}")
        return []
    if not found:
        why.append("cuda: this onnxruntime has no CUDA provider")
    return found


def _fastest(path: Path, device: str, threads: int, precision: str, why: str,
             clock: Callable[[], int] | None) -> OpenVinoNetwork:  # fmt: skip
    """Take bfloat16 where the CPU has it and is faster at it: some with avx512_bf16 are, some are not."""
    ov = _openvino()

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


def _openvino() -> Any:
    """Import OpenVINO without its usage reports: they call home, and the fork that sends them can hang a start."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return importlib.import_module("openvino")


class OpenVinoNetwork:
    """A network on OpenVINO's CPU plugin, in float32 or bfloat16."""

    def __init__(self, path: Path, asked: str, threads: int, why: str = "", precision: str = "f32") -> None:
        ov = _openvino()

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
        self._request.infer(share_outputs=True)  # else it copies the outputs into arrays that nobody reads


def _short(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


__all__ = [
    "DEVICES",
    "PRECISIONS",
    "RUNTIMES",
    "Array",
    "Choice",
    "Network",
    "OpenVinoNetwork",
    "OrtNetwork",
    "open_network",
]
