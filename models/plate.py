"""The background behind the person: filled in once, and the person's own colours freed from the old background.

The fill continues what meets the outline along its level lines (Bertalmio, Bertozzi, Sapiro, "Navier-Stokes, fluid
dynamics, and image and video inpainting", CVPR 2001) and passes over, further in, into a harmonic fill, which no eye
catches on. `docs/decisions/0102-plate.md` has the measurements behind that.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from models.face import F32, U8

Bool = npt.NDArray[np.bool_]

_CLEAR = 0.02  # opacity below which a pixel shows background only
_STRAY_PX = 1024  # longest side at which stray hair is looked for
_FILL_PX = 512  # longest side at which the hole is filled; a fill has no finer detail than that anyway


def background_plate(rgb: U8, matte: F32) -> U8:
    """Return the background (H, W, 3) uint8: the picture itself where nobody stands, a continuation of it behind.

    `rgb` (H, W, 3); `matte` (H, W) opacity 0..1. Bit-identical to `rgb` beyond `margin_px` of the matte's support and
    of the stray hairs found next to it. Along soft edges the part of the pixel that the matte leaves to the background
    is recovered, so the plate agrees with the picture there.
    """
    covered = matte > _CLEAR
    if not covered.any():
        return rgb.copy()
    margin = margin_px(rgb)
    colour = rgb.astype(np.float32) / np.float32(255)
    person = _carried_out(colour, matte)
    taken = covered | _stray_hair(rgb, covered, person)
    away = cv2.distanceTransform((~taken).astype(np.uint8), cv2.DIST_L2, 5)
    hole = away <= margin
    if hole.all():
        return np.broadcast_to(np.median(rgb, axis=(0, 1)).astype(np.uint8), rgb.shape).copy()
    busy = _busyness(colour, hole)
    fill = _fill(rgb, hole, busy)

    # Soft edges: C = a F + (1 - a) B. Start from the person's and the background's colours carried on from either side
    # and change both as little as possible to meet C; the background's share of that correction is what we keep.
    alpha = np.where(hole, matte, 0)[:, :, None]
    miss = colour - alpha * person - (1 - alpha) * fill
    share = (1 - alpha) / (alpha**2 + (1 - alpha) ** 2)
    # A miss far above what this background's own variety explains is hair that the matte undervalued: it belongs to the
    # person, and would stay behind as a ghost. Before a busy background it must also lie towards the person's colours.
    odd = np.abs(miss).max(2) / np.maximum(2.5 * busy, 0.012)
    towards = ((person - fill) * miss).sum(2)
    towards /= np.maximum(np.linalg.norm(person - fill, axis=2) * np.linalg.norm(miss, axis=2), 1e-6)
    theirs = np.maximum(1 - np.clip((busy - 0.03) / 0.05, 0, 1), np.clip((towards - 0.2) / 0.5, 0, 1))
    keep = 1 - theirs * (1 - np.exp(-(odd**2)))
    rim = away / (margin + 1)
    # Sharpening and compression leave a seam right at the outline, which shows on all but a busy background.
    seam = np.clip(0.6 - 3 * (busy - 0.1), 0.1, 0.6)
    keep *= 1 - seam * (1 - np.clip(2 * rim, 0, 1))
    keep = np.maximum(keep, np.clip(2 * rim - 1, 0, 1))[:, :, None]  # and into the untouched picture without a step
    plate = fill + keep * share * miss + _grain(rgb, hole) * np.minimum(1, 2 * alpha)
    return np.where(hole[:, :, None], np.rint(np.clip(plate, 0, 1) * 255).astype(np.uint8), rgb)


def premultiplied_person(rgb: U8, matte: F32, plate: U8) -> F32:
    """Return the person (H, W, 4) float32: colour times opacity in 0..255, then opacity 0..1.

    `person[..., :3] + (1 - person[..., 3:]) * plate` gives `rgb` back, to half a level. Where the matte is too thin for
    any colour to explain the picture in front of `plate` (a missed earring, a wisp), opacity is raised to the least
    that can, so such a thing neither vanishes nor stays behind when the head moves.
    """
    colour = rgb.astype(np.float32)
    behind = plate.astype(np.float32)
    gap = colour - behind
    least = np.maximum(-gap / np.maximum(behind, 1), gap / np.maximum(255 - behind, 1)).max(2)
    alpha = np.clip(np.maximum(np.where(matte > _CLEAR, matte, 0), least), 0, 1).astype(np.float32)[:, :, None]
    person = np.clip(colour - (1 - alpha) * behind, 0, 255 * alpha)
    return np.ascontiguousarray(np.concatenate([person, alpha], axis=2), np.float32)


def margin_px(rgb: U8) -> int:
    """Return how far around the matte's support, in px, the plate may differ from the picture."""
    return max(3, round(0.012 * float(max(rgb.shape[:2]))))


