"""The way of a frame, gone before the first one comes: what is slow once is slow here, where nobody waits for it.

The source's own face stands in for the driver. A second performer works on the same stages; what it counts, says and
shows goes nowhere, and what the stages learned of that face is forgotten.
"""

from __future__ import annotations

from dataclasses import replace

from models.face import FaceParams
from realtime.clock import NS_PER_S, Clock
from realtime.config import Config
from realtime.meter import Meter
from realtime.notices import Notice
from realtime.performer import Performer
from realtime.stages import Stages
from realtime.types import U8, Frame, Motion, Tracked

_FRAMES = 6  # the first ones find and identify the face, the later ones follow it
_NO_FACE = 1  # frames without one: the idle motion has its own first time


class _AtOnce:
    """A calibration that takes the first face as neutral, so that the rehearsed pictures are driven ones."""

    def __init__(self) -> None:
        self.neutral: FaceParams | None = None

    def observe(self, params: FaceParams, captured_ns: int) -> None:  # noqa: ARG002
        self.neutral = self.neutral or params

    def recalibrate(self) -> None:
        self.neutral = None


def rehearse(stages: Stages, config: Config, clock: Clock, picture: U8) -> None:
    """Send `picture` (H, W, 3), the source at rest, all the way as if it were the driver's; in the compute thread.

    Errors are the real frames' to raise: here they count as no face, or as a picture that could not be made.
    """
    twin = Performer(replace(stages, calibration=_AtOnce()), config, Meter(clock), _unheard, good=picture)
    start_ns = clock.now_ns()
    for seq in range(_FRAMES + _NO_FACE):
        at_ns = start_ns + seq * NS_PER_S // config.fps
        seen: Tracked | Motion | None
        if seq >= _FRAMES:
            seen = None
        elif stages.tracker is not None:
            seen = twin.see(Frame(seq, at_ns, picture))
        else:
            seen = Motion(seq, at_ns, stages.imagine.params_at(seq * NS_PER_S // config.fps))
        twin.show(seen, at_ns)
    if stages.tracker is not None:
        stages.tracker.reset()
    stages.predictor.reset()


def _unheard(notice: Notice) -> None:
    """Say nothing: whoever listens hears of the real frames."""
