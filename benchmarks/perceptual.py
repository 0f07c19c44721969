"""Figures closer to the eye than psnr: multi-scale SSIM, sharpness against the truth's, FLIP, LPIPS.

FLIP needs the extra `quality`. LPIPS needs the packages `lpips` and `torchvision` and AlexNet weights already on the
machine; it has not been run by us. What is missing is left out, with the reason.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.face import F32, U8

Compare = Callable[[U8, U8], float]
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_GAUSS = (11, 1.5)  # side and sigma of the window, px


def ms_ssim(a: U8, b: U8) -> float:
    """Multi-scale structural similarity of two pictures of at least 176 px, grey; in 0..1.

    Wang, Simoncelli, Bovik, "Multi-scale structural similarity for image quality assessment", 2003: five scales, 11 px
    Gaussian window, sigma 1.5. Negative terms count as 0.
    """
    if min(a.shape[:2]) < _GAUSS[0] * 2 ** (len(_SCALE_WEIGHTS) - 1):
        raise ValueError(f"ms_ssim: expected at least 176 px, got {a.shape[:2]}")
    x, y = (cv2.cvtColor(v, cv2.COLOR_RGB2GRAY).astype(np.float64) for v in (a, b))
    total = 1.0
    for i, weight in enumerate(_SCALE_WEIGHTS):
        whole, contrast = _ssim_terms(x, y)
        last = i == len(_SCALE_WEIGHTS) - 1
        total *= max(0.0, whole if last else contrast) ** weight
        if not last:
            x, y = (_halved(v) for v in (x, y))
    return float(total)


def _ssim_terms(x: Any, y: Any) -> tuple[float, float]:
    edge = _GAUSS[0] // 2

    def blur(v: Any) -> Any:
        return cv2.GaussianBlur(v, (_GAUSS[0], _GAUSS[0]), _GAUSS[1])[edge:-edge, edge:-edge]

    mx, my = blur(x), blur(y)
    vx, vy, vxy = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    contrast = (2 * vxy + c2) / (vx + vy + c2)
    return float((contrast * (2 * mx * my + c1) / (mx * mx + my * my + c1)).mean()), float(contrast.mean())


def _halved(v: Any) -> Any:
    v = v[: v.shape[0] // 2 * 2, : v.shape[1] // 2 * 2]
    return (v[::2, ::2] + v[1::2, ::2] + v[::2, 1::2] + v[1::2, 1::2]) / 4


def region_sharpness(truth: U8, got: U8, points: F32, region: Sequence[int]) -> float:
    """Mean absolute Laplacian inside the hull of some of the truth's landmarks, over the truth's; NaN if it has none.

    Below 1 is blurred, above 1 is crisper (or noisier) than the camera.
    """
    mask = np.zeros(truth.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(points[list(region), :2].astype(np.int32)), 1)
    inside = mask > 0

    def edges(rgb: U8) -> float:
        return float(np.abs(cv2.Laplacian(rgb.mean(2).astype(np.float32), cv2.CV_32F))[inside].mean())

    if not inside.any():
        return float("nan")
    base = edges(truth)
    return edges(got) / base if base > 1e-6 else float("nan")


def flip() -> Compare | None:
    """Return NVIDIA's LDR FLIP (0 same .. 1), or None without the extra `quality`."""
    if importlib.util.find_spec("flip_evaluator") is None:
        return None
    evaluate = importlib.import_module("flip_evaluator").evaluate

    def compare(truth: U8, got: U8) -> float:
        a, b = (np.ascontiguousarray(v, np.float32) / np.float32(255) for v in (truth, got))
        return float(evaluate(a, b, "LDR", applyMagma=False)[1])

    return compare


def lpips() -> tuple[Compare | None, str]:
    """Return LPIPS (AlexNet), or None and the reason. Never downloads. Not run by us: no weights here."""
    if any(importlib.util.find_spec(n) is None for n in ("lpips", "torchvision")):
        return None, "lpips needs the packages lpips and torchvision"
    torch, package = importlib.import_module("torch"), importlib.import_module("lpips")
    if not list((Path(torch.hub.get_dir()) / "checkpoints").glob("alexnet-*.pth")):
        return None, "lpips needs torchvision's AlexNet weights on this machine, and downloads nothing"
    net = package.LPIPS(net="alex", verbose=False)

    def compare(truth: U8, got: U8) -> float:
        a, b = (torch.from_numpy(v.astype(np.float32).transpose(2, 0, 1)[None] / 127.5 - 1) for v in (truth, got))
        return float(net(a, b).detach())

    return compare, ""