def smooth_fill(picture: F32, hole: Bool, sweeps: int = 20) -> F32:
    """Return (H, W, 3) with the hole filled harmonically: each pixel its neighbours' mean, solved coarse to fine.

    Without a known pixel, or without a hole, a copy of the picture comes back.
    """
    known = (~hole).astype(np.float32)
    if not hole.any() or hole.all():
        return picture.copy()
    height, width = hole.shape
    if min(height, width) > 4:
        size = ((width + 1) // 2, (height + 1) // 2)
        weight = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
        small = cv2.resize(picture * known[:, :, None], size, interpolation=cv2.INTER_AREA)
        small = (small / np.maximum(weight, 1e-6)[:, :, None]).astype(np.float32)
        coarse = smooth_fill(cast(F32, small), weight <= 1e-3, sweeps)
        start = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    else:
        start = np.broadcast_to((picture * known[:, :, None]).sum((0, 1)) / known.sum(), picture.shape)
    filled = np.where(hole[:, :, None], start, picture).astype(np.float32)
    cross = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32) / 4
    y, x = np.nonzero(hole)
    box = (slice(max(0, y.min() - 1), y.max() + 2), slice(max(0, x.min() - 1), x.max() + 2))
    inner, part = filled[box], hole[box][:, :, None]
    for _ in range(sweeps):
        inner = np.where(part, cv2.filter2D(inner, -1, cross, borderType=cv2.BORDER_REPLICATE), inner)
    filled[box] = inner
    return filled


