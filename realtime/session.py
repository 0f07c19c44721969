"""A run of the command line, with its control page: what was remembered comes in, restarts go round, the page stays."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from realtime.capture.base import Driver
from realtime.config import Config
from realtime.errors import UserError
from realtime.notices import Notice, Notices, log_notice
from realtime.pipeline import Assemble, Engine, Report
from realtime.preview.desk import Desk
from realtime.preview.run_side import Action
from realtime.preview.server import PageServer
from realtime.settings import Settings, config_dir


class Session:
    """Runs the engine until it ends by itself or is stopped from outside; the page may stop and start it meanwhile."""

    def __init__(self, config: Config, *, assemble: Assemble | None = None, notices: Notices = log_notice) -> None:
        self._config, self._assemble = config, assemble
        self._changed = threading.Condition()
        self._action: Action | None = None
        self._ended = False
        self._engine: Engine | None = None
        self._notices = notices
        self.driver: Callable[[], Driver] | None = None  # makes a driver of one's own for each run
        self._scratch: tempfile.TemporaryDirectory[str] | None = None

    def run(self, on_second: Callable[[Report], None] | None = None) -> Report:
        """Run to the end and return the last run's report; raises `UserError` for what the user can mend."""
        config = self._config
        if config.pace != "live" or not {"preview", "auto"} & set(config.output):
            return self._once(config, None, None, on_second)  # a run without the page: flags and nothing else
        settings, folder = self._memory(config)
        wanted = settings.applied_to(config)
        desk = Desk(wanted, settings, folder)
        desk.on_action = self._ask
        server = PageServer(desk, wanted)
        try:
            return self._rounds(wanted, config, desk, server, on_second)
        finally:
            server.stop()
            settings.flush()
            if self._scratch is not None:
                self._scratch.cleanup()

    def stop(self) -> None:
        """End everything; for signal handlers and other threads."""
        self._ended = True
        if self._engine is not None:
            self._engine.stop()
        self._ask("stop")

    def _memory(self, config: Config) -> tuple[Settings, Path]:
        """Return the settings and the folder of pictures; with --no-settings both last as long as the run."""
        if config.no_settings:
            self._scratch = tempfile.TemporaryDirectory(prefix="faceanime-", ignore_cleanup_errors=True)
            return Settings(None), Path(self._scratch.name)
        return Settings(config_dir() / "settings.json"), config_dir()

    def _rounds(self, wanted: Config, asked: Config, desk: Desk, server: PageServer,
                on_second: Callable[[Report], None] | None) -> Report:  # fmt: skip
        report: Report = {}
        while True:
            desk.starting(wanted)
            error: UserError | None = None
            try:
                report = self._once(wanted, desk, server, on_second)
            except UserError as failed:
                error = failed
                if not server.running and wanted != asked:
                    # What was remembered must not keep the engine from starting: a camera that is gone, a lost file.
                    self._notices(Notice("warning", f"{failed}. What was remembered is left out this time"))
                    wanted = asked
                    continue
                if not server.running or not report:
                    raise
            desk.detach(str(error) if error is not None else None)
            if self._ended or (self._action is None and error is None):
                return report
            if self._wait(stay=error is not None) is None:
                return report
            wanted = replace(desk.config)

    def _once(self, config: Config, desk: Desk | None, server: PageServer | None,
              on_second: Callable[[Report], None] | None) -> Report:  # fmt: skip
        notices = desk.passing(self._notices) if desk is not None else self._notices
        self._engine = Engine(
            config, assemble=self._assemble, notices=notices, desk=desk, server=server,
            driver=self.driver() if self.driver is not None else None,
        )  # fmt: skip
        if self._ended:
            self._engine.stop()
        return self._engine.run(on_second)

    def _wait(self, stay: bool) -> Action | None:
        """Return what to do next, waiting while the run is stopped; None: end."""
        with self._changed:
            if stay:
                self._action = None
            self._changed.wait_for(lambda: self._ended or self._action in ("start", "restart"))
            action, self._action = self._action, None
            return None if self._ended else action

    def _ask(self, action: Action) -> None:
        """Hear what the page asks for."""
        with self._changed:
            self._action = action
            self._changed.notify_all()
        if action in ("stop", "restart") and self._engine is not None:
            self._engine.stop()


def run(config: Config, **parts: Any) -> Report:
    """Run a session once; `parts` as in `Session`."""
    return Session(config, **parts).run()
