"""Print how much of every unit resting faces show: the table of `models/resting.py`.

`python -m models.training.measure_rest --stills DIR --cache CACHE [--folders london_neutral,canada]`
CACHE comes from `measure.py`.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import numpy as np

from models.face import N_UNITS, UNITS
from models.resting import FLOOR, side_free
from models.training.data import Maker
from models.training.train_samples import load_stills

log = logging.getLogger("measure_rest")


def main() -> None:
    """Run the command line."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--stills", type=Path, required=True)
    ap.add_argument("--cache", type=Path, required=True)
    ap.add_argument("--folders", default="london_neutral,canada")
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    maker, rows = Maker(1, 0.0), []
    for name, (rgb, points, scores) in load_stills(a.stills, a.cache).items():
        if name.split("/")[0] in a.folders.split(","):
            rows.append(maker.source(rgb, points, scores).params.expression[:N_UNITS])
    high: dict[str, float] = {}
    for unit, most in zip(UNITS, np.quantile(np.array(rows), 0.95, axis=0), strict=True):
        high[side_free(unit)] = max(high.get(side_free(unit), 0.0), float(most))
    log.info("%d portraits", len(rows))
    for unit, most in sorted(high.items()):
        if most > FLOOR:
            log.info("%s %.2f", unit, most)


if __name__ == "__main__":
    main()
