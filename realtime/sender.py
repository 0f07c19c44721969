"""The constant-rate sender: an output gets a picture every tick, whatever happens upstream."""

from __future__ import annotations

from collections.abc import Callable

from realtime.clock import NS_PER_S, Clock
from realtime.crew import Crew
from realtime.errors import EngineError
from realtime.flow import ClosedError, Latest
from realtime.meter import Meter
from realtime.outputs.base import Output
from realtime.types import Composite

_FOLLOW = 0.1  # share of a picture's offset from its tick by which the ticks are moved towards it


class Cadence:
    """Says when each tick's picture may be sent, and when the last one must be sent again instead.

    Ticks lie at `start + k * period + phase`. A fresh picture is sent on arrival when it comes within half a period of
    its tick, and the phase follows the arrivals: a driver of the same rate never waits for a tick, and the number
    of ticks stays exact in the long run (a phase that reaches half a period turns over, which adds or skips one tick).
    """

    def __init__(self, start_ns: int, fps: float) -> None:
        self._period_ns = NS_PER_S / fps
        self._start_ns = start_ns
        self._tick = 0
        self._phase_ns = 0.0
        self.missed = 0  # ticks without a picture, because the output took too long

    @property
    def _due_ns(self) -> float:
        return self._start_ns + self._tick * self._period_ns + self._phase_ns

    @property
    def opens_ns(self) -> int:
        """Return when this tick's picture may be sent."""
        return int(self._due_ns - self._period_ns / 2)

    @property
    def closes_ns(self) -> int:
        """Return when the last picture is sent again, unless a fresh one came."""
        return int(self._due_ns + self._period_ns / 2)

    def sent(self, at_ns: int, fresh: bool, done_ns: int) -> None:
        """Go to the next tick after a picture was sent at `at_ns`, which was over at `done_ns`."""
        half = self._period_ns / 2
        if fresh:
            self._phase_ns += _FOLLOW * min(max(at_ns - self._due_ns, -half), half)
        self._tick += 1
        if self._phase_ns > half:
            self._phase_ns -= self._period_ns
        elif self._phase_ns < -half:
            self._phase_ns += self._period_ns
        if done_ns > self.closes_ns:
            # An output that blocked gets no burst of old pictures: the ticks it slept through are counted and gone.
            behind = int((done_ns - self.closes_ns) // self._period_ns) + 1
            self._tick += behind
            self.missed += behind


class Sender:
    """Feeds one output from its mailbox at a steady rate, in a thread of its own."""

    def __init__(self, output: Output, fps: float, meter: Meter, clock: Clock, *, counts: bool) -> None:
        self.output = output
        self.mailbox: Latest[Composite] = Latest()
        self.error: Exception | None = None
        self.repeated = 0
        self.missed = 0
        self._fps, self._meter, self._clock, self._counts = fps, meter, clock, counts

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
        composite = self.mailbox.take()
        assert composite is not None
        cadence, fresh = Cadence(self._clock.now_ns(), self._fps), True
        while not crew.stop.is_set():
            self._hand_over(composite, cadence, fresh)
            if not self._clock.wait_until(cadence.opens_ns, crew.stop):
                return
            wait_s = (cadence.closes_ns - self._clock.now_ns()) / NS_PER_S
            arrived = self.mailbox.take(max(wait_s, 0.0))
            fresh = arrived is not None
            composite = arrived or composite

    def _hand_over(self, composite: Composite, cadence: Cadence, fresh: bool) -> None:
        """Send one picture and book it."""
        if type(composite) is not Composite:
            # The last of the locks that keep a driver frame from an output.
            raise EngineError(f"an output was handed a {type(composite).__name__} instead of a Composite")
        start_ns = self._clock.now_ns()
        self.output.send(composite)
        done_ns = self._clock.now_ns()
        cadence.sent(start_ns, fresh, done_ns)
        self.missed = cadence.missed
        self.repeated += not fresh
        if self._counts:
            self._meter.count("frames_out")
            self._meter.count("repeated", not fresh)
            self._meter.stage("send", start_ns, done_ns, composite.seq)
            if fresh and composite.driven:
                self._meter.latency(composite.captured_ns, done_ns)
