"""Sends coded pictures through one of the engine's own outputs and its constant-rate sender; logs when each left."""

from __future__ import annotations

from fractions import Fraction

from coded import coded

from realtime.clock import NS_PER_S, MonotonicClock
from realtime.config import Config
from realtime.crew import Crew
from realtime.meter import Meter
from realtime.outputs.base import Output, Stream
from realtime.sender import Sender
from realtime.types import Composite


class Logged:
    """The output, and a line about every picture it took."""

    def __init__(self, output: Output, clock: MonotonicClock) -> None:
        self._output, self._clock = output, clock
        self.name = "logged"
        self.log: list[tuple[int, int, int]] = []  # number, start and end of the hand-over, ns

    def send(self, composite: Composite) -> None:
        start_ns = self._clock.now_ns()
        self._output.send(composite)
        self.log.append((composite.seq, start_ns, self._clock.now_ns()))


class CodedSender:
    """Sends `coded` pictures of one size from entering a with-block to its end."""

    def __init__(self, output: Output, width: int, height: int, config: Config, pictures: int) -> None:
        """Numbers go round after so many `pictures`, which are made beforehand: the guest is slow."""
        self._clock, self._config = MonotonicClock(), config
        self.output = output
        self._logged = Logged(output, self._clock)
        self._size = width, height
        self._pictures = [coded(number, width, height) for number in range(pictures)]
        self.failed: list[Exception] = []
        self.missed = 0  # ticks that passed without a picture, because the machine was too slow

    @property
    def log(self) -> list[tuple[int, int, int]]:
        """Number, start and end (ns) of every hand-over so far."""
        return self._logged.log

    def __enter__(self) -> CodedSender:
        self.output.open(Stream(*self._size, Fraction(self._config.fps), self._clock))
        self._crew = Crew(self._clock)
        self._sender = Sender(self._logged, self._config.fps, Meter(self._clock), self._clock, counts=True)  # type: ignore[arg-type]
        self._crew.spawn("send", lambda: self._sender.run(self._crew, lambda _, error: self.failed.append(error)))
        self._crew.spawn("make", self._make)
        self._clock.wait_until(self._clock.now_ns() + NS_PER_S // 2)
        return self

    def _make(self) -> None:
        """Leave a new picture every tick."""
        start_ns, number = self._clock.now_ns(), 0
        while not self._crew.stop.is_set() and not self.failed:
            index = number % len(self._pictures)
            self._sender.mailbox.put(Composite(number, self._clock.now_ns(), self._pictures[index], 0))
            number += 1
            self._clock.wait_until(start_ns + number * NS_PER_S // self._config.fps, self._crew.stop)

    def __exit__(self, *_: object) -> None:
        self._crew.stop.set()
        self._sender.mailbox.close()
        self._crew.join(10)
        self.output.close(True)
        self.missed = self._sender.missed
        assert not self.failed, self.failed
