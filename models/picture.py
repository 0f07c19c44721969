"""Source photos: any picture file a person may hand over -> upright RGB of a bounded size, or one clear line."""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import cv2
import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from models.errors import UserError
from models.face import F32, U8

Pixels = TypeVar("Pixels", U8, F32)

LONGEST_SIDE_PX = 4096
"""Larger pictures are reduced while loading: the engine shows at most a 4K canvas."""

MOST_PIXELS = 400_000_000
"""A file that claims more is refused before it is decoded (a decompression bomb, or a map rather than a portrait)."""

SMALLEST_SIDE_PX = 16
_BACKDROP = (128.0, 128.0, 128.0)  # what shows through a transparent source when the matte alone cannot hide it
_OTHER_FILES = (  # files that people do hand over under a picture's name, by their first bytes
    (b"%PDF", "it is a PDF document", "Export the page as PNG or JPEG and give that file"),
    (b"PK\x03\x04", "it is a ZIP or Office file", "Take the picture out of it and give that file"),
    (b"<svg", "it is an SVG drawing", "Export it as PNG and give that file"),
    (b"<?xml", "it is an XML (perhaps SVG) file", "Export the picture as PNG and give that file"),
    (b"<!DO", "it is a web page", "Open it, save the picture itself as PNG or JPEG and give that file"),
    (b"<htm", "it is a web page", "Open it, save the picture itself as PNG or JPEG and give that file"),
    (b"\x1aE\xdf\xa3", "it is a video (Matroska or WebM)", "Give a still picture as the source"),
)
_GIVE_ANOTHER = "Give a JPEG, PNG, WebP, BMP or TIFF picture"


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded source photo, upright."""

    rgb: U8  # (H, W, 3) sRGB; a transparent picture is laid over neutral grey
    alpha: F32 | None  # (H, W) 0..1, the file's own transparency, or None when it is opaque everywhere


def load_picture(path: str | Path, *, longest_side: int = LONGEST_SIDE_PX) -> Picture:
    """Read a picture file as upright 8-bit RGB, at most `longest_side` pixels long.

    The EXIF orientation is applied; grey, palette, CMYK (through the embedded profile when there is one), 16-bit and
    float files become 8-bit sRGB; of an animation the first frame is taken. Raises `UserError`, one line that ends with
    what to do next, for whatever cannot be used.
    """
    path = Path(path).expanduser()
    data = _read(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's bomb warning has a lower limit than ours, which is checked below
            with Image.open(io.BytesIO(data)) as image:
                return _decode(image, path, longest_side)
    except UserError:
        raise
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise _unreadable(path, data, error) from error
    except MemoryError as error:
        raise UserError(
            f"cannot open {path}", "there is not enough memory for it", "Reduce the picture first"
        ) from error
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error ... for broken files
        raise UserError(
            f"cannot read {path}",
            f"the picture is damaged or cut short ({error})",
            "Copy or download the file again, or save it anew from a picture viewer",
        ) from error


def fit_size(rgb: U8, longer_side: int) -> U8:
    """Return (H, W, 3) uint8 resized so that its longer side is `longer_side` pixels, in the same aspect.

    Shrinking averages areas, enlarging uses Lanczos-4. Sides are rounded to whole pixels, at least one; the aspect is
    off by half a pixel at most. A picture of that size already is returned as it is, not copied.
    """
    height, width = rgb.shape[:2]
    scale = longer_side / max(height, width)
    if scale == 1.0:
        return rgb
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LANCZOS4
    return cast(U8, np.ascontiguousarray(cv2.resize(rgb, size, interpolation=method)))


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise UserError(f"cannot open {path}", "it is a folder", "Give the path of one picture inside it")
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        near = sorted(p.name for p in path.parent.glob("*") if p.stem.lower() == path.stem.lower())
        hint = f"Did you mean {path.parent / near[0]}?" if near else "Check the path; nothing is there under that name"
        raise UserError(f"cannot open {path}", "there is no such file", hint) from error
    except OSError as error:
        raise UserError(f"cannot open {path}", error.strerror or str(error), "Check the file's permissions") from error
    if not data:
        raise UserError(f"cannot open {path}", "the file is empty", _GIVE_ANOTHER)
    return data


def _unreadable(path: Path, data: bytes, error: Exception) -> UserError:
    if isinstance(error, Image.DecompressionBombError):
        return UserError(f"cannot open {path}", "it has too many pixels", "Reduce the picture below 20000x20000 first")
    head = data[:64].lstrip()
    for magic, why, hint in _OTHER_FILES:
        if head[: len(magic)].lower() == magic.lower():
            return UserError(f"cannot open {path}", f"whatever its name says, {why}", hint)
    if data[4:8] == b"ftyp":
        if data[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis"):
            return UserError(f"cannot open {path}", "it is a HEIC photo, which Pillow cannot decode", "Save it as JPEG")
        return UserError(f"cannot open {path}", "it is a video", "Give a still picture as the source")
    return UserError(f"cannot open {path}", "it is not a picture in a format known here", _GIVE_ANOTHER)


def _decode(image: Image.Image, path: Path, longest_side: int) -> Picture:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise UserError(f"cannot open {path}", f"{width}x{height} is too many pixels", "Reduce the picture first")
    if min(width, height) < SMALLEST_SIDE_PX:
        raise UserError(f"cannot use {path}", f"{width}x{height} is too small to hold a face", "Give a larger picture")
    if image.format == "JPEG" and max(width, height) > longest_side:
        # The decoder itself halves, quarters or eighths the picture, so a 12000x9000 photo never exists in full.
        scale = longest_side / max(width, height)
        image.draft(None, (math.ceil(width * scale), math.ceil(height * scale)))
    image.load()
    profile = image.info.get("icc_profile")
    orientation = image.getexif().get(0x0112, 1)
    image = _eight_bit(image)
    alpha = _alpha_of(image)
    image = _to_srgb(image, profile)
    rgb = np.asarray(image, dtype=np.uint8)
    if max(rgb.shape[:2]) > longest_side:
        scale = longest_side / max(rgb.shape[:2])
        size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
        if alpha is not None:  # colours under transparent pixels are arbitrary: keep them out of the average
            rgb = _over_backdrop(rgb, alpha)
            alpha = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    elif alpha is not None:
        rgb = _over_backdrop(rgb, alpha)
    return Picture(_upright(rgb, orientation), None if alpha is None else _upright(alpha, orientation))


def _upright(array: Pixels, orientation: int) -> Pixels:
    """Undo the EXIF orientation (tag 0x0112, values 2-8) on an array whose first two axes are rows and columns."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return cast(Pixels, np.ascontiguousarray(array))


