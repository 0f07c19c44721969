"""One driver frame to one finished picture: landmarks -> params -> predicted params -> ... -> full frame.

The driver's picture ends in `track`: what leaves it is params. `show` gets no picture but the one that the puppet
renders from the source photo, so nothing that fails in here can put a driver frame into a `Composite`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from models.face import FaceParams
from realtime.audio.mouth import Mouth
from realtime.backdrop import ground
from realtime.clock import NS_PER_MS, NS_PER_S
from realtime.config import Config
from realtime.controls import (
    Calibrate,
    Command,
    Freeze,
    SetBackdrop,
    SetGains,
    SetGenerator,
    SetLookahead,
    SetLost,
    SetMirror,
    SetSmoothing,
    UsePuppet,
)
from realtime.errors import UserError
from realtime.meter import Meter, Stopwatch
from realtime.notices import Notice, Notices, Once
from realtime.presence import Presence
from realtime.protocols.frames import mirrored
from realtime.smoothing import Smoothing
from realtime.stages import Finish, Stages
from realtime.tap import Tap
from realtime.types import U8, Composite, DriverMotion, Frame, Motion, Tracked

_LOG = logging.getLogger("faceanime.performer")
_PREDICTION_GAP_NS = NS_PER_S // 4  # older history says nothing about now
_NO_PICTURE: U8 = np.empty((0, 0, 3), np.uint8)
T = TypeVar("T")
_LONGEST_LOOKAHEAD_NS = 150 * NS_PER_MS  # nothing predicts a face further


@dataclass(frozen=True, eq=False)
class Draft:
    """A picture that is not finished: what it will say of itself, and what finishes it."""

    composite: Composite  # without its picture
    frame: int  # number of the driver frame, for the trace
    finish: Finish | None  # None: the last good picture is shown again


class Performer:
    """Turns driver frames into composites; `track`, `draft` and `finish` may run in three threads, each in one."""

    def __init__(self, stages: Stages, config: Config, meter: Meter, notices: Notices, mouth: Mouth | None = None,
                 tap: Tap | None = None, good: U8 | None = None) -> None:  # fmt: skip
        self._stages = stages
        self._mouth = mouth
        self._config = config
        self._meter = meter
        self._once = Once(notices)
        self._gains = config.gains
        self._live_pace = config.pace == "live"
        self._tap = tap or Tap()
        self._lookahead, self._smoothing_ms, self._mirror = config.lookahead, config.smoothing, config.mirror
        self._lost, self._frozen, self._look = config.lost, False, 0
        self._smooth = Smoothing(stages.blend)
        self._presence = self._new_presence()
        self._lost_limit_ns = int(config.recalibrate_after_s * NS_PER_S)
        self._forget_in_track = threading.Event()
        self._forget_in_show = threading.Event()
        self._face_ns: int | None = None  # last face seen, by `track`
        self._forgotten = False
        self._params_ns: int | None = None  # last params shown, by `show`
        self._good = good  # the picture to fall back on
        self._good_alpha: U8 | None = None
        self._background = config.background
        self._seq = 0

    def warm_up(self) -> U8:
        """Render the resting source once and return it (H, W, 3): the picture to fall back on; may raise."""
        rest = self._stages.rest
        self._stages.predictor.observe(rest, 0)  # compiles its kernels, or loads them
        self._stages.predictor.reset()
        self._good = self._stages.puppet.render(self._stages.puppet.retarget(rest, rest, self._gains))
        return self._good

    def recalibrate(self) -> None:
        """Forget the driver's identity and neutral at the next frame; may be called from any thread."""
        self._forget_in_track.set()
        self._forget_in_show.set()

    def see(self, item: Frame | Motion | Tracked) -> Motion | Tracked:
        """Return what a driver's item holds: frames are tracked, what a phone has tracked is taken as it is."""
        if isinstance(item, Frame):
            return self.track(item)
        if isinstance(item, Tracked):
            self._forget_in_track.clear()
            self._watch_face(item.captured_ns, item.params is not None)
            if self._mirror and item.params is not None:
                return replace(item, params=mirrored(item.params))
        return item

    def obey(self, commands: tuple[Command, ...]) -> None:
        """Carry out what was asked for while the run goes on; called by the compute thread between two frames."""
        for command in commands:
            match command:
                case SetGains(gains):
                    self._gains = gains
                case SetLookahead(lookahead):
                    self._lookahead = lookahead
                case SetSmoothing(ms):
                    self._smoothing_ms = ms
                case SetLost(choice):
                    self._lost = choice
                case SetGenerator(on):
                    self._stages.puppet.set_generator(on)
                case Calibrate():
                    self.recalibrate()
                case SetMirror(on):
                    if on != self._mirror:
                        self._mirror = on
                        self.recalibrate()  # a mirrored face is another face
                case Freeze(on):
                    self._frozen = on
                    self._presence.ease()
                case SetBackdrop(plate, look, word):
                    if look == self._look:  # else it was made for a source that has been exchanged since
                        self._stages.puppet.set_backdrop(plate)
                        self._background = word
                case UsePuppet(puppet, rest, look, plate, word):
                    puppet.set_backdrop(plate)
                    self._stages, self._background = replace(self._stages, puppet=puppet), word
                    self._good_alpha = None
                    self._good, self._look, self._smooth = rest, look, Smoothing(self._stages.blend)
                    self._presence = self._new_presence()  # params of one source mean nothing to another

    def _new_presence(self) -> Presence:
        config = self._config
        return Presence(self._stages.blend, int(config.lost_ease_s * NS_PER_S), int(config.return_ease_s * NS_PER_S))

    def track(self, frame: Frame) -> Tracked:
        """Return what the tracker sees in a driver frame; a tracker that fails has seen no face."""
        tracker = self._stages.tracker
        assert tracker is not None
        if self._forget_in_track.is_set():
            self._forget_in_track.clear()
            tracker.reset()
        watch = Stopwatch(self._meter, frame.seq)
        try:
            rgb = frame.rgb[:, ::-1].copy() if self._mirror else frame.rgb
            params, confidence = tracker.track(rgb, frame.captured_ns)
            if self._tap.wanted:
                self._tap.put(getattr(tracker, "points", None), rgb)
        except UserError:
            raise
        except Exception as error:
            _LOG.debug("tracker", exc_info=True)
            self._meter.count("tracker_errors")
            self._once.say("tracker", Notice("warning", f"tracking failed on a frame ({error!r}); "
                                             "it counts as no face. Run again with --debug for details"))  # fmt: skip
            params, confidence = None, 0.0
        watch.lap("track")
        self._watch_face(frame.captured_ns, params is not None)
        return Tracked(frame.seq, frame.captured_ns, params, confidence)

    def _watch_face(self, now_ns: int, seen: bool) -> None:
        """Count faces, and forget the person who has been away for long."""
        if seen:
            self._meter.count("tracked")
            self._face_ns, self._forgotten = now_ns, False
            return
        if self._face_ns is None:
            self._face_ns = now_ns
        away_ns = now_ns - self._face_ns
        if away_ns > self._config.no_face_notice_s * NS_PER_S:
            self._once.say("no face", Notice("warning", "no face in the driver's picture; the photo idles. Sit in "
                                             "front of the camera, in the light"))  # fmt: skip
        # With --neutral first the first face stays the measure, or the same file would give two different videos.
        if away_ns > self._lost_limit_ns and not self._forgotten and self._config.neutral == "auto":
            self._forgotten = True
            self._meter.count("recalibrations")
            self.recalibrate()

    def show(self, seen: Tracked | Motion | None, now_ns: int) -> Composite:
        """Return the picture for what was seen (None: no frame came) at `now_ns` of the run's time."""
        return self.finish(self.draft(seen, now_ns))

    def draft(self, seen: Tracked | Motion | None, now_ns: int) -> Draft:
        """Return that picture as geometry draws it; `finish` completes it, maybe in another thread."""
        watch = Stopwatch(self._meter, seen.seq if seen is not None else -1)
        captured_ns = seen.captured_ns if seen is not None else now_ns
        at_ns = captured_ns + self._lookahead_ns()
        if self._forget_in_show.is_set():
            self._forget_in_show.clear()
            self._stages.forget_driver()
        if self._mouth is not None:
            self._mouth.listen(captured_ns)
        live, motion = self._live_params(seen, at_ns)
        lost = live is None and not (isinstance(seen, Tracked) and seen.params is not None)
        self._seq += 1
        if self._frozen and self._good is not None:
            watch.lap("predict")
            self._meter.count("idle")
            made = Composite(self._seq, captured_ns, self._good, captured_ns, False, look=self._look,
                             alpha=self._good_alpha, ground=ground(self._background))  # fmt: skip
            return Draft(made, -1, None)
        params = self._presence.step(captured_ns, live, lambda: self._idle(captured_ns, lost))
        if self._live_pace:
            params = self._smooth.step(params, captured_ns, self._smoothing_ms)
        watch.lap("predict")
        driven = live is not None
        self._meter.count("idle", not driven)
        card = lost and self._lost == "card" and self._presence.settled
        shown_ns = at_ns if driven else captured_ns
        finish = self._safely(lambda: self._stages.puppet.begin(params))
        clear = finish is not None and self._background == "alpha"
        alpha = self._safely(self._stages.puppet.matte) if clear else None
        made = Composite(self._seq, captured_ns, _NO_PICTURE, shown_ns, driven, motion, self._look, card, alpha,
                         ground(self._background))  # fmt: skip
        watch.lap("map")
        return Draft(made, seen.seq if seen is not None else -1, finish)

    def finish(self, draft: Draft) -> Composite:
        """Return the finished picture of a draft; drafts are finished in order, one at a time."""
        watch = Stopwatch(self._meter, draft.frame)
        rgb = self._safely(draft.finish) if draft.finish is not None else None
        if rgb is not None:
            self._good, self._good_alpha = rgb, draft.composite.alpha
        watch.lap("generate")
        assert self._good is not None
        whole = replace(draft.composite, rgb=self._good, alpha=self._good_alpha)
        watch.lap("compose")
        return whole

    def _lookahead_ns(self) -> int:
        """Return how far ahead of its capture a frame's motion is shown."""
        if not self._live_pace:
            return 0
        if self._lookahead == "auto":
            lead_ns = int(self._config.display_lead * NS_PER_MS)
            return min(self._meter.running_latency_ns + lead_ns, _LONGEST_LOOKAHEAD_NS)
        return int(self._lookahead * NS_PER_MS)

    def _live_params(self, seen: Tracked | Motion | None, at_ns: int) -> tuple[FaceParams | None, DriverMotion | None]:
        """Return the source's params for the driver's (None without a face or before neutral), and the driver's."""
        if isinstance(seen, Motion):
            rest = self._stages.rest
            self._meter.lag.made(seen.captured_ns, seen.params)
            params = self._speak(seen.params)
            return self._stages.puppet.retarget(params, rest, self._gains), DriverMotion(params, rest)
        if seen is None or seen.params is None:
            return None, None
        self._meter.lag.made(seen.captured_ns, seen.params)
        calibration, predictor = self._stages.calibration, self._stages.predictor
        calibration.observe(seen.params, seen.captured_ns)
        if self._params_ns is not None and seen.captured_ns - self._params_ns > _PREDICTION_GAP_NS:
            predictor.reset()
        predictor.observe(seen.params, seen.captured_ns)
        params = predictor.predict(at_ns)
        self._params_ns = seen.captured_ns
        neutral = calibration.neutral
        live = None if neutral is None else self._stages.puppet.retarget(params, neutral, self._gains)
        return live, DriverMotion(params, neutral, pictured=self._stages.tracker is not None)

    def _idle(self, t_ns: int, lost: bool) -> FaceParams:
        """Return the source's params while no driver moves it: the idle motion, or what was shown last."""
        stages = self._stages
        if lost and self._lost == "freeze" and self._presence.shown is not None:
            return self._presence.shown
        return stages.puppet.retarget(self._speak(stages.imagine.params_at(t_ns)), stages.rest, self._gains)

    def _speak(self, params: FaceParams) -> FaceParams:
        """Return idle motion with the mouth of the voice, if there is one."""
        return params if self._mouth is None else self._mouth.speak(params)

    def _safely(self, work: Callable[[], T]) -> T | None:
        """Do a part of the drawing; where it fails there is None, and the last good picture is shown."""
        try:
            return work()
        except UserError:
            raise
        except Exception as error:
            _LOG.debug("render", exc_info=True)
            self._meter.count("render_errors")
            self._once.say("render", Notice("warning", f"a picture could not be made ({error!r}); the "
                                            "last good one is shown. Run again with --debug for details"))  # fmt: skip
            if self._good is None:
                raise
            return None
