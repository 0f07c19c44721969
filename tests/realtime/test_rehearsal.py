"""The first seconds of a live run: everything is gone through before the first frame, and none of it shows."""

from __future__ import annotations

import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import pytest
from fakes import Collector, FakeDriver, FakePuppet, FakeTracker, Said, assembler, params, poisoned
from fakes import stages as fake_stages
from pictures import bars, composite

from models.face import FaceParams
from realtime.clock import FakeClock
from realtime.config import Config
from realtime.errors import OutputError
from realtime.live import Drops
from realtime.outputs.base import Stream
from realtime.outputs.behind import Behind
from realtime.outputs.video import VideoOutput
from realtime.pipeline import run
from realtime.rehearsal import rehearse
from realtime.types import U8


class SlowAtFirst(FakeTracker):
    """A tracker whose first call takes a quarter of a second, as one does that has to load something."""

    def track(self, rgb: U8, captured_ns: int) -> tuple[FaceParams | None, float]:
        if not self.frames:
            time.sleep(0.25)
        self.threads = {*getattr(self, "threads", ()), threading.current_thread().name}
        return super().track(rgb, captured_ns)


def test_what_is_slow_once_drops_no_frame_and_shows_nowhere() -> None:
    out, tracker, said = Collector(), SlowAtFirst(lambda i: params(1.0 if i < 6 else 0.2)), Said()
    report = run(Config(neutral="first"), driver=FakeDriver([poisoned()] * 20, fps=20), outputs=[out], notices=said,
                 assemble=assembler(fake_stages(tracker)))  # fmt: skip
    assert tracker.threads == {"compute"}  # where the frames are worked on: some libraries keep things by thread
    assert tracker.frames == report["frames_in"] - report["dropped"] + 6
    assert tracker.resets == 1
    assert report["tracked"] == report["frames_in"] - report["dropped"]
    assert report["dropped"] <= 1  # 5 without the rehearsal
    assert set(out.reds) == {120}  # of the driver; a jaw of 1.0 was rehearsed only
    assert out.sent[0].seq == 1


def test_rehearsal_forgets_and_keeps_errors_to_itself() -> None:
    picture = bars()
    made = fake_stages(FakeTracker(lambda i: 1 / 0), FakePuppet(fail=lambda i: True))  # type: ignore[arg-type,return-value]
    rehearse(made, Config(), FakeClock(), picture)
    tracker = FakeTracker()
    made = fake_stages(tracker)
    rehearse(made, Config(), FakeClock(), picture)
    assert tracker.frames == 6
    assert tracker.resets == 1
    assert made.calibration.neutral is None
    assert made.predictor.resets >= 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(("dropped", "told"), [
    ([16, 0, 0, 0, 0, 0, 0, 0], None), ([0, 0, 0, 0, 0, 0, 0, 0], None), ([30, 10, 9, 0, 0, 0, 0, 0], None),
    ([0, 6, 6, 6, 6, 6, 6, 6], 6), ([0, 0, 0, 0, 0, 3, 15, 15], 7),
])  # fmt: skip
def test_drops_are_told_only_when_they_go_on(dropped: list[int], told: int | None) -> None:
    drops, wanted, lost, said = Drops(), 0, 0, []
    for second, count in enumerate(dropped, 1):
        wanted, lost = wanted + 30, lost + count
        if drops.go_on(wanted, wanted - lost):
            said.append(second)
    assert (said or [None])[0] == told


def test_a_late_encoder_gets_every_picture_in_order_and_nobody_waits() -> None:
    done: list[int] = []
    held = threading.Event()

    def work(number: int) -> None:
        held.wait(5)
        done.append(number)

    behind = Behind(work, 50, "late")
    start = time.monotonic()
    for number in range(40):
        behind.put(number)
    assert time.monotonic() - start < 1.0
    held.set()
    behind.finish(True)
    assert done == list(range(40))
    assert behind.most_waiting >= 38


def test_an_encoder_that_fails_is_heard_at_the_next_picture_or_at_the_end() -> None:
    def work(number: int) -> None:
        raise OutputError("output x", "the disk is full", "Free some space")

    behind = Behind(work, 5, "failing")
    with pytest.raises(OutputError, match="full"):  # noqa: PT012
        for number in range(1000):
            behind.put(number)
            time.sleep(0.001)
    with pytest.raises(OutputError, match="full"):
        behind.finish(True)
    behind.finish(False)


def test_a_live_file_holds_the_times_of_the_hand_over_whatever_the_encoder_does(tmp_path: Path) -> None:
    clock, out = FakeClock(), VideoOutput(tmp_path / "l.mp4", Config(), Said())
    out.open(Stream(128, 96, Fraction(30), clock))
    encode, held = out._encode, threading.Event()

    def late(*item: object) -> None:
        held.wait(5)
        encode(*item)  # type: ignore[arg-type]

    out._encode = late  # type: ignore[method-assign]
    for number in range(30):
        out.send(composite(bars(), number))
        clock.advance(1_000_000_000 // 30)
    clock.advance(10_000_000_000)
    held.set()
    out.close(True)
    with av.open(str(tmp_path / "l.mp4")) as container:
        times = [float(frame.time) for frame in container.decode(video=0)]
    assert times == pytest.approx([i / 30 for i in range(30)], abs=0.002)
