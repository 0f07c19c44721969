"""Offline pace: decode | track | draw | finish | write, every frame, in order, the same result each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from realtime.capture.base import Driver, Item, limited
from realtime.clock import Clock
from realtime.config import Config
from realtime.crew import Crew
from realtime.errors import EngineError
from realtime.flow import Bounded, ClosedError
from realtime.meter import Meter
from realtime.outputs.base import Output
from realtime.performer import Draft, Performer
from realtime.types import Composite, Motion, Tracked


class OfflineRun:
    """One run at offline pace: the five parts work at the same time on different frames, joined by short queues."""

    def __init__(self, driver: Driver, outputs: list[Output], performer: Performer, config: Config, clock: Clock,
                 meter: Meter) -> None:  # fmt: skip
        self._driver, self._outputs, self._performer, self._config = driver, outputs, performer, config
        self._clock, self._meter = clock, meter
        self._decoded: Bounded[Item] = Bounded(config.queue_frames)
        self._seen: Bounded[Tracked | Motion] = Bounded(config.queue_frames)
        self._drawn: Bounded[Draft] = Bounded(config.queue_frames)
        self._made: Bounded[Composite] = Bounded(config.queue_frames)
        self.crew = Crew(clock)
        self.crew.on_fail(self._wake)

    def _wake(self) -> None:
        """Let every thread that waits see that the run stops."""
        self._driver.close()
        for queue in (self._decoded, self._seen, self._drawn, self._made):
            queue.abort()

    def run(self, on_second: Callable[[dict[str, Any]], None] | None) -> None:
        """Run until the driver ends or `seconds` of its time are done; raises what a thread raised."""
        self._meter.start()
        self.crew.spawn("decode", self._decode)
        self.crew.spawn("track", self._track)
        self.crew.spawn("draw", self._draw)
        self.crew.spawn("finish", self._finish)
        writer = self.crew.spawn("write", self._write)
        try:
            while writer.is_alive():
                writer.join(1.0)
                if writer.is_alive() and on_second is not None:
                    on_second(self._meter.snapshot(running=True))
        except BaseException:
            self.crew.abort()
            raise
        finally:
            self._meter.stop()
            self.crew.join(self._config.join_s)

    def _decode(self) -> None:
        """Decode ahead of the tracker."""
        for item in limited(self._driver, self._config.seconds):
            self._meter.count("frames_in")
            self._decoded.put(item)
        self._decoded.close()

    def _track(self) -> None:
        """Find the params of every frame."""
        while True:
            try:
                item = self._decoded.take()
            except ClosedError:
                break
            self._seen.put(self._performer.see(item))
        self._seen.close()

    def _draw(self) -> None:
        """Draw a picture for every frame, by geometry."""
        while True:
            try:
                seen = self._seen.take()
            except ClosedError:
                break
            self._drawn.put(self._performer.draft(seen, seen.captured_ns))
        self._drawn.close()

    def _finish(self) -> None:
        """Let the generator finish every picture."""
        while True:
            try:
                draft = self._drawn.take()
            except ClosedError:
                break
            self._made.put(self._performer.finish(draft))
        self._made.close()

    def _write(self) -> None:
        """Hand every picture to every output."""
        while True:
            try:
                composite = self._made.take()
            except ClosedError:
                return
            if type(composite) is not Composite:
                raise EngineError(f"an output was handed a {type(composite).__name__} instead of a Composite")
            start_ns = self._clock.now_ns()
            for output in self._outputs:
                output.send(composite)
            self._meter.stage("send", start_ns, self._clock.now_ns(), composite.seq)
            self._meter.count("frames_out")
