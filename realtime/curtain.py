"""The privacy card, and the curtain in front of every output that puts the card in the place of the picture."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from realtime.types import U8

_TEXT = "Be right back"
_TOP, _BOTTOM, _INK = (34, 37, 44), (20, 22, 27), (214, 218, 226)


class Curtain:
    """Shared by all outputs: while it is drawn, each of them shows the card from its very next picture on.

    It stands behind the mailboxes, in the senders' own threads, so a slow or stuck compute thread cannot delay it.
    """

    def __init__(self) -> None:
        self._drawn = threading.Event()
        self._cards: dict[tuple[int, int], U8] = {}

    @property
    def drawn(self) -> bool:
        """Whether the card is shown."""
        return self._drawn.is_set()

    def draw(self, on: bool) -> None:
        """Show the card, or the picture again; may be called from any thread."""
        if on:
            self._drawn.set()
        else:
            self._drawn.clear()

    def card(self, height: int, width: int) -> U8:
        """Return the card (height, width, 3); do not write into it. It is made once for each size."""
        made = self._cards.get((height, width))
        if made is None:
            made = self._cards[height, width] = draw_card(height, width)
        return made


def draw_card(height: int, width: int, text: str = _TEXT) -> U8:
    """Return a calm dark card (height, width, 3) with `text` in its middle; nothing of driver or source is in it."""
    shade = np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None, None]
    ground = np.asarray(_TOP, np.float32) * (1 - shade) + np.asarray(_BOTTOM, np.float32) * shade
    picture = Image.fromarray(np.ascontiguousarray(np.broadcast_to(ground, (height, width, 3))).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    side = min(height, width)
    r, cx, cy = side * 0.10, width / 2, height * 0.42
    line = max(1, round(side * 0.012))
    # A head and shoulders, drawn as an outline: a place that is kept, nobody's face.
    pen.ellipse((cx - r * 0.62, cy - r * 1.35, cx + r * 0.62, cy - r * 0.1), outline=_INK, width=line)
    pen.arc((cx - r * 1.3, cy + r * 0.15, cx + r * 1.3, cy + r * 2.4), 180, 360, fill=_INK, width=line)
    pen.text((cx, height * 0.66), text, fill=_INK, font=_font(max(8, round(side * 0.065))), anchor="mm")
    return np.asarray(picture, np.uint8)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return DejaVu Sans, which matplotlib ships, or Pillow's own."""
    spec = importlib.util.find_spec("matplotlib")
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if path.exists():
            return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)
