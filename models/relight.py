"""Makes what a network painted into an opening as light as the driver's is: teeth show where they do, and no others.

What the network painted keeps its detail and, over time, its brightness where that is the greater: whose teeth look
dull beside a light skin does not dull another's.
"""

from __future__ import annotations

import numpy as np

from kernels.opening import add_light
from models.face import F32, U8
from models.generator_crop import opening_px, with_rim
from models.inner_light import COLUMNS, ROWS, known_of, seen_light

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# Colour of what is inside a mouth over that of the skin around it, by its share of the skin's luma, 0.2 a row: medians
# of 19 people, from the dark to teeth, standard deviation 0.06 for teeth (docs/decisions/0412).
_STEP = 0.2
_HUES = np.array([[1.94, 0.42, 0.43], [1.42, 0.76, 0.78], [1.21, 0.87, 0.92], [1.12, 0.92, 1.00], [1.02, 0.97, 1.05],
                  [0.96, 1.01, 1.07], [0.92, 1.03, 1.10]], np.float32)  # fmt: skip
_PULL = 0.5  # of the way from the painted hue to this one
# Nothing is made lighter than 1.3 times the luma around, but that luma counts as no less than the first and no more
# than the second of these allow: teeth stand out of dark skin, wet lips shall not glare.
_WHITE, _WHITES = 1.3, (150.0, 215.0)
_KEPT = 0.97  # of the balance, from one frame to the next
_PRIOR = 12.0  # frames of an open mouth, of balance 1
_MOST_BALANCE = 1.6
_MOST_EYES = 0.14  # times the luma around: no iris is washed out where the eyes look another way than the driver's
_CORNERS = [0, -1]  # columns
_SLIT_PX = (40, 150)  # of the crop: so little open a mouth shows no teeth and gets no lighter, from the second on all
_DAMPING = 0.02


def _undo(nodes: int) -> F32:
    """Matrix (N, N) from what nodes measure, means of their neighbourhoods, to what drawn between them measures so.

    Least squares, damped: noise is not to be multiplied.
    """
    at = (np.arange(40 * nodes) + 0.5) / 40 - 0.5
    hats = np.clip(1.0 - np.abs(np.clip(at, 0, nodes - 1)[None] - np.arange(nodes)[:, None]), 0.0, 1.0)
    blur = hats @ hats.T / hats.sum(1, keepdims=True)
    return np.asarray(np.linalg.solve(blur.T @ blur + _DAMPING * np.eye(nodes), (1 + _DAMPING) * blur.T), np.float32)


_ROWS, _COLUMNS = _undo(ROWS), _undo(COLUMNS).T


class Relight:
    """One opening of one source; used from one thread."""

    def __init__(self, *, mouth: bool) -> None:
        """What is inside a mouth has a colour by its luma, and keeps its brightness over time."""
        self._mouth, self._pull, self._skin = mouth, 0.0, 255.0
        self._now = np.empty((ROWS, COLUMNS), np.float32)
        self._hues = np.ones((1, 3), np.float32)
        self.forget()

    def colour(self, skin: F32, *, teeth: bool) -> None:
        """Learn the colour (3,) of the skin around, any scale, and whether the photo shows teeth, which keep theirs."""
        self._pull = 0.0 if teeth else _PULL
        # A drawing's skin may lack a colour, and hues are divided by each other.
        skin = np.maximum(skin, max(0.02 * float(skin.max()), 1.0))
        self._skin = float(skin @ _LUMA)
        hues = skin * _HUES
        self._hues = np.asarray(hues / np.maximum(hues @ _LUMA, 1e-3)[:, None], np.float32)

    def forget(self) -> None:
        """Forget the brightness so far: another driver."""
        self._painted = self._driven = 0.0

    def apply(self, picture: U8, painted: F32, light: F32 | None, known: float) -> None:
        """Change what was painted, in place.

        picture (S, S, C) uint8 is the network's input, masks from channel 3 on, the opening first; painted (S, S, 4)
        float32 its output, premultiplied colour 0..255 and cover; light (8, 8) as `InnerLight.share`, wanted, and how
        well it is `known`, 0..1. Without it only hues change.
        """
        known = known if light is not None else 0.0
        if known <= 0.0 and not self._pull:
            return
        masks = picture[:, :, 3:]
        pixels = opening_px(masks)
        is_open = known_of(pixels)
        if is_open <= 0.0:
            return
        if self._mouth:
            masks = with_rim(masks)
        now = self._now
        _, around, level = seen_light(picture, masks, now, painted)
        if light is None or known <= 0.0:
            change = np.zeros_like(now)
        else:
            change = self._change(now, around, level, light, known * is_open)
            if self._mouth:
                lighter = (pixels - _SLIT_PX[0]) / (_SLIT_PX[1] - _SLIT_PX[0])
                change = np.where(change > 0.0, np.float32(min(1.0, max(0.0, lighter))) * change, change)
        add_light(change, picture, masks, painted, self._hues, _STEP * self._skin, is_open * self._pull)

    def _change(self, now: F32, around: float, level: float, light: F32, weight: float) -> F32:
        """Luma (8, 8) that is missing from what is shown `now`, shares of the luma `around` with the mean `level`."""
        want = light * np.float32(self._balance(level, float(light.mean()), weight))
        before, after = now * np.float32(around), want * np.float32(around)
        after = before + _ROWS @ (after - before) @ _COLUMNS
        if self._mouth:
            white = np.float32(min(max(_WHITE * self._skin, _WHITES[0]), _WHITES[1]))
            change = np.minimum(after, np.maximum(before, white)) - before
            # The corners of a mouth are dark: light there is skin, or a lamp at the driver's side.
            change[:, _CORNERS] = np.minimum(change[:, _CORNERS], 0.0)
        else:
            change = after - before
            most = np.float32(_MOST_EYES * max(around, 1.0))
            change = most * np.tanh(change / most)
        return np.asarray(np.float32(weight) * change, np.float32)

    def _balance(self, painted: float, driven: float, weight: float) -> float:
        """How much lighter than the driver's the opening of this source is over time, 1 or more."""
        if not self._mouth:
            return 1.0
        self._painted = _KEPT * self._painted + weight * painted
        self._driven = _KEPT * self._driven + weight * driven
        prior = 0.5 * _PRIOR
        return min(max((self._painted + prior) / (self._driven + prior), 1.0), _MOST_BALANCE)
