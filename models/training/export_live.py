"""Export trained `live` networks as ONNX files whose weights are stored in half precision.

`python -m models.training.export_live mouth --run RUN --out models/data` (or `eye`)
Writes generator_<kind>.onnx and generator_<kind>_source.onnx. Pictures go in and out as bytes and floats 0..255 with
channels last, so that the caller neither transposes nor scales.
"""

from __future__ import annotations

import argparse
import copy
import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from models.training.networks import SHAPES, LiveNet, Shape, SourceBranch

log = logging.getLogger("export_live")


class _Live(nn.Module):
    """`LiveNet` with its last step written for runtimes, which fold one sigmoid into the convolution before it.

    tanh(y) / 2 = sigmoid(2 y) - 1 / 2, and the mask's offset belongs into the bias: the same numbers from half a
    millisecond less (docs/decisions/0405).
    """

    def __init__(self, net: LiveNet) -> None:
        super().__init__()
        self.net, self.out = net, copy.deepcopy(net.out)
        with torch.no_grad():
            assert self.out.bias is not None
            self.out.bias[12:16] -= 1.0  # channels: red, green, blue, mask, three shifts, four pixels each
            self.out.weight[16:] *= 2.0
            self.out.bias[16:] *= 2.0

    def forward(self, picture: Tensor, turn: Tensor, fine: Tensor, code: Tensor) -> Tensor:
        g = self.net.trunk(picture.permute(0, 3, 1, 2).float() * (1 / 255), turn, fine, code)
        y = nn.functional.pixel_shuffle(torch.sigmoid(self.out(g)), 2)
        mask = (y[:, 3:4] * 1.08 - 0.04).clamp(0, 1) * self.net.window
        raw = y[:, 4:] - 0.5
        shift = (raw - raw.clamp(-0.006, 0.006)) * (self.net.window * 255.0)
        return torch.cat([y[:, :3] * (mask * 255.0) + shift * (1 - mask), mask], 1).permute(0, 2, 3, 1)


class _Source(nn.Module):
    def __init__(self, net: SourceBranch) -> None:
        super().__init__()
        self.net = net

    def forward(self, source: Tensor) -> tuple[Tensor, Tensor]:
        return self.net(source.permute(0, 3, 1, 2).float() * (1 / 255))


def load(kind: str, run: Path) -> tuple[SourceBranch, LiveNet, int]:
    """Build the networks with the averaged weights of a run; also returns its step."""
    state = torch.load(run / "state.pt", weights_only=False, map_location="cpu")
    if state["kind"] != kind:
        raise ValueError(f"{run} holds a network of kind {state['kind']}, asked for {kind}")
    source, live = SourceBranch(SHAPES[kind]), LiveNet(SHAPES[kind])
    with torch.no_grad():
        for p, m in zip([*source.parameters(), *live.parameters()], state["mean"], strict=True):
            p.copy_(m)
    return source.eval(), live.eval(), int(state["step"])


def export(source: SourceBranch, live: LiveNet, shape: Shape, kind: str, out: Path) -> list[Path]:
    """Write both files; the batch is one mouth or two eyes."""
    n, s = (2 if kind == "eye" else 1), shape.pixels
    picture = torch.zeros((n, s, s, 3 + shape.masks), dtype=torch.uint8)
    photo = torch.zeros((n, s, s, 3), dtype=torch.uint8)
    fine, code = source(torch.zeros(n, 3, s, s))
    files = [out / f"generator_{kind}.onnx", out / f"generator_{kind}_source.onnx"]
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "net.onnx"
        torch.onnx.export(_Live(live), (picture, torch.zeros(n, 2), fine, code), str(part), dynamo=False,
                          input_names=["picture", "turn", "fine", "code"], output_names=["painted"],
                          opset_version=17)  # fmt: skip
        onnx.save(halve(onnx.load(part)), files[0])
        torch.onnx.export(_Source(source), (photo,), str(part), dynamo=False, opset_version=17,
                          input_names=["source"], output_names=["fine", "code"])  # fmt: skip
        onnx.save(halve(onnx.load(part)), files[1])
    return files


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store float weights as float16, cast back on load: half the file, the runtime computes as it likes."""
    graph, casts = model.graph, []
    for w in graph.initializer:
        if w.data_type == TensorProto.FLOAT and np.prod(w.dims) > 16:
            name, values = w.name, numpy_helper.to_array(w).astype(np.float16)
            w.CopyFrom(numpy_helper.from_array(values, name + "_half"))
            casts.append(helper.make_node("Cast", [name + "_half"], [name], to=TensorProto.FLOAT))
    nodes = casts + list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model


def restore(net: nn.Module, file: Path) -> None:
    """Read the weights of an exported network back; raises ValueError when the file is of another shape."""
    weights = onnx.load(file).graph.initializer
    stored = {w.name.removesuffix("_half").removeprefix("net."): numpy_helper.to_array(w) for w in weights}
    with torch.no_grad():
        for name, p in net.named_parameters():
            w = stored.get(name)
            if w is None or w.shape != tuple(p.shape):
                raise ValueError(f"{file}: no weights {name} of shape {tuple(p.shape)}")
            p.copy_(torch.from_numpy(w.astype(np.float32)))
        if isinstance(net, LiveNet) and not any(w.name.startswith("net.out") for w in weights):
            assert net.out.bias is not None  # what `_Live` folded is unfolded
            net.out.weight[16:] /= 2.0
            net.out.bias[16:] /= 2.0
            net.out.bias[12:16] += 1.0


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("kind", choices=sorted(SHAPES))
    ap.add_argument("--run", type=Path, required=True)
    ap.add_argument("--out", type=Path, default=Path("models/data"))
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    source, live, step = load(a.kind, a.run)
    for f in export(source, live, SHAPES[a.kind], a.kind, a.out):
        log.info("%s: step %d, %d kB", f, step, f.stat().st_size // 1000)


if __name__ == "__main__":
    main()
