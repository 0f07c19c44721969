"""Where a crop lies in a picture: the pixels it may touch and the way back into it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

RIM = 2  # crop px on each side that are not drawn, so that a four-tap filter needs no bounds


class Placed(NamedTuple):
    """Picture to crop px, (2, 3) float64, and the half-open box of picture px that the crop may touch."""

    inverse: npt.NDArray[np.float64]
    left: int
    top: int
    right: int
    bottom: int


def placed(crop: tuple[int, ...], affine: npt.NDArray[np.float64], picture: tuple[int, ...],
           margin: int = 0) -> Placed | None:  # fmt: skip
    """Return where a crop lies that `affine` (2, 3), crop px to picture px, puts into a picture; None if nowhere.

    crop, picture: shapes that begin with height and width; margin: picture px along the border to stay away from.
    A crop with nothing inside its rim, a degenerate affine and one that is not finite lie nowhere.
    """
    a, b, c, d = affine[0, 0], affine[0, 1], affine[1, 0], affine[1, 1]
    det = a * d - b * c
    if min(crop[:2]) <= 2 * RIM or not abs(det) > 1e-9:
        return None
    far_x, far_y = crop[1] - 1, crop[0] - 1
    xs = [affine[0, 2] + a * x + b * y for x in (0, far_x) for y in (0, far_y)]
    ys = [affine[1, 2] + c * x + d * y for x in (0, far_x) for y in (0, far_y)]
    if not all(map(math.isfinite, (*xs, *ys))):
        return None
    x0, y0 = max(margin, math.floor(min(xs))), max(margin, math.floor(min(ys)))
    x1 = min(picture[1] - margin, math.ceil(max(xs)) + 1)
    y1 = min(picture[0] - margin, math.ceil(max(ys)) + 1)
    if x1 <= x0 or y1 <= y0:
        return None
    inverse = np.array([[d, -b, b * affine[1, 2] - d * affine[0, 2]], [-c, a, c * affine[0, 2] - a * affine[1, 2]]])
    return Placed(inverse / det, x0, y0, x1, y1)
