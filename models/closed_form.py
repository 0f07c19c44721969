"""Closed-form alpha matting inside a narrow band, compiled: colours -> opacity, held to a coarse guess.

Levin, Lischinski, Weiss, "A closed-form solution to natural image matting", PAMI 2008: inside a 3x3 window opacity is
an affine function of colour; what that leaves over is a quadratic form with the matting Laplacian as its matrix. Only
the windows that touch an undecided pixel are ever visited, so the cost follows the length of the outline.
"""

from __future__ import annotations

from typing import Any, cast

import cv2
import numba
import numpy as np
import numpy.typing as npt

from models.face import F32, F64

Bool = npt.NDArray[np.bool_]

_PER_WINDOW = 9


def closed_form_alpha(
    colour: F32,
    prior: F32,
    trust: F32,
    undecided: Bool,
    *,
    epsilon: float = 1e-4,
    levels: int = 3,
    iterations: int = 28,
) -> F32:
    """Return opacity (H, W) float32 in 0..1: `prior` outside the band, solved for inside it.

    `colour` (H, W, 3) 0..1; `trust` (H, W) weighs the squared distance to `prior` against the matting Laplacian (0: the
    colours alone decide); `undecided` (H, W) bool is the band. `epsilon` is the colour variance below which a window
    counts as flat (Levin et al., eq. 12). Solved by preconditioned conjugate gradients, coarse to fine on `levels`
    scales, `iterations` steps on the finest and twice as many below, each scale giving the next its start.
    """
    start = prior
    if levels > 1 and min(prior.shape) >= 64:
        half = (prior.shape[1] // 2, prior.shape[0] // 2)
        coarse = closed_form_alpha(
            cast(F32, cv2.resize(colour, half, interpolation=cv2.INTER_AREA)),
            cast(F32, cv2.resize(prior, half, interpolation=cv2.INTER_AREA)),
            cast(F32, cv2.resize(trust, half, interpolation=cv2.INTER_AREA)),
            cv2.resize(undecided.astype(np.float32), half, interpolation=cv2.INTER_AREA) > 0,
            epsilon=epsilon,
            levels=levels - 1,
            iterations=iterations if levels < 3 else 2 * iterations,  # cheap there, and the smooth part is settled
        )
        size = (prior.shape[1], prior.shape[0])
        start = np.where(undecided, cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR), prior)
    rows, columns = np.nonzero(undecided)
    if not len(rows):
        return prior.copy()
    # Work on the band's own rectangle (and one pixel around it, which its windows reach).
    y0, y1 = max(0, rows.min() - 2), min(prior.shape[0], rows.max() + 3)
    x0, x1 = max(0, columns.min() - 2), min(prior.shape[1], columns.max() + 3)
    box = (slice(y0, y1), slice(x0, x1))
    solved = _solve(
        np.ascontiguousarray(colour[box], np.float64),
        np.ascontiguousarray(prior[box], np.float64),
        np.ascontiguousarray(trust[box], np.float64),
        np.ascontiguousarray(undecided[box]),
        np.ascontiguousarray(start[box], np.float64),
        epsilon,
        iterations,
    )
    alpha = prior.copy()
    alpha[box] = np.where(undecided[box], solved, prior[box])
    return cast(F32, np.clip(alpha, 0, 1).astype(np.float32))


