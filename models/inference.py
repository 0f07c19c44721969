"""One face over the runtimes that can run a network here: OpenVINO where it is installed, else ONNX Runtime.

CUDA runs through ONNX Runtime's provider; not run on a GPU by us.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from models.errors import UserError
from models.face import F32

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class Got:
    """What a network runs on."""

    asked: str
    device: str  # cpu or cuda
    runtime: str  # openvino or onnxruntime
    precision: str  # of the arithmetic


class Network:
    """A network with one float32 input and one float32 output of fixed shapes."""

    def __init__(self, file: Path, device: Device = "auto", threads: int = 2) -> None:
        """Load and warm up; raises UserError when the device or every runtime is missing."""
        self._run: Any
        self.got = self._open(file, device, threads)

    def __call__(self, x: F32) -> F32:
        """Run once; x float32 of the network's input shape. The result is overwritten by the next call."""
        return self._run(x)  # type: ignore[no-any-return]

    def _open(self, file: Path, device: Device, threads: int) -> Got:
        if not file.exists():
            raise UserError(f"the network {file.name}", "its file is missing", "run `git checkout models/data` or use --generator off")  # fmt: skip
        if device == "cuda":
            return self._open_onnxruntime(file, device, threads)
        try:
            return self._open_openvino(file, device, threads)
        except ImportError:
            return self._open_onnxruntime(file, device, threads)

    def _open_openvino(self, file: Path, device: Device, threads: int) -> Got:
        import openvino

        core = openvino.Core()
        model = core.compile_model(core.read_model(str(file)), "CPU", {
            "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32",
        })  # fmt: skip
        request = model.create_infer_request()
        shape = tuple(model.input(0).shape)
        held = openvino.Tensor(np.zeros(shape, np.float32), shared_memory=False)
        request.set_input_tensor(held)

        def run(x: F32) -> F32:
            held.data[...] = x
            request.infer()
            return np.asarray(request.get_output_tensor(0).data)

        self._run = run
        run(np.zeros(shape, np.float32))
        return Got(device, "cpu", "openvino", "float32")

    def _open_onnxruntime(self, file: Path, device: Device, threads: int) -> Got:
        try:
            import onnxruntime
        except ImportError as error:
            raise UserError("no runtime for networks", "neither openvino nor onnxruntime is installed",
                            "pip install openvino, or use --generator off") from error  # fmt: skip
        wanted = ["CPUExecutionProvider"]
        if device == "cuda":
            if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
                raise UserError("--device cuda", "ONNX Runtime has no CUDA provider here",
                                "pip install onnxruntime-gpu, or use --device auto")  # fmt: skip
            wanted.insert(0, "CUDAExecutionProvider")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(file), options, providers=wanted)
        spec = session.get_inputs()[0]

        def run(x: F32) -> F32:
            return np.asarray(session.run(None, {spec.name: x})[0])

        self._run = run
        run(np.zeros(spec.shape, np.float32))
        on_gpu = session.get_providers()[0] == "CUDAExecutionProvider"
        return Got(device, "cuda" if on_gpu else "cpu", "onnxruntime", "float32")
