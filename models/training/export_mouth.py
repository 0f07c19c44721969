"""Export the mouth network to ONNX with its weights in half precision.

`python -m models.training.export_mouth --run RUN --out models/data/mouth.onnx`
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from models.mouth_crop import CROP_PX
from models.training.mouth_network import IN_CHANNELS, MouthNet


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store every float32 weight as float16 with a cast in front of its use: half the file, any runtime reads it."""
    graph = model.graph
    casts, kept = [], []
    for w in graph.initializer:
        if w.data_type != TensorProto.FLOAT or int(np.prod(w.dims)) < 16:
            kept.append(w)
            continue
        kept.append(numpy_helper.from_array(numpy_helper.to_array(w).astype(np.float16), w.name + "_half"))
        casts.append(helper.make_node("Cast", [w.name + "_half"], [w.name], to=TensorProto.FLOAT))
    del graph.initializer[:]
    graph.initializer.extend(kept)
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--run", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    a = ap.parse_args()
    net = MouthNet()
    net.load_state_dict(torch.load(a.run / "state.pt", weights_only=False)["ema"])
    net.eval()
    x = torch.rand(1, IN_CHANNELS, CROP_PX, CROP_PX)
    torch.onnx.export(
        net, (x,), str(a.out), input_names=["input"], output_names=["output"], opset_version=17, dynamo=False
    )
    onnx.save(halve(onnx.load(a.out)), a.out)


if __name__ == "__main__":
    main()
