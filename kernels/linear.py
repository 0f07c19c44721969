"""Products of a wide basis with eight columns at once, compiled by Numba.

BLAS shares such a product between its threads; on a busy machine the caller then waits for a scheduler slice to get a
few hundredths of a millisecond back (docs/decisions/0308). This runs on the caller's thread and without the GIL.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.arrays import check
from kernels.jit import interpolating

COLUMNS = 8
"""Columns that `products` takes: seven unknowns of a pose and a residual."""


def products(basis: npt.NDArray[np.float64], columns: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return basis @ columns.T, (N, 8): one pass over a basis (N, K) float64 for eight columns (8, K) float64.

    Raises TypeError or ValueError, naming the array.
    """
    check("basis", basis, (np.float64,), (None, None))
    check("columns", columns, (np.float64,), (COLUMNS, basis.shape[1]))
    out = np.empty((basis.shape[0], COLUMNS))
    _products(basis, columns, out)
    return out


@interpolating
def _products(basis: Any, columns: Any, out: Any) -> None:
    a, b, c, d = columns[0], columns[1], columns[2], columns[3]
    e, f, g, h = columns[4], columns[5], columns[6], columns[7]
    for j in range(basis.shape[0]):
        row = basis[j]
        sa = sb = sc = sd = se = sf = sg = sh = 0.0
        for k in range(row.shape[0]):
            v = row[k]
            sa += v * a[k]
            sb += v * b[k]
            sc += v * c[k]
            sd += v * d[k]
            se += v * e[k]
            sf += v * f[k]
            sg += v * g[k]
            sh += v * h[k]
        out[j, 0], out[j, 1], out[j, 2], out[j, 3] = sa, sb, sc, sd
        out[j, 4], out[j, 5], out[j, 6], out[j, 7] = se, sf, sg, sh
