"""The constant-rate sender: an output gets a picture every tick, whatever happens upstream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from realtime.clock import NS_PER_MS, NS_PER_S, Clock
from realtime.crew import Crew
from realtime.errors import EngineError
from realtime.flow import ClosedError, Latest
from realtime.meter import Meter
from realtime.outputs.base import Output
from realtime.types import Composite

_SHORTEST_GAP = 0.5  # of a period between two pictures, when the driver is about as fast as the output
_REPEAT_GAP = 0.25  # the same after a repeat, which showed nothing new: whoever misses it has missed nothing
_FAST_GAP = 1.0  # the same for a faster driver: an even pace, its surplus pictures are left out
_MOST_AHEAD = 1.75  # periods by which sending may run ahead of the ticks before one is skipped
_LEARN = 0.1  # of a new distance between two fresh pictures, against those before
_BURST_MS = 100  # a longer gap is seen as a stumble


class Cadence:
    """Says when a fresh picture may be sent, and when the last one must be sent again instead.

    Ticks lie at `start + k * period`. A fresh picture leaves on arrival, unless the last one has only just left; half a
    period after a tick that got none, the last picture is sent again. So a late picture never makes those behind it
    wait for a tick, and the number of pictures still follows the ticks: a stream that has run ahead (by repeats, or a
    faster clock of the driver) skips one picture. A slower driver needs repeats all the time: one that would make the
    next fresh picture wait is sent earlier.
    """

    def __init__(self, start_ns: int, fps: float, driver_fps: float | None = None) -> None:
        self._period_ns = NS_PER_S / fps
        self._start_ns = start_ns
        self._tick = 0
        self._last_ns = start_ns - NS_PER_S
        self._fast = driver_fps is not None and driver_fps > 1.1 * fps
        self._gap_ns = self._next_gap_ns = (_FAST_GAP if self._fast else _SHORTEST_GAP) * self._period_ns
        self._fresh_ns: int | None = None
        self._spacing_ns = NS_PER_S / (driver_fps or fps)  # between fresh pictures; cameras do not keep their word
        self.missed = 0  # ticks without a picture, because the output took too long

    @property
    def _due_ns(self) -> float:
        return self._start_ns + self._tick * self._period_ns

    @property
    def opens_ns(self) -> int:
        """Return the earliest time of the next picture."""
        return int(self._last_ns + self._next_gap_ns)

    @property
    def closes_ns(self) -> int:
        """Return when the last picture is sent again, unless a fresh one came."""
        late_ns = self._due_ns + self._period_ns / 2
        if self._fresh_ns is not None and not self._fast:
            comes_ns = self._fresh_ns + self._spacing_ns
            if comes_ns - self._gap_ns < late_ns < comes_ns:
                late_ns = max(self._last_ns + self._gap_ns, comes_ns - self._gap_ns)
        return int(late_ns)

    def release_ns(self, now_ns: int) -> int:
        """Return when a fresh picture that is there at `now_ns` may leave: at once, but for a stream too far ahead."""
        earliest = max(now_ns, self.opens_ns)
        if earliest >= self._due_ns - _MOST_AHEAD * self._period_ns:
            return earliest
        return int(self._due_ns - (_MOST_AHEAD - 1.0) * self._period_ns)

    def sent(self, at_ns: int, done_ns: int, fresh: bool = True) -> None:
        """Go to the next tick after a picture was sent at `at_ns`, which was over at `done_ns`."""
        self._tick += 1
        self._last_ns = at_ns
        self._next_gap_ns = self._gap_ns if fresh or self._fast else _REPEAT_GAP * self._period_ns
        if fresh:
            spacing_ns = at_ns - self._fresh_ns if self._fresh_ns is not None else self._spacing_ns
            if spacing_ns < 4 * max(self._spacing_ns, self._period_ns):  # else it was a pause
                self._spacing_ns += _LEARN * (spacing_ns - self._spacing_ns)
            self._fresh_ns = at_ns
        late_ns = self._due_ns + self._period_ns / 2
        if done_ns > late_ns:
            # An output that blocked gets no burst of old pictures: the ticks it slept through are counted and gone.
            behind = int((done_ns - late_ns) // self._period_ns) + 1
            self._tick += behind
            self.missed += behind


class Gaps:
    """Times between events: the longest, and how many were longer than 100 ms."""

    def __init__(self) -> None:
        self._last_ns: int | None = None
        self.longest_ms = 0.0
        self.bursts = 0

    def event(self, at_ns: int) -> None:
        """Book one event."""
        if self._last_ns is not None:
            gap_ms = (at_ns - self._last_ns) / NS_PER_MS
            self.longest_ms = max(self.longest_ms, gap_ms)
            self.bursts += gap_ms > _BURST_MS
        self._last_ns = at_ns


class Sender:
    """Feeds one output from its mailbox at a steady rate, in a thread of its own."""

    def __init__(
        self, output: Output, fps: float, meter: Meter, clock: Clock, *, counts: bool, driver_fps: float | None = None
    ) -> None:
        self.output = output
        self.mailbox: Latest[Composite] = Latest()
        self.error: Exception | None = None
        self.sent = self.repeated = 0
        self.missed = 0
        self._gaps, self._still = Gaps(), Gaps()
        self._fps, self._driver_fps = fps, driver_fps
        self._meter, self._clock, self._counts = meter, clock, counts

    @property
    def figures(self) -> dict[str, Any]:
        """How this output was served; gaps are between two hand-overs, stills between two different pictures."""
        return {
            "pictures": self.sent, "repeated": self.repeated, "ticks_missed": self.missed,
            "longest_gap_ms": round(self._gaps.longest_ms, 1), "gaps_over_100_ms": self._gaps.bursts,
            "longest_still_ms": round(self._still.longest_ms, 1), "stills_over_100_ms": self._still.bursts,
        }  # fmt: skip

    def run(self, crew: Crew, on_error: Callable[[Sender, Exception], None]) -> None:
        """Send until the mailbox is closed or the run stops; an output that fails is reported, not raised."""
        try:
            self._send_all(crew)
        except ClosedError:
            pass
        except EngineError:
            raise
        except Exception as error:
            self.error = error
            on_error(self, error)
        finally:
            self.mailbox.drain()

    def _send_all(self, crew: Crew) -> None:
        """Wait for the first picture, then keep the cadence."""
        first = self.mailbox.take()
        assert first is not None
        composite, fresh = first, True
        cadence = Cadence(self._clock.now_ns(), self._fps, self._driver_fps)
        while not crew.stop.is_set():
            self._hand_over(composite, cadence, fresh)
            if not self._clock.wait_until(cadence.opens_ns, crew.stop):
                return
            arrived = self.mailbox.take(max(cadence.closes_ns - self._clock.now_ns(), 0) / NS_PER_S)
            fresh = arrived is not None
            if arrived is not None:
                composite = arrived
                now_ns = self._clock.now_ns()
                release_ns = cadence.release_ns(now_ns)
                if release_ns > now_ns:
                    self._clock.wait_until(release_ns, crew.stop)
                    composite = self.mailbox.swap(composite)

    def _hand_over(self, composite: Composite, cadence: Cadence, fresh: bool) -> None:
        """Send one picture and book it."""
        if type(composite) is not Composite:
            # The last of the locks that keep a driver frame from an output.
            raise EngineError(f"an output was handed a {type(composite).__name__} instead of a Composite")
        start_ns = self._clock.now_ns()
        self.output.send(composite)
        done_ns = self._clock.now_ns()
        cadence.sent(start_ns, done_ns, fresh)
        self.missed = cadence.missed
        self.sent += 1
        self.repeated += not fresh
        self._gaps.event(done_ns)
        if fresh:
            self._still.event(done_ns)
        if self._counts:
            self._meter.count("frames_out")
            self._meter.count("repeated", not fresh)
            self._meter.stage("send", start_ns, done_ns, composite.seq)
            if fresh and composite.driven:
                self._meter.latency(composite.captured_ns, done_ns)
                if composite.motion is not None:
                    self._meter.lag.shown(done_ns, composite.motion.params)
