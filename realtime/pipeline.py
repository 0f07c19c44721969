"""The engine: opens driver, source and outputs, runs at the pace asked for, closes everything, and reports.

from realtime.pipeline import run
report = run(Config(source="face.jpg", output=("out.mp4",), pace="offline"), driver=my_pictures)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from realtime.audio.mouth import Mouth, mouth_of_file
from realtime.audio.session import AudioSession, Delay
from realtime.capture.base import Driver, as_driver
from realtime.capture.choose import Choice, check_pace, choose_driver, open_driver
from realtime.capture.imagined import ImagineDriver
from realtime.clock import NS_PER_MS, Clock, MonotonicClock
from realtime.config import Config
from realtime.controls import Controls
from realtime.curtain import Curtain
from realtime.errors import DriverError, OutputError
from realtime.files import write_atomically
from realtime.live import LiveRun
from realtime.machine import machine_card, resident_mb, versions
from realtime.meter import Meter
from realtime.notices import Notice, Notices, log_notice
from realtime.obs import ObsSync, follow_lag
from realtime.offline import OfflineRun
from realtime.outputs.base import Output, Stream
from realtime.outputs.choose import choose_outputs
from realtime.outputs.staged import Staged
from realtime.performer import Performer
from realtime.preview.desk import Desk
from realtime.preview.run_side import Running
from realtime.preview.server import PageServer, PreviewOutput
from realtime.rehearsal import rehearse
from realtime.spare import second_looks
from realtime.stages import Stages
from realtime.tap import Tap
from realtime.trace import Trace
from realtime.types import U8
from realtime.wardrobe import Order, Wardrobe

Report = dict[str, Any]
_LEAST_NS = 15 * NS_PER_MS  # of a picture that is drawn and sent, before any was measured


class Assemble(Protocol):
    """Builds the stages of a run."""

    def __call__(self, config: Config, notices: Notices, *, pictures: bool) -> Stages:
        """Return the stages, with a tracker if the driver gives pictures; raises `UserError`."""
        ...


class Engine:
    """One run of the engine; `stop` and `recalibrate` may be called from other threads and signal handlers."""

    def __init__(
        self,
        config: Config,
        *,
        driver: Driver | Iterable[U8] | None = None,
        outputs: list[Output] | None = None,
        assemble: Assemble | None = None,
        clock: Clock | None = None,
        notices: Notices = log_notice,
        desk: Desk | None = None,
        server: PageServer | None = None,
    ) -> None:
        self._config, self._notices = config, notices
        self._clock = clock or MonotonicClock()
        self._given_driver = as_driver(driver, config.fps) if driver is not None else None
        self._given_outputs = outputs
        self._assemble = assemble
        self._trace = Trace() if config.trace else None
        self._meter = Meter(self._clock, self._trace)
        self._desk, self._server = desk, server
        self.controls, self.curtain = Controls(), desk.curtain if desk is not None else Curtain()
        self._performer: Performer | None = None
        self._wardrobe: Wardrobe | None = None
        self._running: LiveRun | OfflineRun | None = None
        self._stopped = False
        self._faceless = False

    def run(self, on_second: Callable[[Report], None] | None = None) -> Report:
        """Run to the end and return the report; raises `UserError` for what the user can mend.

        `on_second` is called about once a second with the figures so far.
        """
        config = self._config
        outputs = self._given_outputs
        if outputs is None:
            outputs = choose_outputs(config, self._notices, self._page)
        driver, stages = self._prepare()
        opened: list[Output] = []
        audio: AudioSession | None = None
        sync: ObsSync | None = None
        complete = False
        try:
            meter = self._meter
            audio, mouth = self._open_sound()
            self._performer = Performer(stages, config, meter, self._notices, mouth,
                                        self._desk.tap if self._desk else Tap())  # fmt: skip
            counting: list[Any] = [part for part in (driver, *outputs) if hasattr(part, "figures")]
            if counting:
                meter.gauge("protocols", lambda: {part.name: part.figures for part in counting})
            rest = self._performer.warm_up()
            stream = self._stream(rest, driver)
            shown: list[Output] = [self._staged(output, stream) for output in outputs]
            for output in shown:
                output.open(stream)
                opened.append(output)
                self._notices(Notice("note", f"sending to {output.name}"))
            sync = follow_lag(config, meter, self._notices)
            if config.pace == "live":
                first = partial(rehearse, stages, config, self._clock, rest)
                spare = second_looks(stages.tracker, meter, self._clock, float(driver.fps))
                self._running = LiveRun(driver, shown, self._performer, config, self._clock, meter, self._notices,
                                        self.controls, first, spare)  # fmt: skip
                self._attach(stages)
            else:
                self._running = OfflineRun(driver, shown, self._performer, config, self._clock, meter)
            if not self._stopped:
                self._running.run(on_second)
            self._check_result(driver)
            complete = True
        finally:
            for follower in (audio, sync):
                if follower is not None:
                    follower.close()
            driver.close()
            if self._wardrobe is not None:
                self._wardrobe.close(config.join_s)
            try:
                self._close(opened, complete)
            finally:
                stages.close()
        report = self._report(stages)
        self._write_files(report)
        return report

    def stop(self) -> None:
        """End the run as if the driver had ended."""
        self._stopped = True
        if self._running is not None:
            self._running.crew.abort()

    def recalibrate(self) -> None:
        """Take the driver's face of the next second as neutral."""
        if self._performer is not None:  # not by command: an offline run takes none
            self._performer.recalibrate()

    def _page(self) -> Output:
        """Return the control page as an output."""
        if self._desk is None:
            self._desk = Desk(self._config)
            self.curtain = self._desk.curtain
        return PreviewOutput(self._config, self._desk, self._server, self._notices)

    def _staged(self, output: Output, stream: Stream) -> Output:
        """Return the output as the engine feeds it; at live pace another source may have another size."""
        size = self._config.canvas
        if size is None and self._config.pace == "live" and not getattr(output, "any_size", False):
            size = (stream.width, stream.height)
        return Staged(output, size, self.curtain)

    def _attach(self, stages: Stages) -> None:
        """Let the control page steer this run."""
        if self._desk is None:
            return
        config, desk = self._config, self._desk
        from realtime.assembly import source_path

        order = Order(source_path(config, lambda _: None), config.size, config.generator != "off")
        if stages.dress is not None:
            self._wardrobe = Wardrobe(stages, order, self.controls, config.ready_sources, desk.said, config.background)
        desk.attach(Running(config, self.controls, self._meter, self._wardrobe, order))
        desk.warm_up()

    def _prepare(self) -> tuple[Driver, Stages]:
        """Open the driver while the models load."""
        choice: Choice | None = None
        if self._given_driver is None:
            choice = choose_driver(self._config, self._notices)
            check_pace(choice, self._config)
        assemble = self._assemble or _assembly()
        pictures = self._given_driver.has_pictures if self._given_driver else choice is None or choice.has_pictures
        with ThreadPoolExecutor(1, "prepare") as pool:
            building = pool.submit(assemble, self._config, self._notices, pictures=pictures)
            driver = self._given_driver
            try:
                if choice is not None:
                    driver = open_driver(choice, self._config, self._clock, self._notices)
            except BaseException:
                if building.exception() is None:
                    building.result().close()
                raise
            try:
                stages = building.result()
            except BaseException:
                if driver is not None:
                    driver.close()
                raise
        return driver or ImagineDriver(stages.imagine, self._config.fps), stages

    def _open_sound(self) -> tuple[AudioSession | None, Mouth | None]:
        """Open microphone and sound output where asked; the delay follows the measured lag of the picture."""
        config, meter = self._config, self._meter
        if config.mouth not in ("off", "mic"):
            return None, mouth_of_file(Path(config.mouth).expanduser())
        out = config.audio_out if config.audio_delay != "off" else ""
        if config.pace != "live" or not (out or config.mouth == "mic"):
            return None, None
        delay: Delay = "auto" if config.audio_delay == "off" else config.audio_delay
        audio = AudioSession(config.audio_in, out, delay, self._clock, self._notices, buffer_ms=config.audio_buffer)
        meter.gauge("audio", lambda: audio.figures)
        meter.on_tick(lambda: audio.follow(meter.lag_ms))
        heard, goes = audio.figures["input"], audio.figures["output"]
        self._notices(Notice("note", f"sound: {heard}" + (f" to {goes}, delayed" if goes else " moves the mouth")))
        if config.mouth != "mic":
            return audio, None
        return audio, Mouth(audio.line.ring, lambda at_ns: audio.fits(at_ns, max(meter.running_latency_ns, _LEAST_NS)))

    def _stream(self, rest: U8, driver: Driver) -> Stream:
        """Return what outputs need to know before the first picture."""
        config = self._config
        height, width = rest.shape[:2]
        if config.canvas:
            width, height = config.canvas
        offline = config.pace == "offline"
        fps = driver.fps if offline else Fraction(config.fps)
        sound = driver.audio
        if sound is None and config.mouth not in ("off", "mic"):
            sound = Path(config.mouth).expanduser()
        return Stream(width, height, fps, self._clock, offline, sound, config.seconds, config.background == "alpha")

    def _check_result(self, driver: Driver) -> None:
        """Raise `DriverError` when a file had no face at all: its video would be a photo that idles."""
        figures = self._meter.snapshot()
        is_file = driver.has_pictures and not driver.real_time and not self._stopped
        self._faceless = is_file and figures["frames_in"] > 0 and figures["tracked"] == 0
        if self._faceless:
            raise DriverError(f"driver {driver.name}", f"no face was found in any of its {figures['frames_in']} frames",
                              "Give a video in which one face is seen from the front")  # fmt: skip

    def _close(self, opened: list[Output], complete: bool) -> None:
        """Close the outputs; at live pace a recording is kept even when the run failed, unless it failed itself."""
        failed = {id(sender.output) for sender in getattr(self._running, "senders", []) if sender.error is not None}
        live = isinstance(self._running, LiveRun) and not self._faceless
        first: Exception | None = None
        for output in opened:
            try:
                output.close(complete=(complete or live) and id(output) not in failed)
            except Exception as error:
                first = first or error
        if first is not None:
            raise first

    def _report(self, stages: Stages) -> Report:
        """Return the report of DESIGN.md section 7."""
        config, figures = self._config, self._meter.snapshot()
        return {
            "pace": config.pace, "source": config.source, "driver": config.driver, "output": list(config.output),
            **figures, "memory_mb": resident_mb(),
            "device": {"asked": config.device, "got": stages.device},
            "machine": machine_card(), "versions": versions(),
        }  # fmt: skip

    def _write_files(self, report: Report) -> None:
        """Write report and trace where asked."""
        if self._trace is not None and self._config.trace:
            self._trace.save(Path(self._config.trace))
        if self._config.report and self._config.report != "-":
            path = Path(self._config.report)
            try:
                write_atomically(path, json.dumps(report, indent=1) + "\n")
            except OSError as error:
                raise OutputError(
                    f"report {path}", str(error.strerror or error), "Choose a writable --report FILE"
                ) from None


def run(config: Config, **parts: Any) -> Report:
    """Run the engine once and return its report; `parts` as in `Engine` (driver, outputs, assemble, clock, notices)."""
    return Engine(config, **parts).run()


def _assembly() -> Assemble:
    """Return the real assembly; imported here so that fakes need no models."""
    from realtime.assembly import assemble

    return assemble
