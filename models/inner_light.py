"""How light a face's open mouth and eyes are inside: 192 numbers, of which paint learns whether teeth show.

The shape of the lips does not say whether teeth show, or the tongue, or nothing; that of the lids does not say what
light falls under them. Luma over a grid of 8 by 8 in each opening's own coordinates does, as a share of the luma around
the opening, so that light and skin matter less. It is all that leaves the driver's picture beside the landmarks
(docs/decisions/0412).
"""

from __future__ import annotations

import numpy as np

from kernels.opening import measure_light
from models.face import F32, F64, U8, FaceParams, InnerLight
from models.generator_crop import EYE, MOUTH, crop_matrix, cut, eye_masks, face_axes, mouth_masks, opening_px, with_rim
from models.morphable import EYES, INNER_LIPS

PARTS, ROWS, COLUMNS = 3, 8, 8  # mouth, the subject's left eye, right eye (mirrored)
MOST = 2.0  # times the luma around an opening; brighter counts as this
_NO_PAINT = np.zeros((0, 0, 4), np.float32)
_SEEN_PX = (12, 40)  # of a crop: a smaller opening shows nothing, a larger one all
_LIT = (12.0, 36.0)  # luma around an opening: in less light noise is all that is seen, in more all is known
_SEEN_IOD_PX = (15.0, 30.0)  # between the outer eye corners: a smaller face is a blur of lips and teeth
_PRIOR_PX = 1.0  # so many pixels of the opening's mean belong to every node
_RESTS = 0.03  # times the luma around: a node that is to change by as much changes by half of it
TEETH_PX = 150  # of the mouth's crop: a photo with a larger opening shows its own teeth
_ALIKE = 0.15  # times the luma around: so far, on average, two open mouths may differ and be compared
_LEAST_CONTRAST = 0.02
_BOTH = np.ones(2)


def seen_light(crop: U8, masks: U8, share: F32, painted: F32 = _NO_PAINT) -> tuple[int, float, float]:
    """Measure the opening of a crop (S, S, 3 or more) uint8 under masks (S, S, 1 or more) uint8, the first the opening.

    painted as in `kernels.opening.measure_light`; share (8, 8) float32 is overwritten, 0..MOST times the luma around
    the opening. Returns the opening's size, px of the crop; the luma around, 0..255; and the mean share.
    """
    return measure_light(crop, painted, masks, share, _PRIOR_PX, MOST, lips=masks.shape[2] > 1)


def _lit(luma: float) -> float:
    """How well light around of that luma, 0..255, lets an opening be known, 0..1."""
    least, most = _LIT
    return min(1.0, max(0.0, (luma - least) / (most - least)))


def known_of(pixels: float) -> float:
    """How well an opening of so many px of a crop shows what is in it, 0..1."""
    least, most = _SEEN_PX
    return min(1.0, max(0.0, (pixels - least) / (most - least)))


def look_inside(rgb: U8, points: F32, least_mouth_px: float = 0.0) -> InnerLight:
    """Measure a face's openings in a picture (H, W, 3) by its landmarks (478, 3) px; a smaller mouth counts as shut."""
    share, known = np.zeros((PARTS, ROWS, COLUMNS), np.float32), np.zeros(PARTS, np.float32)
    if np.isfinite(points).all():
        matrix = crop_matrix(points, MOUTH)
        masks = mouth_masks(points, matrix)
        pixels = opening_px(masks)
        if pixels >= max(least_mouth_px, _SEEN_PX[0]):
            around = seen_light(cut(rgb, matrix, MOUTH.pixels), with_rim(masks), share[0])[1]
            known[0] = known_of(pixels) * _lit(around)
        for i, eye in enumerate(EYES, 1):
            matrix = crop_matrix(points, EYE, eye)
            pixels, around, _ = seen_light(cut(rgb, matrix, EYE.pixels), eye_masks(points, matrix, eye), share[i])
            known[i] = known_of(pixels) * _lit(around)
        least, most = _SEEN_IOD_PX
        known *= np.float32(min(1.0, max(0.0, (face_axes(points)[1] - least) / (most - least))))
        for i, loop in enumerate((INNER_LIPS, *(e.contour for e in EYES))):  # beyond the border its edge is repeated
            p = points[list(loop), :2]
            if (p < 0).any() or (p > (rgb.shape[1] - 1, rgb.shape[0] - 1)).any():
                known[i] = 0.0
    return InnerLight(share, known)


def own_light(rgb: U8, points: F32) -> InnerLight:
    """Measure the photo that is to be moved, as `look_inside`; of its mouth only what is wide enough to show teeth."""
    return look_inside(rgb, points, TEETH_PX)


class Inside:
    """Looks into one driver's openings, frame by frame; used from one thread."""

    def __init__(self) -> None:
        self._last: InnerLight | None = None

    def forget(self) -> None:
        """Forget the face."""
        self._last = None

    def look(self, rgb: U8, points: F32) -> InnerLight:
        """Measure the next frame as `look_inside` does; what changes by no more than sensor noise hardly moves."""
        seen = look_inside(rgb, points)
        if self._last is not None:
            off = seen.share - self._last.share
            off *= off**2 / (off**2 + _RESTS**2)
            fresh = (self._last.known <= 0.0)[:, None, None]
            seen = InnerLight(np.where(fresh, seen.share, self._last.share + off).astype(np.float32), seen.known)
        self._last = seen
        return seen


def transfer_light(source: FaceParams, driver: FaceParams, neutral: FaceParams, mouth: float = 1.0,
                   eyes: F64 = _BOTH) -> InnerLight | None:  # fmt: skip
    """How light the source's openings are when the driver moves from its neutral: None when it is not known.

    Eyes change as the driver's do, by less where the source's have less contrast: a blue iris turns no darker than it
    is. A mouth that the photo shows open does too, as far as neutral's looks like it; one it shows closed is as light
    as the driver's. `mouth` and `eyes` (2,), left and right, say how far theirs counts, 0..1.
    """
    if driver.light is None:
        return None
    share, known = driver.light.share.copy(), driver.light.known.copy()
    own, rest = source.light, neutral.light
    known *= np.clip(np.array([mouth, *eyes], np.float32), 0.0, 1.0)
    if own is None or rest is None:
        known[1:] = 0.0
        return InnerLight(share, known)
    for i in range(PARTS):
        if i == 0 and own.known[0] <= 0.0:
            continue
        if i == 0:
            known[0] *= np.exp(-((float(np.abs(own.share[0] - rest.share[0]).mean()) / _ALIKE) ** 2))
        contrast = [max(float(x.share[i].std()), _LEAST_CONTRAST) for x in (own, rest)]
        gain = min(1.0, contrast[0] / contrast[1]) if i else 1.0
        share[i] = np.clip(own.share[i] + np.float32(gain) * (share[i] - rest.share[i]), 0.0, MOST)
        known[i] *= rest.known[i] * own.known[i]
    return InnerLight(share, known)
