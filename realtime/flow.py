"""What joins two threads: the newest-wins mailbox of live pace and the bounded queue of offline pace."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class ClosedError(Exception):
    """The other side has closed the flow and nothing is left in it."""


class Latest(Generic[T]):
    """A mailbox with one slot: a put replaces what nobody took, and counts it as dropped.

    Every item put is either received, dropped, or still waiting: `received + dropped + waiting == put`.
    """

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._item: T | None = None
        self._full = False
        self._closed = False
        self._put = self._received = self._dropped = 0

    def put(self, item: T) -> None:
        """Leave `item` for the reader, replacing an unread one; after `close` it is counted and dropped."""
        with self._ready:
            self._put += 1
            if self._closed:
                self._dropped += 1
                return
            self._dropped += self._full
            self._item, self._full = item, True
            self._ready.notify()

    def take(self, timeout_s: float | None = None) -> T | None:
        """Return the newest item, or None when `timeout_s` (s, None: for ever) passes without one.

        Raises `ClosedError` once the mailbox is closed and empty.
        """
        with self._ready:
            if not self._full and not self._closed:
                self._ready.wait_for(lambda: self._full or self._closed, timeout_s)
            if self._full:
                item, self._item, self._full = self._item, None, False
                self._received += 1
                return item
            if self._closed:
                raise ClosedError
            return None

    def swap(self, held: T) -> T:
        """Return the newest item instead of the `held` one taken before, which then counts as dropped; else `held`."""
        with self._ready:
            if not self._full:
                return held
            item, self._item, self._full = self._item, None, False
            self._dropped += 1
            assert item is not None
            return item

    def close(self) -> None:
        """Let the reader take what waits, then tell it that nothing follows."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    def drain(self) -> None:
        """Count what still waits as dropped; for the end of a run, when the reader has gone."""
        with self._ready:
            self._dropped += self._full
            self._item, self._full = None, False

    @property
    def put_count(self) -> int:
        """Number of items put."""
        return self._put

    @property
    def received(self) -> int:
        """Number of items taken."""
        return self._received

    @property
    def dropped(self) -> int:
        """Number of items replaced before anyone took them."""
        return self._dropped


class Bounded(Generic[T]):
    """A queue that holds at most `capacity` items and makes the writer wait; nothing is ever dropped."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self._capacity = capacity
        self._changed = threading.Condition()
        self._items: deque[T] = deque()
        self._closed = False
        self._aborted = False

    def put(self, item: T) -> None:
        """Append `item`, waiting for room; raises `ClosedError` when the reader has given up."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._items) < self._capacity or self._aborted or self._closed)
            if self._aborted or self._closed:
                raise ClosedError
            self._items.append(item)
            self._changed.notify_all()

    def take(self) -> T:
        """Return the oldest item, waiting for one; raises `ClosedError` once closed and empty, or aborted."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._items) or self._aborted or self._closed)
            if self._aborted or not self._items:
                raise ClosedError
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Say that nothing more will be put; the reader still gets what is there."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abort(self) -> None:
        """Throw away what is there and wake both sides with `ClosedError`."""
        with self._changed:
            self._aborted = True
            self._items.clear()
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._items)
