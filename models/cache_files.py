"""Arrays that are worked out once and kept in the user's cache: written whole or not at all, and never missed."""

from __future__ import annotations

import logging
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

log = logging.getLogger(__name__)


def read_arrays(file: Path) -> dict[str, Any] | None:
    """Return the arrays of a file, or None when it is absent, cut short or damaged."""
    try:
        with np.load(file) as z:
            return {name: z[name] for name in z.files}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def write_arrays(file: Path, arrays: dict[str, Any]) -> None:
    """Keep arrays under a name; a full or read-only cache costs time, nothing else."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fd, part = tempfile.mkstemp(dir=file.parent, suffix=".part")
        with os.fdopen(fd, "wb") as f:
            np.savez(f, **arrays)
        Path(part).replace(file)
    except OSError as error:
        log.warning("could not keep %s in the cache: %s", file.parent.name, error)
