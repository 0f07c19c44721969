"""Average exported networks of one kind, weight by weight: runs that started from the same weights.

`python -m models.training.average eye --parts models/data=0.2 RUN_A=0.4 RUN_B=0.4 --out DIR`

The mean of fine-tuned networks errs less than any of them (Wortsman et al. 2022, arXiv 2203.05482): each has its own
noise. Folders are what `export_live` wrote; shares are made to add up to 1.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch

from models.training.export_live import export, restore
from models.training.networks import SHAPES, LiveNet, SourceBranch

log = logging.getLogger("average")


def average(kind: str, parts: list[tuple[Path, float]]) -> tuple[SourceBranch, LiveNet]:
    """Return source branch and network with the weighted mean of all parts' weights; ValueError for other shapes."""
    total = sum(share for _, share in parts)
    mean = SourceBranch(SHAPES[kind]), LiveNet(SHAPES[kind])
    with torch.no_grad():
        for net in mean:
            for p in net.parameters():
                p.zero_()
        for folder, share in parts:
            part = SourceBranch(SHAPES[kind]), LiveNet(SHAPES[kind])
            for net, into, name in zip(part, mean, ("_source", ""), strict=True):
                restore(net, folder / f"generator_{kind}{name}.onnx")
                for p, q in zip(into.parameters(), net.parameters(), strict=True):
                    p.add_(q, alpha=share / total)
    return mean[0].eval(), mean[1].eval()


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("kind", choices=sorted(SHAPES))
    ap.add_argument("--parts", nargs="+", required=True, metavar="FOLDER=SHARE")
    ap.add_argument("--out", type=Path, required=True)
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parts = [(Path(folder), float(share)) for folder, _, share in (p.rpartition("=") for p in a.parts)]
    a.out.mkdir(parents=True, exist_ok=True)
    for f in export(*average(a.kind, parts), SHAPES[a.kind], a.kind, a.out):
        log.info("%s: %d parts, %d kB", f, len(parts), f.stat().st_size // 1000)


if __name__ == "__main__":
    main()