def _fill(rgb: U8, hole: Bool, busy: F32) -> F32:
    """Fill the hole: level lines carried on near its rim, harmonic further in. (H, W, 3) 0..1, any value outside.

    Where the background is plain there are no lines to carry on, only noise to smear: harmonic from the rim on.
    """
    height, width = hole.shape
    scale = min(1.0, _FILL_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small, gap = rgb, hole.astype(np.uint8)
    if scale < 1:  # a small pixel with any of the person's colours in it belongs to the hole
        gap = (cv2.resize(gap.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0).astype(np.uint8)
        small = cast(U8, cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
    carried = cv2.inpaint(small, gap, 3, cv2.INPAINT_NS).astype(np.float32) / np.float32(255)
    smooth = smooth_fill(small.astype(np.float32) / np.float32(255), gap > 0)
    depth = cv2.distanceTransform(gap, cv2.DIST_L2, 5)
    # In units of the thickest part's half width, roughly half a head: lines begin to dissolve at once.
    t = np.clip((depth / max(float(depth.max()), 1.0) - 0.03) / 0.4, 0, 1)
    plain = 1 - np.clip((cv2.resize(busy, size, interpolation=cv2.INTER_LINEAR) - 0.02) / 0.04, 0, 1)
    t = np.maximum(t * t * (3 - 2 * t), plain)[:, :, None].astype(np.float32)
    out = carried + t * (smooth - carried)
    return cast(F32, cv2.resize(out, (width, height), interpolation=cv2.INTER_LINEAR) if scale < 1 else out)


def _busyness(colour: F32, hole: Bool) -> F32:
    """Local standard deviation (H, W), 0..1, of the background, carried on into the hole."""
    height, width = hole.shape
    scale = min(1.0, 256 / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    known = 1 - (cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0).astype(np.float32)
    small = cv2.resize(colour, size, interpolation=cv2.INTER_AREA)
    small = cv2.medianBlur(np.ascontiguousarray(small), 5) * known[:, :, None]  # a stray strand is no texture
    window = (21, 21)
    weight = cv2.boxFilter(known, -1, window, normalize=False)
    share = np.maximum(weight, 1)[:, :, None]
    mean = cv2.boxFilter(small, -1, window, normalize=False) / share
    square = cv2.boxFilter(small * small, -1, window, normalize=False) / share
    spread = np.sqrt(np.maximum(square - mean * mean, 0)).astype(np.float32)
    carried = smooth_fill(spread, weight < 20).max(2)
    return cast(F32, cv2.resize(carried, (width, height), interpolation=cv2.INTER_LINEAR))


def _stray_hair(rgb: U8, covered: Bool, person: F32) -> Bool:
    """Find what hangs on to the person though the matte left it out: a strand, an earring, before a plain background.

    It is thin or small, touches the person, and either ends nearby or has the person's tone: a lamp tube or a door's
    edge goes on, and is lighter than dark hair.
    """
    height, width = covered.shape
    side = max(height, width)
    if side > _STRAY_PX:
        size = (round(width * _STRAY_PX / side), round(height * _STRAY_PX / side))
        small = _stray_hair(
            cast(U8, cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)),
            cv2.resize(covered.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0,
            cast(F32, cv2.resize(person, size, interpolation=cv2.INTER_AREA)),
        )
        large = cv2.resize(small.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.2
        return cast(Bool, large & ~covered)
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    disc = _disc(max(4, round(0.008 * side)))
    away = cv2.distanceTransform((~covered).astype(np.uint8), cv2.DIST_L2, 5)
    reach = 0.05 * side
    rim = (away > reach - 2) & (away <= reach)
    near, far = (away > 0) & (away <= reach), away > reach
    beside = cv2.dilate(covered.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    plain = _busyness(rgb.astype(np.float32) / np.float32(255), ~far) < 0.06  # judged from beyond the strays
    found = np.zeros_like(covered)
    for how, sign in ((cv2.MORPH_TOPHAT, 1), (cv2.MORPH_BLACKHAT, -1)):
        relief = cv2.morphologyEx(grey, how, disc)
        usual = float(np.percentile(relief[far], 97)) if far.any() else 255.0
        count, labels = cv2.connectedComponents((near & (relief > max(12.0, 1.5 * usual)) & plain).astype(np.uint8))
        same_tone = sign * (person.mean(2) * 255 - rgb.mean(2)) > 0
        touches = np.bincount(labels[beside], minlength=count) > 0
        goes_on = np.bincount(labels[rim], minlength=count) > 0
        toned = np.bincount(labels.ravel(), same_tone.ravel(), count) > 0.5 * np.bincount(
            labels.ravel(), minlength=count
        )
        keep = touches & (~goes_on | toned)
        keep[0] = False
        found |= keep[labels]
    return found & ~covered


def _carried_out(colour: F32, matte: F32) -> F32:
    """Carry the colours of the person's solid part on beyond its outline."""
    solid = matte > 0.98
    if not solid.any():
        return colour
    height, width = solid.shape
    scale = min(1.0, 320 / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    known = cv2.resize(solid.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(colour * solid[:, :, None], size, interpolation=cv2.INTER_AREA)
    small = (small / np.maximum(known, 1e-6)[:, :, None]).astype(np.float32)
    carried = cv2.resize(smooth_fill(small, known < 0.05), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where(solid[:, :, None], colour, carried)


def _grain(rgb: U8, hole: Bool) -> F32:
    """Noise (H, W, 3) of the strength the background has, so that the filled part does not look like plastic."""
    picture = rgb.astype(np.float32) / np.float32(255)
    fine = picture - cv2.GaussianBlur(picture, (0, 0), 1.0)
    sample = np.abs(fine[~hole])
    strength = np.minimum(np.median(sample, axis=0) * 1.4826, 0.015) if len(sample) else np.zeros(3)
    noise = np.random.default_rng(7).standard_normal((*hole.shape, 3), dtype=np.float32)
    noise -= cv2.GaussianBlur(noise, (0, 0), 1.0)
    return cast(F32, noise * (strength / max(float(noise.std()), 1e-6)).astype(np.float32))


def _disc(radius: int) -> U8:
    return cast(U8, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)))
