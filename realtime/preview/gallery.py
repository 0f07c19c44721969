"""Pictures that people hand over on the control page: decoded, cleaned, kept under the hash of their content."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image, ImageOps, UnidentifiedImageError

from realtime.errors import UserError

Kind = Literal["sources", "backgrounds"]
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
_MOST_PIXELS = 60_000_000  # a file that claims more is refused before a pixel is decoded
_LEAST_SIDE = 64  # px
_KEPT_SIDE = 2048  # px, longer side; the engine shows at most a 4K canvas of it
_THUMB = 192  # px
_MOST_KEPT = 200
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Picture:
    """One picture of the gallery."""

    id: str  # hash of the content
    name: str  # what to call it
    path: Path
    own: bool  # kept by the gallery, so that it can be deleted there


class PictureError(UserError):
    """An upload that cannot be used."""


class Gallery:
    """A folder of pictures with thumbnails; ids are hashes, so nothing a client says ever becomes a path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._pictures: dict[str, Picture] = {}
        self._thumbs: dict[str, bytes] = {}
        self._scan()

    def list(self) -> list[Picture]:
        """Return the pictures: those of the command line first, then in the order they came."""
        with self._lock:
            return sorted(self._pictures.values(), key=lambda p: p.own)

    def get(self, ident: str) -> Picture | None:
        """Return a picture by id."""
        return self._pictures.get(ident)

    def find(self, path: Path) -> Picture | None:
        """Return the picture that lies at `path`."""
        return next((p for p in self.list() if p.path == path), None)

    def show(self, path: Path, name: str = "") -> Picture | None:
        """Add a file from elsewhere, which stays where it is; None when it cannot be read."""
        try:
            content = path.read_bytes()
        except OSError:
            return None
        picture = Picture(_ident(content), name or path.stem[:60], path, False)
        with self._lock:
            return self._pictures.setdefault(picture.id, picture)

    def add(self, content: bytes, name: str) -> Picture:
        """Keep an uploaded picture; the same one twice is one. Raises `PictureError`."""
        made, suffix = clean(content)
        ident = _ident(made)
        with self._lock:
            if ident in self._pictures:
                return self._pictures[ident]
            if len(self._pictures) >= _MOST_KEPT:
                raise PictureError("the gallery", f"it holds {_MOST_KEPT} pictures", "Delete some first")
        title = re.sub(r"[^\w .()-]", "", Path(name.replace("\\", "/")).stem).strip()[:60] or "picture"
        path = self._folder / f"{ident}{suffix}"
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(made)
            part.replace(path)
            path.with_suffix(".txt").write_text(title, encoding="utf-8")
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink()
            raise PictureError("the picture", f"it cannot be kept ({error.strerror or error})",
                               "Free some space") from None  # fmt: skip
        picture = Picture(ident, title, path, True)
        with self._lock:
            self._pictures[ident] = picture
        return picture

    def remove(self, ident: str) -> None:
        """Delete a picture that the gallery keeps; raises KeyError for any other."""
        with self._lock:
            picture = self._pictures[ident]
            if not picture.own:
                raise KeyError(ident)
            del self._pictures[ident]
            self._thumbs.pop(ident, None)
        for path in (picture.path, picture.path.with_suffix(".txt")):
            with contextlib.suppress(OSError):
                path.unlink()

    def thumbnail(self, ident: str) -> bytes | None:
        """Return the thumbnail as JPEG, None for an unknown or unreadable picture."""
        made = self._thumbs.get(ident)
        picture = self.get(ident)
        if made is None and picture is not None:
            try:
                with Image.open(picture.path) as opened:
                    opened.draft("RGB", (2 * _THUMB, 2 * _THUMB))
                    upright = _flat(ImageOps.exif_transpose(opened))
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
                return None
            out = io.BytesIO()
            # Faces sit in the upper part of portraits.
            ImageOps.fit(upright, (_THUMB, _THUMB), centering=(0.5, 0.3)).save(out, "JPEG", quality=82)
            made = self._thumbs[ident] = out.getvalue()
        return made

    def _scan(self) -> None:
        if not self._folder.is_dir():
            return
        found = sorted((p for p in self._folder.iterdir() if p.suffix in (".jpg", ".png") and _ID.fullmatch(p.stem)),
                       key=lambda p: p.stat().st_mtime_ns)  # fmt: skip
        for path in found:
            note = path.with_suffix(".txt")
            name = note.read_text(encoding="utf-8", errors="replace")[:60] if note.is_file() else "picture"
            self._pictures[path.stem] = Picture(path.stem, name, path, True)


def clean(content: bytes) -> tuple[bytes, str]:
    """Return an uploaded picture decoded and encoded anew, upright, without metadata, with the suffix of its format.

    What comes out was made here from pixels: nothing else that a file may carry survives. Raises `PictureError`.
    """
    hint = "Use a JPEG, PNG or WebP picture"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=_FORMATS) as opened:
                width, height = opened.size
                if width * height > _MOST_PIXELS:
                    raise PictureError("the picture", f"{width}x{height} is too large", "Use one below 60 megapixels")
                if min(width, height) < _LEAST_SIDE:
                    raise PictureError("the picture", f"{width}x{height} is too small", "Use one above 64 px")
                opened.draft("RGB", (_KEPT_SIDE, _KEPT_SIDE))
                opened.load()
                upright: Any = ImageOps.exif_transpose(opened)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise PictureError("the picture", "it unpacks to far more than its size", hint) from None
    except UnidentifiedImageError:
        raise PictureError("the file", "it is no picture", hint) from None
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        raise PictureError("the picture", f"it is damaged ({str(error)[:80]})", hint) from None
    clear = upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info
    plain = upright.convert("RGBA" if clear else "RGB")
    plain.thumbnail((_KEPT_SIDE, _KEPT_SIDE), Image.Resampling.LANCZOS)
    plain.info = {}
    out = io.BytesIO()
    if clear:
        plain.save(out, "PNG", compress_level=3)
        return out.getvalue(), ".png"
    plain.save(out, "JPEG", quality=95, subsampling=0)
    return out.getvalue(), ".jpg"


def _flat(picture: Any) -> Image.Image:
    """Return an RGB picture, what is transparent on grey."""
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        ground = Image.new("RGBA", picture.size, (128, 128, 128, 255))
        ground.alpha_composite(picture)
        picture = ground
    flat: Image.Image = picture.convert("RGB")
    return flat


def _ident(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
