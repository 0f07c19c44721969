"""The one error of this engine that is meant for the person at the keyboard."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend, said in one line: what went wrong, why, and what to do next.

    `what` names the thing (a file, a device), `why` the cause found, `hint` the next command or action. None of the
    three needs a closing full stop. `str(error)` is always a single line, whatever line breaks the parts brought along.
    """

    def __init__(self, what: str, why: str, hint: str) -> None:
        super().__init__(what, why, hint)
        self.what = what
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        """Return `what: why. hint` on one line."""
        what, why, hint = (" ".join(part.split()).rstrip(".") for part in (self.what, self.why, self.hint))
        return f"{what}: {why}. {hint}"
