"""The output that goes nowhere: to measure everything before it."""

from __future__ import annotations

from realtime.outputs.base import Stream
from realtime.types import Composite


class NullOutput:
    """Takes every picture and forgets it."""

    name = "null"

    def open(self, stream: Stream) -> None:
        """Nothing to prepare."""

    def send(self, composite: Composite) -> None:
        """Nothing to do."""

    def close(self, complete: bool) -> None:
        """Nothing to free."""
