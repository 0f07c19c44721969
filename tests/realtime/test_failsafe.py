"""No failure puts the driver's picture on an output: a poisoned driver is run through every one of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from clock_beside import Beside
from fakes import (
    Collector,
    FakeDriver,
    FakePuppet,
    FakeTracker,
    Said,
    assembler,
    is_clean,
    params,
    poisoned,
    stages,  # fmt: skip
)

from models.face import FaceParams
from realtime.clock import MonotonicClock
from realtime.config import Config
from realtime.errors import DriverError, EngineError, OutputError, UserError
from realtime.pipeline import Engine
from realtime.sender import Sender
from realtime.stages import Finish, Stages
from realtime.types import Frame

FRAMES = 24


def boom(_: int) -> None:
    raise RuntimeError("tracker fault")


def fails_from_start(_: int) -> bool:
    return True


class Torn(FakePuppet):
    """A puppet whose geometry fails before there is anything to finish; its first picture is good."""

    def begin(self, params: FaceParams) -> Finish:
        raise RuntimeError("geometry fault")


def scene(name: str) -> tuple[Stages, dict[str, Any]]:
    """Stages that fail in one way, and what the driver does."""
    if name == "no face":
        return stages(FakeTracker(lambda i: None)), {}
    if name == "tracker exception":
        return stages(FakeTracker(boom)), {}
    if name == "tracker exception now and then":
        return stages(FakeTracker(lambda i: boom(i) if i % 3 == 1 else params(0.5))), {}
    if name == "render exception":
        return stages(puppet=FakePuppet(fail=lambda i: i % 2 == 1)), {}
    if name == "render exception for ever":
        return stages(puppet=FakePuppet(fail=lambda i: i > 0)), {}
    if name == "geometry exception":
        return stages(puppet=Torn()), {}
    if name == "slow stage":
        return stages(FakeTracker(delay_s=0.02), FakePuppet(delay_s=0.03)), {}
    if name == "camera lost":
        return stages(), {"end": DriverError("camera 0", "it was lost", "Plug it in")}
    if name == "driver crashes":
        return stages(), {"end": RuntimeError("driver fault")}
    return stages(), {}


SCENES = ["all well", "no face", "tracker exception", "tracker exception now and then", "render exception",
          "render exception for ever", "geometry exception", "slow stage", "camera lost", "driver crashes"]  # fmt: skip


@pytest.mark.parametrize("pace", ["live", "offline"])
@pytest.mark.parametrize("name", SCENES)
def test_poison_never_arrives(name: str, pace: str) -> None:
    made, trouble = scene(name)
    out = Collector()
    driver = FakeDriver([poisoned(seed=i) for i in range(FRAMES)], fps=60, **trouble)
    config = Config(pace=pace, fps=60, seconds=2.0, neutral="first", canvas=(96, 64))  # type: ignore[arg-type]
    error = None
    try:
        Engine(config, driver=driver, outputs=[out], assemble=assembler(made), notices=Said()).run()
    except (UserError, RuntimeError) as raised:
        error = raised
    assert bool(error) == (name in ("no face", "tracker exception", "camera lost", "driver crashes"))
    # Offline a crash may come before the first picture was written; a live stream shows something in any case.
    assert out.sent or (error and pace == "offline")
    assert all(is_clean(c.rgb) for c in out.sent)
    assert out.closed is not None
    assert made.tracker.closed  # type: ignore[union-attr]


def test_poison_detector_can_fail() -> None:
    assert not is_clean(poisoned())
    assert not is_clean(np.where(np.arange(64)[None, :, None] < 60, 90, poisoned()).astype(np.uint8))


def test_missing_source_opens_no_output() -> None:
    def no_source(*_: Any, **__: Any) -> Stages:
        raise UserError("source x.png", "there is no such file", "Check the path")

    out = Collector()
    with pytest.raises(UserError, match=r"x\.png"):
        Engine(Config(), driver=FakeDriver([poisoned()]), outputs=[out], assemble=no_source).run()
    assert out.stream is None


def test_source_that_cannot_be_rendered_opens_no_output() -> None:
    out = Collector()
    made = stages(puppet=FakePuppet(fail=fails_from_start))
    with pytest.raises(RuntimeError, match="render fault"):
        Engine(Config(), driver=FakeDriver([poisoned()]), outputs=[out], assemble=assembler(made)).run()
    assert out.stream is None


def test_sender_refuses_what_is_not_a_composite() -> None:
    from realtime.crew import Crew
    from realtime.meter import Meter

    clock = MonotonicClock()
    out = Collector()
    sender = Sender(out, 30, Meter(clock), clock, counts=True)
    sender.mailbox.put(Frame(0, 0, poisoned()))  # type: ignore[arg-type]
    with pytest.raises(EngineError, match="Frame"):
        sender.run(Crew(clock), lambda *_: None)
    assert not out.sent


def test_camera_that_stalls_leaves_an_idling_stream_without_a_gap() -> None:
    """Ten frames, then silence for 0.6 s: the output is fed all the time, and eases to rest."""
    clock = MonotonicClock()

    class Stalling(FakeDriver):
        def __iter__(self) -> Any:
            yield from super().__iter__()
            self.closed.wait(5)

    out = Collector()
    driver = Stalling([poisoned(seed=i) for i in range(10)], fps=30, real_time=True, clock=clock)
    with Beside() as beside:
        Engine(Config(seconds=1.6, neutral="first", fps=30), driver=driver, outputs=[out], clock=clock,
               assemble=assembler(stages(FakeTracker(lambda i: params(min(i, 1) * 1.0))))).run()  # fmt: skip
    reds = out.reds
    assert max(reds) == 200  # the mouth was open
    assert reds[-1] == 100  # and is shut
    if beside.steady:
        assert np.abs(np.diff(reds[-25:])).max() < 40
        assert np.diff(out.sent_ns).max() < 0.4e9
    assert all(is_clean(c.rgb) for c in out.sent)


def test_one_failing_output_leaves_the_others_running() -> None:
    good, bad, said = Collector("good"), Collector("bad", fail_at=5), Said()
    driver = FakeDriver([poisoned(seed=i) for i in range(90)], fps=60)
    engine = Engine(Config(fps=60, neutral="first"), driver=driver, outputs=[good, bad], assemble=assembler(stages()),
                    notices=said)  # fmt: skip
    with pytest.raises(OutputError, match="it broke"):
        engine.run()
    assert len(good.sent) > len(bad.sent) + 10
    assert good.closed is True
    assert bad.closed is False
    assert "The other outputs go on" in said.text


def test_offline_output_failure_keeps_nothing() -> None:
    good, bad = Collector("good"), Collector("bad", fail_at=5)
    driver = FakeDriver([poisoned()] * 20)
    with pytest.raises(OutputError):
        Engine(Config(pace="offline"), driver=driver, outputs=[good, bad], assemble=assembler(stages())).run()
    assert good.closed is False
    assert bad.closed is False
