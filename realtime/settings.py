"""What was chosen on the control page, remembered between runs."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import platformdirs

from realtime.config import REGIONS, Config
from realtime.errors import ConfigError
from realtime.files import write_atomically

_LOG = logging.getLogger("faceanime.settings")
_VERSION = 1
_LATER_S = 0.4  # a slider that moves writes the file once

LOOK = (*(f"gain_{region}" for region in REGIONS), "source", "lookahead", "smoothing", "mirror", "generator",
        "background", "lost")  # fmt: skip
"""What a preset holds: fields of `Config` that change while the run goes on."""

REMEMBERED = (*LOOK, "size", "driver", "output", "fps", "canvas")
"""Fields of `Config` that the next run with the page starts with, unless the command line names them."""


def config_dir() -> Path:
    """Return the folder of settings and pictures: `$FACEANIME_CONFIG`, or the platform's user config directory."""
    override = os.environ.get("FACEANIME_CONFIG")
    return Path(override).expanduser() if override else Path(platformdirs.user_config_dir("faceanime-live", False))


class Settings:
    """The settings file; without a path nothing is read and nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self.values: dict[str, Any] = {}
        self.presets: dict[str, dict[str, Any]] = {}
        if path is not None:
            self._read(path)

    def applied_to(self, config: Config) -> Config:
        """Return `config` with what was remembered, but for the fields that the command line named."""
        for name in REMEMBERED:
            if name in self.values and name not in config.given:
                config = changed(config, {name: self.values[name]}, strict=False)
        return config

    def remember(self, config: Config) -> None:
        """Keep what `config` holds; it is written a moment later."""
        with self._lock:
            self.values = {name: getattr(config, name) for name in REMEMBERED}
        self._write_later()

    def keep_preset(self, name: str, config: Config) -> None:
        """Keep the look of `config` under a name."""
        with self._lock:
            self.presets[name] = {field: getattr(config, field) for field in LOOK}
        self._write_later()

    def drop_preset(self, name: str) -> None:
        """Forget a preset; raises KeyError for one that is not there."""
        with self._lock:
            del self.presets[name]
        self._write_later()

    def flush(self) -> None:
        """Write now what waits to be written."""
        with self._lock:
            timer, self._timer = self._timer, None
            waiting = timer is not None
            text = json.dumps({"version": _VERSION, "values": self.values, "presets": self.presets}, indent=1)
        if timer is not None:
            timer.cancel()
        if waiting and self._path is not None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(self._path, text + "\n")
            except OSError as error:
                _LOG.warning("settings are not kept: %s", error)

    def _write_later(self) -> None:
        with self._lock:
            if self._path is None or self._timer is not None:
                return
            self._timer = threading.Timer(_LATER_S, self.flush)
            self._timer.daemon = True
            self._timer.start()

    def _read(self, path: Path) -> None:
        """Read the file; one that is damaged counts as empty, for it must never keep the engine from starting."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            _LOG.warning("settings in %s are not used: %s", path, error)
            return
        if isinstance(found, dict) and found.get("version") == _VERSION:
            values, presets = found.get("values"), found.get("presets")
            self.values = values if isinstance(values, dict) else {}
            if isinstance(presets, dict):
                self.presets = {str(k): v for k, v in presets.items() if isinstance(v, dict)}


def changed(config: Config, changes: dict[str, Any], *, strict: bool = True) -> Config:
    """Return `config` with fields replaced by values as JSON holds them.

    Raises `ConfigError` for a value that cannot be; `strict` False leaves such a field as it was.
    """
    types = {spec.name: type(spec.default) for spec in fields(Config)}
    for name, value in changes.items():
        try:
            if name not in types:
                raise ConfigError(name, "there is no such field", "Leave it out")
            if isinstance(value, list):
                value = tuple(value)
            kind = types[name]
            if kind is float and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
            if kind in (bool, int, float, str, tuple) and name != "lookahead" and type(value) is not kind:
                raise ConfigError(name, f"{value!r} is not of the right kind", "Look it up in docs/control-page.md")
            config = replace(config, **{name: value})
        except (ConfigError, TypeError, ValueError) as error:
            if strict:
                if isinstance(error, ConfigError):
                    raise
                raise ConfigError(name, f"{value!r} cannot be used", "Look it up in docs/control-page.md") from None
            with contextlib.suppress(Exception):
                _LOG.warning("a remembered setting is not used: %s", error)
    return config