def _eight_bit(image: Image.Image) -> Image.Image:
    """Bring 16-bit, 32-bit and float modes to 8-bit grey by their own range; Pillow's convert would clip them."""
    if image.mode not in ("I", "F", "I;16", "I;16L", "I;16B", "I;16N"):
        return image
    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    low, top = min(float(values.min()), 0.0), float(values.max())
    if image.mode == "F":
        full = 1.0 if top <= 1.0 else max(top, 255.0)
    else:
        full = 255.0 if top <= 255.0 else max(top, 65535.0)
    return Image.fromarray(np.rint((values - low) * (255.0 / (full - low))).clip(0, 255).astype(np.uint8), "L")


def _alpha_of(image: Image.Image) -> F32 | None:
    if not image.has_transparency_data:
        return None
    alpha = np.asarray(image.convert("RGBA").getchannel("A"), dtype=np.float32) / np.float32(255)
    return None if float(alpha.min()) == 1.0 else alpha


def _over_backdrop(rgb: U8, alpha: F32) -> U8:
    weight = alpha[:, :, None]
    return np.rint(rgb * weight + np.array(_BACKDROP, np.float32) * (1 - weight)).astype(np.uint8)


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert through the embedded colour profile; without a usable one, by Pillow's plain rules."""
    if image.mode == "P" or (image.mode in ("LA", "PA", "La", "RGBa")):
        image = image.convert("RGBA")
    if image.mode in ("RGBA", "RGBX"):
        image = image.convert("RGB")  # drops the alpha channel, keeps the colours under it
    if profile and image.mode in ("RGB", "CMYK", "L"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if not (image.mode == "RGB" and "sRGB" in ImageCms.getProfileDescription(source)):
                converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
                if converted is not None:
                    return converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a broken or mismatched profile is common in the wild and no reason to refuse the photo
    return image.convert("RGB")
