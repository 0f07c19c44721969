"""The engine end to end with fake faces: counts, order, timing, neutral, reports."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from clock_beside import Beside
from fakes import (
    Collector,
    FakeCalibration,
    FakeDriver,
    FakePredictor,
    FakePuppet,
    FakeTracker,
    Said,
    assembler,
    params,
)
from fakes import stages as fake_stages

from models.face import FaceParams
from realtime.clock import NS_PER_S, MonotonicClock
from realtime.config import Config
from realtime.errors import OutputError
from realtime.meter import STAGES
from realtime.pipeline import Engine, run
from realtime.types import U8


def greys(count: int) -> list[np.ndarray]:
    return [np.full((24, 32, 3), int(i * 255 / max(count - 1, 1)), np.uint8) for i in range(count)]


def test_offline_gives_one_picture_for_each_frame_unpredicted_and_repeatable() -> None:
    runs = []
    for _ in range(2):
        out, predictor = Collector(), FakePredictor()
        report = run(Config(pace="offline", neutral="first"), driver=FakeDriver(greys(50), fps=25), outputs=[out],
                     assemble=assembler(fake_stages(predictor=predictor)))  # fmt: skip
        assert predictor.asked == [i * 40_000_000 for i in range(50)]  # each at its own instant: nothing is ahead
        assert [c.captured_ns for c in out.sent] == [int(i * NS_PER_S / 25) for i in range(50)]
        assert all(c.predicted_for_ns == c.captured_ns for c in out.sent)
        assert out.stream is not None
        assert out.stream.fps == 25
        assert (report["frames_in"], report["frames_out"], report["dropped"], report["tracked"]) == (50, 50, 0, 50)
        runs.append(out.reds)
    assert runs[0] == runs[1]
    assert runs[0] == sorted(runs[0])
    assert runs[0][0] == 100
    assert runs[0][-1] == 200  # raw params, no easing


def test_seconds_limits_the_drivers_time_offline() -> None:
    out = Collector()
    run(Config(pace="offline", seconds=1.0), driver=FakeDriver(greys(60), fps=30), outputs=[out],
        assemble=assembler(fake_stages()))  # fmt: skip
    assert len(out.sent) == 30


class Curious(FakeTracker):
    """Looks a second time at no cost, or fails to."""

    looks: int = 0
    fails: bool = False

    def use_spare_time(self) -> bool:
        self.looks += 1
        if self.fails:
            raise RuntimeError("no second look")
        return self.looks % 2 == 0


@pytest.mark.parametrize(("fps", "fails"), [(25, False), (25, True), (240, False)])
def test_a_live_run_looks_a_second_time_only_where_the_next_frame_is_far(fps: int, fails: bool) -> None:
    tracker = Curious()
    tracker.fails = fails
    out = Collector()
    report = run(Config(fps=30, neutral="first"), driver=FakeDriver(greys(30), fps=fps), outputs=[out],
                 assemble=assembler(fake_stages(tracker=tracker)))  # fmt: skip
    if fps == 240:  # four milliseconds a frame: a look is taken to cost six
        assert tracker.looks == 0
    else:
        assert tracker.looks > 10
    assert report["second_looks"] == (0 if fails else tracker.looks // 2)
    assert report["tracker_errors"] == (tracker.looks if fails else 0)
    assert report["tracked"] > 0


def test_offline_never_uses_spare_time() -> None:
    tracker = Curious()
    run(Config(pace="offline", neutral="first"), driver=FakeDriver(greys(10), fps=25), outputs=[Collector()],
        assemble=assembler(fake_stages(tracker=tracker)))  # fmt: skip
    assert tracker.looks == 0


def test_live_sends_every_frame_on_time_and_reports(tmp_path: Path) -> None:
    out, clock = Collector(), MonotonicClock()
    report_file, trace_file = tmp_path / "report.json", tmp_path / "trace.json"
    config = Config(fps=30, neutral="first", report=str(report_file), trace=str(trace_file))
    with Beside() as beside:
        run(config, driver=FakeDriver(greys(45), fps=30), outputs=[out], clock=clock, assemble=assembler(fake_stages()))
    report = json.loads(report_file.read_text())
    # Bounds for a machine that does other work too; benchmarks/latency.py measures the real figures.
    assert report["frames_in"] == 45
    assert report["frames_out"] == len(out.sent)
    assert report["tracked"] + report["dropped"] >= 45
    assert report["latency_ms"]["p50"] > 0
    sent = report["sent"]["collector"]
    assert sent["pictures"] == len(out.sent)
    assert sent["longest_gap_ms"] > 0
    if beside.steady:
        assert sent["longest_gap_ms"] == pytest.approx(np.diff(out.sent_ns).max() / 1e6, abs=10)
        assert report["frames_out"] >= 42
        assert report["dropped"] <= 12
        assert report["latency_ms"]["p50"] < 60
    assert set(report["stages_ms"]) == set(STAGES)
    assert report["device"] == {"asked": "auto", "got": "cpu"}
    assert report["machine"]["cores"] >= 1
    assert report["versions"]["numpy"]
    assert report["apparent_lag_ms"] is None or -50 < report["apparent_lag_ms"] < 400
    events = json.loads(trace_file.read_text())["traceEvents"]
    names = {event["name"] for event in events if event["ph"] == "X"}
    assert {"track", "predict", "map", "generate", "compose", "send"} <= names
    assert {event["args"]["seq"] for event in events if event["name"] == "track"} <= set(range(45))


def test_slow_compute_drops_the_oldest_and_counts_it() -> None:
    out = Collector()
    with Beside() as beside:
        report = run(Config(fps=30, neutral="first"), driver=FakeDriver(greys(60), fps=60), outputs=[out],
                     assemble=assembler(fake_stages(FakeTracker(delay_s=0.05))))  # fmt: skip
    assert report["dropped"] > 20
    assert report["tracked"] + report["dropped"] >= 60 - 1
    if beside.steady:
        assert report["latency_ms"]["p95"] < 400  # a queue that drains in order would have built up a second


def test_machine_that_cannot_keep_up_is_told_what_to_try() -> None:
    said = Said()
    made = assembler(fake_stages(FakeTracker(delay_s=0.1)))
    run(Config(neutral="first", seconds=6.5), driver=FakeDriver(greys(220)), outputs=[Collector()], assemble=made,
        notices=said)  # fmt: skip
    assert said.text.count("--generator off") == 1


def test_prediction_aims_at_the_moment_of_showing() -> None:
    predictor = FakePredictor()
    run(Config(fps=30, neutral="first", lookahead=40.0), driver=FakeDriver(greys(10)), outputs=[Collector()],
        assemble=assembler(fake_stages(predictor=predictor)))  # fmt: skip
    out = Collector()
    run(Config(fps=30, neutral="first"), driver=FakeDriver(greys(20)), outputs=[out],
        assemble=assembler(fake_stages(FakeTracker(delay_s=0.01))))  # fmt: skip
    ahead = [c.predicted_for_ns - c.captured_ns for c in out.sent if c.driven]
    assert ahead[0] == 0
    assert 8e6 < ahead[-1] <= 150e6
    assert predictor.asked


def test_rests_until_neutral_is_known_then_eases_in() -> None:
    out = Collector()
    tracker = FakeTracker(lambda i: params(1.0))
    run(Config(pace="offline"), driver=FakeDriver(greys(60), fps=30), outputs=[out],
        assemble=assembler(fake_stages(tracker, calibration=FakeCalibration(after=30))))  # fmt: skip
    assert out.reds[:29] == [100] * 29
    assert out.reds[-1] == 200
    assert np.abs(np.diff(out.reds)).max() < 60


@pytest.mark.parametrize(("neutral", "resets"), [("auto", 1), ("first", 0)])
def test_long_absence_recalibrates_only_with_automatic_neutral(neutral: str, resets: int) -> None:
    tracker, calibration = FakeTracker(lambda i: None if 10 <= i < 130 else params(0.5)), FakeCalibration()
    report = run(Config(pace="offline", neutral=neutral), driver=FakeDriver(greys(150), fps=30), outputs=[Collector()],
                 assemble=assembler(fake_stages(tracker, calibration=calibration)))  # fmt: skip
    assert tracker.resets == resets
    assert calibration.resets == resets
    assert report["recalibrations"] == resets


def test_face_after_ten_seconds_takes_over() -> None:
    out, said = Collector(), Said()
    run(Config(pace="offline"), driver=FakeDriver(greys(360), fps=30), outputs=[out], notices=said,
        assemble=assembler(fake_stages(FakeTracker(lambda i: params(1.0) if i >= 300 else None))))  # fmt: skip
    assert set(out.reds[:300]) == {100}
    assert out.reds[-1] == 200
    assert "no face" in said.text


def test_unexpected_output_error_is_raised_with_its_own_words() -> None:
    with pytest.raises(OutputError, match="it broke"):
        run(Config(neutral="first"), driver=FakeDriver(greys(30)), outputs=[Collector(fail_at=3)],
            assemble=assembler(fake_stages()))  # fmt: skip


def test_stop_ends_an_endless_run_and_reports() -> None:
    import itertools
    import threading

    out = Collector()
    engine = Engine(Config(neutral="first", seconds=60), driver=itertools.cycle(greys(5)), outputs=[out],
                    assemble=assembler(fake_stages()))  # fmt: skip

    def stop_once_it_runs() -> None:
        while not out.sent:
            time.sleep(0.01)
        engine.stop()

    threading.Thread(target=stop_once_it_runs, daemon=True).start()
    report = engine.run()
    assert 0 < report["frames_out"] == len(out.sent)
    assert report["seconds"] < 50


def test_recalibrate_key_reaches_tracker_and_calibration() -> None:
    tracker, calibration, puppet = FakeTracker(), FakeCalibration(), FakePuppet()
    engine = Engine(Config(neutral="first", seconds=0.6), driver=FakeDriver(greys(60)), outputs=[Collector()],
                    assemble=assembler(fake_stages(tracker, puppet, calibration)))  # fmt: skip
    import threading

    threading.Timer(0.2, engine.recalibrate).start()
    engine.run()
    assert calibration.resets == 1
    assert puppet.forgotten >= 1
    assert tracker.resets == 2  # once after the rehearsal


def test_recalibrating_reaches_an_offline_run_too() -> None:
    tracker, calibration = FakeTracker(), FakeCalibration()
    engine: Engine

    def pictures() -> Iterator[np.ndarray]:
        for i, rgb in enumerate(greys(20)):
            if i == 10:
                engine.recalibrate()
            yield rgb

    engine = Engine(Config(pace="offline", neutral="first"), driver=pictures(), outputs=[Collector()],
                    assemble=assembler(fake_stages(tracker, calibration=calibration)))  # fmt: skip
    engine.run()
    assert tracker.resets == calibration.resets == 1


def test_mirror_turns_the_drivers_picture_around() -> None:
    half = np.zeros((4, 8, 3), np.uint8)
    half[:, :4] = 255
    for mirror in (False, True):
        tracker = FakeTracker()
        run(Config(pace="offline", mirror=mirror), driver=FakeDriver([half]), outputs=[Collector()],
            assemble=assembler(fake_stages(tracker, FakePuppet())))  # fmt: skip
        assert bool(tracker.kept[0][0, 0, 0]) is not mirror


def test_the_ten_lines_of_the_documentation_run() -> None:
    text = (Path(__file__).parents[2] / "docs" / "benchmarking.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    from functools import partial

    import realtime.pipeline as pipeline

    original, made = pipeline.run, fake_stages()
    try:
        pipeline.run = partial(original, assemble=assembler(made))  # type: ignore[assignment]
        space: dict[str, object] = {}
        exec(compile(code, "benchmarking.md", "exec"), space)
    finally:
        pipeline.run = original
    assert space["report"]["frames_out"] == 90  # type: ignore[index]


def test_what_lives_before_a_live_run_is_left_out_of_its_garbage_collections() -> None:
    """A collection of everything holds all threads for as long as it takes: 60 ms with the libraries loaded."""
    ballast = [[[]] for _ in range(1000)]
    seen: list[tuple[bool, int]] = []

    class Looking(FakePuppet):
        def render(self, asked: FaceParams) -> U8:
            seen.append((any(kept is ballast for kept in gc.get_objects(2)), gc.get_freeze_count()))
            return super().render(asked)

    run(Config(seconds=0.2), driver=FakeDriver(greys(30), fps=30), outputs=[Collector()],
        assemble=assembler(fake_stages(puppet=Looking())))  # fmt: skip
    assert seen[-1][1] > 1000
    assert not seen[-1][0]
    assert gc.get_freeze_count() == 0
