"""Errors of the engine: those the user can mend, and those that are ours."""

from __future__ import annotations

from models.errors import UserError

__all__ = ["ConfigError", "DriverError", "EngineError", "OutputError", "UserError"]


class ConfigError(UserError):
    """A flag or a field of `Config` holds a value that cannot work."""


class DriverError(UserError):
    """The driver (camera, file, stream) cannot be opened or gave out."""


class OutputError(UserError):
    """An output cannot be opened or cannot take any more pictures."""


class EngineError(Exception):
    """A fault of the engine itself: a thread that would not stop, a picture of the wrong type."""
