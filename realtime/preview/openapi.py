"""The OpenAPI file of the control page: `python -m realtime.preview.openapi docs/openapi.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from realtime.config import Config
from realtime.files import write_atomically
from realtime.preview.app import build_app
from realtime.preview.desk import Desk


def document() -> str:
    """Return the OpenAPI description as JSON text."""
    app = build_app(Desk(Config(), folder=Path("no-such-folder")))
    return json.dumps(app.openapi(), indent=1) + "\n"


if __name__ == "__main__":
    write_atomically(Path(sys.argv[1]), document())
