"""Live pace: capture -> newest frame -> compute -> newest picture per output -> constant-rate senders."""

from __future__ import annotations

import gc
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from realtime.capture.base import Driver, Item, Paced, limited
from realtime.clock import NS_PER_S, Clock
from realtime.config import Config
from realtime.controls import Controls
from realtime.crew import Crew
from realtime.errors import UserError
from realtime.flow import ClosedError, Latest
from realtime.meter import Meter
from realtime.notices import Notice, Notices
from realtime.outputs.base import Output
from realtime.performer import Performer
from realtime.sender import Sender
from realtime.spare import SpareTime
from realtime.types import Composite, Frame

_SECOND_NS = NS_PER_S
_SLOW_S = 5  # seconds of drops before somebody is told
_SLOW_SHARE = 0.1  # of the frames


class Drops:
    """Judges, once a second, whether frames go on being dropped: over five seconds, and in the last one too."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[float, float]] = deque(maxlen=_SLOW_S + 1)

    def go_on(self, wanted: float, taken: float) -> bool:
        """Take both counts since the start into account: frames that were to be shown, and frames that were."""
        self._seconds.append((wanted, taken))
        if len(self._seconds) <= _SLOW_S:
            return False
        return all(self._share(since) > _SLOW_SHARE for since in (self._seconds[0], self._seconds[-2]))

    @property
    def lost(self) -> tuple[int, int]:
        """Frames dropped, and frames that were to be shown, within these seconds."""
        first, last = self._seconds[0], self._seconds[-1]
        wanted = last[0] - first[0]
        return round(wanted - (last[1] - first[1])), round(wanted)

    def _share(self, since: tuple[float, float]) -> float:
        wanted, taken = self._seconds[-1][0] - since[0], self._seconds[-1][1] - since[1]
        return (wanted - taken) / wanted if wanted > 0 else 0.0


class LiveRun:
    """One run at live pace; outputs are open already, and closed by the caller."""

    def __init__(self, driver: Driver, outputs: list[Output], performer: Performer, config: Config, clock: Clock,
                 meter: Meter, notices: Notices, controls: Controls | None = None,
                 rehearse: Callable[[], None] | None = None, spare: SpareTime | None = None) -> None:  # fmt: skip
        """The compute thread calls `rehearse` before it asks for the driver's first frame, `spare` after each."""
        self._driver, self._performer, self._config = driver, performer, config
        self._clock, self._meter, self._notices = clock, meter, notices
        self._frames: Latest[Item] = Latest()
        self._controls = controls or Controls()
        rate = float(driver.fps)
        self.senders = [
            Sender(output, config.fps, meter, clock, counts=i == 0, driver_fps=rate) for i, output in enumerate(outputs)
        ]
        meter.gauge("sent", lambda: {sender.output.name: sender.figures for sender in self.senders})
        self._drops, self._slow_said = Drops(), False
        self._rehearse, self._spare, self._ready = rehearse, spare, threading.Event()
        self.crew = Crew(clock)
        self.crew.on_fail(self._wake)

    def _wake(self) -> None:
        """Let every thread that waits see that the run stops."""
        self._driver.close()
        self._frames.close()
        for sender in self.senders:
            sender.mailbox.close()
        self._ready.set()

    def run(self, on_second: Callable[[dict[str, Any]], None] | None) -> None:
        """Run until the driver ends, `seconds` have passed, or `crew.abort` is called; raises what a thread raised."""
        # A collection that looks at every object of the libraries stops all threads for 60 ms. So it is done now, and
        # what lives by now is left out until the end.
        gc.collect()
        gc.freeze()
        try:
            self._run(on_second)
        finally:
            gc.unfreeze()

    def _run(self, on_second: Callable[[dict[str, Any]], None] | None) -> None:
        for sender in self.senders:
            self.crew.spawn(f"send {sender.output.name}", lambda s=sender: s.run(self.crew, self._lost_output))  # type: ignore[misc]
        compute = self.crew.spawn("compute", self._compute)
        self._ready.wait()
        self._meter.start()
        start_ns = self._clock.now_ns()
        self.crew.spawn("capture", self._capture)
        next_ns = start_ns + _SECOND_NS
        try:
            while compute.is_alive() and not self.crew.stop.is_set():
                end_ns = start_ns + int(self._config.seconds * NS_PER_S) if self._config.seconds else next_ns
                compute.join(max((min(next_ns, end_ns) - self._clock.now_ns()) / NS_PER_S, 0.001))
                self._book()
                if self._config.seconds and self._clock.now_ns() >= end_ns:
                    break
                if self._clock.now_ns() >= next_ns:
                    next_ns += _SECOND_NS
                    self._meter.tick()
                    self._say_if_slow()
                    if on_second is not None:
                        on_second(self._meter.snapshot(running=True))
        finally:
            self._finish()

    def _finish(self) -> None:
        """Stop sources, then compute, then senders, each within bounds."""
        self._driver.close()
        self._frames.close()
        for sender in self.senders:
            sender.mailbox.close()
        self._meter.stop()
        self.crew.stop.set()
        try:
            self.crew.join(self._config.join_s)
        finally:
            self._frames.drain()
            self._book()
        lost = [sender.error for sender in self.senders if sender.error is not None]
        if lost:
            raise lost[0]

    def _book(self) -> None:
        """Move the mailboxes' counts to the meter."""
        primary = self.senders[0].mailbox.dropped if self.senders else 0
        self._meter.set_count("dropped", self._frames.dropped + primary)

    def _say_if_slow(self) -> None:
        """Tell once when the machine cannot keep up with the driver, and it does not pass."""
        figures = self._meter.snapshot(running=True)
        # A driver faster than the output is thinned out on purpose.
        wanted = figures["frames_in"] * min(1.0, self._config.fps / float(self._driver.fps))
        if not self._drops.go_on(wanted, figures["frames_in"] - figures["dropped"]) or self._slow_said:
            return
        self._slow_said = True
        lost, of = self._drops.lost
        self._notices(Notice("warning", f"{lost} of the last {of} frames were dropped; try --generator off or --size "
                             "384, or close other programs"))  # fmt: skip

    def _capture(self) -> None:
        """Put the driver's frames into the mailbox as they come."""
        items: Iterable[Item] = (
            self._driver if self._driver.real_time else Paced(self._driver, self._clock, self.crew.stop)
        )
        for item in limited(items, self._config.seconds):
            if self.crew.stop.is_set():
                break
            self._meter.count("frames_in")
            self._frames.put(item)
        self._frames.close()

    def _compute(self) -> None:
        """Make a picture of each newest frame, and an idle one at the output's rate while none comes."""
        if self._rehearse is not None:
            self._rehearse()
        self._ready.set()
        stall_s = max(self._config.stall_s, 3.0 / float(self._driver.fps))
        wait_s = stall_s
        while not self.crew.stop.is_set():
            try:
                item = self._frames.take(wait_s)
            except ClosedError:
                break
            taken_ns = self._clock.now_ns()
            wait_s = stall_s if item is not None else 1.0 / self._config.fps
            self._performer.obey(self._controls.take())
            seen = self._performer.see(item) if item is not None else None
            self._offer(self._performer.show(seen, self._clock.now_ns()))
            if self._spare is not None and isinstance(item, Frame):
                self._spare.use(taken_ns)
        # The senders get the last picture out before they hear of the end.
        self._clock.wait_until(self._clock.now_ns() + NS_PER_S // self._config.fps, self.crew.stop)

    def _offer(self, composite: Composite) -> None:
        """Leave a picture for every output."""
        for sender in self.senders:
            if sender.error is None:
                sender.mailbox.put(composite)

    def _lost_output(self, sender: Sender, error: Exception) -> None:
        """Go on with the other outputs; the run ends with the last one, and fails in any case."""
        alive = [other for other in self.senders if other.error is None]
        if alive:
            text = str(error) if isinstance(error, UserError) else f"{sender.output.name}: {error!r}"
            self._notices(Notice("warning", f"{text}. The other outputs go on"))
        else:
            self.crew.abort()
