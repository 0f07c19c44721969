"""Make the README's picture: the default portrait at a few params, real output of the engine.

`python -m benchmarks.readme_picture --out docs/images/hopper.jpg`
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import matplotlib
import numpy as np

from models import rotation
from models.face import UNIT, FaceParams
from models.generator import Generator
from models.motion import neutral_params
from models.puppet import Puppet
from models.readback import load_readback
from models.source import prepare_source

_LOOKS: tuple[tuple[tuple[float, float, float], tuple[float, float], dict[str, float]], ...] = (
    ((0.0, 0.0, 0.0), (0.0, 0.0), {}),
    ((0.0, 12.0, 0.0), (0.15, 0.0), {"mouthSmileLeft": 0.5, "mouthSmileRight": 0.5}),
    ((-3.0, -12.0, 3.0), (-0.25, 0.0), {"jawOpen": 0.35, "browInnerUp": 0.5}),
    ((6.0, 4.0, -4.0), (0.0, 0.0), {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}),
    ((0.0, 0.0, 0.0), (0.0, 0.0), {"mouthPucker": 0.8, "eyeBlinkLeft": 1.0}),
)


def look(turn_deg: tuple[float, float, float], gaze: tuple[float, float], units: dict[str, float]) -> FaceParams:
    """Build driver params relative to the resting face: degrees about x, y, z; gaze radians; units 0..1."""
    p = neutral_params()
    e = p.expression.copy()
    for name, value in units.items():
        e[UNIT[name]] = value
    g = np.array([gaze, gaze], np.float32)
    return p.with_(rotation=rotation.exp(np.radians(np.array(turn_deg))), expression=e, gaze=g)


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--height", type=int, default=360)
    ap.add_argument("--generator", choices=("live", "off"), default="live")
    a = ap.parse_args()
    source = prepare_source(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg", 720)
    painter = Generator(source.image, source.points) if a.generator == "live" else None
    puppet = Puppet(source, generator=painter)
    puppet.readback = load_readback(puppet)
    shots = [puppet.render(puppet.retarget(look(*w), neutral_params())) for w in _LOOKS]
    k = a.height / shots[0].shape[0]
    small = [cv2.resize(s, None, fx=k, fy=k, interpolation=cv2.INTER_AREA) for s in shots]
    a.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(a.out), np.ascontiguousarray(np.hstack(small)[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
