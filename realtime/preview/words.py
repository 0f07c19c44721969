"""The page's words and figures: what a client may ask for becomes a `Config`, what a meter holds becomes rates."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path
from typing import Any

from realtime.backdrop import check_backdrop
from realtime.clock import NS_PER_S
from realtime.config import REGIONS, Config
from realtime.errors import ConfigError, UserError
from realtime.meter import Meter
from realtime.preview.gallery import Gallery
from realtime.settings import changed

_PLAIN = ("lookahead", "smoothing", "mirror", "lost", "size", "fps", "canvas")  # called the same on both sides
_DRIVER_SCHEMES = ("vmc", "ifacialmocap")
_OUTPUT_SCHEMES = ("udp", "vmc")
_WINDOW_NS = 2 * NS_PER_S


class Words:
    """Turns changes in the page's words into a `Config`; no client ever names a file or an address to read from."""

    def __init__(self, backgrounds: Gallery, allowed: set[str]) -> None:
        self._backgrounds = backgrounds
        self._allowed = allowed  # what the command line named may be chosen again

    def apply(self, config: Config, changes: dict[str, Any]) -> Config:
        """Return `config` with the changes; raises `ConfigError` for the first one that cannot be."""
        fields: dict[str, Any] = {}
        for name, value in changes.items():
            if name in ("freeze", "privacy"):
                continue
            if name == "gains":
                unknown = set(value) - set(REGIONS)
                if unknown:
                    raise ConfigError("gains", f"there is no region {unknown.pop()}", f"Use {', '.join(REGIONS)}")
                fields |= {f"gain_{region}": strength for region, strength in value.items()}
            elif name == "generator":
                running = "live" if config.generator == "off" else config.generator
                fields[name] = running if value else "off"
            elif name == "background":
                fields[name] = self._background(value)
            elif name == "outputs":
                fields["output"] = self._outputs(value)
            elif name == "driver":
                fields[name] = self._driver(value)
            elif name in _PLAIN:
                fields[name] = value
            else:
                raise ConfigError(name, "it cannot be changed here", "Look it up in docs/control-page.md")
        return changed(config, fields)

    def background(self, config: Config) -> str:
        """Return the background of `config` in the page's words."""
        word = config.background
        picture = self._backgrounds.find(Path(word)) if word not in ("own", "blur", "green", "alpha") else None
        return f"picture:{picture.id}" if picture is not None else word

    def _background(self, word: str) -> str:
        if word.startswith("picture:"):
            picture = self._backgrounds.get(word.removeprefix("picture:"))
            if picture is None:
                raise ConfigError("background", "there is no such picture", "Upload it first")
            return str(picture.path)
        hint = "Use own, blur, green, alpha, #RRGGBB or picture:ID"
        if word not in ("own", "blur", "green", "alpha") and not word.startswith("#"):
            raise ConfigError("background", f"`{word}` is none", hint)
        try:
            check_backdrop(word)
        except UserError:
            raise ConfigError("background", f"`{word}` is no colour", hint) from None
        return word

    def _driver(self, word: str) -> str:
        known = word in ("auto", "imagine") or (word.isdecimal() and len(word) < 3)
        if known or word in self._allowed or _scheme(word) in _DRIVER_SCHEMES:
            return word
        raise ConfigError("driver", f"`{word}` is none that the page may choose", "Use auto, imagine, a camera number, "
                          "or name it on the command line")  # fmt: skip

    def _outputs(self, words: list[str]) -> tuple[str, ...]:
        for word in words:
            known = word in ("vcam", "preview", "null") or _scheme(word) in _OUTPUT_SCHEMES
            if not known and word not in self._allowed:
                raise ConfigError("outputs", f"`{word}` is none that the page may choose",
                                  "Use vcam, udp:// or vmc://, "
                                  "or name it on the command line")  # fmt: skip
        rest = [word for word in dict.fromkeys(words) if word not in ("preview", "auto")]
        return (*rest, "preview")  # without the page nobody could choose anything else


class Rates:
    """Pictures a second over the last two seconds, from counts that only grow."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: deque[tuple[int, int, int]] = deque()
        self._meter: Meter | None = None

    def add_to(self, meter: Meter) -> dict[str, Any]:
        """Return the meter's recent figures with the rates of pictures out and in."""
        found = meter.recent()
        now_ns = meter.clock.now_ns()
        with self._lock:
            if meter is not self._meter:
                self._meter = meter
                self._told.clear()
                self._told.append((meter.start_ns, 0, 0))
            self._told.append((now_ns, found["frames_out"], found["frames_in"]))
            while len(self._told) > 2 and now_ns - self._told[0][0] > _WINDOW_NS:
                self._told.popleft()
            then_ns, out, came = self._told[0]
        seconds = (now_ns - then_ns) / NS_PER_S
        known = seconds > 0.2
        found["fps"] = round((found["frames_out"] - out) / seconds, 1) if known else None
        found["fps_in"] = round((found["frames_in"] - came) / seconds, 1) if known else None
        return found


def _scheme(word: str) -> str:
    return word.partition("://")[0] if "://" in word else ""
