"""Quantise an exported `live` network to int8 on real crops and say what that costs and brings, in one run.

`python -m models.training.quantise_live mouth --shards SHARDS --out DIR [--data models/data] [--no-timing]` (or `eye`)
Calibrates on train_*.npz (never on a held-out person), writes DIR/generator_<kind>_int8.onnx (QDQ form, which ONNX
Runtime and OpenVINO run), then judges float32, bfloat16 and int8 on both runtimes on the val_*.npz of
`train_samples.py`: error in the opening 0..255, sharpness over the camera's, distance of the finished crop from
float32's, and processor time on one thread, by turns. Writes DIR/int8_<kind>.json.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from models.generator import DATA
from models.inference import Network, open_network

log = logging.getLogger("quantise_live")
Crops = dict[str, np.ndarray]
_ROUNDS = 60


def crops(files: list[Path], kind: str, most: int) -> Iterator[Crops]:
    """Crops of the first of two frames as a network takes them: `src`, `picture`, `turn`, and `true`; evenly spread."""
    for f in files:
        z = np.load(f)
        n = len(z[f"{kind}_src"])
        for i in np.unique(np.linspace(0, n - 1, min(n, max(1, most // len(files)))).astype(int)):
            src, warp, mask, turn, true = (z[f"{kind}_{k}"][i] for k in ("src", "warp", "mask", "turn", "true"))
            if kind == "mouth":
                src, turn = src[None], turn[:1]
                warp, mask, true = warp[:1], mask[:1], true[:1]
            else:
                turn, warp, mask, true = turn[0], warp[0], mask[0], true[0]
            yield {"src": src, "picture": np.concatenate([warp, mask], -1), "turn": turn, "true": true}


class Inputs(CalibrationDataReader):
    """Real crops with the features that the source branch makes of their photos."""

    def __init__(self, rows: list[Crops], branch: Network) -> None:
        self._rows, self._branch = iter(rows), branch

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next inputs, None at the end."""
        row = next(self._rows, None)
        return None if row is None else {"picture": row["picture"], "turn": row["turn"], **features(self._branch, row)}


def features(branch: Network, row: Crops) -> dict[str, np.ndarray]:
    """What the source branch makes of a photo."""
    branch.inputs["source"][...] = row["src"]
    branch.run()
    return {k: branch.outputs[k].copy() for k in ("fine", "code")}


def whole(model: onnx.ModelProto) -> onnx.ModelProto:
    """Undo `export_live.halve`: float32 weights without casts, as the quantiser wants them."""
    held = {w.name: w for w in model.graph.initializer}
    casts = [n for n in model.graph.node if n.op_type == "Cast" and n.input[0] in held]
    for cast in casts:
        w = held[cast.input[0]]
        w.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(w).astype(np.float32), cast.output[0]))
        model.graph.node.remove(cast)
    return model


