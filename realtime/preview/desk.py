"""The desk behind the control page: what is chosen, what the run does, and the way from one to the other.

No web in here: the page's server, a Stream Deck and the tests all steer through these methods, from any thread.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from realtime.capture.camera import list_cameras
from realtime.config import REGIONS, Config
from realtime.controls import (
    Calibrate,
    Freeze,
    SetGains,
    SetGenerator,
    SetLookahead,
    SetLost,
    SetMirror,
    SetSmoothing,
)
from realtime.errors import ConfigError
from realtime.outputs.vcam import why_unusable
from realtime.preview.gallery import Picture
from realtime.preview.run_side import Action, RunSide
from realtime.settings import LOOK, changed
from realtime.wardrobe import Order

AT_RESTART = ("driver", "output", "fps", "canvas")
"""Fields of `Config` that a run keeps from its start to its end."""


class Desk(RunSide):
    """Everything the page shows and changes."""

    @property
    def version(self) -> int:
        """Grows with each change of `state`."""
        return self._version

    def state(self) -> dict[str, Any]:
        """Return everything the page shows but the figures, as JSON holds it."""
        with self._lock:
            config = self._config
            driven = self._run.config if self._run else config
            return {
                "version": self._version, "run": self._phase, "error": self._error,
                "source": self._source_id(), "sources": [self._card(p) for p in self.sources.list()],
                "backgrounds": [{"id": p.id, "name": p.name} for p in self.backgrounds.list()],
                "gains": {region: getattr(config, f"gain_{region}") for region in REGIONS},
                "lookahead": config.lookahead, "smoothing": config.smoothing, "mirror": config.mirror,
                "generator": config.generator != "off", "background": self._words.background(config),
                "lost": config.lost,
                "size": config.size, "freeze": self._frozen, "privacy": self.curtain.drawn,
                "driver": config.driver, "outputs": list(config.output), "fps": config.fps,
                "canvas": list(config.canvas) if config.canvas else None,
                "restart_needed": [n for n in AT_RESTART if getattr(config, n) != getattr(driven, n)],
                "can_restart": self.on_action is not None, "presets": sorted(self.settings.presets),
                "notices": [{"kind": n.kind, "text": n.text} for n in self._notices],
                "show_driver": self.tap.show_driver, "upload_mb": config.upload_mb,
            }  # fmt: skip

    def figures(self) -> dict[str, Any]:
        """Return the last seconds' figures; empty while nothing runs."""
        run = self._run
        if run is None:
            return {"run": self._phase}
        found = self._rates.add_to(run.meter)
        return {"run": self._phase, "driven": self.screen.driven, "viewers": self.screen.viewers, **found}

    def devices(self) -> dict[str, Any]:
        """Return what can be chosen as driver and output on this machine."""
        why = why_unusable()
        return {"cameras": [{"driver": str(index), "name": name} for index, name in list_cameras()],
                "virtual_camera": why is None, "why_not": why}  # fmt: skip

    def patch(self, changes: dict[str, Any]) -> None:
        """Change what is chosen, now where a run allows it; nothing changes when one value is wrong (`ConfigError`)."""
        with self._lock:
            before, after = self._config, self._words.apply(self._config, changes)
            self._config = after
            if "privacy" in changes:
                self.curtain.draw(bool(changes["privacy"]))
            if "freeze" in changes:
                self._frozen = bool(changes["freeze"])
                self._put(Freeze(self._frozen))
            self._steer(before, after)
            if after != before:
                self.settings.remember(after)
            self._touch()

    def calibrate(self) -> None:
        """Take the driver's face of the next second as neutral."""
        self._put(Calibrate())

    def use_source(self, ident: str) -> None:
        """Show a picture of the gallery; raises KeyError for an unknown one."""
        picture = self.sources.get(ident)
        if picture is None:
            raise KeyError(ident)
        with self._lock:
            before, self._config = self._config, replace(self._config, source=str(picture.path))
            self._steer(before, self._config, anew=True)
            self.settings.remember(self._config)
            self._touch()

    def prepare_source(self, ident: str) -> None:
        """Get a picture ready that will probably be shown next; raises KeyError for an unknown one."""
        picture = self.sources.get(ident)
        if picture is None:
            raise KeyError(ident)
        with self._lock:
            run = self._run
            if run is not None and run.wardrobe is not None:
                order = self._order(picture.path)
                if not run.wardrobe.is_ready(order):
                    self._status[picture.path] = ("preparing", None)
                    run.wardrobe.prepare(order)
                    self._touch()

    def add_source(self, content: bytes, name: str) -> Picture:
        """Keep a picture and begin to prepare it; raises `PictureError`."""
        picture = self.sources.add(content, name)
        self.prepare_source(picture.id)
        self._touch()
        return picture

    def remove_source(self, ident: str) -> None:
        """Delete a picture; raises KeyError for one that is not ours to delete, `ConfigError` for the one shown."""
        if ident == self._source_id():
            raise ConfigError("the source", "it is shown now", "Show another one first")
        self.sources.remove(ident)
        self._touch()

    def add_background(self, content: bytes, name: str) -> Picture:
        """Keep a background picture; raises `PictureError`."""
        picture = self.backgrounds.add(content, name)
        self._touch()
        return picture

    def remove_background(self, ident: str) -> None:
        """Delete a background picture; raises KeyError for an unknown one, `ConfigError` for the one shown."""
        if self._words.background(self._config) == f"picture:{ident}":
            raise ConfigError("the background", "it is shown now", "Choose another one first")
        self.backgrounds.remove(ident)
        self._touch()

    def keep_preset(self, name: str) -> None:
        """Keep the look that is shown under a name."""
        self.settings.keep_preset(name, self._config)
        self._touch()

    def use_preset(self, name: str) -> None:
        """Show the look kept under a name; raises KeyError for an unknown one. What no longer fits is left as it is."""
        values = {k: v for k, v in self.settings.presets[name].items() if k in LOOK}
        with self._lock:
            source = values.get("source")
            if source and not Path(source).is_file():
                del values["source"]
            before, self._config = self._config, changed(self._config, values, strict=False)
            self._steer(before, self._config)
            self.settings.remember(self._config)
            self._touch()

    def drop_preset(self, name: str) -> None:
        """Forget a preset; raises KeyError for an unknown one."""
        self.settings.drop_preset(name)
        self._touch()

    def act(self, action: Action) -> None:
        """Start, stop or restart the run; raises `ConfigError` where nobody can."""
        if self.on_action is None:
            raise ConfigError("the run", "it was not started by run_live.py", "Start it with python run_live.py")
        self.on_action(action)

    # --- in between

    def _put(self, command: Any) -> None:
        if self._run is not None:
            self._run.controls.put(command)

    def _order(self, path: Path) -> Order:
        return Order(path, self._config.size, self._config.generator != "off")

    def _steer(self, before: Config, after: Config, *, anew: bool = False) -> None:
        """Tell the running engine what differs."""
        run = self._run
        if run is None:
            return
        if after.gains != before.gains:
            self._put(SetGains(after.gains))
        for name, command in (("lookahead", SetLookahead), ("smoothing", SetSmoothing), ("mirror", SetMirror),
                              ("lost", SetLost)):  # fmt: skip
            if getattr(after, name) != getattr(before, name):
                self._put(command(getattr(after, name)))
        if run.wardrobe is None:
            return
        if after.background != before.background:
            run.wardrobe.use_background(after.background)
        order = self._order(Path(after.source) if after.source else run.order.path)
        if order == replace(run.order, finished=order.finished) and run.order.finished and not anew:
            if after.generator != before.generator:
                self._put(SetGenerator(order.finished))
        elif anew or (after.source, after.size, after.generator) != (before.source, before.size, before.generator):
            if not run.wardrobe.is_ready(order):
                self._status[order.path] = ("preparing", None)
            run.wardrobe.use(order)

    def _source_id(self) -> str | None:
        path = Path(self._config.source) if self._config.source else self._run.order.path if self._run else None
        picture = self.sources.find(path) if path is not None else None
        return picture.id if picture is not None else None

    def _card(self, picture: Picture) -> dict[str, Any]:
        status, error = self._status.get(picture.path, ("new", None))
        return {"id": picture.id, "name": picture.name, "own": picture.own, "status": status, "error": error}
