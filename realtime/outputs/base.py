"""What an output is."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from realtime.clock import Clock
from realtime.types import Composite


@dataclass(frozen=True)
class Stream:
    """What an output is told before the first picture."""

    width: int  # px
    height: int  # px
    fps: Fraction  # pictures a second
    clock: Clock  # the run's clock
    stamped: bool = False  # True (offline): `captured_ns` is media time from 0; False: pictures come at a steady rate
    audio: Path | None = None  # file whose sound belongs to the pictures
    seconds: float | None = None  # the pictures end there
    alpha: bool = False  # pictures carry opacity (--background alpha)


class Output(Protocol):
    """Where pictures go: `open`, then `send` from one thread, then `close` from that thread too."""

    @property
    def name(self) -> str:
        """What to call it in a line to the user."""
        ...

    def open(self, stream: Stream) -> None:
        """Get ready; raises `OutputError` and leaves nothing behind when that is impossible."""
        ...

    def send(self, composite: Composite) -> None:
        """Take one picture; the same one may come again. Raises `OutputError` when no more can be taken."""
        ...

    def close(self, complete: bool) -> None:
        """End; `complete` is False after a failure, then nothing unfinished may stay under a final name."""
        ...
