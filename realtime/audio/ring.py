"""A ring of samples between two audio callbacks: one writes, others read, nobody waits."""

from __future__ import annotations

import numpy as np

from models.face import F32


class Ring:
    """The newest samples of one mono stream, addressed by their number since the start.

    One thread writes. `written` is set after the samples are in place, and an int assignment is atomic in Python, so a
    reader that looks at it first never sees half a block. Nothing is locked and no array is allocated.
    """

    def __init__(self, samples: int) -> None:
        if samples < 1:
            raise ValueError(f"a ring needs room, got {samples} samples")
        self.data: F32 = np.zeros(1 << (samples - 1).bit_length(), np.float32)
        self.written = 0

    @property
    def mask(self) -> int:
        """Capacity - 1; the capacity is a power of two."""
        return len(self.data) - 1

    def write(self, block: F32) -> None:
        """Append a block (N,), N at most the capacity."""
        at, count = self.written & self.mask, len(block)
        first = min(count, len(self.data) - at)
        self.data[at : at + first] = block[:first]
        self.data[: count - first] = block[first:]
        self.written += count

    def read(self, start: int, out: F32) -> None:
        """Copy samples `start` .. `start + len(out)` that are still in the ring; others read as 0."""
        out[:] = 0.0
        first = max(start, self.written - len(self.data), 0)
        end = min(start + len(out), self.written)
        while first < end:
            at = first & self.mask
            count = min(end - first, len(self.data) - at)
            out[first - start : first - start + count] = self.data[at : at + count]
            first += count
