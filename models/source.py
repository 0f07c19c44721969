"""A still picture to a `SourceFace`: everything that is worked out once, kept on disk under the content's hash."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models import lids
from models.assets import asset_path, cache_dir
from models.cache_files import read_arrays, write_arrays
from models.errors import UserError
from models.face import F32, F64, U8, FaceParams
from models.fitting import Camera, Fitter
from models.landmarks import FaceNetworks
from models.matte import person_matte
from models.morphable import load_morphable
from models.picture import fit_size, load_picture
from models.plate import background_plate
from models.second_look import look_again
from models.tracking import find_face

log = logging.getLogger(__name__)
CACHE_VERSION = 4  # raise when anything below computes differently
MIN_FACE_PX = 48  # outer eye corners closer than a third of this show no features worth animating


@dataclass(frozen=True, eq=False)
class SourceFace:
    """The photo that is being animated, prepared."""

    image: U8  # (H, W, 3) at output size
    points: F32  # (478, 3) landmarks, px, z smaller nearer
    head: F64  # (478, 3) mm, head frame, expression-free, exact on the landmarks
    params: FaceParams  # the photo's own pose, expression and gaze
    lid_gap: F64  # (2,) open gap over eye width, left and right eye
    matte: F32  # (H, W) 0..1 head, hair and body
    plate: U8  # (H, W, 3) background, filled in behind the person

    @property
    def camera(self) -> Camera:
        """The camera that took the picture."""
        return Camera(self.image.shape[1], self.image.shape[0])


def prepare_source(path: str | Path, size: int = 512, networks: FaceNetworks | None = None) -> SourceFace:
    """Read a photo and work out its face, matte and background, or take them from the cache.

    `size` is the longer side of the result, px. Raises UserError when the file or the face in it cannot be used.
    """
    picture = load_picture(path)
    rgb = fit_size(picture.rgb, size)
    alpha = None
    if picture.alpha is not None:
        alpha = cv2.resize(picture.alpha, (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_AREA)
    content = rgb.tobytes() + (b"" if alpha is None else alpha.tobytes())
    key = hashlib.sha256(content + repr((rgb.shape, CACHE_VERSION, _model_stamp())).encode()).hexdigest()[:32]
    file = cache_dir() / "sources" / f"{key}.npz"
    cached = _read(file, rgb)
    if cached is not None:
        return cached
    source = analyse(rgb, str(path), networks, alpha)
    _write(file, source)
    return source


def analyse(
    rgb: U8, name: str = "the picture", networks: FaceNetworks | None = None, alpha: F32 | None = None
) -> SourceFace:
    """Find the largest face of a picture (H, W, 3) and prepare it, without the cache.

    `alpha` (H, W) 0..1 replaces the computed matte where a picture brings its own. Raises UserError without a face.
    """
    nets = networks or FaceNetworks(asset_path("face_landmarker.task"))
    face = find_face(nets, rgb)
    if face is None:
        raise UserError(f"no face found in {name}", "the source must show one face, roughly from the front",
                        "try a picture where both eyes are visible and the face is at least 100 px wide")  # fmt: skip
    iod = float(np.linalg.norm(face.points[33, :2] - face.points[263, :2]))
    if iod < MIN_FACE_PX / 3:
        raise UserError(f"the face in {name} is too small", f"it is about {iod * 2:.0f} px wide",
                        "crop the picture around the head or use a larger one")  # fmt: skip
    face = look_again(nets, rgb, face)
    camera = Camera(rgb.shape[1], rgb.shape[0])
    fitter = Fitter(load_morphable())
    scores = face.scores.copy()
    gaps = lids.openness(face.points)
    gap = lids.open_reference(gaps, scores)
    lids.write_units(scores, lids.seen_ratio(gaps, gap, scores))
    head, params = fitter.identify(face.points, camera, scores)
    matte = alpha if alpha is not None and float(alpha.min()) < 0.5 else person_matte(rgb, face.points)
    plate = background_plate(rgb, matte)
    matte = np.asarray(np.rint(matte * 255) / 255, np.float32)  # as the cache keeps it: every run draws the same
    return SourceFace(rgb, face.points, head, params, gap, matte, plate)


def _model_stamp() -> str:
    file = Path(__file__).parent / "data" / "morphable.npz"
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def _read(file: Path, rgb: U8) -> SourceFace | None:
    z = read_arrays(file)
    if z is None:
        return None
    try:
        params = FaceParams(z["rotation"], z["translation"], z["expression"], z["gaze"])
        return SourceFace(rgb, z["points"], z["head"], params, z["lid_gap"], z["matte"].astype(np.float32) / 255,
                          z["plate"])  # fmt: skip
    except KeyError:
        return None


def _write(file: Path, s: SourceFace) -> None:
    arrays: dict[str, Any] = {f.name: getattr(s.params, f.name) for f in fields(s.params) if f.name != "light"}
    arrays |= {"points": s.points, "head": s.head, "lid_gap": s.lid_gap, "plate": s.plate,
               "matte": np.rint(s.matte * 255).astype(np.uint8)}  # fmt: skip
    write_arrays(file, arrays)
