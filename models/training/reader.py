"""The landmark network as a loss: what a painted mouth reads as, with gradients back to the pixels.

MediaPipe's landmark network (`models/assets`) is rebuilt in torch from its own file, operation by operation; its
weights are never changed nor stored. `tests/training/test_reader.py` holds it to what LiteRT computes.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import tflite
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from models.landmarks import N_LANDMARKS

NETWORK = "face_landmarks_detector.tflite"
SIDE = 256  # px of the network's picture
_NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if not k.startswith("_")}
_TYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}
Step = tuple[str, list[int], int, tuple[int, bool]]  # operation, inputs, output, (stride, same padding)


class Reader:
    """Landmarks of a face that fills a picture, differentiable by the picture."""

    def __init__(self, task_file: Path) -> None:
        with zipfile.ZipFile(task_file) as z:
            model = tflite.Model.GetRootAsModel(z.read(NETWORK), 0)
        graph = model.Subgraphs(0)
        known = {i: v for i in range(graph.TensorsLength()) if (v := _constant(model, graph, i)) is not None}
        steps: list[Step] = []
        for i in range(graph.OperatorsLength()):
            op = graph.Operators(i)
            code = model.OperatorCodes(op.OpcodeIndex())
            name = _NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            ins, out = [int(k) for k in op.InputsAsNumpy()], int(op.OutputsAsNumpy()[0])
            if name == "DEQUANTIZE":
                known[out] = known[ins[0]].astype(np.float32)
            else:
                steps.append((name, ins, out, _window(op)))
        self._input, self._output = int(graph.InputsAsNumpy()[0]), _wide_output(graph)
        self._steps = _needed(steps, self._output)
        used = {k for _, ins, _, _ in self._steps for k in ins}
        self._known = {k: _as_torch(v, _role(self._steps, k)) for k, v in known.items() if k in used}
        self._last = {k: n for n, (_, ins, _, _) in enumerate(self._steps) for k in ins}

    def __call__(self, picture: Tensor, deep: tuple[int, ...] = ()) -> tuple[Tensor, list[Tensor]]:
        """Read pictures (B, 3, 256, 256) 0..1: points (B, 478, 3) px of those pictures, x and y from pixel centres.

        Also returns the feature maps after the strided layers whose numbers stand in `deep`, counted from 0.
        """
        live: dict[int, Tensor] = {self._input: picture.contiguous(memory_format=torch.channels_last)}
        kept, strided = [], 0
        for n, (name, ins, out, window) in enumerate(self._steps):
            values = [live[k] if k in live else self._known[k] for k in ins if k >= 0]
            live[out] = _run(name, values, window)
            if name == "MAX_POOL_2D":
                if strided in deep:
                    kept.append(values[0])  # what the level before it has ended with
                strided += 1
            for k in ins:
                if self._last.get(k) == n:
                    live.pop(k, None)
        points = live[self._output].reshape(len(picture), N_LANDMARKS, 3)
        return points - torch.tensor([0.5, 0.5, 0.0]), kept


def _constant(model: tflite.Model, graph: tflite.SubGraph, i: int) -> np.ndarray | None:
    tensor = graph.Tensors(i)
    buffer = model.Buffers(tensor.Buffer())
    if buffer.DataLength() == 0:
        return None
    return np.frombuffer(buffer.DataAsNumpy().tobytes(), _TYPES[tensor.Type()]).reshape(tensor.ShapeAsNumpy())


def _window(op: tflite.Operator) -> tuple[int, bool]:
    """Stride and whether the borders are padded; (1, True) for what has no window."""
    for kind in ("Conv2D", "DepthwiseConv2D", "Pool2D"):
        if op.BuiltinOptionsType() == getattr(tflite.BuiltinOptions, f"{kind}Options"):
            options, table = getattr(tflite, f"{kind}Options")(), op.BuiltinOptions()
            options.Init(table.Bytes, table.Pos)
            if options.FusedActivationFunction() != tflite.ActivationFunctionType.NONE:
                raise ValueError(f"{NETWORK} has an activation that this reader does not know")
            return int(options.StrideH()), options.Padding() == tflite.Padding.SAME
    return 1, True


def _wide_output(graph: tflite.SubGraph) -> int:
    outs = [int(k) for k in graph.OutputsAsNumpy()]
    return next(k for k in outs if int(np.prod(graph.Tensors(k).ShapeAsNumpy())) == 3 * N_LANDMARKS)


def _needed(steps: list[Step], output: int) -> list[Step]:
    """Leave out what the landmarks do not depend on."""
    wanted, kept = {output}, []
    for step in reversed(steps):
        if step[2] in wanted:
            kept.append(step)
            wanted.update(step[1])
    return kept[::-1]


def _role(steps: list[Step], k: int) -> str:
    return next((name if ins.index(k) == 1 else "bias") for name, ins, _, _ in steps if k in ins)


def _as_torch(value: np.ndarray, role: str) -> Tensor:
    """Bring a constant into torch's order of axes."""
    if role == "CONV_2D":
        value = value.transpose(0, 3, 1, 2)
    elif role == "DEPTHWISE_CONV_2D":
        value = value.transpose(3, 0, 1, 2)
    elif role == "PRELU":
        value = value.reshape(-1)
    return torch.from_numpy(value.astype(value.dtype, order="C", copy=True))  # the file's own bytes may not be written


def _run(name: str, values: list[Tensor], window: tuple[int, bool]) -> Tensor:
    x, (stride, same) = values[0], window
    if name == "ADD":
        return x + values[1]
    if name == "PRELU":
        return F.prelu(x, values[1])
    if name == "PAD":  # of channels
        return F.pad(x, (0, 0, 0, 0, int(values[1][3, 0]), int(values[1][3, 1])))
    if name == "MAX_POOL_2D":
        return F.max_pool2d(x, stride)
    if name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        weight = values[1]
        if same:
            x = F.pad(x, _same(x.shape[-1], weight.shape[-1], stride) + _same(x.shape[-2], weight.shape[-2], stride))
        return F.conv2d(x, weight, values[2], stride, groups=len(weight) if name.startswith("D") else 1)
    raise ValueError(f"{NETWORK} has an operation that this reader does not know: {name}")


def _same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Padding before and after, as TensorFlow's SAME."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2
