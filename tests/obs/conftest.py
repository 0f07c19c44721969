"""The tests here start a real OBS Studio; they run with `make test-obs`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "vm"))  # coded pictures and their sender


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("FACEANIME_OBS") == "1":
        return
    for item in items:
        if Path(str(item.fspath)).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.skip(reason="starts a real OBS Studio: run it with `make test-obs`"))
