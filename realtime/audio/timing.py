"""When a sample was, or will be, at its device: a delay-locked loop over the jittery times of callbacks.

F. Adriaensen, "Using a DLL to filter time", Linux Audio Conference 2005, with blocks of any length, and with a way back
in after a device has lost samples.
"""

from __future__ import annotations

import math

from realtime.clock import NS_PER_MS, NS_PER_S

_JUMP_NS = 60.0 * NS_PER_MS  # a device that is off by more has lost samples: begin again at what it says
_OFF_NS = 8.0 * NS_PER_MS  # off by more for so many blocks on end: the same
_OFF_BLOCKS = 12
_CALM_BLOCKS = 50
_OUTLIER_NS = 2.5 * NS_PER_MS  # one late callback says no more than this
_START_HZ, _HZ = 1.0, 0.025
_MOST_PPM = 500.0  # no sound card is off by more


class StreamClock:
    """Maps sample numbers of one stream to the run's clock."""

    def __init__(self, rate: float) -> None:
        self._nominal_ns = NS_PER_S / rate
        self._hz = _START_HZ
        self._next_ns: float | None = None
        self._off, self._calm = 0, _CALM_BLOCKS
        self.period_ns = self._nominal_ns  # of one sample, by the run's clock
        self.start_ns = 0.0  # of the last block's first sample
        self.jumps = 0

    @property
    def ppm(self) -> float:
        """How much faster than its name the device runs, in millionths."""
        return (self._nominal_ns / self.period_ns - 1.0) * 1e6

    @property
    def certain(self) -> bool:
        """Whether the device's times have fitted for a while."""
        return self._calm > _CALM_BLOCKS

    def observe(self, first_ns: float, count: int) -> float:
        """Take a block of `count` samples, its first one at `first_ns` by the device; return its smooth time."""
        error = 0.0 if self._next_ns is None else first_ns - self._next_ns
        self._off = self._off + 1 if abs(error) > _OFF_NS else 0
        self._calm = 0 if self._off else self._calm + 1
        if self._next_ns is None or abs(error) > _JUMP_NS or self._off > _OFF_BLOCKS:
            self.jumps += self._next_ns is not None
            self.start_ns, self._hz, self._off = first_ns, self._hz, 0
        else:
            error = min(max(error, -_OUTLIER_NS), _OUTLIER_NS)
            seconds = count * self.period_ns / NS_PER_S
            omega = min(2.0 * math.pi * self._hz * seconds, 0.5)
            self.start_ns = self._next_ns + math.sqrt(2.0) * omega * error
            if not self._off:  # a device that is off says nothing about its speed
                self.period_ns += omega * omega * error / count
            limit = self._nominal_ns * _MOST_PPM * 1e-6
            self.period_ns = min(max(self.period_ns, self._nominal_ns - limit), self._nominal_ns + limit)
            self._hz = max(self._hz * (1.0 - 0.3 * seconds), _HZ)  # wide at first, narrow after some seconds
        self._next_ns = self.start_ns + count * self.period_ns
        return self.start_ns


class Offset:
    """What lies between a device's clock and the run's: the least difference seen, because waiting only adds to it."""

    _RISE = 100e-6  # ns in a ns: two clocks of one machine do not part faster

    def __init__(self) -> None:
        self._least: float | None = None
        self._at_ns = 0

    def observe(self, now_ns: int, device_ns: float) -> float:
        """Take the two clocks, read one after the other; return the run's time minus the device's."""
        seen = now_ns - device_ns
        if self._least is None or seen - self._least > NS_PER_S:  # a clock was set: begin again
            self._least = seen
        self._least = min(seen, self._least + self._RISE * (now_ns - self._at_ns if self._at_ns else 0))
        self._at_ns = now_ns
        return self._least
