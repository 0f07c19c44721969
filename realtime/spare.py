"""Tells whether something fits in before the next frame of a live driver."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from statistics import median_high

from realtime.clock import NS_PER_MS, NS_PER_S, Clock
from realtime.meter import Meter
from realtime.stages import Tracker

_LOG = logging.getLogger("faceanime.spare")

_FIRST_NS = 6 * NS_PER_MS  # what the work is taken to cost before it was done once
_MARGIN = 2.0  # times what it cost
_KEPT = 5  # costs whose median is believed: one that was interrupted does not count for ever
_DOUBT = 300  # frames without room after which what it cost is forgotten


class SpareTime:
    """Does some work in the time that a frame leaves; used from the compute thread."""

    def __init__(self, clock: Clock, driver_fps: float, work: Callable[[], bool]) -> None:
        """`work` says whether it did anything, and never has to; `driver_fps` frames a second are expected."""
        self._clock, self._work = clock, work
        self._period_ns = int(NS_PER_S / driver_fps)
        self._costs_ns = deque([_FIRST_NS], maxlen=_KEPT)
        self._refused = 0

    def use(self, taken_ns: int) -> bool:
        """Do the work if the frame after the one taken at `taken_ns` need not wait for it; says whether it was done."""
        start_ns = self._clock.now_ns()
        if start_ns + _MARGIN * median_high(self._costs_ns) > taken_ns + self._period_ns:
            self._refused += 1
            if self._refused % _DOUBT == 0:
                self._costs_ns = deque([_FIRST_NS], maxlen=_KEPT)
            return False
        if not self._work():
            return False
        self._costs_ns.append(self._clock.now_ns() - start_ns)
        self._refused = 0
        return True


def second_looks(tracker: Tracker | None, meter: Meter, clock: Clock, driver_fps: float) -> SpareTime | None:
    """Return what lets a tracker look at its last frame again, and counts it; None for one that does not.

    A look that fails has learned nothing, and the run goes on.
    """
    look: Callable[[], bool] | None = getattr(tracker, "use_spare_time", None)
    if look is None:
        return None

    def work() -> bool:
        try:
            looked = look()
        except Exception:
            _LOG.debug("second look", exc_info=True)
            meter.count("tracker_errors")
            return True
        meter.count("second_looks", int(looked))
        return looked

    return SpareTime(clock, driver_fps, work)
