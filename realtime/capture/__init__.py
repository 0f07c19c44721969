"""Drivers: cameras, files, streams, imagined motion, and one's own pictures."""

from realtime.capture.base import Driver, Paced, Pictures, limited

__all__ = ["Driver", "Paced", "Pictures", "limited"]
