"""The run's side of the desk: which run is steered, how it does, and what it says."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from realtime.config import Config
from realtime.controls import Controls
from realtime.curtain import Curtain
from realtime.meter import Meter
from realtime.notices import Notice, Notices
from realtime.preview.gallery import Gallery
from realtime.preview.screen import Screen
from realtime.preview.words import Rates, Words
from realtime.settings import Settings, config_dir
from realtime.tap import Tap
from realtime.wardrobe import Order, Ready, Wardrobe

Action = Literal["start", "stop", "restart"]
_NOTICES = 8


@dataclass(frozen=True, eq=False)
class Running:
    """The run that is steered."""

    config: Config
    controls: Controls
    meter: Meter
    wardrobe: Wardrobe | None
    order: Order


class RunSide:
    """What a desk knows of the run; it outlives the runs it steers."""

    def __init__(self, config: Config, settings: Settings | None = None, folder: Path | None = None) -> None:
        self.settings = settings or Settings(None)
        self.screen, self.tap, self.curtain = Screen(config.jpeg_quality), Tap(config.show_driver), Curtain()
        home = folder or config_dir()
        self.sources, self.backgrounds = Gallery(home / "sources"), Gallery(home / "backgrounds")
        self.on_action: Callable[[Action], None] | None = None
        self._lock = threading.RLock()
        self._config = config
        self._words = Words(self.backgrounds, {config.driver, *config.output})
        self._run: Running | None = None
        self._phase: Literal["starting", "running", "stopped"] = "starting"
        self._error: str | None = None
        self._frozen = False
        self._status: dict[Path, tuple[str, str | None]] = {}
        self._notices: deque[Notice] = deque(maxlen=_NOTICES)
        self._version = 0
        self._rates = Rates()

    @property
    def config(self) -> Config:
        """What the next run is to do; the running one already does all of it but `AT_RESTART`."""
        return self._config

    def starting(self, config: Config) -> None:
        """Hear that a run begins with `config`."""
        with self._lock:
            self._config, self._phase, self._error, self._frozen = config, "starting", None, False
            self._touch()

    def attach(self, run: Running) -> None:
        """Steer `run` from now on."""
        with self._lock:
            self._run, self._phase = run, "running"
            shown = self.sources.find(run.order.path) or self.sources.show(run.order.path)
            self._status[run.order.path] = ("ready", None)
            if shown is not None:
                self._status[shown.path] = ("ready", None)
            self._touch()

    def detach(self, error: str | None = None) -> None:
        """Hear that the run is over."""
        with self._lock:
            self._run, self._phase, self._error = None, "stopped", error
            self._touch()

    def warm_up(self) -> None:
        """Get the newest sources of the gallery ready, so that the keys change them at once."""
        run = self._run
        if run is not None and run.wardrobe is not None:
            for picture in [p for p in self.sources.list() if p.path != run.order.path][
                -(run.config.ready_sources - 1) :
            ]:
                run.wardrobe.prepare(replace(run.order, path=picture.path))

    def notice(self, notice: Notice) -> None:
        """Show a line of the engine's on the page too."""
        with self._lock:
            self._notices.append(notice)
            self._touch()

    def passing(self, sink: Notices) -> Notices:
        """Return a sink that shows notices on the page and passes them on to `sink`."""

        def both(notice: Notice) -> None:
            self.notice(notice)
            sink(notice)

        return both

    def said(self, order: Order, ready: Ready | None, error: str | None) -> None:
        """Hear from the wardrobe what came of a source."""
        with self._lock:
            self._status[order.path] = ("failed" if ready is None else "ready", error)
            if ready is None and error is not None and str(order.path) == self._config.source and self._run is not None:
                self._config = replace(self._config, source=str(self._run.order.path))  # what is shown stays chosen
            elif ready is not None and str(order.path) == self._config.source and self._run is not None:
                self._run = replace(self._run, order=order)
            if error is not None:
                self._notices.append(Notice("warning", error))
            self._touch()

    def _touch(self) -> None:
        self._version += 1
