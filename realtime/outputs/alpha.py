"""Opacity for outputs that carry it: colours as they are before they are laid on anything."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.types import U8, Composite

_OPAQUE = 255


def straight(composite: Composite) -> U8:
    """Return a picture (H, W, 4) of straight colour and opacity; what is fully clear is black.

    Inverts `rgb = a * colour + (1 - a) * ground` at the edge, where both are mixed; elsewhere colours are untouched.
    """
    rgb, alpha = composite.rgb, composite.alpha
    if alpha is None:
        return np.dstack([rgb, np.full(rgb.shape[:2], _OPAQUE, np.uint8)])
    colour = cv2.bitwise_and(rgb, rgb, mask=alpha)
    edge = np.flatnonzero((alpha > 0) & (alpha < _OPAQUE))
    a = alpha.ravel()[edge].astype(np.float32)[:, None] / _OPAQUE
    ground = np.asarray(composite.ground or (0, 0, 0), np.float32)
    mixed = rgb.reshape(-1, 3)[edge]
    colour.reshape(-1, 3)[edge] = np.clip(np.rint((mixed - (1.0 - a) * ground) / a), 0, _OPAQUE).astype(np.uint8)
    return np.dstack([colour, alpha])


def stacked(composite: Composite) -> U8:
    """Return colour above opacity (2 H, W, 3): what a format without opacity can carry."""
    rgba = straight(composite)
    return np.concatenate([rgba[..., :3], np.repeat(rgba[..., 3:], 3, axis=2)])
