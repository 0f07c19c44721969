"""What the picture does while the driver's face comes and goes: it eases, never freezes and never jumps."""

from __future__ import annotations

from collections.abc import Callable

from models.face import FaceParams
from realtime.clock import NS_PER_S
from realtime.stages import Blend

_SHORTEST_RETURN_NS = NS_PER_S // 10  # one missed frame costs 0.1 s of easing back, not more


def smoothstep(x: float) -> float:
    """Return 0 below 0, 1 above 1, and the smooth cubic between."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3.0 - 2.0 * x)


class Presence:
    """Chooses the params to show from the driver's (while there is a face) and the idle motion (while there is none).

    Every change of side starts at what was shown last, so the picture is continuous whatever the tracker does.
    """

    def __init__(self, blend: Blend, lost_ease_ns: int, return_ease_ns: int) -> None:
        self._blend = blend
        self._lost_ease_ns = lost_ease_ns
        self._return_ease_ns = return_ease_ns
        self._present: bool | None = None
        self._shown: FaceParams | None = None
        self._shown_ns = 0
        self._lost_ns = 0
        self._from: FaceParams | None = None
        self._from_ns = 0
        self._ease_ns = 1
        self._resume = False

    @property
    def present(self) -> bool:
        """Whether the driver had the picture at the last step."""
        return bool(self._present)

    @property
    def shown(self) -> FaceParams | None:
        """The params of the last step."""
        return self._shown

    @property
    def settled(self) -> bool:
        """Whether no change of side is under way."""
        return self._from is None

    def ease(self) -> None:
        """Start the next step from what was shown last, as after a pause."""
        if self._shown is not None:
            self._resume = True

    def step(self, t_ns: int, live: FaceParams | None, idle: Callable[[], FaceParams]) -> FaceParams:
        """Return the params to show at `t_ns`: `live` (the source's params for the driver's) or `idle()`, or between.

        `t_ns` must not go back. The very first step shows its side at once: there is nothing to ease from.
        """
        present = live is not None
        if self._present is not None and present != self._present:
            self._turn(t_ns, present)
        if self._resume:
            self._from, self._from_ns, self._ease_ns, self._resume = self._shown, t_ns, self._return_ease_ns, False
        self._present = present
        target = live if live is not None else idle()
        if self._from is not None:
            weight = smoothstep((t_ns - self._from_ns) / self._ease_ns)
            if weight >= 1.0:
                self._from = None
            else:
                target = self._blend(self._from, target, weight)
        self._shown, self._shown_ns = target, t_ns
        return target

    def _turn(self, t_ns: int, present: bool) -> None:
        """Start easing to the other side from what is shown."""
        # Easing starts at the last step shown, not now: else a face that flickers each frame would never move.
        self._from, self._from_ns = self._shown, self._shown_ns
        if present:
            away_ns = max(t_ns - self._lost_ns, _SHORTEST_RETURN_NS)
            self._ease_ns = min(away_ns, self._return_ease_ns)
        else:
            self._lost_ns = self._shown_ns
            self._ease_ns = self._lost_ease_ns
