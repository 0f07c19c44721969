"""What stands behind the person: the photo's own background, its blur, a colour, another picture, or studio green."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from realtime.errors import ConfigError
from realtime.types import U8

if TYPE_CHECKING:
    from models.source import SourceFace

GREEN = (0, 177, 64)  # chroma-key green, as broadcasters paint it
_BLUR = 0.03  # of the longer side, standard deviation
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


def make_backdrop(word: str, source: SourceFace) -> U8 | None:
    """Return the background (H, W, 3) that `word` of --background asks for, None for the photo's own.

    Raises `ConfigError` for a word that is none, `UserError` for a picture that cannot be read.
    """
    height, width = source.plate.shape[:2]
    if word == "own":
        return None
    if word == "blur":
        return _blurred(source.plate)
    colour = ground(word)
    if colour is not None:
        return np.full((height, width, 3), colour, np.uint8)
    from models.picture import load_picture

    return cover(load_picture(_picture_path(word)).rgb, height, width)


def ground(word: str) -> tuple[int, int, int] | None:
    """Return the colour (RGB) that a background is made of, None for one that is a picture.

    `alpha` stands on green: outputs that carry no opacity can then be keyed.
    """
    if word in ("green", "alpha"):
        return GREEN
    if _COLOUR.fullmatch(word):
        return int(word[1:3], 16), int(word[3:5], 16), int(word[5:7], 16)
    return None


def check_backdrop(word: str) -> None:
    """Raise `ConfigError` for a word that --background cannot mean."""
    if word not in ("own", "blur", "green", "alpha") and not _COLOUR.fullmatch(word):
        _picture_path(word)


def cover(rgb: U8, height: int, width: int) -> U8:
    """Return the middle of a picture (H, W, 3), scaled so that it just covers (height, width)."""
    h, w = rgb.shape[:2]
    k = max(width / w, height / h)
    size = (max(width, round(w * k)), max(height, round(h * k)))
    scaled = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if k < 1 else cv2.INTER_CUBIC)
    x, y = (size[0] - width) // 2, (size[1] - height) // 2
    return np.ascontiguousarray(scaled[y : y + height, x : x + width])


def _blurred(plate: U8) -> U8:
    """Return the plate out of focus; blurred small, as that looks the same and costs a sixteenth."""
    height, width = plate.shape[:2]
    size = (max(2, width // 4), max(2, height // 4))
    small = cv2.resize(plate, size, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), max(1.0, _BLUR * max(size)), borderType=cv2.BORDER_REFLECT)
    return np.ascontiguousarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_CUBIC))


def _picture_path(word: str) -> Path:
    path = Path(word).expanduser()
    if not path.is_file():
        raise ConfigError("--background", f"`{word}` is neither own, blur, green, alpha, a colour such as #204060, nor "
                          "a picture file", "Use e.g. --background blur")  # fmt: skip
    return path
