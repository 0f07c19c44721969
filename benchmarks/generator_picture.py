"""Make the picture of `docs/generator.md`: the default portrait by geometry alone, by `live` and by `published`.

`python -m benchmarks.generator_picture --out docs/images/generators.jpg`
Rows: warp, live, published; columns: the looks of the README's picture and a wide-open mouth. Also prints what each
generator takes, in processor milliseconds on one thread (median).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.footage import default_portrait
from benchmarks.readme_picture import _LOOKS, look
from models.generator import Generator
from models.motion import neutral_params
from models.published import Published
from models.puppet import Puppet
from models.readback import load_readback
from models.source import prepare_source

_WIDE = ((0.0, -5.0, 0.0), (0.0, 0.0), {"jawOpen": 0.75})


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--height", type=int, default=300)
    ap.add_argument("--size", type=int, default=512)
    ap.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    a = ap.parse_args()
    source = prepare_source(default_portrait(), a.size)
    makers: dict[str, Any] = {"warp": None, "live": Generator, "published": Published}
    rows = []
    for name, make in makers.items():
        painter = None if make is None else make(source.image, source.points, "cpu", 1, precision=a.precision)
        puppet = Puppet(source, generator=painter)
        puppet.readback = load_readback(puppet)
        shots = [puppet.render(puppet.retarget(look(*w), neutral_params())) for w in (*_LOOKS, _WIDE)]
        k = a.height / shots[0].shape[0]
        rows.append(np.hstack([cv2.resize(s, None, fx=k, fy=k, interpolation=cv2.INTER_AREA) for s in shots]))
        if painter is not None:
            print(f"{name}: {processor_ms(puppet, painter):.1f} ms of processor time a frame")
    a.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(a.out), np.ascontiguousarray(np.vstack(rows)[:, :, ::-1]))


def processor_ms(puppet: Puppet, painter: Any, repeats: int = 40) -> float:
    """Median processor time of painting one frame."""
    frame, vertices = puppet.warp(puppet.retarget(look(*_WIDE), neutral_params()))
    took = []
    for i in range(repeats + 5):
        start = time.process_time_ns()
        painter.paint(frame, vertices[:468])
        if i >= 5:
            took.append((time.process_time_ns() - start) / 1e6)
    return float(np.median(took))


if __name__ == "__main__":
    main()
