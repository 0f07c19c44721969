"""Spare time between frames: used where the next frame need not wait, never where it would."""

from __future__ import annotations

import threading

import pytest

from realtime.clock import NS_PER_MS
from realtime.spare import SpareTime


class MadeClock:
    """A clock that stands still until somebody works."""

    def __init__(self) -> None:
        self.ms = 0.0

    def now_ns(self) -> int:
        return round(self.ms * NS_PER_MS)

    def wait_until(self, t_ns: int, stop: threading.Event | None = None) -> None:
        raise AssertionError("nothing waits here")


def spare_of(fps: float, cost_ms: float) -> tuple[SpareTime, MadeClock, list[float]]:
    clock, done = MadeClock(), []

    def work() -> bool:
        done.append(clock.ms)
        clock.ms += cost_ms
        return True

    return SpareTime(clock, fps, work), clock, done  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fps", "spent_ms", "looks"), [(30.0, 16.0, 1), (30.0, 25.0, 0), (60.0, 4.0, 1), (60.0, 8.0, 0)]
)
def test_the_first_time_it_is_taken_to_cost_six_milliseconds_twice(fps: float, spent_ms: float, looks: int) -> None:
    spare, clock, done = spare_of(fps, 3.0)
    clock.ms = spent_ms
    assert spare.use(0) == bool(looks)
    assert len(done) == looks


def test_what_turns_out_dear_is_done_only_where_there_is_room_for_it() -> None:
    spare, clock, done = spare_of(30.0, 12.0)
    clock.ms = 15.0
    assert spare.use(0)
    clock.ms = 115.0
    assert not spare.use(round(100 * NS_PER_MS))  # 18 ms are left, 24 are wanted
    clock.ms = 205.0
    assert spare.use(round(200 * NS_PER_MS))  # 28 are left
    assert done == [15.0, 205.0]


def test_cheap_work_is_believed_to_be_cheap() -> None:
    spare, clock, done = spare_of(30.0, 1.0)
    for i in range(60):
        clock.ms = i * 100.0 + 15.0
        assert spare.use(round(i * 100 * NS_PER_MS))
    clock.ms = 10_000 + 28.0  # five milliseconds are left: too few for six, enough for twice two
    assert spare.use(10_000 * NS_PER_MS)
    assert len(done) == 61


def test_work_that_was_not_due_says_nothing_about_its_cost() -> None:
    clock, calls = MadeClock(), []
    spare = SpareTime(clock, 60.0, lambda: bool(calls.append(1)))  # type: ignore[arg-type]
    clock.ms = 4.0
    for _ in range(500):
        assert not spare.use(0)
    assert len(calls) == 500
    clock.ms = 8.0  # it is still taken to cost six
    assert not spare.use(0)
    assert len(calls) == 500


def test_one_interrupted_time_does_not_end_it_for_ever() -> None:
    costs = [3.0, 3.0, 3.0, 50.0, 3.0, 3.0]
    clock, done = MadeClock(), []

    def work() -> bool:
        done.append(clock.ms)
        clock.ms += costs[len(done) - 1]
        return True

    spare = SpareTime(clock, 30.0, work)  # type: ignore[arg-type]
    for i in range(6):
        clock.ms = i * 100.0 + 20.0
        assert spare.use(round(i * 100 * NS_PER_MS))
    assert len(done) == 6


def test_dear_work_is_tried_again_after_a_while() -> None:
    spare, clock, done = spare_of(30.0, 25.0)
    tried = []
    for i in range(700):
        clock.ms = i * 100.0 + 15.0  # 18 ms are left: room for twice six, not for twice 25
        if spare.use(round(i * 100 * NS_PER_MS)):
            tried.append(i)
    assert tried == [0, 301, 602]
    assert len(done) == 3