def _solve(colour: F64, prior: F64, trust: F64, undecided: Bool, start: F64, epsilon: float, iterations: int) -> F64:
    near = cv2.dilate(undecided.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    near[[0, -1]] = False  # a window's centre keeps one pixel from the rectangle's border
    near[:, [0, -1]] = False
    ys, xs = (axis.astype(np.int32) for axis in np.nonzero(near))
    means, inverses, diagonal = _windows(colour, ys, xs, epsilon / _PER_WINDOW)
    band = undecided.astype(np.float64)
    precondition = band / np.maximum(diagonal + trust, 1e-9)

    def times(x: F64) -> F64:
        return cast(F64, (_laplacian_times(x, colour, ys, xs, means, inverses) + trust * x) * band)

    # The known pixels' share goes to the right-hand side by starting from the full picture (known ones never move).
    x = np.where(undecided, start, prior)
    residual = (trust * prior) * band - times(x)
    step = precondition * residual
    rho = float((residual * step).sum())
    for _ in range(iterations):
        if rho <= 1e-9:
            break
        image = times(step)
        length = rho / max(float((step * image).sum()), 1e-30)
        x += length * step
        residual -= length * image
        ahead = precondition * residual
        rho, before = float((residual * ahead).sum()), rho
        step = ahead + (rho / before) * step
    return cast(F64, x)


@numba.njit(cache=True, nogil=True)  # type: ignore[misc, untyped-decorator, unused-ignore]
def _windows(colour: Any, ys: Any, xs: Any, ridge: float) -> Any:
    """Mean colour and inverse of (covariance + ridge) of each 3x3 window, and the Laplacian's diagonal."""
    n = len(ys)
    means = np.empty((n, 3))
    inverses = np.empty((n, 6))
    diagonal = np.zeros(colour.shape[:2])
    for k in range(n):
        y, x = ys[k], xs[k]
        s0 = s1 = s2 = c00 = c01 = c02 = c11 = c12 = c22 = 0.0
        for j in range(y - 1, y + 2):
            for i in range(x - 1, x + 2):
                r, g, b = colour[j, i, 0], colour[j, i, 1], colour[j, i, 2]
                s0 += r
                s1 += g
                s2 += b
                c00 += r * r
                c01 += r * g
                c02 += r * b
                c11 += g * g
                c12 += g * b
                c22 += b * b
        s0 /= 9
        s1 /= 9
        s2 /= 9
        c00 = c00 / 9 - s0 * s0 + ridge
        c11 = c11 / 9 - s1 * s1 + ridge
        c22 = c22 / 9 - s2 * s2 + ridge
        c01 = c01 / 9 - s0 * s1
        c02 = c02 / 9 - s0 * s2
        c12 = c12 / 9 - s1 * s2
        m00 = c11 * c22 - c12 * c12
        m01 = c02 * c12 - c01 * c22
        m02 = c01 * c12 - c02 * c11
        det = c00 * m00 + c01 * m01 + c02 * m02
        i00, i01, i02 = m00 / det, m01 / det, m02 / det
        i11 = (c00 * c22 - c02 * c02) / det
        i12 = (c01 * c02 - c00 * c12) / det
        i22 = (c00 * c11 - c01 * c01) / det
        means[k, 0], means[k, 1], means[k, 2] = s0, s1, s2
        inverses[k, 0], inverses[k, 1], inverses[k, 2] = i00, i01, i02
        inverses[k, 3], inverses[k, 4], inverses[k, 5] = i11, i12, i22
        for j in range(y - 1, y + 2):
            for i in range(x - 1, x + 2):
                r, g, b = colour[j, i, 0] - s0, colour[j, i, 1] - s1, colour[j, i, 2] - s2
                q = r * (i00 * r + 2 * (i01 * g + i02 * b)) + g * (i11 * g + 2 * i12 * b) + b * i22 * b
                diagonal[j, i] += 1 - (1 + q) / 9
    return means, inverses, diagonal


@numba.njit(cache=True, nogil=True)  # type: ignore[misc, untyped-decorator, unused-ignore]
def _laplacian_times(p: Any, colour: Any, ys: Any, xs: Any, means: Any, inverses: Any) -> Any:
    """Sum over windows of (p - best affine function of the colours): the matting Laplacian applied to p."""
    out = np.zeros_like(p)
    for k in range(len(ys)):
        y, x = ys[k], xs[k]
        m0, m1, m2 = means[k, 0], means[k, 1], means[k, 2]
        s = t0 = t1 = t2 = 0.0
        for j in range(y - 1, y + 2):
            for i in range(x - 1, x + 2):
                v = p[j, i]
                s += v
                t0 += v * (colour[j, i, 0] - m0)
                t1 += v * (colour[j, i, 1] - m1)
                t2 += v * (colour[j, i, 2] - m2)
        s /= 9
        t0 /= 9
        t1 /= 9
        t2 /= 9
        a0 = inverses[k, 0] * t0 + inverses[k, 1] * t1 + inverses[k, 2] * t2
        a1 = inverses[k, 1] * t0 + inverses[k, 3] * t1 + inverses[k, 4] * t2
        a2 = inverses[k, 2] * t0 + inverses[k, 4] * t1 + inverses[k, 5] * t2
        for j in range(y - 1, y + 2):
            for i in range(x - 1, x + 2):
                fitted = s + a0 * (colour[j, i, 0] - m0) + a1 * (colour[j, i, 1] - m1) + a2 * (colour[j, i, 2] - m2)
                out[j, i] += p[j, i] - fitted
    return out
