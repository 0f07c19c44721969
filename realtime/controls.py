"""What can be changed while the run goes on: commands, and the mailbox in which they wait for the compute thread."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

from models.transfer import Gains
from realtime.stages import Puppet
from realtime.types import U8

Lost = Literal["imagine", "freeze", "card"]


@dataclass(frozen=True)
class SetGains:
    """Follow the driver more or less strongly, region by region."""

    gains: Gains


@dataclass(frozen=True)
class SetLookahead:
    """Predict so many ms ahead, or by the measured latency."""

    lookahead: float | Literal["auto"]


@dataclass(frozen=True)
class SetSmoothing:
    """Smooth the motion with a time constant of so many ms on top of the predictor's own; 0 turns it off."""

    ms: float


@dataclass(frozen=True)
class SetMirror:
    """Move like a mirror, or not."""

    on: bool


@dataclass(frozen=True)
class Freeze:
    """Hold the picture still, or let it go."""

    on: bool


@dataclass(frozen=True)
class SetLost:
    """What to show while the driver's face is lost."""

    choice: Lost


@dataclass(frozen=True)
class SetGenerator:
    """Let the network finish the face, or show geometry alone."""

    on: bool


@dataclass(frozen=True)
class Calibrate:
    """Take the driver's face of the next second as neutral."""


@dataclass(frozen=True, eq=False)
class SetBackdrop:
    """Show another background behind the source `look`; None: the photo's own."""

    plate: U8 | None  # (H, W, 3) of the source's size
    look: int
    word: str = "own"  # of --background


@dataclass(frozen=True, eq=False)
class UsePuppet:
    """Show another source from the next picture on."""

    puppet: Puppet
    rest: U8  # (H, W, 3) the new source at rest, to fall back on
    look: int  # number of the source, so that what is derived from it is made anew
    plate: U8 | None = None  # (H, W, 3) background, None: the photo's own
    word: str = "own"  # of --background


Command = (
    SetGains | SetLookahead | SetSmoothing | SetMirror | Freeze | SetLost | SetGenerator | Calibrate | SetBackdrop
    | UsePuppet
)  # fmt: skip


class Controls:
    """Holds the newest command of each kind until the compute thread takes them between two frames.

    Neither side ever waits for the other longer than it takes to exchange a dictionary.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[type, Command] = {}

    def put(self, command: Command) -> None:
        """Leave a command; it replaces an unread one of its kind, and goes behind those of other kinds."""
        with self._lock:
            self._waiting.pop(type(command), None)
            self._waiting[type(command)] = command

    def take(self) -> tuple[Command, ...]:
        """Return what waits, in the order it was put; almost always nothing, which costs one attribute."""
        if not self._waiting:
            return ()
        with self._lock:
            found, self._waiting = tuple(self._waiting.values()), {}
        return found
