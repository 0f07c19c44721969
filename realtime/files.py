"""Files that appear under their final name only when they are whole."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def part_path(final: Path) -> Path:
    """Return the temporary name beside `final`; the process id keeps two runs apart."""
    return final.with_name(f".{final.name}.{os.getpid()}.part")


def write_atomically(final: Path, text: str) -> None:
    """Write `text` to `final` through a temporary beside it; raises OSError and leaves nothing behind."""
    part = part_path(final)
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(final)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
