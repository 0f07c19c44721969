"""What stands between the engine and an output at live pace: the privacy curtain, and one size for a whole run."""

from __future__ import annotations

from dataclasses import replace

from realtime.curtain import Curtain
from realtime.outputs.base import Output, Stream
from realtime.outputs.canvas import Canvas
from realtime.types import Composite

_CARD_LOOK = -1  # the card is no source picture: its surround is its own


class Staged:
    """An output behind the curtain; pictures of another size than `size` are placed on a canvas of that size."""

    def __init__(self, output: Output, size: tuple[int, int] | None, curtain: Curtain) -> None:
        self._output, self._curtain = output, curtain
        self._canvas = Canvas(*size) if size is not None else None

    @property
    def name(self) -> str:
        """Name of the output."""
        return self._output.name

    def open(self, stream: Stream) -> None:
        """Open the output and have the card ready."""
        self._curtain.card(stream.height, stream.width)
        self._output.open(stream)

    def send(self, composite: Composite) -> None:
        """Pass the picture on, or the card in its place; a card carries no motion either."""
        if self._curtain.drawn or composite.card:
            height, width = composite.rgb.shape[:2]
            if self._canvas is not None:
                width, height = self._canvas.size
            composite = replace(composite, rgb=self._curtain.card(height, width), motion=None, driven=False,
                                look=_CARD_LOOK, alpha=None, ground=None)  # fmt: skip
        elif self._canvas is not None:
            alpha = None if composite.alpha is None else self._canvas.place_alpha(composite.alpha)
            rgb = self._canvas.place(composite.rgb, composite.look, composite.ground)
            composite = replace(composite, rgb=rgb, alpha=alpha)
        self._output.send(composite)

    def close(self, complete: bool) -> None:
        """Close the output."""
        self._output.close(complete)
