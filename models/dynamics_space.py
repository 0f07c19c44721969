"""The coordinates that motion is filtered and predicted in: one row of numbers an instant, near-linear everywhere.

Rotations are developed into a rotation vector that sums up the small turns between neighbouring instants: there is no
tangent point to leave and no half turn to jump at. eyeBlink and eyeWide become one signed closure an eye (1 shut, 0
open, negative wide), because their product is always zero and a filter would not know.
"""

from __future__ import annotations

import numpy as np

from models import lids, rotation
from models.face import F64, N_UNITS, UNIT, UNITS, FaceParams, InnerLight
from models.motion import N_EXPRESSION, N_LEARNED

KEPT_UNITS = tuple(i for i in range(N_UNITS) if i not in lids.WIDE)
N_ROW = 6 + len(KEPT_UNITS) + N_LEARNED + 4
_UNITS = slice(6, 6 + len(KEPT_UNITS))
_LEARNED = slice(_UNITS.stop, _UNITS.stop + N_LEARNED)
_GAZE = slice(_LEARNED.stop, N_ROW)
_KEPT = np.array(KEPT_UNITS)
LID_COLUMNS = tuple(6 + KEPT_UNITS.index(i) for i in lids.BLINK)


GAZE_COLUMNS = tuple(range(_GAZE.start, _GAZE.stop))


def column(unit: str) -> int:
    """Column of a unit in a row; eyeBlink gives the signed closure of that eye, eyeWide has none of its own."""
    return 6 + KEPT_UNITS.index(UNIT[unit])


def _columns(*starts: str) -> tuple[int, ...]:
    return tuple(column(u) for u in UNITS if u.startswith(starts) and UNIT[u] in KEPT_UNITS and "Blink" not in u)


REGIONS: dict[str, tuple[int, ...]] = {
    "turn": (0, 1, 2),  # radians
    "shift": (3, 4, 5),  # mm
    "brows": _columns("brow"),
    "lids": LID_COLUMNS,
    "eyes": _columns("eye"),
    "jaw": _columns("jaw"),
    "mouth": _columns("mouth", "tongue"),
    "cheeks": _columns("cheek", "nose"),
    "learned": tuple(range(_LEARNED.start, _LEARNED.stop)),
    "gaze": tuple(range(_GAZE.start, _GAZE.stop)),
}
REGION_OF = np.empty(N_ROW, np.int64)
for _i, _cols in enumerate(REGIONS.values()):
    REGION_OF[list(_cols)] = _i
del _i, _cols

_LOW = np.full(N_ROW, -np.inf)
_HIGH = np.full(N_ROW, np.inf)
_LOW[_UNITS], _HIGH[_UNITS] = 0.0, 1.0
_LOW[list(LID_COLUMNS)] = -1.0
_LOW[_LEARNED], _HIGH[_LEARNED] = -6.0, 6.0


class Development:
    """Turns one driver's params into rows and rows near the last one back into params."""

    def __init__(self) -> None:
        self._last: F64 | None = None
        self._turned: F64 = np.zeros(3)
        self._light: InnerLight | None = None

    def row(self, params: FaceParams) -> F64:
        """Return the row of the next instant, (N_ROW,); its turn continues the last row's."""
        if self._last is not None:
            step = rotation.log(rotation.multiply(params.rotation, rotation.inverse(self._last)))
            self._turned = self._turned + step
        self._last, self._light = params.rotation, params.light
        out = np.empty(N_ROW)
        out[:3], out[3:6] = self._turned, params.translation
        out[_UNITS] = params.expression[_KEPT]
        out[list(LID_COLUMNS)] = lids.read_units(params.expression)
        out[_LEARNED] = params.expression[N_UNITS:]
        out[_GAZE] = params.gaze.ravel()
        return out

    def params(self, row: F64) -> FaceParams:
        """Return params for a row that lies near the last one; coefficients are brought into their range.

        Mouth and eyes are as light inside as they were seen last.
        """
        assert self._last is not None
        q = rotation.multiply(rotation.exp(row[:3] - self._turned), self._last)
        return face(row, q).with_(light=self._light)


def face(row: F64, q: F64) -> FaceParams:
    """Return params of a row (N_ROW,) with the rotation `q`, (4,); coefficients are brought into their range."""
    x = np.clip(row, _LOW, _HIGH)
    e = np.empty(N_EXPRESSION, np.float32)
    e[_KEPT] = x[_UNITS]
    e[N_UNITS:] = x[_LEARNED]
    for i in range(2):
        closed = x[LID_COLUMNS[i]]
        e[lids.BLINK[i]], e[lids.WIDE[i]] = max(closed, 0.0), max(-closed, 0.0)
    return FaceParams(q / np.linalg.norm(q), x[3:6].copy(), e, x[_GAZE].reshape(2, 2).astype(np.float32))
