#!/usr/bin/env python3
"""Runs the tests of this folder against a real OBS Studio (`make test-obs`); installs Debian's packages when it may."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tomllib
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "vm"))

from machine import NOT_HERE, ROOT, CannotRunError, install, missing

PACKAGES = ("obs-studio", "xvfb", "libgl1-mesa-dri")


def main(arguments: list[str]) -> int:
    """Install, then run pytest; arguments go to it."""
    try:
        install(missing(PACKAGES))
    except CannotRunError as error:
        sys.stdout.write(f"test-obs: not run: {error}\n")
        return NOT_HERE
    if importlib.util.find_spec("obsws_python") is None:
        extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["obs"]
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *extra], check=True)
    tests = [sys.executable, "-m", "pytest", "tests/obs", "-s", *arguments]
    return subprocess.run(tests, cwd=ROOT, check=False, env=os.environ | {"FACEANIME_OBS": "1"}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
