"""Rotations as unit quaternions `wxyz`, with the exponential and logarithm that transfer and dynamics work in.

Formulas: J. Sola, "Quaternion kinematics for the error-state Kalman filter", 2017, sections 1 and 4.
"""

from __future__ import annotations

import math

import numpy as np

from models.face import F64


def identity() -> F64:
    """Return the rotation that turns nothing, (4,) wxyz."""
    return np.array([1.0, 0.0, 0.0, 0.0])


def multiply(a: F64, b: F64) -> F64:
    """Compose two rotations: first `b`, then `a`; (4,) wxyz each."""
    aw, ax, ay, az = a.tolist()  # plain floats: NumPy's own take several times as long, and this runs often
    bw, bx, by, bz = b.tolist()
    return np.array([
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    ])  # fmt: skip


def inverse(q: F64) -> F64:
    """Invert a rotation, (4,) wxyz."""
    return np.asarray(q * np.array([1.0, -1.0, -1.0, -1.0]))


def exp(v: F64) -> F64:
    """Rotation vector, (3,) radians, to quaternion (4,)."""
    angle = float(np.sqrt(v @ v))
    if angle < 1e-8:
        q = np.concatenate([[1.0], 0.5 * np.asarray(v, np.float64)])
        return np.asarray(q / np.linalg.norm(q))
    return np.concatenate([[np.cos(angle / 2)], np.asarray(v) * (np.sin(angle / 2) / angle)])


def log(q: F64) -> F64:
    """Quaternion (4,) to the shortest rotation vector, (3,) radians, of length <= pi."""
    w, v = float(q[0]), np.asarray(q[1:], np.float64)
    if w < 0:
        w, v = -w, -v
    n = float(np.sqrt(v @ v))
    if n < 1e-9:
        return 2.0 * v / max(w, 1e-9)
    return np.asarray(v * (2.0 * np.arctan2(n, w) / n))


def matrix(q: F64) -> F64:
    """Quaternion to rotation matrix, (3, 3)."""
    w, x, y, z = (q / math.sqrt(q @ q)).tolist()
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip


def from_matrix(m: F64) -> F64:
    """Rotation matrix (3, 3) to quaternion (4,), by the largest of the four components (Shepperd 1978)."""
    t = np.trace(m)
    d = np.array([t, m[0, 0], m[1, 1], m[2, 2]])
    i = int(np.argmax(d))
    if i == 0:
        q = np.array([1 + t, m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])
    elif i == 1:
        q = np.array([m[2, 1] - m[1, 2], 1 + 2 * m[0, 0] - t, m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]])
    elif i == 2:
        q = np.array([m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], 1 + 2 * m[1, 1] - t, m[1, 2] + m[2, 1]])
    else:
        q = np.array([m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], 1 + 2 * m[2, 2] - t])
    return np.asarray(q / np.linalg.norm(q))


def slerp(a: F64, b: F64, weight: float) -> F64:
    """Rotate from `a` (weight 0) to `b` (weight 1) along the shortest arc at constant speed."""
    return multiply(a, exp(weight * log(multiply(inverse(a), b))))
