"""What the engine says to the person who runs it: one line at a time, to a sink that the caller chooses."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

_LOG = logging.getLogger("faceanime")


@dataclass(frozen=True)
class Notice:
    """One line for the user."""

    kind: Literal["chose", "note", "warning"]  # a choice made, a fact, something to act on
    text: str


Notices = Callable[[Notice], None]


def log_notice(notice: Notice) -> None:
    """Send a notice to the log; the sink when the caller gives none."""
    _LOG.log(logging.WARNING if notice.kind == "warning" else logging.INFO, "%s", notice.text)


class Once:
    """Passes the first notice of each key on and swallows its repetitions."""

    def __init__(self, sink: Notices) -> None:
        self._sink = sink
        self._said: set[str] = set()

    def say(self, key: str, notice: Notice) -> None:
        """Pass `notice` on unless `key` was said before."""
        if key not in self._said:
            self._said.add(key)
            self._sink(notice)

    def forget(self, key: str) -> None:
        """Let `key` be said again."""
        self._said.discard(key)
