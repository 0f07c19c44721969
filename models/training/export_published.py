"""Export a trained `published` network as two ONNX files whose weights are stored in half precision.

`python -m models.training.export_published --run RUN --out models/data`
published_source.onnx takes the photo's square and its sparse render, once a photo; published.onnx takes the sparse
render at the target pose and what the first has returned, and answers with premultiplied colour 0..255 and mask, faded
out towards the square's border. Pictures are bytes with channels last.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from models.published import fade
from models.training.export_live import halve
from models.training.published_network import PublishedNet

log = logging.getLogger("export_published")


def _signed(picture: Tensor) -> Tensor:
    return picture.permute(0, 3, 1, 2).float() * (1 / 127.5) - 1


class _Source(nn.Module):
    def __init__(self, net: PublishedNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor, render: Tensor) -> tuple[Tensor, ...]:
        code, maps = self.net.of_source(_signed(image), _signed(render))
        return code, *maps


class _Frame(nn.Module):
    def __init__(self, net: PublishedNet, pixels: int) -> None:
        super().__init__()
        self.net = net
        w = fade(np.abs(np.arange(pixels, dtype=np.float32) - (pixels - 1) / 2), pixels)
        self.register_buffer("window", torch.from_numpy(w[:, None] * w)[None, None])

    def forward(self, render: Tensor, code: Tensor, *maps: Tensor) -> Tensor:
        colour, mask = self.net.finish(code, list(maps), _signed(render))
        mask = mask * self.window
        return torch.cat([(colour + 1) * 127.5 * mask, mask], 1).permute(0, 2, 3, 1)


def load(run: Path) -> tuple[PublishedNet, int]:
    """Build the network with the running mean of a run's weights; also returns its step."""
    state = torch.load(run / "state.pt", weights_only=False, map_location="cpu")
    net = PublishedNet(state["shape"])
    net.load_state_dict(state["net"])
    with torch.no_grad():
        for p, m in zip(net.parameters(), state["mean"], strict=True):
            p.copy_(m)
    return net.eval(), int(state["step"])


def export(net: PublishedNet, pixels: int, out: Path) -> list[Path]:
    """Write both files."""
    picture = torch.zeros((1, pixels, pixels, 3), dtype=torch.uint8)
    with torch.no_grad():
        code, maps = net.of_source(_signed(picture), _signed(picture))
    names = ["code", *(f"maps{i}" for i in range(len(maps)))]
    files = [out / "published_source.onnx", out / "published.onnx"]
    with tempfile.TemporaryDirectory() as folder:
        part = str(Path(folder) / "net.onnx")
        torch.onnx.export(_Source(net).eval(), (picture, picture), part, dynamo=False, opset_version=17,
                          input_names=["image", "render"], output_names=names)  # fmt: skip
        onnx.save(halve(onnx.load(part)), files[0])
        torch.onnx.export(_Frame(net, pixels).eval(), (picture, code, *maps), part, dynamo=False, opset_version=17,
                          input_names=["render", *names], output_names=["painted"])  # fmt: skip
        onnx.save(halve(onnx.load(part)), files[1])
    return files


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--run", type=Path, required=True)
    ap.add_argument("--out", type=Path, default=Path("models/data"))
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    net, step = load(a.run)
    for f in export(net, 128, a.out):
        log.info("%s: step %d, %d kB", f, step, f.stat().st_size // 1000)


if __name__ == "__main__":
    main()
