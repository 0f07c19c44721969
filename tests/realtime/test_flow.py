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


def simulate(arrivals_ns: list[int], driver_fps: float, seconds: float) -> tuple[list[int], list[bool], list[int]]:
    """Run the cadence as the sender does, on a clock of numbers: times, freshness and waits of what was sent."""
    cadence = Cadence(arrivals_ns[0], 30, driver_fps)
    now, times, fresh, waits = arrivals_ns[0], [arrivals_ns[0]], [True], [0]
    cadence.sent(now, now)
    queue = arrivals_ns[1:]
    while now < seconds * NS_PER_S:
        now = max(now, cadence.opens_ns)
        comes = max(queue[0], now) if queue else 2**62
        is_fresh = comes <= max(cadence.closes_ns, now)
        now = cadence.release_ns(comes) if is_fresh else max(now, cadence.closes_ns)
        there = [a for a in queue if a <= now] if is_fresh else []
        queue = queue[len(there) :]
        times.append(now)
        fresh.append(is_fresh)
        waits.append(now - there[-1] if is_fresh else 0)
        cadence.sent(now, now, is_fresh)
    return times, fresh, waits


def arrivals(driver_fps: float, seconds: float, spikes: float = 0.0) -> list[int]:
    rng = np.random.default_rng(3)
    count = int(seconds * driver_fps)
    late = rng.uniform(0, 4e6, count) + (rng.random(count) < spikes) * rng.uniform(10e6, 30e6, count)
    return [int(t) for t in np.maximum.accumulate(np.arange(count) / driver_fps * NS_PER_S + late)]


@pytest.mark.parametrize("driver_fps", [15, 20, 24, 25, 27, 29.97, 30, 30.05, 50, 60])
def test_rate_is_steady_whatever_the_driver_gives(driver_fps: float) -> None:
    times, fresh, waits = simulate(arrivals(driver_fps, 20), driver_fps, 19.8)
    assert abs(len(times) / 19.8 - 30) < 0.15
    assert np.diff(times).max() / 1e6 < 100
    assert sum(fresh) >= (0.97 if driver_fps < 31 else 0.8) * min(driver_fps, 30) * 19.8
    if driver_fps == 30:
        assert all(fresh[10:])
    if driver_fps <= 30.05:  # nobody waits for a tick; two periods of 20 ms and less between repeats leave less room
        assert np.percentile(np.array(waits)[np.array(fresh)] / 1e6, 95) < (6.0 if driver_fps == 20 else 1.0)
        assert np.diff(times).min() / 1e6 > 8.0


def test_late_pictures_do_not_hold_up_those_behind_them() -> None:
    times, fresh, waits = simulate(arrivals(30, 60, spikes=0.02), 30, 59.8)
    waited = np.array(waits)[np.array(fresh)] / 1e6
    assert waited.mean() < 0.5
    assert np.percentile(waited, 95) < 1.0
    assert sum(fresh) >= 0.99 * 59.8 * 30
    assert abs(len(times) / 59.8 - 30) < 0.15


def test_without_arrivals_every_tick_repeats() -> None:
    times, fresh, _ = simulate([0], 30, 5)
    assert abs(len(times) - 150) <= 2
    assert not any(fresh[1:])


def test_blocked_output_gets_no_burst() -> None:
    cadence = Cadence(0, 30)
    cadence.sent(0, int(0.5 * NS_PER_S))
    assert cadence.missed >= 13
    assert 0.5 * NS_PER_S <= cadence.closes_ns <= 0.57 * NS_PER_S


def test_swap_takes_the_newer_item_and_counts_the_held_one() -> None:
    box: Latest[int] = Latest()
    box.put(1)
    held = box.take(0)
    assert held == 1
    assert box.swap(held) == 1
    box.put(2)
    assert box.swap(held) == 2
    assert box.received + box.dropped == box.put_count == 2