def quantise(file: Path, rows: list[Crops], branch: Network, out: Path, kinds: tuple[str, ...]) -> None:
    """Write the int8 form of a network: all convolutions but the first and the last, a scale for each channel."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"
        model = whole(onnx.load(file))
        onnx.save(onnx.shape_inference.infer_shapes(model), plain)
        convolutions = [n.name for n in model.graph.node if n.op_type == "Conv"]
        quantize_static(plain, out, Inputs(rows, branch), quant_format=QuantFormat.QDQ, per_channel=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                        calibrate_method=CalibrationMethod.MinMax, op_types_to_quantize=list(kinds),
                        nodes_to_exclude=[convolutions[0], convolutions[-1]])  # fmt: skip


def finished(network: Network, row: Crops, made: dict[str, np.ndarray]) -> np.ndarray:
    """The crop as the engine shows it, float, 0..255."""
    for k, v in ({"picture": row["picture"], "turn": row["turn"]} | made).items():
        network.inputs[k][...] = v
    network.run()
    painted = network.outputs["painted"]
    return np.clip(row["picture"][..., :3] * (1 - painted[..., 3:]) + painted[..., :3], 0, 255)


def edges(x: np.ndarray, mask: np.ndarray) -> float:
    """Mean absolute Laplacian of the grey crops inside a mask."""
    g = x.mean(-1)
    lap = 4 * g[:, 1:-1, 1:-1] - g[:, :-2, 1:-1] - g[:, 2:, 1:-1] - g[:, 1:-1, :-2] - g[:, 1:-1, 2:]
    return float((np.abs(lap) * mask[:, 1:-1, 1:-1]).sum() / max(1.0, mask[:, 1:-1, 1:-1].sum()))


def judge(networks: dict[str, Network], branch: Network, rows: list[Crops], first: str) -> dict[str, dict[str, float]]:
    """Figures of every network over the same crops; `first` is what the others are compared with."""
    sums: dict[str, list[list[float]]] = {k: [] for k in ("warp", *networks)}
    for row in rows:
        made = features(branch, row)
        mask = row["picture"][..., -1] / 255.0
        area, truth = max(1.0, float(mask.sum())), row["true"].astype(np.float64)
        shown = {"warp": row["picture"][..., :3].astype(np.float64)}
        shown |= {k: finished(n, row, made).astype(np.float64) for k, n in networks.items()}
        for k, x in shown.items():
            l1 = float((np.abs(x - truth).mean(-1) * mask).sum() / area)
            off = float((np.abs(x - shown[first]).mean(-1) * mask).sum() / area)
            sums[k].append(
                [l1, edges(x, mask) / max(1e-3, edges(truth, mask)), off, float(np.abs(x - shown[first]).max())]
            )
    return {k: dict(zip(("l1", "sharp", "off", "off_worst"), [*np.mean(v, 0)[:3], np.max(v, 0)[3]], strict=True))
            for k, v in sums.items()}  # fmt: skip


def processor_ms(networks: dict[str, Network]) -> dict[str, float]:
    """Median processor time of one run, by turns."""
    took: dict[str, list[float]] = {k: [] for k in networks}
    for turn in range(_ROUNDS + 5):
        for k, n in networks.items():
            start = time.process_time_ns()
            n.run()
            if turn >= 5:
                took[k].append((time.process_time_ns() - start) / 1e6)
    return {k: float(np.median(v)) for k, v in took.items()}


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("kind", choices=("mouth", "eye"))
    ap.add_argument("--shards", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--data", type=Path, default=DATA)
    ap.add_argument("--calibrate", type=int, default=120, help="crops to calibrate on")
    ap.add_argument("--judge", type=int, default=120, help="held-out crops to judge on")
    ap.add_argument("--everything", action="store_true", help="sums and activations too, not convolutions alone")
    ap.add_argument("--no-timing", action="store_true")
    ap.add_argument("--keep", action="store_true", help="judge the int8 file that is there")
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    a.out.mkdir(parents=True, exist_ok=True)
    file, int8 = a.data / f"generator_{a.kind}.onnx", a.out / f"generator_{a.kind}_int8.onnx"
    branch = open_network(a.data / f"generator_{a.kind}_source.onnx", "cpu", 1, precision="f32")
    if not (a.keep and int8.exists()):
        rows = list(crops(sorted(a.shards.glob("train_*.npz")), a.kind, a.calibrate))
        quantise(file, rows, branch, int8, ("Conv", "Add", "LeakyRelu") if a.everything else ("Conv",))
    networks = {f"{r} {p}": open_network(f, "cpu", 1, r, p) for r, p, f in (
        ("openvino", "f32", file), ("openvino", "bf16", file), ("onnxruntime", "f32", file))}  # fmt: skip
    networks |= {f"{r} int8": open_network(int8, "cpu", 1, r, "f32") for r in ("openvino", "onnxruntime")}
    networks["openvino int8, rest bf16"] = open_network(int8, "cpu", 1, "openvino", "bf16")
    held = list(crops(sorted(a.shards.glob("val_*.npz")), a.kind, a.judge))
    report: dict[str, object] = {"crops": len(held), "quality": judge(networks, branch, held, "openvino f32")}
    if not a.no_timing:
        report["processor_ms"] = processor_ms(networks)
    report["bytes"] = {"f16": file.stat().st_size, "int8": int8.stat().st_size}
    text = json.dumps(report, indent=1)
    (a.out / f"int8_{a.kind}.json").write_text(text + "\n")
    log.info("%s", text)


if __name__ == "__main__":
    main()
