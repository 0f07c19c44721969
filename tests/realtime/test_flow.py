"""The mailbox, the queue, the clock and the sender's cadence."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.clock import NS_PER_S, FakeClock, MonotonicClock
from realtime.flow import Bounded, ClosedError, Latest
from realtime.sender import Cadence


@given(st.lists(st.booleans(), max_size=60))
def test_mailbox_counts_add_up_whatever_happens(moves: list[bool]) -> None:
    box: Latest[int] = Latest()
    newest = None
    for number, is_put in enumerate(moves):
        if is_put:
            box.put(number)
            newest = number
        else:
            assert box.take(0) == newest
            newest = None
    box.drain()
    assert box.received + box.dropped == box.put_count == sum(moves)


def test_mailbox_between_threads_loses_count_of_nothing() -> None:
    box: Latest[int] = Latest()
    got: list[int] = []

    def read() -> None:
        try:
            while True:
                item = box.take(1.0)
                if item is not None:
                    got.append(item)
        except ClosedError:
            pass

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(5000):
        box.put(number)
    box.close()
    reader.join(5)
    assert got == sorted(set(got))
    assert got[-1] == 4999
    assert box.received + box.dropped == 5000
    assert box.received == len(got)


def test_put_after_close_is_counted_as_dropped() -> None:
    box: Latest[int] = Latest()
    box.close()
    box.put(1)
    assert box.dropped == 1
    with pytest.raises(ClosedError):
        box.take(0)


def test_queue_keeps_order_and_makes_the_writer_wait() -> None:
    queue: Bounded[int] = Bounded(3)
    most = 0

    def write() -> None:
        for number in range(50):
            queue.put(number)
        queue.close()

    writer = threading.Thread(target=write)
    writer.start()
    got = []
    with pytest.raises(ClosedError):  # noqa: PT012
        while True:
            most = max(most, len(queue))
            got.append(queue.take())
    assert got == list(range(50))
    assert most <= 3


def test_aborted_queue_wakes_a_writer_that_waits() -> None:
    queue: Bounded[int] = Bounded(1)
    queue.put(1)
    woken = threading.Event()

    def write() -> None:
        try:
            queue.put(2)
        except ClosedError:
            woken.set()

    threading.Thread(target=write, daemon=True).start()
    queue.abort()
    assert woken.wait(2)


def test_clocks_wait_and_hear_a_stop() -> None:
    stop = threading.Event()
    fake = FakeClock(5)
    assert fake.wait_until(100)
    assert fake.now_ns() == 100
    real = MonotonicClock()
    start = real.now_ns()
    assert real.wait_until(start + 20_000_000, stop)
    assert real.now_ns() - start >= 20_000_000
    stop.set()
    assert not real.wait_until(real.now_ns() + 10 * NS_PER_S, stop)
    assert not fake.wait_until(200, stop)
    with pytest.raises(ValueError, match="does not go back"):
        fake.advance(-1)


def simulate(arrivals_ns: list[int], fps: float, seconds: float) -> tuple[list[int], list[bool], list[int]]:
    """Run the cadence as the sender does, on a clock of numbers: times, freshness and waits of what was sent."""
    cadence = Cadence(arrivals_ns[0], fps)
    now, times, fresh, waits = arrivals_ns[0], [arrivals_ns[0]], [True], [0]
    cadence.sent(now, True, now)
    queue = arrivals_ns[1:]
    while now < seconds * NS_PER_S:
        now = max(now, cadence.opens_ns)
        ready = [a for a in queue if a <= now]
        if not ready:
            coming = [a for a in queue if a <= cadence.closes_ns]
            now = coming[0] if coming else max(now, cadence.closes_ns)
            ready = coming[:1]
        queue = [a for a in queue if a > now]
        times.append(now)
        fresh.append(bool(ready))
        waits.append(now - ready[-1] if ready else 0)
        cadence.sent(now, bool(ready), now)
    return times, fresh, waits


@pytest.mark.parametrize("driver_fps", [15, 24, 25, 29.97, 30, 30.05, 60])
def test_rate_is_steady_whatever_the_driver_gives(driver_fps: float) -> None:
    rng = np.random.default_rng(3)
    count = int(20 * driver_fps)
    arrivals = sorted(int((i / driver_fps + rng.uniform(0, 0.004)) * NS_PER_S) for i in range(count))
    times, fresh, waits = simulate(arrivals, 30, 20 - 0.2)
    assert abs(len(times) / 19.8 - 30) < 0.15
    gaps = np.diff(times) / 1e6
    assert gaps.max() < 2 * 33.4
    assert sum(fresh) >= 0.97 * min(driver_fps, 30) * 19.8
    if driver_fps == 30:
        assert all(fresh[10:])
        assert np.percentile(np.array(waits) / 1e6, 95) < 1.0  # nobody waits for a tick


def test_without_arrivals_every_tick_repeats() -> None:
    times, fresh, _ = simulate([0], 30, 5)
    assert abs(len(times) - 150) <= 2
    assert not any(fresh[1:])


def test_blocked_output_gets_no_burst() -> None:
    cadence = Cadence(0, 30)
    cadence.sent(0, True, int(0.5 * NS_PER_S))
    assert cadence.missed >= 13
    assert cadence.closes_ns >= 0.5 * NS_PER_S
    assert cadence.opens_ns <= 0.54 * NS_PER_S
